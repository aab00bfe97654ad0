"""Times as people read and write them: the ledger's own, eight hours ahead of UTC, and never another beside it.

Statutory days are days of that zone: an answer with the hours of one zone and the days of another would be misread.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from ledger.core.errors import MalformedInput
from ledger.core.procedure.legal_days import SHANGHAI, readable, spelled

_TIMES = ("%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S")
_AS_SHOWN = re.compile(r"^(\S+ \S+) ([+-]\S+)$")  # what ``when`` gives can be typed again


def when(moment: str | int) -> str:
    """Return a moment (RFC 3339 UTC, or unix seconds) in the ledger's time, with its zone; any other text as it is."""
    try:
        at = datetime.fromtimestamp(moment, UTC) if isinstance(moment, int) else datetime.fromisoformat(moment)
        if at.tzinfo is None:
            return str(moment)
        return readable(at)
    except (ValueError, OverflowError, OSError):  # by platform, for a year that no calendar has
        return str(moment)


def instant(text: str, *, field: str) -> str:
    """Return a moment (with an offset, or in the ledger's time) as the protocol writes it. Raises MalformedInput."""
    return spelled(_moment(text, _TIMES, field))


def unix_seconds(text: str, *, field: str) -> int:
    """Return a moment, or the beginning of a day in the ledger's time, in unix seconds. Raises MalformedInput."""
    return int(_moment(text, (*_TIMES, "%Y-%m-%d"), field).timestamp())


def _moment(text: str, forms: tuple[str, ...], field: str) -> datetime:
    for form in forms:
        try:
            return datetime.strptime(text, form).replace(tzinfo=SHANGHAI)
        except ValueError:
            continue
    try:
        moment = datetime.fromisoformat(_AS_SHOWN.sub(r"\1\2", text))
        if moment.tzinfo is not None:
            return moment
    except ValueError:
        pass
    raise MalformedInput(
        f"expected a time such as 2026-03-01 16:30 (of the ledger, +08:00) or 2026-03-01T10:30:00+02:00, not {text!r}",
        field=field,
    )
