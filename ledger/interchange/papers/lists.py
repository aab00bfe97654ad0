"""The lists of documents: items as they were listed, found, seized or disposed of, and persons.

Each is written by a function of its own, with what all of them are written with: the event as its reader may see it,
and the words of its languages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from msgspec import Struct

from ledger.core.custody import CaseState, Handover, Item
from ledger.core.events import Section
from ledger.core.events.handover import HandoverAccepted
from ledger.core.events.item import ItemRegistered
from ledger.core.events.terms import Quantity
from ledger.interchange.papers.paper_text import EventText, PaperText, cell
from ledger.interchange.papers.sheet import BLANK, Cell, SheetBlock, Words
from ledger.timeline.case_history import HistoryEvent

_ITEM = {"thing": 3.6, "item_kind": 1.4, "quantity": 1.3, "seal_and_condition": 2.6, "remark": 2.6}


class PrintedEvent(Struct, frozen=True):
    """An event to be printed as its reader may see it.

    ``sections`` are its confidential ones, by label, None if erased; None altogether if the reader may not read them.
    ``persons`` are the names of persons by id, as far as the reader may know them.
    """

    event: HistoryEvent
    sections: Mapping[str, Section | None] | None = None
    persons: Mapping[str, str] = {}

    @property
    def after(self) -> CaseState:
        return self.event.after

    @property
    def handover(self) -> Handover | None:
        """Return the handover that the event's body names."""
        return self.after.handovers.get(getattr(self.event.payload.body, "handover_id", ""))


class ListWriter(NamedTuple):
    """The paper's languages, the words of its event, the event itself, and the values of its sentence's slots."""

    text: PaperText
    event_text: EventText
    printed: PrintedEvent
    slots: Mapping[str, Any]

    def table(
        self,
        heading: str,
        columns: Mapping[str, float],
        rows: Iterable[tuple[Cell, ...]],
        *,
        exact: tuple[int, ...] = (),
    ) -> Iterator[SheetBlock]:
        """Yield a list whose rows are numbered, or nothing if there is no row."""
        numbered = ((((str(number),),), *row) for number, row in enumerate(rows, 1))
        exact_columns = tuple(column + 1 for column in exact)
        return self.text.table(heading, {"row_number": 0.6, **columns}, numbered, exact=exact_columns)

    def cell(self, field: str, value: Any) -> Cell:
        """Return the cell of a field's value."""
        return cell(self.event_text.value(field, value))

    def labelled(self, field: str, value: Any) -> Words:
        """Return ``label: value``, blank if there is no value."""
        return self.text.labelled(field, self.event_text.value(field, value))

    def thing(self, item: Item) -> Cell:
        """Return description, exhibit number and id of an item."""
        item_id = self.text.paper("item_id", item_id=item.item_id)
        return cell((item.description,), self.labelled("exhibit_number", item.exhibit_number), item_id)

    def counted(self, item: Item, quantity: Quantity | None = None) -> tuple[Cell, Cell, Cell]:
        """Return an item, its kind, and its quantity: as it is stated, or as the record has it."""
        return self.thing(item), self.cell("item_kind", item.kind), self.cell("quantity", quantity or item.quantity)

    def remarks(self, item: Item) -> Cell:
        """Return what else is known of an item."""
        extent = BLANK
        if item.dossier is not None:
            volumes, pages = item.dossier.volumes, item.dossier.pages
            extent = self.text.paper(
                "extent" if pages is None else "extent_pages", volumes=str(volumes), pages=str(pages)
            )
        fields = ("money", "account", "frozen_until", "storage_location")
        return cell(extent, *(self.labelled(field, getattr(item, field)) for field in fields))

    def seal(self, number: str | None, state: str | None, condition: str | None) -> Cell:
        """Return seal and condition of an item, as far as they are stated."""
        return cell(
            self.labelled("seal_number", number),
            self.labelled("seal_state", state),
            self.labelled("condition", condition),
        )

    def person(self, person_id: str) -> Cell:
        """Return the name, if the reader may know it, and the pseudonym."""
        name = self.printed.persons.get(person_id)
        return cell((name,) if name else BLANK, (person_id,))


def _offered(writer: ListWriter) -> Iterator[SheetBlock]:
    """Yield the items as the sender states them; what he left out is as the record has it."""
    handover, rows = writer.printed.handover, []
    assert handover is not None, "a form with this list is of a handover"
    for line in handover.items.values():
        item = writer.printed.after.items[line.item_id]
        seal = writer.seal(line.seal_number or item.seal_number, item.seal_state, line.condition or item.condition)
        remarks = cell(writer.text.paper("stays") if line.stays else BLANK, *writer.remarks(item))
        rows.append((*writer.counted(item, line.quantity), seal, remarks))
    yield from writer.table("items", _ITEM, rows)


def _received(writer: ListWriter) -> Iterator[SheetBlock]:
    handover, body = writer.printed.handover, writer.printed.event.payload.body
    assert handover is not None
    assert isinstance(body, HandoverAccepted)
    received_lines = {line.item_id: line for line in body.received}
    left_lines = {line.item_id: line for line in body.not_accepted}
    before, value, rows = writer.printed.event.before, writer.event_text.value, []
    assert before is not None, "an acceptance answers an offer"
    for line in handover.items.values():
        item = before.items[line.item_id]  # as it was listed: the acceptance may have changed the record
        received, left = received_lines.get(line.item_id), left_lines.get(line.item_id)
        stated = received or left
        as_offered = cell(
            value("quantity", line.quantity or item.quantity),
            *writer.seal(line.seal_number or item.seal_number, None, line.condition or item.condition),
        )
        as_found = cell(
            value("quantity", stated.quantity if stated else None),
            *writer.seal(
                received.seal_number if received else None,
                stated.seal_state if stated else None,
                received.condition if received else None,
            ),
        )
        result = cell(
            writer.text.paper("not_taken_over" if left else "taken_over"),
            value("match_result", received.match_result if received else None),
        )
        remark = cell(
            value("reason_code", left.reason_code if left else None),
            value("explanation", left.explanation if left else None),
            value("remark", received.remark if received else None),
        )
        as_found = as_found or cell(writer.text.of("telling", "as_listed") if left is None else BLANK)
        rows.append((writer.thing(item), as_offered, as_found, result, remark))
    columns = {"thing": 3.4, "as_offered": 2.4, "as_found": 2.6, "result": 1.5, "remark": 2}
    yield from writer.table("received", columns, rows)


def _differences(writer: ListWriter) -> Iterator[SheetBlock]:
    """Yield the discrepancies that were opened with this acceptance."""
    handover = writer.printed.handover
    assert handover is not None
    rows = (
        (
            writer.cell("item_id", discrepancy.item_id),
            writer.cell("expected", discrepancy.expected),
            writer.cell("found", discrepancy.found),
        )
        for discrepancy in writer.printed.after.discrepancies.values()
        if discrepancy.handover_id == handover.handover_id
    )
    yield from writer.table("differences", {"thing": 4, "expected": 3.5, "found": 3.5}, rows)


def _persons(writer: ListWriter) -> Iterator[SheetBlock]:
    handover, body = writer.printed.handover, writer.printed.event.payload.body
    assert handover is not None
    absent = body.absent_person_ids if isinstance(body, HandoverAccepted) else ()
    yield from _person_table(writer, handover.person_ids, absent)


def _person_table(writer: ListWriter, person_ids: Iterable[str], absent: tuple[str, ...] = ()) -> Iterator[SheetBlock]:
    state = writer.printed.after
    rows = []
    for person_id in person_ids:
        held_by: Cell = ()
        for measure in state.measures.values():
            if measure.person_id == person_id and measure.ended_at is None:
                since = writer.labelled("started_at", measure.started_at)
                kind = writer.event_text.value("measure", measure.measure)
                held_by += cell(kind, since, writer.labelled("until", measure.until))
        person = state.persons.get(person_id)
        rows.append(
            (
                writer.person(person_id),
                () if person is None else cell(writer.text.of("person_role", person.role)),
                held_by,
                cell(writer.text.paper("absent") if person_id in absent else BLANK),
            )
        )
    yield from writer.table("persons", {"person": 4.6, "role": 1.6, "measure": 3, "remark": 1.8}, rows)


def _seized(writer: ListWriter) -> Iterator[SheetBlock]:
    """Yield all that the case holds under the number of this seizure, up to this event."""
    rows = (
        (*writer.counted(item), writer.seal(item.seal_number, item.seal_state, item.condition), writer.remarks(item))
        for item in _items_of_seizure(writer)
    )
    yield from writer.table("seized", _ITEM, rows)


def _present(writer: ListWriter) -> Iterator[SheetBlock]:
    """Yield whom the items were taken from, and who watched."""
    rows = (
        (cell(writer.text.paper(f"stamp.{party}_party")), writer.person(writer.slots[party]))
        for party in ("holder", "witness")
        if writer.slots[party]
    )
    yield from writer.table("present", {"role": 2, "person": 8}, rows)


def _items_of_seizure(writer: ListWriter) -> Iterator[Item]:
    body = writer.printed.event.payload.body
    assert isinstance(body, ItemRegistered)
    assert body.seizure is not None, "the form asks for it"
    for item in writer.printed.after.items.values():
        if item.seizure is not None and item.seizure.document_number == body.seizure.document_number:
            yield item


def _collected(writer: ListWriter) -> Iterator[SheetBlock]:
    """Yield how electronic data was taken (rules on electronic data 2016, art. 14)."""
    fields = ("collectors", "tool", "method", "medium_item_id", "address", "network_time_at", "record_number")
    rows = (
        (
            writer.cell("item_id", item.item_id),
            cell(*(writer.labelled(field, getattr(item.collection, field)) for field in fields)),
        )
        for item in _items_of_seizure(writer)
        if item.collection is not None
    )
    yield from writer.table("collected", {"thing": 3, "collection": 8}, rows)


def _disposed(writer: ListWriter) -> Iterator[SheetBlock]:
    items = [writer.printed.after.items[item_id] for item_id in writer.slots.get("item_ids") or writer.slots["things"]]
    disposal = writer.cell("disposal", writer.slots["disposal"])
    rows = ((*writer.counted(item), disposal, writer.remarks(item)) for item in items)
    columns = {"thing": 3.6, "item_kind": 1.4, "quantity": 1.3, "disposal": 2, "remark": 3}
    yield from writer.table("disposed", columns, rows)


def _disclosed(writer: ListWriter) -> Iterator[SheetBlock]:
    rows = (writer.counted(writer.printed.after.items[item_id]) for item_id in writer.slots["item_ids"])
    yield from writer.table("disclosed", {"thing": 6, "item_kind": 2, "quantity": 2}, rows)


def _listed_digests(writer: ListWriter) -> Iterator[SheetBlock]:
    items, handover = writer.printed.after.items, writer.printed.handover
    listed = handover.items if handover else [item.item_id for item in _items_of_seizure(writer)]
    yield from _digest_table(writer, ((item_id, items[item_id].digests) for item_id in listed))


def _found_digests(writer: ListWriter) -> Iterator[SheetBlock]:
    body = writer.printed.event.payload.body
    assert isinstance(body, HandoverAccepted)
    yield from _digest_table(writer, ((line.item_id, line.digests) for line in body.received))


def _digest_table(writer: ListWriter, digests: Iterable[tuple[str, tuple[str, ...]]]) -> Iterator[SheetBlock]:
    rows = (
        (writer.cell("item_id", item_id or None), tuple((digest,) for digest in of_item))
        for item_id, of_item in digests
        if of_item
    )
    yield from writer.table("digests", {"thing": 3, "digests": 8}, rows, exact=(1,))


LISTS: Final[Mapping[str, Callable[[ListWriter], Iterator[SheetBlock]]]] = {
    "offered": _offered,
    "received": _received,
    "differences": _differences,
    "persons": _persons,
    "persons_named": lambda writer: _person_table(writer, writer.slots["person_ids"]),
    "person": lambda writer: _person_table(writer, (writer.slots["person_id"],)),
    "seized": _seized,
    "present": _present,
    "collected": _collected,
    "disposed": _disposed,
    "disclosed": _disclosed,
    "digests": _listed_digests,
    "found_digests": _found_digests,
    "disclosed_digests": lambda writer: _digest_table(writer, [("", writer.slots["digests"])]),
}
