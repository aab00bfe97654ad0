"""The history of a case: its events with the state around each, as steps of a timeline, and the chain of custody.

Claimed times stand beside proven ones: ``occurred_at`` and ``signed_at`` are claimed, ``recorded_at`` is the service's
clock, ``proven_at`` the chain's.
"""

from __future__ import annotations

import sys
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from functools import partial
from threading import Lock
from typing import Any, Generic, Literal, NamedTuple, TypeVar

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import asdict, replace

from ledger.core.custody import CaseState, Flag
from ledger.core.custody.claimed_times import Break, breaks
from ledger.core.custody.due_dates import Status, deadline
from ledger.core.custody.spans import Concerned, Span, concerned, custody_spans
from ledger.core.custody.stocktakes import CountedSide
from ledger.core.encoding.instants import spelled
from ledger.core.events import NAME_OF, Authority, Event, decode_section
from ledger.core.events.case import PersonNamed
from ledger.core.events.terms import NAME_FIELD
from ledger.core.procedure.rulebook import Level
from ledger.i18n import PROCEDURES_IN_USE, zone_in_use
from ledger.recording.case_states import CaseStates
from ledger.recording.validation import Validator
from ledger.store import log
from ledger.store.database import Connection, Database
from ledger.store.log import StoredEntry
from ledger.timeline.anchored_sizes import Anchored, AnchoredSizes
from ledger.timeline.sentences import CitedEvents, EventWords, Narrator, sides_by_field

T = TypeVar("T")

LATEST = sys.maxsize  # a sequence number above that of every event
EVENTS_KEPT = 20_000  # of all cases together; the case that was read last is kept whatever it has
STEPS_KEPT = 2_000  # that were told

NoteKind = Literal[
    "holds",
    "answers",
    "stage",
    "person_stage",
    "met",
    "missed",
    "done",
    "ended",
    "replaced",
    "uncountable",
    "flag",
    "break",
    "between",
    "noted",
    "differs",
    "resolved",
]


# -- events with the case around them ----------------------------------------------------------------------------------


class HistoryEvent(NamedTuple):
    """An event with the case before and after it."""

    entry: StoredEntry
    event: Event
    before: CaseState | None
    after: CaseState

    @property
    def concerned(self) -> Concerned:
        """Return the items and persons that the event is about."""
        return concerned(self.before, self.event, self.after)


def read_history(
    connection: Connection,
    states: CaseStates,
    case_id: str,
    before: CaseState | None = None,
    *,
    limit: int | None = None,
) -> Iterator[HistoryEvent]:
    """Yield the events of the case after the state ``before``, in their order, at most ``limit``; without it, all."""
    after_sequence = -1 if before is None else before.sequence
    entries = log.stream(connection, "case", case_id, after=after_sequence, limit=limit)
    for entry, event, after in states.follow(entries, before):
        yield HistoryEvent(entry, event, before, after)
        before = after


def names_of_persons(
    connection: Connection,
    entries: Iterable[StoredEntry],
    sections_of: Callable[[Connection, StoredEntry], Mapping[str, bytes | None]] = log.signed_sections,
) -> dict[str, str]:
    """Return the names of the persons whom these entries of a case name, by their ids.

    They stand in confidential sections, which ``sections_of`` returns: requires a reader who may read those. An erased
    name is left out.
    """
    names: dict[str, str] = {}
    for entry in entries:
        if entry.event_type != NAME_OF[PersonNamed]:
            continue
        sections = sections_of(connection, entry)
        if not sections:
            continue
        body = log.event_of(entry).body
        assert isinstance(body, PersonNamed), "its type says so"
        data = sections.get(body.section or "")
        if data is not None and NAME_FIELD in (fields := decode_section(data, body.section or "").fields):
            names[body.person_id] = fields[NAME_FIELD]
    return names


def cited_events(database: Database) -> CitedEvents:
    """Return the function that reads the events of a case for who has the case itself, and for nobody else."""

    def read(event_ids: Sequence[str], case_id: str | None) -> Mapping[str, Event]:
        if case_id is None:
            return {}
        with database.read() as connection:
            entries = log.entries_by_event_id(connection, event_ids).values()
        own = [entry for entry in entries if (entry.stream_kind, entry.stream_id) == ("case", case_id)]
        return {entry.event_id: log.event_of(entry) for entry in own}

    return read


class Walk(NamedTuple):
    """Events of a case that follow each other up to the last one that was read: those after the state ``before``."""

    before: CaseState | None
    events: tuple[HistoryEvent, ...] = ()

    @property
    def first(self) -> int:
        """Return the sequence number from which on it has all events."""
        return 0 if self.before is None else self.before.sequence + 1

    @property
    def state(self) -> CaseState | None:
        """Return the case after the last event."""
        return self.events[-1].after if self.events else self.before


class Histories:
    """The histories of cases, those read last in memory. Safe to use from several threads.

    A long case is walked from the state that is kept of it in the database, as long as nobody asks for what was before.
    """

    def __init__(self, states: CaseStates):
        self._states = states
        self._kept: OrderedDict[str, Walk] = OrderedDict()
        self._lock = Lock()
        self.recent_steps = RecentCache[TimelineStep](STEPS_KEPT)

    def of(self, connection: Connection, case_id: str) -> tuple[HistoryEvent, ...]:
        """Return all events of the case that ``connection`` sees, in their order; none if there is no such case."""
        return self.since(connection, case_id, 0)

    def since(self, connection: Connection, case_id: str, first: int) -> tuple[HistoryEvent, ...]:
        """Return the events of the case that ``connection`` sees, in their order, from the sequence number ``first``
        on."""
        walk = self._walk(connection, case_id, first)
        if not walk.events:
            return ()
        # The connection may be of an older snapshot than the one that the events were read in.
        head = log.head(connection, "case", case_id)
        assert head is not None, "there is such a case"
        return walk.events[max(0, first - walk.first) : max(0, head.sequence + 1 - walk.first)]

    def state(self, connection: Connection, case_id: str, *, whole: bool = False) -> CaseState:
        """Return the case as ``connection`` sees it. Requires that there is such a case.

        What is read for it is kept: who looks at a case asks for its last events next, or for the ``whole`` history.
        They are read once.
        """
        first = 0 if whole else LATEST
        if (cached := self._states.cached(connection, case_id)) is not None:
            return cached
        walk = self._walk(connection, case_id, first)
        head = log.head(connection, "case", case_id)
        assert head is not None, "there is such a case"
        # The connection may be of an older snapshot than the one that the events were read in.
        if head.sequence + 1 < walk.first:
            walk = Walk(None, tuple(read_history(connection, self._states, case_id)))
        trimmed = Walk(walk.before, walk.events[: head.sequence + 1 - walk.first])
        assert trimmed.state is not None, "there is such a case"
        return trimmed.state

    def _walk(self, connection: Connection, case_id: str, first: int) -> Walk:
        """Return a walk that has the events from the sequence number ``first`` on, and go on with the one in memory."""
        with self._lock:
            kept = self._kept.get(case_id)
        adopted = self._states.procedures().last_index
        if kept is None:
            stored = self._states.stored(connection, case_id) if first else None
            kept = Walk(stored if stored is not None and stored.sequence < first else None)
        later = tuple(read_history(connection, self._states, case_id, kept.state))
        walk = Walk(kept.before, kept.events + later)
        if walk.first > first:
            earlier = tuple(read_history(connection, self._states, case_id, limit=walk.first))
            if len(earlier) < walk.first:  # the connection is of an older snapshot
                return Walk(None, earlier)
            walk = Walk(None, earlier + walk.events)
        with self._lock:
            if len(walk.events) >= len(self._kept.get(case_id, walk).events):
                self._kept[case_id] = walk
            self._kept.move_to_end(case_id)
            while len(self._kept) > 1 and sum(len(each.events) for each in self._kept.values()) > EVENTS_KEPT:
                self._kept.popitem(last=False)
        if later:
            self._states.add_to_cache(later[-1].after, adopted)
        return walk


# -- findings ----------------------------------------------------------------------------------------------------------


class CaseChange(Struct, frozen=True):
    """One thing that the event moved.

    ``what`` is ``holder of <item>``, ``responsible``, ``stage``, or ``stage of <person>`` where it is not the case's.
    """

    what: str
    before: str | None
    after: str | None


class EndedDeadline(Struct, frozen=True):
    """A clock that the event stopped, and whether that was in time; ``due_at`` (UTC) is the first instant too late.

    One that was ``replaced`` begins anew with the event.
    """

    deadline_id: str
    clock: str
    article: str
    subject: str
    agency: str
    status: Status
    started_at: str
    stopped_at: str | None
    replaced: bool
    due_at: str | None
    last_day: date | None


class DiscrepancyStep(Struct, frozen=True):
    """A discrepancy that the event opened, or that one side or both signed with it."""

    discrepancy_id: str
    item_id: str
    expected: str | CountedSide | None
    found: str | CountedSide | None
    is_resolved: bool


class EventFindings(Struct, frozen=True):
    """What is known of one event beside its own words."""

    flags: tuple[Flag, ...]
    changes: tuple[CaseChange, ...]
    breaks: tuple[Break, ...]
    deadlines: tuple[EndedDeadline, ...]
    discrepancies: tuple[DiscrepancyStep, ...]


_NOTE_OF: dict[Status, NoteKind] = {
    "met": "met",
    "missed": "missed",
    "ended": "ended",
    "uncountable": "uncountable",
}


class TimelineNote(Struct, frozen=True):
    """A sentence about an event, what kind of thing it tells, and how much it matters if it is not in order."""

    kind: NoteKind
    text: str
    level: Level | None = None


def event_notes(words: EventWords, findings: EventFindings, alike: Mapping[str, int]) -> tuple[TimelineNote, ...]:
    """Return notes of what moved first, then of the deadlines, then of what is wrong.

    Of the flags that are only noted, those in ``alike`` are told, each with the number of other events that have it.
    """
    notes: list[TimelineNote] = []

    def add(kind: NoteKind, values: Mapping[str, Any], level: Level | None = None) -> None:
        notes.append(TimelineNote(kind, words.note(kind, values), level))

    for kind, values in _moved(findings.changes):
        add(kind, values)
    for ended in findings.deadlines:
        kind = _NOTE_OF[ended.status] if ended.due_at else "done" if ended.status == "met" else "uncountable"
        if ended.replaced and ended.status == "ended":
            kind = "replaced"
        last = ended.due_at if ended.last_day is None else ended.last_day.isoformat()
        values = {"clock": ended.clock, "article": ended.article, "subject": ended.subject, "ends_at": last}
        add(kind, values, "look" if kind == "missed" else None)
    notes += [break_note(gap, words) for gap in findings.breaks]
    for flag in findings.flags:
        level, others = words.level_of_flag(flag.name), alike.get(flag.name)
        values = {"what": words.of_flag(flag.name), "article": flag.article, "detail": flag.detail}
        if level != "noted" or others == 0:
            add("flag", values, level)
        elif others is not None:
            add("noted", values | {"others": str(others)}, level)
    for differing in findings.discrepancies:
        values = {"item_id": differing.item_id, "expected": differing.expected, "found": differing.found}
        if differing.is_resolved:
            add("resolved", values)
        else:
            add("differs", values, "act")
    return tuple(notes)


def _moved(changes: Iterable[CaseChange]) -> Iterator[tuple[NoteKind, dict[str, Any]]]:
    """Yield what moved, as notes tell it: what one agency holds from then on together."""
    held: dict[str, list[str]] = defaultdict(list)
    for change in changes:
        if change.what == "responsible":
            yield "answers", {"agency": change.after}
        elif change.what == "stage":
            yield "stage", {"stage": change.after}
        elif change.what.startswith("stage of "):
            yield "person_stage", {"person_id": change.what.removeprefix("stage of "), "stage": change.after}
        elif change.after is not None:
            held[change.after].append(change.what.removeprefix("holder of "))
    for agency, item_ids in held.items():
        yield "holds", {"agency": agency, "things": tuple(item_ids)}


def break_note(gap: Break, words: EventWords) -> TimelineNote:
    """Return the note of a break in the chain of custody."""
    kind: NoteKind = "between" if gap.level == "noted" else "break"
    things = (*gap.item_ids, *gap.person_ids)
    values = {"what": words.of_break(gap.kind), "things": things, "since_at": gap.since, "until_at": gap.until}
    return TimelineNote(kind, words.note(kind, values), gap.level)


# -- timelines ---------------------------------------------------------------------------------------------------------


class TimelineStep(Struct, frozen=True):
    """One event, in a sentence, and how far it is anchored (``state``).

    ``occurred_at`` (RFC 3339) and ``signed_at`` (unix seconds) are claimed, ``recorded_at`` is our own clock (unix
    milliseconds); ``proven_at`` (unix seconds) is the time of the first final block that proves that the event existed
    by then, null if there is none. ``confidential`` lists the labels of its sections. ``item_ids`` and
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
    changes: tuple[CaseChange, ...]
    breaks: tuple[Break, ...]
    deadlines: tuple[EndedDeadline, ...]
    discrepancies: tuple[DiscrepancyStep, ...]
    notes: tuple[TimelineNote, ...]


class RecentCache(Generic[T]):
    """What was told last, at most ``most`` of it, by all that its words depend on. Safe to use from several threads."""

    def __init__(self, most: int) -> None:
        self._kept: OrderedDict[Hashable, T] = OrderedDict()
        self._lock = Lock()
        self._most = most

    def get(self, key: Hashable) -> T | None:
        """Return what is kept under the key, which is used by that, or None."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def keep(self, key: Hashable, value: T) -> T:
        """Keep this under the key in the place of what was used least lately, and return it."""
        with self._lock:
            self._kept[key] = value
            self._kept.move_to_end(key)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return value

    def of(self, key: Hashable, tell: Callable[[], T]) -> T:
        """Return what is kept under the key, or what ``tell`` returns."""
        kept = self.get(key)
        return self.keep(key, tell()) if kept is None else kept


class CaseTimeline(Struct, frozen=True):
    """A whole case: its state, the spans between its events, and every step."""

    state: CaseState
    spans: tuple[Span, ...]
    steps: tuple[TimelineStep, ...]


class TimelineBuilder:
    """Builds timelines for one reader: in the narrator's words, by the validator's rules, with what is anchored.

    ``told_by`` is what the narrator's words depend on beside the event, the procedures and the zone in use: its
    language, the agencies and the names of persons that it knows. Without it no step is kept as it was told.
    """

    def __init__(
        self,
        validator: Validator,
        histories: Histories,
        anchored: AnchoredSizes,
        narrator: Narrator,
        told_by: Hashable = None,
    ):
        self.histories = histories
        self.validator = validator
        self._anchored = anchored
        self._narrator = narrator
        self._told_by = told_by

    def page(self, connection: Connection, case_id: str, *, after: int, limit: int) -> list[TimelineStep]:
        """Return at most ``limit`` steps of a sequence above ``after``, in their order."""
        events = self.histories.since(connection, case_id, after + 1)[:limit]
        flags = log.flags_of_case(connection, case_id)
        return self._steps(events, flags, told_once_in=sorted(flags))

    def steps(self, connection: Connection, case_id: str, events: Collection[HistoryEvent]) -> list[TimelineStep]:
        """Return the steps of these events of the case."""
        flags = log.flags_of_case(connection, case_id)
        return self._steps(events, flags, told_once_in=[event.entry.log_index for event in events])

    def _steps(
        self,
        events: Collection[HistoryEvent],
        flags: Mapping[int, tuple[Flag, ...]],
        *,
        told_once_in: Sequence[int],
    ) -> list[TimelineStep]:
        """Return the steps of some events; what is only noted is told at the first event that has it of the others.

        These are at the indices ``told_once_in``, which are in order.
        """
        proven = self._anchored.proven_at([event.entry.log_index for event in events])
        alike: dict[int, dict[str, int]] = defaultdict(dict)
        for name, indices in _events_with(flags, told_once_in).items():
            alike[indices[0]][name] = len(indices) - 1
        words, steps = self.words_in_use(), []
        for event in events:
            index = event.entry.log_index
            tell = partial(self._step, event, flags.get(index, ()), alike[index])
            # Not by the payload: events of several cases may have the same.
            key = (event.entry.event_id, words, tuple(alike[index].items()))
            step = tell() if self._told_by is None else self.histories.recent_steps.of(key, tell)
            steps.append(replace(step, state=self._anchored.of(index), proven_at=proven.get(index)))
        return steps

    def case(self, connection: Connection, case_id: str) -> CaseTimeline:
        """Return the timeline of the whole case. Requires that there is such a case."""
        events = self.histories.of(connection, case_id)
        steps = tuple(self.steps(connection, case_id, events))
        return CaseTimeline(events[-1].after, _spans(events), steps)

    def spans(self, connection: Connection, case_id: str) -> tuple[Span, ...]:
        """Return who held the case and everything in it between events."""
        return _spans(self.histories.of(connection, case_id))

    def words_in_use(self) -> Hashable:
        """Return what the words for an event depend on beside the event itself."""
        zone = zone_in_use()
        in_use = (self.validator.procedures().last_index, *(book.digest for book in PROCEDURES_IN_USE.get()))
        return self._told_by, in_use, zone.name, zone.rows()

    def words(self, after: CaseState) -> EventWords:
        """Return the words for values of a case."""
        return self._narrator.words_of("", after)

    def findings(self, event: HistoryEvent, flags: tuple[Flag, ...]) -> EventFindings:
        """Return what is known of an event beside its own words."""
        before, after = event.before, event.after
        discrepancies = after.discrepancies.changes(before.discrepancies if before else None)
        return EventFindings(
            flags=flags,
            changes=tuple(_changes(before, after)),
            breaks=tuple(breaks(before, event.event, after)),
            deadlines=tuple(self._ended_deadlines(before, after)),
            discrepancies=tuple(
                DiscrepancyStep(new.discrepancy_id, new.item_id, is_resolved=new.is_resolved, **sides_by_field(new))
                for _, _, new in discrepancies
                if new is not None
            ),
        )

    def _step(self, past: HistoryEvent, flags: tuple[Flag, ...], alike: Mapping[str, int]) -> TimelineStep:
        """Return the step of an event, as if it were not anchored."""
        entry, event = past.entry, past.event
        about, findings = past.concerned, self.findings(past, flags)
        return TimelineStep(
            sequence=entry.sequence,
            index=entry.log_index,
            event_id=entry.event_id,
            event_type=entry.event_type,
            agency=entry.agency,
            officer=event.officer,
            key_id=entry.key_id,
            occurred_at=event.occurred_at,
            signed_at=entry.signed_at,
            recorded_at=entry.recorded_at,
            proven_at=None,
            state="unanchored",
            sentence=self._narrator.tell(past.before, event, past.after, about),
            item_ids=about.item_ids,
            person_ids=about.person_ids,
            payload_digest=entry.payload_digest,
            body=Raw(msgspec.json.encode(event.body)),
            authority=event.authority,
            confidential=tuple(sorted(event.confidential)),
            notes=event_notes(self._narrator.words(event, past.after), findings, alike),
            **asdict(findings),
        )

    def _ended_deadlines(self, before: CaseState | None, after: CaseState) -> Iterator[EndedDeadline]:
        """Yield the deadlines that ended between two states, as of the moment that stopped them."""
        for _, old, new in after.clocks.changes(before.clocks if before else None):
            if new is not None and new.stopped_at is not None and (old is None or old.is_running):
                moment = datetime.fromisoformat(max(new.started_at, new.stopped_at))
                ended = deadline(after, new, self.validator.book_of(after), moment)
                fields = {name: getattr(ended, name) for name in EndedDeadline.__struct_fields__}
                yield EndedDeadline(**fields | {"due_at": None if ended.due_at is None else spelled(ended.due_at)})


def _events_with(flags: Mapping[int, Iterable[Flag]], log_indices: Iterable[int]) -> dict[str, list[int]]:
    """Return which of the log indices have each flag, in their order."""
    with_flag: dict[str, list[int]] = defaultdict(list)
    for index in log_indices:
        for flag in flags.get(index, ()):
            with_flag[flag.name].append(index)
    return with_flag


def _spans(events: Sequence[HistoryEvent]) -> tuple[Span, ...]:
    return custody_spans((event.event, event.after) for event in events)


def _changes(before: CaseState | None, after: CaseState) -> Iterator[CaseChange]:
    if before is None or before.responsible != after.responsible:
        yield CaseChange("responsible", before.responsible if before else None, after.responsible)
    if before is None or before.stage != after.stage:
        yield CaseChange("stage", before.stage if before else None, after.stage)
    for person_id, earlier, person in after.persons.changes(before.persons if before else None):
        if earlier is None or person is None or earlier.stage == person.stage:
            continue
        # Who goes where the case goes is not told of one by one.
        if before is None or before.stage == after.stage or person.stage != after.stage:
            yield CaseChange(f"stage of {person_id}", earlier.stage, person.stage)
    for item_id, old, new in after.items.changes(before.items if before else None):
        holder = old.holder if old else None
        if new is not None and new.holder != holder:
            yield CaseChange(f"holder of {item_id}", holder, new.holder)
