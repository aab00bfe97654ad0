"""What pages draw of a case: who held what when, what was handed over, what is wrong, and what items came from.

Times are those that the events claim, in unix seconds where they are drawn to scale. Nothing here is in any language.
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from hmac import compare_digest
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Literal, get_args

import msgspec
from blake3 import blake3
from msgspec import Struct
from msgspec.structs import replace

from ledger.config.secret_files import make_private_folder
from ledger.core.custody import CaseState, Handover
from ledger.core.custody.claimed_times import BreakKind
from ledger.core.custody.kept_state import last_kept
from ledger.core.custody.spans import SUBJECTS, CustodyStanding, Subject, standings_touched
from ledger.core.encoding.decoding import decode_json
from ledger.core.encoding.digests import blake3_text
from ledger.core.encoding.instants import unix_seconds
from ledger.core.events import item
from ledger.loggers import get_logger
from ledger.store import log
from ledger.store.database import Connection
from ledger.store.program_version import program_version
from ledger.timeline.case_history import EventFindings, HistoryEvent, RecentCache, TimelineBuilder

KEPT = 64  # pictures
CODE_LENGTH = 32  # bytes of the code before what a file keeps

logger = get_logger(__name__)

MarkKind = Literal["differs", "missed", "break", "flag", "plain"]
MARK_KINDS: tuple[MarkKind, ...] = get_args(MarkKind)  # what weighs more comes first


class EventMark(Struct, frozen=True, array_like=True):
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


class OpenStretch(Struct, frozen=True, array_like=True):
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


class Stay(Struct, frozen=True, array_like=True):
    """A time in which one agency had a subject, or none had it; ``until`` is None while it lasts."""

    subject: Subject
    subject_id: str
    agency: str | None
    sequence: int
    since: int
    since_event: str
    until: int | None


class Trail(Struct, frozen=True, array_like=True):
    """What a picture needs of all events of a case up to ``sequence``, whose event has the leaf hash ``head``.

    ``adopted`` is the index of the newest adoption by which they were looked at. ``lasting`` are the last stays of each
    subject, ``stays`` those before.
    """

    case_id: str
    sequence: int
    head: str
    adopted: int
    marks: tuple[EventMark, ...] = ()
    stretches: tuple[OpenStretch, ...] = ()
    stays: tuple[Stay, ...] = ()
    lasting: tuple[Stay, ...] = ()


def followed(trail: Trail, history: Sequence[HistoryEvent], findings: Iterable[EventFindings]) -> Trail:
    """Return the trail with the events that follow it, at least one; ``findings`` are theirs."""
    marks, stretches, stays = list(trail.marks), list(trail.stretches), list(trail.stays)
    lasting = {(stay.subject, stay.subject_id): stay for stay in trail.lasting}
    for event, finding in zip(history, findings, strict=True):
        entry = event.entry
        marks.append(_mark(event, finding))
        stretches += (
            OpenStretch(gap.kind, entry.agency, unix_seconds(gap.since), unix_seconds(gap.until), entry.event_id)
            for gap in finding.breaks
        )
        now = unix_seconds(event.event.occurred_at)
        for key, standing in standings_touched(event.before, event.after):
            stay = lasting.get(key)
            if standing is None:  # a person who left the case, and may come back
                if stay is not None and stay.until is None:
                    lasting[key] = replace(stay, until=now)
                continue
            agency = _custodian(key[0], standing)
            if stay is not None and stay.agency == agency:
                lasting[key] = stay if stay.until is None else replace(stay, until=None)
                continue
            if stay is not None:
                stays.append(stay if stay.until is not None else replace(stay, until=now))
            lasting[key] = Stay(*key, agency, entry.sequence, now, entry.event_id, None)
    last = history[-1]
    return Trail(
        trail.case_id,
        last.entry.sequence,
        last.after.head,
        trail.adopted,
        tuple(marks),
        tuple(stretches),
        tuple(stays),
        tuple(lasting.values()),
    )


def picture(trail: Trail, state: CaseState) -> Picture:
    """Return the picture of a case from its whole trail and its state."""
    marks = trail.marks
    bars = tuple(sorted(_bars((*trail.stays, *trail.lasting)), key=lambda bar: (bar.since, bar.ids)))
    parties = (agency for handover in state.handovers.values() for agency in handover.parties)
    agencies = (*(mark.agency for mark in marks), *(bar.agency for bar in bars), *parties)
    times = [mark.at for mark in marks]
    return Picture(
        agencies=tuple(dict.fromkeys(agencies)),
        marks=marks,
        bars=bars,
        arrows=tuple(map(_arrow, state.handovers.values())),
        stretches=trail.stretches,
        begin=min(times),
        end=max(times),
    )


class TrailFiles:
    """Trails of long cases in files, from which their pictures go on after a start.

    Each file has a code under a key of the service: what somebody else has written is not used, nor what another
    version of the program has.
    """

    def __init__(self, folder: Path, service_key: bytes):
        """Set up the files of a folder; ``service_key`` is the 32-byte seed of the service's token key."""
        self._folder = folder
        self._key = blake3(service_key, derive_key_context="tallystick kept trails").digest()

    def read(self, case_id: str) -> Trail | None:
        """Return the trail of a case, None if there is none that can be read."""
        try:
            data = self._path(case_id).read_bytes()
        except OSError:
            return None
        code, packed = data[:CODE_LENGTH], data[CODE_LENGTH:]
        if not compare_digest(code, self._code(packed)):
            return None
        trail = decode_json(zlib.decompress(packed), Trail)
        return trail if trail.case_id == case_id else None

    def write(self, trail: Trail) -> None:
        """Write the trail in the place of an earlier one, in one step. A disk that takes no file stops nothing."""
        path = self._path(trail.case_id)
        packed = zlib.compress(msgspec.json.encode(trail), 1)
        try:
            make_private_folder(path.parent)
            with NamedTemporaryFile(dir=path.parent, delete=False) as file:
                written = Path(file.name)
                try:
                    file.write(self._code(packed) + packed)
                    file.flush()
                    written.replace(path)
                except OSError:
                    written.unlink()  # a full disk would have one more with each look at a picture
                    raise
        except OSError as error:
            logger.warning("what is drawn of a case cannot be kept", case_id=trail.case_id, reason=str(error))

    def _path(self, case_id: str) -> Path:
        return self._folder / blake3(case_id.encode()).hexdigest()[:32]

    def _code(self, packed: bytes) -> bytes:
        return blake3(f"{program_version()} {_form_of_trails()} ".encode() + packed, key=self._key).digest()


@cache
def _form_of_trails() -> str:
    return blake3_text(msgspec.json.encode(msgspec.json.schema(Trail)))


class Pictures:
    """Pictures of the cases that were read last, and what they go on from. Safe to use from several threads.

    With ``files`` the trails of long cases outlive the service. ``tables`` are those that were shown beside pictures.
    """

    def __init__(self, files: TrailFiles | None = None) -> None:
        self._files = files
        self._kept = RecentCache[tuple[Trail, Picture]](KEPT)
        self.tables = RecentCache[str](KEPT)

    def of(self, connection: Connection, timelines: TimelineBuilder, case_id: str) -> Picture:
        """Return the picture of the case as ``connection`` sees it. Requires that there is such a case."""
        state, adopted = timelines.histories.state(connection, case_id), timelines.validator.procedures().last_index
        trail, drawn = self._kept.get(case_id) or (None, None)
        if drawn is not None and trail is not None and (trail.head, trail.adopted) == (state.head, adopted):
            return drawn
        if trail is None and self._files is not None and last_kept(state.sequence + 1):
            trail = self._files.read(case_id)
        if trail is not None and (trail.adopted != adopted or not _leads_to(connection, trail, state)):
            trail = None
        begun = trail or Trail(case_id, -1, "", adopted)
        whole = _gone_on(connection, timelines, begun, state)
        drawn = picture(whole, state)
        self._kept.keep(case_id, (whole, drawn))
        # What goes on from it after a start is walked from the kept state, and has nothing before that.
        if self._files is not None and begun.sequence + 1 < last_kept(whole.sequence + 1):
            self._files.write(whole)
        return drawn


def _leads_to(connection: Connection, trail: Trail, state: CaseState) -> bool:
    """Return whether the case has the event that the trail ends in, and is not of an older snapshot."""
    if trail.sequence > state.sequence:
        return False
    entries = log.stream(connection, "case", trail.case_id, after=trail.sequence - 1, limit=1)
    return bool(entries) and log.event_of(entries[0]).leaf_hash == trail.head


def _gone_on(connection: Connection, timelines: TimelineBuilder, trail: Trail, state: CaseState) -> Trail:
    """Return the trail up to the state of its case."""
    history = timelines.histories.since(connection, state.case_id, trail.sequence + 1)
    if not history:
        return trail
    level_of = timelines.words(state).level_of_flag
    flags = {
        index: tuple(flag for flag in raised if level_of(flag.name) != "noted")
        for index, raised in log.flags_of_case(connection, state.case_id).items()
    }
    findings = (timelines.findings(event, flags.get(event.entry.log_index, ())) for event in history)
    return followed(trail, history, findings)


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


def _bars(stays: Iterable[Stay]) -> Iterator[CustodyBar]:
    """Yield the bars. Subjects with the very same times at an agency share one."""
    together: dict[tuple[str, Subject, int, int | None, str], list[str]] = defaultdict(list)
    for stay in sorted(stays, key=lambda stay: (SUBJECTS.index(stay.subject), stay.subject_id, stay.sequence)):
        if stay.agency is not None:
            together[stay.agency, stay.subject, stay.since, stay.until, stay.since_event].append(stay.subject_id)
    for (agency, subject, begin, until, event_id), ids in together.items():
        yield CustodyBar(agency, subject, tuple(sorted(ids)), begin, until, event_id)


def _custodian(subject: Subject, standing: CustodyStanding) -> str | None:
    """Return the agency that has a subject: an item's holder; of a case or person also who is responsible."""
    return standing.holder if subject == "item" else standing.holder or standing.responsible


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
