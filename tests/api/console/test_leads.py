"""Leads in the browser: from the board to the outcome, each act signed by whose it is."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from playwright.sync_api import Page, expect

from ledger.core.supervision import LeadState
from ledger.recording.supervision_streams import matter_of
from tests.api.console.desk import Office, axe_findings, barriers
from tests.api.console.prosecuting import raise_leads, sign
from tests.testkit.builders import COURT, POLICE, PROCURATORATE, analyst, auditor, clerk, supervisor

READ = "Read what you will sign"


def standing(office: Office, lead_id: str) -> LeadState:
    """Return the lead as the log has it."""
    with office.ledger.database.read() as connection:
        state = matter_of(connection, lead_id, office.parts.authority().agencies)
    assert isinstance(state, LeadState)
    return state


def shown_act(page: Page, heading: str) -> None:
    """Open the form of an act, if it is not open as the next step."""
    act = page.locator("details.act", has_text=heading)
    if act.get_attribute("open") is None:
        act.locator("summary").click()


def test_a_lead_from_the_board_to_its_outcome(office: Office, tmp_path: Path) -> None:
    """Assigned, answered by the agency with a paper, confirmed by the material that was checked, closed: four
    signatures by three officers, and the page says at each step whose turn it is."""
    (lead_id,) = raise_leads(office)
    paper = tmp_path / "收据.pdf"
    paper.write_bytes(b"receipt of the depot")

    head = office.sit_down(supervisor(PROCURATORATE))
    page = head.sign_in()
    page.get_by_role("link", name="Leads").click()
    page.get_by_role("link", name="was handed over for prosecution").click()
    expect(page.get_by_role("heading", name="Data is not evidence")).to_be_visible()
    page.get_by_label("Officer", exact=True).select_option(f"{PROCURATORATE}-c1")
    page.get_by_role("button", name=READ).first.click()
    question = sign(head)
    assert f"{PROCURATORATE} assigns the lead to {PROCURATORATE}-c1" in question
    expect(page.locator(".done")).to_contain_text("Recorded as entry")
    head.leave()

    police = office.sit_down(clerk(POLICE))
    police.sign_in()
    page = police.go(f"/leads/{lead_id}")
    page.get_by_label("What your agency says of it").fill("It lies in our depot.")
    page.locator("details.act[open] input[type=file]").set_input_files(paper)
    expect(page.locator(".hashed li")).to_contain_text("hashed")
    page.get_by_role("button", name=READ).first.click()
    sign(police)
    expect(page.locator(".done")).to_contain_text("It lies in our depot.")
    police.leave()

    handler = office.sit_down(clerk(PROCURATORATE))
    handler.sign_in()
    page = handler.go(f"/leads/{lead_id}")
    expect(page.get_by_text("has answered. Check what is named below")).to_be_visible()
    page.get_by_label("What the check has shown").fill("The depot's book lists it.")
    page.get_by_role("button", name=READ).first.click()
    expect(page.locator("#draft .blocked")).to_contain_text("confirmed by the material that was checked")
    assert standing(office, lead_id).status == "answered"
    page.locator("details.act[open] input[type=file]").set_input_files(paper)
    expect(page.locator("details.act[open] .hashed li")).to_contain_text("hashed")
    page.get_by_role("button", name=READ).first.click()
    sign(handler)
    expect(page.locator(".done")).to_contain_text("Recorded as entry")
    assert f"sha256:{sha256(paper.read_bytes()).hexdigest()}" in (standing(office, lead_id).confirmed or 0).digests  # type: ignore[union-attr]
    page.get_by_label("What came of it").select_option("rectification_notice")
    page.get_by_label("In a sentence or two").fill("Handed over on notice.")
    page.get_by_label("Number of the notice or of the filing").fill("2026-12")
    page.get_by_role("button", name=READ).first.click()
    sign(handler)
    expect(page.locator(".notice")).to_contain_text("The lead is closed: notice to rectify.")
    assert standing(office, lead_id).status == "closed"
    assert page.locator("details.act").count() == 0


def test_the_cited_events_stand_side_by_side(office: Office) -> None:
    """Each in words with digest and times; the model finds the lead again in them, and the steps are told."""
    (lead_id,) = raise_leads(office)
    desk = office.sit_down(auditor(PROCURATORATE))
    desk.enter()
    page = desk.go(f"/leads/{lead_id}")
    events = page.locator(".events > .event")
    expect(events).to_have_count(3)
    expect(events.first).to_contain_text("registers the case-1-knife")
    cited = standing(office, lead_id).raised.events
    shown = {digest.get_attribute("title") for digest in events.locator(".digest").all()}
    assert shown == {ref.payload_digest for ref in cited}
    page.get_by_role("button", name="Find it again from these events").click()
    expect(page.locator("#rederived")).to_contain_text("the model finds it again: case-1, case-1-knife")
    assert axe_findings(page) == []


def test_the_board_is_narrowed(office: Office) -> None:
    """By model, severity, business line, mine, and how long a lead waits; a column alone is paged."""
    raise_leads(office, *(f"case-{number}" for number in range(1, 9)))
    desk = office.sit_down(supervisor(PROCURATORATE), language="zh-CN")
    page = desk.enter()
    desk.go("/leads")
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
    desk.leave()
    office.ledger.clock.forward(16 * 24 * 3600)
    late = office.sit_down(analyst(PROCURATORATE))
    page = late.enter()
    late.go("/leads?overdue=true")
    expect(page.locator(".lead-card .late")).to_have_count(6)


def test_others_see_no_lead(office: Office) -> None:
    """Neither the agency before it is told, nor one whose lead it is not: as if there were none."""
    (lead_id,) = raise_leads(office)
    for officer in (supervisor(POLICE), auditor(COURT)):
        desk = office.sit_down(officer)
        desk.enter()
        page = desk.go(f"/leads/{lead_id}")
        expect(page.get_by_role("alert")).to_contain_text("no lead of this id that you may see")
        desk.go("/leads")
        expect(page.locator(".lead-card")).to_have_count(0)
        desk.leave()


def test_leads_are_for_everybody(office: Office) -> None:
    """Nothing keeps people out, in light and dark, and nothing is wider than a phone."""
    (lead_id,) = raise_leads(office)
    desk = office.sit_down(supervisor(PROCURATORATE), language="zh-CN")
    page = desk.enter()
    for path in ("/leads", f"/leads/{lead_id}"):
        desk.go(path)
        page.wait_for_load_state("networkidle")
        assert barriers(page) == [], path


def test_who_must_act_finds_the_lead_on_the_start_page(office: Office) -> None:
    """The procuratorate sees the lead that is to be assigned; the agency, which is not told of it yet, does not."""
    raise_leads(office)
    head = office.sit_down(supervisor(PROCURATORATE))
    page = head.sign_in()
    waiting = page.get_by_role("region", name="Leads that wait for your agency")
    expect(waiting.get_by_role("link", name="was handed over for prosecution")).to_be_visible()
    head.leave()

    police = office.sit_down(clerk(POLICE))
    expect(police.sign_in().get_by_role("heading", name="Leads that wait for your agency")).to_have_count(0)
    police.leave()
