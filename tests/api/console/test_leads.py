"""Leads in the browser: from the board to the outcome, each act signed by whose it is."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from playwright.sync_api import expect

from ledger.core.supervision import LeadState
from tests.api.console.desk import READ, Office, axe_findings, too_wide
from tests.api.console.prosecuting import raise_leads
from tests.testkit.builders import COURT, POLICE, PROCURATORATE, analyst, auditor, clerk, supervisor


def test_a_lead_from_the_board_to_its_outcome(office: Office, tmp_path: Path) -> None:
    """Assigned, answered by the agency with a paper, confirmed by the material that was checked, closed: four
    signatures by three officers, and the page says at each step whose turn it is."""
    (lead_id,) = raise_leads(office)
    paper = tmp_path / "收据.pdf"
    paper.write_bytes(b"receipt of the depot")

    head = office.at(supervisor(PROCURATORATE))
    page = head.page
    page.get_by_role("link", name="Leads").click()
    page.get_by_role("link", name="was handed over for prosecution").click()
    expect(page.get_by_role("heading", name="Data is not evidence")).to_be_visible()
    page.get_by_label("handler").select_option(f"{PROCURATORATE}-c1")
    page.get_by_role("button", name=READ).first.click()
    question = head.sign()
    assert f"{PROCURATORATE} assigns the lead to {PROCURATORATE}-c1" in question
    police = office.at(clerk(POLICE), f"/leads/{lead_id}")
    page = police.page
    page.locator("details.act[open]").get_by_label("answer").fill("It lies in our depot.")
    page.locator("details.act[open] input[type=file]").set_input_files(paper)
    expect(page.locator(".hashed li")).to_contain_text("hashed")
    page.get_by_role("button", name=READ).first.click()
    police.sign()
    expect(page.locator(".done")).to_contain_text("It lies in our depot.")
    handler = office.at(clerk(PROCURATORATE), f"/leads/{lead_id}")
    page = handler.page
    expect(page.get_by_text("has answered. Check what is named below")).to_be_visible()
    page.get_by_label("finding").fill("The depot's book lists it.")
    page.get_by_role("button", name=READ).first.click()
    expect(page.locator("#draft .blocked")).to_contain_text("confirmed by the material that was checked")
    assert office.supervision_state(lead_id, LeadState).status == "answered"
    page.locator("details.act[open] input[type=file]").set_input_files(paper)
    expect(page.locator("details.act[open] .hashed li")).to_contain_text("hashed")
    page.get_by_role("button", name=READ).first.click()
    handler.sign()
    confirmed = office.supervision_state(lead_id, LeadState).confirmed
    assert confirmed
    assert f"sha256:{sha256(paper.read_bytes()).hexdigest()}" in confirmed.digests
    page.get_by_label("outcome").select_option("rectification_notice")
    page.get_by_label("summary").fill("Handed over on notice.")
    page.get_by_label("document no.").fill("2026-12")
    page.get_by_label("document date").fill("2026-03-02")
    page.get_by_role("button", name=READ).first.click()
    expect(page.locator("#draft .blocked")).to_contain_text("names its document: number, day and digest")
    page.locator("details.act[open] input[type=file]").set_input_files(paper)
    expect(page.locator("details.act[open] .hashed li")).to_contain_text("hashed")
    page.get_by_role("button", name=READ).first.click()
    handler.sign()
    expect(page.locator(".notice")).to_contain_text("The lead is closed: notice to rectify.")
    assert office.supervision_state(lead_id, LeadState).status == "closed"
    assert page.locator("details.act").count() == 0
    assert (axe_findings(page), too_wide(page)) == ([], [])


def test_a_clue_goes_to_another_agency_in_chinese(office: Office, tmp_path: Path) -> None:
    """Taken up by another line, confirmed, and closed with the paper by which it is passed on: the agency sees it from
    then on, without the case. No English stands on the pages."""
    (lead_id,) = raise_leads(office)
    paper = tmp_path / "移送函.pdf"
    paper.write_bytes(b"to whom it concerns")
    handler = office.at(supervisor(PROCURATORATE), f"/leads/{lead_id}", language="zh-CN")
    page = handler.page

    def act(verb: str, *, with_paper: bool = False, **fields: str) -> None:
        form = page.locator("details.act", has=page.locator(f"[hx-post$='/lead.{verb}']"))
        if form.get_attribute("open") is None:
            form.locator("summary").first.click()
        for name, text in fields.items():
            field = form.locator(f"[name='{name}']")
            is_choice = field.evaluate("field => field.tagName") == "SELECT"
            (field.select_option if is_choice else field.fill)(text)
        if with_paper:
            form.locator("input[type=file]").set_input_files(paper)
            expect(form.locator(".hashed li")).to_contain_text("已计算")
        form.locator("p.buttons button").click()
        handler.sign()

    act("assigned", handler=f"{PROCURATORATE}-c1", business_line="civil")
    assert (axe_findings(page), too_wide(page)) == ([], [])
    act("confirmed", with_paper=True, finding="台账载明")
    number = {"document_number": "2026-13", "document_date": "2026-03-02"}
    act("closed", with_paper=True, outcome="clue_to_police", summary="另有管辖", to_agency=COURT, **number)
    state = office.supervision_state(lead_id, LeadState)
    assert (state.business_line, state.passed_to, state.status) == ("civil", COURT, "closed")
    desk = office.at(clerk(COURT), f"/leads/{lead_id}", language="zh-CN")
    expect(desk.page.get_by_text("另有管辖").first).to_be_visible()
    assert desk.page.locator("details.act").count() == 0
    assert desk.page.locator("a[href*='/cases/case-1']").count() == 0


def test_several_leads_are_assigned_by_one_consent(office: Office) -> None:
    """Chosen on their cards, shown as a list, signed by one answer; then two are dismissed together, or none is."""
    first, second, third = raise_leads(office, "case-1", "case-2", "case-3")
    desk = office.at(supervisor(PROCURATORATE), "/leads")
    page = desk.page

    def ask(*lead_ids: str, **choices: str) -> None:
        for lead_id in lead_ids:
            page.locator(f"input[value={lead_id}]").check()
        if not page.locator("#act").is_visible():
            page.get_by_text("Assign or dismiss several at once").click()
        for name, choice in choices.items():
            page.locator(f"#{name}").select_option(choice)
        page.locator("#ground").fill("explained by the agency")
        page.get_by_role("button", name=READ).click()

    ask(first, second, handler=f"{PROCURATORATE}-c1")
    expect(page.locator("#draft .sentence")).to_have_count(2)
    assert axe_findings(page) == []
    assert desk.sign().count("assigns the lead to") == 2
    expect(page.get_by_role("heading", name="Being checked 2")).to_be_visible()
    assert [office.supervision_state(lead_id, LeadState).status for lead_id in (first, second, third)] == [
        *["assigned"] * 2,
        "raised",
    ]
    ask(first, third, act="lead.dismissed", reason_code="explained")
    expect(page.locator("#draft")).to_contain_text("the lead is")
    assert office.supervision_state(first, LeadState).status == "assigned"


def test_the_cited_events_stand_side_by_side(office: Office) -> None:
    """Each in words with digest and times; the model finds the lead again in them, and the steps are told."""
    (lead_id,) = raise_leads(office)
    desk = office.at(auditor(PROCURATORATE), f"/leads/{lead_id}")
    page = desk.page
    events = page.locator(".events > .event")
    expect(events).to_have_count(3)
    expect(events.first).to_contain_text("registers the case-1-knife")
    cited = office.supervision_state(lead_id, LeadState).raised.events
    shown = {digest.get_attribute("title") for digest in events.locator(".digest").all()}
    assert shown == {ref.payload_digest for ref in cited}
    page.get_by_role("button", name="Find it again from these events").click()
    expect(page.locator("#rederived")).to_contain_text("the model finds it again: case-1, case-1-knife")
    assert axe_findings(page) == []


def test_the_board_is_narrowed(office: Office) -> None:
    """By model, severity, business line, mine, and how long a lead waits; a column alone is paged."""
    raise_leads(office, *(f"case-{number}" for number in range(1, 9)))
    desk = office.at(supervisor(PROCURATORATE), "/leads", language="zh-CN")
    page = desk.page
    expect(page.locator(".column").first.locator("h2")).to_have_text("待分派 8")
    expect(page.locator(".lead-card")).to_have_count(6)
    page.get_by_role("link", name="全部 8 条").click()
    expect(page.locator(".lead-card")).to_have_count(8)
    for narrowed, expected in (
        ("model=item-not-handed-over", 6),
        ("model=third-return", 0),
        ("severity=low", 0),
        ("severity=high&business_line=criminal", 6),
        ("mine=true", 0),
        ("overdue=true", 0),
    ):
        desk.go(f"/leads?{narrowed}")
        expect(page.locator(".lead-card")).to_have_count(expected)
    office.ledger.clock.forward(16 * 24 * 3600)
    late = office.at(analyst(PROCURATORATE), "/leads?overdue=true")
    page = late.page
    expect(page.locator(".lead-card .late")).to_have_count(6)


def test_who_must_act_finds_the_lead_on_the_start_page(office: Office) -> None:
    """The procuratorate sees the lead that is to be assigned; the agency, which is not told of it yet, does not."""
    raise_leads(office)
    head = office.at(supervisor(PROCURATORATE))
    page = head.page
    waiting = page.get_by_role("region", name="Leads that wait for your agency")
    expect(waiting.get_by_role("link", name="was handed over for prosecution")).to_be_visible()
    page = office.at(clerk(POLICE)).page
    expect(page.get_by_role("heading", name="Leads that wait for your agency")).to_have_count(0)
