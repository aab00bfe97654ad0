"""The one spelling of a value: RFC 8785 under the ledger's profile.

Profile: no floats, ``|integer| < 2**53``, ASCII keys, strings in NFC without NUL and without bidirectional controls.
Under it ``msgspec``'s sorted encoding gives the bytes of RFC 8785. A text that is decoded strictly and encoded again
must come out byte for byte: that one comparison refuses duplicate keys, BOM, ``-0``, needless escapes, white space and
every other second spelling.
"""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any, TypeVar

import msgspec

from ledger.core.errors import MalformedInput

T = TypeVar("T")

# What a pattern stands for, in words: entered by the modules that define patterns, said instead of the pattern.
MEANINGS: dict[str, str] = {}
_encoder = msgspec.json.Encoder(order="sorted")
_REGEX = re.compile(r"Expected `str` matching regex '(?P<pattern>.*)'\Z", re.DOTALL)
_PATH = re.compile(r"(?P<what>.*) - at `\$(?P<path>.*)`\Z", re.DOTALL)
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
# Unicode Bidi_Control: LRM, RLM, ALM, embeddings, overrides, isolates. They make a text read as what it is not.
_BIDI = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_KEY = re.compile(rb'"((?:[^"\\]|\\.)*)"\s*:')


def encode(value: Any) -> bytes:
    """The canonical bytes of a struct or of a tree of plain values."""
    return _encoder.encode(value)


def decode(data: bytes, decoder: msgspec.json.Decoder[T], *, where: str = "") -> T:
    """The value of canonical bytes of the decoder's type.

    Raises MalformedInput, naming the field, for anything that is not this type in its one spelling.
    """
    value = parse(data, decoder, where=where)
    require_same(data, encode(value), where=where)
    require_profile(data, where=where)
    return value


def parse(data: bytes, decoder: msgspec.json.Decoder[T], *, where: str = "") -> T:
    """Decodes strictly by type, without looking at the spelling."""
    try:
        return decoder.decode(data)
    except msgspec.ValidationError as error:
        match = _PATH.match(str(error))
        what, path = (match["what"], match["path"]) if match else (str(error), "")
        raise MalformedInput(_in_words(what), field=_join(where, path)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedInput(f"not JSON in UTF-8: {error}", field=where or None) from error


def require_distinct_keys(data: bytes, *, where: str = "") -> None:
    """Raises MalformedInput where a key stands twice in one object: readers would differ on what is said."""

    def notice(pairs: list[tuple[str, Any]]) -> None:
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise MalformedInput("the key stands twice in one object", field=_join(where, "." + key))
            seen.add(key)

    try:
        json.loads(data, object_pairs_hook=notice)
    except MalformedInput:
        raise
    except (ValueError, RecursionError) as error:
        raise MalformedInput(f"not JSON in UTF-8: {error}", field=where or None) from error


def require_same(given: bytes, canonical: bytes, *, where: str = "") -> None:
    """Raises MalformedInput at the first byte where ``given`` is not its canonical spelling."""
    if given == canonical:
        return
    require_distinct_keys(given, where=where)
    position = next((i for i, (a, b) in enumerate(zip(given, canonical, strict=False)) if a != b), len(canonical))
    keys = _KEY.findall(given[:position])
    raise MalformedInput(
        f"not in canonical form (RFC 8785) at byte {position}: expected {_excerpt(canonical, position)}, "
        f"found {_excerpt(given, position)}",
        field=_join(where, "." + keys[-1].decode("utf-8", "replace")) if keys else where or None,
        hint="Keys sorted, no white space, no optional field spelled out as null or empty, no needless escapes.",
    )


def require_profile(data: bytes, *, where: str = "") -> None:
    """Raises MalformedInput for text outside the profile: not NFC, NUL, bidirectional controls.

    Requires ``data`` to be canonical: then only control characters are escaped, and NFC of the whole text is NFC of
    each string, because a quotation mark composes with nothing.
    """
    if b"\\u0000" in data and (nul := _NUL.search(data)):
        raise MalformedInput(
            "a string holds the character NUL", field=_field_at(data[: nul.start()].decode("utf-8", "replace"), where)
        )
    if data.isascii():
        return
    text = data.decode("utf-8")
    if not unicodedata.is_normalized("NFC", text):
        raise MalformedInput("a string is not in Unicode normal form C", field=_field_of_text(text, where))
    if match := _BIDI.search(text):
        raise MalformedInput(
            f"a string holds the bidirectional control U+{ord(match[0]):04X}",
            field=_field_at(text[: match.start()], where),
        )


def _in_words(what: str) -> str:
    match = _REGEX.match(what)
    if match is None:
        return what
    pattern = match["pattern"].encode().decode("unicode_escape")
    return f"Expected {MEANINGS.get(pattern, f'text like {pattern}')}"


def _field_of_text(text: str, where: str) -> str | None:
    normal = unicodedata.normalize("NFC", text)
    position = next((i for i, (a, b) in enumerate(zip(text, normal, strict=False)) if a != b), len(normal))
    return _field_at(text[:position], where)


def _field_at(before: str, where: str) -> str | None:
    keys = _KEY.findall(before.encode())
    return _join(where, "." + keys[-1].decode()) if keys else where or None


def _excerpt(data: bytes, position: int) -> str:
    return repr(data[position : position + 16].decode("utf-8", "replace")) if position < len(data) else "the end"


def _join(where: str, path: str) -> str | None:
    return (where + path).lstrip(".") or None
