"""What a run does who looks around in its process: in a file of its own, because whatever this loads each run loads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import duckdb

from ledger.supervision.models import sql_guard
from ledger.supervision.runs.query_session import Limits, open_database

FOUND = """
SELECT 'table', table_name FROM duckdb_tables() UNION ALL SELECT 'schema', schema_name FROM duckdb_schemas()
WHERE schema_name = 'kept' UNION ALL SELECT 'view', view_name FROM duckdb_views() WHERE NOT internal
UNION ALL SELECT 'function', function_name FROM duckdb_functions() WHERE NOT internal
UNION ALL SELECT 'sequence', sequence_name FROM duckdb_sequences()
UNION ALL SELECT 'type', type_name FROM duckdb_types() WHERE NOT internal
UNION ALL SELECT 'variable', name FROM duckdb_variables()
UNION ALL SELECT 'statement', name FROM duckdb_prepared_statements()
UNION ALL SELECT 'database', database_name FROM duckdb_databases() WHERE database_name LIKE 'left%'
"""
SETTINGS = """
SELECT name, value FROM duckdb_settings() WHERE name IN ('memory_limit', 'threads', 'async_threads', 'TimeZone',
    'lock_configuration', 'enable_external_access', 'autoload_known_extensions', 'autoinstall_known_extensions')
"""
Found = tuple[list[tuple[str, str]], dict[str, str], int]


def looked_around(memory_mb: int, statements: Sequence[str]) -> Found:
    """Return what a run finds in the databases that it inherits, the settings of its own, and its threads; then leave
    there what can be left."""
    own, beside = open_database(limits=Limits(memory_mb=memory_mb)), sql_guard._parser().cursor()
    objects = [row for connection in (own, beside) for row in connection.execute(FOUND).fetchall()]
    settings, threads = dict(own.execute(SETTINGS).fetchall()), len(list(Path("/proc/self/task").iterdir()))
    for connection in (own, beside):
        for statement in statements:
            connection.execute(statement)
        for statement in ("SET threads = 8", "SET lock_configuration = false", "SET enable_external_access = true"):
            try:
                connection.execute(statement)
            except duckdb.Error as error:
                assert "locked" in str(error) or "Cannot" in str(error), error  # noqa: PT017 - no run loads pytest
            else:
                raise AssertionError(statement)
    return objects, settings, threads
