"""One consent for a list of acts: shown together, each signed, recorded whole or not at all; and what that costs."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from ledger.store import log
from tests.api.console.desk import Clerk, Office, axe_findings, barriers
from tests.api.console.test_wallet import sign_in as sign_in_by_wallet
from tests.api.console.test_wallet import with_wallet
from tests.testkit.builders import POLICE, PROCURATORATE, clerk
from tests.testkit.casework import Case, holding

ITEMS = ("the phone", "the knife", "the ledger of debts")
COUNT_CLICKS = """
    if (location.protocol === "http:") addEventListener("click", ({ detail }) => {
      if (detail) sessionStorage.setItem("clicks", Number(sessionStorage.getItem("clicks")) + 1);
    }, true);
"""


def clicks(*pages: Page | None) -> int:
    """Return how often a pointer was pressed in these windows."""
    return sum(int(page.evaluate("Number(sessionStorage.getItem('clicks'))")) for page in pages if page)


def fill_case(page: Page, number: str = "A-2026-1", *, opens: bool = True) -> None:
    """Fill in a case with three items that is offered to the procuratorate, and read it, where that ``opens``."""
    page.locator("#case_number").fill(number)
    page.locator("#case_type").fill("theft")
    for place, description in enumerate(ITEMS, 1):
        if place > 1:
            page.get_by_role("button", name="Add an item").click()
        page.locator(f'[name="new:{place}:description"]').fill(description)
    page.locator("#to_agency").select_option(PROCURATORATE)
    page.locator("#purpose").select_option("prosecution_review")
    page.locator("form[data-act] button:not([type])").click()
    if opens:
        expect(page.locator("#draft-title")).to_be_focused()


def test_a_case_with_three_items_and_an_offer_is_one_consent(office: Office) -> None:
    """From the sign-in page: at most ten clicks and two questions, where 24 clicks and six questions were needed."""
    desk = office.sit_down(clerk(POLICE))
    desk.context.add_init_script(COUNT_CLICKS)
    page = desk.sign_in()
    page.get_by_role("link", name="Open a case").first.click()
    expect(page.locator(".new-item")).to_have_count(1)
    assert axe_findings(page) == []
    fill_case(page)
    expect(page.locator("#draft-title")).to_have_text("These 5 acts you sign together")
    expect(page.locator(".together > li")).to_have_count(5)
    expect(page.locator(".together > li").last).to_contain_text(ITEMS[2])
    question = desk.sign()
    assert question.startswith("Sign all 5?")
    assert "Each is signed on its own; the console asks that all are recorded or none." in question
    assert all(description in question for description in ITEMS)
    assert clicks(page, desk.signer_page) <= 10
    expect(page.locator(".done")).to_contain_text("5 acts are recorded, as entries")
    case_id = page.url.partition("/cases/")[2].partition("?")[0]
    state = office.state(case_id)
    assert [item.description for item in state.items.values()] == list(ITEMS)
    (handover,) = state.handovers.values()
    assert handover.items.keys() == state.items.keys()
    assert state.sequence == 4


def test_who_comes_is_named_with_the_case_and_known_to_whom_it_is_offered(office: Office) -> None:
    """What a person lacks is named as the form does, and leads there; the receiver reads the suspect and no victim."""
    desk = office.at(clerk(POLICE), "/cases/new")
    page = desk.page
    page.locator('[name="person:1:role"]').select_option("suspect")
    page.get_by_text("Person 2").click()
    page.locator('[name="person:2:role"]').select_option("victim")
    expect(page.locator('[name="person:2:particulars:victim:residence"]')).to_be_visible()
    expect(page.locator('[name="person:1:particulars:victim:residence"]')).to_be_hidden()
    page.locator('[name="person:2:section"]').fill("Zhao Liu")
    fill_case(page, opens=False)
    refused = page.locator("#draft .blocked")
    expect(refused).to_contain_text("name is missing")
    refused.get_by_role("button", name="name", exact=True).click()
    expect(page.locator('[name="person:1:section"]')).to_be_focused()
    page.keyboard.type("Li Si")
    page.locator("form[data-act] button:not([type])").click()
    expect(page.locator(".together > li")).to_have_count(7)
    expect(page.locator(".together > li").last).to_contain_text("procuratorate-east reads who is meant: Li Si")
    assert barriers(page) == []
    desk.sign()
    expect(page.locator(".done")).to_contain_text("7 acts are recorded")
    expect(page.locator(".done li")).to_have_count(7)
    case_id = page.url.partition("/cases/")[2].partition("?")[0]
    state = office.state(case_id)
    suspect, victim = state.persons.values()
    (handover,) = state.handovers.values()
    assert (suspect.role, victim.role, handover.person_ids) == ("suspect", "victim", (suspect.person_id,))
    receiver = office.at(clerk(PROCURATORATE), f"/cases/{case_id}/handovers/{handover.handover_id}", language="zh-CN")
    page = receiver.page
    expect(page.get_by_text("犯罪嫌疑人 Li Si")).to_be_visible()
    expect(page.get_by_text("Zhao Liu")).to_have_count(0)
    expect(page.locator("#coming + ul li")).to_contain_text("本机关接收后方可查看姓名")
    assert barriers(page) == []


def test_the_form_of_a_case_keeps_nobody_out(office: Office) -> None:
    """With two items and the draft of four acts: on a large screen in light, on a telephone in dark, in Chinese."""
    desk = office.at(clerk(POLICE), "/cases/new", language="zh")
    page = desk.page
    page.locator("#case_number").fill("A-2026-2")
    page.locator("#case_type").fill("盗窃")
    page.locator('[name="new:1:description"]').fill("手机")
    page.locator("[data-another]").click()
    page.locator('[name="new:2:description"]').fill("刀具")
    page.reload()
    expect(page.locator('[name="new:1:description"]')).to_have_value("手机")
    expect(page.locator('[name="new:2:description"]')).to_have_value("刀具")
    page.locator("form[data-act] button:not([type])").click()
    expect(page.locator(".together > li")).to_have_count(3)
    assert barriers(page) == []


def test_what_the_ledger_refuses_of_a_list_is_recorded_not_at_all(office: Office) -> None:
    """A list that another act came before is drafted again; one whose case was opened meanwhile is not recorded."""
    case = office.record(holding("phone"))
    desk = office.at(clerk(POLICE), "/cases/case-1/items/new")
    page = desk.page
    page.locator('[name="new:1:description"]').fill("the coat")
    page.get_by_role("button", name="Add an item").click()
    page.locator('[name="new:2:description"]').fill("the hat")
    page.locator("form[data-act] button:not([type])").click()
    expect(page.locator(".together > li")).to_have_count(2)
    office.record(case.register("wallet"))
    page.locator("[data-sign]").click()
    desk.agree()
    expect(page.get_by_role("heading", name="The case has moved on")).to_be_visible()
    assert [item.description for item in office.state().items.values()] == ["the phone", "the wallet"]
    desk.sign()
    assert [item.description for item in office.state().items.values()][2:] == ["the coat", "the hat"]


def test_a_wallet_signs_one_after_the_other_and_all_is_recorded_or_nothing(office: Office) -> None:
    """The page says so; a wallet that declines the third leaves nothing recorded, and sent again all of it is."""
    desk, wallet = with_wallet(office, clerk(POLICE))
    page = sign_in_by_wallet(desk)
    desk.go("/cases/new")
    case_id = (page.locator("form[data-act]").get_attribute("hx-post") or "").split("/")[3]
    fill_case(page)
    wallet.patience = 2
    page.locator("[data-sign]").click()
    expect(page.locator(".draft .outcome")).to_have_text("You did not agree; nothing was recorded.")
    with office.ledger.database.read() as connection:
        assert log.heads(connection, [("case", case_id)]) == {}
    wallet.patience = 5
    page.locator("[data-sign]").click()
    page.wait_for_url("**/cases/case-*event=*")
    assert wallet.asked.count("eth_signTypedData_v4") == 3 + 5
    assert office.state(case_id).sequence == 4


def test_several_offers_are_received_by_one_consent(office: Office) -> None:
    """Chosen in the inbox and received as listed, in cases of their own, recorded all or not at all."""
    for number in (1, 2):
        office.record(Case(f"case-{number}").open().register("phone").offer("phone", to=PROCURATORATE))
    desk = office.at(clerk(PROCURATORATE), "/inbox")
    page = desk.page
    assert axe_findings(page) == []
    for box in page.locator("input[name=handover]").all():
        box.check()
    page.get_by_label("I have compared everything").check()
    page.locator("form[data-act] button:not([type])").click()
    expect(page.locator(".together > li")).to_have_count(2)
    desk.sign()
    for number in (1, 2):
        (handover,) = office.state(f"case-{number}").handovers.values()
        assert handover.is_accepted


def test_the_signer_is_asked_once_for_items_beside_an_offer(office: Office) -> None:
    """An item that was not registered yet is registered and offered with those of the case."""
    office.record(holding("phone"))
    desk = office.at(clerk(POLICE), "/cases/case-1/offer")
    page = desk.page
    page.get_by_role("button", name="Add an item").click()
    page.locator('[name="new:1:description"]').fill("the knife")
    desk_offers(desk)
    desk.sign()
    (handover,) = office.state().handovers.values()
    assert len(handover.items) == 2


def desk_offers(desk: Clerk) -> None:
    """Choose receiver, purpose and the item that is registered, and read the draft."""
    page = desk.page
    page.locator("#to_agency").select_option(PROCURATORATE)
    page.locator("#purpose").select_option("prosecution_review")
    page.get_by_role("checkbox", name="the phone").check()
    page.locator("form[data-act] button:not([type])").click()
    expect(page.locator(".together > li")).to_have_count(2)
