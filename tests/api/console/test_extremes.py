"""What no honest browser sends: years, numbers and texts beyond all bounds are refused in words, never a fault."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import urlencode

import pytest

from tests.api.console.matrix import names_of
from tests.api.console.test_access import page_of, post
from tests.api.console.test_reflected import PARAMETERS, READERS, forms_of, posted
from tests.api.matrix import World, reader

TIMES = ("0001-01-01T00:00", "9999-12-31T23:59", "0001-01-01", "9999-12-31")
NUMBERS = ("9" * 5000, "9" * 19, "9" * 15, "²")
EXTREMES = (*TIMES, *NUMBERS, "\0")
WORST = (TIMES[0], TIMES[1], NUMBERS[0])
OF_PAGE = {path: [parameter for page, parameter in PARAMETERS if page == path] for path, _ in PARAMETERS}
CLERK, GOVERNING = reader("own", "clerk"), reader("jurisdiction", "analyst")


@pytest.mark.extended
@pytest.mark.parametrize("path", OF_PAGE)
def test_no_parameter_makes_a_page_fail(world: World, path: str) -> None:
    """The worst of each by itself, and each value in all of the page's at once."""
    address, names = path.format_map(names_of(world)), OF_PAGE[path]
    for officer in READERS:
        for value in EXTREMES:
            for given in (*([name] for name in names if value in WORST), names):
                answer = page_of(world, officer, f"{address}?{urlencode(dict.fromkeys(given, value))}")
                assert answer.status_code < 500, (given, value[:40], answer.text)


@pytest.mark.extended
def test_no_field_makes_a_form_fail(world: World) -> None:
    """Each field of each form that a page shows, beside small numbers and beside its like."""
    tried: set[tuple[str, str]] = set()
    for officer in READERS:
        for address, fields in forms_of(world, officer):
            for name in {name for name in fields if (address, name) not in tried}:
                tried.add((address, name))
                for value in WORST:
                    answer = posted(world.served, officer, address, dict.fromkeys(fields, "1") | {name: value})
                    assert answer.status_code < 500, (address, name, value[:40], answer.text)
            for value in EXTREMES:
                answer = posted(world.served, officer, address, dict.fromkeys(fields, value))
                assert answer.status_code < 500, (address, value[:40], answer.text)
    assert len(tried) > 30


@pytest.mark.parametrize("value", EXTREMES)
def test_what_scripts_add_to_forms_is_bounded_too(world: World, value: str) -> None:
    """Where the next cited events begin, and what an earlier draft stood on."""
    assert post(world, CLERK, "/cited", {"digest": "blake3:" + "0" * 64, "first": value}).status_code == 200
    recalled = {"handover_id": world.offer, "ground": "error", "drafted_at": value}
    assert post(world, CLERK, "/cases/case-1/drafts/recall", recalled).status_code == 200


@pytest.mark.parametrize("year", ["1948", "2201", "0001", "9999"])
def test_the_years_that_a_page_takes_are_told(world: World, year: str) -> None:
    """A picture or a report of another time is refused at its field."""
    for field in ("since", "until"):
        days = urlencode({"since": "2026-03-01", "until": "2026-03-02"} | {field: f"{year}-01-01"})
        answers = (
            page_of(world, CLERK, f"/cases/case-1/picture?{field}={year}-01-01T00:00"),
            page_of(world, GOVERNING, f"/reports?{days}"),
            world.served.request("GET", f"/api/v1/report?{days}", headers=world.served.token(GOVERNING)),
        )
        for answer in answers:
            assert (answer.status_code, "in the years 1949 to 2200" in answer.text) == (400, True)


def test_a_picture_leads_nowhere_beyond_its_years(world: World) -> None:
    """From the longest time that it takes its controls go on, within the same bounds."""
    answer = page_of(world, CLERK, "/cases/case-1/picture?since=1949-01-01T00:00&until=2200-12-31T00:00")
    assert answer.status_code == 200
    links = re.findall(r'href="(\?since=[^"#]*)', answer.text)
    assert len(links) >= 4
    for link in links:
        assert page_of(world, CLERK, f"/cases/case-1/picture{unescape(link)}").status_code == 200, link
