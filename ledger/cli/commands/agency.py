"""``tally agency``: the agencies of the ledger."""

from __future__ import annotations

import click

from ledger.cli.client import at
from ledger.cli.command import Group
from ledger.cli.output import Column
from ledger.cli.session import Session, pass_session


@click.group("agency", cls=Group)
def command() -> None:
    """The agencies of the ledger."""


@command.command("list")
@pass_session
def list_(session: Session) -> None:
    """List the agencies."""
    columns = [Column("agency_id"), Column("name"), Column("kind", "agency_kind"), Column("jurisdiction")]
    session.output.table(list(session.service.pages("/api/v1/agencies", "agencies")), columns)


@command.command("show")
@click.argument("agency_id")
@pass_session
def show(session: Session, agency_id: str) -> None:
    """Show an agency and its keys."""
    agency = session.service.get(at("/api/v1/agencies/{}", agency_id))
    keys = list(session.service.pages(at("/api/v1/agencies/{}/keys", agency_id), "keys"))
    if session.json:
        return session.output.data(agency | {"keys": keys})
    session.output.record(
        agency, [Column("kind", "agency_kind") if name == "kind" else Column(name) for name in agency]
    )
    columns = ("key_id", "officer", "roles", "valid_from", "valid_until", "granted", "revoked")
    return session.output.table(keys, [Column(name) for name in columns])
