"""``tally anchor``: what of the log stands on the chain."""

from __future__ import annotations

import click

from ledger.cli.command import Group
from ledger.cli.output import Column
from ledger.cli.session import Session, pass_session

LISTED = ("number", "size", "state", "block_number", "transaction_hash", "root")


@click.group("anchor", cls=Group)
def command() -> None:
    """What of the log stands on the chain."""


@command.command("list")
@pass_session
def list_(session: Session) -> None:
    """List the anchors."""
    session.output.table(list(session.service.pages("/api/v1/anchors", "anchors")), [Column(name) for name in LISTED])


@command.command("status")
@pass_session
def status(session: Session) -> None:
    """Show how far the log is anchored, and what the service says of the chain."""
    log = session.service.get("/api/v1/log")
    session.output.record({"size": log["size"], "anchored": log["anchored"]})
