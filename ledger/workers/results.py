"""Results of work as values: what comes back of a process that read what others wrote is data, whoever wrote it.

A pickle says what is to be called to read it, so that whoever took over a worker would run code in the service by his
result. Here a result is JSON, which is decoded as the type that the function of the work declares: no name in it leads
to a class but that of an error. How many values it has and how deep they lie is known before the first is made.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from enum import Enum
from functools import cache
from math import isfinite
from types import NoneType
from typing import Any, Final, NotRequired, TypedDict, get_type_hints

import msgspec

from ledger.core.encoding.decoding import convert, decoder_of
from ledger.core.errors import TallystickError
from ledger.core.messages import Message, filled

MOST_CHARACTERS: Final = 20_000  # of a sentence, a traceback: whoever took over a worker would fill pages and log by it
MOST_NOTES: Final = 10  # of an error
MOST_OF_ERROR: Final = 512 * 1024  # values, also where a result may have more
MOST_OF_ID, MOST_SLOTS = 1000, 12  # of a message with slots: others would be taken apart for minutes, and remembered
MOST_EXPONENT: Final = 400  # of a decimal, more than numbers of machines have: written out, it is as long as that
FILLED_VOCABULARY: Final = "model_fault"  # whose texts have slots that work fills
MOST_DEPTH: Final = 100  # of values in values: whatever looks through a result goes down into it
# The packages whose errors work raises: those of database, chain or keys would be another's.
_RAISING: Final = ("ledger.core.", "ledger.evidence.", "ledger.interchange.", "ledger.supervision.", "ledger.workers.")
# What work gives its errors in place of the code of their class. Others are not taken: a code leads to advice, and is a
# label of metrics.
CODES: Final = frozenset({"no_font", "paper_unavailable", "too_large_to_show"})
# A text that has no end is one, too: to look for it again from each of its quotation marks would take hours.
_TEXT: Final = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)'
_TEXTS: Final = re.compile(_TEXT, re.DOTALL)
_BETWEEN_BRACKETS: Final = re.compile(rb'(?:[^][{}"]++|' + _TEXT + rb")++", re.DOTALL)


class ResultRefused(ValueError):
    """Bytes that are no result, as only a worker that was taken over would send."""


class TooManyValues(ValueError):
    """A result of more values than the service would read."""


def declared(function: Callable[..., Any]) -> Any:
    """Return the type of what the function returns; of one of the interpreter, which declares none, any plain value."""
    return function if isinstance(function, type) else get_type_hints(function).get("return", Any)


def encode_result(value: object, most: int) -> bytes:
    """Return the value as bytes.

    It may be made of what msgspec encodes, of messages, and of errors of the ledger. What its type leaves open comes
    back as JSON has it, decimals as decimals. Half a surrogate pair, which an escape in YAML or JSON can put into a
    text, becomes such an escape again.

    Raises TypeError for anything else, TooManyValues for more than ``most``.
    """
    try:
        data = _ENCODER.encode(value)
    except UnicodeEncodeError:
        tree = msgspec.to_builtins(value, builtin_types=(Decimal,), str_keys=True, enc_hook=_parts)
        data = _ENCODER.encode(_escaped(tree))
    if _has_more_values(data, most):
        raise TooManyValues
    return data


def decode_result(data: bytes, kind: Any, most: int) -> Any:
    """Return the value that ``encode_result`` encoded, which is of the type ``kind``.

    Raises ResultRefused, also for more than ``most`` values and for such as lie deep: before they are made.
    """
    try:
        if _has_more_values(data, most):
            raise ResultRefused(f"it has more than {most} values")
        if _is_deep(data):
            raise ResultRefused(f"its values lie more than {MOST_DEPTH} deep")
        return decoder_of(kind, dec_hook=_of_kind, float_hook=_decimal).decode(data)
    except ResultRefused:
        raise
    except Exception as error:
        raise ResultRefused(f"it cannot be read: {error!r}") from error


def _has_more_values(data: bytes, most: int) -> bool:
    """Return whether there may be more values: each but the first follows a comma, a colon or a bracket."""
    # Those within texts count for nothing, and are looked for only where it matters.
    return _marks_in(data) >= most and _marks_in(_TEXTS.sub(b"", data)) >= most


def _marks_in(data: bytes) -> int:
    return sum(map(data.count, (b",", b":", b"[", b"{")))


def _is_deep(data: bytes) -> bool:
    if data.count(b"[") + data.count(b"{") <= MOST_DEPTH:
        return False
    brackets = _BETWEEN_BRACKETS.sub(b"", data)
    for _ in range(MOST_DEPTH):  # those that have nothing in them go, from within
        brackets = brackets.replace(b"[]", b"").replace(b"{}", b"")
    return brackets != b""


# -- what msgspec does not encode --------------------------------------------------------------------------------------


def _parts(value: Any) -> Any:
    if isinstance(value, Message):
        slots = {name: _slot(slot) for name, slot in value.params.items()}
        return str(value), value.msgid, value.context, slots
    if isinstance(value, TallystickError):
        kind: Any = type(value)
        carried = vars(value)
        fields = {name: carried[name] for name in _carried(kind).__annotations__ if name in carried}
        return f"{_name(kind)} {encode_result(fields, MOST_OF_ERROR).decode()}"
    for plain in (str, int, float):  # a file's parser has its own, with the place of each in the file
        if isinstance(value, plain):
            return plain(value)
    raise TypeError(f"no result has a value of {type(value)}")


def _slot(value: object) -> Any:
    """Return what fills a slot of a message: what is no value of JSON is shown as its text in any case."""
    is_plain = isinstance(value, NoneType | bool | int | str) or (isinstance(value, float) and isfinite(value))
    return value if is_plain and not isinstance(value, Enum) else str(value)


def _escaped(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    if isinstance(value, dict):
        return {_escaped(name): _escaped(part) for name, part in value.items()}
    return [*map(_escaped, value)] if isinstance(value, list | tuple) else value


_ENCODER: Final = msgspec.json.Encoder(enc_hook=_parts, decimal_format="number")

# -- what msgspec does not decode --------------------------------------------------------------------------------------


def _of_kind(kind: Any, parts: Any) -> Any:
    if issubclass(kind, Message):
        return _message(parts)
    if issubclass(kind, TallystickError):
        return _error(kind, parts)
    raise TypeError(f"no result is of type {kind}")


def _decimal(text: str) -> Decimal:
    value = Decimal(text)
    if max(len(text), abs(value.adjusted())) > MOST_EXPONENT:
        raise ResultRefused("it has a number of too many digits")
    return value


def _message(parts: Any) -> Message:
    if isinstance(parts, str):
        return Message(_short(parts))
    english, msgid, context, values = convert(parts, tuple[str, str, str | None, dict[str, Any]])
    slots = {name: _short(_filling(value)) for name, value in values.items()}
    if max(len(english), len(msgid)) > MOST_CHARACTERS or not _is_bounded(english, msgid, context, slots):
        return Message(_short(english))
    return Message._rendered(english, msgid, slots, context)  # noqa: SLF001 - as an unpickled one


def _filling(value: Any) -> Any:
    if isinstance(value, dict):
        raise ResultRefused("it has a message with a slot that none has")
    return _message(value) if isinstance(value, list) else float(value) if isinstance(value, Decimal) else value


def _is_bounded(english: str, msgid: str, context: str | None, slots: Mapping[str, Any]) -> bool:
    """Say whether a message is about as long as its English in whatever language, however often it has a slot."""
    if not slots:
        return True
    if context is not None:  # the catalogues have the text: of this vocabulary, each slot once
        return context == FILLED_VOCABULARY and "{" not in msgid
    if len(msgid) > MOST_OF_ID or msgid.count("{") > MOST_SLOTS:
        return False
    try:
        filled(msgid, slots, len(english))
    except Exception:  # noqa: BLE001 - a forged form may make its value raise anything: the English stands then
        return False
    return True


def _short(value: Any) -> Any:
    if type(value) is list:  # notes
        return [_short(part) for part in value[:MOST_NOTES]]
    return value[:MOST_CHARACTERS] if type(value) is str else value


def _error(base: Any, text: Any) -> TallystickError:
    name, _, fields = text.partition(" ")
    kind = next((kind for kind in _errors(base) if _name(kind) == name), None)
    if kind is None:
        raise ResultRefused(f"no work raises {name[:100]!r}")
    parts = decode_result(fields.encode(), _carried(kind), MOST_OF_ERROR)
    carried = {name: _short(part) for name, part in parts.items()}
    if carried.get("code") not in CODES:
        carried.pop("code", None)
    error: TallystickError = kind.__new__(kind, str(carried["text"]))
    vars(error).update(carried, message=str(carried["text"]))
    return error


def _errors(base: Any) -> Iterable[Any]:
    """Yield an error and all that stand for it, of those that work raises."""
    if base.__module__.startswith(_RAISING):
        yield base
    for kind in base.__subclasses__():
        yield from _errors(kind)


@cache
def _carried(kind: Any) -> Any:
    """Return the type of what an error of this class carries beside its message, by name."""
    types = {name: of_field for name, of_field in get_type_hints(kind).items() if name != "message"}
    types |= {"hint": Message | None, "code": NotRequired[str], "__notes__": NotRequired[list[str]]}
    typed_dict: Any = TypedDict  # its fields are known when it is called
    return typed_dict(kind.__name__, types)


def _name(kind: type) -> str:
    return f"{kind.__module__}:{kind.__qualname__}"
