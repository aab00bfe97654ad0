"""``tally audit``: the service recomputes everything from stored bytes and compares it with checkpoints and chain."""

from __future__ import annotations

import click

from ledger.cli.command import Command
from ledger.cli.exits import OF_VERDICT
from ledger.cli.report import show_audit
from ledger.cli.session import Session, pass_session


@click.command("audit", cls=Command)
@click.argument("case_id", required=False)
@pass_session
def command(session: Session, case_id: str | None) -> int:
    """Audit a case, or everything, as an auditor."""
    answer = session.service.get("/api/v1/audit", case_id=case_id)
    show_audit(session, answer)
    return OF_VERDICT[answer["verdict"]]
