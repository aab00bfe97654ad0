"""First use: each reader of an empty installation is told his next step; sample data is for an empty town."""

from __future__ import annotations

import shlex
import shutil
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import click
import pytest
from markupsafe import escape
from msgspec.structs import asdict

from api.console.shared import guidance
from api.console.shared.guidance import NextStep
from api.services import setup
from api.services.setup import Commands, CommandValues
from ledger.cli.main import tally
from ledger.config.settings import Settings
from tests.api.conftest import serving
from tests.api.console.pages import page_of, post
from tests.api.service import Served
from tests.testkit import supervision
from tests.testkit.builders import COURT, POLICE, PROCURATORATE, Officer, analyst, auditor, clerk, supervisor
from tests.testkit.casework import Case
from tests.testkit.tally import Tally

STEPS = [value for value in vars(guidance).values() if isinstance(value, NextStep)]
BUTTON = "Load sample data"


def served_to(folder: Path, *officers: Officer, **settings: Any) -> AbstractContextManager[Served]:
    """Serve a ledger without a chain that knows these officers alone."""
    return serving(folder, Settings(public_url="https://ledger.test", **settings), officers=officers)


def told(served: Served, officer: Officer | None, path: str = "/operation") -> list[NextStep]:
    """Return the next steps that stand on a page."""
    page = page_of(served, officer, path)
    assert page.status_code == 200, page.text
    return [step for step in STEPS if str(escape(step.says)) in page.text]


def test_nobody_is_led_to_the_first_key(tmp_path: Path) -> None:
    """Before the agencies are in the log to the chain, then to a key with its commands, and then no more."""
    with served_to(tmp_path) as served:
        assert told(served, None, "/sign-in") == [guidance.NO_AGENCY]
        ledger = served.ledger
        ledger.changes.admit(POLICE)
        for body in ledger.changes.bodies:
            ledger.mirror(body)
        assert told(served, None, "/sign-in") == told(served, None, "/agencies") == [guidance.NO_KEY]
        page = served.get("/console/sign-in").text
        assert "tally profile add SERVICE_NUMBER --url https://ledger.test --agency AGENCY" in page
        assert "On the machine of the agency" in page
        ledger.changes.grant(clerk(POLICE))
        ledger.mirror(ledger.changes.bodies[-1])
        assert told(served, None, "/sign-in") == []


def test_each_role_is_told_its_next_step(tmp_path: Path) -> None:
    """On every page, until it was taken; who waits for others is told nothing."""
    officers = (clerk(POLICE), supervisor(POLICE), supervisor(COURT), auditor(PROCURATORATE), analyst(PROCURATORATE))
    with served_to(tmp_path, *officers) as served:
        for path in ("/operation", "/inbox", "/cases"):
            assert told(served, clerk(POLICE), path) == [guidance.NO_CASE]
        assert told(served, supervisor(POLICE)) == [guidance.NO_WITNESS]
        assert told(served, supervisor(COURT)) == [guidance.NO_CLERK]
        assert told(served, auditor(PROCURATORATE)) == [guidance.NOTHING_TO_AUDIT]
        assert told(served, analyst(PROCURATORATE)) == [guidance.NO_MODEL]
        served.record(Case().open())
        assert told(served, clerk(POLICE)) == []
        assert told(served, auditor(PROCURATORATE)) == [guidance.NO_WITNESS]
        served.submit(supervision.Model().published(analyst(PROCURATORATE)).last)
        assert told(served, analyst(PROCURATORATE)) == [guidance.NO_LEAD]


VALUES = asdict(CommandValues(url="https://ledger.test", data_dir="ledger", until="2035-01-01"))
OF_SETUP = [value for name, value in vars(setup).items() if name.isupper() and isinstance(value, tuple)]


@pytest.mark.parametrize("typed", [*(step.commands for step in STEPS), *OF_SETUP], ids=lambda typed: str(typed[:1]))
def test_commands_are_those_of_the_command_line(typed: Commands) -> None:
    """Each can be copied and run: its words are commands, its options are theirs."""
    commands = [text.format(**VALUES) for _, text in typed if text.startswith("tally")]
    for text in commands:
        words = shlex.split(text)[1:]
        context = click.Context(tally)
        group: click.Command = tally
        while isinstance(group, click.Group):
            word = words.pop(0)
            if word == "--profile":
                words.pop(0)
                continue
            command = group.get_command(context, word)
            assert command is not None, (text, word)
            group = command
        options = {name for parameter in group.params for name in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= options, text


# -- sample data -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the data directory of a development town whose service never ran."""
    return town_in(tmp_path_factory.mktemp("founded"))


def town_in(folder: Path) -> Path:
    """Found a development town in the folder; return its data directory."""
    data = folder / "town"
    Tally(folder).ok("init", "--development", "--light", "--keep-passphrase", "--data-dir", data)
    return data


@pytest.fixture
def data(founded: Path, tmp_path: Path) -> Path:
    """Return a copy of it."""
    return shutil.copytree(founded, tmp_path / "town")


def test_a_ledger_in_use_gets_no_sample(tmp_path: Path, data: Path) -> None:
    """A case of somebody's own: the button is on no page, and who asks all the same is refused."""
    with served_to(tmp_path, clerk(POLICE), data_dir=data) as served:
        assert BUTTON in served.get("/console/sign-in").text
        assert BUTTON in page_of(served, clerk(POLICE), "/inbox").text
        served.record(Case().open())
        assert BUTTON not in served.get("/console/sign-in").text
        answer = post(served, None, "/samples", {})
        assert (answer.status_code, "this ledger is in use" in answer.text) == (409, True)
        assert not (data / "sample.json").exists()


def test_a_loading_that_stops_says_why(tmp_path: Path, data: Path) -> None:
    """Without a chain no key is granted: the page tells it and lets one go on."""
    with served_to(tmp_path, data_dir=data) as served:
        assert post(served, None, "/samples", {}).headers["location"] == "/console/samples"
        deadline = time.monotonic() + 60
        while "the chain is not connected yet" not in (page := served.get("/console/samples").text):
            assert time.monotonic() < deadline, page
            time.sleep(0.1)
        assert "Go on" in page
        assert post(served, None, "/samples", {}).status_code == 303
