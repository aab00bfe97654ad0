"""Mappings: TOML files that say what the columns of an agency's own system mean here.

A part of a mapping is read from a column (``"案件编号"``, or ``{ column = "案由", words = { 盗窃 = "theft" } }``), or
is the same in every row (``{ value = "criminal" }``). ``docs/import.md`` shows them in full.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Mapping as Named
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from ledger.core.encoding.decoding import convert, decode_toml
from ledger.core.errors import MalformedInput
from ledger.core.events import terms
from ledger.core.events.terms import Line, SectionField
from ledger.interchange.imports.values import DateStyle

MAX_BYTES = 1024 * 1024
_FAULT = re.compile(r"(?P<what>.*) - at `(?:key in )?\$(?P<path>.*)`\Z", re.DOTALL)
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<name>.*)`\Z", re.DOTALL)

Name = Annotated[str, Meta(min_length=1, max_length=200)]


class _Strict(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class Source(_Strict, frozen=True):
    """A column or a value. ``words`` translates what stands in the column, ``default`` stands in for a blank cell."""

    column: Name | None = None
    value: Name | None = None
    words: dict[str, str] = {}
    default: Name | None = None


Given = Name | Source


class CasePart(_Strict, frozen=True):
    case_number: Given
    case_type: Given
    business_line: Given
    stage: Given
    opened_at: Given | None = None
    confidential: dict[SectionField, Given] = {}


class PersonPart(_Strict, frozen=True):
    """``identity`` are the columns by which a person is the same in every case: the number of a paper, not a name."""

    name: Given
    role: Given
    identity: tuple[Name, ...] = ()
    details: dict[SectionField, Given] = {}


class MeasurePart(_Strict, frozen=True):
    """``person`` counts the mapping's persons from 1. Where a column of ``key`` changes, it is another measure."""

    measure: Given
    started_at: Given
    ground: Given
    until: Given | None = None
    person: Annotated[int, Meta(ge=1)] = 1
    key: tuple[Name, ...] = ()


class SeizurePart(_Strict, frozen=True):
    document_number: Given
    seized_at: Given
    officers: Annotated[tuple[Given, ...], Meta(min_length=2, max_length=16)]


class ItemPart(_Strict, frozen=True):
    """``volumes`` and ``pages`` are of a dossier, ``money`` counts in ``money_unit``, ``person`` is a detainee."""

    item_kind: Given
    description: Given
    quantity: Given = Source(value="1")
    unit: Given = Source(value="piece")
    exhibit_number: Given | None = None
    condition: Given | None = None
    seal_number: Given | None = None
    storage_location: Given | None = None
    account: Given | None = None
    volumes: Given | None = None
    pages: Given | None = None
    money: Given | None = None
    money_unit: Literal["yuan", "wan_yuan", "fen"] = "yuan"
    seizure: SeizurePart | None = None
    person: Annotated[int, Meta(ge=1)] | None = None
    fungible: bool = False
    key: tuple[Name, ...] = ()


class DecisionPart(_Strict, frozen=True):
    kind: Given
    number: Given
    decided_at: Given
    served_at: Given | None = None
    effective_at: Given | None = None
    persons: tuple[Annotated[int, Meta(ge=1)], ...] = ()
    key: tuple[Name, ...] = ()


class Mapping(_Strict, frozen=True):
    """What one kind of file means. ``key`` are the columns that tell a case in ``source_system``."""

    name: Line
    source_system: Line
    key: Annotated[tuple[Name, ...], Meta(min_length=1, max_length=8)]
    case: CasePart
    format: Literal["csv", "xlsx", "json"] | UnsetType = UNSET
    encoding: Literal["utf-8", "gb18030"] = "utf-8"
    delimiter: Annotated[str, Meta(min_length=1, max_length=1)] = ","
    sheet: str | None = None
    header_row: Annotated[int, Meta(ge=1, le=100)] = 1
    dates: Annotated[tuple[DateStyle, ...], Meta(min_length=1)] = ("written",)
    required: tuple[Name, ...] = ()
    persons: Annotated[tuple[PersonPart, ...], Meta(max_length=64)] = ()
    measures: Annotated[tuple[MeasurePart, ...], Meta(max_length=64)] = ()
    items: Annotated[tuple[ItemPart, ...], Meta(max_length=64)] = ()
    decisions: Annotated[tuple[DecisionPart, ...], Meta(max_length=64)] = ()

    def sources(self) -> Iterator[tuple[str, Source]]:
        """Every column or value that is asked for, by its path in the mapping."""
        yield from _sources("case", self.case)
        for group in ("persons", "measures", "items", "decisions"):
            for place, part in enumerate(getattr(self, group)):
                yield from _sources(f"{group}[{place}]", part)

    def columns(self) -> dict[str, str]:
        """Every column that is asked for, with the path of who asks first."""
        found: dict[str, str] = {}
        for path, source in self.sources():
            if source.column is not None:
                found.setdefault(source.column, path)
        for path, names in self._plain_columns():
            for name in names:
                found.setdefault(name, path)
        return found

    def _plain_columns(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        yield "key", self.key
        yield "required", self.required
        for place, person in enumerate(self.persons):
            yield f"persons[{place}].identity", person.identity
        keyed: dict[str, tuple[MeasurePart | ItemPart | DecisionPart, ...]] = {
            "measures": self.measures,
            "items": self.items,
            "decisions": self.decisions,
        }
        for group, parts in keyed.items():
            for place, part in enumerate(parts):
                yield f"{group}[{place}].key", part.key


def source_of(given: Given) -> Source:
    """What a bare name stands for: the column of this name."""
    return Source(column=given) if isinstance(given, str) else given


def _sources(path: str, part: Struct) -> Iterator[tuple[str, Source]]:
    for name in part.__struct_fields__:
        value = getattr(part, name)
        if name in ("key", "identity", "person", "persons", "money_unit", "fungible") or value is None:
            continue
        if isinstance(value, SeizurePart):
            yield from _sources(f"{path}.{name}", value)
        elif isinstance(value, Named):
            yield from ((f"{path}.{name}.{key}", source_of(inner)) for key, inner in value.items())
        elif isinstance(value, tuple):
            yield from ((f"{path}.{name}[{place}]", source_of(inner)) for place, inner in enumerate(value))
        else:
            yield path + "." + name, source_of(value)


# -- reading -----------------------------------------------------------------------------------------------------------

VOCABULARIES: dict[tuple[str, str], tuple[str, ...]] = {
    ("case", "business_line"): get_args(terms.BusinessLine),
    ("case", "stage"): tuple(stage for stage in get_args(terms.Stage) if stage != "closed"),
    ("persons", "role"): get_args(terms.PersonRole),
    ("measures", "measure"): get_args(terms.Measure),
    ("items", "item_kind"): get_args(terms.ItemKind),
    ("decisions", "kind"): get_args(terms.DecisionKind),
}


def read_mapping(path: Path) -> Mapping:
    """The mapping in a TOML file. Raises MalformedInput, naming file and key and what was expected there."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise MalformedInput(f"{path} cannot be read: {error.strerror}", field="--mapping") from error
    if len(data) > MAX_BYTES:
        raise MalformedInput(f"{path} has more than {MAX_BYTES} bytes", field="--mapping")
    return parse_mapping(data, str(path))


def parse_mapping(data: bytes, name: str) -> Mapping:
    """The mapping that this TOML says; ``name`` is what refusals call it."""
    tables = decode_toml(data, field=name)
    try:
        mapping = convert(tables, Mapping)
    except msgspec.ValidationError as error:
        raise _told(name, str(error)) from error
    for path, source in mapping.sources():
        _require_source(name, path, source)
    _require_persons(name, mapping)
    return mapping


def _require_source(name: str, path: str, source: Source) -> None:
    if (source.column is None) == (source.value is None):
        raise MalformedInput("expected either a column or a value", field=f"{name}: {path}")
    if source.value is not None and (source.words or source.default is not None):
        raise MalformedInput("a value has neither words nor a default", field=f"{name}: {path}")
    group, _, field = path.partition(".")
    allowed = VOCABULARIES.get((group.partition("[")[0], field))
    if allowed is None:
        return
    if source.column is not None and not source.words:
        raise MalformedInput(
            'expected words, such as words = { 拘留 = "detention" }',
            field=f"{name}: {path}",
            hint=f"What stands in the column becomes one of {', '.join(allowed)}.",
        )
    meant = {f"{path}.words.{word}": value for word, value in source.words.items()}
    meant |= {f"{path}.{key}": value for key in ("value", "default") if (value := getattr(source, key)) is not None}
    for key, value in meant.items():
        if value not in allowed:
            raise MalformedInput(
                f"expected one of {', '.join(allowed)}, not {value!r}",
                field=f"{name}: {key}",
                hint=nearest(value, allowed),
            )


def _require_persons(name: str, mapping: Mapping) -> None:
    """Measures, detainees and decisions are of persons that the mapping has."""
    named = [(f"measures[{place}].person", part.person) for place, part in enumerate(mapping.measures)]
    named += [(f"items[{place}].person", part.person) for place, part in enumerate(mapping.items) if part.person]
    named += [
        (f"decisions[{place}].persons", number)
        for place, part in enumerate(mapping.decisions)
        for number in part.persons
    ]
    for path, number in named:
        if number > len(mapping.persons):
            raise MalformedInput(
                f"the mapping has {len(mapping.persons)} persons, and none is number {number}", field=f"{name}: {path}"
            )


def nearest(word: str, known: Any) -> str | None:
    """A hint at the known word that was probably meant."""
    found = get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"Did you mean {found[0]!r}?" if found else None


def _told(name: str, message: str) -> MalformedInput:
    """What the decoder says, at the key that it speaks of."""
    match = _FAULT.match(message)
    what, path = (match["what"], match["path"].lstrip(".")) if match else (message, "")
    hint = None
    if unknown := _UNKNOWN.match(what):
        group = path.rpartition(".")[2].partition("[")[0]
        hint = nearest(unknown["name"], _KEYS.get(group, ()))
    return MalformedInput(what, field=f"{name}: {path}" if path else name, hint=hint)


_KEYS: dict[str, tuple[str, ...]] = {
    "": Mapping.__struct_fields__,
    "case": CasePart.__struct_fields__,
    "persons": PersonPart.__struct_fields__,
    "measures": MeasurePart.__struct_fields__,
    "items": ItemPart.__struct_fields__,
    "decisions": DecisionPart.__struct_fields__,
    "seizure": SeizurePart.__struct_fields__,
}
