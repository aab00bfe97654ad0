"""The tables of the snapshot: what is kept of a case for each view, and how the views are made of it.

Two views need more than the case: when an event was anchored depends on later anchors, the status of a clock on the
moment asked about. They are put together when a session opens.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from ledger.supervision.runs.query_session import Limits, open_database, quoted, register_under_random_name, table_of
from ledger.supervision.view_catalogue import kept_kinds, views
from ledger.supervision.views.case_cache import CachedCase
from ledger.supervision.views.case_record import Row
from ledger.supervision.views.view_rows import OF_A_CASE, OF_SUPERVISION, SupervisionRecord

if TYPE_CHECKING:
    import duckdb
    import pyarrow

KEPT = "kept"  # the schema of the tables
ARROW = ".arrow"
EXPORTED_AT_ONCE = 10_000  # rows
OF_THE_LOG = ("agencies", "datasets")
_PARTIES = {"case_id": "VARCHAR", "agency": "VARCHAR"}  # who sees the case: no view shows it
_ANCHORS = {"number": "BIGINT", "size": "BIGINT", "anchored_at": "TIMESTAMP"}
_EVENTS = """
SELECT {columns} FROM (FROM kept.events{rows}) e
ASOF LEFT JOIN (FROM kept.anchors WHERE anchored_at <= moment()) a ON e.log_index < a.size
"""
_DEADLINES = """
SELECT case_id, deadline_id, clock, subject, agency, started_at,
    CASE WHEN stopped_at <= moment() THEN stopped_at END AS stopped_at, due_at,
    CASE WHEN paused THEN 'suspended' WHEN due_at IS NULL AND at_end <> 'promptly' THEN 'uncountable'
        WHEN stopped_at <= moment() AND (stopped_at < due_at OR due_at IS NULL)
            THEN CASE WHEN replaced THEN 'ended' ELSE 'met' END
        WHEN (stopped_at IS NULL OR stopped_at > moment()) AND (due_at > moment() OR due_at IS NULL) THEN 'running'
        WHEN at_end IN ('ended', 'due') THEN 'ended' WHEN at_end = 'not_before' THEN 'uncountable'
        WHEN stopped_at <= moment() THEN 'missed' ELSE 'overdue' END AS status,
    extensions, provisional, handover_id, article, evidence
FROM kept.deadlines WHERE started_at <= moment()
"""
_AGENCIES_WITHIN = """
CREATE TEMP TABLE within AS
SELECT agency FROM kept.agencies WHERE starts_with(jurisdiction || '/', $jurisdiction || '/')
"""
# What ``ledger.core.visibility.can_see`` lets the agencies' supervisors see: the cases that one of them is
# a party to, or is being offered something of.
_CASES_WITHIN = """
CREATE TEMP TABLE chosen AS SELECT DISTINCT case_id FROM (
    SELECT case_id, agency FROM kept.parties UNION ALL SELECT case_id, to_agency FROM kept.handovers
    WHERE status = 'offered' AND (expires_at IS NULL OR expires_at >= $now)
) SEMI JOIN within USING (agency) WHERE $ids IS NULL OR case_id IN (SELECT unnest($ids))
"""
_CASES = "CREATE TEMP TABLE chosen AS SELECT unnest($ids) AS case_id"
_AGENCIES_IN_LINE = """
SELECT agency FROM kept.agencies
WHERE starts_with(jurisdiction || '/', $jurisdiction || '/') OR starts_with($jurisdiction || '/', jurisdiction || '/')
"""


@cache
def _arrow_types() -> Mapping[str, pyarrow.DataType]:
    """Return the Arrow type of each type of a column."""
    import pyarrow

    return {
        "VARCHAR": pyarrow.string(),
        "BIGINT": pyarrow.int64(),
        "BOOLEAN": pyarrow.bool_(),
        "TIMESTAMP": pyarrow.timestamp("us"),
        "DATE": pyarrow.date32(),
        "DECIMAL(33,18)": pyarrow.decimal128(33, 18),
        "VARCHAR[]": pyarrow.list_(pyarrow.string()),
    }


def create(connection: duckdb.DuckDBPyConnection) -> None:
    """Create all tables, empty, in a new database."""
    tables = {name: kept_kinds(name) for name in (*OF_A_CASE, *OF_SUPERVISION, *OF_THE_LOG)}
    tables |= {"anchors": _ANCHORS, "parties": _PARTIES}
    statements = "".join(table_of(name, kinds, schema=KEPT) for name, kinds in tables.items())
    # By these a case's rows are found, however many cases there are.
    indices = (f"CREATE INDEX {name}_by_case ON {KEPT}.{quoted(name)} (case_id);" for name in (*OF_A_CASE, "parties"))
    connection.execute(f"CREATE SCHEMA {KEPT}; {statements} {''.join(indices)}")


def insert(connection: duckdb.DuckDBPyConnection, table: str, kinds: Mapping[str, str], rows: list[Row]) -> None:
    """Add the rows, whose values are in the order of ``kinds``."""
    if not rows:
        return
    import pyarrow

    types = _arrow_types()
    columns = zip(*rows, strict=True)
    arrays = [pyarrow.array(column, types[kind]) for column, kind in zip(columns, kinds.values(), strict=True)]
    connection.register("incoming", pyarrow.table(arrays, names=list(kinds)))
    try:
        connection.execute(f"INSERT INTO {KEPT}.{quoted(table)} SELECT * FROM incoming")  # noqa: S608 - of the catalogue
    finally:
        connection.unregister("incoming")


def replace_cases(
    connection: duckdb.DuckDBPyConnection, changed: Iterable[tuple[str, CachedCase, CachedCase | None]]
) -> None:
    """Let the tables have the rows of these cases.

    Each comes with its id, and as the tables have it, if that is known. A table in which rows of a case only came to
    those that it has gets the new ones; in any other table the case's rows are replaced.
    """
    tables = (*OF_A_CASE, "parties")
    replaced: dict[str, list[str]] = {table: [] for table in tables}
    added: dict[str, list[Row]] = {table: [] for table in tables}
    for case_id, cached_case, kept in changed:
        for table in tables:
            rows, before = cached_case.rows[table], None if kept is None else kept.rows[table]
            if before is not None and rows[: len(before)] == before:
                added[table] += rows[len(before) :]
            else:
                replaced[table].append(case_id)
                added[table] += rows
    for name in tables:
        if replaced[name]:
            delete = f"DELETE FROM {KEPT}.{quoted(name)} WHERE case_id IN (SELECT unnest($ids))"  # noqa: S608
            connection.execute(delete, {"ids": replaced[name]})
        insert(connection, name, _PARTIES if name == "parties" else kept_kinds(name), added[name])


def replace_supervision(connection: duckdb.DuckDBPyConnection, records: Iterable[SupervisionRecord]) -> None:
    """Replace the rows of the same streams by those of these records."""
    held = list(records)
    for view, rows_of in OF_SUPERVISION.items():
        rows = [row for record in held for row in rows_of(record)]
        # A lead's rows are replaced whole: its status may have changed by any of its events.
        key = next(iter(views()[view].columns))  # the id stands first
        delete = f"DELETE FROM {KEPT}.{quoted(view)} WHERE {quoted(key)} IN (SELECT unnest($ids))"  # noqa: S608
        connection.execute(delete, {"ids": [row[0] for row in rows]})
        insert(connection, view, kept_kinds(view), rows)


def replace_all(connection: duckdb.DuckDBPyConnection, table: str, rows: list[Row]) -> None:
    """Replace all rows of the table."""
    connection.execute(f"DELETE FROM {KEPT}.{quoted(table)}")  # noqa: S608 - of the catalogue
    insert(connection, table, kept_kinds(table), rows)


def add_anchors(connection: duckdb.DuckDBPyConnection, rows: list[Row]) -> None:
    """Add the anchors that are not kept yet: an anchor that is final does not change."""
    lowest = min(row[0] for row in rows)
    kept = connection.execute("SELECT number FROM kept.anchors WHERE number >= $1", [lowest]).fetchall()
    numbers = {number for (number,) in kept}
    insert(connection, "anchors", _ANCHORS, [row for row in rows if row[0] not in numbers])


# -- the views of a session --------------------------------------------------------------------------------------------


def views_of(
    connection: duckdb.DuckDBPyConnection,
    case_ids: Iterable[str] | None,
    *,
    jurisdiction: str | None = None,
    now: datetime | None = None,
    procedures: Collection[str] = (),
) -> dict[str, str]:
    """Return the SQL of each view of this connection: over all cases, or over these; or over those of these procedures.

    A session creates those that are asked: to create all takes longer than most models do.

    With a ``jurisdiction`` only over its cases (offers that had to be answered before ``now`` count no more), over the
    leads and recommendations of its agencies, and over the data sets of its agencies, of those below it and of
    those above.
    """
    if procedures and case_ids is None:
        case_ids = _cases_of(connection, procedures)
    within = _restrictions(connection, case_ids, jurisdiction, now)
    return {view: _view_sql(view, rows) for view, rows in within.items()}


def export(
    connection: duckdb.DuckDBPyConnection,
    folder: Path,
    case_ids: Iterable[str] | None = None,
    *,
    jurisdiction: str | None,
    now: datetime | None = None,
) -> None:
    """Write all rows that the views of a jurisdiction, or of these cases, are made of: a file for each table."""
    import pyarrow.ipc

    within = _restrictions(connection, case_ids, jurisdiction, now)
    for name in (*OF_A_CASE, *OF_SUPERVISION, *OF_THE_LOG, "anchors"):
        selection = f"SELECT * FROM {KEPT}.{quoted(name)}{within.get(name, '')}"  # noqa: S608 - of the catalogue
        reader = connection.sql(selection).to_arrow_reader(EXPORTED_AT_ONCE)
        assert reader is not None, "it is a selection"
        with pyarrow.ipc.new_file(str(folder / f"{name}{ARROW}"), reader.schema) as writer:
            for batch in reader:
                writer.write_batch(batch)


def write(file: Path, table: pyarrow.Table) -> str:
    """Write a table into a file that can be mapped; return the path."""
    import pyarrow.ipc

    with pyarrow.ipc.new_file(str(file), table.schema) as writer:
        writer.write_table(table)
    return str(file)


class ExportedTables:
    """A database whose tables are the files that ``export`` wrote: they are mapped, not read into memory, when SQL
    first names them."""

    def __init__(self, folder: Path, limits: Limits):
        self.connection = open_database(limits=limits)
        self.connection.execute(f"CREATE SCHEMA {KEPT}")
        self._files = {file.stem: file for file in sorted(folder.glob(f"*{ARROW}"))}

    def open_for(self, sql: str) -> None:
        """Map the tables that the SQL names and that are not mapped yet."""
        for name in [name for name in self._files if f"{KEPT}.{name}" in sql or f"{KEPT}.{quoted(name)}" in sql]:
            table = register_under_random_name(self.connection, map_table(self._files.pop(name)))
            self.connection.execute(f"CREATE VIEW {KEPT}.{quoted(name)} AS FROM {quoted(table)}")


def map_table(file: Path) -> pyarrow.Table:
    """Map the table in an Arrow file; it is read as far as it is looked at."""
    import pyarrow.ipc

    return pyarrow.ipc.open_file(pyarrow.memory_map(str(file))).read_all()


def _restrictions(
    connection: duckdb.DuckDBPyConnection,
    case_ids: Iterable[str] | None,
    jurisdiction: str | None,
    now: datetime | None,
) -> dict[str, str]:
    """Return by view the SQL after a selection from its rows that keeps the rows to be shown."""
    ids = None if case_ids is None else list(case_ids)
    of_cases = of_supervision = of_datasets = ""
    if jurisdiction is not None:
        connection.execute(_AGENCIES_WITHIN, {"jurisdiction": jurisdiction})
        of_supervision = " WHERE supervising IN (SELECT agency FROM within)"
        connection.execute(f"CREATE TEMP TABLE near AS {_AGENCIES_IN_LINE}", {"jurisdiction": jurisdiction})
        of_datasets = " SEMI JOIN near USING (agency)"
    if jurisdiction is not None or ids is not None:
        if jurisdiction is None:
            connection.execute(_CASES, {"ids": ids})
        else:
            until = now and now.astimezone(UTC).replace(tzinfo=None)
            connection.execute(_CASES_WITHIN, {"ids": ids, "now": until})
        of_cases = " SEMI JOIN chosen USING (case_id)"
    within = dict.fromkeys(OF_A_CASE, of_cases) | dict.fromkeys(OF_SUPERVISION, of_supervision)
    return within | dict.fromkeys(OF_THE_LOG, "") | {"datasets": of_datasets}


def _cases_of(connection: duckdb.DuckDBPyConnection, procedures: Collection[str]) -> list[str] | None:
    """Return the cases of these procedures, None if there are no others: then nothing is left out."""
    named = {"procedures": list(procedures)}
    others = "SELECT 1 FROM kept.cases WHERE procedure NOT IN (SELECT unnest($procedures)) LIMIT 1"
    if not connection.execute(others, named).fetchall():
        return None
    chosen = "SELECT case_id FROM kept.cases WHERE procedure IN (SELECT unnest($procedures))"
    return [case_id for (case_id,) in connection.execute(chosen, named).fetchall()]


def _view_sql(view: str, rows: str) -> str:
    """Return the selection of a view; ``rows`` is the SQL that keeps those to be shown."""
    if view == "events":
        names = views()[view].columns
        columns = ", ".join("a.anchored_at" if name == "anchored_at" else f"e.{quoted(name)}" for name in names)
        return _EVENTS.format(columns=columns, rows=rows)  # before the join, which would look at all of them
    kept = f"({_DEADLINES})" if view == "deadlines" else f"{KEPT}.{quoted(view)}"
    return f"SELECT * FROM {kept}{rows}"  # noqa: S608 - of the catalogue
