"""A ledger whose published models are run step by step, and cases that they find something in."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ledger.core.events import Body, Stream
from ledger.core.events.case import CaseStageEntered
from ledger.core.signing.authority import AuthorityState
from ledger.core.supervision import LeadState
from ledger.procedures import shipped_rulebook
from ledger.recording.supervision_streams import supervision_state
from ledger.store import log
from ledger.supervision.models.model_file import parse_model, shipped_model
from ledger.supervision.runs.datasets import DatasetFiles, Datasets
from ledger.supervision.runs.model_runner import ModelRunner
from ledger.supervision.runs.supervisor import SupervisionLog, Supervisor
from ledger.supervision.views.snapshot import Views
from ledger.supervision.views.sources import LedgerViewSource
from tests.testkit.builders import (
    COURT,
    FAR_POLICE,
    POLICE,
    PROCURATORATE,
    UPPER,
    Officer,
    Writer,
    analyst,
    clerk,
    event_id,
    event_of,
    instant,
)
from tests.testkit.casework import Case, person_id
from tests.testkit.ledgers import Clock, Ledger, Untried, open_founded, sqlite_url
from tests.testkit.supervision import Model, dataset

ZONE = shipped_rulebook().zone

THIRD_RETURN = shipped_model("third-return")
PENSIONS = shipped_model("pension-in-execution")
NOW = int(time.time())


@dataclass
class Watched:
    """A ledger of three agencies in one district, police of another and a procuratorate above both, and its supervisor;
    steps are taken by hand."""

    ledger: Ledger
    supervisor: Supervisor
    files: DatasetFiles

    def post(self, *writers: Any) -> None:
        """Post the events of each: a case in one batch, others one after the other, as each must be there first."""
        for writer in writers:
            for events in [writer.events] if isinstance(writer, Case) else [[event] for event in writer.events]:
                self.ledger.post_all(events)

    def publish(self, text: str = THIRD_RETURN, **fields: Any) -> Model:
        """Publish the model of this file by the procuratorate's analyst."""
        writer = Model(parse_model(text).model_id, start=NOW - 1800, step=1)
        writer.published(definition=text, **fields)
        self.post(writer)
        return writer

    def act_on(self, lead: LeadState, body: Body, by: Officer) -> None:
        """Post the next event of a lead's stream."""
        sequence = lead.sequence + 1
        event = event_of(
            body,
            by,
            stream=Stream(kind="supervision", id=lead.lead_id),
            sequence=sequence,
            previous=lead.head,
            event_id=event_id(f"{lead.lead_id} {sequence}", NOW),
            occurred_at=instant(NOW),
            signed_at=NOW,
        )
        self.ledger.post(event)

    def leads(self) -> list[LeadState]:
        """Return all leads of the log, by their ids."""
        with self.ledger.database.read() as connection:
            size = log.tree(connection).size
            leads = [entry.stream_id for entry in log.entries(connection, 0, size) if entry.event_type == "lead.raised"]
            agencies = self.authority().agencies
            states = [supervision_state(connection, stream_id, agencies) for stream_id in sorted(leads)]
        assert all(isinstance(state, LeadState) for state in states)
        return states  # type: ignore[return-value]  # as was just asserted

    def authority(self) -> AuthorityState:
        with self.ledger.database.read() as connection:
            return self.ledger.registry.at(connection, log.tree(connection).registry_changes)


@contextmanager
def watched_ledger(folder: Path, runner: ModelRunner | None = None) -> Iterator[Watched]:
    """Open a supervised ledger in ``folder``."""
    clerks = (clerk(agency) for agency in (POLICE, PROCURATORATE, COURT, FAR_POLICE))
    officers = [*clerks, analyst(PROCURATORATE), analyst(UPPER)]
    with open_founded(sqlite_url(folder), *officers, clock=Clock(NOW * 1000), definitions=Untried()) as ledger:
        watched = Watched(ledger, None, DatasetFiles(ledger.database))  # type: ignore[arg-type]  # until the views are
        validator = ledger.validator
        source = LedgerViewSource(ledger.database, validator.states, watched.authority)
        datasets = Datasets(watched.files)
        views = Views(
            folder / "views.duckdb",
            source,
            datasets=lambda size, agency, ids: datasets.tables(source.registered(size), source.ranks(agency), ids),
        )
        record = SupervisionLog(ledger.database, watched.authority, ledger.system, source.registered, runner)
        watched.supervisor = Supervisor(views, record, interval_s=10_000, clock=ledger.clock, runner=runner)
        yield watched
        views.close()


def sent_back(case_id: str, times: int) -> Case:
    """Return a case that the procuratorate has returned so many times, handed over once more each time."""
    case = Case(case_id, start=NOW - 3600, step=1).open().register(f"{case_id}-file", kind="dossier")
    for number in range(times):
        case.offer(f"{case_id}-file", to=PROCURATORATE, **({"follows": f"handover-{2 * number}"} if number else {}))
        case.accept().give_back(f"{case_id}-file").accept()
    return case


def third_return_by(sql: str, *, scope: str = "case", model_id: str = "third-return") -> str:
    """Return the model of third returns with this query, which says of itself that it depends on this scope."""
    head, _, rest = THIRD_RETURN.partition("condition:")
    _, _, tail = rest.partition("lead:")
    indented = "\n".join(f"    {line}" for line in sql.strip().splitlines())
    text = f"{head}condition:\n  scope: {scope}\n  sql: |\n{indented}\nlead:{tail}"
    return text.replace("model: third-return", f"model: {model_id}")


def pensioner() -> tuple[Case, bytes]:
    """Return a case whose defendant serves a sentence, and a list of pensions by which he is paid meanwhile."""
    case = Case("case-1", start=NOW - 3600, step=1).open().name("li", role="defendant")
    case.say(CaseStageEntered, stage="execution")
    paid = ZONE.day_of(datetime.fromtimestamp(NOW, UTC))
    return case, f"person_id,paid_on\n{person_id('li')},{paid}\n".encode()


def registered(watched: Watched, data: bytes, by: Officer, **fields: Any) -> Writer:
    """Keep a data set, and return the writer that has registered it for the officer's agency."""
    body = dataset(data, period_until="2026-12-31", readable=True, **fields)
    watched.files.keep(body, data)
    writer = Writer("agency", by.agency, start=NOW - 3000)
    writer.write(body, by)
    return writer
