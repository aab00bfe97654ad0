"""Fields of the workbench: a path in a model's file, its present value, and what was typed to replace it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from api.console.bench_filter import FilterRow, filter_of, value_of
from api.console.forms import PostedForm
from api.texts import Texts, later
from ledger.supervision.models.definition import text_of
from ledger.supervision.models.editing import REMOVED
from ledger.supervision.view_catalogue import type_of, view_columns

Kind = Literal["line", "text", "code", "choice", "many", "number", "count", "yes_no", "list", "filter"]
_SPLIT = re.compile(r"[,，、;；\n]")


class Choice(NamedTuple):
    """A value in the file, and its label."""

    value: str
    label: str


class BenchField(NamedTuple):
    """A path in the file with its value as text in ``value``, or in ``values`` if several can be chosen.

    An ``optional`` field is left out of the file if it is left empty.
    """

    path: str
    label: str
    kind: Kind
    value: str = ""
    values: tuple[str, ...] = ()
    choices: Sequence[Choice] = ()
    rows: tuple[FilterRow, ...] = ()
    hint: str = ""
    optional: bool = False
    languages: bool = False  # the path is of a text in both: its fields are .zh and .en
    zh: str = ""
    en: str = ""


class BenchSection(NamedTuple):
    """Fields under a common heading, with a sentence on their purpose."""

    name: str
    heading: str
    about: str
    fields: tuple[BenchField, ...]


class ExampleForm:
    """The form of one example: its rows, and the keys of the leads that it must raise."""

    def __init__(self, number: int, example: Mapping[str, Any], say: Texts):
        self.path = f"examples[{number}]"
        self.name = str(example.get("name") or "")
        self.as_of = str(example.get("as_of") or "")
        self._example = example
        self._say = say

    @property
    def tables(self) -> list[tuple[str, list[str], list[list[BenchField]]]]:
        """Return the view, columns and fields of each table of rows."""
        rows = self._example.get("rows")
        tables = (
            [(view, view_rows, f"rows.{view}") for view, view_rows in rows.items()] if isinstance(rows, dict) else []
        )
        return [self._table(view, list_of(view_rows), path) for view, view_rows, path in tables]

    @property
    def raised(self) -> tuple[str, list[str], list[list[BenchField]]]:
        """Return columns and fields of the keys of the expected leads."""
        return self._table("", list_of(self._example.get("raises")), "raises")

    def fields(self) -> Iterator[BenchField]:
        """Yield all fields."""
        yield BenchField(f"{self.path}.name", self._say(later("What it shows")), "line", self.name)
        yield BenchField(f"{self.path}.as_of", self._say(later("As things stood at")), "line", self.as_of)
        for _, _, rows in (*self.tables, self.raised):
            for row in rows:
                yield from row

    def _table(self, view: str, rows: list[Any], path: str) -> tuple[str, list[str], list[list[BenchField]]]:
        mappings = [row for row in rows if isinstance(row, dict)]
        columns = list(dict.fromkeys(name for row in mappings for name in row))
        lines = [
            [_cell(f"{self.path}.{path}[{number}].{name}", view, name, row.get(name)) for name in columns]
            for number, row in enumerate(mappings)
        ]
        return view, columns, lines


def _cell(path: str, view: str, column: str, value: Any) -> BenchField:
    kind: Kind = "line"
    is_column = view in view_columns() and column in view_columns()[view]
    if is_column and type_of(view, column) in ("BIGINT", "DECIMAL(21,6)", "BOOLEAN"):
        kind = "number"
    if isinstance(value, list):
        return BenchField(path, column, "list", ", ".join(map(str, value)), optional=True)
    return BenchField(path, column, kind, "" if value is None else text_of(value), optional=True)


def with_current_values(field: BenchField) -> BenchField:
    """Return the field with a choice for each value in the file, even one that does not fit, so that no value
    is lost."""
    if field.kind not in ("choice", "many"):
        return field
    offered = {choice.value for choice in field.choices}
    current = (field.value, *field.values) if field.kind == "choice" else field.values
    missing = [Choice(value, value) for value in current if value and value not in offered]
    return field._replace(choices=[*field.choices, *missing])


def changed(field: BenchField, form: PostedForm) -> dict[str, object]:
    """Return what was typed into a field by its path, if it differs from the file."""
    if field.languages:
        return _both_changed(field, form)
    if field.kind == "many":
        chosen = form.all(field.path)
        shown = form.get(f"{field.path}:shown") is not None
        return {field.path: _chosen(field, chosen)} if shown and {*chosen} != {*field.values} else {}
    if field.kind == "filter":
        rows = filter_of(field.path, form)
        return {} if rows is None or rows == field.rows else {field.path: _filtered(rows)}
    text = form.raw(field.path)
    if text is None or text == field.value.strip():  # as forms are read
        return {}
    if not text and field.optional:
        return {field.path: REMOVED}
    return {field.path: _value(field, text)}


def _both_changed(field: BenchField, form: PostedForm) -> dict[str, object]:
    typed = {language: form.raw(f"{field.path}.{language}") for language in ("zh", "en")}
    current = {"zh": field.zh, "en": field.en}
    changes: dict[str, object] = {
        f"{field.path}.{language}": text
        for language, text in typed.items()
        if text not in (None, current[language].strip())
    }
    if field.optional and changes and not any(current.values()):  # a new row gets both languages
        return {f"{field.path}.{language}": text or "" for language, text in typed.items()}
    return changes


def _chosen(field: BenchField, chosen: tuple[str, ...]) -> object:
    if not chosen and field.optional:
        return REMOVED
    chosen = (
        *(word for word in field.values if word in chosen),
        *(word for word in chosen if word not in field.values),
    )
    is_word = field.path.startswith("condition.with.") and len(chosen) == 1 and len(field.values) <= 1
    return chosen[0] if is_word and field.path.rpartition(".")[2] in _ONE_OR_MORE else list(chosen)


def _filtered(rows: tuple[FilterRow, ...]) -> object:
    return {row.column: row.asked() for row in rows} if rows else REMOVED


def _value(field: BenchField, text: str) -> object:
    match field.kind:
        case "number" | "count":
            return value_of(text)
        case "yes_no":
            return text == "true"
        case "list":
            return [part.strip() for part in _SPLIT.split(text) if part.strip()]
    return text


def list_of(value: Any) -> list[Any]:
    """Return the value if it is a list, or an empty list."""
    return value if isinstance(value, list) else []


_ONE_OR_MORE = ("purpose", "clock", "stage")
