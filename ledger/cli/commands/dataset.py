"""``tally dataset``: outside data sets, registered with where they come from, on what legal basis, and their digest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ledger.cli.bodies import make_body
from ledger.cli.command import Group
from ledger.cli.event_recorder import EventRecorder
from ledger.cli.output import Column
from ledger.cli.params import acting, identity_key_option
from ledger.cli.session import Session, pass_session
from ledger.client.service import at
from ledger.core.errors import Conflict
from ledger.core.events.record import DatasetRegistered, TableLayout

LISTED = (
    "dataset_id",
    "source",
    "legal_basis",
    "period_from",
    "period_until",
    "rows",
    "digest",
    "registered_at",
    "kept",
)


@click.group("dataset", cls=Group)
def command() -> None:
    """Outside data sets: register one, give its file to models, list them."""


@command.command("register")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--source", required=True, help="Who gave it, such as 'social security bureau'.")
@click.option("--legal-basis", required=True, help="On what ground it may be used.")
@click.option("--from", "period_from", metavar="DAY", required=True, help="First day that it covers, 2026-01-01.")
@click.option("--until", "period_until", metavar="DAY", required=True, help="Last day that it covers, 2026-06-30.")
@click.option("--dataset-id", help="Told by the digest unless given.")
@click.option("--encoding", type=click.Choice(["utf-8", "gb18030"]), default="utf-8", show_default=True)
@click.option("--delimiter", default=",", show_default=True, help="Of a CSV file.")
@click.option("--sheet", help="Of an XLSX file [the first].")
@acting
def register(recorder: EventRecorder, /, *, file: Path, dataset_id: str | None, **given: Any) -> None:
    """Register FILE (CSV, XLSX, JSON): rows, layout and digest are recorded; the file stays here until you give it.

    Under an id that your agency has registered it is the later list of the same kind, which models ask from then on.
    """
    layout = {name: given.pop(name) for name in ("encoding", "delimiter", "sheet")}
    counts = _counted(file, layout)
    digest = counts["digest"]
    registered = {line["digest"]: line["dataset_id"] for line in _datasets(recorder.session)}
    if digest in registered:
        raise Conflict(f"this file is registered as {registered[digest]}", field="FILE", code="already_registered")
    dataset_id = dataset_id or f"dataset-{digest.partition(':')[2][:16]}"
    recorder.record_for_agency(make_body(DatasetRegistered, dataset_id=dataset_id, **counts, **given))


@command.command("give")
@click.argument("dataset_id")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@pass_session
def give(session: Session, dataset_id: str, file: Path) -> None:
    """Give FILE, as it was registered, to the service: models can ask its rows, nobody else reads them."""
    path = at("/api/v1/datasets/{}/file", dataset_id)
    kept = session.service.post(path, file.read_bytes(), dict[str, Any], content_type="application/octet-stream")
    session.output.record(kept)


@command.command("pseudonyms")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--identity", metavar="COLUMN", multiple=True, required=True, help="As the import's mapping has it, in order."
)
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), required=True, help="A new CSV file.")
@click.option("--encoding", type=click.Choice(["utf-8", "gb18030"]), default="utf-8", show_default=True)
@click.option("--delimiter", default=",", show_default=True, help="Of a CSV file.")
@click.option("--sheet", help="Of an XLSX file [the first].")
@identity_key_option
@pass_session
def pseudonyms(
    session: Session, /, *, file: Path, identity: tuple[str, ...], output: Path, key_file: Path | None, **layout: Any
) -> None:
    """Write FILE anew, its persons as your agency's cases have them: a keyed digest in the place of their numbers.

    Done by the agency whose imports made the persons' ids, since only it has the key. No service is asked.
    """
    from ledger.cli.importing import identity_key
    from ledger.interchange.imports.identity import pseudonymise
    from ledger.interchange.imports.source_file import Layout, SourceFile, format_of

    with SourceFile(file, Layout(format_of(file), **layout)) as source:
        pseudonymised = pseudonymise(source, identity, identity_key(session, key_file), output)
    session.output.record({"file": str(output), "rows": pseudonymised.rows, "left_out": pseudonymised.left_out})


@command.command("list")
@pass_session
def list_(session: Session) -> None:
    """List the data sets that your agency registered."""
    session.output.table(_datasets(session), [Column(name) for name in LISTED])


def _counted(file: Path, layout: dict[str, Any]) -> dict[str, Any]:
    """Rows, layout and digest of one state of the file."""
    from ledger.interchange.imports.source_file import Layout, SourceFile, format_of

    kind = format_of(file)
    with SourceFile(file, Layout(kind, **layout)) as source:
        return {"rows": source.count(), "digest": source.digest(), "layout": TableLayout(format=kind, **layout)}


def _datasets(session: Session) -> list[dict[str, Any]]:
    return list(session.service.pages("/api/v1/datasets", "datasets", limit=1000))
