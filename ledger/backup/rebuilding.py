"""Making again what follows from the entries: heads of streams, feeds, and what lists show.

It is made by the functions by which an audit judges, so what was restored agrees with them. Streams are taken in parts,
by several processes if there are many entries.
"""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from functools import partial
from typing import NamedTuple

from ledger.audit.chain import read_ground, read_mirror
from ledger.audit.findings import AuditFinding
from ledger.audit.streams import Rules, all_ranges, rebuilt_rows
from ledger.audit.workers import Judging, processes_worth
from ledger.core.messages import Progress
from ledger.core.procedure.adoption import Procedures
from ledger.core.trust.trust_file import Trust
from ledger.store import backup, log
from ledger.store.audit import StreamRange
from ledger.store.database import Database, Row, Table, attach

PART = 8192  # entries of the streams that are taken at a time


class RebuiltRows(NamedTuple):
    """The rows of some streams, by the names of their tables, and what is wrong with the streams."""

    by_table: dict[str, list[Row]]
    findings: list[AuditFinding]


def rebuild(
    database: Database, trust: Trust, procedures: Procedures, size: int, progress: Progress
) -> list[AuditFinding]:
    """Make all that follows from the ``size`` entries of a database that is being restored.

    ``procedures`` are in force before the log adopts any. ``progress`` counts entries. Returns what is wrong with its
    streams, as an audit says it.
    """
    with database.read() as connection:
        mirror = read_mirror(connection, trust, procedures)
        judging = Judging(read_ground(connection, mirror), mirror.procedures)
        parts = all_ranges(connection, size, PART)
    findings = [] if mirror.broken is None else [mirror.broken.finding]
    for number, of_part in enumerate(_all_rebuilt(database, judging, parts, size), 1):
        backup.put_latest(database, {_table(name): part for name, part in of_part.by_table.items()})
        findings += of_part.findings
        progress(size * number // len(parts), size)
    return findings


def _table(name: str) -> Table:
    table = backup.table_named(name)
    assert table is not None, "rows are made of this version's tables"
    return table


def _all_rebuilt(database: Database, judging: Judging, parts: list[StreamRange], size: int) -> Iterator[RebuiltRows]:
    if (processes := processes_worth(size)) == 1:
        yield from map(partial(_make, database, judging.rules(database)), parts)
        return
    context = multiprocessing.get_context("spawn")  # a copy of this process would share its connections
    with ProcessPoolExecutor(processes, context, initializer=_begin, initargs=(database.url, judging)) as executor:
        waiting: deque[Future[RebuiltRows]] = deque()
        for part in parts:
            waiting.append(executor.submit(_make_here, part))
            # No more than can be written soon: what is made waits in memory.
            if len(waiting) > 2 * processes:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _make(database: Database, rules: Rules, part: StreamRange) -> RebuiltRows:
    """Make the rows of these streams."""
    by_table: dict[str, list[Row]] = {}
    findings: list[AuditFinding] = []
    with database.read() as connection:
        log.tree(connection)  # a snapshot begins with its first statement
        for of_stream, faults in rebuilt_rows(connection, part, rules):
            for table, some in of_stream.items():
                by_table.setdefault(str(table.name), []).extend(some)
            findings += faults
    return RebuiltRows(by_table, findings)


_started_with: tuple[Database, Rules]


def _begin(url: str, judging: Judging) -> None:
    global _started_with  # noqa: PLW0603 - the one place where a worker process keeps what it was started with
    database = attach(url)
    _started_with = database, judging.rules(database)


def _make_here(part: StreamRange) -> RebuiltRows:
    return _make(*_started_with, part)
