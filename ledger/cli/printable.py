"""Text of others, made fit for a terminal: what would steer it is shown instead.

Descriptions, remarks and messages come from those who signed or sent them, and may hold escape sequences that recolour,
overwrite or rename what a reader sees.
"""

from __future__ import annotations

from unicodedata import east_asian_width

_BREAKS = "\n\t"
_CONTROLS = {*map(chr, range(0x20)), *map(chr, range(0x7F, 0xA0)), "\u2028", "\u2029"}
_DIRECTIONS = {"\u061c", "\u200e", "\u200f", *map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A))}
_IN_A_LINE = str.maketrans({character: ascii(character)[1:-1] for character in _CONTROLS | _DIRECTIONS})
_IN_A_TEXT = {point: shown for point, shown in _IN_A_LINE.items() if chr(point) not in _BREAKS}
_IN_JSON = str.maketrans({chr(point): f"\\u{point:04x}" for point in range(0x7F, 0xA0)})


def printable(text: str) -> str:
    """Return a text of several lines, with every other control character and change of direction spelled out."""
    return text.translate(_IN_A_TEXT)


def printable_line(text: str) -> str:
    """Return a text in one line: breaks are spelled out too, so that no text can pass for a line of ours."""
    return text.translate(_IN_A_LINE)


def printable_json(text: str) -> str:
    """Escape the second set of control characters in JSON, which encoders leave as they are."""
    return text.translate(_IN_JSON)


def columns_of(text: str) -> int:
    """Return how many columns of a terminal a text takes: two for a Chinese character."""
    return sum(2 if east_asian_width(character) in "WF" else 1 for character in text)


def padded(text: str, columns: int) -> str:
    """Fill the text up with blanks to ``columns``."""
    return text + " " * (columns - columns_of(text))
