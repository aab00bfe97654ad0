"""Migrations: Alembic scripts in ``migrations``, one line of history for each store. There is no way back down."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Engine, MetaData
from sqlmodel import SQLModel

from ledger.core.errors import IntegrityBroken
from ledger.store import supervision, tables  # noqa: F401 - imported, they are in the schema
from ledger.store.access import AccessBase
from ledger.store.witness import WITNESS_METADATA

Store = Literal["log", "access", "witness"]
_SCRIPTS = Path(__file__).parent / "migrations"


def migrate(engine: Engine, store: Store) -> None:
    """Bring a store to the newest schema; do nothing if it is there already.

    Raises IntegrityBroken if the database is of a version that this release does not know.
    """
    try:
        command.upgrade(configuration(engine, store), "head")
    except CommandError as error:
        raise IntegrityBroken(
            f"the version of the database is none that this release knows: {error}",
            field="database_url",
            hint="Start the release that wrote it; if that was before 0.1, start a new ledger in an empty directory.",
        ) from error


def configuration(engine: Engine, store: Store) -> Config:
    """Return Alembic's configuration, with the engine itself."""
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS))
    config.set_main_option("version_locations", str(_SCRIPTS / store))
    config.set_main_option("path_separator", "os")
    config.attributes.update(engine=engine, store=store)
    return config


def metadata(store: Store) -> MetaData:
    """Return the schema that the table models define."""
    schemas = {"log": SQLModel.metadata, "access": AccessBase.metadata, "witness": WITNESS_METADATA}
    return schemas[store]


def version_table(store: Store) -> str:
    """Return the name of the table that keeps a store's version: stores may share one database."""
    return f"alembic_version_{store}"
