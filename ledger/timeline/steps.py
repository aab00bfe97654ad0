"""The events of a case one after the other: what each says, what it moved, what became due, and what time proves it.

Claimed stands beside known: ``occurred_at`` and ``signed_at`` are claimed, ``recorded_at`` is the service's clock,
``proven_at`` the chain's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import NamedTuple

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import asdict

from ledger.core.custody import CaseState, Flag
from ledger.core.custody.claimed_times import Break, breaks
from ledger.core.custody.due_dates import Deadline, deadline
from ledger.core.custody.spans import Concerned, concerned
from ledger.core.events import Authority, Payload
from ledger.core.procedure.legal_days import spelled
from ledger.recording.case_states import CaseStates
from ledger.recording.validation import Validator
from ledger.store import log
from ledger.store.database import Connection
from ledger.store.log import StoredEntry
from ledger.timeline.notes import Change, DiscrepancyStep, EndedDeadline, Findings, Note, notes
from ledger.timeline.proven import Anchored, AnchoredSizes
from ledger.timeline.sentences import Narrator


class TimelineStep(Struct, frozen=True):
    """One event, in a sentence, and how far it is anchored (``state``).

    ``occurred_at`` (RFC 3339) and ``signed_at`` (unix seconds) are claimed, ``recorded_at`` is our own clock (unix
    milliseconds); ``proven_at`` (unix seconds) is the time of the first final block that proves that the event existed
    by then, null where there is none. ``confidential`` lists the labels of its sections. ``item_ids`` and
    ``person_ids`` are what it is about. ``notes`` tell in sentences what ``changes``, ``breaks``, ``deadlines``,
    ``flags`` and ``discrepancies`` hold.
    """

    sequence: int
    index: int
    event_id: str
    event_type: str
    agency: str
    officer: str
    key_id: str
    occurred_at: str
    signed_at: int
    recorded_at: int
    proven_at: int | None
    state: Anchored
    sentence: str
    item_ids: tuple[str, ...]
    person_ids: tuple[str, ...]
    payload_digest: str
    body: Raw
    authority: Authority | None
    confidential: tuple[str, ...]
    flags: tuple[Flag, ...]
    changes: tuple[Change, ...]
    breaks: tuple[Break, ...]
    deadlines: tuple[EndedDeadline, ...]
    discrepancies: tuple[DiscrepancyStep, ...]
    notes: tuple[Note, ...]


class Walked(NamedTuple):
    """An event with the case before and after it."""

    entry: StoredEntry
    payload: Payload
    before: CaseState | None
    after: CaseState

    @property
    def concerned(self) -> Concerned:
        """The items and persons that it is about."""
        return concerned(self.before, self.payload, self.after)


def walk(connection: Connection, states: CaseStates, case_id: str, *, limit: int | None = None) -> Iterator[Walked]:
    """The first ``limit`` events of the case, or all, in their order."""
    return walk_on(connection, states, case_id, None, limit=limit)


def walk_on(
    connection: Connection, states: CaseStates, case_id: str, last: Walked | None, *, limit: int | None = None
) -> Iterator[Walked]:
    """The events that follow the ``last`` one."""
    before, sequence = (last.after, last.entry.sequence) if last else (None, -1)
    entries = log.stream(connection, "case", case_id, after=sequence, limit=limit)
    for entry, payload, after in states.follow(entries, before):
        yield Walked(entry, payload, before, after)
        before = after


class Teller:
    """Tells the steps of cases to one reader: in whose words, by whose rules, and as far as what is anchored."""

    def __init__(self, validator: Validator, walks: Walks, anchored: AnchoredSizes, narrator: Narrator):
        self.states = validator.states
        self.walks = walks
        self._validator = validator
        self._anchored = anchored
        self._narrator = narrator

    def page(self, connection: Connection, case_id: str, *, after: int, limit: int) -> list[TimelineStep]:
        """At most ``limit`` steps of a sequence above ``after``, in their order."""
        walked = self.walks.of(connection, case_id)
        return self.steps(connection, case_id, walked[after + 1 : after + 1 + limit])

    def steps(self, connection: Connection, case_id: str, walked: Collection[Walked]) -> list[TimelineStep]:
        """These events of the case as they are told."""
        flags = log.flags_of_stream(connection, "case", case_id)
        proven = self._anchored.proven_at([step.entry.log_index for step in walked])
        return [
            self._step(step, flags.get(step.entry.log_index, ()), proven.get(step.entry.log_index)) for step in walked
        ]

    def _step(self, step: Walked, flags: tuple[Flag, ...], proven_at: int | None) -> TimelineStep:
        entry, payload = step.entry, step.payload
        about, found = step.concerned, self.findings(step, flags)
        return TimelineStep(
            sequence=entry.sequence,
            index=entry.log_index,
            event_id=entry.event_id,
            event_type=entry.event_type,
            agency=entry.agency,
            officer=payload.officer,
            key_id=entry.key_id,
            occurred_at=payload.occurred_at,
            signed_at=entry.signed_at,
            recorded_at=entry.recorded_at,
            proven_at=proven_at,
            state=self._anchored.of(entry.log_index),
            sentence=self._narrator.tell(step.before, payload, step.after),
            item_ids=about.item_ids,
            person_ids=about.person_ids,
            payload_digest=entry.payload_digest,
            body=Raw(msgspec.json.encode(payload.body)),
            authority=payload.authority,
            confidential=tuple(sorted(payload.confidential)),
            notes=notes(self._narrator.words(payload, step.after), found),
            **asdict(found),
        )

    def findings(self, step: Walked, flags: tuple[Flag, ...]) -> Findings:
        """What is known of an event beside its own words."""
        return Findings(
            flags=flags,
            changes=tuple(_changes(step.before, step.after)),
            breaks=breaks(step.before, step.payload, step.after),
            deadlines=tuple(self._ended(step.before, step.after)),
            discrepancies=tuple(_discrepancies(step.before, step.after)),
        )

    def _ended(self, before: CaseState | None, after: CaseState) -> Iterator[EndedDeadline]:
        """As they stood at the moment that stopped them."""
        book, calendar = self._validator.book, self._validator.calendar
        for _, old, new in after.clocks.changes(before.clocks if before else None):
            if new is not None and new.stopped_at is not None and (old is None or old.is_running):
                moment = datetime.fromisoformat(max(new.started_at, new.stopped_at))
                yield _of_deadline(deadline(after, new, book, calendar, moment))


def _of_deadline(ended: Deadline) -> EndedDeadline:
    return EndedDeadline(
        ended.deadline_id,
        ended.clock,
        ended.article,
        ended.subject,
        ended.agency,
        ended.status,
        ended.started_at,
        ended.stopped_at,
        None if ended.due_at is None else spelled(ended.due_at),
        ended.last_day,
    )


def _changes(before: CaseState | None, after: CaseState) -> Iterator[Change]:
    if before is None or before.responsible != after.responsible:
        yield Change("responsible", before.responsible if before else None, after.responsible)
    if before is None or before.stage != after.stage:
        yield Change("stage", before.stage if before else None, after.stage)
    for item_id, old, new in after.items.changes(before.items if before else None):
        holder = old.holder if old else None
        if new is not None and new.holder != holder:
            yield Change(f"holder of {item_id}", holder, new.holder)


def _discrepancies(before: CaseState | None, after: CaseState) -> Iterator[DiscrepancyStep]:
    for _, _, new in after.discrepancies.changes(before.discrepancies if before else None):
        if new is not None:
            yield DiscrepancyStep(new.discrepancy_id, new.item_id, new.expected, new.found, new.is_resolved)
