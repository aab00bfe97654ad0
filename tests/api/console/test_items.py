"""The page of an item: what it is, who held it on a day and by what act, and acts that are about it from the start."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from ledger.config.settings import Settings
from ledger.core.events import Authority
from ledger.core.events.handover import ReceivedItem
from ledger.core.events.item import ItemSealed, ItemSplit
from tests.api.console.desk import Office, barriers
from tests.api.console.pages import OWN, page_of
from tests.api.service import Served
from tests.testkit.builders import COURT, POLICE, PROCURATORATE, START, Officer, auditor, clerk, instant
from tests.testkit.casework import Case, part, pieces

DAY_S = 86_400
ITEM = "/cases/case-1/items/phone"
LIST = "描述,数量\n刀,1\n"


def handed_over() -> Case:
    """Return a case whose phone the procuratorate received a day after it was offered, and recorded late."""
    case = Case().open().register("phone", condition="whole").register("knife")
    case.say(ItemSealed, item_id="phone", seal_number="S-1")
    received = instant(START + 3 * DAY_S)
    case.offer("phone", to=PROCURATORATE, number="List 7", occurred_at=instant(START + 2 * DAY_S))
    return case.accept(
        authority=Authority("receipt", "R-8"), received_at=received, occurred_at=instant(START + 3 * DAY_S + 60)
    )


@pytest.fixture(scope="module")
def kept(shared: Served) -> Served:
    """Return a service with such a case, some days later."""
    shared.record(handed_over())
    shared.ledger.clock.forward(10 * DAY_S)
    return shared


def test_the_answer_stands_on_the_page_of_its_address(kept: Served) -> None:
    """Without a script, and for who is sent the address; what is no day is refused, and so is an item of no case."""
    page = page_of(kept, clerk(POLICE), f"{ITEM}?on=2026-03-03").text
    assert "police-east held it and answered for it, from" in page
    assert page_of(kept, clerk(POLICE), f"{ITEM}?on=2026-02-30").status_code == 400
    assert page_of(kept, clerk(POLICE), f"{ITEM}/custody?on=2199-01-01").status_code == 422
    assert page_of(kept, clerk(POLICE), "/cases/case-1/items/ghost").status_code == 404
    assert page_of(kept, clerk(POLICE), "/cases/case-1/items/ghost/custody?on=2026-03-03").status_code == 404


def test_the_page_has_the_history_the_files_and_the_papers(kept: Served) -> None:
    """What it is, each event about it and none of another item, and the certificate."""
    page = page_of(kept, clerk(PROCURATORATE), ITEM).text
    assert "whole" in page
    assert page.count('<li value="') == 4
    assert "/cases/case-1/certificate?item_id=phone" in page
    assert "/paper?document=" in page


def test_an_act_from_the_page_of_an_item_is_about_that_item(kept: Served) -> None:
    """Whoever holds it finds the acts, each with the item chosen; who gave it away finds none."""
    holder = page_of(kept, clerk(PROCURATORATE), ITEM).text
    assert "/cases/case-1/acts/item.moved?of=phone" in holder
    assert "?of=" not in page_of(kept, clerk(POLICE), ITEM).text
    form = page_of(kept, clerk(PROCURATORATE), "/cases/case-1/acts/item.moved?of=phone").text
    assert '<option value="phone" selected>' in form
    assert form.count(" selected>") == 1
    ticked = page_of(kept, clerk(PROCURATORATE), "/cases/case-1/acts/item.merged?of=phone").text
    assert 'value="phone" checked>' in ticked


def test_a_read_of_an_item_is_recorded_with_it(kept: Served) -> None:
    """Who read the case sees which item, and that custody was asked for."""
    page_of(kept, clerk(PROCURATORATE), f"{ITEM}/custody?on=2026-03-03")
    page_of(kept, clerk(PROCURATORATE), ITEM)
    reads = page_of(kept, auditor(PROCURATORATE), "/cases/case-1/reads").text
    assert "custody of item phone" in reads
    assert ">item phone<" in reads


TABLE = "/cases/case-1/items/new/table"


@pytest.mark.parametrize(
    ("officer", "query", "content", "status"),
    [
        pytest.param(clerk(POLICE), "", LIST, 200, id="a clerk of the case"),
        pytest.param(auditor(POLICE), "", LIST, 403, id="a role that registers nothing"),
        pytest.param(clerk(COURT), "", LIST, 404, id="an agency that does not see the case"),
        pytest.param(clerk(COURT), "?procedure=cn-criminal", LIST, 200, id="a case of their own to come"),
        pytest.param(clerk(POLICE), "?at=nothing", "a", 400, id="a column that there is not"),
        pytest.param(clerk(POLICE), "", "\0", 400, id="no table"),
        pytest.param(clerk(POLICE), "", "x" * (Settings().max_body_bytes + 1), 413, id="too large"),
    ],
)
def test_a_table_is_read_for_whoever_may_register_items(
    kept: Served, officer: Officer, query: str, content: str, status: int
) -> None:
    """The role first, then the case, then what was posted."""
    headers = {**kept.cookie(officer), **OWN}
    answer = kept.request("POST", f"/console{TABLE}{query}", content=content.encode(), headers=headers)
    assert answer.status_code == status, answer.text


def test_a_flag_of_another_item_is_not_the_items_own(served: Served) -> None:
    """Of two items that came together, one short: the answer for the other one raises no flag."""
    case = (
        Case()
        .open()
        .register("phone")
        .register("banknotes", quantity=pieces(2))
        .offer("phone", "banknotes", to=PROCURATORATE)
    )
    short = ReceivedItem(item_id="banknotes", match_result="mismatch", quantity=pieces(1))
    served.record(case.accept(received=(short,)))
    answers = {
        item: page_of(served, clerk(PROCURATORATE), f"/cases/case-1/items/{item}?on=2026-03-02").text
        for item in ("phone", "banknotes")
    }
    tables = {
        item: text.partition('<div class="custody"')[2].partition("</table>")[0] for item, text in answers.items()
    }
    assert "than was released" in tables["banknotes"]
    assert "than was released" not in tables["phone"]
    assert "procuratorate-east" in tables["phone"]
    in_time = {item: text.partition('id="timeliness"')[2].partition("</section>")[0] for item, text in answers.items()}
    assert "than was released" in in_time["banknotes"]
    assert "than was released" not in in_time["phone"]


def test_an_auditor_asks_who_held_an_item_on_a_day(office: Office) -> None:
    """From the page of the case to the answer: both agencies, the numbers, and the day between; for anybody's eyes."""
    office.record(handed_over())
    office.ledger.clock.forward(10 * DAY_S)
    page = office.at(auditor(PROCURATORATE), "/cases/case-1").page
    page.get_by_role("link", name="the phone", exact=True).click()
    page.get_by_label("On which day?").fill("2026-03-05")
    page.get_by_role("button", name="Answer").click()
    answer = page.locator("#answer")
    expect(answer.locator(".sentence")).to_contain_text("procuratorate-east held it and answered for it, since")
    expect(answer.get_by_role("rowheader")).to_have_text([POLICE, PROCURATORATE])
    expect(answer.get_by_role("link", name="List 7")).to_be_visible()
    expect(answer.get_by_role("link", name="receipt, R-8")).to_be_visible()
    expect(answer.locator(".note.look")).to_contain_text("released")
    assert barriers(page) == []
    assert office.complaints == []
    answer.get_by_role("link", name="handover accepted").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("handover accepted")


def test_a_search_leads_to_the_parts_of_a_thing(served: Served) -> None:
    """By the exhibit number that they took over, each beside what it came from."""
    case = Case().open().register("pills", kind="property", quantity=10, exhibit_number="E-71")
    served.record(case.say(ItemSplit, item_id="pills", parts=(part("one", 4), part("two", 6))))
    page = page_of(served, clerk(POLICE), "/search?q=E-71").text
    for item_id in ("one", "two"):
        link = re.escape(f'<a class="id" href="/console/cases/case-1/items/{item_id}">{item_id}</a>')
        assert re.search(link + r' <span class="quiet">came from <a [^>]*>pills</a>', page)
