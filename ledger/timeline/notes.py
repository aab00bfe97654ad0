"""Notes: what stands below an event's sentence: what it moved, met or missed, and what is wrong with it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any, Literal, get_args

from msgspec import Struct

from ledger.core.custody import Flag
from ledger.core.custody.claimed_times import Break
from ledger.core.custody.due_dates import Status
from ledger.timeline.sentences import Words

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
