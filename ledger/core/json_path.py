"""Where in a JSON text a byte stands, so that a refusal can name the field: ``payload.body.items[2].seal_number``.

The text need not be well-formed: paths are then those up to the fault. Nothing is decoded here but keys.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import accumulate, takewhile

MAX_LEVELS = 32  # of nesting; bundles have at most 12
SHOWN_LEVELS = 12  # of a path
SHOWN_CHARACTERS = 80  # of a key

# A string may lack its end; possessive, so that a text of quotation marks and backslashes is read once.
_STEPS = bytes.maketrans(b"[{]}", b"\2\2\0\0")
_NO_BRACKET = bytes(set(range(256)) - set(b"[{]}"))
_NO_OPENING = bytes(set(range(256)) - set(b"[{"))
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[{}\[\],]', re.DOTALL)


class _Level:
    """An object or array that is open: ``key`` is the field (None before one is named) or the position."""

    __slots__ = ("key", "seen")

    def __init__(self, key: str | int | None):
        self.key = key
        self.seen: set[str] = set()

    def enter(self, key: str) -> bool:
        """Names the field that follows; False where the object has it already."""
        self.key = key
        new = key not in self.seen
        self.seen.add(key)
        return new

    def __str__(self) -> str:
        if isinstance(self.key, str):
            return f".{shown(self.key)}"
        return "" if self.key is None else f"[{self.key}]"


def path_at(data: bytes, position: int) -> str:
    """The path of the field, name or value, that byte ``position`` belongs to: ``.a.b[0]``, empty outside of fields."""
    levels: list[_Level] = []
    for levels, _ in _walk(data, position):  # noqa: B007 - the last one counts
        pass
    return _spelled(levels)


def repeated_keys(data: bytes) -> Iterator[str]:
    """The path of each field that its object has already."""
    return (_spelled(levels) for levels, new in _walk(data, len(data)) if not new)


def deep_field(data: bytes) -> str | None:
    """The field with the first value that is nested deeper than ``MAX_LEVELS``; None where there is none."""
    if len(data.translate(None, _NO_OPENING)) <= MAX_LEVELS:
        return None  # brackets within strings counted in
    steps = _STRING.sub(b"", data).translate(_STEPS, _NO_BRACKET)  # closed ones within strings must hide nothing
    if max(accumulate(step - 1 for step in steps), default=0) <= MAX_LEVELS:
        return None
    return next((_outermost(levels) for levels, _ in _walk(data, len(data)) if len(levels) > MAX_LEVELS), None)


def shown(text: str) -> str:
    """A key of the input as it may stand in a message: printable ASCII, cut."""
    printable = "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text[:SHOWN_CHARACTERS])
    return printable.encode("ascii", "backslashreplace").decode()


def _walk(data: bytes, until: int) -> Iterator[tuple[list[_Level], bool]]:
    """The open levels after each token that begins before ``until``, and whether it, if it is a key, is new there."""
    levels: list[_Level] = []
    for token in _TOKEN.finditer(data):
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
            case b",":
                _next(levels)
            case string if levels and levels[-1].key is None:
                new = levels[-1].enter(_unescaped(string))
        yield levels, new


def _next(levels: list[_Level]) -> None:
    if levels:
        key = levels[-1].key
        levels[-1].key = key + 1 if isinstance(key, int) else None


def _unescaped(string: bytes) -> str:
    text = string.decode("utf-8", "replace")
    try:
        return str(json.loads(text))
    except ValueError:
        return text[1:-1]


def _outermost(levels: list[_Level]) -> str:
    """The names down to the first array or nameless object."""
    named = takewhile(lambda level: isinstance(level.key, str), levels)
    return _spelled(list(named))


def _spelled(levels: list[_Level]) -> str:
    return "".join(map(str, levels[:SHOWN_LEVELS]))
