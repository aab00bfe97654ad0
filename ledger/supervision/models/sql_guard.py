"""The SQL guard: what a query may name, decided from DuckDB's own parse of it before it runs."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from functools import cache, lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ledger.core.errors import TallystickError
from ledger.core.messages import Message
from ledger.supervision.model_faults import Wording, one_of
from ledger.supervision.view_catalogue import DATASET, nearest, view_columns

if TYPE_CHECKING:
    import duckdb

MAX_LENGTH = 20_000  # characters
CHECKED = 512  # queries that are known to be sound
MAX_JOINED = 12  # values that a query puts together, all in all: nested, they double at most so often
_Setting = str | int | float | list[str]  # as duckdb.connect takes it
# Settings with which a DuckDB in memory starts no threads, so that a process that has it open may be forked, and writes
# nothing to a disk: what it moved out of memory would stay in the service's folder when the process is killed.
_IN_MEMORY: Final[dict[str, _Setting]] = {"threads": 1, "async_threads": 0, "temp_directory": ""}
MAX_TEXT = 500  # characters of a text in a query
# Settings with which a DuckDB loads nothing from outside; after _CLOSING it reaches nothing there either.
_CLOSED: Final[dict[str, _Setting]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "python_enable_replacements": False,
}
# What is divided by 0 is NULL, with each operator and type. The engine would give NaN: greater than any number.
_DIVIDING: Final[dict[str, _Setting]] = {"ieee_floating_point_ops": False, "error_on_division_by_zero": False}
MAX_PART = 60  # bytes of the part of a query that an error names
# As an option, the first would bar the folder's above. Errors say apart from their text where in the query they are.
_CLOSING: Final = "SET enable_external_access = false; SET GLOBAL errors_as_json = true"


class QueryRefused(TallystickError):
    """A query that is not run, or was ended; the message tells why in one sentence.

    Of rows of the record it quotes nothing, since no read of them is recorded with it.
    """

    code = "query_refused"
    expected: Message

    def __init__(self, message: Wording, hint: Wording | None = None, *, field: str = "sql"):
        super().__init__(message, field=field, hint=hint)
        self.expected = message if hint is None else Wording("hinted", said=message, hint=hint)


@cache
def _functions() -> Mapping[str, frozenset[str]]:
    """Return the names of the functions of each kind in functions.toml."""
    kinds = tomllib.loads(files("ledger.supervision.models").joinpath("functions.toml").read_text(encoding="utf-8"))
    return {kind: frozenset(names) for kind, names in kinds.items()}


def require_sound(sql: str, names: frozenset[str]) -> duckdb.Statement:
    """Return the one SELECT of ``sql`` over the views ``names``. Raises QueryRefused."""
    import duckdb

    if len(sql) > MAX_LENGTH:
        raise QueryRefused(Wording("sql_too_long", most=f"{MAX_LENGTH:,}"))
    try:
        with _parser().cursor() as connection:
            statements = connection.extract_statements(sql)
    except duckdb.Error as error:
        raise refused(error, sql, quotes_rows=True) from error
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise QueryRefused(Wording("one_select"), Wording("hint_reads"))
    _require_allowed_throughout(sql, names)
    return statements[0]


@lru_cache(maxsize=CHECKED)  # the same models are run again and again
def _require_allowed_throughout(sql: str, names: frozenset[str]) -> None:
    parse = _parse(sql)
    if parse["error"]:
        raise QueryRefused(Wording("no_query", why=str(parse.get("error_message", "?"))))
    nodes = list(_nodes(parse["statements"], names))
    parts = {entry["key"] for node, _ in nodes if "cte_map" in node for entry in node["cte_map"]["map"]}
    if hiding := sorted(name for name in parts if name.lower() in _engine_names()[0]):
        raise QueryRefused(Wording("engine_table", name=hiding[0]), Wording("hint_part_name"))
    for node, in_scope in nodes:
        _require_allowed(node, in_scope)
    # Joined values double in length with each nesting: text or lists could grow beyond all memory.
    if sum(_joined(node) for node, _ in nodes) > MAX_JOINED:
        raise QueryRefused(Wording("sql_joined", most=MAX_JOINED), Wording("hint_says"))


@cache
def _parser() -> duckdb.DuckDBPyConnection:
    """Return the DuckDB that parses queries, of which each caller takes a cursor: to open one takes longer than all
    else that a small query needs.

    It is empty and runs none of them, so that no query finds what another one left.
    """
    connection = closed_database()
    connection.execute("SET lock_configuration = true")
    return connection


def closed_database(path: str | None = None) -> duckdb.DuckDBPyConnection:
    """Open a DuckDB that reaches nothing outside, in memory or in the file ``path``; its settings may still be changed.

    One in a file may move what does not fit into memory to a folder beside it.
    """
    import duckdb

    settings = _CLOSED | _DIVIDING | ({"threads": 1} if path else _IN_MEMORY)
    connection = duckdb.connect(path or ":memory:", config=settings)
    connection.execute(_CLOSING)
    return connection


def make_ready() -> None:
    """Read and open what checks of queries need, before there is one."""
    _functions()
    _engine_names()


def _parse(sql: str) -> dict[str, Any]:
    """Return what DuckDB's own parser makes of the text, so that no second reading can differ from it."""
    with _parser().cursor() as connection:
        (text,) = connection.execute("SELECT json_serialize_sql($1)", [sql]).fetchall()[0]
    parse: dict[str, Any] = json.loads(text)
    return parse


class ComparedTexts(NamedTuple):
    """A column of a view, and texts that a query compares with it."""

    view: str
    column: str
    texts: tuple[str, ...]


def compared_texts(sql: str) -> Iterator[ComparedTexts]:
    """Yield the columns of views that a sound query compares (``=``, ``<>``, ``IN``) with texts.

    A column of a part of the query (``WITH``, a subquery) is none of a view: the part may give it any value.
    """
    waiting: list[tuple[Any, tuple[dict[str, str], ...]]] = [(_parse(sql)["statements"], ())]
    while waiting:
        part, scopes = waiting.pop()
        if isinstance(part, list):
            waiting.extend((each, scopes) for each in part)
        elif isinstance(part, dict):
            if part.get("type") == "SELECT_NODE":
                scopes = (dict(_tables(part["from_table"])), *scopes)
            waiting.extend((each, scopes) for each in part.values())
            columns, texts = _sides(part)
            for names in columns:
                if texts and (view := _view_of(names, scopes)):
                    yield ComparedTexts(view, names[-1], texts)


def _tables(source: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the names in a FROM clause, each with the name of what it stands for; that of a subquery is empty."""
    waiting = [source]
    while waiting:
        source = waiting.pop()
        if source.get("type") == "JOIN":
            waiting.extend((source["left"], source["right"]))
        else:
            table = source.get("table_name", "")
            yield source.get("alias") or table, table


def _sides(node: dict[str, Any]) -> tuple[list[list[str]], tuple[str, ...]]:
    """Return the columns and the texts that a comparison compares; nothing of any other node."""
    compared: list[dict[str, Any]] = []
    if node.get("type") in ("COMPARE_EQUAL", "COMPARE_NOTEQUAL"):
        compared = [node["left"], node["right"]]
    elif node.get("type") in ("COMPARE_IN", "COMPARE_NOT_IN"):
        compared = node["children"]
    literals = [each["literal"] for each in compared if each.get("type") == "VALUE_CONSTANT"]
    columns = [each["column_names"] for each in compared if each.get("type") == "COLUMN_REF"]
    return columns, tuple(literal["text"] for literal in literals if literal["kind"] == "STRING")


def _view_of(names: Sequence[str], scopes: Iterable[Mapping[str, str]]) -> str | None:
    """Return the view whose column this is, None if it is another's or could be of two."""
    for scope in scopes:
        if len(names) > 1:
            if names[0] not in scope:
                continue
            tables = [scope[names[0]]]
        else:
            tables = [
                table for table in scope.values() if table not in view_columns() or names[-1] in view_columns()[table]
            ]
        if tables:
            (table, *others) = tables
            return None if others or names[-1] not in view_columns().get(table, ()) else table
    return None


def _nodes(part: Any, names: frozenset[str]) -> Iterator[tuple[dict[str, Any], frozenset[str]]]:
    """Yield every node of the parse, however deep, each with the names of tables that are in scope there: ``names``,
    and the query's own parts (``WITH name AS ...``).

    A part is in scope in the parts that follow it and in what they stand before, and in itself only where it recurs.
    Anywhere else its name is that of a table of the engine, whatever that holds.
    """
    waiting = [(part, names)]
    while waiting:
        part, names = waiting.pop()
        if isinstance(part, list):
            waiting.extend((each, names) for each in part)
        elif isinstance(part, dict):
            for entry in part.get("cte_map", {}).get("map", ()):
                waiting.append((entry["value"], names))
                names |= {entry["key"]}
            outside = names  # a part that recurs begins without itself
            if part.get("type") == "RECURSIVE_CTE_NODE":
                names |= {part["cte_name"]}
            yield part, names
            for key, value in part.items():
                if key == "function" and part.get("type") == "TABLE_FUNCTION":
                    waiting.extend((each, names) for each in value.values())
                elif key != "cte_map":
                    waiting.append((value, outside if key == "left" and "cte_name" in part else names))


def _require_allowed(node: dict[str, Any], names: Set[str]) -> None:
    if node.get("sample"):
        raise QueryRefused(Wording("sample"), Wording("hint_all_rows"))
    if node.get("ref_type") == "POSITIONAL":
        raise QueryRefused(Wording("positional"), Wording("hint_join"))
    # A query that takes only some of its rows must have an order.
    modifiers = {modifier["type"]: modifier for modifier in node.get("modifiers") or ()}
    some = modifiers.keys() & {"LIMIT_MODIFIER", "LIMIT_PERCENT_MODIFIER"}
    if modifiers.get("DISTINCT_MODIFIER", {}).get("distinct_on_targets"):
        some = {*some, "DISTINCT ON"}
    if some and "ORDER_MODIFIER" not in modifiers:
        raise QueryRefused(Wording("limit_order"), Wording("hint_order"))
    match node.get("type"):
        case "BASE_TABLE":
            name = node["table_name"]
            if node["qualified_name"]["path"] != [name] or name not in names:
                hint = Wording("hint_outside") if name.startswith(DATASET) else nearest(name, names)
                raise QueryRefused(Wording("no_such_view", name=name), hint)
        case "SHOW_REF":
            raise QueryRefused(Wording("describes"), Wording("hint_described"))
        case "TABLE_FUNCTION":
            name = node["function"]["function_name"].lower()
            if name not in _functions()["of_rows"]:
                raise QueryRefused(Wording("reads_else", name=name), Wording("hint_rows"))
        case "COLUMN_REF":
            _require_repeatable(str(node["column_names"][-1]).lower())
        case "VALUE_CONSTANT" if len(str((node.get("literal") or {}).get("text") or "")) > MAX_TEXT:
            raise QueryRefused(Wording("sql_text", most=MAX_TEXT))
        case _ if "function_name" in node:
            _require_function(node, str(node["function_name"]).lower())


def _require_function(node: dict[str, Any], name: str) -> None:
    kinds = _functions()
    if name in kinds["ordered"]:
        orders = node.get("orders") or (node.get("order_bys") or {}).get("orders") or node.get("arg_orders")
        if not orders:
            example = "() OVER (ORDER BY name)" if node.get("class") == "WINDOW" else "(name ORDER BY name)"
            raise QueryRefused(Wording("needs_order", name=name), Wording("hint_example", example=f"{name}{example}"))
    elif name not in kinds["repeatable"]:
        _require_repeatable(name)
        named = sorted(each for each in kinds["repeatable"] | kinds["ordered"] if each[0].isalpha())
        named.sort(key=lambda each: each not in kinds["usual"])
        raise QueryRefused(Wording("no_function", name=name), nearest(name, named))


def _joined(node: dict[str, Any]) -> int:
    """Return how many values a node joins to another."""
    if str(node.get("function_name", "")).lower() not in _functions()["joining"]:
        return 0
    return max(len(node.get("arguments") or node.get("children") or ()) - 1, 0)


def _require_repeatable(name: str) -> None:
    if name in _functions()["unrepeatable"] or name in _engine_names()[1]:
        raise QueryRefused(Wording("unrepeatable", name=name), Wording("hint_repeatable"))


@cache
def _engine_names() -> tuple[frozenset[str], frozenset[str]]:
    """Return the names of the engine's own tables, and of its functions that differ each time."""
    tables = "SELECT lower(view_name) FROM duckdb_views() UNION SELECT lower(table_name) FROM duckdb_tables()"
    volatile = "SELECT DISTINCT function_name FROM duckdb_functions() WHERE stability = 'VOLATILE'"
    with _parser().cursor() as connection:
        own, changing = (connection.execute(query).fetchall() for query in (tables, volatile))
    return frozenset(name for (name,) in own), frozenset(name for (name,) in changing)


# What authors mistake most, as DuckDB words it, and how that is said here; the rest stays in its English.
_MISTAKES = tuple(
    (word, re.compile(pattern))
    for word, pattern in (
        ("sql_no_column", '^Binder Error: Referenced column "([^"]*)" not found'),
        ("sql_no_column", '^Binder Error: [\\w ]+ "[^"]*" does not have a column named "([^"]*)"'),
        ("sql_no_table", '^Binder Error: Referenced table "([^"]*)" not found'),
        ("sql_ambiguous", '^Binder Error: Ambiguous reference to column name "([^"]*)"'),
        ("sql_ungrouped", '^Binder Error: column "([^"]*)" must appear in the GROUP BY'),
        ("sql_types", "^Binder Error: No function matches the given name and argument types '(.*)'"),
        ("sql_syntax", '^Parser Error: syntax error at or near "(.*)"'),
    )
)


def refused(error: duckdb.Error, sql: str, *, quotes_rows: bool) -> QueryRefused:
    """Return what DuckDB says as a refusal in one sentence; a later line of it may have a hint.

    Unless it may quote rows, the refusal has only the kind of the error and the part of the query that it is about.
    """
    kind, _, rest = str(error).partition(": ")
    try:
        report = json.loads(rest)
    except ValueError:
        report = {"exception_message": rest}
    if quotes_rows:
        first, *others = str(report["exception_message"]).strip().splitlines()
        hint = next((line.strip() for line in others if line.startswith(("Candidate", "Did you mean"))), None)
        text = f"{kind}: {first}"
        if mistake := next(((word, match[1]) for word, pattern in _MISTAKES if (match := pattern.search(text))), None):
            near = tuple(re.findall('"([^"]+)"', hint or ""))[:3]
            return QueryRefused(
                Wording(mistake[0], name=mistake[1]), Wording("near", near=one_of(near)) if near else None
            )
        return QueryRefused(Wording("engine_said", why=f"{text} {hint}" if hint else text))
    # The class and the place alone: any text of DuckDB's may have a value in it.
    kind, hint = type(error).__name__.removesuffix("Exception"), Wording("hint_try_example")
    if "location" not in report:
        return QueryRefused(Wording("engine_fails", kind=kind), hint)
    start, length = json.loads(report["location"])
    data = sql.encode()
    part = " ".join(data[start : start + min(length or MAX_PART, MAX_PART)].decode(errors="ignore").split())
    return QueryRefused(Wording("engine_fails_at", kind=kind, line=data.count(b"\n", 0, start) + 1, part=part), hint)
