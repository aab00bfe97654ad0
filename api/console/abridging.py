"""Abridging: an id in the middle of a text is as long as tells it apart; the pointer that rests on it shows the whole.

What others wrote is escaped here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from markupsafe import Markup, escape

DIGITS = 8  # of a pseudonym, a key or a digest
MOST = 18  # characters of an id that people chose
_LONG = r"(?<![0-9A-Za-z])(?:0x)?[0-9a-f]{20,}(?![0-9A-Za-z])"


def abridged(text: str, most: int = MOST) -> str:
    """Its beginning and its end, since ids of one case begin alike."""
    if len(text) <= most:
        return text
    tail = (most - 1) // 2
    return f"{text[: most - 1 - tail]}…{text[-tail:]}"


def brief(text: str, *ids: str | None) -> Markup:
    """The text with pseudonyms, keys and digests abridged, and these ``ids``; each as a whole in its title."""
    return Markup("").join(
        Markup('<span title="{}">{}</span>').format(part, shown) if shown != part else escape(part)
        for part, shown in _parts(text, ids)
    )


def in_brief(text: str, *ids: str | None) -> str:
    """The same where no markup may stand."""
    return "".join(shown for _, shown in _parts(text, ids))


def _parts(text: str, ids: tuple[str | None, ...]) -> Iterator[tuple[str, str]]:
    """The pieces of a text in their order, each as it stands there and as it is shown."""
    named = [one for one in ids if one]
    found = re.compile("|".join([*(rf"(?<![\w-]){re.escape(one)}(?![\w-])" for one in named), _LONG]), re.ASCII)
    end = 0
    for match in found.finditer(text):
        yield text[end : match.start()], text[end : match.start()]
        whole = match.group()
        yield whole, abridged(whole) if whole in named else f"{whole[: DIGITS + 2 * whole.startswith('0x')]}…"
        end = match.end()
    yield text[end:], text[end:]
