"""The picture of a case: who held what from when until when, what was handed over, and where something is wrong.

Everything is told by the times that its events claim, in unix seconds, and in no language: a page draws it.
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
from ledger.core.procedure.legal_days import unix_seconds
from ledger.store import log
from ledger.store.database import Connection
from ledger.timeline.notes import Findings
from ledger.timeline.steps import Teller, Walked

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
