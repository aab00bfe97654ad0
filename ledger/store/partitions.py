"""Partitions of the log's large tables on PostgreSQL: each holds the rows of a range of log indices.

They are made ahead of need, so that no commit ever waits for one: a table is made beside its parent, which nobody
uses meanwhile, and attached with a lock that lets others read and write.

A unique constraint of a partitioned table must contain the log index. So each partition has those of ``entries`` of its
own; across partitions the sequencer keeps them, which looks up ids and heads with the writer's lock held.
"""

from __future__ import annotations

from sqlalchemy import Connection, Table, UniqueConstraint, text
from sqlalchemy.exc import OperationalError

from ledger.core.errors import IntegrityBroken, Unavailable
from ledger.core.messages import Message
from ledger.store.connections import LOCK_NOT_AVAILABLE, WriterLock, translated, writing
from ledger.store.database import Database
from ledger.store.tables import ENTRIES, FEED, FLAGS, SECTIONS

PARTITIONED = (ENTRIES, SECTIONS, FLAGS, FEED)
EACH = 1 << 22  # log indices of a partition
LOCK_TIMEOUT = "2s"  # in which the parent must be free to be changed, else it is tried again later
_ATTACHED = """
SELECT count(*) FROM pg_inherits WHERE inhparent = to_regclass(:parent) AND NOT inhdetachpending
"""

_ATTACHED_AS = f"SELECT EXISTS ({_ATTACHED.replace('count(*)', '1')} AND inhrelid = to_regclass(:name))"


def make_ahead(database: Database) -> int:
    """Make the partitions that the log has entries for and one more; return how many a table has. 0 on SQLite.

    Raises Unavailable if a table is in use by whoever changes it; it is tried again later then. Raises IntegrityBroken
    if another table has the name of a partition.
    """
    if database.is_sqlite:
        return 0
    with database.read() as connection:
        needed = needed_for(connection) + 1
        if attached(connection) >= needed:
            return needed
    with translated(), writing(database.log, WriterLock.MIGRATION) as connection:
        connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"))
        for number in range(attached(connection), needed):
            make(connection, number)
    return needed


def needed_for(connection: Connection) -> int:
    """Return how many partitions the entries of the log need, and the next one."""
    size: int = connection.execute(text("SELECT coalesce(max(size), 0) FROM tree")).scalar_one()
    return size // EACH + 1


def attached(connection: Connection) -> int:
    """Return how many partitions each table has: the fewest of them."""
    counts = (connection.execute(text(_ATTACHED), {"parent": table.name}).scalar_one() for table in PARTITIONED)
    return int(min(counts))


def make(connection: Connection, number: int) -> None:
    """Make the partition of each table that has this number, where it is not there yet.

    Raises IntegrityBroken if another table has the name of one, Unavailable if a table stays locked for
    ``LOCK_TIMEOUT``.
    """
    for table in PARTITIONED:
        name, low, high = name_of(table, number), number * EACH, (number + 1) * EACH
        if connection.execute(text(_ATTACHED_AS), {"parent": table.name, "name": name}).scalar_one():
            continue
        if connection.execute(text("SELECT to_regclass(:name)"), {"name": name}).scalar() is not None:
            raise IntegrityBroken(
                "the table {name} has the name of a partition and is none",
                name=name,
                field="database_url",
                hint="Rename it: the service makes the partition then.",
            )
        bound = f"{name}_bound"
        statements = [
            # With the check, attaching it reads no rows.
            f"CREATE TABLE {name} (LIKE {table.name} INCLUDING ALL, "
            f"CONSTRAINT {bound} CHECK (log_index >= {low} AND log_index < {high}))",
            *(
                f"ALTER TABLE {name} ADD UNIQUE ({', '.join(column.name for column in constraint.columns)})"
                for constraint in sorted(unique_in_each(table), key=lambda unique: [*unique.columns.keys()])
            ),
            f"ALTER TABLE {table.name} ATTACH PARTITION {name} FOR VALUES FROM ({low}) TO ({high})",
            f"ALTER TABLE {name} DROP CONSTRAINT {bound}",
        ]
        try:
            for statement in statements:
                connection.execute(text(statement))
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", None) != LOCK_NOT_AVAILABLE:
                raise
            raise Unavailable(
                "the partition {name} cannot be made: somebody holds a lock on {table}",
                name=name,
                table=table.name,
                code="database_unavailable",
                field="database_url",
                hint=Message(
                    "PostgreSQL's view pg_locks shows who. It is tried again each minute; entries from {low} on can be "
                    "recorded once it is there.",
                    low=low,
                ),
            ) from error


def unique_in_each(table: Table) -> set[UniqueConstraint]:
    """Return the constraints that each partition has of its own."""
    return {constraint for constraint in table.constraints if isinstance(constraint, UniqueConstraint)}


def name_of(table: Table, number: int) -> str:
    """Return the name of a table's partition."""
    return f"{table.name}_{number:05}"
