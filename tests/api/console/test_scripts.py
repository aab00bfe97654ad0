"""A page acts by its scripts: nobody can press what they do not serve yet, and a form sends nothing by itself."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, Route, expect
from playwright.sync_api import TimeoutError as WaitedTooLong

from tests.api.console.desk import READ, Office
from tests.testkit.builders import POLICE, clerk
from tests.testkit.machine import REPOSITORY

TEMPLATES = (*REPOSITORY.glob("api/console/*/*.html"), REPOSITORY / "api/signer/page/index.html")


def filled(page: Page) -> Page:
    """Return the form of a new case with what a clerk typed."""
    page.get_by_label("Case number of your agency").fill("2026-7")
    page.get_by_label("Matter").fill("theft")
    return page


def test_a_button_waits_for_the_scripts_that_serve_it(office: Office) -> None:
    """While a script is on its way the page is not shown; with it, one press brings the draft."""
    police = office.at(clerk(POLICE))
    page = police.page
    held: list[Route] = []
    page.route("**/htmx.min.js", lambda route: held.append(route))  # noqa: PLW0108 - Playwright counts its arguments
    page.locator("main").get_by_role("link", name="Open a case").click()
    press = filled(page).get_by_role("button", name=READ)
    with pytest.raises(WaitedTooLong):
        press.click(timeout=1_000)
    for route in held:
        route.continue_()
    press.click()
    expect(page.locator("[data-sign]")).to_be_visible()


def test_what_was_typed_never_becomes_an_address(office: Office) -> None:
    """Without scripts a form stays where it is: addresses are kept by browsers and logs."""
    police = office.at(clerk(POLICE), java_script_enabled=False)
    page = filled(police.go("/cases/new"))
    page.get_by_role("button", name=READ).click()
    page.get_by_label("Matter").press("Enter")
    page.wait_for_load_state("networkidle")
    assert page.url == f"{office.url}/console/cases/new"
    expect(page.get_by_label("Matter")).to_have_value("theft")


def test_scripts_come_before_the_page_is_shown() -> None:
    """Each script of each page blocks rendering, and each form that a script sends does not send itself."""
    for template in TEMPLATES:
        text = template.read_text()
        late = [tag for tag in re.findall(r"<script[^>]*>", text) if 'blocking="render"' not in tag]
        sent = [tag for tag in re.findall(r"<form[^>]*>", text) if "hx-post" in tag and 'method="dialog"' not in tag]
        assert (late, sent) == ([], []), template
