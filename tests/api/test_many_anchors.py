"""What a page costs does not grow with the anchors: SQLite's own steps are counted, not time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from ledger.chain.journal import ChainWrite, WriteState
from ledger.store.chain_journal import DatabaseJournal
from ledger.store.database import Database, open_database
from tests.api.conftest import serving
from tests.api.service import Served
from tests.testkit.builders import PROCURATORATE, auditor
from tests.testkit.journals import add_anchors
from tests.testkit.ledgers import sqlite_url
from tests.testkit.timeline_cases import long_case

FEW, MANY = 100, 1000
STEPS_A_TICK = 20  # of SQLite's machine; a row that is looked at takes more than one
READER = auditor(PROCURATORATE)
CASE = long_case(40)
CASE_ID, ITEM_ID = CASE.state.case_id, "thing-0"
EVENT_ID = CASE.events[20].envelope.event_id


def last(journal: DatabaseJournal) -> ChainWrite:
    write = journal.last_proven_anchor()
    assert write is not None
    return write


READS: dict[str, Callable[[DatabaseJournal], object]] = {
    "last": lambda journal: journal.last_anchor(),
    "last confirmed": lambda journal: journal.last_anchor(WriteState.CONFIRMED),
    "last mined": lambda journal: journal.last_anchor(WriteState.MINED, WriteState.CONFIRMED),
    "last proven": last,
    "last of any kind": lambda journal: journal.last_confirmed(),
    "number": lambda journal: journal.count_confirmed_anchors(last(journal)),
    "size before": lambda journal: journal.anchored_before(last(journal)),
    "counts": lambda journal: journal.counts(),
    "sizes": lambda journal: journal.sizes(),
    "unsettled": lambda journal: journal.unsettled(),
    "a page": lambda journal: journal.anchors(after=50, limit=10),
    "update": lambda journal: journal.update(last(journal)),
}
PAGES = {
    "timeline": f"/api/v1/cases/{CASE_ID}/timeline",
    "item": f"/api/v1/items/{ITEM_ID}/history",
    "proof of an event": f"/api/v1/events/{EVENT_ID}/proof",
    "the log": "/api/v1/log",
    "anchors": "/api/v1/anchors?limit=10",
    "a case": f"/console/cases/{CASE_ID}",
    "an event": f"/console/cases/{CASE_ID}/events/{EVENT_ID}",
    "a picture": f"/console/cases/{CASE_ID}/picture",
    "operation": "/console/operation/now",
}


class Ticks:
    """Counts the work of SQLite on a database."""

    def __init__(self, database: Database) -> None:
        self._count = 0
        event.listen(database.log, "checkout", self._watch)

    def _watch(self, connection: Any, *_: object) -> None:
        connection.set_progress_handler(self._tick, STEPS_A_TICK)

    def _tick(self) -> int:
        self._count += 1
        return 0

    def of(self, action: Callable[[], object]) -> int:
        """Count the second time: what is prepared or kept at the first is no part of it."""
        action()
        before = self._count
        action()
        return self._count - before


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Return a service with a case."""
    with serving(tmp_path_factory.mktemp("anchors")) as service:
        service.ledger.post_all(CASE.events)
        yield service


def test_the_journal_looks_at_no_more_for_more_anchors(tmp_path: Path) -> None:
    """A tenth of the anchors, and the same work, whatever is read."""
    database = open_database(sqlite_url(tmp_path))
    journal, ticks = DatabaseJournal(database), Ticks(database)

    def work() -> dict[str, int]:
        return {name: ticks.of(lambda read=read: read(journal)) for name, read in READS.items()}  # type: ignore[misc]

    add_anchors(database, 1, FEW)
    few = work()
    add_anchors(database, FEW + 1, MANY)
    many = work()
    database.close()
    grown = {name: (few[name], many[name]) for name in READS if not 0 < many[name] <= few[name] + 2}
    assert not grown, f"ticks with {FEW} anchors, with {MANY}: {grown}"


def test_pages_and_proofs_look_at_no_more_for_more_anchors(served: Served) -> None:
    """Whoever reads a case, an event, a picture, a proof or how the service stands waits for no anchor but his own."""
    ticks = Ticks(served.ledger.database)

    def work() -> dict[str, int]:
        return {page: ticks.of(lambda path=path: asked(served, path)) for page, path in PAGES.items()}  # type: ignore[misc]

    add_anchors(served.ledger.database, 1, FEW)
    few = work()
    assert served.get(PAGES["timeline"], READER).json()["events"][-1]["proven_at"] is not None
    add_anchors(served.ledger.database, FEW + 1, MANY)
    many = work()
    grown = {page: (few[page], many[page]) for page in PAGES if many[page] > few[page] + FEW // 10}
    assert not grown, f"ticks with {FEW} anchors, with {MANY}: {grown}"


def asked(served: Served, path: str) -> None:
    """Ask as a program does, or a browser."""
    headers = served.cookie(READER) if path.startswith("/console") else served.token(READER)
    answer = served.request("GET", path, headers=headers)
    assert answer.status_code == 200, (path, answer.status_code)
