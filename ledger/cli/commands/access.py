"""``tally access``: who read what of an agency's cases."""

from __future__ import annotations

import click

from ledger.cli.command import Group
from ledger.cli.output import Column
from ledger.cli.session import Session, pass_session
from ledger.i18n.messages import said

LISTED = tuple(map(Column, ("number", "read_at", "agency", "officer", "what", "case_id", "reading_ground")))


@click.group("access", cls=Group)
def command() -> None:
    """The log of reads. Takes an auditor or a supervisor."""


@command.command("list")
@click.option("--case", "case_id", metavar="CASE", help="Only reads of this case.")
@click.option("--officer", metavar="OFFICER", help="Only what this officer read.")
@pass_session
def list_(session: Session, case_id: str | None, officer: str | None) -> None:
    """List who read your agency's cases, what, when and on what ground, and all that your own officers read."""
    reads = list(session.service.pages("/api/v1/access", "reads", limit=1000, case_id=case_id, officer=officer))
    if session.json:
        return session.output.data(reads)
    rows = [read | {"reading_ground": read["ground"], "what": said(read["what"], session.labels)} for read in reads]
    return session.output.table(rows, LISTED)
