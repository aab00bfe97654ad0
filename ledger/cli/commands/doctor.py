"""``tally doctor``: what is missing on this machine, and the command that mends it."""

from __future__ import annotations

from pathlib import Path

import click

from ledger.cli.command import Command
from ledger.cli.diagnosis import diagnose
from ledger.cli.exits import Exit
from ledger.cli.output import Column
from ledger.cli.session import Session, pass_session
from ledger.i18n import Labels
from ledger.i18n.messages import said


@click.command("doctor", cls=Command)
@click.option("--data-dir", type=click.Path(file_okay=False, path_type=Path), help="[TALLYSTICK_DATA_DIR]")
@pass_session
def command(session: Session, data_dir: Path | None) -> int:
    """Look at this machine, the data directory, the keys, the chain and the service."""
    findings = diagnose(session, data_dir)
    labels = Labels("en") if session.output.json else session.output.labels  # programs are told in English
    rows = [
        {
            "check": finding.check,
            "result": finding.result,
            "detail": said(finding.detail, labels),
            "mend": said(finding.mend, labels),
        }
        for finding in findings
    ]
    columns = [Column("check", "check"), Column("result", "result"), Column("detail"), Column("mend")]
    session.output.table(rows, columns)
    return Exit.REFUSED if any(finding.result == "failed" for finding in findings) else Exit.OK
