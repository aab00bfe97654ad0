"""Whether a tree of plain values has the parts that a type asks for: every missing, unknown or empty one is told."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, Any, get_args, get_origin

import msgspec
from msgspec import inspect

from ledger.core.canonical import refusal_of
from ledger.core.decoding import convert
from ledger.supervision.model.refused import unknown
from ledger.supervision.wording import Wording

_REFUSALS = tuple(
    (re.compile(pattern, re.DOTALL), word)
    for pattern, word in (
        (r"Expected one of (?P<words>.*), not (?P<given>.*?)", "word_expected"),
        (r"Expected `(?P<kind>array|object|str)` of length >= (?P<least>\d+)", "too_short"),
        (r"Expected `(?P<kind>array|object|str)` of length <= (?P<most>\d+)", "too_long_for"),
        (r"Expected `int` >= (?P<least>\d+)", "too_small"),
        (r"Expected `int` <= (?P<most>\d+)", "too_large"),
        (r"Expected `(?P<wanted>.*)`, got `(?P<got>.*?)`", "other_type"),
        (r"Expected a slug of at most (?P<most>\d+) characters.*", "slug_expected"),
    )
)
Said = tuple[str, Wording]  # path, what was expected there


def faults_of_shape(value: Any, kind: type) -> Iterator[Said]:
    """All that is missing, unknown or left empty; where nothing is, the first thing of another type in each part."""
    shape = inspect.type_info(kind)
    assert isinstance(shape, inspect.StructType)
    told = list(_of_struct(value, shape, ""))
    yield from told
    for field in msgspec.structs.fields(kind):
        path = f".{field.encode_name}"
        if field.encode_name in value and not any(at.startswith(path) for at, _ in told):
            yield from _of_type(value[field.encode_name], field.type, path)


def _of_type(value: Any, wanted: Any, path: str) -> Iterator[Said]:
    """What msgspec says first of the value, or of each entry of a mapping, whose names its paths leave out."""
    bare = get_args(wanted)[0] if get_origin(wanted) is Annotated else wanted
    told = []
    if get_origin(bare) is dict and isinstance(value, dict):
        key, entry = get_args(bare)
        for name, one in value.items():
            told += [*_of_type(name, key, f"{path}.{name}"), *_of_type(one, entry, f"{path}.{name}")]
    yield from told
    if told:
        return
    try:
        convert(value, wanted)
    except msgspec.ValidationError as error:
        refusal = refusal_of(str(error), value, wanted, path)
        yield f".{refusal.field}", _of_refusal(refusal.message)


def _of_refusal(message: str) -> Wording:
    """What msgspec says, by its word; what it says seldom stays in its own words."""
    for pattern, word in _REFUSALS:
        if found := pattern.fullmatch(message):
            return Wording(word, **found.groupdict())
    return Wording("other_form", why=message)


def _of_struct(value: dict[str, Any], shape: inspect.StructType, path: str) -> Iterator[Said]:
    fields = {field.encode_name: field for field in shape.fields}
    for name, part in value.items():
        if name not in fields:
            said = unknown("key", name, fields)
            yield f"{path}.{name}", Wording("comma_in_flow", said=said) if part is None else said
    for name, field in fields.items():
        if name in value:
            yield from _of(value[name], field.type, f"{path}.{name}")
        elif field.required:
            yield f"{path}.{name}", Wording("missing")


def _of(value: Any, shape: inspect.Type, path: str) -> Iterator[Said]:
    if isinstance(shape, inspect.Metadata):
        shape = shape.type
    if isinstance(shape, inspect.StructType):
        if isinstance(value, dict):
            yield from _of_struct(value, shape, path)
        else:
            names = tuple(field.encode_name for field in shape.fields if field.required)
            yield path, Wording("parts_expected", names=names)
    elif isinstance(shape, inspect.VarTupleType | inspect.ListType) and isinstance(value, list):
        for number, one in enumerate(value):
            yield from _of(one, shape.item_type, f"{path}[{number}]")
    elif isinstance(shape, inspect.DictType) and isinstance(value, dict):
        for name, one in value.items():
            yield from _of(one, shape.value_type, f"{path}.{name}")
    elif isinstance(shape, inspect.StrType):
        yield from _of_text(value, path)


def _of_text(value: Any, path: str) -> Iterator[Said]:
    if value is None or (isinstance(value, str) and not value.strip()):
        yield path, Wording("fill_in")
    elif isinstance(value, bool | int | Decimal):
        yield path, Wording("quote_text")
