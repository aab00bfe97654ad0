"""Hashing again: kept files of an item are read and hashed anew at each handover, move and copy of the item.

A follower of the log: what an event makes due is stored with the position in the log, so a service that was killed goes
on where it was, and no acceptance waits for gigabytes. Digests before and after are bound rows, which are sealed into
the log within the hour. A file that is not what was kept is an incident, which the service signs, also if it was killed
in between; its officers state in the case what they find, as a discrepancy or an examination. Files of what was
destroyed by two are destroyed as well, unless a legal hold covers the item; then once the last hold is released.

Nothing is said of a file, and none is deleted, because of what somebody else has written into the database. The row of
a file is bound to the key that encrypts it, which the database alone does not give; a deletion needs an audit of its
case without a finding, too, and that the file's digest was signed for the item. What does not hold stays due, while the
others go on. An audit names the row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from msgspec.structs import replace

from ledger.core.custody import CaseState
from ledger.core.custody.holds import holds_on_item
from ledger.core.custody.state import Item
from ledger.core.encoding.digests import parse_digest
from ledger.core.errors import Conflict, IntegrityBroken, TallystickError
from ledger.core.events import Event
from ledger.core.events.handover import HandoverAccepted
from ledger.core.events.item import ItemCheckedIn, ItemCheckedOut, ItemMoved
from ledger.core.events.record import IncidentRecorded
from ledger.evidence.kept_evidence import KeptEvidence
from ledger.loggers import get_logger
from ledger.store import evidence_files, log
from ledger.store.database import Connection
from ledger.store.evidence_files import FileCheck, StoredFile
from ledger.store.log import StoredEntry

AT_ONCE: Final = 200  # most entries of one look
SELDOM: Final = 1000  # entries after which the position is stored though nothing is due: a write less for each entry
LEFT_MS: Final = 60_000  # after which an outcome without its incident was left by a process that was killed
FOREIGN_MS: Final = 600_000  # for which a row that is not as written is left alone: each look reads much
DUE_BY: Final = ("handover.accepted", "item.moved", "item.checked_out", "item.checked_in")
DESTROYS: Final = ("item.disposed", "hold.released")  # after these a file may have to go
# The disposals of the packages that ship by which files go, too: those of which a record of destruction is printed.
DESTROYED: Final = ("destroyed", "data_erased")

logger = get_logger(__name__)


@dataclass
class Rehasher:
    """Follows the log for the files of a store.

    ``state_of`` returns the state of a case, ``is_sound`` tells whether an audit of one finds nothing, ``record`` signs
    and records an incident. ``stops`` tells that the service is ending, and is asked between two files. ``outcomes``
    counts what the checks of this process have found.
    """

    store: KeptEvidence
    state_of: Callable[[str], CaseState | None]
    is_sound: Callable[[str], bool]
    record: Callable[[IncidentRecorded], object]
    stops: Callable[[], bool] = lambda: False
    outcomes: Counter[str] = field(default_factory=Counter)
    _looked_up_to: int = -1  # by this process: nothing before is due that is not stored
    _own: set[str] = field(default_factory=set)  # the events of outcomes that this process has stored as incidents
    # Until when what is not as the service wrote it is left alone.
    _foreign: dict[FileCheck, int] = field(default_factory=dict)
    _told_until: int = 0  # of rows that cannot be read at all
    _audited: dict[str, bool] = field(default_factory=dict)  # by case, whether its audit in this step found nothing

    def step(self) -> int:
        """Note what has become due, and do what is due; return how many files were hashed.

        Then it deletes what was destroyed while the storage was away. Raises Unavailable if it is away: the next step
        goes on.
        """
        self._audited.clear()
        self._report_left()
        while self._look():
            pass
        self._do_due(DUE_BY, self._destroy)  # first: it waits for no storage
        done = self._do_due(DESTROYS, self._check)
        self.store.delete_waiting()
        return done

    def _do_due(self, not_by: Collection[str], do: Callable[[FileCheck], object]) -> int:
        """Do what is due, but not because of events of these types, the oldest first; return how much was done."""
        done = 0
        check: FileCheck | None = None
        while not self.stops():
            with self.store.database.read() as connection:
                check, unreadable = evidence_files.next_due(connection, not_by, behind=check)
            if unreadable and self._told_until <= self.store.clock():
                self._told_until = self.store.clock() + FOREIGN_MS
                logger.error("checks of files of evidence stay due, the database cannot read them", count=unreadable)
            if check is None:
                break
            if self._is_left_alone(check):
                continue
            try:
                do(check)
                done += 1
            except IntegrityBroken as error:
                self._leave_alone(check, error.message)
        return done

    def _is_left_alone(self, check: FileCheck) -> bool:
        return self._foreign.get(check, 0) > self.store.clock()

    def _leave_alone(self, check: FileCheck, reason: str) -> None:
        self._foreign[check] = self.store.clock() + FOREIGN_MS
        logger.error("check of a file of evidence stays due", check=check.name, reason=reason)

    def _look(self) -> bool:
        """Store what the next entries make due; return whether there were any."""
        database = self.store.database
        with database.read() as connection:
            before = evidence_files.position(connection)
            start, last = max(before, self._looked_up_to), log.tree(connection).size - 1
            if start >= last:
                return False
            # Without a file nothing is due: a store that is new does not read a log of years.
            types = (*DUE_BY, *DESTROYS) if evidence_files.has_files(connection) else ()
            entries = log.entries_behind(connection, start, types, AT_ONCE) if types else []
            after = entries[-1].log_index if len(entries) == AT_ONCE else last
            checks = list[FileCheck]()
            for entry in entries:
                try:
                    event = log.event_of(entry)
                except TallystickError:  # an audit reports what is wrong with it
                    continue
                checks += self._due(connection, entry, event)
        if not checks and after - before < SELDOM:
            self._looked_up_to = after
            return after < last
        is_stored = evidence_files.keep_due(database, before, after, checks)
        # Another process was faster, and may not have come as far: the next look begins where it is.
        self._looked_up_to = after if is_stored else -1
        return is_stored

    def _due(self, connection: Connection, entry: StoredEntry, event: Event) -> Iterator[FileCheck]:
        files = evidence_files.of_case(connection, event.stream.id)
        items = items_that_went(event, self.state_of) if files else None
        for kept in files:
            # What was given later is what was given, whatever had become of the item before: but it may have to go.
            is_earlier = event.event_type in DESTROYS or kept.kept_at <= entry.recorded_at
            if is_earlier and (items is None or kept.item_id in items):
                own = (kept.case_id, kept.item_id, kept.digest, event.event_id, event.event_type, entry.log_index)
                yield FileCheck(*own)

    def _destroy(self, check: FileCheck) -> None:
        """Destroy a file of what was destroyed. Raises IntegrityBroken if what says so is not as it was written."""
        with self.store.database.read() as connection:
            evidence_files.require_as_written(connection, check)
            stored = _of_item(connection, check)
        if stored is not None:
            _, item = self._case_and_item(check)
            if item.status != "disposed" or item.disposal not in DESTROYED:
                evidence_files.forget_due(self.store.database, check)
                return
            try:
                self._require_no_hold(check)
                self._require_sound(check.case_id)
                self._require_none_hidden(check)
                if not {*item.digests} & {*stored[0].all_digests}:
                    raise IntegrityBroken("nobody has signed that the item has this file", field=check.item_id)
                self.store.destroy(check.case_id, check.item_id, check.digest, lambda: self._require_no_hold(check))
            except Conflict:  # the release of the hold makes it due anew
                evidence_files.forget_due(self.store.database, check)
                return
            logger.info("file of evidence destroyed", case_id=check.case_id, item_id=check.item_id, digest=check.digest)
        self._keep_gone(check)

    def _case_and_item(self, check: FileCheck) -> tuple[CaseState, Item]:
        """Return the state of a check's case, and its item. Raises IntegrityBroken if the log has none."""
        state = self.state_of(check.case_id)
        item = None if state is None else state.items.get(check.item_id)
        if state is None or item is None:
            raise IntegrityBroken("the log has no such item", field=check.item_id)
        return state, item

    def _require_no_hold(self, check: FileCheck) -> None:
        """Raise Conflict if a hold covers the item; under the writer's lock none comes in between."""
        if holds_on_item(*self._case_and_item(check)):
            raise Conflict("a legal hold covers the item", code="held")

    def _require_sound(self, case_id: str) -> None:
        """Raise IntegrityBroken if an audit of the case finds anything: then nothing of it is deleted."""
        if case_id not in self._audited:
            self._audited[case_id] = self.is_sound(case_id)
        if not self._audited[case_id]:
            raise IntegrityBroken("an audit of the case finds something: nothing of it is deleted", field=case_id)

    def _require_none_hidden(self, check: FileCheck) -> None:
        """Raise IntegrityBroken if the file was kept for another item too, and goes from it without a signature.

        Somebody who can write to the database may have hidden its row, and bound it as deleted.
        """
        with self.store.database.read() as connection:
            hidden = evidence_files.hidden_items(connection, check.digest)
        for case_id, item_id in hidden:
            _, item = self._case_and_item(replace(check, case_id=case_id, item_id=item_id))
            if item.disposal not in DESTROYED:
                raise IntegrityBroken(
                    "the file was kept for {case_id}/{item_id} too, which nobody has destroyed",
                    case_id=case_id,
                    item_id=item_id,
                    field=check.item_id,
                )

    def _keep_gone(self, check: FileCheck) -> None:
        gone = replace(check, checked_at=self.store.clock(), outcome="gone")
        evidence_files.keep_outcome(self.store.database, gone)

    def _check(self, check: FileCheck) -> None:
        """Hash a file again and store what was found.

        Raises Unavailable, and IntegrityBroken if a row about the file is not as the service wrote it.
        """
        with self.store.database.read() as connection:
            evidence_files.require_as_written(connection, check)
            kept = _of_item(connection, check)
        if kept is None:  # it was destroyed since
            self._keep_gone(check)
            return
        stored, before = kept
        if before not in stored.all_digests:
            raise IntegrityBroken("this is not the digest of the file", field=before)
        outcome, after = self.store.hash_again(stored, parse_digest(before), self.stops)
        with self.store.database.read() as connection:
            if evidence_files.file(connection, check.digest) != stored:
                return  # it was replaced or destroyed while it was read: the check is due still
        outcome_row = replace(
            check,
            checked_at=self.store.clock(),
            outcome=outcome,
            before=before,
            after=None if after is None else str(after),
        )
        # The outcome first: of two services that share the database, the one that stores it records the incident.
        is_first = evidence_files.keep_outcome(self.store.database, outcome_row)
        self.outcomes[outcome] += is_first
        if is_first and outcome != "intact":
            self._own.add(check.event_id)
            logger.warning(
                "file of evidence not as kept", case_id=check.case_id, item_id=check.item_id, outcome=outcome
            )
            self._report(outcome_row)

    def _report_left(self) -> None:
        """Record the incidents of outcomes that this process has stored, or another one that did not come to it.

        The service signs nothing that somebody else has written into the database: an audit reports it.
        """
        now = self.store.clock()
        with self.store.database.read() as connection:
            left = {
                check: evidence_files.is_as_written(connection, check)
                for check in evidence_files.unreported(connection)
                if not self._is_left_alone(check)
                and (check.event_id in self._own or now - (check.checked_at or 0) >= LEFT_MS)
            }
        for check, is_as_written in left.items():
            if is_as_written:
                self._report(check)
            else:
                self._leave_alone(check, "its row in the database is not as the service wrote it")

    def _report(self, check: FileCheck) -> None:
        """Record the incident of an outcome, unless the log has it."""
        with self.store.database.read() as connection:
            stored = None
            with suppress(IntegrityBroken):
                stored = evidence_files.file(connection, check.digest)
            # The name in the storage tells nobody of which case it is: everybody reads the system stream.
            description = f"a file of the evidence store was {check.outcome}, and is not kept as it was"
            if stored is not None and stored.kept_at <= (check.checked_at or 0) and self.store.is_own(stored):
                description = f"file {stored.name} of the evidence store is {check.outcome}"
            is_recorded = _is_recorded(connection, description, check.log_index)
        if not is_recorded:
            self.record(IncidentRecorded(kind="file_damaged", description=description))
        evidence_files.keep_reported(self.store.database, check, self.store.clock())


def items_that_went(event: Event, state_of: Callable[[str], CaseState | None]) -> Collection[str] | None:
    """Return the items whose files are to be hashed because of the event; None where that is not certain.

    ``state_of`` returns the state of a case.
    """
    match event.body:
        case HandoverAccepted(handover_id=handover_id):
            try:
                state = state_of(event.stream.id)
            except TallystickError:  # an audit reports what is wrong with the case
                return None
            handover = None if state is None else state.handovers.get(handover_id)
            return None if handover is None else handover.accepted_items
        case ItemMoved(item_id=item_id) | ItemCheckedOut(item_id=item_id) | ItemCheckedIn(item_id=item_id):
            return (item_id,)
    return None


def _of_item(connection: Connection, check: FileCheck) -> tuple[StoredFile, str] | None:
    """Return the file of a check and its digest in the record; None if it is not kept for the item any more."""
    stored = evidence_files.file(connection, check.digest)
    kept = evidence_files.item_file(connection, check)
    return None if stored is None or kept is None else (stored, kept.recorded)


def _is_recorded(connection: Connection, description: str, start: int) -> bool:
    """Tell whether the log has an incident of this description behind an index."""
    below: int | None = None
    while entries := log.system_entries(connection, "incident.recorded", AT_ONCE, below=below):
        for entry in entries:
            if entry.log_index <= start:
                return False
            body = log.event_of(entry).body
            if isinstance(body, IncidentRecorded) and body.description == description:
                return True
        below = entries[-1].log_index
    return False
