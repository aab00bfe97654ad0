"""Webhooks: the addresses to which agencies' events are sent, and the progress of each.

The sender holds a claim for a while, so that of several processes one sends; a claim that is not settled expires.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct
from msgspec.structs import asdict
from sqlalchemy import Connection, delete, func, select, update
from sqlalchemy.exc import IntegrityError

from ledger.core.errors import Conflict, NotFound
from ledger.store import bindings
from ledger.store.database import Database, where_set
from ledger.store.tables import WEBHOOKS

MOST = 10  # most webhooks of one agency


class Webhook(Struct, frozen=True):
    """A row of ``tables.WebhooksTable``; by default one from which nothing was sent yet."""

    webhook_id: str
    agency: str
    officer: str
    key_id: str
    url: str
    created_at: int
    events_after: str
    warnings_after: int = 0
    delivered_at: int | None = None
    failures: int = 0
    last_error: str | None = None
    next_try_at: int = 0


class DeliveryProgress(Struct, frozen=True):
    """How far a delivery has come in the feed and the warnings."""

    events_after: str
    warnings_after: int


_COLUMNS = [WEBHOOKS.c[name] for name in Webhook.__struct_fields__]


def add(database: Database, webhook: Webhook) -> None:
    """Store a webhook. Raises Conflict if the agency has this URL already, or the most webhooks it may have."""
    with database.write() as connection:
        # Counted under the lock: two requests at once must not pass the limit together.
        count = select(func.count()).select_from(WEBHOOKS).where(WEBHOOKS.c.agency == webhook.agency)
        if connection.execute(count).scalar_one() >= MOST:
            raise Conflict(
                "an agency has at most {limit} webhooks", limit=MOST, code="too_many_webhooks", hint="Remove one first."
            )
        values = asdict(webhook)
        try:
            connection.execute(WEBHOOKS.insert().values(values))
        except IntegrityError as error:
            raise Conflict(
                "a webhook to {webhook.url} is there already",
                webhook=webhook,
                field="url",
                code="webhook_exists",
                hint="Remove it, and add it anew after its events_after; the secret is a new one.",
            ) from error
        bindings.bind_rows(connection, WEBHOOKS, [values])


def listed(connection: Connection, agency: str | None) -> list[Webhook]:
    """Return the agency's webhooks, or those of all agencies, in the order in which they were added."""
    query = where_set(select(*_COLUMNS), agency=agency)
    return [Webhook(*row) for row in connection.execute(query.order_by(WEBHOOKS.c.created_at, WEBHOOKS.c.webhook_id))]


def find(connection: Connection, agency: str, webhook_id: str) -> Webhook:
    """Return one webhook. Raises NotFound, also for one of another agency."""
    row = connection.execute(select(*_COLUMNS).where(*_named(agency, webhook_id))).first()
    if row is None:
        raise _unknown(webhook_id)
    return Webhook(*row)


def remove(database: Database, agency: str, webhook_id: str) -> None:
    """Delete one webhook. Raises NotFound, also for one of another agency."""
    with database.write() as connection:
        if connection.execute(delete(WEBHOOKS).where(*_named(agency, webhook_id))).rowcount == 0:
            raise _unknown(webhook_id)
        bindings.bind_rows(connection, WEBHOOKS, [{"webhook_id": webhook_id}])


def waiting(connection: Connection, now_ms: int) -> list[Webhook]:
    """Return the webhooks that are not claimed and need not pause now."""
    query = select(*_COLUMNS).where(WEBHOOKS.c.next_try_at <= now_ms).order_by(WEBHOOKS.c.next_try_at)
    return [Webhook(*row) for row in connection.execute(query)]


def claim(database: Database, webhook: Webhook, until_ms: int) -> Webhook | None:
    """Return the webhook under a claim until then; None if another process was faster or it was removed."""
    return _changed(database, webhook, next_try_at=until_ms)


def settle_delivered(database: Database, claimed: Webhook, progress: DeliveryProgress, at_ms: int) -> Webhook | None:
    """Record the progress and release the claim; return None if the claim had expired or the webhook is gone."""
    values = {"events_after": progress.events_after, "warnings_after": progress.warnings_after}
    return _changed(database, claimed, **values, delivered_at=at_ms, failures=0, last_error=None, next_try_at=at_ms)


def settle_failed(database: Database, claimed: Webhook, reason: str, next_try_at: int) -> Webhook | None:
    """Record one more failure and release the claim; return None if the claim had expired or the webhook is gone."""
    return _changed(database, claimed, failures=claimed.failures + 1, last_error=reason[:500], next_try_at=next_try_at)


def _changed(database: Database, webhook: Webhook, **values: Any) -> Webhook | None:
    """Update the webhook only if nobody has claimed or settled it since it was read.

    Raises IntegrityBroken if the row was changed from outside: nothing is sent to an address that no officer gave.
    """
    key = {"webhook_id": webhook.webhook_id}
    # Whoever comes first moves ``next_try_at``, and then the other's condition does not hold.
    same = (WEBHOOKS.c.webhook_id == webhook.webhook_id, WEBHOOKS.c.next_try_at == webhook.next_try_at)
    unmoved = (WEBHOOKS.c.events_after == webhook.events_after, WEBHOOKS.c.warnings_after == webhook.warnings_after)
    with database.write() as connection:
        bindings.require_bound(connection, WEBHOOKS, key)
        changed = connection.execute(update(WEBHOOKS).where(*same, *unmoved).values(**values)).rowcount
        # In the same transaction, so that the row and its digest never differ.
        if changed:
            bindings.bind_rows(connection, WEBHOOKS, [key])
        row = connection.execute(select(*_COLUMNS).where(WEBHOOKS.c.webhook_id == webhook.webhook_id)).first()
    return Webhook(*row) if changed and row is not None else None


def _named(agency: str, webhook_id: str) -> tuple[Any, ...]:
    return WEBHOOKS.c.agency == agency, WEBHOOKS.c.webhook_id == webhook_id


def _unknown(webhook_id: str) -> NotFound:
    return NotFound("your agency has no webhook {webhook_id}", webhook_id=webhook_id, field="webhook_id")
