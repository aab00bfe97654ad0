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
from ledger.core.events.handover import HandoverAccepted, NotAcceptedItem, OfferedItem, ReceivedItem
from ledger.core.events.item import ItemRegistered
from ledger.interchange.papers.sheet import UNSAID, Block, Cell, Table, Words
from ledger.interchange.papers.voice import EventVoice, Voice, cell
from ledger.timeline.case_history import Walked


class Occasion(Struct, frozen=True):
    """An event to be printed as its reader may see it.

    ``sections`` are its confidential ones, by label, None where erased; None altogether where the reader may not read
    them. ``persons`` are the names of persons by id, as far as the reader may know them.
    """

    step: Walked
    sections: Mapping[str, Section | None] | None = None
    persons: Mapping[str, str] = {}

    @property
    def after(self) -> CaseState:
        return self.step.after

    @property
    def handover(self) -> Handover | None:
        """The one that the event's body names."""
        return self.after.handovers.get(getattr(self.step.payload.body, "handover_id", ""))


class Writer(NamedTuple):
    """What a list is written with: the paper's languages, the words of its event, and what the event stands for."""

    voice: Voice
    said: EventVoice
    occasion: Occasion
    slots: Mapping[str, Any]

    def table(
        self,
        heading: str,
        columns: Mapping[str, float],
        rows: Iterable[tuple[Cell, ...]],
        *,
        exact: tuple[int, ...] = (),
    ) -> Iterator[Block]:
        """A list whose rows are numbered; no list where there is no row."""
        numbered = tuple((((str(number),),), *row) for number, row in enumerate(rows, 1))
        if numbered:
            heads = tuple(self.voice.field(name) for name in ("row_number", *columns))
            widths = (0.6, *columns.values())
            yield Table(self.voice.paper(f"list.{heading}"), heads, widths, numbered, tuple(one + 1 for one in exact))

    def labelled(self, field: str, value: Any) -> Words:
        """``label: value``, nothing where there is no value."""
        said = self.said.said(field, value)
        return self.voice.paper("labelled", label=self.voice.field(field), value=said) if said else UNSAID

    def thing(self, item: Item) -> Cell:
        """What an item is: description, exhibit number, id."""
        return cell(
            (item.description,), self.labelled("exhibit_number", item.exhibit_number), self.item_id(item.item_id)
        )

    def item_id(self, item_id: str) -> Words:
        return self.voice.paper("item_id", item_id=item_id)

    def remarks(self, item: Item) -> Cell:
        """What else is known of an item."""
        extent = UNSAID
        if item.dossier is not None:
            volumes, pages = item.dossier.volumes, item.dossier.pages
            extent = self.voice.paper(
                "extent" if pages is None else "extent_pages", volumes=str(volumes), pages=str(pages)
            )
        fields = ("money", "account", "frozen_until", "storage_location")
        return cell(extent, *(self.labelled(field, getattr(item, field)) for field in fields))

    def seal(self, number: str | None, state: str | None, condition: str | None) -> Cell:
        """Seal and condition of an item, as far as they are stated."""
        return cell(
            self.labelled("seal_number", number),
            self.labelled("seal_state", state),
            self.labelled("condition", condition),
        )

    def person(self, person_id: str) -> Cell:
        """The name, where the reader may know it, and the pseudonym."""
        name = self.occasion.persons.get(person_id)
        return cell((name,) if name else UNSAID, (person_id,))


List = Callable[[Writer], Iterator[Block]]

_ITEM = {"thing": 3.6, "item_kind": 1.4, "quantity": 1.3, "seal_and_condition": 2.6, "remark": 2.6}


def _offered(writer: Writer) -> Iterator[Block]:
    handover = writer.occasion.handover
    assert handover is not None, "a form with this list is of a handover"
    yield from writer.table("items", _ITEM, (_offered_row(writer, line) for line in handover.items.values()))


def _offered_row(writer: Writer, line: OfferedItem) -> tuple[Cell, ...]:
    """As the sender states it; what he left out is as the record has it."""
    item = writer.occasion.after.items[line.item_id]
    stays = writer.voice.paper("stays") if line.stays else UNSAID
    return (
        writer.thing(item),
        cell(writer.said.said("item_kind", item.kind)),
        cell(writer.said.said("quantity", line.quantity or item.quantity)),
        writer.seal(line.seal_number or item.seal_number, item.seal_state, line.condition or item.condition),
        cell(stays, *writer.remarks(item)),
    )


def _received(writer: Writer) -> Iterator[Block]:
    handover, body = writer.occasion.handover, writer.occasion.step.payload.body
    assert handover is not None
    assert isinstance(body, HandoverAccepted)
    found = {line.item_id: line for line in body.received}
    left = {line.item_id: line for line in body.not_accepted}
    columns = {"thing": 3.4, "as_offered": 2.4, "as_found": 2.6, "result": 1.5, "remark": 2}
    rows = (
        _received_row(writer, line, found.get(line.item_id), left.get(line.item_id)) for line in handover.items.values()
    )
    yield from writer.table("received", columns, rows)


def _received_row(
    writer: Writer, line: OfferedItem, found: ReceivedItem | None, left: NotAcceptedItem | None
) -> tuple[Cell, ...]:
    """The list is told as it was before the acceptance, which may have changed the record."""
    said = writer.said.said
    before = writer.occasion.step.before
    assert before is not None, "an acceptance answers an offer"
    item = before.items[line.item_id]
    told = found or left
    stated = cell(
        said("quantity", told.quantity if told else None),
        *writer.seal(
            found.seal_number if found else None,
            told.seal_state if told else None,
            found.condition if found else None,
        ),
    )
    return (
        writer.thing(item),
        cell(
            said("quantity", line.quantity or item.quantity),
            *writer.seal(line.seal_number or item.seal_number, None, line.condition or item.condition),
        ),
        stated or cell(writer.voice.of("telling", "as_listed") if left is None else UNSAID),
        cell(
            writer.voice.paper("not_taken_over" if left else "taken_over"),
            said("match_result", found.match_result if found else None),
        ),
        cell(
            said("reason_code", left.reason_code if left else None),
            said("explanation", left.explanation if left else None),
            said("remark", found.remark if found else None),
        ),
    )


def _differences(writer: Writer) -> Iterator[Block]:
    """The discrepancies that stand with this acceptance."""
    handover = writer.occasion.handover
    assert handover is not None
    stated = [d for d in writer.occasion.after.discrepancies.values() if d.handover_id == handover.handover_id]
    rows = (
        (
            cell(writer.said.said("item_id", one.item_id)),
            cell(writer.said.said("expected", one.expected)),
            cell(writer.said.said("found", one.found)),
        )
        for one in stated
    )
    yield from writer.table("differences", {"thing": 4, "expected": 3.5, "found": 3.5}, rows)


def _persons(writer: Writer) -> Iterator[Block]:
    handover, body = writer.occasion.handover, writer.occasion.step.payload.body
    assert handover is not None
    absent = body.absent_person_ids if isinstance(body, HandoverAccepted) else ()
    yield from _people(writer, handover.person_ids, absent)


def _persons_named(writer: Writer) -> Iterator[Block]:
    yield from _people(writer, writer.slots["person_ids"])


def _person(writer: Writer) -> Iterator[Block]:
    yield from _people(writer, (writer.slots["person_id"],))


def _people(writer: Writer, person_ids: Iterable[str], absent: tuple[str, ...] = ()) -> Iterator[Block]:
    state = writer.occasion.after
    rows = (
        (
            writer.person(person_id),
            cell(writer.voice.of("person_role", state.persons[person_id].role)) if person_id in state.persons else (),
            _measures(writer, person_id),
            cell(writer.voice.paper("absent") if person_id in absent else UNSAID),
        )
        for person_id in person_ids
    )
    yield from writer.table("persons", {"person": 4.6, "role": 1.6, "measure": 3, "remark": 1.8}, rows)


def _measures(writer: Writer, person_id: str) -> Cell:
    """What holds the person at the event."""
    told: Cell = ()
    for one in writer.occasion.after.measures.values():
        if one.person_id == person_id and one.ended_at is None:
            since = writer.labelled("started_at", one.started_at)
            told += cell(writer.said.said("measure", one.measure), since, writer.labelled("until", one.until))
    return told


def _seized(writer: Writer) -> Iterator[Block]:
    """All that the case holds under the number of this seizure, up to this event."""
    rows = (
        (
            writer.thing(item),
            cell(writer.said.said("item_kind", item.kind)),
            cell(writer.said.said("quantity", item.quantity)),
            writer.seal(item.seal_number, item.seal_state, item.condition),
            writer.remarks(item),
        )
        for item in _of_seizure(writer)
    )
    yield from writer.table("seized", _ITEM, rows)


def _present(writer: Writer) -> Iterator[Block]:
    """Whom it was taken from, and who watched."""
    named = ((party, writer.slots[party]) for party in ("holder", "witness"))
    rows = ((cell(writer.voice.paper(f"stamp.{party}_party")), writer.person(one)) for party, one in named if one)
    yield from writer.table("present", {"role": 2, "person": 8}, rows)


def _of_seizure(writer: Writer) -> Iterator[Item]:
    body = writer.occasion.step.payload.body
    assert isinstance(body, ItemRegistered)
    assert body.seizure is not None, "the form asks for it"
    for item in writer.occasion.after.items.values():
        if item.seizure is not None and item.seizure.document_number == body.seizure.document_number:
            yield item


def _collected(writer: Writer) -> Iterator[Block]:
    """How electronic data was taken (rules on electronic data 2016, art. 14)."""
    rows = (
        (
            cell(writer.said.said("item_id", item.item_id)),
            cell(
                writer.labelled("collectors", item.collection.collectors),
                writer.labelled("tool", item.collection.tool),
                writer.labelled("method", item.collection.method),
                writer.labelled("medium_item_id", item.collection.medium_item_id),
            ),
        )
        for item in _of_seizure(writer)
        if item.collection is not None
    )
    yield from writer.table("collected", {"thing": 3, "collection": 8}, rows)


def _disposed(writer: Writer) -> Iterator[Block]:
    items = [writer.occasion.after.items[item_id] for item_id in writer.slots.get("item_ids") or writer.slots["things"]]
    rows = (
        (
            writer.thing(item),
            cell(writer.said.said("item_kind", item.kind)),
            cell(writer.said.said("quantity", item.quantity)),
            cell(writer.said.said("disposal", writer.slots["disposal"])),
            writer.remarks(item),
        )
        for item in items
    )
    columns = {"thing": 3.6, "item_kind": 1.4, "quantity": 1.3, "disposal": 2, "remark": 3}
    yield from writer.table("disposed", columns, rows)


def _disclosed(writer: Writer) -> Iterator[Block]:
    items = (writer.occasion.after.items[item_id] for item_id in writer.slots["item_ids"])
    rows = (
        (
            writer.thing(item),
            cell(writer.said.said("item_kind", item.kind)),
            cell(writer.said.said("quantity", item.quantity)),
        )
        for item in items
    )
    yield from writer.table("disclosed", {"thing": 6, "item_kind": 2, "quantity": 2}, rows)


# -- integrity check values --------------------------------------------------------------------------------------------


def _digests(writer: Writer) -> Iterator[Block]:
    items = writer.occasion.after.items
    listed = tuple(writer.occasion.handover.items) if writer.occasion.handover else _seized_ids(writer)
    yield from _values(writer, ((item_id, items[item_id].digests) for item_id in listed))


def _seized_ids(writer: Writer) -> tuple[str, ...]:
    return tuple(item.item_id for item in _of_seizure(writer))


def _found_digests(writer: Writer) -> Iterator[Block]:
    body = writer.occasion.step.payload.body
    assert isinstance(body, HandoverAccepted)
    yield from _values(writer, ((line.item_id, line.digests) for line in body.received))


def _disclosed_digests(writer: Writer) -> Iterator[Block]:
    yield from _values(writer, [("", writer.slots["digests"])])


def _values(writer: Writer, digests: Iterable[tuple[str, tuple[str, ...]]]) -> Iterator[Block]:
    rows = (
        (cell(writer.said.said("item_id", item_id or None)), tuple((digest,) for digest in found))
        for item_id, found in digests
        if found
    )
    yield from writer.table("digests", {"thing": 3, "digests": 8}, rows, exact=(1,))


LISTS: Final[Mapping[str, List]] = {
    "offered": _offered,
    "received": _received,
    "differences": _differences,
    "persons": _persons,
    "persons_named": _persons_named,
    "person": _person,
    "seized": _seized,
    "present": _present,
    "collected": _collected,
    "disposed": _disposed,
    "disclosed": _disclosed,
    "digests": _digests,
    "found_digests": _found_digests,
    "disclosed_digests": _disclosed_digests,
}
