"""Filters: what a model's file asks of the columns of a view, or of the cells of a list, and the SQL that it makes.

Values of the file are bound by name, never spelled out in the text of a query.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from datetime import date
from decimal import Decimal
from typing import Any

from ledger.core.messages import Message, Term
from ledger.supervision.model_faults import Unfit, Wording, unknown
from ledger.supervision.models.definition import Parameter
from ledger.supervision.models.procedure_words import CLOCK, FieldWords, vocabulary_of
from ledger.supervision.runs.query_session import quoted
from ledger.supervision.view_catalogue import convert_value, fault_of_column, type_of

PREFIX = "with_"  # what the names of bound values begin with; parameters of models have other names
_WORDS = ("not", "over", "under", "has")
_ORDERED = ("BIGINT", "DECIMAL(33,18)", "TIMESTAMP", "DATE")
_KINDS = {
    "VARCHAR": ("text",),
    "VARCHAR[]": ("text",),
    "BIGINT": ("integer",),
    "DECIMAL(33,18)": ("integer", "decimal"),
    "BOOLEAN": ("boolean",),
    "DATE": ("date",),
    "TIMESTAMP": (),
}
Made = tuple[str, dict[str, str]]  # the SQL, and the columns of its rows with their types


class Bindings:
    """The values that a query binds. A value ``$name`` is the one of the ``parameters`` that is bound when it runs."""

    def __init__(self, parameters: Mapping[str, Parameter]) -> None:
        self.parameters = parameters
        self.values: dict[str, Any] = {}

    def name(self, value: Any, kind: str) -> str:
        """Bind a value of the DuckDB type and return how the query refers to it."""
        if isinstance(value, str) and value.startswith("$"):
            return f"CAST({value} AS {kind})"
        name = f"{PREFIX}{len(self.values) + 1}"
        self.values[name] = convert_value(value, kind)
        return f"CAST(${name} AS {kind})"


def faults_of_filter(
    view: str, view_filter: Any, parameters: Mapping[str, Parameter], words: FieldWords | None
) -> Iterator[tuple[str, Message]]:
    """Yield what is wrong with a filter on a known view: the path below it and what was expected.

    ``words`` are those that a case can have; without them none is unknown.
    """
    if not isinstance(view_filter, dict) or not view_filter:
        yield "", Wording("filter_expected", view=view)
        return
    for column, asked in view_filter.items():
        fault = fault_of_column(view, column)
        fault = fault or _fault_of(asked, type_of(view, column), parameters)
        if fault is None and words is not None:
            fault = unknown_word(vocabulary_of(view, column), _several(_word_and_value(asked)[1]), words)
        if fault:
            yield f".{column}", fault


def unknown_word(name: str | None, listed: Collection[Any], words: FieldWords) -> Wording | None:
    """Return the first text that is no word of the vocabulary, and no parameter."""
    if name is None:
        return None
    texts = (text for text in listed if isinstance(text, str) and not text.startswith("$"))
    wrong = next((text for text in texts if text not in words[name]), None)
    if wrong is None:
        return None
    return unknown(CLOCK if name == CLOCK else Term("vocabulary", name), wrong, words[name])


def filter_sql(alias: str, view: str, view_filter: Mapping[str, Any] | None, bindings: Bindings) -> str:
    """Return a sound filter as a SQL condition on ``alias``, its values bound; true if it asks nothing."""
    terms = (
        _term(f"{alias}.{quoted(name)}", asked, type_of(view, name), bindings)
        for name, asked in (view_filter or {}).items()
    )
    return " AND ".join(terms) or "true"


def _fault_of(asked: Any, kind: str, parameters: Mapping[str, Parameter]) -> Wording | None:
    if not isinstance(asked, dict):
        return _fault_of_values(asked, kind, parameters)
    if len(asked) != 1:
        return Wording("expected_words", words=_WORDS)
    ((word, value),) = asked.items()
    if word not in _WORDS:
        return unknown("word", word, _WORDS)
    if word in ("over", "under") and (kind not in _ORDERED or value is None or isinstance(value, list)):
        return Wording("comparison", word=word)
    if word == "has":
        return _fault_of_value(value, "VARCHAR", parameters) if kind == "VARCHAR[]" else Wording("has_of_lists")
    return _fault_of_values(value, kind, parameters)


def _fault_of_values(asked: Any, kind: str, parameters: Mapping[str, Parameter]) -> Wording | None:
    if asked is not None and kind == "VARCHAR[]":
        return Wording("ask_list")
    values = _several(asked)
    if not values:
        return Wording("no_value")
    return next((fault for value in values if (fault := _fault_of_value(value, kind, parameters))), None)


def _fault_of_value(value: Any, kind: str, parameters: Mapping[str, Parameter]) -> Wording | None:
    if isinstance(value, str) and value.startswith("$"):
        return _fault_of_parameter(value, _KINDS[kind], parameters)
    try:
        convert_value(value, kind)
    except Unfit as error:
        return error.expected
    return None


def _fault_of_parameter(value: str, types: Collection[str], parameters: Mapping[str, Parameter]) -> Wording | None:
    parameter = parameters.get(value[1:])
    if parameter is None:
        return unknown("parameter", value[1:], parameters)
    return None if parameter.type in types else Wording("parameter_type", name=value, type=parameter.type)


def _term(column: str, asked: Any, kind: str, bindings: Bindings) -> str:
    word, value = _word_and_value(asked)
    if word in ("over", "under"):
        return f"{column} {'>' if word == 'over' else '<'} {bindings.name(value, kind)}"
    if word == "has":
        return f"list_contains({column}, {bindings.name(value, 'VARCHAR')})"
    values = _several(value)
    # `in` with a null is neither true nor false: emptiness is asked for apart.
    placeholders = [bindings.name(item, kind) for item in values if item is not None]
    is_one = [f"{column} IS NULL"] if None in values else []
    is_one += [f"coalesce({column} IN ({', '.join(placeholders)}), false)"] if placeholders else []
    return f"{'NOT ' if word == 'not' else ''}({' OR '.join(is_one)})"


NUMBER = "DECIMAL(33,18)"
_CELL_KINDS = {"integer": NUMBER, "decimal": NUMBER, "date": "DATE", "text": "VARCHAR"}  # by the type of a parameter


def faults_of_cells(
    columns: Collection[str], cell_filter: Any, parameters: Mapping[str, Parameter]
) -> Iterator[tuple[str, Wording]]:
    """Yield what is wrong with a filter on the cells of a list; without ``columns`` it may name any heading."""
    if not isinstance(cell_filter, dict) or not cell_filter:
        yield "", Wording("cells_expected")
        return
    for name, asked in cell_filter.items():
        word, value = _word_and_value(asked)
        if columns and name not in columns:
            yield f".{name}", unknown("column", name, columns)
        elif (isinstance(asked, dict) and len(asked) != 1) or word not in ("is", "not", "over", "under"):
            yield f".{name}", Wording("expected_words", words=("not", "over", "under"))
        elif wrong := next((fault for each in _several(value) if (fault := _fault_of_cell(each, parameters))), None):
            yield f".{name}", wrong
        elif not _several(value):
            yield f".{name}", Wording("no_value")
        elif word in ("over", "under") and (isinstance(value, list) or _cell_kind(value, parameters) == "VARCHAR"):
            yield f".{name}", Wording("cell_order", word=word)


def cells_sql(alias: str, cell_filter: Mapping[str, Any] | None, bindings: Bindings) -> str:
    """Return a sound filter on the cells of a list as SQL. A cell is text: beside a number it counts as one, beside a
    day that it has to be before or after it counts as a day, and is none of them if it cannot be read so."""
    terms = (_cell_term(f"{alias}.{quoted(name)}", asked, bindings) for name, asked in (cell_filter or {}).items())
    return " AND ".join(terms) or "true"


def _cell_term(cell: str, asked: Any, bindings: Bindings) -> str:
    word, value = _word_and_value(asked)
    if word in ("over", "under"):
        kind = _cell_kind(value, bindings.parameters)
        sign = ">" if word == "over" else "<"
        return f"coalesce(TRY_CAST({cell} AS {kind}) {sign} {bindings.name(value, kind)}, false)"
    terms = []
    for each in _several(value):
        kind = (
            "VARCHAR" if isinstance(each, str) and not each.startswith("$") else _cell_kind(each, bindings.parameters)
        )
        same = f"coalesce(TRY_CAST({cell} AS {kind}) = {bindings.name(each, kind)}, false)"
        terms.append(f"{cell} IS NULL" if each is None else same)
    return f"{'NOT ' if word == 'not' else ''}({' OR '.join(terms)})"


def _word_and_value(asked: Any) -> tuple[Any, Any]:
    return next(iter(asked.items())) if isinstance(asked, dict) and asked else ("is", asked)


def _several(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _fault_of_cell(value: Any, parameters: Mapping[str, Parameter]) -> Wording | None:
    if isinstance(value, str) and value.startswith("$"):
        return _fault_of_parameter(value, _CELL_KINDS, parameters)
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal | None):
        return Wording("expected", expected=Wording("of_quoted"))
    return None if isinstance(value, str) else _fault_of_value(value, NUMBER, parameters)


def _cell_kind(value: Any, parameters: Mapping[str, Parameter]) -> str:
    """Return as what a cell is compared with the value: a number, a day, or text."""
    if isinstance(value, str) and value.startswith("$"):
        return _CELL_KINDS[parameters[value[1:]].type]
    if isinstance(value, str):
        with suppress(ValueError):
            date.fromisoformat(value)
            return "DATE" if len(value) == 10 else "VARCHAR"
        return "VARCHAR"
    return "VARCHAR" if value is None else NUMBER


def words_sql(words: str | list[str], bindings: Bindings) -> str:
    """Return the SQL for one word or several, between the brackets of IN."""
    return ", ".join(bindings.name(word, "VARCHAR") for word in _several(words))


def united_sql(lists: str) -> str:
    """Return the SQL for the members of many lists, each once, in an order that no thread decides."""
    return (
        f"coalesce(list_sort(list_distinct(flatten(list({lists} ORDER BY {lists}) FILTER ({lists} IS NOT NULL)))), [])"
    )
