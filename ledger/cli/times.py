"""Times as people read and write them: local time with its offset, and UTC beside it."""

from __future__ import annotations

from datetime import UTC, datetime

from ledger.core.errors import MalformedInput
from ledger.core.instant import spelled

_TIMES = ("%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S")


def when(moment: str | int) -> str:
    """A moment (RFC 3339 UTC, or unix seconds) in local time and UTC; any other text as it is."""
    try:
        utc = datetime.fromtimestamp(moment, UTC) if isinstance(moment, int) else datetime.fromisoformat(moment)
    except (ValueError, OverflowError, OSError):  # by platform, for a year that no calendar has
        return str(moment)
    if utc.tzinfo is None:
        return str(moment)
    local = utc.astimezone()
    if not local.utcoffset():
        return f"{utc:%Y-%m-%d %H:%M:%S}Z"
    same_day = local.date() == utc.astimezone(UTC).date()
    spelled = f"{utc.astimezone(UTC):{'%H:%M:%S' if same_day else '%Y-%m-%d %H:%M:%S'}}Z"
    offset = f"{local:%z}"
    return f"{local:%Y-%m-%d %H:%M:%S} {offset[:3]}:{offset[3:]} ({spelled})"


def instant(text: str, *, field: str) -> str:
    """A moment as the protocol writes it: RFC 3339 with an offset, or local time without. Raises MalformedInput."""
    return spelled(_moment(text, _TIMES, field))


def unix_seconds(text: str, *, field: str) -> int:
    """A moment, or the first of a local day, in unix seconds. Raises MalformedInput."""
    return int(_moment(text, (*_TIMES, "%Y-%m-%d"), field).timestamp())


def _moment(text: str, local_forms: tuple[str, ...], field: str) -> datetime:
    for form in local_forms:
        try:
            return datetime.strptime(text, form).astimezone()
        except ValueError:
            continue
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return moment
    except ValueError:
        pass
    raise MalformedInput(
        f"expected a time such as 2026-03-01 16:30 (local) or 2026-03-01T08:30:00Z, not {text!r}", field=field
    )
