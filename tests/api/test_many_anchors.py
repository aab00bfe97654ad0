"""What a page costs does not grow with the anchors: SQLite's own steps are counted, not time."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from sqlalchemy import event

from ledger.chain.journal import WriteState
from ledger.store.chain_journal import DatabaseJournal
from ledger.store.database import Database
from tests.api.service import Served
from tests.testkit.builders import PROCURATORATE, auditor
from tests.testkit.journals import add_anchors
from tests.testkit.timeline_cases import long_case

FEW, MANY = 100, 1000
STEPS_A_TICK = 20  # of SQLite's machine; a row that is looked at takes more than one
READER = auditor(PROCURATORATE)
CASE = long_case(40)
CASE_ID, ITEM_ID = CASE.state.case_id, "thing-0"
EVENT_ID = CASE.events[20].envelope.event_id


READS: dict[str, Callable[[DatabaseJournal], object]] = {  # beside those of pages
    "last": lambda journal: journal.last_anchor(),
    "last confirmed": lambda journal: journal.last_anchor(WriteState.CONFIRMED),
    "last mined": lambda journal: journal.last_anchor(WriteState.MINED, WriteState.CONFIRMED),
    "last of any kind": lambda journal: journal.last_confirmed(),
    "counts": lambda journal: journal.counts(),
    "sizes": lambda journal: journal.sizes(),
    "unsettled": lambda journal: journal.unsettled(),
    "a page": lambda journal: journal.anchors(after=50, limit=10),
    "update": lambda journal: journal.update(journal.last_anchor()),
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


def test_nothing_looks_at_more_for_more_anchors(served: Served) -> None:
    """Whoever reads a case, an event, a picture, a proof or how the service stands waits for no anchor but his own; nor
    does who follows the chain."""
    database = served.ledger.database
    served.ledger.post_all(CASE.events)
    journal, ticks = DatabaseJournal(database), Ticks(database)

    headers = served.cookie(READER) | served.token(READER)  # as a browser asks, or a program

    def asked(path: str) -> None:
        assert served.request("GET", path, headers=headers).status_code == 200, path

    def work() -> dict[str, int]:
        pages = {page: ticks.of(partial(asked, path)) for page, path in PAGES.items()}
        return pages | {name: ticks.of(partial(read, journal)) for name, read in READS.items()}

    add_anchors(database, 1, FEW)
    few = work()
    assert all(few.values()), f"read without a tick: {few}"
    assert served.get(PAGES["timeline"], READER).json()["events"][-1]["proven_at"] is not None
    add_anchors(database, FEW + 1, MANY)
    many = work()
    allowed = {name: few[name] + (2 if name in READS else FEW // 10) for name in few}
    grown = {name: (few[name], many[name]) for name in few if many[name] > allowed[name]}
    assert not grown, f"ticks with {FEW} anchors, with {MANY}: {grown}"
