"""Comparison: two versions of a model, or two models, field by field, and the lines in which conditions differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from difflib import unified_diff
from typing import Any, Literal

import msgspec
from msgspec import Struct

from ledger.core.encoding.decoding import convert
from ledger.core.events.supervision import BilingualText, Figures, ModelPublished
from ledger.supervision.library.card import part_of
from ledger.supervision.models.document import read_document
from ledger.supervision.models.values import text_of

Kind = Literal["added", "removed", "changed"]


class Difference(Struct, frozen=True):
    """``field`` is its path in the file, such as ``parameters.days.default`` or ``examples[third refusal].as_of``.

    None is what one of both has not.
    """

    field: str
    kind: Kind
    first: str | None
    second: str | None


class Side(Struct, frozen=True):
    """One of the two: which model and version, and what was measured of it."""

    model_id: str
    version: int
    model_digest: str
    title: BilingualText
    figures: Figures | None
    case_study: BilingualText | None


class Comparison(Struct, frozen=True):
    """``condition`` are the lines of a unified diff of the parts that state what is looked for; none where they agree.

    Differences in the condition and the examples stand in ``differences`` too, path by path.
    """

    first: Side
    second: Side
    same_text: bool
    differences: tuple[Difference, ...]
    condition: tuple[str, ...]


def compare(first: ModelPublished, second: ModelPublished) -> Comparison:
    """What differs between two publications. Raises ModelRefused where a text is no YAML of a model."""
    flat = [dict(_flat(read_document(one.definition).tree, "")) for one in (first, second)]
    names = [f"{one.model_id} {one.version}" for one in (first, second)]
    return Comparison(
        first=_side(first),
        second=_side(second),
        same_text=first.definition == second.definition,
        differences=tuple(_differences(*flat)),
        condition=tuple(unified_diff(_condition(first), _condition(second), names[0], names[1], lineterm="")),
    )


def _condition(body: ModelPublished) -> list[str]:
    lines = read_document(body.definition).lines
    return part_of(body.definition, lines, "condition").splitlines() if ".condition" in lines else []


def _differences(first: Mapping[str, str], second: Mapping[str, str]) -> Iterator[Difference]:
    """In the order of the first text, then what only the second one has."""
    for path in dict.fromkeys((*first, *second)):
        one, other = first.get(path), second.get(path)
        if one != other:
            kind: Kind = "added" if one is None else "removed" if other is None else "changed"
            yield Difference(path, kind, one, other)


def _flat(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Each value that is no mapping and no list, by its path."""
    if isinstance(value, dict) and value:
        for name, part in value.items():
            yield from _flat(part, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list) and value:
        for label, part in zip(_labels(value), value, strict=True):
            yield from _flat(part, f"{path}[{label}]")
    elif value is None or value in ({}, []):
        yield path, msgspec.json.encode(value).decode()
    else:
        yield path, text_of(value)


def _labels(parts: list[Any]) -> Iterator[str]:
    """Call an example by its name, so that one that was put in before it makes no difference, others by number."""
    names = [part.get("name") if isinstance(part, dict) else None for part in parts]
    counts = Counter(name for name in names if isinstance(name, str))
    for number, name in enumerate(names):
        yield name if isinstance(name, str) and counts[name] == 1 else str(number)


def _side(body: ModelPublished) -> Side:
    return convert({name: getattr(body, name) for name in Side.__struct_fields__}, Side)
