"""An event as the document that it prints as."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from msgspec.structs import asdict

from ledger.core.events import Section, decode_section
from ledger.core.events.case import PersonNamed
from ledger.core.procedure.legal_days import instant_text, unix_seconds
from ledger.interchange.papers.forms import Form, form_of
from ledger.interchange.papers.lists import LISTS, Occasion, Writer
from ledger.interchange.papers.sheet import UNSAID, Block, Fact, Facts, Prose, Sheet, Stamp, Stamps
from ledger.interchange.papers.voice import Voice
from ledger.recording.case_states import CaseStates
from ledger.store import log
from ledger.store.database import Connection
from ledger.store.log import StoredEntry
from ledger.timeline.case_history import Walked, walk
from ledger.timeline.sentences import slots_of

_PERSONS = frozenset(("recipient_party", "holder_party", "witness_party"))  # who sign by hand: no agency of the ledger


def document(occasion: Occasion, voice: Voice, *, log_id: str, verify_url: str, kind: str | None = None) -> Sheet:
    """The document of this ``kind``, else the event's first. Raises NotFound where the event prints as none.

    ``verify_url`` is the page on which proofs are checked; ``log_id`` is 0x and lower-case hex.
    """
    payload, after = occasion.step.payload, occasion.after
    form = form_of(payload, kind)
    writer = Writer(voice, voice.of_event(payload, after), occasion, _slots(occasion))
    return Sheet(
        layout="form",
        languages=voice.languages,
        title=voice.paper(f"title.{form.document}"),
        issuer=voice.agency(payload.agency),
        number=voice.paper("number", number=str(writer.slots[form.number])),
        date=unix_seconds(payload.occurred_at),
        link=link(verify_url, log_id, payload.event_id, occasion.step.entry.payload_digest),
        link_told=voice.paper("link"),
        blocks=tuple(_blocks(writer, form, log_id)),
        footer=voice.paper("footer"),
        reference=payload.event_id,
    )


def link(verify_url: str, log_id: str, name: str, digest: str) -> str:
    """Where a proof of the event, or case, of this name is checked. What is asked for stays in the browser."""
    return f"{verify_url}#{urlencode({'log': log_id, 'of': name, 'digest': digest}, safe=':')}"


def _slots(occasion: Occasion) -> dict[str, Any]:
    step = occasion.step
    slots = slots_of(step.before, step.payload, step.after) | {"event_id": step.payload.event_id}
    seizure = slots.get("seizure")
    return slots if seizure is None else slots | asdict(seizure)


def _blocks(writer: Writer, form: Form, log_id: str) -> Iterator[Block]:
    voice, payload = writer.voice, writer.occasion.step.payload
    yield Facts(UNSAID, (*_of_case(writer), *_stated(writer, form.facts)))
    yield Prose(UNSAID, (voice.paper(f"statement.{form.document}.{form.act}"),))
    for part in form.parts:
        yield from LISTS[part](writer)
    if form.by_hand:
        blanks = tuple(Fact(voice.paper(f"by_hand.{name}")) for name in form.by_hand)
        yield Facts(voice.paper("heading.by_hand"), blanks)
    yield from _confidential(writer)
    yield Stamps(tuple(_stamp(writer, party) for party in form.stamps))
    told = voice.tell(writer.occasion.step.before, payload, writer.occasion.after)
    yield Prose(voice.paper("heading.in_words"), (told,))
    yield Facts(voice.paper("heading.record"), tuple(_record(writer, log_id)), together=True)


def _of_case(writer: Writer) -> Iterator[Fact]:
    """Each party's number of the case, and what the case is."""
    voice, state = writer.voice, writer.occasion.after
    yield Fact(voice.field("case_id"), (state.case_id,))
    yield Fact(voice.field("case_type"), (state.case_type,))
    for agency in sorted(state.numbers):
        label = voice.paper("number_of", agency=voice.agency(agency))
        yield Fact(label, (state.numbers[agency],))
    payload = writer.occasion.step.payload
    yield Fact(voice.paper("date"), writer.said.said("occurred_at", payload.occurred_at))


def _stated(writer: Writer, fields: tuple[str, ...]) -> Iterator[Fact]:
    for field in fields:
        value = writer.said.said(field, writer.slots.get(field))
        if value:
            yield Fact(writer.voice.field(field), value)


def _stamp(writer: Writer, party: str) -> Stamp:
    voice, date = writer.voice, writer.voice.paper("stamp.date")
    if party in _PERSONS:
        return Stamp(voice.paper(f"stamp.{party}"), voice.paper("stamp.sign_here"), (date,))
    whose = voice.agency(str(writer.slots[party]))
    return Stamp(whose, voice.paper("stamp.here"), (voice.paper("stamp.officer"), date))


def _confidential(writer: Writer) -> Iterator[Block]:
    """The event's own sections where the reader may read them; else that there are some."""
    voice, labels = writer.voice, sorted(writer.occasion.step.payload.confidential)
    shown = writer.occasion.sections
    if shown is None and labels:
        yield Prose(UNSAID, (voice.paper("withheld", labels=", ".join(labels)),))
    for label in labels if shown is not None else ():
        section = shown.get(label) if shown is not None else None
        heading = voice.paper("heading.confidential", label=label)
        if section is None:
            yield Prose(heading, (voice.paper("erased"),))
        else:
            yield Facts(heading, tuple(Fact(voice.field(name), (text,)) for name, text in section.fields.items()))


def _record(writer: Writer, log_id: str) -> Iterator[Fact]:
    """What finds the event again, and its times: what the signer claims beside what the service's clock says."""
    voice, said, step = writer.voice, writer.said, writer.occasion.step
    entry, payload = step.entry, step.payload
    yield Fact(voice.field("event_id"), (payload.event_id,), exact=True)
    yield Fact(voice.field("place"), voice.paper("place", sequence=str(entry.sequence), index=str(entry.log_index)))
    for field, instant in (
        ("occurred_at", payload.occurred_at),
        ("signed_at", instant_text(entry.signed_at)),
        ("recorded_at", instant_text(entry.recorded_at // 1000)),
    ):
        yield Fact(voice.field(field), said.said(field, instant))
    yield Fact(voice.field("officer"), (payload.officer,))
    yield Fact(voice.field("key_id"), (entry.key_id,), exact=True)
    yield Fact(voice.field("payload_digest"), (entry.payload_digest,), exact=True)
    yield Fact(voice.field("log_id"), (log_id,), exact=True)


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
