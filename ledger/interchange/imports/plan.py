"""From a row to the events of its case: what the mapping makes of each cell, before anything is signed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection
from collections.abc import Mapping as Named
from typing import Any, TypeVar

from msgspec import Struct

from ledger.core.encoding import canonical
from ledger.core.encoding.decoding import decoder_of
from ledger.core.errors import MalformedInput, TallystickError
from ledger.core.events import Body, case, item
from ledger.interchange.imports import values
from ledger.interchange.imports.identity import IdentityKey
from ledger.interchange.imports.mapping import (
    DecisionPart,
    Given,
    ItemPart,
    Mapping,
    MeasurePart,
    PersonPart,
    Source,
    source_of,
)
from ledger.interchange.imports.source_file import Survey
from ledger.interchange.imports.tables import CellRefused, Row
from ledger.interchange.imports.values import Misread

B = TypeVar("B", bound=Body)
Subject = tuple[str, ...]
NARRATIVE = "narrative"  # label of the section that the case's confidential columns stand in


class RowRefused(TallystickError):
    """A row that cannot be imported as it is."""

    code = "row_refused"


class Fact(Struct, frozen=True):
    """One event that a row stands for. ``subject`` is what it is the one event about, in its case; ``columns`` tells
    where a part of the body comes from."""

    subject: Subject
    body: Body
    occurred_at: str | None = None
    section: tuple[str, dict[str, str]] | None = None
    columns: dict[str, str] = {}


class Plan(Struct, frozen=True):
    """What a row comes to. ``row_digest`` is equal for rows that come to the same."""

    row: int
    source_key: str
    case_id: str
    row_digest: str
    facts: tuple[Fact, ...]


def subject_of(body: Body) -> Subject | None:
    """What an event of an import is the one event about; None for events of other kinds."""
    if isinstance(body, case.CaseOpened):
        return ("case",)
    if isinstance(body, case.PersonNamed):
        return "person", body.person_id
    if isinstance(body, case.MeasureImposed):
        return "measure", body.measure_id
    if isinstance(body, item.ItemRegistered):
        return "item", body.item_id
    if isinstance(body, case.DecisionRecorded):
        return "decision", body.decision_id
    return None


class Planner:
    """Makes plans by one mapping, with ids by one key."""

    def __init__(self, mapping: Mapping, key: IdentityKey):
        self.mapping = mapping
        self._key = key

    def source_key(self, row: Row) -> str:
        """What the source system knows the row's case by. Raises CellRefused where a column of it is blank."""
        parts = []
        for column in self.mapping.key:
            said = _read(row, Source(column=column), values.line)
            if said is None:
                raise CellRefused(column, "", "blank, and the mapping's key needs it")
            parts.append(said)
        told = " / ".join(parts)
        # A long key is no line of an event: its digest is.
        return told if len(told) <= 200 else "sha256:" + hashlib.sha256(told.encode()).hexdigest()

    def key_or_none(self, row: Row) -> str | None:
        """The same; None where it has none."""
        try:
            return None if row.fault else self.source_key(row)
        except CellRefused:
            return None

    def fingerprint(self, row: Row) -> int | None:
        """64 bits of the row's key; None where it has none."""
        source_key = self.key_or_none(row)
        return None if source_key is None else self._key.fingerprint(source_key)

    def plan(self, row: Row, survey: Survey) -> Plan:
        """Raises CellRefused or RowRefused."""
        if row.fault:
            raise RowRefused(row.fault)
        source_key = self.source_key(row)
        if self._key.fingerprint(source_key) in survey.repeated:
            raise RowRefused(f"the key {source_key!r} stands in more than one row of the file")
        for column in self.mapping.required:
            if _read(row, Source(column=column), values.text) is None:
                raise CellRefused(column, "", "blank, and the mapping requires it")
        facts = tuple(_Drafter(self.mapping, self._key, row, source_key).facts())
        said = [[fact.body, type(fact.body).__name__, fact.occurred_at, fact.section] for fact in facts]
        case_id = self._key.case_id(self.mapping.source_system, source_key)
        return Plan(row.number, source_key, case_id, self._key.digest(said), facts)


class _Drafter:
    """The facts of one row."""

    def __init__(self, mapping: Mapping, key: IdentityKey, row: Row, source_key: str):
        self._mapping = mapping
        self._key = key
        self._row = row
        self._origin = (mapping.source_system, source_key)
        self._persons: dict[int, str] = {}

    def facts(self) -> list[Fact]:
        mapping = self._mapping
        facts = [self._case()]
        facts += [fact for number, part in enumerate(mapping.persons, 1) if (fact := self._person(number, part))]
        facts += [fact for slot, part in enumerate(mapping.measures) if (fact := self._measure(slot, part))]
        facts += [fact for slot, part in enumerate(mapping.items) if (fact := self._item(slot, part))]
        facts += [fact for slot, part in enumerate(mapping.decisions) if (fact := self._decision(slot, part))]
        subjects = [fact.subject for fact in facts]
        if len(set(subjects)) != len(subjects):
            twice = next(subject for subject in subjects if subjects.count(subject) > 1)
            raise RowRefused(f"the row names one {twice[0]} twice")
        return facts

    # -- the parts -----------------------------------------------------------------------------------------------------

    def _case(self) -> Fact:
        part = self._mapping.case
        given: dict[str, Given | None] = {
            name: getattr(part, name) for name in ("case_number", "case_type", "business_line", "stage")
        }
        opened_at = None if part.opened_at is None else self._value("opened_at", part.opened_at)
        body = self._body(case.CaseOpened, {name: self._value(name, one) for name, one in given.items()}, given)
        return Fact(("case",), body, opened_at, self._section(NARRATIVE, part.confidential), _columns(given))

    def _person(self, number: int, part: PersonPart) -> Fact | None:
        name = self._value("name", part.name)
        if name is None:
            return None
        identity = [_read(self._row, Source(column=column), values.line) for column in part.identity]
        known = all(identity) and bool(identity)
        own = tuple(one for one in identity if one) if known else (*self._origin, str(number), name)
        person_id = self._key.person_id(*own)
        self._persons[number] = person_id
        label = f"person:{number}"
        given: dict[str, Given | None] = {"role": part.role}
        fields = {"person_id": person_id, "role": self._value("role", part.role), "section": label}
        section = self._section(label, {"name": part.name, **part.details})
        return Fact(("person", person_id), self._body(case.PersonNamed, fields, given), None, section, _columns(given))

    def _measure(self, slot: int, part: MeasurePart) -> Fact | None:
        given: dict[str, Given | None] = {
            name: getattr(part, name) for name in ("measure", "started_at", "ground", "until")
        }
        fields = self._present(given, lead="measure", other="started_at")
        if fields is None:
            return None
        measure_id = self._id("measure", slot, part.key)
        fields |= {"measure_id": measure_id, "person_id": self._person_of(part.person)}
        body = self._body(case.MeasureImposed, fields, given)
        return Fact(("measure", measure_id), body, None, None, _columns(given))

    def _item(self, slot: int, part: ItemPart) -> Fact | None:
        names = (
            "item_kind",
            "description",
            "exhibit_number",
            "condition",
            "seal_number",
            "storage_location",
            "account",
        )
        given: dict[str, Given | None] = {name: getattr(part, name) for name in names}
        fields = self._present(given, lead="description", other="exhibit_number")
        if fields is None:
            return None
        item_id = self._id("item", slot, part.key)
        fields |= {"item_id": item_id, "fungible": part.fungible, **self._extent(part)}
        given |= {"quantity": part.quantity, "dossier": part.volumes, "money": part.money}
        fields["quantity"] = {"value": self._value("quantity", part.quantity), "unit": self._value("unit", part.unit)}
        if part.person is not None:
            fields["person_id"] = self._person_of(part.person)
        body = self._body(item.ItemRegistered, fields, given)
        return Fact(("item", item_id), body, None, None, _columns(given))

    def _extent(self, part: ItemPart) -> dict[str, Any]:
        """What only some kinds of item have: volumes of a dossier, an amount of money, a seizure."""
        found: dict[str, Any] = {}
        if part.volumes is not None and (volumes := self._value("volumes", part.volumes)) is not None:
            found["dossier"] = _filled(volumes=volumes, pages=self._value("pages", part.pages))
        if part.money is not None:
            fen = _read(self._row, source_of(part.money), lambda cell: values.hundredths(cell, part.money_unit))
            found["money"] = None if fen is None else {"fen": fen, "currency": "CNY"}
        if part.seizure is not None and (number := self._value("document_number", part.seizure.document_number)):
            officers = [self._value("officer", officer) for officer in part.seizure.officers]
            seized_at = self._value("seized_at", part.seizure.seized_at)
            found["seizure"] = _filled(document_number=number, seized_at=seized_at, officers=officers)
        return found

    def _decision(self, slot: int, part: DecisionPart) -> Fact | None:
        given: dict[str, Given | None] = {
            name: getattr(part, name) for name in ("kind", "number", "decided_at", "served_at", "effective_at")
        }
        fields = self._present(given, lead="number", other="decided_at")
        if fields is None:
            return None
        decision_id = self._id("decision", slot, part.key)
        fields |= {"decision_id": decision_id, "person_ids": [self._person_of(number) for number in part.persons]}
        body = self._body(case.DecisionRecorded, fields, given)
        return Fact(("decision", decision_id), body, None, None, _columns(given))

    # -- what parts are made of ----------------------------------------------------------------------------------------

    def _present(self, given: Named[str, Given | None], *, lead: str, other: str) -> dict[str, Any] | None:
        """The values, unless the row has none of what the part is told by: its lead, or where that is the same in every
        row, the other one."""
        fields = {name: self._value(name, one) for name, one in given.items()}
        sign = lead if source_of(given[lead] or "").column else other
        return None if fields[sign] is None else fields

    def _id(self, noun: str, slot: int, columns: tuple[str, ...]) -> str:
        marks = [_read(self._row, Source(column=column), values.line) or "" for column in columns]
        return self._key.id_of(noun, *self._origin, str(slot), *marks)

    def _person_of(self, number: int) -> str:
        person_id = self._persons.get(number)
        if person_id is None:
            column = source_of(self._mapping.persons[number - 1].name).column
            raise CellRefused(column or "", "", "blank, and the row tells something of this person")
        return person_id

    def _section(self, label: str, given: Named[str, Given]) -> tuple[str, dict[str, str]] | None:
        fields = {name: _read(self._row, source_of(one), values.text) for name, one in given.items()}
        kept = {name: said for name, said in fields.items() if said is not None}
        return (label, kept) if kept else None

    def _value(self, name: str, given: Given | None) -> Any:
        if given is None:
            return None
        return _read(self._row, source_of(given), _READERS.get(name, values.line), self._mapping.dates)

    def _body(self, kind: type[B], fields: dict[str, Any], given: Named[str, Given | None]) -> B:
        told = {name: value for name, value in fields.items() if value is not None}
        try:
            body: B = canonical.parse(canonical.encode(told), decoder_of(kind))
        except MalformedInput as error:
            raise self._of_body(error, told, given) from error
        return body

    def _of_body(
        self, error: MalformedInput, told: dict[str, Any], given: Named[str, Given | None]
    ) -> CellRefused | RowRefused:
        """What an event says of a value, at the column that it comes from."""
        name = (error.field or "").partition(".")[0].partition("[")[0]
        reason = error.message if name in told else "blank, and the event needs it"
        source = source_of(given.get(name) or Source())
        if source.column is None:
            return RowRefused(f"{error.field}: {reason}")
        return CellRefused(source.column, _shown(self._row.cells.get(source.column)), reason)


_READERS: dict[str, Callable[..., Any]] = {
    "opened_at": values.instant,
    "started_at": values.instant,
    "decided_at": values.instant,
    "served_at": values.instant,
    "effective_at": values.instant,
    "seized_at": values.instant,
    "until": values.day,
    "quantity": values.decimal,
    "volumes": values.count,
    "pages": values.count,
    "ground": values.text,
    "description": values.text,
    "condition": values.text,
}
_DATED = (values.instant, values.day)


def _read(row: Row, source: Source, reader: Callable[..., Any], dates: Collection[str] = ()) -> Any:
    """What the source gives of this row. Raises CellRefused."""
    if source.column is None:
        said: Any = source.value
    else:
        said = row.cells.get(source.column)
    try:
        if source.column is not None and (source.words or source.default is not None):
            said = _translated(source, values.line(said))
        return reader(said, dates) if reader in _DATED else reader(said)
    except Misread as error:
        raise CellRefused(source.column or "", _shown(row.cells.get(source.column or "")), str(error)) from error


def _translated(source: Source, said: str | None) -> str | None:
    if said is None:
        return source.default
    if source.words and said not in source.words:
        raise Misread(f"the mapping has no word for it; it knows {', '.join(source.words)}")
    return source.words.get(said, said)


def _shown(cell: Any) -> str:
    return "" if cell is None else str(getattr(cell, "reason", cell))


def _columns(given: Named[str, Given | None]) -> dict[str, str]:
    found = {name: source_of(one).column for name, one in given.items() if one is not None}
    return {name: column for name, column in found.items() if column is not None}


def _filled(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
