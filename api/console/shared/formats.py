"""Times, spans, sizes and abridged ids as pages show them. Times are in the zone in use."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime

from markupsafe import Markup, escape

from api.texts import Texts
from ledger.core.errors import MalformedInput
from ledger.core.procedure.legal_days import YEARS
from ledger.i18n import zone_in_use
from ledger.i18n.html_bidi import apart

_STEPS = (1, 60, 3600, 86_400)  # seconds
_KIB = 1024
_LAST = 253_402_214_400  # unix seconds: what ends after the year 9999 has no end that people would read


def typed(text: str, field: str) -> datetime:
    """Return the time that a browser sent without a zone, as clocks of the zone in use show it.

    Of an hour that they show twice it is the first. Raises MalformedInput.
    """
    try:
        shown = datetime.fromisoformat(text).replace(tzinfo=None)
    except ValueError as error:
        raise MalformedInput(
            "expected a time such as 2026-03-02T09:30, not {text!r}", text=text[:40], field=field
        ) from error
    if shown.year not in YEARS:
        raise MalformedInput(
            "expected a time in the years {first} to {last}, not {text!r}",
            first=YEARS[0],
            last=YEARS[-1],
            text=text[:40],
            field=field,
        )
    zone = zone_in_use()
    return next(iter(zone.moments(shown)), None) or zone.moment(shown, field=field)


def minute(unix_s: int) -> str:
    """Return a time to the minute, in the form of an input field."""
    return zone_in_use().shown("{:%Y-%m-%dT%H:%M}", unix_s)


def instant(unix_s: float | None) -> Markup:
    """Return an HTML ``time``: the time to the second, with its offset as its title; ∞ if it never ends."""
    if unix_s is None:
        return Markup("—")
    if unix_s > _LAST:
        return Markup("∞")
    at = zone_in_use().local(datetime.fromtimestamp(int(unix_s), UTC))
    return Markup('<time datetime="{0}" title="{0}">{1:%Y-%m-%d %H:%M:%S}</time>').format(at.isoformat(), at)


def span(seconds: float, texts: Texts) -> str:
    """Return a duration in one unit, such as ``3 min``."""
    whole_seconds = max(0, int(seconds))
    if whole_seconds < _STEPS[1]:
        return texts("{count} s", count=whole_seconds)
    if whole_seconds < _STEPS[2]:
        return texts("{count} min", count=whole_seconds // _STEPS[1])
    if whole_seconds < 2 * _STEPS[3]:
        return texts("{count} h", count=whole_seconds // _STEPS[2])
    return texts("{count} d", count=whole_seconds // _STEPS[3])


def size(count: int) -> str:
    """Return a number of bytes in the largest unit that gives at least 1."""
    value, units = float(count), ["B", "KiB", "MiB", "GiB", "TiB"]
    while value >= _KIB and len(units) > 1:
        value /= _KIB
        units.pop(0)
    return f"{value:.0f} {units[0]}" if units[0] == "B" else f"{value:.1f} {units[0]}"


def ether(wei: int) -> str:
    """Return a balance in the chain's own currency."""
    return f"{wei / 10**18:.6f}".rstrip("0").rstrip(".")


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
        Markup('<span title="{}">{}</span>').format(part, shown) if shown != part else escape(apart(part))
        for part, shown in _parts(text, ids)
    )


def in_brief(text: str, *ids: str | None) -> str:
    """Return the same text without markup."""
    return "".join(shown for _, shown in _parts(text, ids))


def _parts(text: str, ids: tuple[str | None, ...]) -> Iterator[tuple[str, str]]:
    """Yield the pieces of a text in order, each as it is written and as it is shown."""
    # The longest first: one id may begin with another.
    named = sorted({name for name in ids if name}, key=len, reverse=True)
    pattern = re.compile("|".join([*(rf"(?<![\w-]){re.escape(name)}(?![\w-])" for name in named), _LONG]), re.ASCII)
    end = 0
    for match in pattern.finditer(text):
        yield text[end : match.start()], text[end : match.start()]
        full_id = match.group()
        pseudonym = f"{full_id[: DIGITS + 2 * full_id.startswith('0x')]}…"
        yield full_id, abridged(full_id) if full_id in named else pseudonym
        end = match.end()
    yield text[end:], text[end:]
