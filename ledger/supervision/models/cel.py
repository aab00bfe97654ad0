"""Conditions on one kind of row in the Common Expression Language: ``row``, ``parameters`` and ``as_of`` to one truth.

The language has no loops but its macros over lists, which may not stand in each other here, and no clock: what a
condition says of a row, it says always. A day is text (``2026-03-01``) and compares as such.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ledger.core.procedure.legal_days import legal_day
from ledger.supervision.models.columns import views
from ledger.supervision.models.parameters import Parameter
from ledger.supervision.models.refused import unknown
from ledger.supervision.runs.session import QueryRefused
from ledger.supervision.wording import Wording

if TYPE_CHECKING:
    from cel import Program

MAX_CHARACTERS = 2000
MAX_SECONDS = 20.0  # for all rows of a run
_NAMES = ("row", "parameters", "as_of")
_FUNCTIONS = (
    *("legal_day", "days"),
    *("size", "contains", "startsWith", "endsWith", "matches", "string", "int", "double", "timestamp", "duration"),
    *("getFullYear", "getMonth", "getDate", "getDayOfWeek", "getHours", "getMinutes"),
)
_MACROS = ("all", "exists", "exists_one", "existsOne", "filter")  # not map: what it makes could grow with each
_STRING = re.compile(r"\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'")
_CALL = re.compile(r"([A-Za-z_]\w*)\s*\(")
_MACRO = re.compile(rf"\.\s*(?:{'|'.join(_MACROS)}|map)\s*\(\s*([A-Za-z_]\w*)")
_PLACE = re.compile(r"(?<![\w.])(row|parameters)\b(?:\s*\.\s*([A-Za-z_]\w*))?")
_SYNTAX = re.compile(r"ERROR: <input>:\d+:(\d+): (?:Syntax error: )?(.*)")


def faults_of_cel(view: str, expression: str, parameters: Mapping[str, Parameter]) -> Iterator[Wording]:
    """What is wrong with a condition on the rows of a known view."""
    if len(expression) > MAX_CHARACTERS:
        yield Wording("cel_too_long", most=f"{MAX_CHARACTERS:,}")
        return
    bare = _STRING.sub('""', expression)
    if "//" in bare:  # in one, brackets would count that the language does not see
        yield Wording("cel_comment")
        return
    if '""""' in bare or "'''" in expression or re.search(r"\b[rRbB]{1,2}\"", bare):
        yield Wording("cel_quotes")
        return
    try:
        program = _program(expression)
    except ValueError as error:
        yield _syntax(str(error))
        return
    yield from _unknown_names(bare, program.references()["variables"], views()[view], parameters)
    if _has_nested_macros(bare):
        yield Wording("cel_list_in_list")


def matching(
    expression: str, rows: Iterable[Mapping[str, Any]], parameters: Mapping[str, Any], as_of: datetime
) -> Iterator[Mapping[str, Any]]:
    """The rows of which the condition is true. Raises QueryRefused where it says neither, or takes too long."""
    import cel  # noqa: PLC0415 - brings a command line of its own, which only those wait for who use it

    program = _program(expression)
    context = cel.Context({"parameters": _plain(parameters), "as_of": as_of.astimezone(UTC)}, dict(OWN_FUNCTIONS))
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
        if _truth(program, context, row):
            yield row


def _truth(program: Program, context: Any, row: Mapping[str, Any]) -> bool:
    try:
        result = program.execute(context)
    except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
        empty = [name for name, value in row.items() if value is None and f"row.{name}" in program.source]
        hint = Wording("hint_empty", names=tuple(empty), first=empty[0]) if empty else None
        said = str(error).split(". ")[0]
        raise QueryRefused(Wording("cel_fails", row=_shown(row), why=said), field="condition.cel", hint=hint) from error
    if not isinstance(result, bool):
        raise QueryRefused(
            Wording("cel_no_truth", given=repr(str(result)[:40]), row=_shown(row)),
            field="condition.cel",
        )
    return result


@lru_cache(maxsize=256)
def _program(expression: str) -> Program:
    import cel  # noqa: PLC0415

    return cel.compile(expression)


def _unknown_names(
    bare: str, variables: Iterable[str], columns: Iterable[str], parameters: Mapping[str, Parameter]
) -> Iterator[Wording]:
    bound = _MACRO.findall(bare)
    if shadowing := sorted(set(bound) & set(_NAMES)):
        yield Wording("cel_shadowing", name=shadowing[0])
    for name in variables:
        if name not in (*_NAMES, *bound):
            yield unknown("name", name, _NAMES)
    for name in dict.fromkeys(_CALL.findall(bare)):
        if name not in (*_FUNCTIONS, *_MACROS, "has", "in"):
            yield unknown("function", name, _FUNCTIONS)
    for of, name in dict.fromkeys(_PLACE.findall(bare)):
        known = columns if of == "row" else parameters
        if not name:
            yield Wording("cel_whole_row" if of == "row" else "cel_whole_parameters")
        elif name not in known:
            yield unknown("column" if of == "row" else "parameter", name, known)


def _has_nested_macros(bare: str) -> bool:
    inner_until = -1
    for macro in _MACRO.finditer(bare):
        if macro.start() < inner_until:
            return True
        inner_until = max(inner_until, _closing(bare, macro.start(1)))
    return False


def _closing(text: str, start: int) -> int:
    """Where the bracket is closed that was opened before ``start``."""
    depth = 1
    for position in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[position], 0)
        if depth == 0:
            return position
    return len(text)


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _value(value) for name, value in values.items()}


def _value(value: Any) -> Any:
    """A value as the language has it."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value
    if isinstance(value, date):
        return value.isoformat()
    return float(value) if isinstance(value, Decimal) else value


def _legal_day(moment: Any) -> str | None:
    return legal_day(moment).isoformat() if isinstance(moment, datetime) else None


def _days(first: Any, last: Any) -> int | None:
    try:
        return (date.fromisoformat(last) - date.fromisoformat(first)).days
    except (TypeError, ValueError):
        return None


OWN_FUNCTIONS: dict[str, Callable[..., Any]] = {"legal_day": _legal_day, "days": _days}


def _syntax(message: str) -> Wording:
    found = _SYNTAX.search(message)
    return Wording("not_cel_at", at=found[1], why=found[2][:200]) if found else Wording("not_cel")


def _shown(row: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in row.items() if name.endswith("_id") and value)[:200]
