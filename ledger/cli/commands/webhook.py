"""``tally webhook``: send the feed of new events to an agency's own system."""

from __future__ import annotations

from typing import Any

import click
import msgspec

from ledger.cli.command import Group
from ledger.cli.output import columns
from ledger.cli.session import Session
from ledger.client.service import path_of
from ledger.core.errors import Unavailable

WEBHOOKS = "/api/v1/webhooks"
LISTED = columns("webhook_id", "url", "events_after", "delivered_at", "failures", "last_error", "next_try_at")


@click.group("webhook", cls=Group)
def webhook_group() -> None:
    """Webhooks: send your agency's feed to its own system, signed. Takes a supervisor."""


@webhook_group.command("add")
@click.argument("url")
@click.option("--after", metavar="CURSOR", help="Begin behind this cursor of the feed [at its beginning].")
def add(session: Session, url: str, after: str | None) -> None:
    """Send the feed to URL: all of it, then what is new. The secret that signs its messages is shown only once."""
    asked = {"url": url} | ({"after": after} if after is not None else {})
    session.output.record(session.service.post(WEBHOOKS, msgspec.json.encode(asked), dict[str, Any]))


@webhook_group.command("list")
def list_(session: Session) -> None:
    """List your agency's webhooks: how far each has come, what failed last, when it is tried again."""
    webhooks = session.service.get(WEBHOOKS)["webhooks"]
    pausing = [row if row["failures"] else row | {"next_try_at": None} for row in webhooks]
    session.output.table(webhooks if session.json else pausing, LISTED)


@webhook_group.command("test")
@click.argument("webhook_id")
def test(session: Session, webhook_id: str) -> None:
    """Send an empty page to a webhook now."""
    tried = session.service.post(path_of(WEBHOOKS + "/{}/test", webhook_id), b"{}", dict[str, Any])
    if not tried["delivered"]:
        raise Unavailable(str(tried["error"]), code="undelivered", hint="Look at what the receiver says of it.")
    session.output.record(tried)


@webhook_group.command("remove")
@click.argument("webhook_id")
def remove(session: Session, webhook_id: str) -> None:
    """Send nothing more to a webhook."""
    session.output.record(session.service.delete(path_of(WEBHOOKS + "/{}", webhook_id)))
