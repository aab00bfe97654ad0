"""The one spelling of each value as text: what leads and adoptions carry."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal

from ledger.core import canonical
from ledger.core.errors import MalformedInput

# As which DuckDB gives the times 'infinity' and '-infinity'.
_INFINITIES = (datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC))
_PLACES = Decimal("0.000001")  # as quantities have them; a share computed in binary is rounded to as many
_WIDE = Context(prec=80, rounding=ROUND_HALF_EVEN)


def text_of(value: object) -> str:
    """Times in RFC 3339 UTC, days in ISO 8601, decimals at their shortest, lists as JSON. Raises MalformedInput."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Decimal | float):
        return _decimal(Decimal(repr(value)) if isinstance(value, float) else value)
    if isinstance(value, datetime):
        return _instant(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return canonical.encode([text_of(part) for part in value]).decode()
    raise MalformedInput(f"a value of type {type(value).__name__} is not taken: cast it to VARCHAR in the query")


def _decimal(value: Decimal) -> str:
    if not value.is_finite():
        raise MalformedInput("infinity and NaN are no values")
    rounded = value if value.as_tuple().exponent in range(-6, 1) else value.quantize(_PLACES, context=_WIDE)
    text = f"{rounded:f}"
    short = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if short in ("-0", "") else short


def _instant(value: datetime) -> str:
    """A time without a zone is UTC, as those of the views are."""
    utc = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    if utc in _INFINITIES:
        raise MalformedInput("infinity and NaN are no values")
    return utc.isoformat().removesuffix("+00:00") + "Z"
