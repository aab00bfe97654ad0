"""Results of work as values: what comes back of a process that read what others wrote is data, whoever wrote it.

A pickle says what is to be called to read it, so that whoever took over a worker would run code in the service by his
result. Here a result is made of plain values and of classes of ours that hold values: beside these nothing that it
names is called, and modules of ours alone are imported.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from importlib import import_module
from typing import Any, Final

import msgspec
from msgspec import UNSET, Struct, UnsetType

from ledger.core.errors import TallystickError
from ledger.core.messages import Message

_OURS: Final = "ledger."
_WITHIN = range(-(2**63), 2**64)  # integers that msgpack has


class ResultRefused(ValueError):
    """Bytes that are no result, as only a worker that was taken over would send."""


def encode_result(value: object) -> bytes:
    """Return the value as bytes. Raises TypeError for what is neither a plain value nor of a class that holds values.

    Beside plain values these are: moments and days, decimals, messages, enumerations, structs, named tuples, and errors
    of the ledger. Subclasses of text and of collections become what they are made of; half a surrogate pair, which an
    escape in YAML or JSON can put into a text, becomes such an escape again.
    """
    return msgspec.msgpack.encode(_plain(value))


def decode_result(data: bytes) -> Any:
    """Return the value that ``encode_result`` encoded. Raises ResultRefused."""
    try:
        return _value(msgspec.msgpack.decode(data))
    except Exception as error:
        raise ResultRefused(f"a worker sent no result: {error!r}") from error


# -- values of other types are lists: the letter of their kind, and what they are made of -----------------------------


def _plain(value: Any) -> Any:
    form = _FORMS.get(type(value))
    if form is not None:
        return form(value)
    if isinstance(value, Message):
        slots = [part for name, slot in value.params.items() for part in (name, _plain_slot(slot))]
        return ["m", _text(str(value)), _text(value.msgid), slots, value.context]
    if isinstance(value, Enum):
        return ["x", _name(value), _plain(value.value)]
    if isinstance(value, Struct):
        return ["o", _name(value), *[_plain(getattr(value, name)) for name in value.__struct_fields__]]
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return ["o", _name(value), *map(_plain, value)]
    if isinstance(value, TallystickError):
        return ["e", _name(value), _plain(value.args), _pairs(vars(value))]
    for kind in _SUBCLASSED:
        if isinstance(value, kind):
            return _FORMS[kind](kind(value))
    raise TypeError(f"no result has a value of {type(value)}")


def _plain_slot(value: object) -> Any:
    """Return what fills a slot of a message: what is no value is shown as its text in any case."""
    try:
        return _plain(value)
    except TypeError:
        return _text(str(value))


def _text(value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode(errors="backslashreplace").decode()
    return value


def _pairs(values: Mapping[Any, Any]) -> list[Any]:
    return [part for pair in values.items() for part in map(_plain, pair)]


def _name(value: object) -> str:
    return f"{type(value).__module__}:{type(value).__qualname__}"


def _itself(value: Any) -> Any:
    return value


_FORMS: Final[Mapping[type, Callable[[Any], Any]]] = {
    **dict.fromkeys((type(None), bool, float, bytes), _itself),
    str: _text,
    int: lambda value: value if value in _WITHIN else ["i", str(value)],
    list: lambda value: ["l", *map(_plain, value)],
    tuple: lambda value: ["t", *map(_plain, value)],
    set: lambda value: ["s", *map(_plain, value)],
    frozenset: lambda value: ["f", *map(_plain, value)],
    dict: lambda value: ["d", *_pairs(value)],
    Decimal: lambda value: ["n", str(value)],
    date: lambda value: ["D", value.isoformat()],
    datetime: lambda value: ["T", value.isoformat()],
    UnsetType: lambda _: ["u"],
}

_SUBCLASSED: Final[tuple[Any, ...]] = (str, bytes, int, float, list, tuple, dict, set, frozenset)


def _value(plain: Any) -> Any:
    if type(plain) is not list:
        return plain
    return _MADE[plain[0]](plain[1:])


def _mapping(parts: Sequence[Any]) -> dict[Any, Any]:
    values = map(_value, parts)
    return dict(zip(values, values, strict=True))


def _object(parts: Sequence[Any]) -> Any:
    kind, values = _class(parts[0]), [_value(part) for part in parts[1:]]
    if issubclass(kind, Struct):
        return kind(**dict(zip(kind.__struct_fields__, values, strict=True)))
    if issubclass(kind, tuple) and hasattr(kind, "_fields"):
        return kind(*values)
    raise ResultRefused(f"{kind} does not hold values")


def _error(parts: Sequence[Any]) -> TallystickError:
    name, arguments, fields = parts[0], parts[1], parts[2]
    kind = _class(name)
    if not issubclass(kind, TallystickError):
        raise ResultRefused(f"{kind} is no error of the ledger")
    error: TallystickError = kind.__new__(kind, *_value(arguments))
    vars(error).update(_mapping(fields))
    return error


def _member(parts: Sequence[Any]) -> Enum:
    kind = _class(parts[0])
    if not issubclass(kind, Enum):
        raise ResultRefused(f"{kind} is no enumeration")
    return kind(_value(parts[1]))


def _message(parts: Sequence[Any]) -> Message:
    english, msgid, slots, context = parts
    return Message._rendered(str(english), str(msgid), _mapping(slots), context)  # noqa: SLF001 - as an unpickled one


def _class(name: str) -> type:
    """Return a class of the ledger by the names of its module and itself."""
    module_name, _, own_name = name.partition(":")
    if not module_name.startswith(_OURS) or "__" in module_name:
        raise ResultRefused(f"{name} is not of the ledger")
    module = sys.modules.get(module_name) or import_module(module_name)
    kind = vars(module)[own_name]
    if not isinstance(kind, type) or kind.__module__ != module_name:
        raise ResultRefused(f"{name} is no class of this module")
    return kind


def _collected(kind: Callable[[Iterable[Any]], Any]) -> Callable[[Sequence[Any]], Any]:
    return lambda parts: kind(map(_value, parts))


_MADE: Final[Mapping[str, Callable[[Sequence[Any]], Any]]] = {
    "l": _collected(list),
    "t": _collected(tuple),
    "s": _collected(set),
    "f": _collected(frozenset),
    "d": _mapping,
    "o": _object,
    "e": _error,
    "x": _member,
    "m": _message,
    "i": lambda parts: int(parts[0]),
    "n": lambda parts: Decimal(parts[0]),
    "D": lambda parts: date.fromisoformat(parts[0]),
    "T": lambda parts: datetime.fromisoformat(parts[0]),
    "u": lambda _: UNSET,
}
