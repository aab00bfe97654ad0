"""Sample data: the twelve stories, played into an empty development ledger and into no other."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from ledger.config.installation import DataDirectory
from ledger.core.errors import Conflict, Unavailable
from ledger.interchange.papers.events_to_print import read_event
from ledger.samples import governance, load
from ledger.samples.player import Player
from ledger.samples.town import BY_PROFILE, KINDS, PEOPLE, TownKeys
from ledger.store import log
from tests.testkit.builders import refused
from tests.testkit.sample_town import founded
from tests.testkit.service import RunningService
from tests.testkit.tally import Tally
from tests.unit.interchange.printing import sheet_of_event

PROGRESS = len(load.PARTS) + 1


class Interrupted(Exception):
    """Somebody ends the loading."""


def interrupt_at(part: int) -> Callable[[load.Progress], None]:
    def interrupt(progress: load.Progress) -> None:
        if progress.done == part:
            raise Interrupted

    return interrupt


@pytest.mark.extended
@pytest.mark.timeout(600)
def test_the_stories_are_loaded_once_however_often_they_are_begun(tmp_path: Path) -> None:
    """Ended in the middle of things, loading goes on where it stopped; done, the same call writes nothing."""
    with founded(tmp_path) as town:
        with pytest.raises(Interrupted):
            load.load(town.where, town.ledger, interrupt_at(6))
        partly = town.written()
        shown: list[load.Progress] = []
        events = load.load(town.where, town.ledger, shown.append)
        whole = town.written()
        assert whole[: len(partly)] == partly
        assert 0 < len(partly) < len(whole)
        assert [progress.done for progress in shown] == list(range(PROGRESS))
        assert (shown[-1].part, shown[-1].events) == (None, events)
        assert load.load(town.where, town.ledger, shown.append) == events
        assert town.written() == whole


def test_a_ledger_with_events_of_its_own_is_left_alone(tmp_path: Path) -> None:
    """Whoever has opened a case gets no sample beside it, and is told what to do instead."""
    with founded(tmp_path) as town:
        player = Player(town.ledger, TownKeys.of(town.where), began_at=1_767_225_600, secret="own")
        load.grant_keys(player, BY_PROFILE["police"])
        load.require_empty(town.where, town.ledger)
        player.case("own-case", days_ago=3).open()
        with pytest.raises(Conflict) as caught:
            load.load(town.where, town.ledger, lambda _: None)
        assert caught.value.code == "not_empty"
        assert "tally init --development" in (caught.value.hint or "")
        assert not load.is_begun(town.where)
        assert len(town.written()) == 1


@pytest.mark.extended
def test_a_lead_is_waited_for_until_everything_was_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long that takes on this machine; then loading ends, and says where the reason is told."""
    monkeypatch.setattr("ledger.samples.player.ASK_EVERY", 2)
    with founded(tmp_path) as town:
        player = Player(town.ledger, TownKeys.of(town.where), began_at=1_767_225_600, secret="own")
        load.grant_keys(player, BY_PROFILE["analyst"])
        governance.publish(player, "third-return")
        with pytest.raises(Unavailable) as caught:
            player.lead("third-return", {"case_id": "none"}, "analyst")
        assert caught.value.code == "lead_not_raised"
        assert town.parts.supervisor.state.looked_at


def test_papers_of_the_samples_print_persons_by_name(tmp_path: Path) -> None:
    """The stories write names where papers look for them; whoever may not read sections sees the pseudonym."""
    with founded(tmp_path) as town:
        player = Player(town.ledger, TownKeys.of(town.where), began_at=1_767_225_600, secret="own")
        load.grant_keys(player, BY_PROFILE["police"])
        case = player.case("own-case", days_ago=3).open().name("周某").register("knife")
        case.offer("knife", to="procuratorate-east", persons=("周某",))
        states = town.parts.validator.states
        with town.parts.database.read() as connection:
            entry = log.entry_by_event_id(connection, case.last.envelope.event_id)
            events = [read_event(connection, states, entry, KINDS, confidential=may) for may in (True, False)]
        named, unnamed = (str(sheet_of_event(event, persons=event.persons).blocks) for event in events)
        assert "周某" in named
        assert "周某" not in unnamed


def test_other_ledgers_than_a_development_town_are_refused(tmp_path: Path) -> None:
    """In earnest, with agencies whose keys are elsewhere, or without any: nobody here could play anything."""
    tally, data = Tally(tmp_path), tmp_path / "ledger"
    tally.ok("init", "--development", "--light", "--keep-passphrase", "--data-dir", data)
    file = data / "installation.json"
    sound = file.read_text()
    load.require_development(DataDirectory(data))
    in_earnest, elsewhere = json.loads(sound), json.loads(sound)
    in_earnest["founding"]["development"] = False
    elsewhere["founding"]["agencies"][0]["admin"] = "0x" + "1a" * 20
    for changed in (in_earnest, elsewhere):
        file.write_text(json.dumps(changed))
        with refused("not_development", field="data_dir"):
            load.require_development(DataDirectory(data))
    file.write_text(sound)
    (data / "keys" / "development" / "passphrase").unlink()
    done = tally("sample", "load", "--data-dir", data)
    assert (done.status, "not_development" in done.err) == (1, True)


@pytest.mark.extended
@pytest.mark.timeout(600)
def test_at_the_terminal_the_town_can_be_acted_in(tmp_path: Path) -> None:
    """The service runs: the stories are played over HTTP, and each of the town's people has a profile that works."""
    with closing(RunningService(tmp_path, supervision_interval_s=2)) as service:
        pair = ("--data-dir", service.data)
        service.tally.ok("init", "--development", "--light", *pair, "--passphrase-file", service.tally.passphrase_file)
        service.start()
        assert service.tally.ok("sample", "load", *pair, "--url", service.url)["stories"] == 12
        profiles = service.tally.ok("sample", "profiles", *pair, "--url", service.url)
        assert [profile["name"] for profile in profiles] == [person.profile for person in PEOPLE]
        trust = httpx.get(f"{service.url}/api/v1/log/trust").content
        folders = [service.tally.config / "profiles" / person.profile for person in PEOPLE]
        assert {(folder / "trust.json").read_bytes() for folder in folders} == {trust}
        again = service.tally("sample", "profiles", *pair, "--url", service.url)
        assert (again.status, "--replace" in again.err) == (1, True)
        leads = service.tally.ok("lead", "list", profile="prosecutor-chief")
        assert {(lead["model_id"], lead["status"]) for lead in leads} == {
            ("third-return", "closed"),
            ("detention-without-ground", "answered"),
            ("judgment-silent", "assigned"),
            ("pension-in-execution", "raised"),
            ("pension-in-execution", "closed"),
        }
        of_the_city = service.tally.ok("lead", "list", profile="auditor-city")
        assert [lead["status"] for lead in of_the_city].count("raised") >= 3
        assert len(service.tally.ok("case", "list", profile="corrections")) > 20
