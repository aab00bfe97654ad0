"""Governance in the browser: reports whose numbers lead to events, recommendations and re-checks, what cases share."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from pathlib import Path

from playwright.sync_api import expect

from ledger.core.supervision import RecommendationState
from ledger.supervision.models.model_file import parse_model, shipped_model
from tests.api.console.desk import READ, Office, axe_findings, barriers, too_wide
from tests.api.console.prosecuting import DAY_S, MODEL, raise_leads
from tests.testkit.builders import POLICE, PROCURATORATE, analyst, auditor, clerk, supervisor
from tests.testkit.casework import Case

BEIJING = timezone(timedelta(hours=8))


def test_numbers_lead_to_their_events(office: Office, tmp_path: Path) -> None:
    """A report of a period with pictures under the page's policy; a number opens the events it was counted from, a
    model is called by its title and leads to the library, a period without any says so, and the document can be
    kept."""
    raise_leads(office, "case-1", "case-2")
    desk = office.at(analyst(PROCURATORATE))
    page = desk.page
    page.get_by_role("link", name="Reports").click()
    models = page.locator("#table-models").locator("..")
    expect(models.locator("svg .bar")).to_have_count(1)
    title = parse_model(shipped_model(MODEL)).title.en
    expect(models.get_by_role("link", name=title)).to_have_attribute("href", f"/console/library/{MODEL}")
    expect(models.locator("svg")).to_contain_text(title[:20])
    models.get_by_role("button", name="Show the 2 events of this row").click()
    expect(models.locator(".event")).to_have_count(2)
    expect(models.locator(".event").first).to_contain_text("raises a lead")
    assert axe_findings(page) == []
    with page.expect_download() as kept:
        page.get_by_role("link", name="As a PDF").click()
    assert kept.value.path().read_bytes().startswith(b"%PDF-")
    page.get_by_label("From day").fill("2020-01-01")
    page.get_by_label("To day").fill("2020-12-31")
    page.get_by_role("button", name="Make the report").click()
    expect(page.locator("svg.pygal-chart")).to_have_count(0)
    expect(page.get_by_text("Nothing in this period.").first).to_be_visible()


def test_a_recommendation_is_issued_answered_and_rechecked(office: Office, tmp_path: Path) -> None:
    """From a lead: the clock of the reply runs from the receipt, the agency replies with what it has done, and the
    re-check has counted before and after by itself."""
    (lead_id,) = raise_leads(office)
    head = office.at(supervisor(PROCURATORATE), f"/recommendations/new?lead={lead_id}")
    page = head.page
    expect(page.get_by_role("group", name="To whom").locator("[name=to_agency]")).to_have_value(POLICE)
    assert barriers(page) == []
    expect(page.locator(f"[name=leads][value={lead_id}]")).to_be_checked()
    page.get_by_label("kind").first.select_option("rectification")
    page.get_by_label("document no.").fill("2026-7")
    page.get_by_label("problem").fill("Seized things stay behind.")
    page.get_by_label("advice").fill("Check the list before each transfer.")
    page.get_by_role("button", name=READ).click()
    assert "issues recommendation 2026-7" in head.sign()
    page.wait_for_url(re.compile("/recommendations/advice-"))
    recommendation_id = page.url.partition("/recommendations/")[2].partition("?")[0]
    expect(page.get_by_role("heading", name="Time to reply")).to_be_visible()
    office.ledger.clock.forward(20 * DAY_S)
    police = office.at(clerk(POLICE), "/recommendations")
    page = police.page
    page.get_by_role("link", name="2026-7").click()
    expect(page.get_by_text("It counts from the receipt, which is not recorded yet.")).to_be_visible()
    delivered_at = datetime.fromtimestamp(office.ledger.clock.seconds, BEIJING)
    page.locator("[name=received_at]").fill(f"{delivered_at:%Y-%m-%dT%H:%M}")
    page.locator("details.act[open]").get_by_role("button", name=READ).click()
    assert "was received at" in police.sign()
    page.locator("details.act[open]").get_by_label("answer").fill("We check each list.")
    page.locator("details.act[open]").get_by_label("measure").fill("a second officer signs\nthe depot sends its book")
    page.locator("details.act[open]").get_by_role("button", name=READ).click()
    police.sign()
    (answer,) = office.supervision_state(f"recommendation-{recommendation_id}", RecommendationState).answers
    assert answer.measures == ("a second officer signs", "the depot sends its book")
    head = office.at(supervisor(PROCURATORATE), f"/recommendations/{recommendation_id}")
    page = head.page
    expect(page.locator("[name='before.count']")).to_have_value("1")
    expect(page.locator("[name='after.count']")).to_have_value("0")
    page.locator("details.act[open] [name=result]").select_option("fell")
    page.locator("details.act[open]").get_by_role("button", name=READ).click()
    head.sign()
    (recheck,) = office.supervision_state(f"recommendation-{recommendation_id}", RecommendationState).rechecks
    assert (recheck.result, recheck.before.count, recheck.after.count, recheck.model_id) == ("fell", 1, 0, MODEL)
    assert recheck.counted_by == "service"
    expect(page.locator("section[aria-labelledby=rechecks] tbody")).to_contain_text(f"the service {MODEL}")
    assert (axe_findings(page), too_wide(page)) == ([], [])


def test_a_recommendation_to_somebody_outside_is_worked_on_by_its_issuer(office: Office) -> None:
    """Its receipt, an objection, the decision on it and what is done further; an agency with a copy reads along."""
    head = office.at(supervisor(PROCURATORATE), "/recommendations/new")
    page = head.page

    def act(verb: str, **fields: str) -> str:
        """Fill the form of this act in, and sign it."""
        form = page.locator("details.act", has=page.locator(f"[hx-post$='/recommendation.{verb}']"))
        if form.get_attribute("open") is None:
            form.locator("summary").first.click()
        for name, text in fields.items():
            field = form.locator(f"[name='{name}']")
            if field.evaluate("field => field.tagName") == "SELECT":
                field.select_option(text)
            else:
                field.fill(text)
        form.get_by_role("button", name=READ).click()
        return head.sign()

    page.get_by_label("kind").first.select_option("social_governance")
    page.get_by_label("document no.").fill("2026-8")
    page.locator("summary", has_text="to somebody outside").click()
    page.locator("[name='to_outside.kind']").select_option("bank")
    page.locator("[name='to_outside.name']").fill("East Bank")
    page.locator("summary", has_text="copies to (optional)").click()
    page.locator(f"[name='copies_to'][value='{POLICE}']").check()
    page.get_by_label("urgent").check()
    page.get_by_label("days to reply").fill("10")
    page.get_by_label("problem").fill("Accounts are opened unseen.")
    page.get_by_label("advice").fill("See who opens them.")
    page.get_by_role("button", name=READ).click()
    assert "East Bank" in head.sign()
    page.wait_for_url(re.compile("/recommendations/advice-"))
    delivered_at = datetime.fromtimestamp(office.ledger.clock.seconds, BEIJING)
    assert "was received at" in act("received", received_at=f"{delivered_at:%Y-%m-%dT%H:%M}")
    expect(page.get_by_role("heading", name="Time to reply")).to_be_visible()
    assert "an objection" in act("objected", ground="Not ours.")
    assert "it stands" in act("reviewed", result="upheld", ground="It is.")
    assert "superior" in act("escalated", means="superior_notified", ground="Nothing was mended.")
    assert "changed" in act("reviewed", result="changed", ground="Too much.", advice="See some of them.")
    recommendation_id = page.url.partition("/recommendations/")[2].partition("?")[0]
    state = office.supervision_state(f"recommendation-{recommendation_id}", RecommendationState)
    assert ([row.result for row in state.reviews], state.copied_to) == (["upheld", "changed"], {POLICE})
    assert (state.issued.urgent, state.issued.reply_within_days, state.status) == (True, 10, "received")
    assert (axe_findings(page), too_wide(page)) == ([], [])
    page = office.at(clerk(POLICE), f"/recommendations/{recommendation_id}").page
    expect(page.get_by_text("See some of them.").first).to_be_visible()
    expect(page.locator("details.act")).to_have_count(0)


def test_what_cases_share_is_followed_by_clicking(office: Office) -> None:
    """From one case over a seal to the other; the table says the same, with the events behind it."""
    now = office.ledger.clock.seconds
    for number, seal in ((1, "S-77"), (2, "S-77"), (3, "S-99")):
        case = Case(f"case-{number}", start=now - 600, step=10).open(case_number=f"2026-041{number}")
        office.record(case.register(f"phone-{number}", seal_number=seal))
    desk = office.at(auditor(PROCURATORATE), "/correlation")
    page = desk.page
    page.get_by_label("Its number or id").fill("2026-0411")
    page.get_by_role("button", name="Show").click()
    picture = page.locator(".graph svg")
    picture.locator("a", has_text="S-77").click()
    page.wait_for_url(re.compile("seal%3AS-77"))
    expect(picture.locator("a", has_text="2026-0412")).to_be_visible()
    row = page.locator("tbody tr", has_text="2026-0412").first
    row.get_by_role("button").click()
    expect(page.locator(".event").first).to_contain_text("registers the phone-2")
    assert (axe_findings(page), too_wide(page)) == ([], [])
