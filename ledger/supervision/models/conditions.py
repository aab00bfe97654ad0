"""Conditions of models: which rows become leads, as a template, a CEL expression on one row, or a SQL query.

In the Common Expression Language, ``row``, ``parameters`` and ``as_of`` give true or false. It has no loops but its
macros over lists, which may not be nested here, and no clock: what a condition says of a row, it says always. A day is
text (``2026-03-01``) and compares as such. ``count_in`` says in how many rows of another view or list a value stands.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from ledger.core.errors import TallystickError
from ledger.core.procedure.zones import Zone
from ledger.supervision.model_faults import Wording, unknown
from ledger.supervision.models.definition import Cel, Condition, Model, Parameter, Query, Scope, Sql, Template
from ledger.supervision.models.filters import united_sql, unknown_word
from ledger.supervision.models.list_templates import uses_of
from ledger.supervision.models.procedure_words import FieldWords, vocabulary_of
from ledger.supervision.models.sql_guard import ComparedTexts, QueryRefused, compared_texts
from ledger.supervision.models.templates import faults_of_form, forms, template_query
from ledger.supervision.runs.query_session import QuerySession, quoted
from ledger.supervision.view_catalogue import LIST, LIST_COLUMNS, LISTED, ListUse, dataset_view, view_columns

if TYPE_CHECKING:
    from cel import Program

    from ledger.supervision.models.yaml_document import LocatedFault

MAX_CHARACTERS = 2000
MAX_SECONDS = 20.0  # for all rows of a run
_NAMES = ("row", "parameters", "as_of")
OWN_FUNCTIONS = ("legal_day", "days", "count_in")  # of the ledger; the others are of the language
_FUNCTIONS = (
    *OWN_FUNCTIONS,
    *("size", "contains", "startsWith", "endsWith", "matches", "string", "int", "double", "timestamp", "duration"),
    *("getFullYear", "getMonth", "getDate", "getDayOfWeek", "getHours", "getMinutes"),
)
_MACROS = ("all", "exists", "exists_one", "existsOne", "filter")  # not map: what it makes could grow with each
_STRING = re.compile(r"\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'")
_TEXTS = rf"(?:{_STRING.pattern})"
_COMPARED = re.compile(
    rf"(?<![\w.])row\s*\.\s*(?P<column>[a-z_]+)\s*(?:[=!]=|\bin)\s*(?P<texts>{_TEXTS}|\[\s*{_TEXTS}(?:\s*,\s*{_TEXTS})*\s*\])"
    rf"|(?P<text_before>{_TEXTS})\s*[=!]=\s*row\s*\.\s*(?P<column_after>[a-z_]+)"
)
_DIVISION = re.compile(r"[/%](?!\s*-?\s*[\d.]*[1-9][\d.]*(?!\w))")  # by anything but a number, or by 0
_SIZE = re.compile(rf"{_STRING.pattern}|\bsize(?=\s*\()")
_COUNT_IN = re.compile(
    r"\bcount_in\s*\(\s*[\"']([a-z0-9_]+)[\"']\s*,\s*[\"']([a-z0-9_]+)[\"']\s*,\s*row\s*\.\s*([a-z][a-z0-9_]*)\s*\)"
)
MAX_COUNTED = 4  # views and lists that one condition counts in
_CALL = re.compile(r"([A-Za-z_]\w*)\s*\(")
_MACRO = re.compile(rf"\.\s*(?:{'|'.join(_MACROS)}|map)\s*\(\s*([A-Za-z_]\w*)")
_PLACE = re.compile(r"(?<![\w.])(row|parameters)\b(?:\s*\.\s*([A-Za-z_]\w*))?")
_SYNTAX = re.compile(r"ERROR: <input>:\d+:(\d+): (?:Syntax error: )?(.*)")
EVIDENCE = "evidence"  # the column that every row of a condition has
_IN_QUOTES = re.compile(r"'[^']*'|--[^\n]*|/\*.*?\*/", re.DOTALL)
_REFERENCE = re.compile(r"\$([A-Za-z_]\w*)")
_KEYS = {"template": ("with",), "cel": ("view",), "sql": ("scope",)}
_NO_MOMENT = datetime(2000, 1, 1, tzinfo=UTC)

# The package brings in its command line, which nobody runs here, and with it a toolkit for terminals.
sys.modules.setdefault("cel.cli", ModuleType("cel.cli"))


def make_ready() -> None:
    """Load what reads expressions, before there is one."""
    import cel  # noqa: F401


def faults_of_cel(
    view: str, expression: str, parameters: Mapping[str, Parameter], words: FieldWords | None = None
) -> Iterator[Wording]:
    """Yield what is wrong with a condition on the rows of a known view; ``words`` are as of ``check_condition``."""
    if len(expression) > MAX_CHARACTERS:
        yield Wording("cel_too_long", most=f"{MAX_CHARACTERS:,}")
        return
    columns = columns_of_view(view, parameters)
    expression, counted = counting(expression)
    yield from _faults_of_counting(counted, columns, parameters)
    bare = _STRING.sub('""', expression)
    if "count_in" in bare:
        yield Wording("cel_count_in")
        return
    if "//" in bare:  # brackets in a comment would count here, and the language does not see them
        yield Wording("cel_comment")
        return
    if '""""' in bare or "'''" in expression or re.search(r"\b[rRbB]{1,2}\"", bare):
        yield Wording("cel_quotes")
        return
    if _DIVISION.search(bare):  # divided by 0.0, a number would be infinity: the language refuses only whole numbers
        yield Wording("cel_division")
    try:
        program = _program(expression)
    except ValueError as error:
        match = _SYNTAX.search(str(error))
        yield Wording("not_cel_at", at=match[1], why=match[2][:200]) if match else Wording("not_cel")
        return
    yield from _unknown_names(
        bare, program.references()["variables"], {*columns, *(each.name for each in counted)}, parameters
    )
    if _has_nested_macros(bare):
        yield Wording("cel_list_in_list")
    yield from _unknown_words(_compared_in_cel(view, expression), words)


def _compared_in_cel(view: str, expression: str) -> Iterator[ComparedTexts]:
    """Yield the columns that an expression compares (``==``, ``!=``, ``in``) with texts, as it is written.

    The language's library compiles it and shows no parse. What is written in another way is not compared.
    """
    for comparison in _COMPARED.finditer(expression):
        column = comparison["column"] or comparison["column_after"]
        texts = tuple(text[1:-1] for text in _STRING.findall(comparison["texts"] or comparison["text_before"]))
        yield ComparedTexts(view, column, texts)


def _unknown_words(compared: Iterable[ComparedTexts], words: FieldWords | None) -> Iterator[Wording]:
    """Yield each column with the first text beside it that is no word which it could hold."""
    for view, column, texts in compared:
        if words is not None and (fault := unknown_word(vocabulary_of(view, column), texts, words)) is not None:
            yield Wording("compared", place=f"{view}.{column}", fault=fault)


def matching_rows(
    expression: str,
    rows: Iterable[Mapping[str, Any]],
    parameters: Mapping[str, Any],
    as_of: datetime,
    zone: Zone,
    *,
    quotes_rows: bool,
) -> Iterator[Mapping[str, Any]]:
    """Yield the rows for which the condition is true. Raises QueryRefused if it fails or takes too long."""
    import cel

    # The library's own size counts the bytes of a text, where the language counts its characters.
    program = _program(_SIZE.sub(lambda match: "size_of" if match[0] == "size" else match[0], expression))
    # Only the columns that the condition names are converted: rows are many and wide.
    context = cel.Context({"parameters": _plain(parameters), "as_of": as_of.astimezone(UTC)}, _own_functions(zone))
    used = {name for of, name in _PLACE.findall(_STRING.sub('""', expression)) if of == "row"}
    until = time.monotonic() + MAX_SECONDS
    for row in rows:
        if time.monotonic() > until:
            raise QueryRefused(
                Wording("cel_took_too_long", seconds=f"{MAX_SECONDS:g}"),
                field="condition.cel",
                hint=Wording("hint_fewer"),
            )
        context.add_variable("row", _plain({name: row[name] for name in used}))
        if _truth(program, context, row, quotes_rows=quotes_rows):
            yield row


def _truth(program: Program, context: Any, row: Mapping[str, Any], *, quotes_rows: bool) -> bool:
    try:
        result = program.execute(context)
    except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
        empty = [name for name, value in row.items() if value is None and f"row.{name}" in program.source]
        hint = Wording("hint_empty", names=tuple(empty), first=empty[0]) if empty else None
        message = Wording("cel_fails_somewhere")
        if quotes_rows:
            message = Wording("cel_fails", row=_shown(row), why=str(error).split(". ")[0])
        else:
            hint = hint or Wording("hint_try_example")
        raise QueryRefused(message, hint, field="condition.cel") from error
    if not isinstance(result, bool):
        message, hint = Wording("cel_no_truth_somewhere"), Wording("hint_try_example")
        if quotes_rows:
            message, hint = Wording("cel_no_truth", given=repr(str(result)[:40]), row=_shown(row)), None
        raise QueryRefused(message, hint, field="condition.cel")
    return result


@lru_cache(maxsize=256)
def _program(expression: str) -> Program:
    import cel

    return cel.compile(expression)


def _unknown_names(
    bare: str, variables: Iterable[str], columns: Iterable[str], parameters: Mapping[str, Parameter]
) -> Iterator[Wording]:
    bindings_of = _MACRO.findall(bare)
    if shadowing := sorted(set(bindings_of) & set(_NAMES)):
        yield Wording("cel_shadowing", name=shadowing[0])
    for name in variables:
        if name not in (*_NAMES, *bindings_of):
            yield unknown("name", name, _NAMES)
    for name in dict.fromkeys(_CALL.findall(bare)):
        if name not in (*_FUNCTIONS, *_MACROS, "has", "in"):
            yield unknown("function", name, _FUNCTIONS)
    for of, name in dict.fromkeys(_PLACE.findall(bare)):
        declared = columns if of == "row" else parameters
        if not name:
            yield Wording("cel_whole_row" if of == "row" else "cel_whole_parameters")
        elif name not in declared:
            yield unknown("column" if of == "row" else "parameter", name, declared)


def _has_nested_macros(bare: str) -> bool:
    # A macro within a macro takes the square of the list's length, within a third one its cube.
    inner_until = -1
    for macro in _MACRO.finditer(bare):
        if macro.start() < inner_until:
            return True
        depth, end = 1, macro.start(1)  # within the bracket that the macro has opened
        while depth and end < len(bare):
            depth += {"(": 1, ")": -1}.get(bare[end], 0)
            end += 1
        inner_until = max(inner_until, end)
    return False


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values as the language has them."""
    plain = dict(values)
    for name, value in values.items():
        if isinstance(value, datetime):
            plain[name] = value.replace(tzinfo=UTC) if value.tzinfo is None else value
        elif isinstance(value, date):
            plain[name] = value.isoformat()
        elif isinstance(value, Decimal):
            plain[name] = float(value)
    return plain


def _days(first: Any, last: Any) -> int | None:
    try:
        return (date.fromisoformat(last) - date.fromisoformat(first)).days
    except (TypeError, ValueError):
        return None


def _size_of(value: Any) -> int | None:
    return len(value) if isinstance(value, Sized) else None


def _own_functions(zone: Zone) -> dict[str, Callable[..., Any]]:
    def legal_day(moment: Any) -> str | None:
        return zone.day_of(moment).isoformat() if isinstance(moment, datetime) else None

    return {"legal_day": legal_day, "days": _days, "size_of": _size_of}


def _shown(row: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in row.items() if name.endswith("_id") and value)[:200]


def condition_of(condition: Mapping[str, Any]) -> Condition:
    """Build the condition that a file states. Requires that ``check_condition`` found none."""
    if "template" in condition:
        return Template(condition["template"], condition["with"])
    if "cel" in condition:
        return Cel(condition["view"], condition["cel"].strip())
    return Sql(condition["sql"], condition["scope"])


def check_condition(
    condition: Mapping[str, Any], parameters: Mapping[str, Parameter], words: FieldWords | None = None
) -> tuple[list[LocatedFault], Mapping[str, str]]:
    """Return what is wrong with how a condition is stated, and the columns of a query that has no faults.

    ``words`` are those that a case can have; without them none is unknown. A query is asked of no rows.
    """
    kinds = [kind for kind in _KEYS if kind in condition]
    if len(kinds) != 1:
        return [("", Wording("one_condition"))], {}
    ((kind),) = kinds
    keys = (kind, *_KEYS[kind])
    faults: list[LocatedFault] = [(f".{name}", unknown("key", name, keys)) for name in condition if name not in keys]
    if missing := [name for name in _KEYS[kind] if name not in condition]:
        faults.append((f".{missing[0]}", Wording("missing")))
    elif kind == "sql":
        of_query, columns = _check_sql(condition, parameters, words)
        return faults + of_query, columns
    elif kind == "cel":
        view, expression = condition["view"], condition["cel"]
        if not columns_of_view(view, parameters):
            lists = [name for name in list_columns(parameters) if columns_of_view(name, parameters)]
            faults.append((".view", unknown("view", str(view), (*view_columns(), *lists))))
        elif not isinstance(expression, str) or not expression.strip():
            faults.append((".cel", Wording("no_cel_text")))
        else:
            faults += ((".cel", fault) for fault in faults_of_cel(view, expression.strip(), parameters, words))
    else:
        name, fields = condition["template"], condition["with"]
        if name not in forms():
            faults.append((".template", unknown("template", str(name), forms())))
        elif not isinstance(fields, dict):
            faults.append((".with", Wording("fields_expected", names=tuple(forms()[name].fields))))
        else:
            of_form = faults_of_form(forms()[name], fields, parameters, words)
            faults += ((f".with.{path}", fault) for path, fault in of_form)
    return faults, {}


def query_of(condition: Condition, parameters: Mapping[str, Parameter], values: Mapping[str, Any]) -> Query:
    """Build the query under these values of the parameters. Raises QueryRefused for SQL that cannot be asked."""
    if isinstance(condition, Template):
        return template_query(condition, parameters, values)
    named = {f"{LIST}{name}": str(values[name]) for name in _lists_in(parameters)}
    lists = uses_of(named, parameters, named)
    if isinstance(condition, Cel):
        return _cel_query(condition, columns_of_view(condition.view, parameters), lists)
    return Query(condition.text, {}, {}, condition.scope, (), lists, False)


def datasets_of(model: Model, values: Mapping[str, object]) -> tuple[str, ...]:
    """Return the ids of the data sets that a run with these parameters asks. Raises MalformedInput."""
    query = query_of(model.condition, model.parameters, model.parameters_of(values))
    return tuple(dict.fromkeys(use.dataset_id for use in query.lists.values()))


def headings_of(parameters: Mapping[str, Parameter], values: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return the headings of lists that the parameters state, by the views of the data sets that the values name."""
    headings: dict[str, tuple[str, ...]] = {}
    for name in _lists_in(parameters):
        view = dataset_view(str(values[name]))
        headings[view] = tuple(dict.fromkeys((*headings.get(view, ()), *parameters[name].columns.values())))
    return headings


def _lists_in(parameters: Mapping[str, Parameter]) -> list[str]:
    return [name for name, parameter in parameters.items() if parameter.type == "dataset"]


def list_columns(parameters: Mapping[str, Parameter]) -> dict[str, Mapping[str, str]]:
    """Return the columns that each list has for CEL and SQL, with their types; none where its parameter states none."""
    stated = {f"{LIST}{name}": parameters[name].columns for name in _lists_in(parameters)}
    return {
        name: {**dict.fromkeys(columns, "VARCHAR"), **LIST_COLUMNS} if columns else {}
        for name, columns in stated.items()
    }


def columns_of_view(view: object, parameters: Mapping[str, Parameter]) -> Mapping[str, str]:
    """Return the columns of a view, or of a list by its parameter, with their types; nothing if there is none."""
    if not isinstance(view, str):
        return {}
    return view_columns().get(view) or list_columns(parameters).get(view, {})


class Counted(NamedTuple):
    """A place where a condition counts rows: those of ``view`` whose ``column`` has the value of ``row.by``."""

    name: str  # of the column of its rows that has the number
    view: str
    column: str
    by: str


def counting(expression: str) -> tuple[str, tuple[Counted, ...]]:
    """Return the expression with each ``count_in(view, column, row.by)`` as a column of the row, and what they are."""
    places = dict.fromkeys(match.groups() for match in _COUNT_IN.finditer(expression))
    counted = {place: Counted(f"counted_{number}", *place) for number, place in enumerate(places, start=1)}
    return _COUNT_IN.sub(lambda match: f"row.{counted[match.groups()].name}", expression), tuple(counted.values())


def _faults_of_counting(
    counted: Sequence[Counted], columns: Mapping[str, str], parameters: Mapping[str, Parameter]
) -> Iterator[Wording]:
    if len(counted) > MAX_COUNTED:
        yield Wording("cel_counts", most=MAX_COUNTED)
    for place in counted:
        others = columns_of_view(place.view, parameters)
        if not others:
            yield unknown("view", place.view, (*view_columns(), *list_columns(parameters)))
        elif place.column not in others:
            yield unknown("column", place.column, others)
        elif place.by not in columns:
            yield unknown("column", place.by, columns)


def _cel_query(condition: Cel, columns: Mapping[str, str], lists: Mapping[str, ListUse]) -> Query:
    """Build the query of the rows that a condition goes through, with what it counts and what that rests on."""
    counted = counting(condition.expression)[1]
    of_rows = [column for column in (EVIDENCE, LISTED) if column in columns]
    joins, shown = list[str](), list[str]()
    rests = {column: [f"coalesce(v.{column}, [])"] if column in of_rows else [] for column in (EVIDENCE, LISTED)}
    for place in counted:
        name, is_list = place.name, place.view in lists
        has = [column for column in rests if is_list or column in view_columns()[place.view]]
        united = "".join(f", {united_sql(f'c.{column}')} AS {column}" for column in has)
        joins.append(
            f"LEFT JOIN (SELECT CAST(c.{quoted(place.column)} AS VARCHAR) AS value, count(*) AS counted{united} "  # noqa: S608
            f"FROM {quoted(place.view)} c GROUP BY 1) {name} ON {name}.value = CAST(v.{quoted(place.by)} AS VARCHAR)"
        )
        shown.append(f"coalesce({name}.counted, 0) AS {name}")
        for column in has:
            rests[column].append(f"coalesce({name}.{column}, [])")
    shown += [f"{' || '.join(parts)} AS {column}" for column, parts in rests.items() if parts]
    hidden = f"EXCLUDE ({', '.join(of_rows)})" if of_rows else ""
    selected = f"v.* {hidden}, {', '.join(shown)}" if counted else "*"
    sql = f"SELECT {selected} FROM {quoted(condition.view)} v {' '.join(joins)}"  # noqa: S608
    scope: Scope = "case" if "case_id" in columns and not counted else "all"
    views = dict.fromkeys((condition.view, *(place.view for place in counted)))
    return Query(sql, {}, columns, scope, tuple(view for view in views if view in view_columns()), lists, not counted)


def bindings_of(query: Query, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that the query refers to: those of the file and those of the parameters."""
    used = references(query.sql)
    return {**query.bindings, **{name: value for name, value in values.items() if name in used}}


def references(sql: str) -> set[str]:
    """Return the names that a query refers to as ``$name``."""
    return set(_REFERENCE.findall(_IN_QUOTES.sub(" ", sql)))


def _columns_of_sql(query: Query, values: Mapping[str, Any]) -> dict[str, str]:
    """Return the columns of a file's query with their types, by asking it of no rows at all. Raises QueryRefused."""
    lists = {name: use for name, use in query.lists.items() if use.columns}
    empty: dict[str, list[dict[str, Any]]] = {dataset_view(use.dataset_id): [] for use in lists.values()}
    headings = {
        view: tuple(
            heading
            for use in lists.values()
            if dataset_view(use.dataset_id) == view
            for heading in use.columns.values()
        )
        for view in empty
    }
    with QuerySession.of_rows(empty, headings=headings) as session:
        session.open_lists(lists)
        return dict.fromkeys(session.columns(query.sql, bindings_of(query, values), _NO_MOMENT), "")


def _check_sql(
    condition: Mapping[str, Any], parameters: Mapping[str, Parameter], words: FieldWords | None
) -> tuple[list[LocatedFault], Mapping[str, str]]:
    text = condition["sql"]
    faults: list[LocatedFault] = (
        [] if condition["scope"] in ("case", "all") else [(".scope", Wording("scope_expected"))]
    )
    if not isinstance(text, str) or not text.strip():
        return [*faults, (".sql", Wording("no_sql_text"))], {}
    if wrong := [name for name in sorted(references(text)) if name not in parameters and name != "as_of"]:
        return [*faults, *((".sql", unknown("parameter", name, (*parameters, "as_of"))) for name in wrong)], {}
    try:
        values = {name: parameter.value(parameter.default) for name, parameter in parameters.items()}
        columns = _columns_of_sql(query_of(Sql(text, "all"), parameters, values), values)
    except TallystickError as error:
        return [*faults, (".sql", error.expected if isinstance(error, QueryRefused) else error.text)], {}
    return [*faults, *((".sql", fault) for fault in _unknown_words(compared_texts(text), words))], columns
