"""What pages draw of a case: who held what when, what was handed over, what is wrong, and what items came from.

Times are those that the events claim, in unix seconds where they are drawn to scale. Nothing here is in any language.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from threading import Lock
from typing import Literal, get_args

from msgspec import Struct

from ledger.core.custody import CaseState
from ledger.core.custody.claimed_times import BreakKind
from ledger.core.custody.spans import Span, Subject, custody_spans
from ledger.core.events import item
from ledger.core.procedure.legal_days import unix_seconds
from ledger.store import log
from ledger.store.database import Connection
from ledger.timeline.case_history import Findings, Teller, Walked

KEPT = 64  # pictures

MarkKind = Literal["differs", "missed", "break", "flag", "plain"]
MARK_KINDS: tuple[MarkKind, ...] = get_args(MarkKind)  # what weighs more comes first


class Mark(Struct, frozen=True):
    """An event. ``kinds`` are what stands out about it, ``plain`` alone where nothing does."""

    sequence: int
    event_id: str
    event_type: str
    agency: str
    at: int
    kinds: tuple[MarkKind, ...]


class Bar(Struct, frozen=True):
    """Things or persons that were held together by one agency; ``until`` is None while they are."""

    agency: str
    subject: Subject
    ids: tuple[str, ...]
    since: int
    until: int | None
    since_event: str


class Arrow(Struct, frozen=True):
    """A handover from its offer to its answer, None while there is none."""

    handover_id: str
    from_agency: str
    to_agency: str
    status: str
    items: int
    since: int
    until: int | None


class Stretch(Struct, frozen=True):
    """A time that the chain of custody leaves open or contradicts, as an event of the agency shows it."""

    kind: BreakKind
    agency: str
    since: int
    until: int
    event_id: str


class Picture(Struct, frozen=True):
    """``agencies`` are in the order in which they came in. ``begin`` and ``end`` are its first and last time."""

    agencies: tuple[str, ...]
    marks: tuple[Mark, ...]
    bars: tuple[Bar, ...]
    arrows: tuple[Arrow, ...]
    stretches: tuple[Stretch, ...]
    begin: int
    end: int


def picture(walked: Sequence[Walked], found: Mapping[int, Findings]) -> Picture:
    """Of a whole case; ``found`` are the findings by sequence number. Requires at least one event."""
    state = walked[-1].after
    spans = custody_spans((step.payload, step.after) for step in walked)
    marks = tuple(_mark(step, found[step.entry.sequence]) for step in walked)
    bars = tuple(sorted(_bars(spans), key=lambda bar: (bar.since, bar.ids)))
    times = [mark.at for mark in marks]
    return Picture(
        agencies=tuple(_agencies(walked, bars, state)),
        marks=marks,
        bars=bars,
        arrows=tuple(_arrows(state)),
        stretches=tuple(_stretches(walked, found)),
        begin=min(times),
        end=max(times),
    )


class Pictures:
    """Pictures of the cases that were read last, kept until their next event. Safe to use from several threads."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Picture] = OrderedDict()
        self._lock = Lock()

    def of(self, connection: Connection, teller: Teller, walked: Sequence[Walked]) -> Picture:
        """Of the case whose events these are: all of them, at least one."""
        head = walked[-1].entry.payload_digest
        with self._lock:
            known = self._kept.get(head)
        if known is None:
            flags = log.flags_of_stream(connection, "case", walked[-1].after.case_id)
            steps = ((step, flags.get(step.entry.log_index, ())) for step in walked)
            known = picture(walked, {step.entry.sequence: teller.findings(step, own) for step, own in steps})
        with self._lock:
            self._kept[head] = known
            self._kept.move_to_end(head)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return known


def _mark(step: Walked, found: Findings) -> Mark:
    wrong: dict[MarkKind, bool] = {
        "differs": any(not one.is_resolved for one in found.discrepancies),
        "missed": any(one.status == "missed" for one in found.deadlines),
        "break": bool(found.breaks),
        "flag": bool(found.flags),
    }
    kinds = tuple(kind for kind, is_so in wrong.items() if is_so) or ("plain",)
    entry = step.entry
    return Mark(
        entry.sequence, entry.event_id, entry.event_type, entry.agency, unix_seconds(step.payload.occurred_at), kinds
    )


def _agencies(walked: Iterable[Walked], bars: Iterable[Bar], state: CaseState) -> Iterator[str]:
    acting = (step.entry.agency for step in walked)
    holding = (bar.agency for bar in bars)
    offered = (agency for one in state.handovers.values() for agency in one.parties)
    return iter(dict.fromkeys((*acting, *holding, *offered)))


def _bars(spans: Iterable[Span]) -> Iterator[Bar]:
    """Subjects with the very same times at an agency share a bar."""
    together: dict[tuple[str, Subject, int, int | None, str], list[str]] = defaultdict(list)
    for key, subject_id in _held(spans):
        together[key].append(subject_id)
    for (agency, subject, since, until, event_id), ids in together.items():
        yield Bar(agency, subject, tuple(sorted(ids)), since, until, event_id)


def _held(spans: Iterable[Span]) -> Iterator[tuple[tuple[str, Subject, int, int | None, str], str]]:
    """Each time at one agency: of the case who answered for it, of things and persons who had them."""
    known: tuple[Subject, str, str] | None = None
    first: Span | None = None
    last: Span | None = None
    for span in (*spans, None):
        where = None if span is None else span.standing.holder if span.subject == "item" else _keeper(span)
        key = None if span is None or where is None else (span.subject, span.subject_id, where)
        if key is not None and key == known:
            last = span
            continue
        if known is not None and first is not None and last is not None:
            until = None if last.until is None else unix_seconds(last.until.occurred_at)
            yield (known[2], known[0], unix_seconds(first.since.occurred_at), until, first.since.event_id), known[1]
        known, first, last = key, span, span


def _keeper(span: Span) -> str | None:
    return span.standing.holder or span.standing.responsible


def _arrows(state: CaseState) -> Iterator[Arrow]:
    for one in state.handovers.values():
        until = None if one.answered_at is None else unix_seconds(one.answered_at)
        yield Arrow(
            one.handover_id,
            one.from_agency,
            one.to_agency,
            one.status,
            len(one.items),
            unix_seconds(one.offered_at),
            until,
        )


def _stretches(walked: Iterable[Walked], found: Mapping[int, Findings]) -> Iterator[Stretch]:
    for step in walked:
        for one in found[step.entry.sequence].breaks:
            times = unix_seconds(one.since), unix_seconds(one.until)
            yield Stretch(one.kind, step.entry.agency, *times, step.entry.event_id)


Relation = Literal["split", "merged", "proceeds", "taken_from", "examined_from"]
RELATIONS: tuple[Relation, ...] = get_args(Relation)


class Descent(Struct, frozen=True):
    """That one item came of another, by an event."""

    parent: str
    child: str
    relation: Relation
    event_id: str
    occurred_at: str


class Loan(Struct, frozen=True):
    """That an item was lent, by the acceptance of a handover; ``until`` is when it is due back."""

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


def lineage(walked: Sequence[Walked]) -> Lineage:
    """Of all items that the case has or had."""
    descents = tuple(found for step in walked for found in _descents(step))
    kin = {item_id for one in descents for item_id in (one.parent, one.child)}
    last = walked[-1].after if walked else None
    alone = tuple(item_id for item_id in last.items if item_id not in kin) if last else ()
    return Lineage(descents, tuple(_loans(walked)), alone)


def _descents(step: Walked) -> Iterator[Descent]:
    for child, parents in _new_parents(step.before, step.after):
        for parent in parents:
            yield Descent(parent, child, _relation(step), step.entry.event_id, step.payload.occurred_at)


def _new_parents(before: CaseState | None, after: CaseState) -> Iterator[tuple[str, Iterable[str]]]:
    """Items whose parents the event named, with those."""
    for item_id, old, new in after.items.changes(before.items if before else None):
        if new is not None and new.parents and (old is None or old.parents != new.parents):
            known = old.parents if old else ()
            yield item_id, [parent for parent in new.parents if parent not in known]


def _relation(step: Walked) -> Relation:
    match step.payload.body:
        case item.ItemSplit():
            return "split"
        case item.ItemMerged():
            return "merged"
        case item.ItemDisposed():
            return "proceeds"
        case item.ItemRegistered(collection=collection) if collection is not None:
            return "examined_from"
    return "taken_from"


def _loans(walked: Iterable[Walked]) -> Iterator[Loan]:
    lasting: dict[str, Loan] = {}
    for step in walked:
        at, event_id = step.payload.occurred_at, step.entry.event_id
        for item_id, old, new in step.after.items.changes(step.before.items if step.before else None):
            was, lent = (old.lent_by if old else None), (new.lent_by if new else None)
            if was == lent:
                continue
            if (loan := lasting.pop(item_id, None)) is not None:
                yield Loan(item_id, loan.by_agency, loan.to_agency, loan.until, loan.event_id, loan.occurred_at, at)
            if new is not None and lent is not None:
                lasting[item_id] = Loan(item_id, lent, new.holder, new.lent_until, event_id, at, None)
    yield from lasting.values()
