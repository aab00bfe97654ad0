"""Fields of the workbench: a place of a model's file, what stands there, and what was typed in its stead."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from api.console.bench_filter import FilterRow, filter_of, value_of
from api.console.forms import Form
from api.texts import Texts, later
from ledger.supervision.models.columns import type_of, views
from ledger.supervision.models.editing import REMOVED
from ledger.supervision.models.values import text_of

Kind = Literal["line", "text", "code", "choice", "many", "number", "count", "yes_no", "list", "filter"]
_SPLIT = re.compile(r"[,，、;；\n]")


class Choice(NamedTuple):
    """A value of the file, and what people read."""

    value: str
    label: str


class Field(NamedTuple):
    """A place of the file: ``value`` is what stands there as text, ``values`` where several are chosen.

    ``optional`` says that it is left out of the file when it is left empty.
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


class Section(NamedTuple):
    """Fields that belong together under a heading, with a word on what they are for."""

    name: str
    heading: str
    about: str
    fields: tuple[Field, ...]


class ExampleForm:
    """One example: what is in its rows, and the keys of the leads that it must raise."""

    def __init__(self, number: int, example: Mapping[str, Any], say: Texts):
        self.path = f"examples[{number}]"
        self.name = str(example.get("name") or "")
        self.as_of = str(example.get("as_of") or "")
        self._example = example
        self._say = say

    @property
    def tables(self) -> list[tuple[str, list[str], list[list[Field]]]]:
        """View, columns and fields of each row; for ``raises`` the view is that word."""
        rows = self._example.get("rows")
        found = [(view, given, f"rows.{view}") for view, given in rows.items()] if isinstance(rows, dict) else []
        return [self._table(view, list_of(given), path) for view, given, path in found]

    @property
    def raised(self) -> tuple[str, list[str], list[list[Field]]]:
        """The keys of its leads, likewise."""
        return self._table("", list_of(self._example.get("raises")), "raises")

    def fields(self) -> Iterator[Field]:
        """All of them."""
        yield Field(f"{self.path}.name", self._say(later("What it shows")), "line", self.name)
        yield Field(f"{self.path}.as_of", self._say(later("As things stood at")), "line", self.as_of)
        for _, _, rows in (*self.tables, self.raised):
            for row in rows:
                yield from row

    def _table(self, view: str, rows: list[Any], path: str) -> tuple[str, list[str], list[list[Field]]]:
        told = [row for row in rows if isinstance(row, dict)]
        columns = list(dict.fromkeys(name for row in told for name in row))
        lines = [
            [_cell(f"{self.path}.{path}[{number}].{name}", view, name, row.get(name)) for name in columns]
            for number, row in enumerate(told)
        ]
        return view, columns, lines


def _cell(path: str, view: str, column: str, value: Any) -> Field:
    kind: Kind = "line"
    known = view in views() and column in views()[view]
    if known and type_of(view, column) in ("BIGINT", "DECIMAL(21,6)", "BOOLEAN"):
        kind = "number"
    if isinstance(value, list):
        return Field(path, column, "list", ", ".join(map(str, value)), optional=True)
    return Field(path, column, kind, "" if value is None else text_of(value), optional=True)


def with_what_stands(field: Field) -> Field:
    """The field with a choice for what the file has, though it be none of those that fit: a page loses nothing."""
    if field.kind not in ("choice", "many"):
        return field
    known = {one.value for one in field.choices}
    stands = (field.value, *field.values) if field.kind == "choice" else field.values
    more = [Choice(value, value) for value in stands if value and value not in known]
    return field._replace(choices=[*field.choices, *more])


def changed(field: Field, form: Form) -> dict[str, object]:
    """What was typed into a field, by its place, where it is something else than the file has."""
    if field.languages:
        return _both_changed(field, form)
    if field.kind == "many":
        chosen = form.all(field.path)
        shown = form.get(f"{field.path}:shown") is not None
        return {field.path: _chosen(field, chosen)} if shown and {*chosen} != {*field.values} else {}
    if field.kind == "filter":
        made = filter_of(field.path, form)
        return {} if made is None or made == field.rows else {field.path: _filtered(made)}
    text = form.raw(field.path)
    if text is None or text == field.value.strip():  # as forms are read
        return {}
    if not text and field.optional:
        return {field.path: REMOVED}
    return {field.path: _value(field, text)}


def _both_changed(field: Field, form: Form) -> dict[str, object]:
    typed = {language: form.raw(f"{field.path}.{language}") for language in ("zh", "en")}
    known = {"zh": field.zh, "en": field.en}
    found: dict[str, object] = {
        f"{field.path}.{language}": text
        for language, text in typed.items()
        if text not in (None, known[language].strip())
    }
    if field.optional and found and not any(known.values()):  # a row that begins: both languages stand in it
        return {f"{field.path}.{language}": text or "" for language, text in typed.items()}
    return found


def _chosen(field: Field, chosen: tuple[str, ...]) -> object:
    if not chosen and field.optional:
        return REMOVED
    chosen = (*(one for one in field.values if one in chosen), *(one for one in chosen if one not in field.values))
    is_word = field.path.startswith("condition.with.") and len(chosen) == 1 and len(field.values) <= 1
    return chosen[0] if is_word and field.path.rpartition(".")[2] in _ONE_OR_MORE else list(chosen)


def _filtered(rows: tuple[FilterRow, ...]) -> object:
    return {row.column: row.asked() for row in rows} if rows else REMOVED


def _value(field: Field, text: str) -> object:
    match field.kind:
        case "number" | "count":
            return value_of(text)
        case "yes_no":
            return text == "true"
        case "list":
            return [part.strip() for part in _SPLIT.split(text) if part.strip()]
    return text


def list_of(value: Any) -> list[Any]:
    """The list that stands there, empty where none does."""
    return value if isinstance(value, list) else []


_ONE_OR_MORE = ("purpose", "clock", "stage")
