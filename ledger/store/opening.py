"""Open a database: bring it to the newest schema, and make sure that what it commits is durable."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Engine

from ledger.store.connections import engine_of, parsed_url, require_durable, translated
from ledger.store.database import Database, attach
from ledger.store.migrating import migrate, require_newest, require_schema, require_types
from ledger.store.partitions import make_ahead


def open_database(url: str, *, for_audit: bool = False, copies: int = 1) -> Database:
    """Open a database, and migrate it unless it is ``for_audit``. ``url`` is ``sqlite:///path`` or ``postgresql+psycopg://...``.

    ``copies`` is on how many servers what is committed must be durable.

    Raises:
        MalformedInput: the URL has another form.
        Unavailable: the database does not answer.
        NotDurable: the database may lose what it has committed.
        OtherSchema: another version of the program wrote it.
        IntegrityBroken: the schema differs from the one that the migrations make. ``for_audit`` omits this check: an
            audit reports each difference.
    """
    database = attach(url, copies)
    with translated():
        for engine, _ in database.stores:
            require_durable(engine, copies)
        for engine, store in database.stores:
            (require_newest if for_audit else migrate)(engine, store)
        if not for_audit:
            make_ahead(database)
            for engine, store in database.stores:
                require_schema(engine, store)
            require_types(database.log)
    return database


def open_witness_engine(file: Path) -> Engine:
    """Open and migrate a witness's own database. Raises NotDurable, Unavailable."""
    engine = engine_of(parsed_url(f"sqlite:///{file}"))
    with translated():
        require_durable(engine)
        migrate(engine, "witness")
    return engine
