"""What is missing: the steps of the ledger and of each agency, whose turn it is, and commands that can be copied."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from ledger.core.events.registry import WitnessSet
from ledger.witness.gathering.collector import WitnessState
from tests.api.conftest import serving
from tests.api.console.desk import Office, axe_findings, too_wide
from tests.api.service import Served
from tests.testkit.builders import COURT, POLICE, clerk, key_id, supervisor
from tests.testkit.casework import Case

OFFICERS = (clerk(POLICE), supervisor(COURT))


def steps(served: Served, agency: str | None = None, **query: str) -> dict[str, dict[str, Any]]:
    """Return the steps of an agency, or of the ledger, by their names."""
    answer = served.get("/api/v1/setup", **query).json()
    of = answer if agency is None else next(each for each in answer["agencies"] if each["agency_id"] == agency)
    return {step["step"]: step for step in of["steps"]}


def states(served: Served, agency: str | None = None) -> dict[str, str]:
    return {name: step["state"] for name, step in steps(served, agency).items()}


def typed(step: dict[str, Any], machine: str) -> list[str]:
    """Return the commands of a step for one machine."""
    return [row["command"] for row in step["commands"] if row["machine"] == machine]


def test_steps_are_taken_one_after_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an agency lacks follows from the log and from its witness's answers; commands have its ids and addresses. A
    witness gets the trust file that it was sent, never what this service serves, and keeps the one that it has."""
    with serving(tmp_path, officers=OFFICERS) as served:
        ledger = served.ledger
        assert states(served) == {
            "chain": "waits",
            "founded": "done",
            "procedure": "done",
            "quorum": "done",
            "anchored": "waits",
        }
        police = steps(served, POLICE)
        assert {name for name, step in police.items() if step["state"] == "missing"} == {"signing"}
        assert typed(police["signing"], "officer") == [f"tally --profile {clerk(POLICE).officer_id} signer"]
        served.record(Case().open())
        assert states(served, POLICE)["signing"] == "done"

        court = steps(served, COURT, officer="c-0007")
        assert (court["clerk"]["state"], court["clerk"]["machine"], court["signing"]["state"]) == (
            "missing",
            "officer",
            "waits",
        )
        add = f"tally profile add c-0007 --url https://ledger.test --agency {COURT} --officer c-0007 --key c-0007"
        assert add in typed(court["clerk"], "officer")
        (grant,) = typed(court["clerk"], "admin")
        assert grant.startswith(f"tally --profile admin key grant {COURT}-c-0007.json --role clerk --until 20")
        ledger.changes.revoke(supervisor(COURT))
        ledger.mirror(ledger.changes.bodies[-1])
        assert states(served, COURT)["supervisor"] == "optional"

        assert court["witness"]["state"] == "optional"
        ledger.changes.add(WitnessSet, agency=COURT, witness=key_id("witness"))
        ledger.mirror(ledger.changes.bodies[-1])
        witness = steps(served, COURT)["witness"]
        assert (witness["state"], witness["machine"]) == ("missing", "operator")
        assert f'account = "{key_id("witness")}"' in typed(witness, "operator")[0]
        asked_at: dict[str, Any] = {"url": "http://10.20.0.5:8430", "account": key_id("witness")}
        answers = {
            "It has not answered yet.": WitnessState("w1", 0, **asked_at),
            "it cannot be reached": WitnessState("w1", 0, "it cannot be reached", **asked_at),
        }
        for says, state in answers.items():
            monkeypatch.setattr(served.parts.collector, "states", lambda state=state: [state])
            witness = steps(served, COURT)["witness"]
            assert (witness["state"], witness["machine"], witness["says"]) == ("missing", "witness", says)
            commands = typed(witness, "witness")
            assert commands[:2] == [
                "sha256sum trust.json",
                "test -e tallystick-witness/trust.json || cp trust.json tallystick-witness/",
            ]
            assert commands[2].endswith("--rpc http://127.0.0.1:8545 --listen 10.20.0.5:8430")
        state = WitnessState("w1", 4, "it has halted", **asked_at)
        monkeypatch.setattr(served.parts.collector, "states", lambda state=state: [state])
        commands = typed(steps(served, COURT)["witness"], "witness")
        assert commands[0] == "tally witness status"
        assert not any("trust" in command for command in commands)
        state = WitnessState("w1", 4, None, 1, **asked_at)
        monkeypatch.setattr(served.parts.collector, "states", lambda: [state])
        assert states(served, COURT)["witness"] == "done"


def test_a_key_that_is_granted_from_next_week_does_nothing_yet(tmp_path: Path) -> None:
    """A role is held by a key that is valid now, and by none that will be."""
    with serving(tmp_path, officers=(supervisor(POLICE),)) as served:
        now = served.parts.clock() // 1000
        week = 7 * 86_400
        served.ledger.changes.grant(clerk(POLICE), valid_from=now + week, valid_until=now + 2 * week)
        served.ledger.mirror(served.ledger.changes.bodies[-1])
        assert [states(served, POLICE)[name] for name in ("clerk", "supervisor")] == ["missing", "done"]


def test_the_page_copies_the_command_of_a_machine(office: Office) -> None:
    """Nobody need be signed in. Commands are filled in for the officer who is named; who is signed in sees his own
    agency open. It holds on a phone, in the dark, and in Chinese, where nothing is in English."""
    desk = office.at(clerk(POLICE), "/setup", viewport={"width": 390, "height": 800}, color_scheme="dark")
    desk.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = desk.page
    expect(page.locator("details.card[open] h2")).to_have_text([POLICE])
    assert (axe_findings(page), too_wide(page)) == ([], [])
    page.get_by_label("Service number of an officer to come").fill("p-0500")
    page.get_by_role("button", name="Fill in the commands").click()
    own = page.locator(f"#{POLICE} li", has_text="A clerk has a key")
    own.get_by_text("Commands").click()
    expect(own.locator(".machine")).to_have_text(
        ["On the officer's own machine", "On the machine of the agency's admin"]
    )
    copy = own.locator(".command button").last
    copy.click()
    expect(copy).to_have_text("Copied")
    assert f"key grant {POLICE}-p-0500.json --role clerk" in page.evaluate("navigator.clipboard.readText()")
    page = office.sit_down(clerk(POLICE), language="zh-CN").go("/setup")
    expect(page.get_by_role("heading", level=1)).to_have_text("还缺什么")
    expect(page.locator("details.card[open]").first).to_be_visible()
    assert (axe_findings(page), too_wide(page)) == ([], [])
