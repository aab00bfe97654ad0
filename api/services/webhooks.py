"""What webhooks are sent: the pages of their agency's feed and of its warnings, as the officer who added one may see
them. A webhook rests on his key: it pauses when the key is revoked, or is no supervisor's any more.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from api.auth.reading import Reading
from api.auth.sessions import Session, require_granted
from api.services.cursors import Cursors
from api.services.feed import FEED, FeedPage, goes_on, read_page
from api.services.parts import Parts
from ledger.core.errors import Unauthorized
from ledger.core.signing.authority import Authority
from ledger.interchange.webhooks import Message, Outgoing, Receivers, secret_of
from ledger.store import warnings
from ledger.store.feed import parse_cursor
from ledger.store.webhooks import Progress, Webhook

ROLE = "supervisor"
PAGE = 100  # events or warnings of one message


class WebhookPages:
    """The source of what is delivered."""

    def __init__(self, parts: Parts):
        self._parts = parts
        self._cursors = Cursors(parts.token_key)

    def has_more(self, webhook: Webhook) -> bool:
        """Whether feed or warnings go on."""
        if goes_on(self._parts, webhook.agency, parse_cursor(webhook.events_after)):
            return True
        with self._parts.database.read() as connection:
            return warnings.last_number(connection, webhook.agency) > webhook.warnings_after

    def next(self, webhook: Webhook) -> Outgoing:
        """A page of events if there is one, else one of warnings. Raises Unauthorized where the key's right ended."""
        authority = self._parts.authority()
        reading = Reading(self._parts, _session(authority, webhook, self._parts.clock() // 1000), authority)
        after = parse_cursor(webhook.events_after)
        if goes_on(self._parts, webhook.agency, after):
            page = read_page(self._parts, reading, after, PAGE)
            progress = Progress(page.next, webhook.warnings_after)
            return Outgoing(progress, message(webhook, progress, self._sealed(page)) if page.events else None)
        with self._parts.database.read() as connection:
            last = warnings.last_number(connection, webhook.agency)
            told = warnings.listed(connection, reading.reader, handler=None, after=webhook.warnings_after, limit=PAGE)
        reached = told[-1].number if len(told) == PAGE else last
        progress = Progress(webhook.events_after, reached)
        if not told:
            return Outgoing(progress, None)
        reading.record("warnings by webhook", *dict.fromkeys(one.case_id for one in told))
        cursor = self._cursors.seal("warnings", str(reached))
        return Outgoing(progress, message(webhook, progress, {"warnings": told, "next": cursor}))

    def _sealed(self, page: FeedPage) -> FeedPage:
        return replace(page, next=self._cursors.seal(FEED, page.next))


def message(webhook: Webhook, progress: Progress, body: Any) -> Message:
    """The id says from where to where: a page that has grown before it is sent again is another message."""
    span = f"{webhook.events_after}-{progress.events_after}.{webhook.warnings_after}-{progress.warnings_after}"
    return Message(f"{webhook.webhook_id}.{span}", msgspec.json.encode(body))


def receivers_of(parts: Parts) -> Receivers:
    """Where this service may send."""
    return Receivers(parts.trust.trust.development, parts.settings.receiving_networks)


def webhook_secret(parts: Parts, webhook_id: str) -> str:
    """What its receiver checks signatures with."""
    return secret_of(parts.token_key, webhook_id)


def _session(authority: Authority, webhook: Webhook, now: int) -> Session:
    grant = require_granted(authority, webhook.key_id, now)
    same = (grant.agency_id, grant.officer) == (webhook.agency, webhook.officer)
    if not same or ROLE not in grant.roles:
        raise Unauthorized(f"the key {webhook.key_id} is no {ROLE}'s of {webhook.agency} any more", code="role_missing")
    return Session(grant)
