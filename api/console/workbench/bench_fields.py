"""Fields of the workbench: a path in a model's file, its present value, and what was typed to replace it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple

from api.console.shared.forms import PostedForm
from api.texts import Texts, later
from ledger.supervision.models.definition import number_of, text_of
from ledger.supervision.models.editing import REMOVED
from ledger.supervision.view_catalogue import type_of, view_columns

_INDEX = re.compile(r"\[\d+\]")
# By the place in the file, the kind of a template's field, or the last word of a parameter's place.
EXAMPLES = {
    "need.problem": later("Things that were seized do not come with the case, and nobody notices before the trial."),
    "need.requested_by": later("Criminal Prosecution Department"),
    "need.expected_outcome": later("What is missing is found before the indictment; the agency mends its list."),
    "title": later("Seized item not handed over"),
    "explanation": later("Items seized before the handover that its list has not. Not those disposed of before."),
    "legal_basis": later("name of the law, article 5: seized property goes along with the case"),
    "checks.what": later("Compare the seizure list with the list of the handover"),
    "checks.by": later("the prosecutor in charge"),
    "lead.says": later("Case {case_id} came without what was seized in it."),
    "meaning": later("days within which it may still come"),
    "condition.cel": "row.status == 'refused' && row.purpose == 'prosecution_review'",
    "condition.sql": "SELECT case_id, from_agency, evidence FROM handovers WHERE status = 'refused'",
    "where": later("quantity · is more or later than · 7. Several values with commas, days as 2026-03-01"),
    "dataset": later("pensions, or a parameter as $dataset"),
    "header": later("person_id, as the head of the data set's table has it"),
    "name": later("it comes one day late: no lead yet"),
    "as_of": "2026-03-02T08:00:00Z",
}


def example_of(say: Texts, place: str) -> str:
    """Return the example for a path of a model's file or a kind of template field, or an empty text."""
    name = place.rpartition(".")[2] if place.startswith("parameters.") else _INDEX.sub("", place)
    example = EXAMPLES.get(name)
    return say(later("For example: {example}"), example=say(example)) if example else ""


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
_SPLIT_VALUES = re.compile(r"[,，、]")


class FilterRow(NamedTuple):
    """One condition. Several values are separated by commas."""

    column: str
    operator: str
    text: str

    @property
    def texts(self) -> list[str]:
        """Return the values one by one."""
        return [part.strip() for part in _SPLIT_VALUES.split(self.text) if part.strip()]

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
    return rows if [row.asked() for row in rows] == list(template_filter.values()) else None


def filter_of(field: BenchField, form: PostedForm) -> tuple[FilterRow, ...] | None:
    """Return the rows that were filled in, or None if the form has none.

    What was asked of a column is not asked of another one that is chosen in its place.
    """
    path = field.path
    if form.get(f"{path}:shown") is None:
        return None
    rows = []
    for number in range(ROWS_AT_MOST):
        column, operator = form.get(f"{path}:{number}:column"), form.get(f"{path}:{number}:operator") or "is"
        if column is not None and operator in OPERATORS:
            stays = number >= len(field.rows) or field.rows[number].column == column
            rows.append(FilterRow(column, operator, ", ".join(form.all(f"{path}:{number}:value")) if stays else ""))
    return tuple(rows)


def _row(column: str, condition: Any) -> FilterRow:
    if condition is None or condition == {"not": None}:
        return FilterRow(column, "empty" if condition is None else "filled", "")
    operator = "is"
    if isinstance(condition, dict) and len(condition) == 1:
        ((name, condition),) = condition.items()
        operator = name if name in OPERATORS else "is"
    return FilterRow(column, operator, _text_of_value(condition))


def _text_of_value(value: Any) -> str:
    return ", ".join("" if part is None else text_of(part) for part in (value if isinstance(value, list) else [value]))


def _values(text: str) -> Any:
    parts = [value_of(part) for part in FilterRow("", "is", text).texts]
    return parts[0] if len(parts) == 1 else parts or ""


def value_of(text: str) -> Any:
    """Return the value that a text spells: a number, true or false, or the text itself."""
    number = number_of(text)
    return {"true": True, "false": False}.get(text, text) if number is None else number


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
    words: Mapping[str, Sequence[Choice]] = MappingProxyType({})  # of a filter's columns that hold words
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
        views = rows.items() if isinstance(rows, dict) else ()
        return [self._table(view, list_of(view_rows), f"rows.{view}") for view, view_rows in views]

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
    if isinstance(value, list):
        return BenchField(path, column, "list", ", ".join(map(str, value)), optional=True)
    is_number = column in view_columns().get(view, ()) and type_of(view, column) in _NUMBERS
    text = "" if value is None else text_of(value)
    return BenchField(path, column, "number" if is_number else "line", text, optional=True)


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
    if field.kind == "many":
        chosen = form.all(field.path)
        shown = form.get(f"{field.path}:shown") is not None
        return {field.path: _chosen(field, chosen)} if shown and {*chosen} != {*field.values} else {}
    if field.kind == "filter":
        rows = filter_of(field, form)
        asked = {row.column: row.asked() for row in rows or ()}
        return {} if rows is None or rows == field.rows else {field.path: asked or REMOVED}
    text = form.raw(field.path)
    if text is None or text == field.value.strip():  # as forms are read
        return {}
    if not text and field.optional:
        return {field.path: REMOVED}
    match field.kind:
        case "number" | "count":
            return {field.path: value_of(text)}
        case "yes_no":
            return {field.path: text == "true"}
        case "list":
            return {field.path: [part.strip() for part in _SPLIT.split(text) if part.strip()]}
    return {field.path: text}


def _chosen(field: BenchField, chosen: tuple[str, ...]) -> object:
    if not chosen and field.optional:
        return REMOVED
    chosen = (
        *(word for word in field.values if word in chosen),
        *(word for word in chosen if word not in field.values),
    )
    is_word = field.path.startswith("condition.with.") and len(chosen) == 1 and len(field.values) <= 1
    return chosen[0] if is_word and field.path.rpartition(".")[2] in _ONE_OR_MORE else list(chosen)


def list_of(value: Any) -> list[Any]:
    """Return the value if it is a list, or an empty list."""
    return value if isinstance(value, list) else []


_ONE_OR_MORE = ("purpose", "clock", "stage")
_NUMBERS = ("BIGINT", "DECIMAL(33,18)", "BOOLEAN")
