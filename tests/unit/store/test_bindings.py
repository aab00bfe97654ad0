"""Rows that no event signs are bound as they are written, by either database, and not bound anew once changed."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from sqlalchemy import text

from ledger.core.errors import IntegrityBroken
from ledger.store import audit, bindings, checkpoints, webhooks
from ledger.store.audit import KeptAudit
from ledger.store.checkpoints import PublishedCheckpoint
from ledger.store.database import Database
from ledger.store.webhooks import DeliveryProgress, Webhook

HOOK = Webhook("hook-1", "police-east", "o-1", "0x" + "11" * 20, "https://a.example/", 1, "-1")


def bound(database: Database, name: str) -> dict[str, str]:
    """What the chain says of the rows of a table that are there."""
    rows: dict[str, str | None] = {}
    with database.read() as connection:
        for record in bindings.stored(connection):
            assert record.binding is not None
            if record.binding.of == name:
                rows |= record.binding.rows
    return {key: digest for key, digest in rows.items() if digest is not None}


def stored(database: Database, name: str) -> dict[str, str]:
    with database.read() as connection:
        return bindings.digests(connection, name)


def change(database: Database, statement: str) -> None:
    with database.write() as connection:
        assert connection.execute(text(statement)).rowcount


def fill(database: Database) -> None:
    """A webhook that was added, used and failed, one that was removed, an audit, and a co-signed checkpoint."""
    webhooks.add(database, HOOK)
    claimed = webhooks.claim(database, HOOK, 5)
    assert claimed is not None
    settled = webhooks.settle_delivered(database, claimed, DeliveryProgress("3", 1), 6)
    again = webhooks.claim(database, settled, 7) if settled else None
    assert again is not None
    webhooks.settle_failed(database, again, "no answer", 8)
    webhooks.add(database, replace(HOOK, webhook_id="hook-2", url="https://b.example/"))
    webhooks.remove(database, HOOK.agency, "hook-2")
    with database.write() as connection:
        audit.keep(connection, KeptAudit("audit-1", None, HOOK.agency, "o-1", 1, 2, "intact", None, b"{}"))
    checkpoints.store(database, PublishedCheckpoint(3, "a note\n", 9))
    checkpoints.store_cosignature(database, 3, "w+00000000+AA==", "a line\n", is_enough=lambda _keys: True)


def test_rows_are_what_they_were_bound_as(database: Database) -> None:
    """After every kind of change the last digest is that of the row; a row that was removed has none."""
    fill(database)
    for table in ("webhooks", "audits", "checkpoints", "cosignatures"):
        assert stored(database, table) == bound(database, table) != {}
    change(database, "UPDATE audits SET report = NULL")
    assert stored(database, "audits") != bound(database, "audits")


@pytest.mark.parametrize("name", bindings.BOUND_TABLES)
def test_a_change_is_another_digest(name: str) -> None:
    """Of whatever column, and of its type; but for the number of an anchor, which follows from other rows."""
    table = bindings.BOUND_TABLES[name]
    row: dict[str, object] = dict.fromkeys(table.columns.keys(), 1)
    same = {
        column
        for column in row
        for value in (2, "1", b"1", None)
        if bindings.digest_of_row(table, row | {column: value}) == bindings.digest_of_row(table, row)
    }
    assert same == ({"anchor_number"} if name == "chain_writes" else set())


def test_what_somebody_changed_is_not_bound_anew(database: Database) -> None:
    """Neither by a delivery nor by a co-signature: it stays for the audit to name."""
    fill(database)
    checkpoints.store(database, PublishedCheckpoint(4, "a note\n", 10))
    change(database, "UPDATE checkpoints SET published_at = 11 WHERE size = 4")
    with pytest.raises(IntegrityBroken, match="is not as written"):
        checkpoints.store_cosignature(database, 4, "w+00000000+AA==", "a line\n", is_enough=lambda _keys: True)
    change(database, "UPDATE webhooks SET events_after = '99'")
    with database.read() as connection:
        (hook,) = webhooks.listed(connection, HOOK.agency)
    with pytest.raises(IntegrityBroken, match="is not as written"):
        webhooks.claim(database, hook, 20)
    assert stored(database, "webhooks") != bound(database, "webhooks")


def test_co_signatures_that_are_let_go_of_are_told(database: Database) -> None:
    """Those of old checkpoints may be missing, and of no others."""
    for size in (1, 2, 3):
        checkpoints.store(database, PublishedCheckpoint(size, "a note\n", size * 1000))
        checkpoints.store_cosignature(database, size, "w+00000000+AA==", "a line\n", is_enough=lambda _keys: True)
    checkpoints.forget_cosignatures(database, 1500)
    assert bound(database, "cosignatures").keys() - stored(database, "cosignatures").keys() == {"1 w+00000000+AA=="}
    with database.read() as connection:
        assert bindings.last_bound(connection, bindings.FORGOTTEN, "1500") is None
        assert checkpoints.forgettable(connection, 1500) == [1]
