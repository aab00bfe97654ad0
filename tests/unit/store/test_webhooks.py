"""A webhook moves on by compare and set: of several processes one sends, and what was settled is not undone."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from ledger.core.errors import Conflict, NotFound
from ledger.store import webhooks
from ledger.store.database import Database
from ledger.store.webhooks import DeliveryProgress, Webhook
from tests.testkit.builders import COURT, POLICE, key_id, refused

NOW, LATER = 1_000_000, 1_060_000
PROGRESS = DeliveryProgress("7.2", 3)


@pytest.fixture
def webhook(database: Database) -> Webhook:
    """One of the police, just added."""
    added = Webhook("webhook-1", POLICE, "p-1", key_id("p-1"), "https://receiver.example/", NOW, "-1")
    webhooks.add(database, added)
    return added


def stored(database: Database) -> Webhook:
    with database.read() as connection:
        (stored_webhook,) = webhooks.listed(connection, POLICE)
    return stored_webhook


def claim(database: Database, webhook: Webhook, until_ms: int) -> Webhook:
    claimed = webhooks.claim(database, webhook, until_ms)
    assert claimed is not None
    return claimed


def waiting(database: Database, now: int) -> list[str]:
    with database.read() as connection:
        return [due.webhook_id for due in webhooks.waiting(connection, now)]


def test_one_claim_at_a_time(database: Database, webhook: Webhook) -> None:
    """Who comes second, with the row as it was, gets nothing; once the claim has run out somebody else may come."""
    claimed = webhooks.claim(database, webhook, LATER)
    assert claimed == replace(webhook, next_try_at=LATER)
    assert webhooks.claim(database, webhook, LATER + 1) is None
    assert waiting(database, LATER - 1) == []
    assert waiting(database, LATER) == ["webhook-1"]
    assert webhooks.claim(database, stored(database), LATER + 5) is not None


def test_a_delivery_moves_on_and_frees(database: Database, webhook: Webhook) -> None:
    """What failed before is forgotten."""
    claimed = claim(database, webhook, LATER)
    failed = webhooks.settle_failed(database, claimed, "x" * 900, LATER)
    assert failed == replace(webhook, failures=1, last_error="x" * 500, next_try_at=LATER)
    again = claim(database, failed, LATER + 9)
    moved = webhooks.settle_delivered(database, again, PROGRESS, NOW)
    assert moved == stored(database)
    assert moved == replace(webhook, events_after="7.2", warnings_after=3, delivered_at=NOW, next_try_at=NOW)


def test_a_claim_that_ran_out_settles_nothing(database: Database, webhook: Webhook) -> None:
    """Whoever was slower than his claim must not undo what the next one did."""
    slow = claim(database, webhook, NOW)
    quick = claim(database, slow, LATER)
    assert webhooks.settle_delivered(database, slow, DeliveryProgress("99", 99), NOW) is None
    assert webhooks.settle_failed(database, slow, "late", NOW) is None
    assert stored(database) == quick


def test_one_that_was_removed_is_not_settled(database: Database, webhook: Webhook) -> None:
    """It does not come back."""
    claimed = claim(database, webhook, LATER)
    webhooks.remove(database, POLICE, "webhook-1")
    assert webhooks.settle_delivered(database, claimed, PROGRESS, NOW) is None
    assert waiting(database, LATER) == []


def test_an_agency_has_its_own(database: Database, webhook: Webhook) -> None:
    """Others neither find nor remove it; the same URL may be another agency's, too."""
    with database.read() as connection:
        assert webhooks.listed(connection, COURT) == []
        assert webhooks.find(connection, POLICE, "webhook-1") == webhook
        with refused("not_found", field="webhook_id", error=NotFound):
            webhooks.find(connection, COURT, "webhook-1")
    with refused("not_found", field="webhook_id", error=NotFound):
        webhooks.remove(database, COURT, "webhook-1")
    webhooks.add(database, replace(webhook, webhook_id="webhook-2", agency=COURT))
    with refused("webhook_exists", field="url", error=Conflict):
        webhooks.add(database, replace(webhook, webhook_id="webhook-3"))
