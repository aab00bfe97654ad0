"""Results of work as values: what comes back of a process that read what others wrote is data, whoever wrote it.

A pickle says what is to be called to read it, so that whoever took over a worker would run code in the service by his
result. Here a result is a list of plain values, of which is known how many there are before the first is made. They are
read as the type that the function of the work declares: no name in them leads to a class but that of an error.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from functools import cache
from itertools import chain, repeat
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from ledger.core.encoding.decoding import msgpack_decoder_of
from ledger.core.errors import TallystickError
from ledger.core.messages import Message, filled

MOST_CHARACTERS: Final = 20_000  # of a sentence, a traceback: whoever took over a worker would fill pages and log by it
MOST_NOTES: Final = 10  # of an error
MOST_OF_ID, MOST_SLOTS = 1000, 12  # of a message with slots: others would be taken apart for minutes, and remembered
MOST_EXPONENT: Final = 400  # of a decimal, more than numbers of machines have: written out, it is as long as that
FILLED_VOCABULARY: Final = "model_fault"  # whose texts have slots that work fills
MOST_DEPTH: Final = 100  # of values in values: whatever looks through a result goes down into it
# The packages whose errors work raises: those of database, chain or keys would be another's.
_RAISING: Final = ("ledger.core.", "ledger.evidence.", "ledger.interchange.", "ledger.supervision.", "ledger.workers.")
# What work gives its errors in place of the code of their class. Others are not taken: a code leads to advice, and is a
# label of metrics.
CODES: Final = frozenset({"no_font", "no_paper", "paper_unavailable", "too_large_to_show"})
_WITHIN = range(-(2**63), 2**64)  # integers that msgpack has
# Others hash as whoever made them likes: a mapping of many of them would take hours to make.
_KEYS: Final = (str, int, bool, float, NoneType, date, datetime)
_IN_SLOTS: Final = (NoneType, bool, int, float, str, Decimal, date, datetime, time)  # a message is a text
# A value is a token, or several, of which the first is a mark: a text that begins so, then has the letter of its kind
# and, often, how many values follow.
_MARK: Final = "\0"
Ext = msgspec.msgpack.Ext
Token = bool | int | float | str | Ext | None


class ResultRefused(ValueError):
    """Bytes that are no result, as only a worker that was taken over would send."""


class TooManyValues(ValueError):
    """A result of more values than the service would read."""


def encode_result(value: object, most: int) -> bytes:
    """Return the value as bytes.

    Beside plain values these are moments, days, times of day, decimals, messages, enumerations, structs, named tuples,
    and errors of the ledger. Subclasses of text and of collections become what they are made of; half a surrogate pair,
    which an escape in YAML or JSON can put into a text, becomes such an escape again.

    Raises TypeError for what is none of these, TooManyValues for more than ``most``.
    """
    tokens: list[Token] = []
    _put(value, tokens)
    if len(tokens) > most:
        raise TooManyValues
    return msgspec.msgpack.encode(tokens)


def decode_result(data: bytes, kind: Any, most: int) -> Any:
    """Return the value that ``encode_result`` encoded, which is of the type ``kind``; ``Any`` is a plain one.

    Raises ResultRefused, also for more than ``most`` values: before they are read.
    """
    try:
        reading = _Reading(msgpack_decoder_of(_tokens_of(most)).decode(data))
        value = reading.value(_forms(kind))
        reading.end()
    except Exception as error:
        raise ResultRefused(f"a worker sent no result: {error!r}") from error
    return value


@cache
def _tokens_of(most: int) -> Any:
    return Annotated[list[Token], Meta(max_length=most)]


# -- writing -----------------------------------------------------------------------------------------------------------


def _put(value: Any, tokens: list[Token]) -> None:
    form = _PUT.get(type(value))
    if form is not None:
        form(value, tokens)
    elif isinstance(value, Message):
        slots = {name: _slot(slot) for name, slot in value.params.items()}
        _put_all("m", (str(value), value.msgid, value.context, slots), tokens)
    elif isinstance(value, Enum):
        _put(value.value, tokens)
    elif isinstance(value, Struct):
        _put_all(_mark(type(value)), [getattr(value, name) for name in value.__struct_fields__], tokens)
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        _put_all(_mark(type(value)), value, tokens)
    elif isinstance(value, TallystickError):
        kind: Any = type(value)
        carried = vars(value)
        _put_all("e", (_name(kind), *(carried.get(name, UNSET) for name in _carried(kind))), tokens)
    else:
        plain = next((kind for kind in _SUBCLASSED if isinstance(value, kind)), None)
        if plain is None:
            raise TypeError(f"no result has a value of {type(value)}")
        _PUT[plain](plain(value), tokens)


def _put_all(mark: str, values: Iterable[Any], tokens: list[Token]) -> None:
    tokens.append(_MARK + mark)
    for value in values:
        _put(value, tokens)


def _put_text(value: str, tokens: list[Token]) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:
        value = value.encode(errors="backslashreplace").decode()
    tokens.append(f"{_MARK}'{value}" if value.startswith(_MARK) else value)


def _put_mapping(values: Mapping[Any, Any], tokens: list[Token]) -> None:
    _require_keys(values)
    _put_all(f"d{len(values)}", chain.from_iterable(values.items()), tokens)


def _put_hashed(letter: str) -> Callable[[Collection[Any], list[Token]], None]:
    def put(values: Collection[Any], tokens: list[Token]) -> None:
        _require_keys(values)
        _put_all(f"{letter}{len(values)}", values, tokens)

    return put


def _put_decimal(value: Decimal, tokens: list[Token]) -> None:
    if not _is_short(value):
        raise TypeError("no result has a decimal of so many digits")
    tokens.append(f"{_MARK}n{value}")


def _put_members(letter: str) -> Callable[[Collection[Any], list[Token]], None]:
    return lambda values, tokens: _put_all(f"{letter}{len(values)}", values, tokens)


def _put_spelled(letter: str, spell: Callable[[Any], str]) -> Callable[[Any, list[Token]], None]:
    return lambda value, tokens: tokens.append(f"{_MARK}{letter}{spell(value)}")


def _slot(value: object) -> Any:
    """Return what fills a slot of a message: what is no value is shown as its text in any case."""
    return value if isinstance(value, _IN_SLOTS) and not isinstance(value, Enum) else str(value)


_PUT: Final[Mapping[type, Callable[[Any, list[Token]], None]]] = {
    **dict.fromkeys((NoneType, bool, float), lambda value, tokens: tokens.append(value)),
    str: _put_text,
    int: lambda value, tokens: tokens.append(value if value in _WITHIN else f"{_MARK}i{value}"),
    bytes: lambda value, tokens: tokens.append(Ext(0, value)),
    list: _put_members("l"),
    tuple: _put_members("t"),
    set: _put_hashed("s"),
    frozenset: _put_hashed("f"),
    dict: _put_mapping,
    Decimal: _put_decimal,
    date: _put_spelled("D", date.isoformat),
    datetime: _put_spelled("T", datetime.isoformat),
    time: _put_spelled("H", time.isoformat),
    UnsetType: lambda _, tokens: tokens.append(f"{_MARK}u"),
}

_SUBCLASSED: Final[tuple[Any, ...]] = (str, bytes, int, float, list, tuple, dict, set, frozenset)


def _mark(kind: type) -> str:
    """Return what a struct or named tuple begins with: in what a function returns, its name is enough."""
    return f"o{kind.__name__}"


def _require_keys(values: Iterable[Any]) -> None:
    for value in values:
        if not _is_key(value):
            raise TypeError(f"no result has a key of {type(value)}")


def _is_short(value: Decimal) -> bool:
    return abs(value.adjusted()) <= MOST_EXPONENT


def _is_key(value: object) -> bool:
    return isinstance(value, _KEYS) and (not isinstance(value, int) or value in _WITHIN)


# -- reading: of each type that a function may declare, the forms that its values have ---------------------------------


class _Reading:
    """The tokens of a result that were not read yet, and how deep the value lies that is read."""

    def __init__(self, tokens: Iterable[Token]):
        self._tokens = iter(tokens)
        self._depth = 0

    def value(self, forms: _Forms) -> Any:
        for token in self._tokens:
            if type(token) is not str or not token.startswith(_MARK):
                return forms[type(token)](self, token)
            return forms[token[1:] if token[1:2] == "o" else token[1:2]](self, token)
        raise ResultRefused("it ends within a value")

    def values(self, forms: Iterable[_Forms]) -> list[Any]:
        """Return a value of each of these forms, which lie in the one that is being read."""
        self._depth += 1
        if self._depth > MOST_DEPTH:
            raise ResultRefused(f"its values lie more than {MOST_DEPTH} deep")
        values = [self.value(of_value) for of_value in forms]
        self._depth -= 1
        return values

    def end(self) -> None:
        for _ in self._tokens:
            raise ResultRefused("it goes on after its end")


_Form = Callable[[_Reading, Any], Any]
# By the type of a token that is a value, or by the letter of its mark; of structs by all of it.
_Forms = Mapping[type | str, _Form]


def _itself(_: _Reading, token: Token) -> Any:
    return token


def _decimal(text: str) -> Decimal:
    value = Decimal(text)
    if not _is_short(value):
        raise ResultRefused("it has a number of too many digits")
    return value


def _spelled(parse: Callable[[str], Any]) -> _Form:
    return lambda _, token: parse(token[2:])


def _then(make: Callable[[Any], Any], form: _Form) -> _Form:
    return lambda reading, token: make(form(reading, token))


def _members(make: Callable[[list[Any]], Any], forms: _Forms) -> _Form:
    return lambda reading, token: make(reading.values(repeat(forms, int(token[2:]))))


def _mapping(keys: _Forms, values: _Forms) -> _Form:
    def read(reading: _Reading, token: str) -> dict[Any, Any]:
        parts = reading.values(chain.from_iterable(repeat((keys, values), int(token[2:]))))
        return dict(zip(_hashed(parts[::2]), parts[1::2], strict=True))

    return read


def _hashed(values: list[Any]) -> list[Any]:
    if not all(map(_is_key, values)):
        raise ResultRefused("it has keys that no result has")
    return values


def _among(values: Sequence[Any]) -> _Forms:
    """Return the forms of these values and of no others."""

    def same(value: Any) -> Any:
        return values[values.index(value)]

    kinds: set[Any] = set(map(type, values))
    return {key: _then(same, form) for kind in kinds for key, form in _forms(kind).items()}


def _object(kind: Any) -> _Form:
    def read(reading: _Reading, _: str) -> Any:
        forms = _forms_in(kind)
        return kind(**dict(zip(forms, reading.values(forms.values()), strict=True)))

    return read


@cache
def _forms_in(kind: Any) -> Mapping[str, _Forms]:
    """Return the forms of the fields of a struct or named tuple, in their order."""
    types = get_type_hints(kind)
    return {name: _forms(types[name]) for name in getattr(kind, "__struct_fields__", None) or kind._fields}


def _message(reading: _Reading, _: str) -> Message:
    english, msgid, context, values = reading.values(_OF_MESSAGE)
    slots = {name: _short(value) for name, value in values.items()}
    if max(len(english), len(msgid)) > MOST_CHARACTERS or not _is_bounded(english, msgid, context, slots):
        return Message(_short(english))
    return Message._rendered(english, msgid, slots, context)  # noqa: SLF001 - as an unpickled one


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


def _error(base: Any) -> _Form:
    def read(reading: _Reading, _: str) -> TallystickError:
        name = reading.value(_forms(str))
        kind = next((kind for kind in _errors(base) if _name(kind) == name), None)
        if kind is None:
            raise ResultRefused(f"no work raises {name[:100]!r}")
        forms = _carried(kind)
        parts = zip(forms, reading.values(forms.values()), strict=True)
        carried = {name: _short(part) for name, part in parts if part is not UNSET}
        if carried.get("code") not in CODES:
            carried.pop("code", None)
        error: TallystickError = kind.__new__(kind, str(carried["text"]))
        vars(error).update(carried, message=str(carried["text"]))
        return error

    return read


def _errors(base: Any) -> Iterable[Any]:
    """Yield an error and all that stand for it, of those that work raises."""
    if base.__module__.startswith(_RAISING):
        yield base
    for kind in base.__subclasses__():
        yield from _errors(kind)


@cache
def _carried(kind: Any) -> Mapping[str, _Forms]:
    """Return the forms of what an error of this class carries beside its message."""
    types = {name: of_field for name, of_field in get_type_hints(kind).items() if name != "message"}
    types |= {"code": str | UnsetType, "__notes__": list[str] | UnsetType}
    return {name: _forms(of_field) for name, of_field in types.items()}


def _name(kind: type) -> str:
    return f"{kind.__module__}:{kind.__qualname__}"


@cache
def _forms(kind: Any) -> _Forms:
    """Return the forms of the values of a type. Raises TypeError for what no result is."""
    origin, arguments = get_origin(kind) or kind, get_args(kind)
    if origin in _PLAIN:
        return _PLAIN[origin]
    if origin in (Union, UnionType):
        return {key: form for each in arguments for key, form in _forms(each).items()}
    if origin is Literal:
        return _among(arguments)
    if origin is tuple and arguments[1:] not in ((), (...,)):
        return {"t": lambda reading, _: tuple(reading.values(map(_forms, arguments)))}
    if origin in _MEMBERS:
        letter, make = _MEMBERS[origin]
        return {letter: _members(make, _forms(arguments[0] if arguments else Any))}
    if issubclass(origin, Mapping):
        keys, values = arguments or (Any, Any)
        return {"d": _mapping(_forms(keys), _forms(values))}
    if issubclass(origin, Enum):
        return {key: _then(origin, form) for key, form in _among([member.value for member in origin]).items()}
    if issubclass(origin, Struct) or hasattr(origin, "_fields"):
        return {_mark(origin): _object(origin)}
    if issubclass(origin, TallystickError):
        return {"e": _error(origin)}
    raise TypeError(f"no result is of type {kind}")


_PLAIN: Final[dict[Any, _Forms]] = {
    NoneType: {NoneType: _itself},
    bool: {bool: _itself},
    int: {int: _itself, "i": _spelled(int)},
    float: {float: _itself, int: _itself},
    bytes: {Ext: lambda _, token: bytes(token.data)},
    Decimal: {"n": _spelled(_decimal)},
    date: {"D": _spelled(date.fromisoformat)},
    datetime: {"T": _spelled(datetime.fromisoformat)},
    time: {"H": _spelled(time.fromisoformat)},
    UnsetType: {"u": lambda _, __: UNSET},
    Message: {"m": _message},
    str: {str: _itself, "'": _spelled(str), "m": _message},
}
_MEMBERS: Final[Mapping[Any, tuple[str, Callable[[list[Any]], Any]]]] = {
    list: ("l", list),
    tuple: ("t", tuple),
    set: ("s", lambda values: set(_hashed(values))),
    frozenset: ("f", lambda values: frozenset(_hashed(values))),
}
_OF_MESSAGE: Final[Sequence[_Forms]] = (
    _PLAIN[str],
    _PLAIN[str],
    _forms(str | None),
    {"d": _mapping(_PLAIN[str], {key: form for kind in _IN_SLOTS for key, form in _PLAIN[kind].items()})},
)
_ANY: Final[dict[type | str, _Form]] = {key: form for forms in _PLAIN.values() for key, form in forms.items()}
_PLAIN[Any] = _PLAIN[object] = _ANY
for _kind in (*_MEMBERS, dict):
    _ANY.update(_forms(_kind))
