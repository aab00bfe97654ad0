"""The deliverer: sends each webhook what is new for it, one signed message at a time.

Messages are those of Standard Webhooks: an id, a time, and an HMAC-SHA256 over both and the body.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from datetime import UTC, datetime
from threading import Event
from typing import Protocol

import standardwebhooks
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from msgspec import Struct

from ledger.core.errors import TallystickError
from ledger.interchange.webhooks.receiver import ANSWER_WITHIN_S, Receivers, Undelivered, post
from ledger.loggers import get_logger
from ledger.store import webhooks
from ledger.store.activity import pause_after
from ledger.store.database import Database
from ledger.store.webhooks import DeliveryProgress, Webhook

LOOK_EVERY_S = 0.5  # seconds between looks at what is new
CLAIM_MS = 60_000  # milliseconds; longer than a delivery takes, or a second process would send the same meanwhile
assert CLAIM_MS > 2000 * ANSWER_WITHIN_S
FIRST_PAUSE_S = 5  # seconds after a failure, doubled by each that follows
LONGEST_PAUSE_S = 3600

logger = get_logger(__name__)


class WebhookMessage(Struct, frozen=True):
    """``message_id`` is the same when the same body is sent again."""

    message_id: str
    body: bytes

    def headers(self, secret: str, at_s: int) -> dict[str, str]:
        """Return the headers of one attempt at ``at_s`` (unix seconds)."""
        at = datetime.fromtimestamp(at_s, UTC)
        return {
            "content-type": "application/json",
            "user-agent": "tallystick",
            "webhook-id": self.message_id,
            "webhook-timestamp": str(at_s),
            "webhook-signature": standardwebhooks.Webhook(secret).sign(self.message_id, at, self.body.decode()),
        }


def secret_of(service_key: bytes, webhook_id: str) -> str:
    """Return a webhook's secret, ``whsec_`` and base64. It is derived: no database and no backup of one holds it."""
    derived = HKDF(SHA256(), 32, salt=None, info=b"tallystick webhook " + webhook_id.encode()).derive(service_key)
    return "whsec_" + b64encode(derived).decode()


class Outgoing(Struct, frozen=True):
    """What comes next for a webhook. Without a message the agency may see nothing of it, and the webhook moves on."""

    progress: DeliveryProgress
    message: WebhookMessage | None


class MessageSource(Protocol):
    """Gives what a webhook's agency may see."""

    def has_more(self, webhook: Webhook) -> bool:
        """Return whether there is something behind what the webhook has got."""

    def next(self, webhook: Webhook) -> Outgoing:
        """Return what follows, and record that it was read. Raises TallystickError if it must not be shown."""


@dataclass(eq=False, repr=False)
class Deliverer:
    """Delivers in a thread of its own. ``secret`` gives a webhook's secret by its id, ``clock`` unix milliseconds."""

    database: Database
    source: MessageSource
    receivers: Receivers
    _: KW_ONLY
    secret: Callable[[str], str]
    clock: Callable[[], int]

    def run(self, stop: Event) -> None:
        """Deliver until ``stop`` is set."""
        asyncio.run(self._run(stop))

    def step(self) -> None:
        """Deliver all that is due now, each webhook until it has everything or fails."""

        async def serve_all() -> None:
            await asyncio.gather(*map(self._serve, await asyncio.to_thread(self._due)))

        asyncio.run(serve_all())

    async def _run(self, stop: Event) -> None:
        # A task for each webhook: one whose receiver is slow holds up no other.
        serving: dict[str, asyncio.Task[None]] = {}
        while not stop.is_set():
            serving = {name: task for name, task in serving.items() if not task.done()}
            try:
                for webhook in await asyncio.to_thread(self._due):
                    if webhook.webhook_id not in serving:
                        serving[webhook.webhook_id] = asyncio.create_task(self._serve(webhook))
            except TallystickError as error:
                logger.warning("webhooks cannot be looked at", reason=error.for_operator)
            except Exception:
                logger.exception("webhooks cannot be looked at for a reason that nobody foresaw")
            await asyncio.to_thread(self.database.activity.pause, stop, LOOK_EVERY_S)
        for task in serving.values():
            task.cancel()
        await asyncio.gather(*serving.values(), return_exceptions=True)

    def _due(self) -> list[Webhook]:
        with self.database.read() as connection:
            free = webhooks.waiting(connection, self.clock())
        return [webhook for webhook in free if self.source.has_more(webhook)]

    async def _serve(self, webhook: Webhook) -> None:
        """Send until the webhook has everything, or a receiver fails it."""
        following: Webhook | None = webhook
        try:
            while following is not None and await asyncio.to_thread(self.source.has_more, following):
                following = await self._deliver(following)
        except TallystickError as error:  # the claim runs out, and whoever comes then goes on from here
            logger.warning("webhook not served", webhook=webhook.webhook_id, reason=error.for_operator)
        except Exception:
            logger.exception("webhook not served for a reason that nobody foresaw", webhook=webhook.webhook_id)

    async def _deliver(self, webhook: Webhook) -> Webhook | None:
        """Send one message; return the webhook behind it, or None if it has to wait."""
        claimed = await asyncio.to_thread(webhooks.claim, self.database, webhook, self.clock() + CLAIM_MS)
        if claimed is None:
            return None
        try:
            outgoing = await asyncio.to_thread(self.source.next, claimed)
            if outgoing.message is not None:
                headers = outgoing.message.headers(self.secret(claimed.webhook_id), self.clock() // 1000)
                await post(self.receivers, claimed.url, outgoing.message.body, headers)
        except TallystickError as error:
            pause_s = int(pause_after(claimed.failures + 1, FIRST_PAUSE_S, LONGEST_PAUSE_S))
            again_at = self.clock() + pause_s * 1000
            await asyncio.to_thread(webhooks.settle_failed, self.database, claimed, error.message, again_at)
            level = logger.info if isinstance(error, Undelivered) else logger.warning
            level("webhook failed", webhook=claimed.webhook_id, reason=error.for_operator, again_in_s=pause_s)
            return None
        return await asyncio.to_thread(
            webhooks.settle_delivered, self.database, claimed, outgoing.progress, self.clock()
        )
