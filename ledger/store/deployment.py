"""The deployment of this ledger's contracts, stored beside the journal of chain writes that deployed them."""

from __future__ import annotations

import msgspec
from sqlalchemy import select

from ledger.chain.deploy import Deployment
from ledger.core.encoding.decoding import decoder_of
from ledger.core.encoding.digests import blake3_text
from ledger.store import bindings
from ledger.store.database import Connection, Database
from ledger.store.tables import META

NAME = "deployment"
_decoder = decoder_of(Deployment)


def kept_deployment(database: Database) -> Deployment | None:
    """Return the deployment that this database knows; None before the first one."""
    with database.read() as connection:
        value = connection.execute(select(META.c.value).where(META.c.name == NAME)).scalar()
    return None if value is None else _decoder.decode(value)


def kept_digest(connection: Connection) -> str | None:
    """Return the digest of the stored deployment, as bindings have it, or None."""
    value = connection.execute(select(META.c.value).where(META.c.name == NAME)).scalar()
    return None if value is None else blake3_text(value.encode())


def keep_deployment(database: Database, deployment: Deployment) -> None:
    """Store the deployment; durable when this returns. It replaces an earlier one of the same ledger."""
    row = {"name": NAME, "value": msgspec.json.encode(deployment).decode()}
    statement = database.upsert(META).values(**row)
    with database.write() as connection:
        connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"value": row["value"]}))
        bindings.bind(connection, bindings.DEPLOYMENT, {NAME: blake3_text(row["value"].encode())})
