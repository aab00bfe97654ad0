"""Events that a page cites in words: those a lead or a number of a report rests on, and the one just recorded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated

from fastapi import Query
from msgspec import Struct

from api.auth.reading import Reading
from api.console.shared.access import Visit
from api.console.shared.rendering import narrator_of
from api.services.case_reading import find_event, timeline_builder
from api.services.service import Service
from ledger.core.errors import NotFound
from ledger.core.events import decode_payload
from ledger.i18n import Labels
from ledger.store import log
from ledger.store.chain_journal import DatabaseJournal
from ledger.store.database import Connection
from ledger.store.log import StoredEntry
from ledger.timeline import Anchored, AnchoredSizes, Narrator, TimelineBuilder

SHOWN = 12  # of those cited, at a time


class CitedEvent(Struct, frozen=True):
    """A cited event. ``sentence`` is None if the reader may not see it, or the log has none of this digest.

    ``occurred_at`` is claimed, ``recorded_at`` (unix milliseconds) is by the service's clock, ``proven_at`` (unix
    seconds) by the chain's. ``notes`` are remarks on it: flags, breaks, missed deadlines.
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


class CitedPage(Struct, frozen=True):
    """Some cited events in the order of the log, their total number, and where the next ones begin."""

    events: tuple[CitedEvent, ...]
    total: int
    following: int | None


def cited(visit: Visit, digests: Sequence[str], *, first: int = 0) -> CitedPage:
    """Return the events of these payload digests from index ``first`` on, and record the read."""
    page_digests = digests[first : first + SHOWN]
    with visit.service.parts.database.read() as connection:
        entries = {
            digest: entry for digest in page_digests if (entry := _entry(connection, visit.reading, digest)) is not None
        }
        events = {event.digest: event for event in _cited_events(connection, visit, entries.values())}
    case_ids = dict.fromkeys(event.case_id for event in events.values() if event.case_id is not None)
    visit.reading.record("cited events", *case_ids, supervision=True)
    ordered = sorted((events.get(digest, CitedEvent(digest)) for digest in page_digests), key=_order)
    end = first + SHOWN
    return CitedPage(tuple(ordered), len(digests), end if end < len(digests) else None)


def events_of_stream(service: Service, labels: Labels, entries: Iterable[StoredEntry]) -> list[CitedEvent]:
    """Return the events of a stream of supervision, newest first; who may see the stream may see them."""
    narrator = narrator_of(service, labels)
    anchored, listed_entries = AnchoredSizes(DatabaseJournal(service.parts.database)), list(entries)
    proven = anchored.proven_at([entry.log_index for entry in listed_entries])
    return [
        _alone(entry, narrator, anchored.of(entry.log_index), proven.get(entry.log_index)) for entry in listed_entries
    ][::-1]


def _order(event: CitedEvent) -> int:
    return event.index if event.index is not None else 2**53


def _entry(connection: Connection, reading: Reading, digest: str) -> StoredEntry | None:
    try:
        entry = log.entry_by_digest(connection, digest)
        reading.require_entry(connection, entry)
    except NotFound:
        return None
    return entry


def _cited_events(connection: Connection, visit: Visit, entries: Iterable[StoredEntry]) -> Iterator[CitedEvent]:
    """Yield events of cases as their timelines describe them, each case read once, and others by themselves."""
    by_case: dict[str, list[StoredEntry]] = {}
    others: list[StoredEntry] = []
    for entry in entries:
        (by_case.setdefault(entry.stream_id, []) if entry.stream_kind == "case" else others).append(entry)
    timelines = timeline_builder(visit.service, visit.reading, visit.labels)
    for case_id, wanted in by_case.items():
        yield from _of_case(connection, timelines, case_id, {entry.sequence for entry in wanted})
    yield from events_of_stream(visit.service, visit.labels, others)


def _of_case(
    connection: Connection, timelines: TimelineBuilder, case_id: str, wanted: set[int]
) -> Iterator[CitedEvent]:
    history = timelines.histories.of(connection, case_id)
    for step in timelines.steps(connection, case_id, [event for event in history if event.entry.sequence in wanted]):
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


RecordedQuery = Annotated[str | None, Query(max_length=36)]


class RecordedEvent(Struct, frozen=True):
    """The event's sentence, its log index, and each flag that it raised with its article."""

    sentence: str
    index: int
    flags: tuple[tuple[str, str], ...]


def recorded(visit: Visit, event_id: str | None) -> RecordedEvent | None:
    """Return the event of this id if the reader's own key has signed it.

    No read is recorded, since the reader knows what it says.
    """
    if event_id is None:
        return None
    with visit.service.parts.database.read() as connection:
        try:
            entry, _ = find_event(connection, visit.reading, event_id)
        except NotFound:
            return None
        if entry.key_id != visit.reading.session.grant.key_id:
            return None
        flags = log.flags(connection, entry.log_index)
    narrator = narrator_of(visit.service, visit.labels)
    raised_flags = tuple((visit.labels.of_flag(flag.name), visit.labels.of_article(flag.article)) for flag in flags)
    return RecordedEvent(narrator.alone(decode_payload(entry.payload)), entry.log_index, raised_flags)
