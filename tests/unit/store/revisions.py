"""How far the schema of a store has come."""

from __future__ import annotations

from alembic.migration import MigrationContext
from sqlalchemy import Engine

from ledger.store.migrate import Store, version_table


def current_revision(engine: Engine, store: Store) -> str | None:
    """The revision that a store is at; None where it is empty."""
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": version_table(store)})
        return context.get_current_revision()
