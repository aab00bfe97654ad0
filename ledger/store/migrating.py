"""The schema: brought to its newest version, and checked for anything beyond it.

Migrations are Alembic scripts in ``migrations``, one line of history for each store, without a way back. What else
stands in the schema may change what is written or read: a trigger changes what is written, a view or another table of
the same name what is read, and a missing constraint allows two rows for one. SQLite's schema is compared text by text
with a newly made one, and so is PostgreSQL's, as its catalogue describes it, with tables that are made for the
comparison and never committed.

The text of an index does not say what it contains: an index made of few rows and then declared as one of all rows
would hide the others from every list. So an audit also has SQLite compare indexes with their tables.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache, lru_cache
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any, Literal

from blake3 import blake3
from msgspec import Struct
from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Engine,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Select,
    String,
    Table,
    create_engine,
    inspect,
    select,
    text,
    true,
)
from sqlalchemy.exc import DBAPIError, OperationalError

from ledger.core.errors import IntegrityBroken
from ledger.core.messages import Message
from ledger.store import (  # noqa: F401 - imported, they are in the schema
    chain_tables,
    evidence_tables,
    notice_tables,
    partitions,
    phones,
    stocktake_tables,
    supervision,
    tables,
    witness_tables,
)
from ledger.store.access import AccessBase
from ledger.store.chain_tables import CHAIN_WRITES
from ledger.store.tables import CHECKPOINTS, ENTRIES, META, TILES, TREE, StoreTable, WitnessTable

if TYPE_CHECKING:
    from alembic.config import Config

Store = Literal["log", "access", "witness"]
_SCRIPTS = Path(__file__).parent / "migrations"
_MIGRATING = RLock()  # what is expected of a schema is made by migrations, too


def migrate(engine: Engine, store: Store) -> None:
    """Bring a store to the newest schema; do nothing if it is there already.

    Raises OtherSchema if the database is of a version that this release does not know.
    """
    with engine.connect() as connection:
        versions = _versions(connection, store)
    if versions == [newest_version(store)]:
        return
    from alembic import command
    from alembic.util import CommandError

    try:
        # Alembic keeps what it runs in globals of its own: threads of one process must take turns.
        with _MIGRATING:
            command.upgrade(configuration(engine, store), "head")
    except CommandError as error:
        raise OtherSchema(
            versions,
            store,
            hint="Start the version that wrote it. To go on with this one, restore a backup that it makes: "
            "docs/operations/backup.md",
        ) from error


def require_newest(engine: Engine, store: Store) -> None:
    """Raise OtherSchema unless the store has the newest schema, for who reads it and must not migrate it."""
    with engine.connect() as connection:
        versions = _versions(connection, store)
    if versions != [newest_version(store)]:
        raise OtherSchema(
            versions,
            store,
            hint="Run this with the version that wrote it. If that is an earlier release, from 0.1 on, starting the "
            "service of this one migrates it: tally serve",
        )


class OtherSchema(IntegrityBroken):
    """Another version of the program has made the schema: nothing in it can be judged by this one."""

    code = "other_schema"

    def __init__(self, versions: list[str], store: Store, *, hint: str):
        super().__init__(
            Message("the database has the schema of another version: {actual}, not {expected}"),
            actual=", ".join(versions) or "-",
            expected=newest_version(store),
            field="database_url",
            hint=hint,
        )


@cache
def newest_version(store: Store) -> str:
    """Return the version that the migrations lead to: the number with which the last one's file begins.

    Until 0.1 is released the number stays while tables change, so a digest of these is a part of it.
    """
    number = max(path.name.partition("_")[0] for path in (_SCRIPTS / store).glob("[0-9]*.py"))
    options = ((name, sorted(table.kwargs.items())) for name, table in metadata(store).tables.items())
    declared = sorted(_declared(store).items()), sorted(options)
    # The number last: Alembic takes the beginning of a version for the version.
    return f"{blake3(repr(declared).encode()).hexdigest(6)}_{number}"


def _versions(connection: Connection, store: Store) -> list[str]:
    """Return what the store says of its version; nothing of an empty database."""
    name = version_table(store)
    if not inspect(connection).has_table(name):
        return []
    return [*connection.execute(_version_query(name)).scalars()]


@cache
def _version_query(name: str) -> Select[tuple[str]]:
    return select(_versions_of(name, MetaData()).c.version_num)


def _versions_of(name: str, schema: MetaData) -> Table:
    """Return the table as Alembic makes it."""
    return Table(
        name,
        schema,
        Column("version_num", String(32), nullable=False),
        PrimaryKeyConstraint("version_num", name=f"{name}_pkc"),
    )


def configuration(engine: Engine, store: Store) -> Config:
    """Return Alembic's configuration, with the engine itself."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS))
    config.set_main_option("version_locations", str(_SCRIPTS / store))
    config.set_main_option("path_separator", "os")
    config.attributes.update(engine=engine, store=store)
    return config


def metadata(store: Store) -> MetaData:
    """Return the schema that the table models define."""
    schemas = {"log": StoreTable.metadata, "access": AccessBase.metadata, "witness": WitnessTable.metadata}
    return schemas[store]


def version_table(store: Store) -> str:
    """Return the name of the table that keeps a store's version: stores may share one database."""
    return f"alembic_version_{store}"


READ_AS_BYTES = ("entries.envelope", "entries.payload")  # audits read these as bytes, of any type (``store.audit``)
MAX_FAULTS = 100  # most faults of a file that are reported
_OBJECTS = "SELECT type || ' ' || name, coalesce(sql, '') FROM sqlite_master ORDER BY type, name"
_SERVER_OBJECTS = """
WITH ours AS (
  SELECT pg_class.*, nspname || '.' AS prefix FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
  WHERE relnamespace = :schema AND relname = ANY(:tables)
)
SELECT 'table ' || relname AS name, concat_ws(' ', relkind, CASE relpersistence WHEN 'u' THEN 'unlogged' END,
  CASE WHEN relrowsecurity THEN 'with policies' END, pg_get_partkeydef(oid), pg_get_expr(relpartbound, oid),
  (SELECT string_agg(inhparent::regclass::text, ', ') FROM pg_inherits WHERE inhrelid = ours.oid)) AS definition
  FROM ours
UNION ALL SELECT 'column ' || relname || '.' || attname, concat_ws(' ', format_type(atttypid, atttypmod),
  CASE WHEN attnotnull THEN 'not null' END, nullif(attidentity, ''), nullif(attgenerated, ''), collname,
  pg_get_expr(adbin, adrelid)) FROM ours JOIN pg_attribute ON attrelid = ours.oid
  LEFT JOIN pg_collation ON pg_collation.oid = attcollation
  LEFT JOIN pg_attrdef ON (adrelid, adnum) = (attrelid, attnum)
  WHERE attnum > 0 AND NOT attisdropped
UNION ALL SELECT 'index ' || indexrelid::regclass, concat_ws(' ', replace(pg_get_indexdef(indexrelid), prefix, ''),
  CASE WHEN NOT indisvalid THEN 'invalid' END) FROM ours JOIN pg_index ON indrelid = ours.oid
UNION ALL SELECT 'constraint ' || relname || '.' || conname, pg_get_constraintdef(pg_constraint.oid)
  FROM ours JOIN pg_constraint ON conrelid = ours.oid
UNION ALL SELECT 'trigger ' || tgname, pg_get_triggerdef(pg_trigger.oid)
  FROM ours JOIN pg_trigger ON tgrelid = ours.oid WHERE NOT tgisinternal
UNION ALL SELECT 'rule ' || rulename, pg_get_ruledef(pg_rewrite.oid) FROM ours JOIN pg_rewrite ON ev_class = ours.oid
UNION ALL SELECT 'policy ' || polname, relname FROM ours JOIN pg_policy ON polrelid = ours.oid
"""


class SchemaDifference(Struct, frozen=True):
    """A part of the schema that differs; ``expected`` or ``actual`` is None if it is missing there."""

    name: str
    expected: str | None
    actual: str | None


def differences(engine: Engine, store: Store) -> list[SchemaDifference]:
    """Return how a store's schema differs from the one that the migrations make."""
    with engine.connect() as connection:
        if engine.dialect.name != "sqlite":
            return _of_server(connection, store)
        actual = _objects(connection)
    if actual == _declared(store):
        return []
    return _between(_expected(store), actual)


def storage_faults(engine: Engine) -> list[str]:
    """Return what SQLite finds wrong in its file.

    That is: rows missing from or extra in an index, values that a column does not take, broken pages. Empty for
    PostgreSQL, which checks indexes for its superuser only.
    """
    if engine.dialect.name != "sqlite":
        return []
    try:
        with engine.connect() as connection:
            faults = connection.execute(text(f"PRAGMA integrity_check({MAX_FAULTS})")).scalars().all()
    except DBAPIError as error:  # a page that it cannot even read
        return [str(error.orig)]
    return [fault for fault in faults if fault != "ok"]


def mistyped_columns(
    engine: Engine, store: Store, rows: Mapping[Table, ColumnElement[bool]] | None = None
) -> Iterator[SchemaDifference]:
    """Yield each column that holds a value of another type than its own, which SQLite allows.

    Reading such a value may fail, in an audit too, except in columns that it reads as bytes of any type. PostgreSQL
    stores no such value. ``rows`` are those to check, by table; all by default.
    """
    if engine.dialect.name != "sqlite":
        return
    with engine.connect() as connection:
        for table in metadata(store).sorted_tables if rows is None else rows:
            types = _types_of(table)
            query = select(text(", ".join(types.values()))).select_from(table)
            query = query if rows is None else query.where(rows[table])
            with suppress(OperationalError):  # a table or column that is not there differs by its text
                for column, stored_types in zip(types, connection.execute(query).one(), strict=True):
                    expected = "integer" if isinstance(column.type, Integer | Boolean) else "text"
                    if isinstance(column.type, LargeBinary):
                        expected = "blob"
                    strange = sorted(set((stored_types or "null").split(",")) - {expected, "null"})
                    if strange:
                        yield SchemaDifference(f"{table.name}.{column.name}", expected, ", ".join(strange))


def _types_of(table: Table) -> dict[Column[Any], str]:
    """Return what tells the types of each column's values, in one pass over a table of SQLite.

    As text: of all tables, SQLAlchemy would take a quarter of a second to compile it anew for each database.
    """
    columns = [column for column in table.columns if f"{table.name}.{column.name}" not in READ_AS_BYTES]
    return {column: f'group_concat(DISTINCT typeof("{column.name}"))' for column in columns}


def require_schema(engine: Engine, store: Store) -> None:
    """Raise IntegrityBroken, naming the first difference: nothing is read or written through a changed schema."""
    for difference in differences(engine, store):
        raise IntegrityBroken(
            "the database's schema was changed: {difference.name}",
            difference=difference,
            field="database_url",
            hint="Restore the newest backup, or remove what was added, and run: tally audit",
        )


def require_types(engine: Engine) -> None:
    """Refuse a log in which a value that its service starts with is of another type than its column.

    Raises IntegrityBroken. The tables with a row for each event are left to audits: reading them takes long.
    """
    rows = dict.fromkeys((TREE, META, TILES, CHECKPOINTS, CHAIN_WRITES), true())
    for difference in mistyped_columns(engine, "log", rows | {ENTRIES: ENTRIES.c.stream_kind == "system"}):
        raise IntegrityBroken(
            "{difference.name} holds a value of the type {difference.actual}, not {difference.expected}",
            difference=difference,
            field="database_url",
            hint="Somebody changed the database: restore the newest backup. Run: tally audit",
        )


@lru_cache
def _declared(store: Store) -> dict[str, str]:
    """Return the schema of a new SQLite database with the declared tables, which takes no migration to make."""
    engine = create_engine("sqlite://")
    try:
        with engine.connect() as connection:
            metadata(store).create_all(connection)
            _versions_of(version_table(store), MetaData()).create(connection)
            return _objects(connection)
    finally:
        engine.dispose()


@lru_cache
def _expected(store: Store) -> dict[str, str]:
    """Return the schema that the migrations make of an empty SQLite database, which is what must be there."""
    engine = create_engine("sqlite://")
    try:
        migrate(engine, store)
        with engine.connect() as connection:
            return _objects(connection)
    finally:
        engine.dispose()


def _objects(connection: Connection) -> dict[str, str]:
    """Return the text of each object of the schema; SQLite's own statistics, which anybody may make, are left out."""
    rows = connection.execute(text(_OBJECTS)).all()
    return {name: sql for name, sql in rows if not name.startswith("table sqlite_stat")}


def _of_server(connection: Connection, store: Store) -> list[SchemaDifference]:
    """Compare the tables with those that this server makes of the declared ones."""
    # Both of one snapshot of the catalogue: another process may be making a partition.
    parts = max(partitions.attached(connection), partitions.needed_for(connection)) if store == "log" else 0
    names = [*metadata(store).tables, version_table(store)]
    names += [partitions.name_of(table, number) for table in partitions.PARTITIONED for number in range(parts)]
    actual = _server_objects(connection, "current_schema()::regnamespace", names)
    server = store, connection.dialect.server_version_info, parts, partitions.EACH
    if server not in _of_servers:
        _of_servers[server] = _schema_as_declared(connection, store, parts, names)
    return _between(_of_servers[server], actual)


_of_servers: dict[tuple[object, ...], dict[str, str]] = {}  # it takes a server longer than all else that a start asks


def _schema_as_declared(connection: Connection, store: Store, parts: int, names: list[str]) -> dict[str, str]:
    """Return the schema of the declared tables, made beside the others as temporary ones, and never committed."""
    connection.execute(text("SET LOCAL search_path TO pg_temp"))
    metadata(store).create_all(connection, checkfirst=False)
    _versions_of(version_table(store), MetaData()).create(connection, checkfirst=False)
    for number in range(parts):
        partitions.make(connection, number)
    objects = _server_objects(connection, "pg_my_temp_schema()", names)
    connection.rollback()
    return objects


def _server_objects(connection: Connection, schema: str, names: list[str]) -> dict[str, str]:
    oid = connection.execute(text(f"SELECT {schema}::oid")).scalar_one()
    rows = connection.execute(text(_SERVER_OBJECTS), {"schema": oid, "tables": names})
    # A temporary table is named with its schema where the search path has none.
    return {name: definition.replace("pg_temp.", "") for name, definition in rows}


def _between(expected: Mapping[str, str], actual: Mapping[str, str]) -> list[SchemaDifference]:
    return [
        SchemaDifference(name, expected.get(name), actual.get(name))
        for name in sorted(expected.keys() | actual.keys())
        if expected.get(name) != actual.get(name)
    ]
