"""From a row to the events of its case: what the mapping makes of each cell, before anything is signed."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from typing import Any, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from ledger.core.custody.particulars import is_confidential
from ledger.core.encoding import canonical
from ledger.core.encoding.decoding import decoder_of
from ledger.core.encoding.digests import Algorithm
from ledger.core.errors import MalformedInput, TallystickError
from ledger.core.events import Body, case, item
from ledger.core.events.terms import NAME_FIELD, VALUE_FIELD
from ledger.core.messages import Message
from ledger.core.procedure.rulebook import Rulebook
from ledger.i18n import label_first_by
from ledger.i18n.amounts import usual_currency, usual_unit
from ledger.interchange.imports import values
from ledger.interchange.imports.identity import IdentityKey
from ledger.interchange.imports.mapping import (
    NO_SOURCES,
    CellSource,
    CollectionMapping,
    ColumnOrSource,
    DeadlineMapping,
    DecisionMapping,
    HandoverMapping,
    ImportMapping,
    ItemMapping,
    MeasureMapping,
    PersonMapping,
    SeizureMapping,
    source_of,
)
from ledger.interchange.imports.source_file import Pair, Survey
from ledger.interchange.imports.tables import CellRefused, SourceRow
from ledger.interchange.imports.values import Misread

B = TypeVar("B", bound=Body)
P = TypeVar("P", bound=Struct)
EventKey = tuple[str, ...]
Sections = dict[str, dict[str, str]]  # the fields of each confidential section, by its label
Parts = Mapping[str, ColumnOrSource | None]  # by the field of the event that they give
# The parts of an item that are read on their own.
PARTS_OF_ITEM = ("quantity", "unit", "volumes", "pages", "money", "seizure", "collection", "digests", "particulars")
BRACKETS = str.maketrans("〔【[〕】]", "((()))")
# What to do if they are two cases all the same.
SAME_NUMBER = Message("if both are cases, import them with --same-number")
NARRATIVE = "narrative"  # label of the section for the case's confidential columns


class RowRefused(TallystickError):
    """A row that cannot be imported as it is."""

    code = "row_refused"


class PlannedEvent(Struct, frozen=True):
    """One event of a row, or what is written of the row itself.

    ``key`` tells it from all other events of its case; ``columns`` names the column that a field of the body is from.
    ``stated`` is how the event that takes the case over states it, which then stands for the event.
    """

    body: Body
    sections: Sections = {}
    columns: dict[str, str] = {}
    key: EventKey = ()
    stated: Struct | None = None


class Plan(Struct, frozen=True):
    """The events of a row, the taking over of its case first. ``row_digest`` is equal for rows with equal events."""

    row: int
    source_key: str
    case_id: str
    row_digest: str
    events: tuple[PlannedEvent, ...]

    @property
    def case_number(self) -> str:
        """Return the number of the case as the row has it."""
        opened = self.events[0].body
        assert isinstance(opened, case.CaseTakenOver), "a plan begins with the taking over"
        return opened.case_number


def event_key(body: Body) -> EventKey | None:
    """Return the key by which an import knows an event with this body; None for events of other kinds."""
    match body:
        case case.CaseOpened() | case.CaseTakenOver():
            return ("case",)
        case case.PersonNamed(person_id=person_id):
            return "person", person_id
        case case.MeasureImposed(measure_id=measure_id):
            return "measure", measure_id
        case case.MeasureLifted(measure_id=measure_id):
            return "measure_end", measure_id
        case item.ItemRegistered(item_id=item_id):
            return "item", item_id
        case case.DecisionRecorded(decision_id=decision_id):
            return "decision", decision_id
    return None


class Planner:
    """Makes plans by one mapping, with ids by one key, for a ledger with these ``procedures``, by their ids."""

    def __init__(self, mapping: ImportMapping, key: IdentityKey, procedures: Mapping[str, Rulebook]):
        self.mapping = mapping
        self._key = key
        self._procedures = procedures

    def source_key(self, row: SourceRow) -> str:
        """Return the key by which the source system knows the row's case.

        Raises CellRefused if one of its columns is blank.
        """
        parts = []
        for column in self.mapping.key:
            part = _read(row, CellSource(column=column), values.identifier)
            if part is None:
                raise CellRefused(column, "", "blank, and the mapping's key needs it")
            parts.append(part)
        key = " / ".join(parts)
        # A long key is no line of an event: its digest is.
        return key if len(key) <= 200 else "sha256:" + hashlib.sha256(key.encode()).hexdigest()

    def key_or_none(self, row: SourceRow) -> str | None:
        """Return the row's key, None if it has none."""
        try:
            return None if row.fault else self.source_key(row)
        except CellRefused:
            return None

    def fingerprint(self, row: SourceRow) -> int | None:
        """Return 64 bits of the row's key, None if it has none."""
        source_key = self.key_or_none(row)
        return None if source_key is None else self._key.fingerprint(source_key)

    def number(self, row: SourceRow) -> int | None:
        """Return 64 bits of the row's case number, whatever its brackets; None if it has none of its own."""
        source = source_of(self.mapping.case.case_number)
        with suppress(CellRefused):
            number = _read(self._stated(row), source, values.line) if source.column and not row.fault else None
            return self._key.fingerprint(_folded(number).translate(BRACKETS)) if number else None
        return None

    def persons(self, row: SourceRow) -> Iterator[tuple[int, int]]:
        """Yield 64 bits of the number of each person of the row who has one, and 64 of the letters of the name."""
        with suppress(CellRefused):
            yield from ((identity, name) for _, identity, name in self._identified(self._stated(row)))

    def _identified(self, row: SourceRow) -> Iterator[tuple[PersonMapping, int, int]]:
        for part in self.mapping.persons:
            numbers, name = _identity(row, part), _read(row, source_of(part.name), values.line)
            if numbers and name:
                letters = "".join(filter(str.isalnum, _folded(name)))
                yield part, self._key.fingerprint("\n".join(numbers)), self._key.fingerprint(letters)

    def _stated(self, row: SourceRow) -> SourceRow:
        """Return the row with blank cells for the words that the mapping counts as such."""
        absent = self.mapping.absent
        if not absent:
            return row
        cells = {name: cell for name, cell in row.cells.items() if values.bare(cell).strip() not in absent}
        return replace(row, cells=cells)

    def plan(self, row: SourceRow, survey: Survey) -> Plan:
        """Return the plan of a row of the surveyed file. Raises CellRefused or RowRefused."""
        if row.fault:
            raise RowRefused(row.fault)
        row = self._stated(row)
        source_key = self.source_key(row)
        if repeating_row := _other_row(row, survey.repeated.get(self._key.fingerprint(source_key))):
            raise RowRefused(
                "the key {source_key!r} stands in row {other} too", source_key=source_key, other=repeating_row
            )
        if (mark := self.number(row)) is not None and (repeating_row := _other_row(row, survey.numbered.get(mark))):
            reason = Message(
                "this case number stands in row {other} too: {option}", other=repeating_row, option=SAME_NUMBER
            )
            column = source_of(self.mapping.case.case_number).column or ""
            raise CellRefused(column, _shown(row.cells.get(column)), reason)
        for column in self.mapping.required:
            if _read(row, CellSource(column=column), values.text) is None:
                raise CellRefused(column, "", "blank, and the mapping requires it")
        for part, identity, name in self._identified(row):
            for earlier_name, number in survey.named.get(identity, {}).items():
                if earlier_name != name:
                    reason = Message("this number stands with another name in row {number}", number=number)
                    raise CellRefused(part.identity[0], _shown(row.cells[part.identity[0]]), reason)
        events = copy_context().run(self._events, row, source_key)
        content = [[event.body, type(event.body).__name__, event.sections] for event in events]
        case_id = self._key.case_id(self.mapping.source_system, source_key)
        return Plan(row.number, source_key, case_id, self._key.digest(content), events)

    def _events(self, row: SourceRow, source_key: str) -> tuple[PlannedEvent, ...]:
        """Return the events, with times and money as the procedure of the row's case has them: in a context alone."""
        source = source_of(self.mapping.case.procedure)
        procedure_id = _read(row, source, values.line)
        if procedure_id is None:
            raise CellRefused(source.column or "", "", "blank, and the event needs it")
        book = self._procedures.get(procedure_id)
        if book is None:
            reason = Message("no version of the procedure {procedure_id} is in force", procedure_id=procedure_id)
            raise CellRefused(source.column or "", procedure_id, reason)
        label_first_by(book)
        return tuple(_RowReader(self.mapping, self._key, row, source_key, book).events())


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _other_row(row: SourceRow, pair: Pair | None) -> int | None:
    """Return another row that has the same, if there is one."""
    return next((number for number in pair or () if number != row.number), None)


class _RowReader:
    """Reads the events of one row."""

    def __init__(self, mapping: ImportMapping, key: IdentityKey, row: SourceRow, source_key: str, book: Rulebook):
        self._mapping = mapping
        self._key = key
        self._row = row
        self._book = book
        self._origin = (mapping.source_system, source_key)
        self._persons: dict[int, str] = {}  # the ids of those that the row names, by their number in the mapping

    def events(self) -> list[PlannedEvent]:
        """Return the events in their order. Raises CellRefused or RowRefused."""
        mapping = self._mapping
        # Persons come first: the other parts refer to them.
        persons = [self._person(number, part) for number, part in enumerate(mapping.persons, 1)]
        measures = [event for slot, part in enumerate(mapping.measures) for event in self._measure(slot, part)]
        planned: list[PlannedEvent | None] = [*persons, *measures]
        planned += [self._item(slot, part) for slot, part in enumerate(mapping.items)]
        planned += [self._decision(slot, part) for slot, part in enumerate(mapping.decisions)]
        first = self._case([event.stated for event in measures if isinstance(event.body, case.MeasureImposed)])
        events = [first, *(event for event in planned if event is not None)]
        keys: set[EventKey] = set()
        for event in events:
            if event.key in keys:
                raise RowRefused("the row names one {key} twice", key=event.key[0])
            keys.add(event.key)
        return events

    def _case(self, measures: list[Struct | None]) -> PlannedEvent:
        """Return the taking over of the case, with the measures as they are stated."""
        part = self._mapping.case
        parts = _parts(part, "confidential")
        fields = {name: self._value(name, source) for name, source in parts.items()}
        fields |= dict(zip(("source_system", "source_key"), self._origin, strict=True))
        stated: dict[str, list[Any]] = {
            "persons": [self._stated_person(number) for number in self._persons],
            "measures": measures,
            "handovers": [self._handover(slot, each) for slot, each in enumerate(self._mapping.handovers)],
            "deadlines": [self._deadline(each) for each in self._mapping.deadlines],
        }
        fields |= {name: [line for line in lines if line is not None] for name, lines in stated.items()}
        sections = self._section(NARRATIVE, part.confidential)
        return self._event(("case",), case.CaseTakenOver, fields, parts, sections=sections)

    def _stated_person(self, number: int) -> case.PersonTakenOver:
        part = self._mapping.persons[number - 1]
        parts = {"role": part.role, "stage": part.stage, "kept_for": part.kept_for}
        fields = {name: self._value(name, source) for name, source in parts.items()}
        return self._stated(case.PersonTakenOver, {"person_id": self._persons[number], **fields}, parts)

    def _handover(self, slot: int, part: HandoverMapping) -> case.HandoverTakenOver | None:
        parts = _parts(part)
        fields = self._present(parts, lead="purpose", else_by="received_at")
        if fields is None or not self._applies(part.only_if):
            return None
        ids = {"handover_id": self._id("handover", slot, part.key), "person_ids": self._persons_of(part.persons)}
        return self._stated(case.HandoverTakenOver, fields | ids, parts)

    def _deadline(self, part: DeadlineMapping) -> case.DeadlineTakenOver | None:
        parts = _parts(part)
        fields = self._present(parts, lead="clock", else_by="started_at")
        if fields is None or not self._applies(part.only_if):
            return None
        person = {} if part.person is None else {"person_id": self._person_of(part.person)}
        return self._stated(case.DeadlineTakenOver, fields | person, parts)

    def _applies(self, only_if: Mapping[str, str]) -> bool:
        """Tell whether the row has these cells."""
        return all(_read(self._row, CellSource(column=name), values.line) == cell for name, cell in only_if.items())

    def _person(self, number: int, part: PersonMapping) -> PlannedEvent | None:
        name = self._value("name", part.name)
        if name is None:
            return None
        # Without the number of a paper nobody knows whether two of one name are one person: it is of this row alone.
        known_by = _identity(self._row, part) or (*self._origin, str(number), name)
        person_id = self._persons[number] = self._key.person_id(*known_by)
        label = f"person:{number}"
        fields = {"person_id": person_id, "role": self._value("role", part.role), "section": label}
        fields["particulars"], sections = self._particulars(part.particulars)
        sections |= self._section(label, {NAME_FIELD: part.name, **part.details})
        return self._event(("person", person_id), case.PersonNamed, fields, {"role": part.role}, sections=sections)

    def _measure(self, slot: int, part: MeasureMapping) -> Iterator[PlannedEvent]:
        """Yield the measure, and its end if it has ended."""
        parts = _parts(part)
        fields = self._present(parts, lead="measure", else_by="started_at")
        if fields is None:
            return
        measure_id = self._id("measure", slot, part.key)
        ended_at, ground = fields.pop("ended_at"), fields["ground"]
        fields |= {"measure_id": measure_id, "person_id": self._person_of(part.person)}
        imposed = self._event(("measure", measure_id), case.MeasureImposed, fields, parts)
        stated = self._stated(case.MeasureTakenOver, fields | {"ended_at": ended_at}, parts)
        yield replace(imposed, stated=stated)
        if ended_at is not None:
            ending = {"measure_id": measure_id, "ended_at": ended_at, "ground": ground}
            lifted = self._event(("measure_end", measure_id), case.MeasureLifted, ending, parts)
            yield replace(lifted, stated=stated)

    def _item(self, slot: int, part: ItemMapping) -> PlannedEvent | None:
        parts = _parts(part, *PARTS_OF_ITEM)
        fields = self._present(parts, lead="description", else_by="exhibit_number")
        if fields is None:
            return None
        item_id = self._id("item", slot, part.key)
        fields |= {"item_id": item_id, "fungible": part.fungible}
        if part.volumes is not None and (volumes := self._value("volumes", part.volumes)) is not None:
            fields["dossier"] = _without_none({"volumes": volumes, "pages": self._value("pages", part.pages)})
        if part.money is not None:
            currency = part.currency or usual_currency() or ""
            read = partial(values.amount, unit=part.money_unit, currency=currency)
            amount = _read(self._row, source_of(part.money), read)
            fields["money"] = None if amount is None else {"amount": amount, "currency": currency}
        if part.seizure is not None:
            fields["seizure"] = self._seizure(part.seizure)
        if part.collection is not None:
            fields["collection"] = self._collection(part.collection)
        fields["digests"] = self._digests(part.digests)
        fields["particulars"], sections = self._particulars(part.particulars)
        unit = usual_unit() if part.unit is None else self._value("unit", part.unit)
        fields["quantity"] = {"value": self._value("quantity", part.quantity), "unit": unit}
        if part.person is not None:
            fields["person_id"] = self._person_of(part.person)
        parts |= {"quantity": part.quantity, "dossier": part.volumes, "money": part.money}
        if len(part.digests) == 1:  # of several, nobody knows here which it was
            parts |= {"digests": next(iter(part.digests.values()))}
        return self._event(("item", item_id), item.ItemRegistered, fields, parts, sections=sections)

    def _seizure(self, part: SeizureMapping) -> dict[str, Any] | None:
        """Return the seizure, or None if the row has no number of its document."""
        fields = {name: self._value(name, source) for name, source in _parts(part, "officers").items()}
        if fields["document_number"] is None:
            return None
        fields["officers"] = self._officers(part.officers)
        return self._witnessed(fields, part.witness) | self._person_if_named("holder", part.holder)

    def _collection(self, part: CollectionMapping) -> dict[str, Any] | None:
        """Return how data was collected, or None if the row names nobody who did."""
        if not (collectors := self._officers(part.collectors)):
            return None
        fields = {name: self._value(name, source) for name, source in _parts(part, "collectors", "recording").items()}
        fields |= {"collectors": collectors, "recording": self._digests(part.recording)}
        if part.medium is not None and (medium := self._item_of(part.medium)) is not None:
            fields |= {"medium_item_id": medium, "medium_not_taken": None}
        return self._witnessed(fields, part.witness)

    def _item_of(self, number: int) -> str | None:
        """Return the id of an item by its number in the mapping, or None if the row does not have it."""
        if not 0 < number <= len(self._mapping.items):
            return None
        part = self._mapping.items[number - 1]
        present = self._present(_parts(part, *PARTS_OF_ITEM), lead="description", else_by="exhibit_number")
        return None if present is None else self._id("item", number - 1, part.key)

    def _witnessed(self, fields: dict[str, Any], witness: int | None) -> dict[str, Any]:
        """Return the fields with the witness if the row has one, or else with why there was none."""
        named = self._person_if_named("witness", witness)
        return _without_none(fields | (named | {"no_witness": None} if named else {}))

    def _person_if_named(self, field: str, number: int | None) -> dict[str, str]:
        person_id = None if number is None else self._persons.get(number)
        return {} if person_id is None else {field: person_id}

    def _officers(self, sources: Collection[ColumnOrSource]) -> list[str]:
        return [officer for source in sources if (officer := self._value("officer", source)) is not None]

    def _digests(self, sources: Mapping[Algorithm, ColumnOrSource]) -> list[str]:
        """Return the digests that the row has. Their cells are hexadecimal digits, of whatever case."""
        digests = {algorithm: self._value("digest", source) for algorithm, source in sources.items()}
        return [f"{algorithm}:{digest.lower()}" for algorithm, digest in digests.items() if digest is not None]

    def _particulars(self, sources: Mapping[str, ColumnOrSource]) -> tuple[dict[str, str], Sections]:
        """Return what the row states in the fields of the procedure, each read as its type. Raises CellRefused.

        What is stated in a confidential field is a section of the event, by the field's name.
        """
        stated: dict[str, str] = {}
        sections: Sections = {}
        for name, part in sources.items():
            row_type = self._book.fields[name].type if name in self._book.fields else "text"
            value = _read(self._row, source_of(part), _PARTICULARS.get(row_type, values.line), self._mapping.dates)
            if value is None:
                continue
            if row_type in ("person", "item"):
                number = int(value) if value.isdecimal() and len(value) < 4 else 0
                persons = self._persons.get(number)
                value = persons if row_type == "person" else self._item_of(number)
            if value is None:
                raise CellRefused(source_of(part).column or "", "", "the row has no such person or item")
            if is_confidential(name, self._book):
                sections[name] = {VALUE_FIELD: value}
            else:
                stated[name] = value
        return stated, sections

    def _decision(self, slot: int, part: DecisionMapping) -> PlannedEvent | None:
        parts = _parts(part, "particulars")
        fields = self._present(parts, lead="number", else_by="decided_at")
        if fields is None:
            return None
        decision_id = self._id("decision", slot, part.key)
        fields |= {"decision_id": decision_id, "person_ids": self._persons_of(part.persons)}
        fields["particulars"], sections = self._particulars(part.particulars)
        return self._event(("decision", decision_id), case.DecisionRecorded, fields, parts, sections=sections)

    def _present(self, parts: Parts, *, lead: str, else_by: str) -> dict[str, Any] | None:
        """Return the values, or None if the row does not have the part.

        It has the part if its ``lead`` is not blank; if the lead is the same in every row, if ``else_by`` is not.
        """
        fields = {name: self._value(name, source) for name, source in parts.items()}
        sign = lead if source_of(parts[lead] or "").column else else_by
        return None if fields[sign] is None else fields

    def _id(self, noun: str, slot: int, columns: tuple[str, ...]) -> str:
        marks = [_read(self._row, CellSource(column=column), values.identifier) or "" for column in columns]
        return self._key.id_of(noun, *self._origin, str(slot), *marks)

    def _person_of(self, number: int) -> str:
        person_id = self._persons.get(number)
        if person_id is None:
            column = source_of(self._mapping.persons[number - 1].name).column
            raise CellRefused(column or "", "", "blank, and the row tells something of this person")
        return person_id

    def _persons_of(self, numbers: Collection[int]) -> list[str]:
        return [self._person_of(number) for number in numbers]

    def _section(self, label: str, parts: Mapping[str, ColumnOrSource]) -> Sections:
        fields = _without_none({name: _read(self._row, source_of(part), values.text) for name, part in parts.items()})
        return {label: fields} if fields else {}

    def _value(self, name: str, part: ColumnOrSource | None) -> Any:
        if part is None:
            return None
        return _read(self._row, source_of(part), _READERS.get(name, values.line), self._mapping.dates)

    def _event(
        self, key: EventKey, kind: type[B], fields: dict[str, Any], parts: Parts, *, sections: Sections | None = None
    ) -> PlannedEvent:
        """Return the event. Raises CellRefused at the column of a value that it does not take, or RowRefused."""
        body = self._stated(kind, fields, parts)
        sources = {name: source_of(part).column for name, part in parts.items() if part is not None}
        columns = {name: column for name, column in sources.items() if column is not None}
        return PlannedEvent(body, sections or {}, columns, key)

    def _stated(self, kind: type[P], fields: dict[str, Any], parts: Parts) -> P:
        """Return a part of an event, or its body. Raises CellRefused or RowRefused, as ``_event`` does."""
        present = _without_none(fields)
        try:
            return canonical.parse(canonical.encode(present), decoder_of(kind))
        except MalformedInput as error:
            name = (error.field or "").partition(".")[0].partition("[")[0]
            reason = error.text if name in present else "blank, and the event needs it"
            column = source_of(parts.get(name) or CellSource()).column
            if column is None:
                raise RowRefused("{error.field}: {reason}", error=error, reason=reason) from error
            raise CellRefused(column, _shown(self._row.cells.get(column)), reason) from error


_READERS: dict[str, Callable[..., Any]] = {
    **dict.fromkeys(("opened_at", "as_of", "started_at", "ended_at", "received_at"), values.instant),
    **dict.fromkeys(("decided_at", "served_at", "effective_at", "seized_at", "network_time_at"), values.instant),
    **dict.fromkeys(("volumes", "pages"), values.count),
    **dict.fromkeys(("ground", "description", "condition", "method", "no_witness", "medium_not_taken"), values.text),
    "until": values.day,
    "quantity": values.decimal,
}
_DATED = (values.instant, values.day)
# By the type of a field of the procedure; other values are lines.
_PARTICULARS: dict[str, Callable[..., Any]] = {"text": values.text, "number": values.decimal, "date": values.day}


def _read(row: SourceRow, source: CellSource, reader: Callable[..., Any], dates: Collection[str] = ()) -> Any:
    """Return the value that the source gives of this row. Raises CellRefused."""
    cell: Any = source.value if source.column is None else row.cells.get(source.column)
    try:
        if source.column is not None and (source.words or source.default is not None):
            word = values.line(cell)
            if word is not None and source.words and word not in source.words:
                raise Misread("the mapping has no word for it; it knows {words}", words=", ".join(source.words))
            cell = source.default if word is None else source.words.get(word, word)
        return reader(cell, dates) if reader in _DATED else reader(cell)
    except Misread as error:
        raise CellRefused(source.column or "", _shown(row.cells.get(source.column or "")), error.text) from error


def _identity(row: SourceRow, part: PersonMapping) -> tuple[str, ...]:
    """Return the cells by which a person is the same in every case, none if one of them is blank."""
    numbers = [_read(row, CellSource(column=column), values.identifier) for column in part.identity]
    return tuple(number for number in numbers if number) if all(numbers) else ()


def _shown(cell: Any) -> str:
    return "" if cell is None else str(getattr(cell, "reason", cell))


def _parts(part: Struct, *without: str) -> dict[str, ColumnOrSource | None]:
    """Return the columns and values of a part of the mapping by the field of the event that they give."""
    names = [name for name in part.__struct_fields__ if name not in (*NO_SOURCES, *without)]
    return {name: getattr(part, name) for name in names}


def _without_none(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
