"""Supervise: published models raise leads by themselves, each once, for whom they are; a bad one stops no other."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ledger.core.authority import Authority
from ledger.core.event.supervision import LeadRaised
from ledger.core.supervision import LeadState
from ledger.matters import matter_of
from ledger.recount import mark_of
from ledger.store import log
from ledger.supervision.model.parse import parse_model
from ledger.supervision.model.shipped import shipped_model
from ledger.supervision.snapshot import LogSource, Views
from ledger.supervision.standing import Record
from ledger.supervision.supervise import Supervisor
from tests.builders import COURT, POLICE, PROCURATORATE, UPPER, analyst, clerk
from tests.casework import Case
from tests.ledgers import Clock, Ledger, open_ledger, sqlite_url
from tests.supervised import Model, adopted, retired

THIRD_RETURN = shipped_model("third-return")
NOW = int(time.time())  # the service signs leads by its own clock


@dataclass
class Watched:
    """A ledger of three agencies in one city and a procuratorate above, and its supervisor; steps are taken by hand."""

    ledger: Ledger
    supervisor: Supervisor

    def post(self, *writers: Any) -> None:
        for writer in writers:
            for event in writer.events:
                self.ledger.post(event)

    def publish(self, text: str = THIRD_RETURN, **fields: Any) -> Model:
        """The model of this file, published by the procuratorate's analyst."""
        model = parse_model(text)
        made = Model(model.model_id, start=NOW - 1800, step=1)
        made.published(definition=text, model_digest=model.digest, **fields)
        self.post(made)
        return made

    def leads(self) -> list[LeadState]:
        """All leads of the log, by their ids."""
        with self.ledger.database.read() as connection:
            size = log.tree(connection).size
            found = [entry.stream_id for entry in log.entries(connection, 0, size) if entry.event_type == "lead.raised"]
            agencies = self.authority().agencies
            states = [matter_of(connection, stream_id, agencies) for stream_id in sorted(found)]
        assert all(isinstance(state, LeadState) for state in states)
        return states  # type: ignore[return-value]  # as was just asserted

    def authority(self) -> Authority:
        with self.ledger.database.read() as connection:
            return self.ledger.registry.at(connection, log.tree(connection).registry_changes)


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    officers = [clerk(POLICE), clerk(PROCURATORATE), clerk(COURT), analyst(PROCURATORATE), analyst(UPPER)]
    with open_ledger(sqlite_url(tmp_path), clock=Clock(NOW * 1000)) as ledger:
        ledger.found(*officers)
        made = Watched(ledger, None)  # type: ignore[arg-type]  # until the next line
        recorder = ledger.recorder
        source = LogSource(ledger.database, recorder.states, made.authority, lambda write: write.timestamp)
        mark = mark_of(recorder.book, recorder.calendar)
        views = Views(tmp_path / "views.duckdb", source, recorder.book, recorder.calendar, mark=mark)
        record = Record(ledger.database, made.authority, ledger.system)
        made.supervisor = Supervisor(views, record, interval_s=10_000, clock=ledger.clock)
        yield made
        views.close()


def sent_back(case_id: str, times: int) -> Case:
    """A case that the procuratorate has returned so many times, and that was handed over once more each time."""
    case = Case(case_id, start=NOW - 3600, step=1).open().register(f"{case_id}-file", kind="dossier")
    for number in range(times):
        case.offer(f"{case_id}-file", to=PROCURATORATE, **({"follows": f"handover-{2 * number}"} if number else {}))
        case.accept().give_back(f"{case_id}-file").accept()
    return case


def test_nothing_is_looked_at_before_a_model_is_published(watched: Watched) -> None:
    """An installation without models costs nothing, and has no views."""
    watched.post(sent_back("case-1", 3))
    assert watched.supervisor.step() == 0
    assert watched.supervisor.state.looked_at is None


def test_a_lead_cites_what_it_rests_on(watched: Watched) -> None:
    """The third return of one case, not the second of another: model, parameters, tree size, moment and events."""
    case = sent_back("case-1", 3)
    watched.post(case, sent_back("case-2", 2))
    watched.publish()
    assert watched.supervisor.step() == 1
    (lead,) = watched.leads()
    raised = lead.raised
    model = parse_model(THIRD_RETURN)
    assert (raised.model_id, raised.model_version, raised.model_digest) == ("third-return", 1, model.digest)
    assert (raised.parameters, raised.case_id) == ({"returns": "2"}, "case-1")
    assert raised.key == {"case_id": "case-1", "handover_id": "handover-6"}
    assert (raised.supervised, raised.procuratorate) == (PROCURATORATE, UPPER)
    returned, taken_back = case.events[-2], case.events[-1]
    assert [ref.payload_digest for ref in raised.events] == [returned.digest, taken_back.digest]
    assert raised.cited_count == 2
    assert raised.tree_size == watched.supervisor.state.size
    assert "handover-6" in raised.says.zh
    assert "handover-6" in raised.says.en
    assert [check.what.zh for check in raised.checks] == [check.what.zh for check in model.checks]
    assert lead.status == "raised"


def test_the_same_finding_is_raised_once(watched: Watched, tmp_path: Path) -> None:
    """By looking again, by a process that was started anew, by a new version of the model that finds the same."""
    watched.post(sent_back("case-1", 3))
    model = watched.publish()
    assert [watched.supervisor.step() for _ in range(3)] == [1, 0, 0]
    again = Supervisor(watched.supervisor.views, watched.supervisor.record, interval_s=1, clock=watched.ledger.clock)
    assert again.step() == 0
    second = THIRD_RETURN.replace("version: 1", "version: 2")
    model.published(definition=second, model_digest=parse_model(second).digest)
    watched.ledger.post(model.last)
    assert watched.supervisor.step() == 0
    assert len(watched.leads()) == 1


def test_events_that_come_in_are_looked_at_by_case(watched: Watched) -> None:
    """After everything was looked at, a case that changes is enough: no whole run is due for hours."""
    watched.publish()
    assert watched.supervisor.step() == 0
    looked_at = watched.supervisor.state.looked_at
    watched.ledger.clock.forward(60)
    watched.post(sent_back("case-1", 3))
    assert watched.supervisor.step() == 1
    assert watched.supervisor.state.looked_at == looked_at
    watched.post(sent_back("case-2", 2))
    assert watched.supervisor.step() == 0


def test_who_adopts_a_model_runs_it_in_its_own_jurisdiction_with_its_own_parameters(watched: Watched) -> None:
    """The city's prosecutors run it for the city; the procuratorate above, which lets one return pass, finds more."""
    watched.post(sent_back("case-1", 2))
    model = watched.publish()
    assert watched.supervisor.step() == 0
    digest = parse_model(THIRD_RETURN).digest
    model.act(adopted(1, model_digest=digest, parameters={"returns": "1"}), analyst(UPPER))
    watched.ledger.post(model.last)
    assert watched.supervisor.step() == 1
    (lead,) = watched.leads()
    assert (lead.raised.parameters, lead.procuratorate) == ({"returns": "1"}, UPPER)


def test_a_retired_model_is_not_run(watched: Watched) -> None:
    """What it raised before stays."""
    model = watched.publish()
    watched.post(sent_back("case-1", 3))
    assert watched.supervisor.step() == 1
    model.act(retired(), analyst(PROCURATORATE))
    watched.ledger.post(model.last)
    watched.post(sent_back("case-2", 3))
    assert watched.supervisor.step() == 0
    assert len(watched.leads()) == 1


def test_a_bad_model_stops_no_other(watched: Watched) -> None:
    """One that fails when it is asked is named with the reason; the others raise what they find."""
    head, _, rest = THIRD_RETURN.partition("condition:")
    _, _, tail = rest.partition("lead:")
    broken = """condition:
  scope: case
  sql: |
    SELECT case_id, handover_id, from_agency, to_agency, offered_at, return_number, evidence,
      CAST(purpose AS BIGINT) AS number
    FROM handovers WHERE return_number > $returns
lead:"""
    text = (head + broken + tail).replace("model: third-return", "model: broken")
    watched.publish(text)
    watched.publish()
    watched.post(sent_back("case-1", 3))
    assert watched.supervisor.step() == 1
    assert set(watched.supervisor.state.faults) == {"broken"}
    assert "Could not convert" in watched.supervisor.state.faults["broken"]


def test_a_failure_that_nobody_foresaw_is_told(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stands in the state, and the next step is taken."""
    watched.publish()
    views = watched.supervisor.views

    def defect() -> None:
        raise KeyError("defect")

    with monkeypatch.context() as patched:
        patched.setattr(views, "refresh", defect)
        watched.supervisor.try_step()
    assert watched.supervisor.state.faults == {"*": "KeyError"}
    watched.supervisor.try_step()
    assert watched.supervisor.state.faults == {}


def test_a_lead_is_what_the_service_alone_may_sign(watched: Watched) -> None:
    """Nobody else's key raises one."""
    watched.post(sent_back("case-1", 3))
    watched.publish()
    watched.supervisor.step()
    with watched.ledger.database.read() as connection:
        entry = log.stream(connection, "supervision", watched.leads()[0].lead_id)[0]
    assert entry.agency == "ledger"
    assert LeadRaised.__struct_config__.frozen
