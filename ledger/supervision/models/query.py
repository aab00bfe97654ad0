"""A condition as a query: what ``find`` asks of a session, and what can be told of it before it is asked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from ledger.core.errors import TallystickError
from ledger.supervision.models.cel import faults_of_cel
from ledger.supervision.models.columns import views
from ledger.supervision.models.parameters import Parameter
from ledger.supervision.models.refused import unknown
from ledger.supervision.models.templates import faults_of_form, forms, template_query
from ledger.supervision.models.values import Cel, Condition, Query, Scope, Sql, Template
from ledger.supervision.runs.session import QueryRefused, Session, quoted
from ledger.supervision.wording import Wording

EVIDENCE = "evidence"  # the column that every row of a condition has
_IN_QUOTES = re.compile(r"'[^']*'|--[^\n]*|/\*.*?\*/", re.DOTALL)
_REFERENCE = re.compile(r"\$([A-Za-z_]\w*)")
_KEYS = {"template": ("with",), "cel": ("view",), "sql": ("scope",)}
_NO_MOMENT = datetime(2000, 1, 1, tzinfo=UTC)


def condition_of(given: Mapping[str, Any]) -> Condition:
    """The condition that a file states. Requires: ``faults_of_condition`` has none."""
    if "template" in given:
        return Template(given["template"], given["with"])
    if "cel" in given:
        return Cel(given["view"], given["cel"].strip())
    return Sql(given["sql"], given["scope"])


def faults_of_condition(given: Mapping[str, Any], parameters: Mapping[str, Parameter]) -> Iterator[tuple[str, Wording]]:
    """What is wrong with how a condition is stated: the path below ``condition`` and what was expected."""
    kinds = [kind for kind in _KEYS if kind in given]
    if len(kinds) != 1:
        yield "", Wording("one_condition")
        return
    ((kind),) = kinds
    for name in given:
        if name not in (kind, *_KEYS[kind]):
            yield f".{name}", unknown("key", name, (kind, *_KEYS[kind]))
    if missing := [name for name in _KEYS[kind] if name not in given]:
        yield f".{missing[0]}", Wording("missing")
        return
    yield from _FAULTS[kind](given, parameters)


def query_of(condition: Condition, values: Mapping[str, Any]) -> Query:
    """The query under these values of the parameters. Raises QueryRefused for SQL that cannot be asked."""
    if isinstance(condition, Template):
        return template_query(condition, {name: value for name, value in values.items() if isinstance(value, str)})
    if isinstance(condition, Cel):
        columns = views()[condition.view]
        scope: Scope = "case" if "case_id" in columns else "all"
        return Query(f"SELECT * FROM {quoted(condition.view)}", {}, columns, scope, (condition.view,))  # noqa: S608
    return Query(condition.text, {}, {}, condition.scope, ())


def bound(query: Query, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values that the query refers to: those of the file, and those of the parameters."""
    used = references(query.sql)
    return {**query.bindings, **{name: value for name, value in values.items() if name in used}}


def references(sql: str) -> set[str]:
    """The names that a query refers to as ``$name``."""
    return set(_REFERENCE.findall(_IN_QUOTES.sub(" ", sql)))


def columns_of_sql(text: str, values: Mapping[str, Any]) -> dict[str, str]:
    """The columns of a query of the file with their types, from asking it of no rows at all. Raises QueryRefused."""
    query = Query(text, {}, {}, "all", ())
    asked = f"SELECT q.* FROM (SELECT 1) LEFT JOIN (\n{text.strip().rstrip(';')}\n) q ON true"  # noqa: S608 - judged
    with Session.of_rows({}) as session:
        session.rows(text, bound(query, values), _NO_MOMENT)  # as it is: what stands around it could hide a second one
        (row,) = session.rows(asked, bound(query, values), _NO_MOMENT)[:1]
    return dict.fromkeys(row, "")


def _faults_of_template(given: Mapping[str, Any], parameters: Mapping[str, Parameter]) -> Iterator[tuple[str, Wording]]:
    name, filled = given["template"], given["with"]
    if name not in forms():
        yield ".template", unknown("template", str(name), forms())
    elif not isinstance(filled, dict):
        yield ".with", Wording("fields_expected", names=tuple(forms()[name].fields))
    else:
        yield from ((f".with.{path}", said) for path, said in faults_of_form(forms()[name], filled, parameters))


def _faults_of_cel(given: Mapping[str, Any], parameters: Mapping[str, Parameter]) -> Iterator[tuple[str, Wording]]:
    view, expression = given["view"], given["cel"]
    if view not in views():
        yield ".view", unknown("view", str(view), views())
    elif not isinstance(expression, str) or not expression.strip():
        yield ".cel", Wording("no_cel_text")
    else:
        yield from ((".cel", said) for said in faults_of_cel(view, expression.strip(), parameters))


def _faults_of_sql(given: Mapping[str, Any], parameters: Mapping[str, Parameter]) -> Iterator[tuple[str, Wording]]:
    text = given["sql"]
    if given["scope"] not in ("case", "all"):
        yield ".scope", Wording("scope_expected")
    if not isinstance(text, str) or not text.strip():
        yield ".sql", Wording("no_sql_text")
        return
    wrong = [name for name in sorted(references(text)) if name not in parameters and name != "as_of"]
    yield from ((".sql", unknown("parameter", name, (*parameters, "as_of"))) for name in wrong)
    if not wrong:
        values = {name: parameter.value(parameter.default) for name, parameter in parameters.items()}
        try:
            columns_of_sql(text, values)
        except TallystickError as error:
            yield ".sql", _told(error)


def _told(error: TallystickError) -> Wording:
    return error.expected if isinstance(error, QueryRefused) else Wording("said", said=error.message)


_FAULTS = {"template": _faults_of_template, "cel": _faults_of_cel, "sql": _faults_of_sql}
