"""Abridged ids: as many characters as tell an id from others; a tooltip shows the whole.

Text by other people is escaped here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from markupsafe import Markup, escape

DIGITS = 8  # of a pseudonym, a key or a digest
MOST = 18  # characters of an id that people chose
_LONG = r"(?<![0-9A-Za-z])(?:0x)?[0-9a-f]{20,}(?![0-9A-Za-z])"


def abridged(text: str, most: int = MOST) -> str:
    """Return the beginning and the end of an id, since ids of one case begin alike."""
    if len(text) <= most:
        return text
    tail = (most - 1) // 2
    return f"{text[: most - 1 - tail]}…{text[-tail:]}"


def brief(text: str, *ids: str | None) -> Markup:
    """Return the text as markup with pseudonyms, keys, digests and ``ids`` abridged, each whole in its title."""
    return Markup("").join(
        Markup('<span title="{}">{}</span>').format(part, shown) if shown != part else escape(part)
        for part, shown in _parts(text, ids)
    )


def in_brief(text: str, *ids: str | None) -> str:
    """Return the same text without markup."""
    return "".join(shown for _, shown in _parts(text, ids))


def _parts(text: str, ids: tuple[str | None, ...]) -> Iterator[tuple[str, str]]:
    """Yield the pieces of a text in order, each as it is written and as it is shown."""
    named = [name for name in ids if name]
    pattern = re.compile("|".join([*(rf"(?<![\w-]){re.escape(name)}(?![\w-])" for name in named), _LONG]), re.ASCII)
    end = 0
    for match in pattern.finditer(text):
        yield text[end : match.start()], text[end : match.start()]
        full_id = match.group()
        yield full_id, abridged(full_id) if full_id in named else f"{full_id[: DIGITS + 2 * full_id.startswith('0x')]}…"
        end = match.end()
    yield text[end:], text[end:]
