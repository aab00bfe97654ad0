"""Events that a page cites in words: those a lead or a number of a report rests on, and the one just recorded."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import Annotated, NamedTuple

from fastapi import Query
from msgspec import Struct

from api.console.shared.access import Visit
from api.console.shared.rendering import narrator_of
from api.services.case_reading import find_event, flags_of, known_persons, timeline_builder
from api.services.service import Service
from ledger.core.custody import Flag
from ledger.core.errors import NotFound
from ledger.core.events import Event
from ledger.core.messages import Message
from ledger.i18n import Labels
from ledger.recording.event_signing import MAX_ACTS
from ledger.store import cases, log
from ledger.store.chain_journal import DatabaseJournal
from ledger.store.database import Connection
from ledger.store.log import StoredEntry
from ledger.timeline.anchored_sizes import Anchored, AnchoredSizes
from ledger.timeline.case_history import TimelineNote
from ledger.timeline.sentences import Narrator

SHOWN = 12  # of those cited, at a time


class CitedEvent(NamedTuple):
    """A cited event. ``entry`` is None if the reader may not see it, or the log has none of this digest.

    ``proven_at`` (unix seconds) is by the chain's clock. ``notes`` are remarks on it: flags, breaks, missed deadlines.
    """

    digest: str
    entry: StoredEntry | None = None
    event: Event | None = None
    sentence: str = ""
    state: Anchored = "unanchored"
    proven_at: int | None = None
    notes: Sequence[TimelineNote] = ()


class CitedPage(Struct, frozen=True):
    """Some cited events in the order of the log, their total number, and where the next ones begin."""

    events: tuple[CitedEvent, ...]
    total: int
    following: int | None


def cited(visit: Visit, digests: Sequence[str], *, first: int = 0) -> CitedPage:
    """Return the events of these payload digests from index ``first`` on, and record the read."""
    end = first + SHOWN
    page_digests = dict.fromkeys(digests[first:end])
    by_case: dict[str, set[int]] = defaultdict(set)
    others: list[StoredEntry] = []
    with visit.service.parts.database.read() as connection:
        for digest in page_digests:
            with suppress(NotFound):
                entry = log.entry_by_digest(connection, digest)
                visit.reading.require_entry(connection, entry)
                if entry.stream_kind == "case":
                    by_case[entry.stream_id].add(entry.sequence)
                else:
                    others.append(entry)
        events = events_of_stream(visit.service, visit.labels, others)
        # Events of cases as their timelines describe them, each case read once.
        for case_id, wanted in by_case.items():
            persons = known_persons(connection, visit.reading, case_id)
            timelines = timeline_builder(visit.service, visit.reading, visit.labels, persons)
            history = [event for event in timelines.histories.of(connection, case_id) if event.entry.sequence in wanted]
            for event, step in zip(history, timelines.steps(connection, case_id, history), strict=True):
                how_proven = step.state, step.proven_at
                events.append(
                    CitedEvent(step.payload_digest, event.entry, event.event, step.sentence, *how_proven, step.notes)
                )
    visit.reading.record(Message("cited events"), *by_case, supervision=True)
    visible = {event.digest: event for event in events}
    ordered = sorted((visible.get(digest, CitedEvent(digest)) for digest in digests[first:end]), key=_order)
    return CitedPage(tuple(ordered), len(digests), end if end < len(digests) else None)


def events_of_stream(service: Service, labels: Labels, entries: Iterable[StoredEntry]) -> list[CitedEvent]:
    """Return the events of a supervision stream, newest first; who may see the stream may see them."""
    narrator = narrator_of(service, labels)
    anchored, newest_first = AnchoredSizes(DatabaseJournal(service.parts.database)), list(entries)[::-1]
    proven = anchored.proven_at([entry.log_index for entry in newest_first])
    return [
        CitedEvent(
            entry.payload_digest,
            entry,
            event,
            narrator.alone(event),
            anchored.of(entry.log_index),
            proven.get(entry.log_index),
        )
        for entry, event in ((entry, log.event_of(entry)) for entry in newest_first)
    ]


def _order(event: CitedEvent) -> int:
    return 2**53 if event.entry is None else event.entry.log_index


RecordedQuery = Annotated[tuple[Annotated[str, Query(max_length=36)], ...], Query(max_length=MAX_ACTS)]


class RecordedEvent(Struct, frozen=True):
    """The event's id, its sentence, its log index, and the flags that it raised."""

    event_id: str
    sentence: str
    index: int
    flags: Sequence[Flag]


def recorded(
    visit: Visit, event_ids: Sequence[str], called: Mapping[str, str] = MappingProxyType({})
) -> list[RecordedEvent]:
    """Return those of the events that the reader's own key has signed, in their order, in the words of their drafts.

    ``called`` is what readers call items and persons, by their ids. No read is recorded, since the reader knows what
    they say.
    """
    narrator, events = narrator_of(visit.service, visit.labels, called), list[RecordedEvent]()
    with visit.service.parts.database.read() as connection:
        for event_id in event_ids:
            with suppress(NotFound):
                entry, _ = find_event(connection, visit.reading, event_id)
                if entry.key_id == visit.reading.session.grant.key_id:
                    flags = flags_of(connection, visit.reading, entry)
                    sentence = sentence_of(visit, connection, narrator, entry)
                    events.append(RecordedEvent(event_id, sentence, entry.log_index, flags))
    return events


def sentence_of(visit: Visit, connection: Connection, narrator: Narrator, entry: StoredEntry) -> str:
    """Return the sentence of an event, of one of a case by what there is in it for a reader who sees the case."""
    if entry.stream_kind != "case" or cases.sight(connection, entry.stream_id, visit.reading.reader) is None:
        return narrator.alone(log.event_of(entry))
    history = visit.service.histories.of(connection, entry.stream_id)
    step = next(step for step in history if step.entry.sequence == entry.sequence)
    return narrator.tell(step.before, step.event, step.after)
