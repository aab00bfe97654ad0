"""The history of a case: its events with the state around each, as steps of a timeline, and the chain of custody.

Claimed times stand beside proven ones: ``occurred_at`` and ``signed_at`` are claimed, ``recorded_at`` is the service's
clock, ``proven_at`` the chain's.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import date, datetime
from threading import Lock
from typing import Any, Literal, NamedTuple, get_args

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import asdict

from ledger.core.custody import CaseState, Flag
from ledger.core.custody.claimed_times import Break, breaks
from ledger.core.custody.due_dates import Deadline, Status, deadline
from ledger.core.custody.spans import Concerned, Span, Subject, concerned, custody_spans
from ledger.core.events import Authority, Payload, record
from ledger.core.events.case import CaseJoined, CaseOpened
from ledger.core.procedure.legal_days import spelled
from ledger.recording.case_states import CaseStates
from ledger.recording.validation import Validator
from ledger.store import log
from ledger.store.database import Connection
from ledger.store.log import StoredEntry
from ledger.timeline.anchored_sizes import Anchored, AnchoredSizes
from ledger.timeline.sentences import Narrator, Words

NoteKind = Literal["holds", "answers", "stage", "met", "missed", "uncountable", "flag", "break", "differs", "resolved"]
NOTE_KINDS: tuple[NoteKind, ...] = get_args(NoteKind)


class Change(Struct, frozen=True):
    """One thing that the event moved: ``what`` is ``holder of <item>``, ``responsible`` or ``stage``."""

    what: str
    before: str | None
    after: str | None


class EndedDeadline(Struct, frozen=True):
    """A clock that the event stopped, and whether that was in time; ``due_at`` (UTC) is the first instant too late."""

    deadline_id: str
    clock: str
    article: str
    subject: str
    agency: str
    status: Status
    started_at: str
    stopped_at: str | None
    due_at: str | None
    last_day: date | None


class DiscrepancyStep(Struct, frozen=True):
    """A discrepancy that the event opened, or that one side or both signed with it."""

    discrepancy_id: str
    item_id: str
    expected: str
    found: str
    is_resolved: bool


class Note(Struct, frozen=True):
    """A sentence about an event, and what kind of thing it tells."""

    kind: NoteKind
    text: str


class Findings(Struct, frozen=True):
    """What is known of one event beside its own words."""

    flags: tuple[Flag, ...]
    changes: tuple[Change, ...]
    breaks: tuple[Break, ...]
    deadlines: tuple[EndedDeadline, ...]
    discrepancies: tuple[DiscrepancyStep, ...]


def notes(words: Words, found: Findings) -> tuple[Note, ...]:
    """What moved first, then the deadlines, then what is wrong."""
    return tuple(Note(kind, words.note(kind, values)) for kind, values in _told(words, found))


def _told(words: Words, found: Findings) -> Iterator[tuple[NoteKind, dict[str, Any]]]:
    yield from _moved(found.changes)
    for ended in found.deadlines:
        kind: NoteKind = "uncountable" if ended.due_at is None else "met" if ended.status == "met" else "missed"
        last = ended.due_at if ended.last_day is None else ended.last_day.isoformat()
        yield kind, {"clock": ended.clock, "article": ended.article, "subject": ended.subject, "ends_at": last}
    for one in found.breaks:
        times = {"since_at": one.since, "until_at": one.until}
        yield "break", {"what": words.of_break(one.kind), "things": (*one.item_ids, *one.person_ids), **times}
    for flag in found.flags:
        yield "flag", {"what": words.of_flag(flag.name), "article": flag.article, "detail": flag.detail}
    for differing in found.discrepancies:
        told = {"item_id": differing.item_id, "expected": differing.expected, "found": differing.found}
        yield ("resolved" if differing.is_resolved else "differs"), told


def _moved(changes: Iterable[Change]) -> Iterator[tuple[NoteKind, dict[str, Any]]]:
    held: dict[str, list[str]] = defaultdict(list)
    for change in changes:
        if change.what == "responsible":
            yield "answers", {"agency": change.after}
        elif change.what == "stage":
            yield "stage", {"stage": change.after}
        elif change.after is not None:
            held[change.after].append(change.what.removeprefix("holder of "))
    for agency, item_ids in held.items():
        yield "holds", {"agency": agency, "things": tuple(item_ids)}


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


class History(Struct, frozen=True):
    """Who held it, when, in what condition, on what authority and whether in time: ``spans`` tells how it stood
    between events, ``steps`` the events.

    ``came_from`` names the cases that it came out of by a split: what was before stands there.
    """

    subject: Subject
    subject_id: str
    case_id: str
    came_from: tuple[str, ...]
    spans: tuple[Span, ...]
    steps: tuple[TimelineStep, ...]


class Chronicle(Struct, frozen=True):
    """A whole case: as it stands, how it stood, and every step."""

    state: CaseState
    spans: tuple[Span, ...]
    steps: tuple[TimelineStep, ...]


def spans(connection: Connection, teller: Teller, case_id: str) -> tuple[Span, ...]:
    """How it stood between events with the case and everything in it."""
    return _spans(teller.walks.of(connection, case_id))


def chronicle(connection: Connection, teller: Teller, case_id: str) -> Chronicle:
    """Requires that there is such a case."""
    walked = teller.walks.of(connection, case_id)
    return Chronicle(walked[-1].after, _spans(walked), tuple(teller.steps(connection, case_id, walked)))


def history(connection: Connection, teller: Teller, case_id: str, subject: Subject, subject_id: str) -> History:
    """Of one item or person of the case. Requires that there is such a case; one that is not in it has no steps."""
    walked = teller.walks.of(connection, case_id)
    own = _about(walked, subject, subject_id)
    return History(
        subject=subject,
        subject_id=subject_id,
        case_id=case_id,
        came_from=tuple(_came_from(teller, own)),
        spans=tuple(one for one in _spans(walked) if (one.subject, one.subject_id) == (subject, subject_id)),
        steps=tuple(teller.steps(connection, case_id, own)),
    )


def _spans(walked: Sequence[Walked]) -> tuple[Span, ...]:
    return custody_spans((step.payload, step.after) for step in walked)


def _about(walked: Sequence[Walked], subject: Subject, subject_id: str) -> list[Walked]:
    """The events about it, and those that correct or explain one of them."""
    found: list[Walked] = []
    known: set[str] = set()
    for step in walked:
        about = step.concerned.item_ids if subject == "item" else step.concerned.person_ids
        if subject_id in about or _cited(step) in known:
            found.append(step)
            known.add(step.entry.event_id)
    return found


def _cited(step: Walked) -> str | None:
    match step.payload.body:
        case record.RecordCorrected(corrects=cited) | record.SectionErased(concerns=cited):
            return cited.event_id
        case record.RecordLate(concerns=concerns):
            return None if concerns is None else concerns.event_id
    return None


def _came_from(teller: Teller, steps: list[Walked]) -> Iterator[str]:
    """The cases whose splits these events cite."""
    for step in steps:
        match step.payload.body:
            case CaseJoined(other_case_id=other):
                yield other
            case CaseOpened(split_from=cited) if cited is not None:
                source = teller.states.after(cited.payload_digest)
                assert source is not None, "an opening that cites no split is not in the log"
                yield source.case_id


EVENTS_KEPT = 20_000  # of all cases together; the case that was read last is kept whatever it has


class Walks:
    """The events of cases with the states around them. Safe to use from several threads."""

    def __init__(self, states: CaseStates):
        self._states = states
        self._kept: OrderedDict[str, tuple[Walked, ...]] = OrderedDict()
        self._lock = Lock()

    def of(self, connection: Connection, case_id: str) -> tuple[Walked, ...]:
        """All events of the case that ``connection`` sees, in their order; none where there is no such case."""
        with self._lock:
            known = self._kept.get(case_id, ())
        last = known[-1] if known else None
        later = tuple(walk_on(connection, self._states, case_id, last))
        found = known + later
        if later:
            self._states.keep(later[-1].after)
        if not later and found:
            head = log.heads(connection, [("case", case_id)])["case", case_id]
            found = found[: head.sequence + 1]
        self._keep(case_id, known + later)
        return found

    def state(self, connection: Connection, case_id: str) -> CaseState:
        """The case as ``connection`` sees it. Requires that there is such a case.

        One that nobody has in memory is walked: who looks at it asks for its events next, and they are read once.
        """
        return self._states.kept_of(connection, case_id) or self.of(connection, case_id)[-1].after

    def _keep(self, case_id: str, walked: tuple[Walked, ...]) -> None:
        with self._lock:
            if len(walked) >= len(self._kept.get(case_id, ())):
                self._kept[case_id] = walked
            self._kept.move_to_end(case_id)
            while len(self._kept) > 1 and sum(map(len, self._kept.values())) > EVENTS_KEPT:
                self._kept.popitem(last=False)
