"""Statement: what a query may name, decided from DuckDB's own parse of it before it runs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Set
from functools import cache, lru_cache
from typing import Any

import duckdb

from ledger.core.errors import TallystickError
from ledger.supervision.catalogue import nearest


class QueryRefused(TallystickError):
    """A query that is not run, or was ended; the message tells why in one sentence."""

    code = "query_refused"


MAX_LENGTH = 20_000  # characters
CHECKED = 512  # queries that are known to be sound

# Their result depends on more than the rows: on the clock, the process, chance, or the order in which rows are met.
# Those that the engine calls volatile are found in its catalogue.
_UNREPEATABLE = frozenset(
    (
        "age",
        "any_value",
        "approx_count_distinct",
        "approx_quantile",
        "approx_top_k",
        "arbitrary",
        "current_catalog",
        "current_connection_id",
        "current_database",
        "current_date",
        "current_localtime",
        "current_localtimestamp",
        "current_query",
        "current_query_id",
        "current_role",
        "current_schema",
        "current_schemas",
        "current_setting",
        "current_time",
        "current_timestamp",
        "current_transaction_id",
        "current_user",
        "first",
        "get_current_time",
        "get_current_timestamp",
        "getvariable",
        "in_search_path",
        "last",
        "localtime",
        "localtimestamp",
        "now",
        "reservoir_quantile",
        "session_user",
        "today",
        "transaction_timestamp",
        "txid_current",
        "user",
        "version",
    )
)
_TABLE_FUNCTIONS = frozenset({"generate_series", "range", "unnest"})
_ORDERED = frozenset({"group_concat", "listagg", "string_agg"})  # text put together in an order that they must say


def require_sound(sql: str, names: frozenset[str]) -> duckdb.Statement:
    """The one SELECT of ``sql`` over the views ``names``. Raises QueryRefused."""
    statement = _only(sql)
    _require_allowed_throughout(sql, names)
    return statement


@lru_cache(maxsize=CHECKED)
def _require_allowed_throughout(sql: str, names: frozenset[str]) -> None:
    """Decided once: the same models are run again and again."""
    nodes = list(_nodes(_parsed(sql)))
    known = names | _common_tables(nodes)
    for node in nodes:
        _require_allowed(node, known)


def _only(sql: str) -> duckdb.Statement:
    if len(sql) > MAX_LENGTH:
        raise _refusal(f"a query has at most {MAX_LENGTH:,} characters")
    try:
        statements = duckdb.extract_statements(sql)
    except duckdb.Error as error:
        raise refused(error) from error
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise _refusal("expected one SELECT, and nothing else", "A query reads the views: it writes and sets nothing.")
    return statements[0]


def _parsed(sql: str) -> Any:
    with duckdb.connect() as connection:
        (text,) = connection.execute("SELECT json_serialize_sql($1)", [sql]).fetchall()[0]
    told = json.loads(text)
    if told["error"]:
        raise _refusal(f"not a query over views: {told.get('error_message', 'it cannot be read')}")
    return told["statements"]


def _nodes(part: Any) -> Iterator[dict[str, Any]]:
    """Every node of the parse, however deep."""
    waiting = [part]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            yield part
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)


def _common_tables(nodes: list[dict[str, Any]]) -> frozenset[str]:
    """What the query calls its own parts (WITH name AS ...)."""
    found = (node["cte_map"]["map"] for node in nodes if "cte_map" in node)
    return frozenset(entry["key"] for entries in found for entry in entries)


def _require_allowed(node: dict[str, Any], names: Set[str]) -> None:
    if node.get("sample"):
        raise _refusal("a sample gives other rows each time", "Take all rows, or those of a condition.")
    match node.get("type"):
        case "BASE_TABLE":
            _require_view(node, names)
        case "TABLE_FUNCTION":
            name = node["function"]["function_name"].lower()
            if name not in _TABLE_FUNCTIONS:
                raise _refusal(f"{name} reads something else than views", "Functions that give rows: unnest, range.")
        case "COLUMN_REF" if len(node["column_names"]) == 1:  # some functions are written like columns: current_date
            _require_repeatable(str(node["column_names"][0]).lower())
        case _ if "function_name" in node:
            _require_repeatable(name := str(node["function_name"]).lower())
            if name in _ORDERED and not (node.get("order_bys") or {}).get("orders"):
                raise _refusal(f"{name} needs an order", f"For example {name}(name, ', ' ORDER BY name).")


def _require_view(node: dict[str, Any], names: Set[str]) -> None:
    name = node["table_name"]
    if node.get("schema_name") or node.get("catalog_name") or name not in names:
        raise _refusal(f"there is no view {name}", nearest(name, names))


def _require_repeatable(name: str) -> None:
    if name in _UNREPEATABLE or name in _volatile():
        raise _refusal(
            f"{name} may give another result each time",
            "$as_of is the moment that is asked about; min and max choose one of several values.",
        )


@cache
def _volatile() -> frozenset[str]:
    query = "SELECT DISTINCT function_name FROM duckdb_functions() WHERE stability = 'VOLATILE'"
    with duckdb.connect() as connection:
        return frozenset(name for (name,) in connection.execute(query).fetchall())


def refused(error: duckdb.Error) -> QueryRefused:
    """What DuckDB says, as a refusal in one sentence; a later line may have a hint."""
    first, _, rest = str(error).strip().partition("\n")
    hint = next((line.strip() for line in rest.splitlines() if line.startswith(("Candidate", "Did you mean"))), None)
    return QueryRefused(first, field="sql", hint=hint)


def _refusal(message: str, hint: str | None = None) -> QueryRefused:
    return QueryRefused(message, field="sql", hint=hint)
