"""Run the migrations of the store that ``ledger.store.migrating`` names: one transaction of one process at a time."""

from typing import Any

from alembic import context

from ledger.store.connections import WriterLock, writing
from ledger.store.migrating import metadata, version_table
from ledger.store.partitions import PARTITIONED

config = context.config


def is_of_table(part: Any, _name: str | None, kind: str, reflected: bool, _other: object) -> bool:
    """Leave out the unique constraints that PostgreSQL has in the partitions of a table."""
    return reflected or kind != "unique_constraint" or part.table not in PARTITIONED or engine.dialect.name == "sqlite"


engine, store = config.attributes["engine"], config.attributes["store"]

with writing(engine, WriterLock.MIGRATION) as connection:
    context.configure(
        connection=connection,
        target_metadata=metadata(store),
        version_table=version_table(store),
        render_as_batch=True,
        include_object=is_of_table,
        include_name=lambda name, kind, _parents: kind != "table" or name in metadata(store).tables,
    )
    with context.begin_transaction():
        context.run_migrations()
