"""The library in the browser: found by words, compared, adopted with parameters of one's own, retired."""

from __future__ import annotations

from playwright.sync_api import expect

from ledger.core.supervision import ModelState
from ledger.core.verification.bundle import FORMAT
from ledger.supervision.models.model_file import parse_model
from tests.api.console.desk import READ, Office, axe_findings, too_wide
from tests.api.console.prosecuting import MODEL, publish, raise_leads
from tests.testkit.builders import POLICE, PROCURATORATE, analyst, auditor


def test_a_model_is_found_read_and_adopted(office: Office) -> None:
    """By words in either language; what it found elsewhere is told; a parameter out of its bounds is refused, one
    within them is signed, and the page shows who runs it how."""
    raise_leads(office)
    publish(office, "third-return")
    desk = office.at(analyst(PROCURATORATE))
    page = desk.page
    page.get_by_role("link", name="Library").click()
    expect(page.locator("article")).to_have_count(2)
    page.get_by_label("Words, in any language").fill("扣押物品")
    page.get_by_role("button", name="Look").click()
    page.locator("article").first.get_by_role("link").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Seized item not handed over with the case")
    expect(page.locator("section", has_text="How its leads turned out").first).to_contain_text("raised")
    page.get_by_text("Run it with other parameters").click()
    grace = page.get_by_label("days after the handover within which the item may follow")
    grace.fill("90")
    page.get_by_role("button", name=READ).first.click()
    expect(page.locator("#draft .blocked")).to_contain_text("expected 0 to 30")
    grace.fill("5")
    page.get_by_role("button", name=READ).first.click()
    assert "adopts version 1" in desk.sign()
    expect(page.locator("section", has_text="Who runs it").first).to_contain_text("grace_days = 5 (default 3)")
    assert office.supervision_state(f"model-{MODEL}", ModelState).adoptions[PROCURATORATE].parameters == {
        "grace_days": "5"
    }
    page.get_by_text("The whole file").click()
    assert (axe_findings(page), too_wide(page)) == ([], [])


def test_a_model_is_retired_by_who_published_it(office: Office) -> None:
    """With the ground; others have no form for it."""
    publish(office)
    of_police = office.at(analyst(POLICE), f"/library/{MODEL}")
    page = of_police.page
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert page.locator("details.act").count() == 0
    desk = office.at(analyst(PROCURATORATE), f"/library/{MODEL}", language="zh-CN")
    page = desk.page
    page.locator("summary", has_text="停用").click()
    page.locator("details.act[open] [name=ground]").fill("法律已修改")
    page.locator("details.act[open] button").click()
    desk.sign()
    expect(page.locator(".blocked")).to_contain_text("法律已修改")
    assert office.supervision_state(f"model-{MODEL}", ModelState).retired == "法律已修改"


def test_versions_are_compared_and_taken_along(office: Office) -> None:
    """Field by field with the place in the file; the package is the one that another ledger verifies."""
    model = publish(office)
    text = model.state.newest.body.definition.replace("version: 1", "version: 2", 1).replace(
        "maximum: 30", "maximum: 60"
    )
    model.published(definition=text, model_digest=parse_model(text).digest, title=parse_model(text).title)
    office.ledger.post(model.last)
    office.ledger.clock.forward(2)
    office.ledger.publisher.publish(office.ledger.database, office.ledger.clock())
    desk = office.at(auditor(PROCURATORATE), f"/library/{MODEL}")
    page = desk.page
    page.get_by_role("link", name="compare with the one before").click()
    expect(page.locator(".comparison tr", has_text="parameters.grace_days.maximum").locator("td")).to_have_text(
        ["30", "60"]
    )
    assert axe_findings(page) == []
    desk.go(f"/library/{MODEL}")
    with page.expect_download() as taken:
        page.get_by_role("link", name="Signed package").click()
    assert FORMAT in taken.value.path().read_text(encoding="utf-8")
