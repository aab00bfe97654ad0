"""Filters of templates as rows of a form: a column, an operator, and a value."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, Final, NamedTuple

from api.console.forms import PostedForm
from api.texts import later
from ledger.supervision.models.definition import text_of

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
    """One condition. Several values are separated by commas."""

    column: str
    operator: str
    text: str

    def asked(self) -> Any:
        """Return the condition as the file writes it."""
        match self.operator:
            case "empty":
                return None
            case "filled":
                return {"not": None}
            case "is":
                return _values(self.text)
        return {self.operator: _values(self.text)}


def rows_of(template_filter: Any) -> tuple[FilterRow, ...] | None:
    """Return the rows of a filter in a file, or None if no rows can express it."""
    if template_filter is None:
        return ()
    if not isinstance(template_filter, dict):
        return None
    rows = tuple(_row(column, condition) for column, condition in template_filter.items())
    return (
        rows
        if all(row.asked() == condition for row, condition in zip(rows, template_filter.values(), strict=True))
        else None
    )


def filter_of(path: str, form: PostedForm) -> tuple[FilterRow, ...] | None:
    """Return the rows that were filled in under a path, or None if the form has none."""
    if form.get(f"{path}:shown") is None:
        return None
    rows = []
    for number in range(ROWS_AT_MOST):
        column, operator = form.get(f"{path}:{number}:column"), form.get(f"{path}:{number}:operator") or "is"
        if column is not None and operator in OPERATORS:
            rows.append(FilterRow(column, operator, form.get(f"{path}:{number}:value") or ""))
    return tuple(rows)


def _row(column: str, condition: Any) -> FilterRow:
    if condition is None:
        return FilterRow(column, "empty", "")
    if condition == {"not": None}:
        return FilterRow(column, "filled", "")
    if isinstance(condition, dict) and len(condition) == 1:
        ((operator, value),) = condition.items()
        return FilterRow(column, operator if operator in OPERATORS else "is", _text_of_value(value))
    return FilterRow(column, "is", _text_of_value(condition))


def _text_of_value(value: Any) -> str:
    return ", ".join("" if part is None else text_of(part) for part in (value if isinstance(value, list) else [value]))


def _values(text: str) -> Any:
    parts = [value_of(part.strip()) for part in _SPLIT.split(text) if part.strip()]
    return parts[0] if len(parts) == 1 else parts or ""


def value_of(text: str) -> Any:
    """Return the value that a text spells: a number, true or false, or the text itself."""
    if _INTEGER.fullmatch(text):
        return int(text)
    if _DECIMAL.fullmatch(text):
        return Decimal(text)
    return {"true": True, "false": False}.get(text, text)
