"""The query session: one query at a time over the views, by DuckDB, with nothing else within reach.

A query is one SELECT over views, values and functions that give the same result each time. It writes nothing, opens no
file, asks no clock, and ends within its limits; what it may name is decided from its parsed form before it runs.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from secrets import token_hex
from sys import getsizeof
from threading import Timer
from typing import TYPE_CHECKING, Any, Self

from msgspec import Struct

from ledger.core.errors import MalformedInput
from ledger.core.procedure.zones import UNIVERSAL, Zone
from ledger.supervision.model_faults import Wording
from ledger.supervision.models.sql_guard import QueryRefused, closed_database, refused, require_sound
from ledger.supervision.view_catalogue import DATASET, DATASET_COLUMNS, LISTED, ListUse, dataset_view, nearest, views

if TYPE_CHECKING:
    import duckdb
    import pyarrow

AS_OF = "as_of"
ROWS_OF_A_PIECE = 100


class Limits(Struct, frozen=True):
    """What one query may take: seconds, rows of its result, megabytes of it, characters of one text in it;
    ``memory_mb`` is of the database it runs in."""

    seconds: float = 30.0
    rows: int = 100_000
    memory_mb: int = 1024
    result_mb: int = 64
    characters: int = 100_000


LIMITS = Limits()


class SessionDataset(Struct, frozen=True):
    """A data set that a session has: whether conditions may show its cells, the digest of its registration, and the
    headings of the columns that may be compared where they may not; ``table`` is what the session has it under."""

    readable: bool
    registration: str | None = None
    compared: tuple[str, ...] = ()
    table: str = ""


_prepared: list[duckdb.DuckDBPyConnection] = []  # opened, not locked yet, and asked nothing


def prepare_database() -> None:
    """Open the database that ``open_database`` returns next in this process, or in each process that is forked of it.

    To open one takes longer than most queries. Requires that no other thread calls ``open_database`` meanwhile.
    """
    if not _prepared:
        _prepared.append(closed_database())


def open_database(path: str | None = None, limits: Limits = LIMITS) -> duckdb.DuckDBPyConnection:
    """Open a DuckDB, in memory or at ``path``, that reaches nothing outside and cannot be reconfigured.

    One thread makes its order repeatable.
    """
    connection = _prepared.pop() if _prepared and path is None else closed_database(path)
    # Holds for every connection to this database.
    settings = f"SET GLOBAL memory_limit = '{limits.memory_mb}MB'; SET GLOBAL TimeZone = 'UTC'"
    connection.execute(f"{settings}; SET lock_configuration = true")
    return connection


def register_under_random_name(connection: duckdb.DuckDBPyConnection, table: pyarrow.Table) -> str:
    """Register a table, and return its name: drawn at this moment, so that no query can have it in its text.

    What a view does not show of it is in no query's reach then, whatever the check of queries lets through.
    """
    name = f"apart_{token_hex(16)}"
    connection.register(name, table)
    return name


def _day_in_sql(zone: Zone) -> str:
    """Return the SQL of the day of the zone on which a ``moment`` lies, which is in UTC."""
    rows = zone.rows()
    since = "".join(
        f" WHEN moment >= TIMESTAMP '{datetime.fromtimestamp(start, UTC):%Y-%m-%d %H:%M:%S}' THEN {offset}"
        for start, offset in reversed(rows[1:])
    )
    seconds = f"CASE{since} ELSE {rows[0][1]} END" if since else str(rows[0][1])
    return f"CAST(moment + to_seconds({seconds}) AS DATE)"


class QuerySession:
    """Asks the views that ``connection`` has, which are of the log at ``size``, and those that ``definitions`` has.

    These are selections by the names of their views, each of which is created when a query first names it; before,
    ``open_for`` is called with the selection.

    Its refusals quote what rows hold only with ``quotes_rows``: of rows that whoever asks wrote himself.

    ``datasets`` are the registered data sets by the names of their views. A condition asks those that ``open_lists``
    opens for it, by names of its own. ``legal_day`` is the day of the ``zone``.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        definitions: Mapping[str, str] | None = None,
        open_for: Callable[[str], None] = lambda _sql: None,
        *,
        zone: Zone,
        size: int = 0,
        datasets: Mapping[str, SessionDataset] | None = None,
        limits: Limits = LIMITS,
        quotes_rows: bool = False,
    ):
        self.size = size
        self.zone = zone
        self.quotes_rows = quotes_rows
        self._connection = connection
        self._definitions = dict(definitions or {})
        self._open_for = open_for
        connection.execute(f"CREATE OR REPLACE TEMP MACRO legal_day(moment) AS {_day_in_sql(zone)}")
        self._views = frozenset(views())
        self._datasets = dict(datasets or {})
        self._lists = frozenset[str]()
        self._limits = limits

    @classmethod
    def of_rows(
        cls,
        rows: Mapping[str, Sequence[Mapping[str, Any]]],
        limits: Limits = LIMITS,
        zone: Zone = UNIVERSAL,
        headings: Mapping[str, Collection[str]] | None = None,
        within: duckdb.DuckDBPyConnection | None = None,
    ) -> Self:
        """Open a session whose views have only these rows; columns that are left out are NULL.

        ``headings`` are those that data sets have besides the ones that their rows name. Sessions ``within`` a database
        that ``open_database`` gave have nothing in common but its memory, and take less time to open.

        Raises MalformedInput for an unknown view or column, or a value that is not of its type.
        """
        kinds = {name: view.kinds() for name, view in views().items()}
        datasets = [name for name in rows if name.startswith(DATASET)]
        for name, of_view in rows.items():
            if name in datasets:
                own = [*(headings or {}).get(name, ()), *(column for row in of_view for column in row)]
                kinds[name] = {**dict.fromkeys(own, "VARCHAR"), **DATASET_COLUMNS}
            elif name not in kinds:
                raise MalformedInput("there is no view {name}", name=name, field=name, hint=str(nearest(name, views())))
        connection = open_database(limits=limits) if within is None else within.cursor()
        for name, of_view in rows.items():
            connection.execute(table_of(name, kinds[name]))
            _insert(connection, name, kinds[name], of_view)
        without_rows = {name: _nothing_of(columns) for name, columns in kinds.items() if name not in rows}
        sets = {name: SessionDataset(True, table=name) for name in datasets}  # rows of whoever asks
        return cls(connection, without_rows, zone=zone, datasets=sets, limits=limits, quotes_rows=True)

    def rows(self, sql: str, parameters: Mapping[str, object], as_of: datetime) -> list[dict[str, Any]]:
        """Return the rows of a query, in its order. ``$name`` stands for a parameter, ``$as_of`` for the moment.

        Raises QueryRefused.
        """
        names, rows = self._answer(sql, parameters, as_of)
        return [dict(zip(names, row, strict=True)) for row in rows]

    def columns(self, sql: str, parameters: Mapping[str, object], as_of: datetime) -> list[str]:
        """Return the columns of a query, whose rows are asked for as ``rows`` does. Raises QueryRefused."""
        return self._answer(sql, parameters, as_of)[0]

    def _answer(
        self, sql: str, parameters: Mapping[str, object], as_of: datetime
    ) -> tuple[list[str], list[tuple[Any, ...]]]:
        statement = require_sound(sql, self._views | self._lists)
        arguments = {**parameters, AS_OF: as_of}
        missing = statement.named_parameters - arguments.keys()
        if missing:
            name = min(missing)
            raise QueryRefused(Wording("no_parameter", name=name), hint=nearest(name, arguments))
        set_moment(self._connection, as_of)
        text = sql.lower()  # it has the name of each view that the query names
        for name in [name for name in self._definitions if name in text]:
            self._open_for(definition := self._definitions.pop(name))
            self._connection.execute(f"CREATE TEMP VIEW {quoted(name)} AS {definition}")
        # Only what the query names may be bound: DuckDB refuses a parameter that it does not use.
        bound = {name: _naive(arguments[name]) for name in statement.named_parameters}
        with self._watched(sql) as connection:
            result = connection.execute(statement, bound)
            names = [column[0] for column in result.description]
            fetched = self._fetched(result, names)
        if len(set(names)) < len(names):
            raise QueryRefused(Wording("two_of_one_name"), hint=Wording("hint_as"))
        return names, fetched

    def _fetched(self, result: duckdb.DuckDBPyConnection, names: Sequence[str]) -> list[tuple[Any, ...]]:
        """Fetch the rows piece by piece: a result that is too large is refused before it is all here."""
        limits, fetched, size = self._limits, list[tuple[Any, ...]](), 0
        while part := result.fetchmany(ROWS_OF_A_PIECE):
            fetched += part
            if len(fetched) > limits.rows:
                raise QueryRefused(Wording("too_many_rows", most=f"{limits.rows:,}"))
            for row in part:
                for name, value in zip(names, row, strict=True):
                    if isinstance(value, str) and len(value) > limits.characters:
                        message = Wording("text_too_long", name=name, most=f"{limits.characters:,}")
                        raise QueryRefused(message, hint=Wording("hint_less"))
                    size += _size(value)
            if size > limits.result_mb * 1024 * 1024:
                raise QueryRefused(Wording("too_many_bytes", megabytes=limits.result_mb), hint=Wording("hint_less"))
        return fetched

    def open_lists(self, lists: Mapping[str, ListUse]) -> tuple[str, ...]:
        """Make data sets askable under these names, and no others; return the digests of their registrations.

        Raises QueryRefused for a data set that this session does not have, lacks a heading that is asked for, or may
        not be asked in this way.
        """
        for name, use in lists.items():
            dataset = self._datasets.get(dataset_view(use.dataset_id))
            if dataset is None:
                message = Wording("no_dataset", name=use.dataset_id)
                raise QueryRefused(message, field="dataset", hint=Wording("hint_dataset"))
            if use.shown and not dataset.readable:
                message = Wording("not_readable", name=use.dataset_id)
                raise QueryRefused(message, field="dataset", hint=Wording("hint_readable"))
            described = self._connection.execute(f"FROM {quoted(dataset.table)} LIMIT 0").description
            own = [column[0] for column in described if column[0] not in DATASET_COLUMNS]
            columns = use.columns or {heading: heading for heading in own}
            if lacking := sorted(set(columns.values()) - set(own)):
                message = Wording("no_heading", name=use.dataset_id, heading=lacking[0])
                raise QueryRefused(message, field="dataset", hint=nearest(lacking[0], own))
            # Whoever registers a list of guesses, and compares it, would learn a cell of any other column.
            guessed = {columns.get(column, column) for column in use.compared} - {*dataset.compared}
            if guessed and not dataset.readable:
                message = Wording("not_compared", name=use.dataset_id, heading=min(guessed))
                raise QueryRefused(message, field="dataset", hint=Wording("hint_readable"))
            cells = [f"{quoted(heading)} AS {quoted(column)}" for column, heading in columns.items()]
            # The id is a slug: it needs no quoting.
            listed = f"CASE WHEN row_digest IS NULL THEN [] ELSE ['{use.dataset_id} ' || row_digest] END"
            selected = ", ".join((*cells, f"{listed} AS {LISTED}", *DATASET_COLUMNS))
            query = f"SELECT {selected} FROM {quoted(dataset.table)}"  # noqa: S608 - of the catalogue, and quoted
            self._connection.execute(f"CREATE OR REPLACE TEMP VIEW {quoted(name)} AS {query}")
        self._lists = frozenset(lists)
        used = (self._datasets[dataset_view(use.dataset_id)].registration for use in lists.values())
        return tuple(dict.fromkeys(digest for digest in used if digest is not None))

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _watched(self, sql: str) -> Iterator[duckdb.DuckDBPyConnection]:
        """Interrupt what takes too long; raise what DuckDB refuses as QueryRefused."""
        import duckdb

        # DuckDB has no time limit of its own: another thread interrupts the query.
        timer = Timer(self._limits.seconds, self._connection.interrupt)
        timer.daemon = True
        timer.start()
        try:
            yield self._connection
        except duckdb.InterruptException as error:
            message = Wording("took_too_long", seconds=f"{self._limits.seconds:g}")
            raise QueryRefused(message, hint=Wording("hint_less")) from error
        except duckdb.OutOfMemoryException as error:
            message = Wording("too_much_memory", megabytes=self._limits.memory_mb)
            raise QueryRefused(message, hint=Wording("hint_less")) from error
        except duckdb.Error as error:
            raise refused(error, sql, quotes_rows=self.quotes_rows) from error
        finally:
            timer.cancel()


def set_moment(connection: duckdb.DuckDBPyConnection, as_of: datetime) -> None:
    """Set the moment that time-dependent views of this connection are of."""
    connection.execute(f"CREATE OR REPLACE TEMP MACRO moment() AS TIMESTAMP '{_naive(as_of)}'")


def table_of(name: str, kinds: Mapping[str, str], *, schema: str | None = None) -> str:
    """Return the statement that creates an empty table with these columns; without a schema, one of its connection."""
    columns = ", ".join(f"{quoted(column)} {kind}" for column, kind in kinds.items())
    begun = "CREATE TEMP TABLE " if schema is None else f"CREATE TABLE {schema}."
    return f"{begun}{quoted(name)} ({columns});"


def _nothing_of(kinds: Mapping[str, str]) -> str:
    """Return the selection of no row with these columns."""
    return f"SELECT {', '.join(f'NULL::{kind} AS {quoted(column)}' for column, kind in kinds.items())} WHERE false"


def quoted(name: str) -> str:
    """Quote a name for SQL, whatever it contains."""
    return '"' + name.replace('"', '""') + '"'


def _insert(
    connection: duckdb.DuckDBPyConnection, name: str, kinds: Mapping[str, str], rows: Sequence[Mapping[str, Any]]
) -> None:
    import duckdb

    for number, row in enumerate(rows):
        for column in row:
            if column not in kinds:
                where = f"{name}[{number}].{column}"
                raise MalformedInput(
                    "there is no column {column} in {name}",
                    column=column,
                    name=name,
                    field=where,
                    hint=str(nearest(column, kinds)),
                )
        names = ", ".join(quoted(column) for column in row)
        places = ", ".join("?" for _ in row)
        try:
            connection.execute(
                f"INSERT INTO {quoted(name)} ({names}) VALUES ({places})",  # noqa: S608 - names of the catalogue
                [_naive(value) for value in row.values()],
            )
        except duckdb.Error as error:
            raise MalformedInput(refused(error, "", quotes_rows=True).text, field=f"{name}[{number}]") from error


def _size(value: Any) -> int:
    """Return the bytes that a value takes here, with those in a list."""
    if isinstance(value, list | tuple):
        return getsizeof(value) + sum(map(_size, value))
    return getsizeof(value)


def _naive(value: object) -> object:
    """Return a moment as columns have it: UTC, without a zone."""
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC).replace(tzinfo=None)
    return value
