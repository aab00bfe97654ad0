"""An event as the document that it prints as, read out of the store."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlencode

from msgspec.structs import asdict

from ledger.core.events import Section, decode_section
from ledger.core.events.case import PersonNamed
from ledger.core.procedure.legal_days import instant_text, unix_seconds
from ledger.interchange.papers.forms import PaperForm, form_of
from ledger.interchange.papers.lists import LISTS, ListWriter, PrintedEvent
from ledger.interchange.papers.paper_text import PaperText
from ledger.interchange.papers.sheet import (
    BLANK,
    FactsBlock,
    LabelledValue,
    ProseBlock,
    Sheet,
    SheetBlock,
    Stamp,
    StampsBlock,
)
from ledger.recording.case_states import CaseStates
from ledger.store import log
from ledger.store.database import Connection
from ledger.store.log import StoredEntry
from ledger.timeline.case_history import HistoryEvent, read_history
from ledger.timeline.sentences import slots_of

NAME = "name"  # the field of a person's section that has the name, as ``tally person name`` writes it
_PERSONS = frozenset(("recipient_party", "holder_party", "witness_party"))  # who sign by hand: no agency of the ledger


def read_event(connection: Connection, states: CaseStates, entry: StoredEntry, *, confidential: bool) -> PrintedEvent:
    """Return the event with the case as of it; with its sections and persons' names if ``confidential``.

    Nothing that came after the event is read, but that a section was erased. Requires an event of a case's stream.
    """
    history = list(read_history(connection, states, entry.stream_id, limit=entry.sequence + 1))
    if not confidential:
        return PrintedEvent(history[-1])
    names: dict[str, str] = {}
    for event in history:
        match event.payload.body:
            case PersonNamed(person_id=person_id, section=label) if label is not None:
                section = _sections(connection, event).get(label)
                if section is not None and NAME in section.fields:
                    names[person_id] = section.fields[NAME]
    return PrintedEvent(history[-1], _sections(connection, history[-1]), names)


def _sections(connection: Connection, event: HistoryEvent) -> dict[str, Section | None]:
    stored = log.sections(connection, event.entry.log_index)
    return {label: None if data is None else decode_section(data, label) for label, data in stored.items()}


def document(printed: PrintedEvent, text: PaperText, *, log_id: str, verify_url: str, kind: str | None = None) -> Sheet:
    """Return the document of this ``kind``, else the event's first. Raises NotFound if the event prints as none.

    ``verify_url`` is the page on which proofs are checked; ``log_id`` is 0x and lower-case hex.
    """
    event, payload, after = printed.event, printed.event.payload, printed.after
    form = form_of(payload, kind)
    slots = slots_of(event.before, payload, after) | {"event_id": payload.event_id}
    if slots.get("seizure") is not None:
        slots |= asdict(slots["seizure"])
    writer = ListWriter(text, text.of_event(payload, after), printed, slots)
    return Sheet(
        layout="form",
        languages=text.languages,
        title=text.paper(f"title.{form.document}"),
        issuer=text.agency(str(slots[form.issuer])),
        number=text.paper("number", number=str(slots[form.number])),
        date=unix_seconds(payload.occurred_at),
        link=link(verify_url, log_id, payload.event_id, event.entry.payload_digest),
        link_text=text.paper("link"),
        blocks=tuple(_blocks(writer, form, log_id)),
        footer=text.paper("footer", zone=text.zone()),
        reference=payload.event_id,
    )


def link(verify_url: str, log_id: str, name: str, digest: str) -> str:
    """Return the link to check a proof of the event, or case, of this name. What is asked for stays in the browser."""
    return f"{verify_url}#{urlencode({'log': log_id, 'of': name, 'digest': digest}, safe=':')}"


def _blocks(writer: ListWriter, form: PaperForm, log_id: str) -> Iterator[SheetBlock]:
    text, event = writer.text, writer.printed.event
    stated = ((field, writer.event_text.value(field, writer.slots.get(field))) for field in form.facts)
    date = LabelledValue(text.paper("date"), writer.event_text.value("occurred_at", event.payload.occurred_at))
    facts = [*text.case_facts(event.after), date, *(text.fact(field, value) for field, value in stated if value)]
    yield FactsBlock(BLANK, tuple(facts))
    yield ProseBlock(BLANK, (text.paper(f"statement.{form.document}.{form.act}"),))
    for part in form.parts:
        yield from LISTS[part](writer)
    if form.by_hand:
        blanks = tuple(LabelledValue(text.paper(f"by_hand.{name}")) for name in form.by_hand)
        yield FactsBlock(text.paper("heading.by_hand"), blanks)
    yield from _confidential(writer)
    yield StampsBlock(tuple(_stamp(writer, party) for party in form.stamps))
    sentences = text.sentences(event.before, event.payload, event.after)
    yield ProseBlock(text.paper("heading.in_words"), (sentences,))
    yield FactsBlock(text.paper("heading.record"), tuple(_record(writer, log_id)), together=True)


def _stamp(writer: ListWriter, party: str) -> Stamp:
    text, date = writer.text, writer.text.paper("stamp.date")
    if party in _PERSONS:
        return Stamp(text.paper(f"stamp.{party}"), text.paper("stamp.sign_here"), (date,))
    agency = text.agency(str(writer.slots[party]))
    return Stamp(agency, text.paper("stamp.here"), (text.paper("stamp.officer"), date))


def _confidential(writer: ListWriter) -> Iterator[SheetBlock]:
    """Yield the event's own sections if the reader may read them, else that there are some."""
    text, labels = writer.text, sorted(writer.printed.event.payload.confidential)
    sections = writer.printed.sections
    if sections is None:
        if labels:
            yield ProseBlock(BLANK, (text.paper("withheld", labels=", ".join(labels)),))
        return
    for label in labels:
        section = sections.get(label)
        heading = text.paper("heading.confidential", label=label)
        if section is None:
            yield ProseBlock(heading, (text.paper("erased"),))
        else:
            facts = tuple(text.fact(name, (value,)) for name, value in section.fields.items())
            yield FactsBlock(heading, facts)


def _record(writer: ListWriter, log_id: str) -> Iterator[LabelledValue]:
    """Yield what the event is found by, and its times: those that the signer claims beside the service's own."""
    text, event = writer.text, writer.printed.event
    entry, payload = event.entry, event.payload
    yield text.fact("event_id", (payload.event_id,), exact=True)
    yield text.fact("place", text.paper("place", sequence=str(entry.sequence), index=str(entry.log_index)))
    for field, instant in (
        ("occurred_at", payload.occurred_at),
        ("signed_at", instant_text(entry.signed_at)),
        ("recorded_at", instant_text(entry.recorded_at // 1000)),
    ):
        yield text.fact(field, writer.event_text.value(field, instant))
    yield text.fact("officer", (payload.officer,))
    yield text.fact("key_id", (entry.key_id,), exact=True)
    yield text.fact("payload_digest", (entry.payload_digest,), exact=True)
    yield text.fact("log_id", (log_id,), exact=True)
