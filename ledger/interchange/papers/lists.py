"""The lists of papers: things and persons as they were listed, found, seized or disposed of, by columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from ledger.core.custody import Item, MeasureState
from ledger.core.custody.due_dates import end_of_clock
from ledger.core.custody.holds import holds_ever
from ledger.core.custody.triggers import CASE
from ledger.core.events.handover import HandoverAccepted
from ledger.core.events.record import SectionErased
from ledger.core.procedure.papers import ListRow, NamedValue
from ledger.interchange.papers.paper_text import cell
from ledger.interchange.papers.paper_writer import PaperWriter
from ledger.interchange.papers.printed_event import PrintedEvent
from ledger.interchange.papers.sheet import BLANK, Cell, ProseBlock, TableBlock, Words

# Shares of the page's width.
WIDTHS: Final = {
    "description": 2.6,
    "item_kind": 1.2,
    "exhibit_number": 1.2,
    "item_id": 2,
    "quantity": 1.1,
    "extent": 1.3,
    "money": 1.5,
    "account": 1.8,
    "features": 2.4,
    "obtained_from": 1.8,
    "holder": 1.5,
    "condition": 1.8,
    "seal_number": 1.3,
    "seal_state": 1.1,
    "storage_location": 1.8,
    "frozen_until": 1.5,
    "digests": 7,
    "disposal": 1.6,
    "remark": 1.5,
    "person": 2,
    "role": 1.4,
    "measure": 1.6,
    "started_at": 1.7,
    "until": 1.5,
    "keeper": 2,
    "as_offered": 2.2,
    "as_found": 2.2,
    "result": 1.3,
    "expected": 2.4,
    "found": 2.4,
    "collectors": 2,
    "method": 2.5,
    "tool": 2,
    "medium": 2,
    "occurred_at": 1.7,
    "agency": 2.2,
    "officer": 1.2,
    "act": 5.5,
    "hold": 1.4,
    "number": 1.4,
    "ground": 2.6,
    "placed_at": 1.7,
    "released_at": 1.7,
    "released_by": 2,
    "clock": 2.6,
    "subject": 1.8,
    "article": 2.2,
}
NUMBER_WIDTH: Final = 0.8
EXACT: Final = ("digests",)  # set character by character


Row = dict[str, Cell]


def list_blocks(writer: PaperWriter, listed: ListRow) -> Iterator[TableBlock | ProseBlock]:
    """Yield the list under its title, or nothing if it would be empty."""
    title = writer.label(listed.title)
    if listed.of in _PARAGRAPHS:
        paragraphs = tuple(_PARAGRAPHS[listed.of](writer))
        if paragraphs:
            yield ProseBlock(title, paragraphs, points=True)
        return
    names = [column.value if isinstance(column, NamedValue) else column for column in listed.columns]
    cells = [tuple(row[name] for name in names) for row in _ROWS[listed.of](writer, listed)]
    if names[1:] == ["digests"]:  # a list of digests, in which a name alone says nothing
        cells = [row for row in cells if row[1]]
    rows = [(cell((str(number),)), *row) for number, row in enumerate(cells, 1)]
    if rows:
        yield TableBlock(
            title,
            (writer.text.field("row_number"), *map(writer.label_of, listed.columns)),
            (NUMBER_WIDTH, *(WIDTHS[name] for name in names)),
            tuple(rows),
            tuple(place for place, name in enumerate(names, 1) if name in EXACT),
        )


def _items(writer: PaperWriter, listed: ListRow) -> Iterator[Row]:
    """Yield the things that the event is about: as its list states them, and else as they are recorded."""
    printed = writer.printed
    lines = {} if printed.handover is None else printed.handover.items
    stated = getattr(printed.event.body, "items", ())
    decided = {line.item_id: line.disposal for line in stated if hasattr(line, "disposal")}
    for item_id in printed.item_ids:
        item = printed.case.items[item_id]
        if listed.kinds and item.kind not in listed.kinds:
            continue
        row = _item_row(writer, item)
        line = lines.get(item_id)
        if line is not None:
            for field in ("quantity", "condition", "seal_number"):
                if (stated := getattr(line, field)) is not None:
                    row[field] = cell(writer.words(field, stated))
            if line.stays:
                row["remark"] = cell(writer.text.paper("stays"))
        disposal = decided.get(item_id) or printed.values.get("disposal")
        row["disposal"] = cell(writer.words("disposal", disposal))
        yield row


def _item_row(writer: PaperWriter, item: Item) -> Row:
    fields = (
        *("exhibit_number", "item_id", "quantity", "money", "account", "features", "obtained_from", "condition"),
        *("seal_number", "seal_state", "storage_location", "frozen_until"),
    )
    row = {field: cell(writer.words(field, getattr(item, field))) for field in fields}
    extent = BLANK
    if item.dossier is not None:
        volumes, pages = item.dossier.volumes, item.dossier.pages
        extent = writer.text.paper(
            "extent" if pages is None else "extent_pages", volumes=str(volumes), pages=str(pages)
        )
    holder = None if item.seizure is None else item.seizure.holder
    return row | {
        "item_id": cell((item.item_id,)),
        "description": cell((item.description,)),
        "item_kind": cell(writer.words("item_kind", item.kind)),
        "extent": cell(extent),
        "holder": cell(writer.words("holder", holder)),
        "digests": tuple((digest,) for digest in item.digests),
        "remark": (),
    }


def _received(writer: PaperWriter, _listed: ListRow) -> Iterator[Row]:
    """Yield each line of the list with what the receiver found and took."""
    printed, words = writer.printed, writer.words
    handover, body, before = printed.handover, printed.event.body, printed.before
    assert handover is not None
    assert before is not None, "an acceptance answers an offer"
    assert isinstance(body, HandoverAccepted)
    received_lines = {line.item_id: line for line in body.received}
    left_lines = {line.item_id: line for line in body.not_accepted}
    for line in handover.items.values():
        item = before.items[line.item_id]  # as it was listed: the acceptance may have changed the record
        received, left = received_lines.get(line.item_id), left_lines.get(line.item_id)
        stated = received or left
        as_offered = cell(
            words("quantity", line.quantity or item.quantity),
            *([words("money", item.money)] if item.money else []),
            *_seal(writer, line.seal_number or item.seal_number, None, line.condition or item.condition),
        )
        as_found = cell(
            words("quantity", stated.quantity if stated else None),
            *([words("money", received.money)] if received and received.money else []),
            *_seal(
                writer,
                received.seal_number if received else None,
                stated.seal_state if stated else None,
                received.condition if received else None,
            ),
        )
        yield {
            "description": cell((item.description,), (item.item_id,)),
            "as_offered": as_offered,
            "as_found": as_found or cell(writer.text.of("telling", "as_listed") if left is None else BLANK),
            "result": cell(
                writer.text.paper("not_taken_over" if left else "taken_over"),
                words("match_result", received.match_result if received else None),
            ),
            "remark": cell(
                words("reason_code", left.reason_code if left else None),
                words("explanation", left.explanation if left else None),
                words("remark", received.remark if received else None),
            ),
        }


def _labelled(writer: PaperWriter, field: str, value: Any) -> Words:
    return writer.text.labelled(field, writer.words(field, value))


def _seal(writer: PaperWriter, number: str | None, state: str | None, condition: str | None) -> Cell:
    stated = (("seal_number", number), ("seal_state", state), ("condition", condition))
    return cell(*(_labelled(writer, field, value) for field, value in stated))


def _discrepancies(writer: PaperWriter, _listed: ListRow) -> Iterator[Row]:
    """Yield the discrepancies that were opened with this acceptance."""
    handover = writer.printed.handover
    assert handover is not None
    for discrepancy in writer.printed.case.discrepancies.values():
        if discrepancy.handover_id == handover.handover_id:
            yield {
                "description": cell(writer.words("item_id", discrepancy.item_id)),
                "expected": cell(writer.words("expected", discrepancy.expected)),
                "found": cell(writer.words("found", discrepancy.found)),
            }


def _persons(writer: PaperWriter, _listed: ListRow) -> Iterator[Row]:
    """Yield the persons, each with the measures that run on this person."""
    printed = writer.printed
    absent = getattr(printed.event.body, "absent_person_ids", ())
    for person_id in printed.person_ids:
        person = printed.case.persons.get(person_id)
        measures = printed.running_measures(person_id)
        yield {
            "person": cell(writer.words("person_id", person_id)),
            "role": () if person is None else cell(writer.text.of("person_role", person.role)),
            "measure": _of_measures(writer, measures, "measure"),
            "started_at": _of_measures(writer, measures, "started_at"),
            "until": _of_measures(writer, measures, "until"),
            "keeper": cell(*map(writer.text.agency, _keepers(printed, person_id))),
            "remark": cell(writer.text.paper("absent") if person_id in absent else BLANK),
        }


def _of_measures(writer: PaperWriter, measures: Sequence[MeasureState], field: str) -> Cell:
    return cell(*(writer.words(field, getattr(measure, field)) for measure in measures))


def _keepers(printed: PrintedEvent, person_id: str) -> list[str]:
    """Return the agency that keeps a person in custody, as far as the case has it."""
    held = [item.holder for item in printed.case.items.values() if item.person_id == person_id and item.is_person]
    changes = printed.case.custody_changes.values()
    return held[-1:] or [change.keeper for change in changes if change.person_id == person_id][-1:]


def _found_digests(writer: PaperWriter, _listed: ListRow) -> Iterator[Row]:
    """Yield the digests that the event states, of each thing that was received and of its photographs."""
    body = writer.printed.event.body
    if isinstance(body, HandoverAccepted):
        lines = [(line.item_id, (*line.digests, *line.photographs)) for line in body.received]
        lines += [(line.item_id, line.photographs) for line in body.not_accepted]
    else:
        lines = [(getattr(body, "item_id", ""), getattr(body, "digests", ()))]
    for item_id, digests in lines:
        if digests:
            yield {
                "description": cell(writer.words("item_id", item_id or None)),
                "digests": tuple((digest,) for digest in digests),
            }


def _collected(writer: PaperWriter, _listed: ListRow) -> Iterator[Row]:
    """Yield how electronic data was taken."""
    for item_id in writer.printed.item_ids:
        item = writer.printed.case.items[item_id]
        if item.collection is not None:
            over_network = ("address", "network_time_at", "record_number")
            yield {
                "description": cell((item.description,), (item.item_id,)),
                **{
                    field: cell(writer.words(field, getattr(item.collection, field)))
                    for field in ("collectors", "tool")
                },
                "method": cell(
                    writer.words("method", item.collection.method),
                    *(_labelled(writer, field, getattr(item.collection, field)) for field in over_network),
                ),
                "medium": cell(writer.words("item_id", item.collection.medium_item_id)),
            }


def _custody(writer: PaperWriter, _listed: ListRow) -> Iterator[Row]:
    """Yield what happened with the things up to the event: when, and by whom."""
    items = {*writer.printed.item_ids}
    for past in writer.printed.history:
        event = past.event
        if items.intersection(past.concerned.item_ids):
            yield {
                "occurred_at": cell(writer.words("occurred_at", event.occurred_at)),
                "agency": cell(writer.text.agency(event.agency)),
                "officer": cell((event.officer,)),
                "act": cell(writer.text.sentences(past.before, event, past.after)),
            }


def _holds(writer: PaperWriter, _listed: ListRow) -> Iterator[Row]:
    """Yield the legal holds that covered what is destroyed, with when and by whom they were released."""
    printed = writer.printed
    before, body = printed.before, printed.event.body
    assert before is not None, "what is destroyed was proposed before"
    erased = body.concerns.event_id if isinstance(body, SectionErased) else None
    for hold in holds_ever(before, () if erased else printed.item_ids, erased):
        yield {
            "hold": cell(writer.text.of("hold_kind", hold.kind), (hold.hold_id,)),
            "number": cell((hold.number,)),
            "agency": cell(writer.text.agency(hold.agency)),
            "ground": cell((hold.ground,)),
            "placed_at": cell(writer.words("occurred_at", hold.placed_at)),
            "released_at": cell(writer.words("occurred_at", hold.released_at)),
            "released_by": () if hold.released_by is None else cell(writer.text.agency(hold.released_by)),
        }


def _retention(writer: PaperWriter, _listed: ListRow) -> Iterator[Row]:
    """Yield the times of retention that ran for what is destroyed, of a section those of its case."""
    printed = writer.printed
    before = printed.before
    assert before is not None, "what is destroyed was proposed before"
    subjects = (CASE,) if isinstance(printed.event.body, SectionErased) else printed.item_ids
    for clock in (clock for subject in subjects for clock in before.clocks.marked(f"running/{subject}")):
        if clock.rule.retains:
            ends = end_of_clock(before, clock, printed.book).counted
            last = None if ends is None or ends.last_day is None else ends.last_day.isoformat()
            yield {
                "clock": cell(writer.words("clock", clock.name)),
                "subject": cell(writer.words("subject", clock.subject)),
                "started_at": cell(writer.words("started_at", clock.started_at)),
                "until": cell(writer.words("until", last)),
                "article": cell(writer.text.article(clock.rule.article)),
            }


def _outline(writer: PaperWriter) -> Iterator[Words]:
    """Yield the points of an outline, each with the person or thing that it is about."""
    for point in getattr(writer.printed.event.body, "outline", ()):
        about = getattr(point, "person_id", None) or getattr(point, "item_id", None)
        words: Words = (point.text,)
        yield words if about is None else writer.text.paper("about", about=writer.words("item_id", about), text=words)


_ROWS: Final[Mapping[str, Callable[[PaperWriter, ListRow], Iterator[Row]]]] = {
    "items": _items,
    "received": _received,
    "discrepancies": _discrepancies,
    "persons": _persons,
    "found_digests": _found_digests,
    "collected": _collected,
    "custody": _custody,
    "holds": _holds,
    "retention": _retention,
}
_PARAGRAPHS: Final[Mapping[str, Callable[[PaperWriter], Iterator[Words]]]] = {
    "outline": _outline,
    "measures": lambda writer: ((measure,) for measure in getattr(writer.printed.event.body, "measures", ())),
}
