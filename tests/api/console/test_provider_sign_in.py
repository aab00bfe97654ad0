"""Signing in by an agency's identity provider, in the browser: there and back, to read and nothing else."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from api.auth.identity_providers import FILE
from tests.api.console.desk import barriers, office_in
from tests.testkit.builders import COURT, POLICE, clerk
from tests.testkit.casework import Case
from tests.testkit.identity_provider import running_provider

pytestmark = pytest.mark.extended


def test_an_officer_comes_back_from_his_provider_and_reads(tmp_path: Path, browser: Browser) -> None:
    """The button leads there, the way back to the page that was asked for; acts are not for such a session."""
    with running_provider() as provider, office_in(tmp_path, browser, data_dir=tmp_path) as office:
        office.record(Case().open(case_number="2026-77"))
        office.ledger.clock.ms = int(time.time() * 1000)  # the provider's clock is that of the machine
        secret = tmp_path / "secret"
        secret.write_text(provider.secret)
        secret.chmod(0o600)
        lines = {
            "agency": POLICE,
            "issuer": provider.issuer,
            "client_id": provider.client_id,
            "secret_file": str(secret),
        }
        text = "".join(f"{name} = {json.dumps(value)}\n" for name, value in lines.items())
        (tmp_path / FILE).write_text(f"[[providers]]\n{text}")
        context = browser.new_context(locale="en")
        page = context.new_page()
        page.goto(f"{office.url}/console/cases?all=true")
        assert barriers(page) == []
        page.get_by_role("link", name="Sign in with police-east").click()
        page.get_by_label("Who are you?").fill(clerk(POLICE).officer_id)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(f"{office.url}/console/cases?all=true")
        expect(page.locator("main")).to_contain_text("2026-77")
        expect(page.locator(".reading")).to_contain_text("you read, and sign nothing")
        assert barriers(page) == []
        page.goto(f"{office.url}/console/cases/case-1/acts/close")
        page.get_by_label("Why").fill("done")
        page.get_by_role("button", name="Read what you will sign").click()
        expect(page.locator("#draft")).to_contain_text("who signed in by an identity provider reads")
        page.get_by_role("button", name="Sign out").click()
        page.goto(f"{office.url}/console/cases")
        expect(page.get_by_role("heading", name="Sign in", exact=True)).to_be_visible()
        # An officer of another agency is nobody here, though he has a key there.
        page.get_by_role("link", name="Sign in with police-east").click()
        page.get_by_label("Who are you?").fill(clerk(COURT).officer_id)
        page.get_by_role("button", name="Sign in").click()
        expect(page.locator("[role=alert]")).to_contain_text("granted no key to this officer")
        context.close()
