"""Filters of templates: ``where: {kind: property, status: [held, checked_out], account: {not: null}}``.

A plain value asks for that value, a list for one of its values, null for nothing; ``{not: ...}`` asks for anything else
than one of these, emptiness included; ``{over: n}`` and ``{under: n}`` compare; ``{has: text}`` asks a column of lists.
Values may be parameters, written ``$name``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ledger.supervision.model.binding import Bindings
from ledger.supervision.model.columns import fault_of_column, type_of, typed
from ledger.supervision.model.parameters import Parameter
from ledger.supervision.model.refused import Unfit, unknown
from ledger.supervision.session import quoted
from ledger.supervision.wording import Wording

_WORDS = ("not", "over", "under", "has")
_ORDERED = ("BIGINT", "DECIMAL(21,6)", "TIMESTAMP", "DATE")
_KINDS = {
    "VARCHAR": ("text",),
    "VARCHAR[]": ("text",),
    "BIGINT": ("integer",),
    "DECIMAL(21,6)": ("integer", "decimal"),
    "BOOLEAN": ("boolean",),
    "DATE": ("date",),
    "TIMESTAMP": (),
}


def faults_of_filter(view: str, given: Any, parameters: Mapping[str, Parameter]) -> Iterator[tuple[str, Wording]]:
    """What is wrong with a filter on a known view: the path below it and what was expected."""
    if not isinstance(given, dict) or not given:
        yield "", Wording("filter_expected", view=view)
        return
    for column, asked in given.items():
        said = fault_of_column(view, column)
        said = said or _fault_of(asked, type_of(view, column), parameters)
        if said:
            yield f".{column}", said


def filter_sql(alias: str, view: str, given: Mapping[str, Any] | None, bindings: Bindings) -> str:
    """A sound filter as a condition of SQL on ``alias``, its values bound; true where nothing is asked."""
    terms = (
        _term(f"{alias}.{quoted(name)}", asked, type_of(view, name), bindings) for name, asked in (given or {}).items()
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
    values = asked if isinstance(asked, list) else [asked]
    if not values:
        return Wording("no_value")
    return next((said for value in values if (said := _fault_of_value(value, kind, parameters))), None)


def _fault_of_value(value: Any, kind: str, parameters: Mapping[str, Parameter]) -> Wording | None:
    if isinstance(value, str) and value.startswith("$"):
        parameter = parameters.get(value[1:])
        if parameter is None:
            return unknown("parameter", value[1:], parameters)
        return None if parameter.type in _KINDS[kind] else Wording("parameter_type", name=value, type=parameter.type)
    try:
        typed(value, kind)
    except Unfit as error:
        return error.expected
    return None


def _term(column: str, asked: Any, kind: str, bindings: Bindings) -> str:
    word, value = next(iter(asked.items())) if isinstance(asked, dict) else ("is", asked)
    if word in ("over", "under"):
        return f"{column} {'>' if word == 'over' else '<'} {bindings.name(value, kind)}"
    if word == "has":
        return f"list_contains({column}, {bindings.name(value, 'VARCHAR')})"
    values = value if isinstance(value, list) else [value]
    # `in` with a null is neither true nor false: emptiness is asked for apart.
    given = [bindings.name(one, kind) for one in values if one is not None]
    is_one = [f"{column} IS NULL"] if None in values else []
    is_one += [f"coalesce({column} IN ({', '.join(given)}), false)"] if given else []
    return f"{'NOT ' if word == 'not' else ''}({' OR '.join(is_one)})"
