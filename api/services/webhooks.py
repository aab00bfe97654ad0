"""Messages of webhooks: pages of an agency's feed and warnings, as the officer who added the webhook may see them.

A webhook depends on this officer's key: it pauses when the key is revoked or no longer has the role of supervisor.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from api.auth.reading import Reading
from api.auth.sessions import ReaderSession, require_granted
from api.services.feed import feed_scope, goes_on, read_page
from api.services.parts import Parts
from api.services.service import Cursors
from ledger.core.errors import Unauthorized
from ledger.core.messages import Message, Term, plain
from ledger.interchange.webhooks.deliverer import Outgoing, WebhookMessage, secret_of
from ledger.interchange.webhooks.receiver import Receivers
from ledger.store import clocks
from ledger.store.feed import parse_cursor
from ledger.store.webhooks import DeliveryProgress, Webhook

ROLE = "supervisor"
PAGE = 100  # events or warnings of one message


class WebhookPages:
    """Provides the messages that are delivered."""

    def __init__(self, parts: Parts):
        self._parts = parts
        self._cursors = Cursors(parts.token_key)

    def has_more(self, webhook: Webhook) -> bool:
        """Return whether there are further events or warnings."""
        if goes_on(self._parts, webhook.agency, parse_cursor(webhook.events_after)):
            return True
        with self._parts.database.read() as connection:
            return clocks.last_warning_number(connection, webhook.agency) > webhook.warnings_after

    def next(self, webhook: Webhook) -> Outgoing:
        """Return a page of events, or one of warnings if there are no events. Raises Unauthorized if the key's right
        ended."""
        authority = self._parts.authority()
        grant = require_granted(authority, webhook.key_id, self._parts.clock() // 1000)
        same = (grant.agency_id, grant.officer) == (webhook.agency, webhook.officer)
        if not same or ROLE not in grant.roles:
            raise Unauthorized(
                "the key {webhook.key_id} is no {role}'s of {webhook.agency} any more",
                webhook=webhook,
                role=Term("role", ROLE),
                code="role_missing",
            )
        reading = Reading(self._parts, ReaderSession(grant), authority)
        after = parse_cursor(webhook.events_after)
        if goes_on(self._parts, webhook.agency, after):
            page = read_page(self._parts, reading, after, PAGE)
            progress = DeliveryProgress(page.next, webhook.warnings_after)
            sealed = replace(page, next=self._cursors.seal(feed_scope(webhook.agency), page.next))
            return Outgoing(progress, message(webhook, progress, sealed) if page.events else None)
        with self._parts.database.read() as connection:
            last = clocks.last_warning_number(connection, webhook.agency)
            page_warnings = clocks.warnings_to(
                connection, reading.reader, handler=None, after=webhook.warnings_after, limit=PAGE
            )
        last_number = page_warnings[-1].number if len(page_warnings) == PAGE else last
        progress = DeliveryProgress(webhook.events_after, last_number)
        if not page_warnings:
            return Outgoing(progress, None)
        reading.record(
            Message("warnings by webhook"),
            *dict.fromkeys(warning.case_id for warning in page_warnings if warning.case_id),
        )
        cursor = self._cursors.seal("warnings", str(last_number))
        return Outgoing(progress, message(webhook, progress, {"warnings": page_warnings, "next": cursor}))


def message(webhook: Webhook, progress: DeliveryProgress, body: Any) -> WebhookMessage:
    """Return the message of a page.

    Its id is the range of the page, so that a page that has grown before it is sent again is another message.
    """
    span = f"{webhook.events_after}-{progress.events_after}.{webhook.warnings_after}-{progress.warnings_after}"
    return WebhookMessage(f"{webhook.webhook_id}.{span}", msgspec.json.encode(body, enc_hook=plain))


def receivers_of(parts: Parts) -> Receivers:
    """Return the rule of which addresses this service may send to."""
    return Receivers(parts.trust.trust.development, parts.settings.receiving_networks)


def webhook_secret(parts: Parts, webhook_id: str) -> str:
    """Return the secret with which the receiver checks signatures."""
    return secret_of(parts.token_key, webhook_id)
