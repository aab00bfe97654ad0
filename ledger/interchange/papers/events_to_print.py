"""Events to be printed, read out of the store: with the case as of them, and names for whoever may know them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from msgspec.structs import replace

from ledger.core.custody.fold import book_of
from ledger.core.errors import NotFound
from ledger.core.events import Section
from ledger.core.events.supervision import RecommendationIssued
from ledger.core.procedure.rulebook import Rulebook
from ledger.interchange.papers.printed_event import PrintedEvent, papers_of
from ledger.recording.case_states import CaseStates
from ledger.store import log
from ledger.store.database import Connection
from ledger.store.log import StoredEntry
from ledger.timeline.case_history import HistoryEvent, names_of_persons, read_history


def read_event(
    connection: Connection, states: CaseStates, entry: StoredEntry, kinds: Mapping[str, str], *, confidential: bool
) -> PrintedEvent:
    """Return the event with the case as of it; with its sections and persons' names if ``confidential``.

    Nothing that came after the event is read, but that a section was erased. ``kinds`` are the kinds of agencies.
    """
    if entry.stream_kind != "case":
        sections = log.decoded_sections(connection, entry) if confidential else None
        return _of_supervision(connection, states, entry, kinds, sections)
    history = tuple(read_history(connection, states, entry.stream_id, limit=entry.sequence + 1))
    event = last_printable_event(states, history, kinds)
    if not confidential:
        return event
    names = names_of_persons(connection, (earlier.entry for earlier in history))
    return replace(event, sections=log.decoded_sections(connection, entry), persons=names)


def last_printable_event(
    states: CaseStates, history: tuple[HistoryEvent, ...], kinds: Mapping[str, str]
) -> PrintedEvent:
    """Return the last event of a case's history so far, as it prints for whoever may see no names."""
    last = history[-1]
    return PrintedEvent(last.entry, last.event, _book_of(states, last), kinds, history=history)


def events_of(
    states: CaseStates, history: Iterable[HistoryEvent], kinds: Mapping[str, str], *, first: int = 0
) -> Iterator[PrintedEvent]:
    """Yield the events of a case that may print, from the ``first`` on, as they are for whoever may see no names."""
    events = tuple(history)
    # Each thing of a seizure is an event that prints the list of all: their kinds are collected once.
    seized: defaultdict[str, set[str]] = defaultdict(set)
    for number, event in enumerate(events):
        for _, old, new in event.after.items.changes(None if event.before is None else event.before.items):
            if old is None and new is not None and new.seizure is not None:
                seized[new.seizure.document_number].add(new.kind)
        if number < first:
            continue
        book = _book_of(states, event)
        if any(row.event == event.event.event_type for row in book.papers):
            printed = PrintedEvent(event.entry, event.event, book, kinds, history=events[: number + 1])
            seizure = printed.seizure
            kinds_seized = None if seizure is None else frozenset(seized[seizure.document_number])
            yield replace(printed, seized_kinds=kinds_seized)


def _book_of(states: CaseStates, event: HistoryEvent) -> Rulebook:
    return book_of(event.before, event.event, states.procedures().at(event.entry.log_index))


def _of_supervision(
    connection: Connection,
    states: CaseStates,
    entry: StoredEntry,
    kinds: Mapping[str, str],
    sections: Mapping[str, Section | None] | None,
) -> PrintedEvent:
    """Return an event of supervision: by its recommendation's procedure, else by the first that has a paper for it."""
    event = log.event_of(entry)
    stream = log.stream(connection, entry.stream_kind, entry.stream_id, limit=entry.sequence + 1)
    earlier = tuple(log.event_of(each) for each in stream)
    in_force: Mapping[str, Rulebook] = states.procedures().at(entry.log_index)
    issued = earlier[0].body
    names = [issued.procedure] if isinstance(issued, RecommendationIssued) else in_force
    events = [
        PrintedEvent(entry, event, in_force[procedure], kinds, earlier=earlier, sections=sections)
        for procedure in names
    ]
    if not events:
        raise NotFound("no procedure is in force that says what it prints as", field="event_id", code="no_paper")
    return next((event for event in events if papers_of(event)), events[0])
