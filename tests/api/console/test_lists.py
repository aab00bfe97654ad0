"""The clerk's lists as requests: what runs out first is on the first page, however many there are."""

from __future__ import annotations

import io
import re

import httpx
import pytest
from openpyxl import load_workbook

from api.console.cases import list_files
from api.console.cases.case_lists import ROWS
from tests.api.console.pages import page_of, post
from tests.api.service import Served
from tests.testkit.builders import POLICE, PROCURATORATE, Officer, clerk, instant
from tests.testkit.casework import Case, person_id

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


def test_who_refused_an_offer_reaches_its_papers(served: Served) -> None:
    """From the page of the refusal, to which its draft leads, and from the list of what was refused; no other does."""
    case, prosecutor = Case().open().register("phone").offer("phone", to=PROCURATORATE), clerk(PROCURATORATE)
    served.record(case)
    link = f"/cases/case-1/handovers/{next(iter(case.state.handovers))}"
    form = {"handover_id": link.rpartition("/")[2], "reason_code": "binding_defective", "explanation": "it falls apart"}
    draft = post(served, prosecutor, "/cases/case-1/drafts/refuse", form | {"remedy": "rebind"}).text
    assert f'data-following="/console{link}"' in draft
    served.record(case.refuse())
    assert page_of(served, prosecutor, "/cases/case-1").status_code == 404
    assert '/console/inbox/refused"' in page_of(served, prosecutor, "/inbox").text
    assert listed(served, prosecutor, "inbox/refused") == [["case-1"]]
    assert listed(served, clerk(POLICE), "inbox/refused") == [[]]
    page = page_of(served, prosecutor, f"{link}?event={case.last.event.event_id}").text
    assert "Recorded as entry" in page
    papers = re.findall(r'href="/console(/cases/case-1/events/[^"]+/paper\?document=\w+)"', page)
    assert len(papers) == 2
    for paper in papers:
        assert page_of(served, prosecutor, paper).headers["content-type"] == "application/pdf"


def test_what_was_refused_is_listed_page_by_page(served: Served) -> None:
    """The newest first, each once."""
    for number in range(ROWS + 3):
        case = Case(f"case-{number:02}").open().register(f"item-{number}")
        served.record(case.offer(f"item-{number}", to=PROCURATORATE).refuse())
    pages = listed(served, clerk(PROCURATORATE), "inbox/refused")
    assert [len(page) for page in pages] == [ROWS, 3]
    names = [case_id for page in pages for case_id in page]
    assert names == [f"case-{number:02}" for number in reversed(range(ROWS + 3))]


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


# -- as files ----------------------------------------------------------------------------------------------------------


def sheet(answer: httpx.Response) -> list[tuple[object, ...]]:
    """Return the rows of a list's file, the headings first."""
    assert answer.status_code == 200, answer.text
    active = load_workbook(io.BytesIO(answer.content)).active
    assert active is not None
    assert all(cell.data_type != "f" for row in active.iter_rows() for cell in row)
    return list(active.iter_rows(values_only=True))


def test_every_list_is_a_file_by_a_link(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the rows of its page; what somebody wrote is text; a file that is cut says so."""
    case = Case("case-1", step=1).open(case_number="=1+1").name("li").register("phone", description="-黑色手机")
    served.record(case.offer("phone", to=PROCURATORATE))
    served.record(Case("case-2", step=2).open())
    cookie = {"cookie": served.cookie(clerk(POLICE))["cookie"] + "; tallystick-language=zh-CN"}

    def asked(path: str) -> httpx.Response:
        return served.request("GET", path, headers=cookie)

    links = set()
    tabs = (f"/cases/case-1?tab={tab}" for tab in ("items", "persons", "handovers"))
    for page in ("/", "/cases", "/cases?all=true", "/outbox", "/search?q=手机", "/agencies", *tabs):
        links |= set(re.findall(r'href="(/console/lists/[^"]+)"', asked(f"/console{page}").text))
    rows = {link.removeprefix("/console/lists/").replace("&amp;", "&"): sheet(asked(link)) for link in sorted(links)}
    assert [row[0] for row in rows["cases"][1:]] == ["=1+1", "2026-0417"]
    assert rows["cases"][0][0] == "案号"
    assert rows["handovers/outbox"][1][0] == "=1+1"
    assert rows["cases/case-1/items"][1][0] == "-黑色手机"
    assert rows["cases/case-1/persons"][1][1] == person_id("li")
    assert rows["cases/case-1/handovers"][1][-1] == "handover-1"
    assert rows["search?q=%E6%89%8B%E6%9C%BA"][1][-1] == "case-1"
    assert all(None not in listed[0] for listed in rows.values()), "each column has a heading"
    monkeypatch.setattr(list_files, "MOST_ROWS", 1)
    assert [row[0] for row in sheet(asked("/console/lists/cases"))[1:]] == [
        "=1+1",
        "行数超过单个文件的上限，其余未列出，请先筛选列表。",
    ]
