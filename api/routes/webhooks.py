"""Webhooks: an agency's supervisors choose where its own system is notified."""

from __future__ import annotations

import secrets
from typing import Annotated

from fastapi import Depends, Path
from msgspec import Meta, Struct
from msgspec.structs import replace
from starlette.responses import Response

from api.auth.reading import Reading
from api.dependencies import ServiceOf, holding, json_body, json_response
from api.schemas.openapi import OF_A_BODY, Paged, Routes, answers
from api.services.feed import feed_scope
from api.services.service import LONGEST, Service
from api.services.webhooks import ROLE, message, receivers_of, webhook_secret
from ledger.core.encoding.canonical import MEANINGS
from ledger.core.messages import Message
from ledger.interchange.webhooks.receiver import Undelivered, post
from ledger.store import webhooks
from ledger.store.feed import parse_cursor
from ledger.store.webhooks import DeliveryProgress, Webhook

MAX_BODY = 4096  # bytes

router = Routes(400, 401, 403, 503, prefix="/api/v1/webhooks", tags=["webhooks"])
_ID = r"^webhook-[0-9a-f]{16}$"
MEANINGS[rf"{_ID}(?!\n)"] = Message("the id of a webhook, for example webhook-0123456789abcdef")
WebhookId = Annotated[str, Path(pattern=_ID)]


class WebhookRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """``after`` is the cursor of the feed behind which it begins; the default is the whole feed."""

    url: Annotated[str, Meta(min_length=1, max_length=1000)]
    after: Annotated[str, Meta(max_length=LONGEST)] | None = None


class WebhookAdded(Struct, frozen=True):
    """``secret`` is shown only this once; keep it where the receiver checks signatures."""

    webhook_id: str
    url: str
    secret: str


class WebhookTried(Struct, frozen=True):
    """The receiver's answer to an empty page. ``error`` is null if the receiver took it."""

    webhook_id: str
    delivered: bool
    error: str | None


class WebhookRemoved(Struct, frozen=True):
    """The webhook that was removed."""

    webhook_id: str


Supervises = Annotated[Reading, Depends(holding(ROLE))]
WebhookRequestBody = Annotated[WebhookRequest, json_body(WebhookRequest, limit=MAX_BODY)]


@router.posts(
    "", "Send your agency's feed to its own system", WebhookRequest, WebhookAdded, 409, *OF_A_BODY, status=201
)
def add(service: ServiceOf, reading: Supervises, asked: WebhookRequestBody) -> Response:
    """Add a webhook. Takes the role supervisor.

    Pages of the feed and of warnings are posted to the URL in order, each at least once, signed by Standard Webhooks.
    The webhook depends on your key: after its revocation nothing more is sent.
    """
    url = str(receivers_of(service.parts).require_url(asked.url))
    webhook = Webhook(
        webhook_id=f"webhook-{secrets.token_hex(8)}",
        agency=reading.agency,
        officer=reading.session.grant.officer,
        key_id=reading.session.grant.key_id,
        url=url,
        created_at=service.parts.clock(),
        events_after=str(parse_cursor(service.cursors.position(feed_scope(reading.agency), asked.after) or "-1")),
    )
    webhooks.add(service.parts.database, webhook)
    reading.record(Message("{webhook.webhook_id} added for {url}", webhook=webhook, url=url))
    return json_response(WebhookAdded(webhook.webhook_id, url, webhook_secret(service.parts, webhook.webhook_id)), 201)


@router.reads("", "List your agency's webhooks", Paged("webhooks", Webhook))
def list_webhooks(service: ServiceOf, reading: Supervises) -> Response:
    """List the webhooks with the cursor of the feed each has reached, its last error, and its next try.

    Takes the role supervisor.
    """
    with service.parts.database.read() as connection:
        rows = webhooks.listed(connection, reading.agency)
    return json_response({"webhooks": [replace(row, events_after=_cursor(service, row)) for row in rows]})


@router.delete("/{webhook_id}", summary="Remove a webhook", responses=answers(WebhookRemoved, 400, 401, 403, 404, 503))
def remove(service: ServiceOf, reading: Supervises, webhook_id: WebhookId) -> Response:
    """Remove the webhook, so that nothing more is sent to it. Takes the role supervisor."""
    webhooks.remove(service.parts.database, reading.agency, webhook_id)
    reading.record(Message("{webhook_id} removed", webhook_id=webhook_id))
    return json_response(WebhookRemoved(webhook_id))


def own_webhook(service: ServiceOf, reading: Supervises, webhook_id: WebhookId) -> Webhook:
    """Return a webhook of the reader's agency. Raises NotFound."""
    with service.parts.database.read() as connection:
        return webhooks.find(connection, reading.agency, webhook_id)


@router.post(
    "/{webhook_id}/test",
    summary="Send an empty page to a webhook",
    responses=answers(WebhookTried, 400, 401, 403, 404, 503),
)
async def test(service: ServiceOf, webhook: Annotated[Webhook, Depends(own_webhook)]) -> Response:
    """Send an empty page once, at once, and signed as every page is. Takes the role supervisor."""
    webhook_id = webhook.webhook_id
    progress = DeliveryProgress(webhook.events_after, webhook.warnings_after)
    sent = message(webhook, progress, {"events": [], "next": _cursor(service, webhook)})
    headers = sent.headers(webhook_secret(service.parts, webhook_id), service.parts.clock() // 1000)
    try:
        await post(receivers_of(service.parts), webhook.url, sent.body, headers)
    except Undelivered as error:
        return json_response(WebhookTried(webhook_id, delivered=False, error=error.message))
    return json_response(WebhookTried(webhook_id, delivered=True, error=None))


def _cursor(service: Service, webhook: Webhook) -> str:
    """Return the sealed cursor of the feed that the webhook has reached."""
    return service.cursors.seal(feed_scope(webhook.agency), webhook.events_after)
