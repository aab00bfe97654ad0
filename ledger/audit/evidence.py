"""Files of evidence whose rows somebody has hidden who can write to the database: deleted, and bound as deleted.

Such rows are as they were bound, so that nothing is wrong with any of them. But the service itself deletes no row that
says for which item a file is kept before two have signed that the item was destroyed, and no check that a handover or a
move has made due. Both follow from the entries, and from the order of the records that bind rows and commits: its head
is sealed in the log.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import NamedTuple

from ledger.audit.bindings import FILE_CHECKS, ITEM_FILES, Bound
from ledger.audit.findings import AuditFinding, finding
from ledger.core.custody import CaseState
from ledger.core.custody.holds import holds_on_item
from ledger.core.errors import TallystickError
from ledger.core.events import Event
from ledger.core.events.item import ItemDisposalProposed, ItemDisposed
from ledger.evidence.rehashing import AT_ONCE, DESTROYED, DESTROYS, DUE_BY, items_that_went
from ledger.store import evidence_files, log
from ledger.store.database import Connection
from ledger.store.evidence_files import FileCheck
from ledger.store.log import StoredEntry

StateOf = Callable[[str], CaseState | None]
EVIDENCE_FILES = "evidence_files"  # the table


class _Row(NamedTuple):
    """The primary key of a row of ``item_files``, as bindings name it."""

    case_id: str
    item_id: str
    digest: str

    @property
    def item(self) -> tuple[str, str]:
        """Return the item that the file is kept for."""
        return self.case_id, self.item_id


# 15
def check_hidden(connection: Connection, bound: Bound, state_of: StateOf) -> Iterator[AuditFinding]:
    """Yield a finding for each row about a file that was hidden, or replaced by another one.

    ``state_of`` returns the state to which the events of a case lead. Rows must be as they are bound.
    """
    if bound.broken is not None or not bound.first[ITEM_FILES]:
        return
    parts = {key: key.split(" ") for key in bound.first[ITEM_FILES]}
    rows = {key: _Row(*named) for key, named in parts.items() if len(named) == len(_Row._fields)}
    # The chain has no key of its own: whoever can write to the database may bind what is no row's name.
    yield from (_missing(ITEM_FILES, key) for key in parts.keys() - rows.keys())
    live = [row for key, row in rows.items() if _is_live(bound, ITEM_FILES, key)]
    destroyed = dict(_destroyed(connection, {row.case_id for row in rows.values()}))
    for key, row in rows.items():
        first = bound.first[ITEM_FILES][key]
        if first.again is not None:  # the service never changes one
            yield finding("bindings", None, "bound", first.digest, first.again, row=f"{ITEM_FILES} {key}")
        elif not _is_live(bound, ITEM_FILES, key) and row.item not in destroyed:
            yield _missing(ITEM_FILES, key)
    for digest in sorted({row.digest for row in live}):
        if not _is_live(bound, EVIDENCE_FILES, digest):
            yield _missing(EVIDENCE_FILES, digest)
    checks = bound.first[FILE_CHECKS].items()
    # What was bound again was done, and no such row ever goes.
    lacking = {key for key, first in checks if first.again is not None and not _is_live(bound, FILE_CHECKS, key)}
    position = evidence_files.position(connection)
    for entry in _entries(connection, {row.case_id for row in live}, DUE_BY, position):
        lacking.update(_unchecked(connection, bound, entry, state_of))
    to_destroy = [row for row in live if destroyed.get(row.item, position + 1) <= position]
    if to_destroy:
        lacking.update(_left(connection, to_destroy, position, state_of))
    yield from (_missing(FILE_CHECKS, key) for key in sorted(lacking))


def _is_live(bound: Bound, table: str, key: str) -> bool:
    return bound.rows.get(table, {}).get(key) is not None


def _missing(table: str, key: str) -> AuditFinding:
    return finding("bindings", None, "row", "a row", "no such row", row=f"{table} {key}")


def _entries(connection: Connection, cases: Collection[str], types: Sequence[str], up_to: int) -> Iterator[StoredEntry]:
    """Yield the entries of these types in these cases, up to an index."""
    behind = -1
    while page := log.entries_behind(connection, behind, types, AT_ONCE):
        for entry in page:
            if entry.log_index > up_to:
                return
            if entry.stream_kind == "case" and entry.stream_id in cases:
                yield entry
        behind = page[-1].log_index


def _event_of(entry: StoredEntry) -> Event | None:
    """Return the event of an entry; None if it is not as it was signed, which is a finding of its own."""
    try:
        return log.event_of(entry)
    except TallystickError:
        return None


def _destroyed(connection: Connection, cases: Collection[str]) -> Iterator[tuple[tuple[str, str], int]]:
    """Yield the items of these cases whose destruction two have signed, each with the index of the second event."""
    for entry in _entries(connection, cases, ("item.disposed",), log.tree(connection).size):
        event = _event_of(entry)
        if event is not None and isinstance(event.body, ItemDisposed):
            cited = log.entries_by_event_id(connection, [event.body.cites.event_id]).values()
            for proposal in filter(None, map(_event_of, cited)):
                body = proposal.body
                if isinstance(body, ItemDisposalProposed) and body.disposal in DESTROYED:
                    yield from (((entry.stream_id, item_id), entry.log_index) for item_id in body.item_ids)


def _unchecked(connection: Connection, bound: Bound, entry: StoredEntry, state_of: StateOf) -> Iterator[str]:
    """Yield the names of the checks of files that an event has made due, and that are not there."""
    lacking: list[tuple[str, str]] = []
    for kept in evidence_files.of_case(connection, entry.stream_id):
        first = bound.first[ITEM_FILES].get(f"{kept.case_id} {kept.item_id} {kept.digest}")
        own = (kept.case_id, kept.item_id, kept.digest, entry.event_id, entry.event_type, entry.log_index)
        check = FileCheck(*own).name
        # Of a file that was recorded while the entry was, the service may have looked at the entry first.
        is_of_it = first is not None and first.size <= entry.log_index and kept.kept_at <= entry.recorded_at
        if is_of_it and not _is_live(bound, FILE_CHECKS, check):
            lacking.append((kept.item_id, check))
    event = _event_of(entry) if lacking else None
    went = None if event is None else items_that_went(event, state_of)
    yield from (check for item_id, check in lacking if went is not None and item_id in went)


def _left(connection: Connection, rows: Sequence[_Row], position: int, state_of: StateOf) -> Iterator[str]:
    """Yield the names of the checks by which the files of destroyed things go, of those that no hold covers."""
    cases = {row.case_id for row in rows}
    last = {entry.stream_id: entry for entry in _entries(connection, cases, DESTROYS, log.tree(connection).size)}
    for row in rows:
        due = evidence_files.checks_of(connection, row.case_id, row.item_id)
        if any(each.digest == row.digest and each.checked_at is None and each.event_type in DESTROYS for each in due):
            continue
        try:
            state = state_of(row.case_id)
        except TallystickError:  # a finding of its own
            continue
        item = None if state is None else state.items.get(row.item_id)
        entry = last[row.case_id]
        if state is None or item is None or item.disposal not in DESTROYED or entry.log_index > position:
            continue
        if not holds_on_item(state, item):
            own = (*row, entry.event_id, entry.event_type, entry.log_index)
            yield FileCheck(*own).name
