"""``tally agency``: the agencies of the ledger, and how an agency's admin hands over to the next."""

from __future__ import annotations

import click

from ledger.cli.command import Group
from ledger.cli.output import Column
from ledger.cli.session import Session, pass_session
from ledger.client.service import at


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


@command.command("propose-admin")
@click.argument("account")
@pass_session
def propose_admin(session: Session, account: str) -> None:
    """Propose ACCOUNT as the next admin of your agency, as its admin. Nothing changes until it accepts.

    The last proposal counts: to take one back, propose another account, or your own.
    """
    from ledger.client.registry import propose_admin as propose

    session.output.record(propose(session, account))


@command.command("accept-admin")
@click.argument("agency_id")
@pass_session
def accept_admin(session: Session, agency_id: str) -> None:
    """Become the admin of the agency that proposed your account. Its admin before is none from then on.

    Keys that were granted stay; from now on you grant and revoke.
    """
    from ledger.client.registry import accept_admin as accept

    session.output.record(accept(session, agency_id))
