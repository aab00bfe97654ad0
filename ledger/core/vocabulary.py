"""Which words of a closed vocabulary a type asks for at a path, so that a refusal can list them."""

from __future__ import annotations

import re
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from msgspec import Struct

_STEP = re.compile(r"\.([A-Za-z_]\w*)|\[([0-9]+)\]|\[\.\.\.\]")


def words_at(kind: Any, value: Any, path: str) -> tuple[str, ...]:
    """The words that ``kind`` allows at ``path`` (``.items[0].unit``); empty where it asks for no vocabulary there.

    ``value`` is what was given for ``kind``, in plain values: its tags choose between types.
    """
    kinds = _alternatives(kind)
    for step in _STEP.finditer(path):
        kinds = [inner for one in kinds for inner in _inside(one, value, step[1])]
        value = _part(value, step)
    return tuple(dict.fromkeys(word for one in kinds if get_origin(one) is Literal for word in get_args(one)))


def _alternatives(kind: Any) -> list[Any]:
    """The types that a value may have, none of them a union."""
    if get_origin(kind) is Annotated:
        return _alternatives(get_args(kind)[0])
    if get_origin(kind) in (Union, UnionType):
        return [one for part in get_args(kind) for one in _alternatives(part)]
    return [kind]


def _inside(kind: Any, value: Any, name: str | None) -> list[Any]:
    """What ``kind`` has in its field ``name``, or as its entries."""
    if name is None:
        return [one for part in get_args(kind)[-1:] for one in _alternatives(_entry(kind, part))]
    if not (isinstance(kind, type) and issubclass(kind, Struct)) or not _is_tagged_as(kind, value):
        return []
    hints = get_type_hints(kind, include_extras=True)
    return _alternatives(hints[name]) if name in hints else []


def _entry(kind: Any, last: Any) -> Any:
    """The type of the entries: ``tuple[X, ...]`` names it first, ``dict[str, X]`` last."""
    return get_args(kind)[0] if last is Ellipsis else last


def _is_tagged_as(kind: type[Struct], value: Any) -> bool:
    config = kind.__struct_config__
    return config.tag is None or not isinstance(value, dict) or value.get(config.tag_field) == config.tag


def _part(value: Any, step: re.Match[str]) -> Any:
    if step[1] is not None and isinstance(value, dict):
        return value.get(step[1])
    if step[2] is not None and isinstance(value, list) and int(step[2]) < len(value):
        return value[int(step[2])]
    return None
