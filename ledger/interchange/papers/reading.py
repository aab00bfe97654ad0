"""Reads an event out of the store, for a document: the case as of the event, and what is confidential of it."""

from __future__ import annotations

from ledger.core.events import Section, decode_section
from ledger.core.events.case import PersonNamed
from ledger.interchange.papers.writer import Occasion
from ledger.recording.case_states import CaseStates
from ledger.store import log
from ledger.store.database import Connection
from ledger.store.log import StoredEntry
from ledger.timeline.steps import Walked, walk

NAME = "name"  # the field of a person's section that has the name, as ``tally person name`` writes it


def occasion(connection: Connection, states: CaseStates, entry: StoredEntry, *, confidential: bool) -> Occasion:
    """The event of a case's stream with the case around it; with its sections and persons' names if ``confidential``.

    Nothing that came after the event is read, but that a section was erased.
    """
    walked = list(walk(connection, states, entry.stream_id, limit=entry.sequence + 1))
    step = walked[-1]
    if not confidential:
        return Occasion(step)
    return Occasion(step, _sections(connection, step), _names(connection, walked))


def _sections(connection: Connection, step: Walked) -> dict[str, Section | None]:
    stored = log.sections(connection, step.entry.log_index)
    return {label: None if data is None else decode_section(data, label) for label, data in stored.items()}


def _names(connection: Connection, walked: list[Walked]) -> dict[str, str]:
    """The names of the case's persons by id, as far as they are still kept."""
    found: dict[str, str] = {}
    for step in walked:
        match step.payload.body:
            case PersonNamed(person_id=person_id, section=label) if label is not None:
                section = _sections(connection, step).get(label)
                if section is not None and NAME in section.fields:
                    found[person_id] = section.fields[NAME]
    return found
