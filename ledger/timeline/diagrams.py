"""What pages draw of a case: who held what when, what was handed over, what is wrong, and what items came from.

Times are those that the events claim, in unix seconds where they are drawn to scale. Nothing here is in any language.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from threading import Lock
from typing import Literal, get_args

from msgspec import Struct
from msgspec.structs import replace

from ledger.core.custody import Handover
from ledger.core.custody.claimed_times import BreakKind
from ledger.core.custody.spans import Span, Subject, custody_spans
from ledger.core.encoding.instants import unix_seconds
from ledger.core.events import item
from ledger.store import log
from ledger.store.database import Connection
from ledger.timeline.case_history import EventFindings, HistoryEvent, TimelineBuilder

KEPT = 64  # pictures

MarkKind = Literal["differs", "missed", "break", "flag", "plain"]
MARK_KINDS: tuple[MarkKind, ...] = get_args(MarkKind)  # what weighs more comes first


class EventMark(Struct, frozen=True):
    """An event. ``kinds`` are what stands out about it, or ``plain`` alone."""

    sequence: int
    event_id: str
    event_type: str
    agency: str
    at: int
    kinds: tuple[MarkKind, ...]


class CustodyBar(Struct, frozen=True):
    """Items or persons that one agency held together; ``until`` is None while it does."""

    agency: str
    subject: Subject
    ids: tuple[str, ...]
    since: int
    until: int | None
    since_event: str


class HandoverArrow(Struct, frozen=True):
    """A handover from its offer to its answer, None while there is none."""

    handover_id: str
    from_agency: str
    to_agency: str
    status: str
    items: int
    since: int
    until: int | None


class OpenStretch(Struct, frozen=True):
    """A time that the chain of custody leaves open or contradicts, as an event of the agency shows it."""

    kind: BreakKind
    agency: str
    since: int
    until: int
    event_id: str


class Picture(Struct, frozen=True):
    """``agencies`` are in the order in which they came in. ``begin`` and ``end`` are its first and last time."""

    agencies: tuple[str, ...]
    marks: tuple[EventMark, ...]
    bars: tuple[CustodyBar, ...]
    arrows: tuple[HandoverArrow, ...]
    stretches: tuple[OpenStretch, ...]
    begin: int
    end: int


def picture(history: Sequence[HistoryEvent], findings: Mapping[int, EventFindings]) -> Picture:
    """Return the picture of a whole case; ``findings`` are by sequence number. Requires at least one event."""
    state = history[-1].after
    spans = custody_spans((event.event, event.after) for event in history)
    marks = tuple(_mark(event, findings[event.entry.sequence]) for event in history)
    bars = tuple(sorted(_bars(spans), key=lambda bar: (bar.since, bar.ids)))
    parties = (agency for handover in state.handovers.values() for agency in handover.parties)
    agencies = (*(mark.agency for mark in marks), *(bar.agency for bar in bars), *parties)
    stretches = (
        OpenStretch(
            gap.kind, event.entry.agency, unix_seconds(gap.since), unix_seconds(gap.until), event.entry.event_id
        )
        for event in history
        for gap in findings[event.entry.sequence].breaks
    )
    times = [mark.at for mark in marks]
    return Picture(
        agencies=tuple(dict.fromkeys(agencies)),
        marks=marks,
        bars=bars,
        arrows=tuple(map(_arrow, state.handovers.values())),
        stretches=tuple(stretches),
        begin=min(times),
        end=max(times),
    )


class Pictures:
    """Pictures of the cases that were read last, kept until their next event. Safe to use from several threads."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Picture] = OrderedDict()
        self._lock = Lock()

    def of(self, connection: Connection, timelines: TimelineBuilder, history: Sequence[HistoryEvent]) -> Picture:
        """Return the picture of the case with this whole history. Requires at least one event."""
        head = history[-1].entry.payload_digest
        with self._lock:
            kept = self._kept.get(head)
        if kept is None:
            level_of = timelines.words(history[-1].after).level_of_flag
            flags = {
                index: tuple(flag for flag in raised if level_of(flag.name) != "noted")
                for index, raised in log.flags_of_stream(connection, "case", history[-1].after.case_id).items()
            }
            findings = {
                event.entry.sequence: timelines.findings(event, flags.get(event.entry.log_index, ()))
                for event in history
            }
            kept = picture(history, findings)
        with self._lock:
            self._kept[head] = kept
            self._kept.move_to_end(head)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return kept


def _mark(event: HistoryEvent, findings: EventFindings) -> EventMark:
    wrong: dict[MarkKind, bool] = {
        "differs": any(not discrepancy.is_resolved for discrepancy in findings.discrepancies),
        "missed": any(ended.status == "missed" for ended in findings.deadlines),
        "break": any(gap.level != "noted" for gap in findings.breaks),
        "flag": bool(findings.flags),
    }
    kinds = tuple(kind for kind, is_so in wrong.items() if is_so) or ("plain",)
    entry, at = event.entry, unix_seconds(event.event.occurred_at)
    return EventMark(entry.sequence, entry.event_id, entry.event_type, entry.agency, at, kinds)


def _bars(spans: Iterable[Span]) -> Iterator[CustodyBar]:
    """Yield the bars. Subjects with the very same times at an agency share one."""
    together: dict[tuple[str, Subject, int, int | None, str], list[str]] = defaultdict(list)
    for (subject, subject_id, agency), group in groupby(spans, key=_custody_of):
        if agency is None:
            continue
        stay = list(group)
        since, end = stay[0].since, stay[-1].until
        until = None if end is None else unix_seconds(end.occurred_at)
        together[agency, subject, unix_seconds(since.occurred_at), until, since.event_id].append(subject_id)
    for (agency, subject, begin, until, event_id), ids in together.items():
        yield CustodyBar(agency, subject, tuple(sorted(ids)), begin, until, event_id)


def _custody_of(span: Span) -> tuple[Subject, str, str | None]:
    """Return the subject and the agency that has it: an item's holder; of a case or person also who is responsible."""
    holder = span.standing.holder
    return span.subject, span.subject_id, holder if span.subject == "item" else holder or span.standing.responsible


def _arrow(handover: Handover) -> HandoverArrow:
    return HandoverArrow(
        handover.handover_id,
        handover.from_agency,
        handover.to_agency,
        handover.status,
        len(handover.items),
        unix_seconds(handover.offered_at),
        None if handover.answered_at is None else unix_seconds(handover.answered_at),
    )


# -- lineage -----------------------------------------------------------------------------------------------------------

ItemRelation = Literal["split", "merged", "proceeds", "taken_from", "examined_from"]


class Descent(Struct, frozen=True):
    """One item that came of another, by an event."""

    parent: str
    child: str
    relation: ItemRelation
    event_id: str
    occurred_at: str


class Loan(Struct, frozen=True):
    """A loan of an item, by the acceptance of a handover; ``until`` is when it is due back."""

    item_id: str
    by_agency: str
    to_agency: str
    until: str | None
    event_id: str
    occurred_at: str
    returned_at: str | None


class Lineage(Struct, frozen=True):
    """``alone`` are the items that came of nothing and became nothing else."""

    descents: tuple[Descent, ...]
    loans: tuple[Loan, ...]
    alone: tuple[str, ...]


def lineage(history: Sequence[HistoryEvent]) -> Lineage:
    """Return the lineage of all items that the case has or had."""
    descents = tuple(descent for event in history for descent in _descents(event))
    related = {item_id for descent in descents for item_id in (descent.parent, descent.child)}
    alone = tuple(item_id for item_id in history[-1].after.items if item_id not in related) if history else ()
    return Lineage(descents, tuple(_loans(history)), alone)


def _descents(event: HistoryEvent) -> Iterator[Descent]:
    """Yield each parent that the event named of an item."""
    match event.event.body:
        case item.ItemSplit():
            relation: ItemRelation = "split"
        case item.ItemMerged():
            relation = "merged"
        case item.ItemDisposed():
            relation = "proceeds"
        case item.ItemRegistered(collection=collection) if collection is not None:
            relation = "examined_from"
        case _:
            relation = "taken_from"
    for item_id, old, new in event.after.items.changes(event.before.items if event.before else None):
        if new is not None:
            earlier = old.parents if old else ()
            for parent in new.parents:
                if parent not in earlier:
                    yield Descent(parent, item_id, relation, event.entry.event_id, event.event.occurred_at)


def _loans(history: Iterable[HistoryEvent]) -> Iterator[Loan]:
    """Yield the loans in the order in which they ended, then those that last."""
    lasting: dict[str, Loan] = {}
    for event in history:
        at, event_id = event.event.occurred_at, event.entry.event_id
        for item_id, old, new in event.after.items.changes(event.before.items if event.before else None):
            was_lent_by, lent_by = (old.lent_by if old else None), (new.lent_by if new else None)
            if was_lent_by == lent_by:
                continue
            if (loan := lasting.pop(item_id, None)) is not None:
                yield replace(loan, returned_at=at)
            if new is not None and lent_by is not None:
                lasting[item_id] = Loan(item_id, lent_by, new.holder, new.lent_until, event_id, at, None)
    yield from lasting.values()
