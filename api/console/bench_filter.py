"""Filters of templates as rows of a form: a column, what is asked of it, and a value."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, Final, NamedTuple

from api.console.forms import Form
from api.texts import later
from ledger.supervision.models.values import text_of

OPERATORS: Final = {
    "is": later("is"),
    "not": later("is not"),
    "empty": later("is empty"),
    "filled": later("is filled in"),
    "over": later("is more or later than"),
    "under": later("is less or earlier than"),
    "has": later("has"),
}
ROWS_AT_MOST = 20
_SPLIT = re.compile(r"[,，、]")
_INTEGER, _DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]{0,15})"), re.compile(r"-?(?:0|[1-9][0-9]{0,14})\.[0-9]{1,6}")


class FilterRow(NamedTuple):
    """One condition; several values are separated by commas."""

    column: str
    operator: str
    text: str

    def asked(self) -> Any:
        """As the file has it."""
        match self.operator:
            case "empty":
                return None
            case "filled":
                return {"not": None}
            case "is":
                return _values(self.text)
        return {self.operator: _values(self.text)}


def rows_of(given: Any) -> tuple[FilterRow, ...] | None:
    """The rows of a filter of a file; None where it asks something that no row says."""
    if given is None:
        return ()
    if not isinstance(given, dict):
        return None
    rows = tuple(_row(column, asked) for column, asked in given.items())
    return rows if all(row.asked() == asked for row, asked in zip(rows, given.values(), strict=True)) else None


def filter_of(path: str, form: Form) -> tuple[FilterRow, ...] | None:
    """The rows that were filled in under a path; None where the form has none of them."""
    if form.get(f"{path}:shown") is None:
        return None
    found = []
    for number in range(ROWS_AT_MOST):
        column, operator = form.get(f"{path}:{number}:column"), form.get(f"{path}:{number}:operator") or "is"
        if column is not None and operator in OPERATORS:
            found.append(FilterRow(column, operator, form.get(f"{path}:{number}:value") or ""))
    return tuple(found)


def _row(column: str, asked: Any) -> FilterRow:
    if asked is None:
        return FilterRow(column, "empty", "")
    if asked == {"not": None}:
        return FilterRow(column, "filled", "")
    if isinstance(asked, dict) and len(asked) == 1:
        ((operator, value),) = asked.items()
        return FilterRow(column, operator if operator in OPERATORS else "is", _told(value))
    return FilterRow(column, "is", _told(asked))


def _told(value: Any) -> str:
    return ", ".join("" if one is None else text_of(one) for one in (value if isinstance(value, list) else [value]))


def _values(text: str) -> Any:
    parts = [value_of(part.strip()) for part in _SPLIT.split(text) if part.strip()]
    return parts[0] if len(parts) == 1 else parts or ""


def value_of(text: str) -> Any:
    """What a text spells: a number, true or false, or itself."""
    if _INTEGER.fullmatch(text):
        return int(text)
    if _DECIMAL.fullmatch(text):
        return Decimal(text)
    return {"true": True, "false": False}.get(text, text)
