"""Cited events: what a lead or a number of a report rests on, each in words, with its digest and its times."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from api.auth.reading import Reading
from api.console.rendering import narrator_of
from api.dependencies import Service
from api.routes.timelines import teller
from ledger.core.errors import NotFound
from ledger.i18n import Labels
from ledger.store import log
from ledger.store.database import Connection
from ledger.store.journal import DatabaseJournal
from ledger.store.log import StoredEntry
from ledger.timeline import Anchored, AnchoredSizes, Narrator, Teller

SHOWN = 12  # of those cited, at a time


class CitedEvent(Struct, frozen=True):
    """``sentence`` is None where the reader may not see the event, or the log has none of this digest.

    ``occurred_at`` is claimed, ``recorded_at`` (unix milliseconds) the service's clock, ``proven_at`` (unix seconds)
    the chain's. ``notes`` say what is noticed of it: flags, breaks, deadlines that were missed.
    """

    digest: str
    sentence: str | None = None
    event_id: str | None = None
    event_type: str | None = None
    case_id: str | None = None
    index: int | None = None
    agency: str | None = None
    officer: str | None = None
    occurred_at: str | None = None
    recorded_at: int | None = None
    proven_at: int | None = None
    state: Anchored = "unanchored"
    notes: tuple[str, ...] = ()


class Cited(Struct, frozen=True):
    """Some of those cited, in the order of the log; how many there are in all, and where the next ones begin."""

    events: tuple[CitedEvent, ...]
    total: int
    following: int | None


def cited(service: Service, reading: Reading, labels: Labels, digests: Sequence[str], *, first: int = 0) -> Cited:
    """The events of these payload digests, from the one at ``first`` on; their reading is recorded."""
    asked = digests[first : first + SHOWN]
    with service.parts.database.read() as connection:
        known = {digest: entry for digest in asked if (entry := _entry(connection, reading, digest)) is not None}
        told = {one.digest: one for one in _told(connection, service, reading, labels, known.values())}
    seen = dict.fromkeys(one.case_id for one in told.values() if one.case_id is not None)
    reading.record("cited events", *seen, supervision=True)
    found = sorted((told.get(digest, CitedEvent(digest)) for digest in asked), key=_order)
    end = first + SHOWN
    return Cited(tuple(found), len(digests), end if end < len(digests) else None)


def told_life(service: Service, labels: Labels, entries: Iterable[StoredEntry]) -> list[CitedEvent]:
    """The events of a stream of supervision, the newest first; who may see the stream may see them."""
    narrator = narrator_of(service, labels)
    anchored, told = AnchoredSizes(DatabaseJournal(service.parts.database)), list(entries)
    proven = anchored.proven_at([entry.log_index for entry in told])
    return [_alone(entry, narrator, anchored.of(entry.log_index), proven.get(entry.log_index)) for entry in told][::-1]


def _order(one: CitedEvent) -> int:
    return one.index if one.index is not None else 2**53


def _entry(connection: Connection, reading: Reading, digest: str) -> StoredEntry | None:
    try:
        entry = log.entry_by_digest(connection, digest)
        reading.require_entry(connection, entry)
    except NotFound:
        return None
    return entry


def _told(
    connection: Connection, service: Service, reading: Reading, labels: Labels, entries: Iterable[StoredEntry]
) -> Iterator[CitedEvent]:
    """Events of cases as their timelines tell them, each case walked once; others by themselves."""
    by_case: dict[str, list[StoredEntry]] = {}
    others: list[StoredEntry] = []
    for entry in entries:
        (by_case.setdefault(entry.stream_id, []) if entry.stream_kind == "case" else others).append(entry)
    made = teller(service, reading, labels)
    for case_id, wanted in by_case.items():
        yield from _of_case(connection, made, case_id, {entry.sequence for entry in wanted})
    yield from told_life(service, labels, others)


def _of_case(connection: Connection, made: Teller, case_id: str, wanted: set[int]) -> Iterator[CitedEvent]:
    walked = made.walks.of(connection, case_id)
    for step in made.steps(connection, case_id, [one for one in walked if one.entry.sequence in wanted]):
        yield CitedEvent(
            digest=step.payload_digest,
            sentence=step.sentence,
            event_id=step.event_id,
            event_type=step.event_type,
            case_id=case_id,
            index=step.index,
            agency=step.agency,
            officer=step.officer,
            occurred_at=step.occurred_at,
            recorded_at=step.recorded_at,
            proven_at=step.proven_at,
            state=step.state,
            notes=tuple(note.text for note in step.notes),
        )


def _alone(entry: StoredEntry, narrator: Narrator, state: Anchored, proven_at: int | None) -> CitedEvent:
    payload = log.payload_of(entry)
    return CitedEvent(
        digest=entry.payload_digest,
        sentence=narrator.alone(payload),
        event_id=entry.event_id,
        event_type=entry.event_type,
        index=entry.log_index,
        agency=entry.agency,
        officer=payload.officer,
        occurred_at=payload.occurred_at,
        recorded_at=entry.recorded_at,
        proven_at=proven_at,
        state=state,
    )
