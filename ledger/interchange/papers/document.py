"""An event as the paper that it prints as, by a row of its procedure."""

from __future__ import annotations

from collections.abc import Iterator

from ledger.core.encoding.instants import instant_text, unix_seconds
from ledger.core.events import Event
from ledger.core.procedure.papers import PaperPart
from ledger.interchange.papers.lists import list_blocks
from ledger.interchange.papers.paper_text import PaperText
from ledger.interchange.papers.paper_writer import PaperWriter
from ledger.interchange.papers.printed_event import PrintedEvent, paper_of
from ledger.interchange.papers.sheet import (
    BLANK,
    FactsBlock,
    LabelledValue,
    PartBlock,
    ProseBlock,
    Sheet,
    SheetBlock,
    Stamp,
    StampsBlock,
    TableBlock,
    Words,
    link,
)
from ledger.store.log import StoredEntry


def document(printed: PrintedEvent, text: PaperText, *, log_id: str, verify_url: str, name: str | None = None) -> Sheet:
    """Return the paper of this ``name``, else the event's first. Raises NotFound if the event prints as none.

    ``verify_url`` is the page on which proofs are checked; ``log_id`` is 0x and lower-case hex.
    """
    row = paper_of(printed, name)
    writer = PaperWriter(printed, row, text)
    event = printed.event
    return Sheet(
        layout="form",
        languages=text.languages,
        title=writer.label(row.title),
        issuer=writer.value(row.issuer),
        number=text.paper("number", number=writer.value(row.number)),
        date=unix_seconds(event.occurred_at),
        link=link(verify_url, log_id, event.event_id, printed.entry.payload_digest),
        link_text=text.paper("link"),
        blocks=(*_sheets(writer), *_confidential(writer), *_record(writer, log_id)),
        footer=text.paper("footer", zone=text.zone()),
        reference=event.event_id,
    )


def _sheets(writer: PaperWriter) -> Iterator[SheetBlock]:
    """Yield what stands on the paper: each of its parts by itself, if it has parts."""
    for place, sheet in enumerate(writer.row.sheets):
        blocks = tuple(_blocks(writer, sheet))
        if sheet.title:
            yield PartBlock(writer.label(sheet.title), place == 0, blocks)
        else:
            yield from blocks


def _blocks(writer: PaperWriter, sheet: PaperPart) -> Iterator[FactsBlock | TableBlock | ProseBlock | StampsBlock]:
    facts = [fact for value in sheet.fields or () for fact in writer.fact(value)]
    if facts:
        yield FactsBlock(BLANK, tuple(facts))
    if sheet.text is not None:
        yield ProseBlock(BLANK, writer.paragraphs(sheet.text))
    for listed in sheet.lists or ():
        yield from list_blocks(writer, listed)
    if sheet.blanks:
        yield FactsBlock(BLANK, tuple(LabelledValue(writer.label_of(word)) for word in sheet.blanks))
    stamps = (
        *(_seal(writer, name) for name in sheet.seals or ()),
        *(_sign(writer, word) for word in sheet.signs or ()),
    )
    if stamps:
        yield StampsBlock(stamps)


def _seal(writer: PaperWriter, name: str) -> Stamp:
    text = writer.text
    return Stamp(writer.value(name), text.paper("stamp.here"), (text.paper("stamp.officer"), text.paper("stamp.date")))


def _sign(writer: PaperWriter, word: str) -> Stamp:
    return Stamp(writer.label_of(word), writer.text.paper("stamp.sign_here"), (writer.text.paper("stamp.date"),))


def _confidential(writer: PaperWriter) -> Iterator[SheetBlock]:
    """Yield the event's own sections if the reader may read them, else that there are some."""
    text, labels = writer.text, sorted(writer.printed.event.confidential)
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


def _record(writer: PaperWriter, log_id: str) -> Iterator[SheetBlock]:
    """Yield the event in sentences, and what it is found by."""
    text, printed = writer.text, writer.printed
    sentences = text.sentences(printed.before, printed.event, printed.after)
    yield ProseBlock(text.paper("heading.in_words"), (sentences,))
    place = text.paper("place", sequence=str(printed.entry.sequence), index=str(printed.entry.log_index))
    yield record_block(text, printed.entry, printed.event, log_id=log_id, place=place)


def record_block(
    text: PaperText, entry: StoredEntry, event: Event, *, log_id: str, place: Words | None = None
) -> FactsBlock:
    """Return what an event is found by: ids, and times that the signer claims beside the service's own.

    ``place`` is in its case, None for an event of none.
    """
    facts = (
        text.fact("event_id", (event.event_id,), exact=True),
        text.fact("log_index", (str(entry.log_index),)) if place is None else text.fact("place", place),
        text.fact("occurred_at", text.moment(event.occurred_at)),
        text.fact("signed_at", text.moment(instant_text(entry.signed_at))),
        text.fact("recorded_at", text.moment(instant_text(entry.recorded_at // 1000))),
        text.fact("officer", (event.officer,)),
        text.fact("key_id", (entry.key_id,), exact=True),
        text.fact("payload_digest", (entry.payload_digest,), exact=True),
        text.fact("log_id", (log_id,), exact=True),
    )
    return FactsBlock(text.paper("heading.record"), facts, together=True)
