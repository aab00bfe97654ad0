"""``tally paper``: events as the documents that people still need, printed by the service."""

from __future__ import annotations

from pathlib import Path

import click

from ledger.cli.command import Command
from ledger.cli.options import GROUND
from ledger.cli.session import Session, pass_session
from ledger.core.errors import MalformedInput


@click.command("paper", cls=Command)
@click.argument("event_id", required=False)
@click.option("--case", "case_id", help="Every document of this case, each in a file of its own.")
@click.option("--document", metavar="NAME", help="Which one, where an event prints as several.")
@click.option("--both", is_flag=True, help="In Chinese and English [in your language].")
@click.option("--withhold", type=click.Choice(["sections"]), help="Print no names and nothing confidential.")
@GROUND
@click.option("--output", "-o", type=click.Path(path_type=Path), help="File, with --case folder [ID.pdf, ID].")
@pass_session
def command(
    session: Session,
    /,
    *,
    event_id: str | None,
    case_id: str | None,
    both: bool,
    output: Path | None,
    **query: str | None,
) -> None:
    """Print an event: transfer list, acceptance receipt, notice, custody change certificate, and the like.

    PDF/A with a QR code and room for the seal. What an event prints as is told in docs/paper.md.
    """
    from ledger.cli.exporting import paper_of, papers_of_case, write

    if (event_id is None) == (case_id is None):
        raise MalformedInput("expected one of the two", field="EVENT_ID, --case")
    query["lang"] = "both" if both else session.language
    if event_id is not None:
        target = output or Path(f"{event_id}.pdf")
        write(target, paper_of(session, event_id, **query))
        session.output.record({"file": str(target)})
        return
    folder = output or Path(str(case_id))
    folder.mkdir(exist_ok=True)
    for name, pdf in papers_of_case(session, str(case_id), **query):
        write(folder / name, pdf)
        session.output.record({"file": str(folder / name)})
