"""``tally audit``: everything is recomputed from stored bytes and compared with checkpoints and chain.

As an auditor by the service, or with ``--data-dir`` on the operator's own machine, with the service on or off.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ledger.cli.command import Command
from ledger.cli.exits import OF_VERDICT
from ledger.cli.report import show_audit
from ledger.cli.session import Session, pass_session

if TYPE_CHECKING:
    from ledger.audit import AuditReport


@click.command("audit", cls=Command)
@click.argument("case_id", required=False)
@click.option(
    "--data-dir",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Audit the database of this installation, without the service.",
)
@pass_session
def command(session: Session, case_id: str | None, data_dir: Path | None) -> int:
    """Audit a case, or everything."""
    answer = _asked(session, case_id) if data_dir is None else _recomputed(session, case_id, data_dir)
    show_audit(session, answer)
    return OF_VERDICT[answer["verdict"]]


def _asked(session: Session, case_id: str | None) -> Any:
    return session.service.get("/api/v1/audit", case_id=case_id)


def _recomputed(session: Session, case_id: str | None, data_dir: Path) -> Any:
    import msgspec

    from ledger.audit import audit_case
    from ledger.core.trust import parse_trust
    from ledger.installation import DataDirectory, load
    from ledger.record import shipped_rulebook
    from ledger.settings import read_settings
    from ledger.store.database import open_database

    where = DataDirectory(data_dir)
    load(where)
    url = read_settings(data_dir).database_url or f"sqlite:///{where.database}"
    trust, book = parse_trust(where.trust.read_bytes()), shipped_rulebook()
    database = open_database(url)
    try:
        if case_id is not None:
            return msgspec.to_builtins(audit_case(database, trust, book, case_id))
        return msgspec.to_builtins(_whole(session, database, trust, book))
    finally:
        database.close()


def _whole(session: Session, database: Any, trust: Any, book: Any) -> AuditReport:
    from rich.console import Console
    from rich.progress import Progress

    from ledger.audit import audit_log

    with Progress(console=Console(stderr=True), transient=True, disable=session.json) as bars:
        bar = bars.add_task("entries audited", total=None)
        return audit_log(
            database, trust, book, progress=lambda done, total: bars.update(bar, completed=done, total=total)
        )
