"""``tally search``: find cases by what is written on a paper, a seal or a file."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import click

from ledger.cli.command import Command
from ledger.cli.output import Column
from ledger.cli.session import Session, pass_session

LISTED = (
    Column("word_kind", "word_kind"),
    *map(Column, ("word", "item_id", "case_id", "case_number", "case_type", "stage", "event_id")),
)


@click.command("search", cls=Command)
@click.argument("text", required=False)
@click.option("--file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Search for this very file.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=100, show_default=True, help="Hits at most.")
@pass_session
def command(session: Session, text: str | None, file: Path | None, limit: int) -> None:
    """Find cases by a case number, the number of a paper, exhibit or seal, a digest, an officer, a person or any id.

    The beginning is enough; --file searches for the digest of a file. What you search for is recorded.
    """
    if (text is None) == (file is None):
        raise click.UsageError("expected a text, or --file with a file")
    asked = text if file is None else _digest(file)
    hits = list(islice(session.service.pages("/api/v1/search", "hits", limit=min(limit, 1000), q=asked), limit))
    if session.json:
        return session.output.data(hits)
    return session.output.table([hit | {"word_kind": hit["kind"]} for hit in hits], LISTED)


def _digest(file: Path) -> str:
    from ledger.core.encoding.digests import Algorithm
    from ledger.evidence.hashing import hash_file

    return str(hash_file(file, (Algorithm.SHA256,)).digests[0])
