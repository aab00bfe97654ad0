"""The clerk's lists as requests: what runs out first is on the first page, however many there are."""

from __future__ import annotations

import re

from api.console.cases.case_lists import ROWS
from tests.api.console.pages import page_of
from tests.api.service import Served
from tests.testkit.builders import POLICE, PROCURATORATE, Officer, clerk, instant
from tests.testkit.casework import Case

HOUR = 3600


def offered_until(served: Served, number: int, hours: int) -> None:
    until = instant(served.ledger.clock.seconds + hours * HOUR)
    case = Case(f"case-{number:02}").open().register(f"item-{number}")
    served.record(case.offer(f"item-{number}", to=PROCURATORATE, expires_at=until))


def listed(served: Served, officer: Officer, box: str) -> list[list[str]]:
    """Return the cases of a box, page by page, as its links lead."""
    pages, path = [], f"/{box}"
    while True:
        text = page_of(served, officer, path).text
        pages.append(re.findall(r'<th scope="row"><a href="/console/cases/(case-\d+)/handovers/', text))
        following = re.search(r'href="\?after=([^"]+)"', text)
        if following is None:
            return pages
        path = f"/{box}?after={following[1]}"


def test_a_box_is_by_deadline_over_all_its_pages(served: Served) -> None:
    """The offer that ends first is at the top though it was made last, in the inbox and in the outbox."""
    count = ROWS + 3
    for number in range(count):
        offered_until(served, number, hours=count - number)
    inbox = listed(served, clerk(PROCURATORATE), "inbox")
    assert inbox == listed(served, clerk(POLICE), "outbox")
    assert [len(page) for page in inbox] == [ROWS, 3]
    assert [case_id for page in inbox for case_id in page] == [f"case-{number:02}" for number in reversed(range(count))]
    assert page_of(served, clerk(PROCURATORATE), "/inbox?after=3").status_code == 400


def test_a_long_case_comes_in_parts(served: Served) -> None:
    """The page has the first rows of each list; following the parts shows every row once, and the last says no more."""
    items = [f"item-{number:03}" for number in range(2 * ROWS + 5)]
    case = Case(step=1).open().register(*items)
    for _ in range(ROWS + 2):
        case.offer("item-000", to=PROCURATORATE).recall()
    served.record(case)
    page = page_of(served, clerk(POLICE), "/cases/case-1").text
    assert rows_of(page, "items") == items[:ROWS]
    assert followed(served, page, "items") == items
    page = page_of(served, clerk(POLICE), "/cases/case-1?tab=handovers").text
    handover_ids = [f"handover-{number}" for number in range(ROWS + 2, 0, -1)]
    assert followed(served, page, "handovers") == handover_ids
    assert page_of(served, clerk(POLICE), "/cases/case-1/parts/items?first=9999").text.strip() == ""
    assert page_of(served, clerk(POLICE), "/cases/case-1/parts/persons").status_code == 400


def rows_of(text: str, kind: str) -> list[str]:
    pattern = r"/items/(item-\d+)\"" if kind == "items" else r"/handovers/(handover-\d+)\""
    return re.findall(pattern, text)


def followed(served: Served, page: str, kind: str) -> list[str]:
    rows = rows_of(page, kind)
    while more := re.search(rf'hx-get="/console(/cases/case-1/parts/{kind}\?first=\d+)"', page):
        page = page_of(served, clerk(POLICE), more[1]).text
        rows += rows_of(page, kind)
    return rows
