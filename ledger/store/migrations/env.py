"""Run the migrations of the store that ``ledger.store.migrating`` names: one transaction of one process at a time."""

from alembic import context

from ledger.store.database import WriterLock, writing
from ledger.store.migrating import metadata, version_table

config = context.config
engine, store = config.attributes["engine"], config.attributes["store"]

with writing(engine, WriterLock.MIGRATION) as connection:
    context.configure(
        connection=connection,
        target_metadata=metadata(store),
        version_table=version_table(store),
        render_as_batch=True,
        include_name=lambda name, kind, _parents: kind != "table" or name in metadata(store).tables,
    )
    with context.begin_transaction():
        context.run_migrations()
