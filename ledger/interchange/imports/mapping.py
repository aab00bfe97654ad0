"""Mappings: TOML files that say what the columns of an agency's own system mean in the ledger.

A part of a mapping is read from a column (``"案件编号"``, or ``{ column = "案由", words = { 盗窃 = "theft" } }``), or
is the same in every row (``{ value = "criminal" }``). ``docs/import.md`` shows them in full.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from ledger.core.encoding.decoding import convert, decode_toml
from ledger.core.encoding.digests import Algorithm
from ledger.core.errors import MalformedInput
from ledger.core.events.terms import CurrencyCode, Line, Particular, SectionField
from ledger.core.messages import Message
from ledger.core.procedure.rulebook import Rulebook
from ledger.interchange.imports.values import DateStyle, MoneyUnit

MAX_BYTES = 1024 * 1024
_FAULT = re.compile(r"(?P<fault>.*) - at `(?:key in )?\$(?P<path>.*)`\Z", re.DOTALL)
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<name>.*)`\Z", re.DOTALL)

Format = Literal["csv", "xlsx", "json"]
Name = Annotated[str, Meta(min_length=1, max_length=200)]


class _Strict(Struct, frozen=True, forbid_unknown_fields=True):
    pass


class CellSource(_Strict, frozen=True):
    """A column or a value. ``words`` translates the column's cells, ``default`` replaces a blank one."""

    column: Name | None = None
    value: Name | None = None
    words: dict[str, str] = {}
    default: Name | None = None


ColumnOrSource = Name | CellSource
# Fields of the parts of a mapping that are neither.
NO_SOURCES = (
    *("key", "identity", "person", "persons", "holder", "witness", "medium", "money_unit", "currency", "fungible"),
    "only_if",
)
Number = Annotated[int, Meta(ge=1)]  # of a person or an item of the mapping


class CaseMapping(_Strict, frozen=True):
    """``as_of`` is the moment of which the file tells, if it is not that of the import."""

    case_number: ColumnOrSource
    case_type: ColumnOrSource
    business_line: ColumnOrSource
    stage: ColumnOrSource
    procedure: ColumnOrSource
    opened_at: ColumnOrSource | None = None
    as_of: ColumnOrSource | None = None
    trial: ColumnOrSource | None = None
    confidential: dict[SectionField, ColumnOrSource] = {}


class PersonMapping(_Strict, frozen=True):
    """``identity`` are the columns by which a person is the same in every case: the number of a paper, not a name.

    ``particulars`` are by the fields that the procedure has of the role.
    """

    name: ColumnOrSource
    role: ColumnOrSource
    stage: ColumnOrSource | None = None
    kept_for: ColumnOrSource | None = None
    identity: tuple[Name, ...] = ()
    details: dict[SectionField, ColumnOrSource] = {}
    particulars: dict[Particular, ColumnOrSource] = {}


class MeasureMapping(_Strict, frozen=True):
    """``person`` counts the mapping's persons from 1. Where a column of ``key`` changes, it is another measure."""

    measure: ColumnOrSource
    started_at: ColumnOrSource
    ground: ColumnOrSource
    until: ColumnOrSource | None = None
    ended_at: ColumnOrSource | None = None
    person: Number = 1
    key: tuple[Name, ...] = ()


class SeizureMapping(_Strict, frozen=True):
    """``holder`` and ``witness`` count the mapping's persons; ``no_witness`` counts where the row has no witness."""

    document_number: ColumnOrSource
    seized_at: ColumnOrSource
    officers: Annotated[tuple[ColumnOrSource, ...], Meta(min_length=1, max_length=16)]
    holder: Number | None = None
    witness: Number | None = None
    no_witness: ColumnOrSource | None = None
    place: ColumnOrSource | None = None


class CollectionMapping(_Strict, frozen=True):
    """How data was taken. ``medium`` counts the mapping's items; ``no_witness`` and ``medium_not_taken`` count where
    the row has neither; ``recording`` is by the algorithm of its digests."""

    collectors: Annotated[tuple[ColumnOrSource, ...], Meta(min_length=1, max_length=16)]
    tool: ColumnOrSource
    method: ColumnOrSource
    medium: Number | None = None
    medium_not_taken: ColumnOrSource | None = None
    address: ColumnOrSource | None = None
    network_time_at: ColumnOrSource | None = None
    record_number: ColumnOrSource | None = None
    witness: Number | None = None
    no_witness: ColumnOrSource | None = None
    recording: dict[Algorithm, ColumnOrSource] = {}


class ItemMapping(_Strict, frozen=True):
    """``unit`` is that of the procedure unless it is stated; ``volumes`` and ``pages`` are of a dossier, ``money``
    counts in ``money_unit`` of the ``currency``, else that of the procedure; ``person`` is a detainee,
    ``digests`` are by their algorithm, ``particulars`` by the fields that the procedure has of the kind."""

    item_kind: ColumnOrSource
    description: ColumnOrSource
    quantity: ColumnOrSource = CellSource(value="1")
    unit: ColumnOrSource | None = None
    exhibit_number: ColumnOrSource | None = None
    condition: ColumnOrSource | None = None
    seal_number: ColumnOrSource | None = None
    storage_location: ColumnOrSource | None = None
    account: ColumnOrSource | None = None
    volumes: ColumnOrSource | None = None
    pages: ColumnOrSource | None = None
    money: ColumnOrSource | None = None
    money_unit: MoneyUnit = "main"
    currency: CurrencyCode | None = None
    features: ColumnOrSource | None = None
    obtained_from: ColumnOrSource | None = None
    digests: dict[Algorithm, ColumnOrSource] = {}
    particulars: dict[Particular, ColumnOrSource] = {}
    seizure: SeizureMapping | None = None
    collection: CollectionMapping | None = None
    person: Number | None = None
    fungible: bool = False
    key: tuple[Name, ...] = ()


class DecisionMapping(_Strict, frozen=True):
    """``particulars`` are by the fields that the procedure has of the kind."""

    kind: ColumnOrSource
    number: ColumnOrSource
    decided_at: ColumnOrSource
    served_at: ColumnOrSource | None = None
    effective_at: ColumnOrSource | None = None
    particulars: dict[Particular, ColumnOrSource] = {}
    persons: tuple[Number, ...] = ()
    key: tuple[Name, ...] = ()


class HandoverMapping(_Strict, frozen=True):
    """A handover of before, of the persons of these numbers; ``only_if`` names columns with the cells it is for."""

    from_agency: ColumnOrSource
    to_agency: ColumnOrSource
    purpose: ColumnOrSource
    received_at: ColumnOrSource
    stage: ColumnOrSource | None = None
    persons: tuple[Number, ...] = ()
    only_if: dict[Name, Name] = {}
    key: tuple[Name, ...] = ()


class DeadlineMapping(_Strict, frozen=True):
    """A clock that runs, for the person of this number, else all accused; a clock that is ``""`` is none."""

    clock: ColumnOrSource
    started_at: ColumnOrSource
    until: ColumnOrSource | None = None
    agency: ColumnOrSource | None = None
    person: Number | None = None
    only_if: dict[Name, Name] = {}


class MappedFile(_Strict, frozen=True, kw_only=True):
    """How a file is read, in the format that its name tells unless it is stated; ``key`` are the columns of a case."""

    key: Annotated[tuple[Name, ...], Meta(min_length=1, max_length=8)]
    format: Format | None = None
    encoding: Literal["utf-8", "gb18030"] = "utf-8"
    delimiter: Annotated[str, Meta(min_length=1, max_length=1)] = ","
    sheet: str | None = None
    header_row: Annotated[int, Meta(ge=1, le=100)] = 1


class JoinedFile(MappedFile, frozen=True):
    """Another file, whose rows belong to the case with the same cells in ``key``, in the order of the mapping's key."""

    name: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,31}$(?!\n)")]


class ImportMapping(MappedFile, frozen=True):
    """The meaning of one kind of file. ``key`` are the columns that identify a case in ``source_system``.

    ``absent`` are words that count as a blank cell.
    """

    name: Line
    source_system: Line
    case: CaseMapping
    dates: Annotated[tuple[DateStyle, ...], Meta(min_length=1)] = ("written",)
    required: tuple[Name, ...] = ()
    absent: tuple[Name, ...] = ()
    persons: Annotated[tuple[PersonMapping, ...], Meta(max_length=64)] = ()
    measures: Annotated[tuple[MeasureMapping, ...], Meta(max_length=64)] = ()
    items: Annotated[tuple[ItemMapping, ...], Meta(max_length=64)] = ()
    decisions: Annotated[tuple[DecisionMapping, ...], Meta(max_length=64)] = ()
    handovers: Annotated[tuple[HandoverMapping, ...], Meta(max_length=64)] = ()
    deadlines: Annotated[tuple[DeadlineMapping, ...], Meta(max_length=64)] = ()
    files: Annotated[tuple[JoinedFile, ...], Meta(max_length=8)] = ()

    def sources(self) -> Iterator[tuple[str, CellSource]]:
        """Yield every column or value that is asked for, by its path in the mapping."""
        yield from _sources("case", self.case)
        for group in ("persons", "measures", "items", "decisions", "handovers", "deadlines"):
            for place, part in enumerate(getattr(self, group)):
                yield from _sources(f"{group}[{place}]", part)

    def columns(self) -> dict[str, str]:
        """Return every column that is asked for, with the path that asks for it first."""
        named: list[tuple[str, tuple[str, ...]]] = [
            (path, (source.column,)) for path, source in self.sources() if source.column is not None
        ]
        named += [("key", self.key), ("required", self.required)]
        named += [(f"persons[{place}].identity", part.identity) for place, part in enumerate(self.persons)]
        for group in ("handovers", "deadlines"):
            named += [(f"{group}[{n}].only_if", (*part.only_if,)) for n, part in enumerate(getattr(self, group))]
        for group in ("measures", "items", "decisions", "handovers"):
            named += [(f"{group}[{place}].key", part.key) for place, part in enumerate(getattr(self, group))]
        paths: dict[str, str] = {}
        for path, names in named:
            for name in names:
                paths.setdefault(name, path)
        return paths


def source_of(part: ColumnOrSource) -> CellSource:
    """Return the source; a bare name is the column of this name."""
    return CellSource(column=part) if isinstance(part, str) else part


def _sources(path: str, part: Struct) -> Iterator[tuple[str, CellSource]]:
    for name in part.__struct_fields__:
        value = getattr(part, name)
        if name in NO_SOURCES or value is None:
            continue
        if isinstance(value, SeizureMapping | CollectionMapping):
            yield from _sources(f"{path}.{name}", value)
        elif isinstance(value, Mapping):
            yield from ((f"{path}.{name}.{key}", source_of(inner)) for key, inner in value.items())
        elif isinstance(value, tuple):
            yield from ((f"{path}.{name}[{place}]", source_of(inner)) for place, inner in enumerate(value))
        else:
            yield path + "." + name, source_of(value)


# -- reading -----------------------------------------------------------------------------------------------------------

VOCABULARIES = {
    ("case", "business_line"): "business_line",
    ("case", "stage"): "stage",
    ("persons", "role"): "person_role",
    ("measures", "measure"): "measure",
    ("items", "item_kind"): "item_kind",
    ("decisions", "kind"): "decision_kind",
    ("case", "trial"): "trial",
    ("persons", "stage"): "stage",
    ("handovers", "purpose"): "purpose",
    ("handovers", "stage"): "stage",
    ("deadlines", "clock"): "clock",
}
# Parts that a row may have or not: of these the word may be none.
MAY_BE_NONE = ("clock", "purpose")


_PARTS: dict[str, type[Struct]] = {
    "": ImportMapping,
    "case": CaseMapping,
    "persons": PersonMapping,
    "measures": MeasureMapping,
    "items": ItemMapping,
    "decisions": DecisionMapping,
    "handovers": HandoverMapping,
    "deadlines": DeadlineMapping,
    "files": JoinedFile,
    "seizure": SeizureMapping,
    "collection": CollectionMapping,
}


def read_mapping(path: Path, procedures: Mapping[str, Rulebook]) -> ImportMapping:
    """Read the mapping in a TOML file, for a ledger with these procedures, by their ids.

    Raises MalformedInput with file, key, and what was expected there.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise MalformedInput(
            "{path} cannot be read: {error.strerror}", path=path, error=error, field="--mapping"
        ) from error
    if len(data) > MAX_BYTES:
        raise MalformedInput("{path} has more than {limit} bytes", path=path, limit=MAX_BYTES, field="--mapping")
    return parse_mapping(data, str(path), procedures)


def parse_mapping(data: bytes, name: str, procedures: Mapping[str, Rulebook]) -> ImportMapping:
    """Return the mapping in this TOML. Raises MalformedInput, calling it ``name``, as ``read_mapping`` does."""
    tables = decode_toml(data, field=name)
    try:
        mapping = convert(tables, ImportMapping)
    except msgspec.ValidationError as error:
        # The decoder's message ends with the key at which it failed.
        match = _FAULT.match(str(error))
        fault, path = (match["fault"], match["path"].lstrip(".")) if match else (str(error), "")
        unknown = _UNKNOWN.match(fault)
        group = path.rpartition(".")[2].partition("[")[0]
        hint = nearest(unknown["name"], _PARTS.get(group, Struct).__struct_fields__) if unknown else None
        raise MalformedInput(fault, field=f"{name}: {path}" if path else name, hint=hint) from error
    books = _named_procedures(mapping, procedures, name)
    for path, source in mapping.sources():
        _require_source(name, path, source, books)
    for place, file in enumerate(mapping.files):
        if len(file.key) != len(mapping.key) or file.name in {earlier.name for earlier in mapping.files[:place]}:
            raise MalformedInput(
                "expected a name of its own, and as many columns in `key` as the mapping has",
                field=f"{name}: files[{place}]",
            )
    for path, number in _person_numbers(mapping):
        if number > len(mapping.persons):
            raise MalformedInput("the mapping has no person of number {number}", number=number, field=f"{name}: {path}")
    for place, part in enumerate(mapping.items):
        if part.collection is not None and (number := part.collection.medium or 0) > len(mapping.items):
            raise MalformedInput(
                "the mapping has no item of number {number}",
                number=number,
                field=f"{name}: items[{place}].collection.medium",
            )
    return mapping


def _person_numbers(mapping: ImportMapping) -> Iterator[tuple[str, int]]:
    """Yield each number that stands for a person of the mapping, by its path."""
    for group in ("measures", "items", "deadlines"):
        for place, part in enumerate(getattr(mapping, group)):
            if part.person is not None:
                yield f"{group}[{place}].person", part.person
    for group in ("decisions", "handovers"):
        for place, part in enumerate(getattr(mapping, group)):
            yield from ((f"{group}[{place}].persons", number) for number in part.persons)
    for place, part in enumerate(mapping.items):
        for name, taking in (("seizure", part.seizure), ("collection", part.collection)):
            for role in ("holder", "witness"):
                if (number := getattr(taking, role, None)) is not None:
                    yield f"items[{place}].{name}.{role}", number


def _named_procedures(mapping: ImportMapping, procedures: Mapping[str, Rulebook], name: str) -> list[Rulebook]:
    """Return the procedures that rows can be judged by: all, if their ids stand in a column as they are."""
    source = source_of(mapping.case.procedure)
    if source.column is not None and not source.words:
        return [*procedures.values()]
    ids = {"value": source.value, "default": source.default} | {
        f"words.{cell}": to for cell, to in source.words.items()
    }
    named = {key: procedure_id for key, procedure_id in ids.items() if procedure_id is not None}
    for key, procedure_id in named.items():
        if procedure_id not in procedures:
            raise MalformedInput(
                "no version of the procedure {procedure_id} is in force",
                procedure_id=procedure_id,
                field=f"{name}: case.procedure.{key}",
                hint=nearest(procedure_id, procedures),
            )
    return [procedures[procedure_id] for procedure_id in dict.fromkeys(named.values())]


def _require_source(name: str, path: str, source: CellSource, books: Iterable[Rulebook]) -> None:
    if (source.column is None) == (source.value is None):
        raise MalformedInput("expected either a column or a value", field=f"{name}: {path}")
    if source.value is not None and (source.words or source.default is not None):
        raise MalformedInput("a value has neither words nor a default", field=f"{name}: {path}")
    group, _, field = path.partition(".")
    vocabulary = VOCABULARIES.get((group.partition("[")[0], field), "")
    allowed = [word for word in _words_of(vocabulary, books) if (group, word) != ("case", "closed")]
    if field.startswith("particulars."):
        allowed = _words_of_field(name, path, books)
    if not allowed and not vocabulary:
        return
    if source.column is not None and not source.words:
        raise MalformedInput(
            'expected words, such as words = { 拘留 = "detention" }',
            field=f"{name}: {path}",
            hint=Message("What stands in the column becomes one of {allowed}.", allowed=", ".join(allowed)),
        )
    words = {f"{path}.words.{word}": value for word, value in source.words.items()}
    words |= {f"{path}.{key}": value for key in ("value", "default") if (value := getattr(source, key)) is not None}
    for key, value in words.items():
        if value not in allowed and (value or vocabulary not in MAY_BE_NONE):
            hint = nearest(value, allowed)
            raise MalformedInput("expected one of {names}", names=", ".join(allowed), field=f"{name}: {key}", hint=hint)


def _words_of(vocabulary: str, books: Iterable[Rulebook]) -> tuple[str, ...]:
    """Return the words that the procedures have of a vocabulary, or the clocks that a taking over can state."""
    if vocabulary == "clock":
        words = (row.name for book in books for row in book.clocks if row.per in ("case", "person"))
    else:
        words = (word for book in books for word in book.vocabularies.get(vocabulary, ()))
    return tuple(dict.fromkeys(words))


def _words_of_field(name: str, path: str, books: Iterable[Rulebook]) -> list[str]:
    """Return the words that a field of the procedures takes, none if it takes no words. Raises MalformedInput."""
    field = path.rpartition(".")[2]
    rows = [book.fields[field] for book in books if field in book.fields]
    if not rows:
        fields = _words_of("particular", books)
        hint = nearest(field, fields)
        raise MalformedInput("expected one of {names}", names=", ".join(fields), field=f"{name}: {path}", hint=hint)
    words = (word for row in rows for word in (("yes", "no") if row.type == "yes_no" else row.choices))
    return list(dict.fromkeys(words))


def nearest(word: str, words: Iterable[str]) -> str | None:
    """Return a hint at the word that was probably meant, None if none is near."""
    matches = get_close_matches(word, list(words), n=1, cutoff=0.5)
    return Message("Did you mean {matches!r}?", matches=matches[0]) if matches else None
