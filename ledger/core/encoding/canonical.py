"""Canonical JSON: RFC 8785 under the ledger's profile, so that a value has exactly one spelling.

Profile: no floats, ``|integer| < 2**53``, ASCII keys, strings without NUL and without bidirectional controls.
Under it ``msgspec``'s sorted encoding gives the bytes of RFC 8785. A text that is decoded strictly and encoded again
must come out byte for byte: that one comparison refuses duplicate keys, BOM, ``-0``, needless escapes, white space and
every other second spelling.
"""

from __future__ import annotations

import json
import re
import unicodedata
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate, takewhile
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Struct

from ledger.core.encoding.decoding import convert, decoder_of
from ledger.core.errors import MalformedInput
from ledger.core.messages import Message, plain

T = TypeVar("T")

MAX_MESSAGE = 400  # characters: a refusal does not send a megabyte back
# Pattern -> its description in words, for messages. The modules that define patterns enter them.
MEANINGS: dict[str, str] = {}
_encoder = msgspec.json.Encoder(order="sorted", enc_hook=plain)
_AT = re.compile(r"(?P<problem>.*) - at (?P<key>`key` in )?`\$(?P<path>.*)`\Z", re.DOTALL)
_REGEX = re.compile(r"Expected `str` matching regex '(?P<pattern>.*)'\Z", re.DOTALL)
_WORD = re.compile(r"Invalid enum value '(?P<word>.*)'\Z", re.DOTALL)
_NAMED = re.compile(r"Object (?P<fault>contains unknown|missing required) field `(?P<name>.*)`\Z", re.DOTALL)
_EXPECTED = re.compile(r"Expected `(?P<kind>[^`]*)`(?P<relation>, got | of length | )(?P<value>`[^`]*`|[<>=]+ \S+)\Z")
# What msgspec says of a value or a field, as messages, and what is refused in every text.
MISSING = Message("Object missing required field `{name}`")
NUL = Message("a string holds the character NUL")
OTHER_LENGTH = Message("Expected `{kind}` of length {value}")
_SAID_OF = {
    ", got ": Message("Expected `{kind}`, got {value}"),
    " of length ": OTHER_LENGTH,
    " ": Message("Expected `{kind}` {value}"),
    "contains unknown": Message("Object contains unknown field `{name}`"),
    "missing required": MISSING,
    "Invalid base64 encoded string": Message("Expected bytes in base64"),
}
_BYTE = re.compile(r"\(byte (?P<position>[0-9]+)\)\Z")
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_STRING = re.compile(r'"(?:[^"\\]++|\\.)*+"')
# Unicode Bidi_Control: LRM, RLM, ALM, embeddings, overrides, isolates. They make a text display as another one.
_BIDI = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_ASCII = bytes(range(128))


def encode(value: Any) -> bytes:
    """Encode a struct, or a tree of plain values, as canonical bytes."""
    return _encoder.encode(value)


def decode(data: bytes, decoder: msgspec.json.Decoder[T], *, where: str = "") -> T:
    """Decode canonical bytes to a value of the decoder's type.

    Raises MalformedInput, which names the field, for a value of another type and for any second spelling.
    """
    # By type first: its refusals name a field, where a comparison of bytes names a position.
    value = parse(data, decoder, where=where)
    require_same(data, encode(value), where=where)
    require_profile(data, where=where)
    return value


def require_canonical(data: bytes, *, where: str = "") -> None:
    """Accept the canonical bytes of any value: for what has a type that is not known, or not looked at, yet.

    Raises MalformedInput, which names the field.
    """
    require_same(data, encode(parse(data, decoder_of(Any), where=where)), where=where)
    require_profile(data, where=where)
    has_numbers = _NUMBER.search(_KEY_OR_TEXT.sub(b"", data))  # blanks, which keep positions, take longer
    for number in _NUMBER.finditer(_KEY_OR_TEXT.sub(lambda text: b" " * len(text[0]), data)) if has_numbers else ():
        if not number[0].lstrip(b"-").isdigit() or abs(int(number[0])) >= _LARGEST:
            field = _field_at(data, number.start(), where)
            raise MalformedInput("a number that is no integer below 2**53", field=field)
    for key in () if data.isascii() else _KEY.finditer(data):
        if key[2] and not key[1].isascii():
            raise MalformedInput("a key that is not ASCII", field=_field_at(data, key.start(), where))


def parse(data: bytes, decoder: msgspec.json.Decoder[T], *, where: str = "") -> T:
    """Decode bytes strictly by type, without requiring the canonical spelling.

    Raises MalformedInput, which names the field, also for values nested deeper than ``MAX_LEVELS``.
    """
    # Before decoding, which would recurse as deep as the text says.
    _require_shallow(data, where)
    try:
        return decoder.decode(data)
    except msgspec.ValidationError as error:
        raise _refusal(str(error), lambda: _plain_value(data), decoder.type, where) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _not_json(data, error, where) from error


def require_distinct_keys(data: bytes, *, where: str = "") -> None:
    """Refuse a text in which an object has a key twice: readers would disagree on its value.

    Raises MalformedInput, which names the field.
    """

    def notice(pairs: list[tuple[str, Any]]) -> None:
        if len({key for key, _ in pairs}) != len(pairs):
            raise MalformedInput(
                "the key stands twice in one object", field=_join(where, next(repeated_keys(data), ""))
            )

    _require_shallow(data, where)
    try:
        json.loads(data, object_pairs_hook=notice)
    except MalformedInput:
        raise
    except ValueError as error:
        raise _not_json(data, error, where) from error


def require_same(data: bytes, canonical: bytes, *, where: str = "") -> None:
    """Accept bytes that equal their canonical spelling.

    Raises MalformedInput, which names the first byte that differs and its field.
    """
    if data == canonical:
        return
    require_distinct_keys(data, where=where)
    ends = range(min(len(data), len(canonical)))
    position = bisect_left(ends, True, key=lambda end: data[: end + 1] != canonical[: end + 1])
    raise MalformedInput(
        "not in canonical form (RFC 8785) at byte {position}: expected {canonical}, found {given}",
        position=position,
        canonical=_excerpt(canonical, position),
        given=_excerpt(data, position),
        field=_join(where, path_at(data, position)),
        hint="Keys sorted, no white space, no optional field spelled out as null or empty, no needless escapes.",
    )


def require_profile(data: bytes, *, where: str = "") -> None:
    """Accept canonical bytes whose strings are within the profile: no NUL, no bidirectional controls.

    Requires ``data`` to be canonical: then only quotation marks, backslashes and control characters are escaped.
    Raises MalformedInput, which names the field.
    """
    require_no_nul(data, where=where)
    if data.isascii():
        return
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:  # within a part that is read later
        raise _not_json(data, error, where) from error
    # First among the characters that are not ASCII: those are few, and the search looks at each character.
    if _BIDI.search(data.translate(None, _ASCII).decode()) and (bidi := _BIDI.search(text)):
        raise MalformedInput(
            "a string holds the bidirectional control U+{character:04X}",
            character=ord(bidi[0]),
            field=_field_at(data, len(text[: bidi.start()].encode()), where),
        )


def require_no_nul(data: bytes, *, where: str = "") -> None:
    """Accept a JSON text none of whose strings holds the character NUL. Raises MalformedInput, naming the field."""
    # A NUL ends a string in C, and PostgreSQL's text has none, so two readers would see two texts.
    if b"\\u0000" in data and (nul := _NUL.search(data)):
        raise MalformedInput(NUL, field=_field_at(data, nul.start(), where))


def require_nfc(data: bytes) -> None:
    """Accept canonical bytes whose strings are in Unicode Normalization Form C. Raises MalformedInput, with the field.

    Only writers ask for it: the tables of Unicode grow, so two readers could disagree.
    """
    text = data.decode()
    if unicodedata.is_normalized("NFC", text):
        return
    # The whole text is no measure: a combining mark after the ``n`` of an escaped newline composes with nothing.
    for string in _STRING.finditer(text):
        if not (string[0].isascii() or unicodedata.is_normalized("NFC", json.loads(string[0]))):
            position = len(text[: string.start()].encode())
            raise MalformedInput("a string is not in normal form C", field=_field_at(data, position, ""))


def _require_shallow(data: bytes, where: str) -> None:
    """Refuse a text that is nested deeper than ``MAX_LEVELS``.

    Decoders recurse: if a library has raised the interpreter's recursion limit, a deep text overflows the C stack.
    """
    # The common case: too few brackets, even with those inside strings.
    if len(data.translate(None, _NO_OPENING)) > MAX_LEVELS and (path := deep_field(data)) is not None:
        raise MalformedInput("nested deeper than {limit} levels", limit=MAX_LEVELS, field=_join(where, path))


def refusal_of(message: str, value: Any, kind: Any, where: str) -> MalformedInput:
    """Build the refusal of a ``value`` that msgspec did not accept as ``kind``, from msgspec's message.

    Patterns are described in words, and the allowed words of a vocabulary are listed.
    """
    return _refusal(message, lambda: value, kind, where)


def _refusal(message: str, plain_value: Callable[[], Any], kind: Any, where: str) -> MalformedInput:
    """Build a refusal from a message of msgspec; ``plain_value`` is called only if words or keys depend on it."""
    at = _AT.match(message)
    problem, path = (at["problem"], at["path"] + (_ENTRY if at["key"] else "")) if at else (message, "")
    inner = path
    if _ENTRY in path:
        path = _with_keys(path, plain_value(), kind)
    if regex := _REGEX.match(problem):
        pattern = regex["pattern"].encode().decode("unicode_escape")
        like = Message("text like {pattern}", pattern=pattern)
        problem = Message("Expected {pattern}", pattern=MEANINGS.get(pattern, like))
    elif expected := _EXPECTED.match(problem):
        problem = Message(_SAID_OF[expected["relation"]], **expected.groupdict())
    elif named := _NAMED.match(problem):
        name = shown(named["name"])
        problem, path = Message(_SAID_OF[named["fault"]], name=name), f"{path}.{name}"
    if (word := _WORD.match(problem)) and (words := words_at(kind, plain_value(), inner)):
        return MalformedInput(
            "Expected one of {words}, not {word!r}",
            words=", ".join(words),
            word=shown(word["word"]),
            field=_join(where, path),
        )
    # What is cut off is no message any more.
    problem = _SAID_OF.get(problem, problem)
    return MalformedInput(problem if len(problem) <= MAX_MESSAGE else problem[:MAX_MESSAGE], field=_join(where, path))


def _plain_value(data: bytes) -> Any:
    """Return the value of a JSON text without regard to types; None if the text is not JSON."""
    try:
        return json.loads(data)
    except ValueError:
        return None


def _not_json(data: bytes, error: Exception, where: str) -> MalformedInput:
    """Build the refusal of bytes that are not UTF-8 or not JSON, at the field where reading stopped."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as broken:
        position = broken.start
    else:
        byte = _BYTE.search(str(error))
        position = int(byte["position"]) if byte else len(data)
    return MalformedInput("not JSON in UTF-8: {error}", error=error, field=_field_at(data, position, where))


def _field_at(data: bytes, position: int, where: str) -> str | None:
    return _join(where, path_at(data, position))


def _excerpt(data: bytes, position: int) -> str:
    return repr(data[position : position + 16].decode("utf-8", "replace")) if position < len(data) else "the end"


def _join(where: str, path: str) -> str | None:
    return (where + path).lstrip(".") or None


MAX_LEVELS = 32  # of nesting; bundles have at most 12
SHOWN_LEVELS = 12  # of a path
SHOWN_CHARACTERS = 80  # of a key
NAMED_WITHIN = 2**16  # bytes, behind which no path is made of a refused text: token by token, that takes its time

# A string may lack its end; possessive, so that a text of quotation marks and backslashes is read once.
_SPLIT_AT_MOST = 2**20  # bytes
_STEPS = bytes.maketrans(b"[{]}", b"\2\2\0\0")
_NO_BRACKET = bytes(set(range(256)) - set(b"[{]}"))
_NO_OPENING = bytes(set(range(256)) - set(b"[{"))
_KEY_OR_TEXT = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_KEY = re.compile(rb'("(?:[^"\\]++|\\.)*+")(:?)', re.DOTALL)
_NUMBER = re.compile(rb"-?[0-9][-+.0-9eE]*")
_LARGEST = 2**53
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[{}\[\],]', re.DOTALL)


class _Level:
    """An open object or array. ``key`` is its current field (None before the first is named) or position."""

    __slots__ = ("key", "keys")

    def __init__(self, key: str | int | None):
        self.key = key
        self.keys: set[str] = set()

    def enter(self, key: str) -> bool:
        """Start a field of this object. Return False if the object has a field of that name already."""
        self.key = key
        new = key not in self.keys
        self.keys.add(key)
        return new

    def __str__(self) -> str:
        if isinstance(self.key, str):
            return f".{shown(self.key)}"
        return "" if self.key is None else f"[{self.key}]"


def path_at(data: bytes, position: int) -> str:
    """Return the path of the field whose name or value has byte ``position``: ``.a.b[0]``.

    It is "" outside of fields, and behind ``NAMED_WITHIN``.
    """
    if position > NAMED_WITHIN:
        return ""
    levels: list[_Level] = []
    for levels, _ in _walk(data, position):  # noqa: B007 - the last one counts
        pass
    return _path_text(levels)


def repeated_keys(data: bytes) -> Iterator[str]:
    """Yield the path of each field that its object has already, up to ``NAMED_WITHIN``."""
    return (_path_text(levels) for levels, new in _walk(data, len(data)) if not new)


def deep_field(data: bytes) -> str | None:
    """Return the path of the first value nested deeper than ``MAX_LEVELS``, or None if there is none.

    The path is "" if it lies behind ``NAMED_WITHIN``.
    """
    # Brackets inside strings do not count: without escapes, a string is what stands between two quotation marks.
    # Of a long text the parts would take many times its memory.
    is_simple = len(data) <= _SPLIT_AT_MOST and b"\\" not in data
    outside = b"".join(data.split(b'"')[::2]) if is_simple else _KEY_OR_TEXT.sub(b"", data)
    if max(accumulate(step - 1 for step in outside.translate(_STEPS, _NO_BRACKET)), default=0) <= MAX_LEVELS:
        return None
    deep = next((levels for levels, _ in _walk(data, len(data)) if len(levels) > MAX_LEVELS), None)
    if deep is None:  # a string without its end may hold all of the brackets
        return "" if len(data) > NAMED_WITHIN else None
    # Down to the first array.
    return _path_text(list(takewhile(lambda level: isinstance(level.key, str), deep)))


def shown(text: str) -> str:
    """Return a key of the input as a message may show it: printable ASCII, cut to ``SHOWN_CHARACTERS``."""
    printable = "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text[:SHOWN_CHARACTERS])
    return printable.encode("ascii", "backslashreplace").decode()


def _walk(data: bytes, until: int) -> Iterator[tuple[list[_Level], bool]]:
    """Yield the open levels after each token that begins before ``until``, and False with a key that is repeated.

    What lies behind ``NAMED_WITHIN`` is not read.
    """
    levels: list[_Level] = []
    for token in _TOKEN.finditer(data, 0, NAMED_WITHIN):
        if token.start() >= until:
            return
        new = True
        match token[0]:
            case b"{":
                levels.append(_Level(None))
            case b"[":
                levels.append(_Level(0))
            case b"}" | b"]":
                del levels[-1:]
            case b"," if levels:
                key = levels[-1].key
                levels[-1].key = key + 1 if isinstance(key, int) else None
            case string if levels and levels[-1].key is None:
                new = levels[-1].enter(_unescaped(string))
        yield levels, new


def _unescaped(string: bytes) -> str:
    text = string.decode("utf-8", "replace")
    try:
        return str(json.loads(text))
    except ValueError:
        return text[1:-1]


def _path_text(levels: list[_Level]) -> str:
    return "".join(map(str, levels[:SHOWN_LEVELS]))


_ENTRY = "[...]"  # in a path of msgspec: of one of the entries of an object, whose key it does not say
_STEP = re.compile(r"\.([A-Za-z_]\w*)|\[([0-9]+)\]|\[\.\.\.\]")


def _with_keys(path: str, value: Any, kind: Any) -> str:
    """Return the path with the key of the first entry that is refused in the place of each ``[...]``."""
    kinds, steps = _alternatives(kind), ""
    for step in _STEP.finditer(path):
        key = _refused_key(kinds, value) if step[0] == _ENTRY else None
        steps += step[0] if key is None else f".{shown(key)}"
        kinds = [inner for outer in kinds for inner in _inside(outer, value, step[1])]
        value = _part(value, step) if key is None else value[key]
    return steps


def _refused_key(kinds: Iterable[Any], value: Any) -> str | None:
    """Return the first key of an object that no type among ``kinds`` takes with its value."""
    for kind in kinds:
        for key, entry in value.items() if isinstance(value, dict) and get_origin(kind) is dict else ():
            try:
                convert({key: entry}, kind)
            except msgspec.ValidationError:
                return str(key)
    return None


def words_at(kind: Any, value: Any, path: str) -> tuple[str, ...]:
    """Return the words that ``kind`` allows at ``path`` (``.items[0].unit``), empty if it has no vocabulary there.

    ``value`` is the input for ``kind`` in plain values: its tags choose between the types of a union.
    """
    kinds = _alternatives(kind)
    for step in _STEP.finditer(path):
        kinds = [inner for outer in kinds for inner in _inside(outer, value, step[1])]
        value = _part(value, step)
    return tuple(dict.fromkeys(word for leaf in kinds if get_origin(leaf) is Literal for word in get_args(leaf)))


def _alternatives(kind: Any) -> list[Any]:
    """Return the types that a value of ``kind`` may have, none of them a union."""
    if get_origin(kind) is Annotated:
        return _alternatives(get_args(kind)[0])
    if get_origin(kind) in (Union, UnionType):
        return [alternative for part in get_args(kind) for alternative in _alternatives(part)]
    return [kind]


def _inside(kind: Any, value: Any, name: str | None) -> list[Any]:
    """Return the types that ``kind`` has in its field ``name``, or of its entries if ``name`` is None."""
    if name is None:
        # The type of a container's entries: ``tuple[X, ...]`` names it first, ``dict[str, X]`` last.
        entries = [part for part in get_args(kind) if part is not Ellipsis][-1:]
        return [alternative for part in entries for alternative in _alternatives(part)]
    struct = get_origin(kind) or kind
    if not (isinstance(struct, type) and issubclass(struct, Struct)) or not _is_tagged_as(struct, value):
        return []
    hint = get_type_hints(struct, include_extras=True).get(name)
    # Of a generic struct the field may be of the type that it is filled with.
    filled = dict(zip(getattr(struct, "__parameters__", ()), get_args(kind), strict=False))
    return [] if hint is None else _alternatives(filled.get(hint, hint))


def _is_tagged_as(kind: type[Struct], value: Any) -> bool:
    config = kind.__struct_config__
    return config.tag is None or not isinstance(value, dict) or value.get(config.tag_field) == config.tag


def _part(value: Any, step: re.Match[str]) -> Any:
    if step[1] is not None and isinstance(value, dict):
        return value.get(step[1])
    if step[2] is not None and isinstance(value, list) and int(step[2]) < len(value):
        return value[int(step[2])]
    return None
