"""Models, leads and recommendations at the command line: materials, runs, and the faults of a model's file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ledger.cli.exits import Exit
from ledger.cli.output import Column, Output
from ledger.cli.printable import printable_line
from ledger.cli.session import Session
from ledger.client.service import at
from ledger.core.errors import MalformedInput

if TYPE_CHECKING:
    from ledger.supervision.models.refused import ModelRefused


STEPS = (Column("event_type"), *(Column(name) for name in ("agency", "officer", "occurred_at", "index", "event_id")))


def material(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give the command ``files`` and ``digests``: material to be digested here, or digested already."""
    files = click.option(
        "--material",
        "files",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        multiple=True,
        help="A file of the material; only its digests are recorded.",
    )
    digests = click.option(
        "--digest", "digests", metavar="DIGEST", multiple=True, help="A digest of material, such as sha256:..."
    )
    return files(digests(command))


def all_digests(output: Output, files: Iterable[Path], digests: Iterable[str]) -> list[str]:
    """Return the digests that were given, and those of the files."""
    from ledger.cli.files import digests_of

    return [*digests, *(digest for file in files for digest in digests_of(file, output))]


def fetch_view(session: Session, path: str, *ids: str) -> dict[str, Any]:
    """Fetch a model, lead or recommendation."""
    view: dict[str, Any] = session.service.get(at(path, *ids))
    return view


def print_life(output: Output, events: Iterable[Mapping[str, Any]]) -> None:
    """Print the steps of a life, each with its signed event."""
    rows = [dict(event) | {name: event["payload"][name] for name in _OF_PAYLOAD} for event in events]
    output.part("steps", rows, STEPS)


def with_renamed_fields(rows: Iterable[Mapping[str, Any]], **names: str) -> list[dict[str, Any]]:
    """Return the rows with fields under other names, because a name may be labelled differently elsewhere."""
    return [{names.get(name, name): value for name, value in row.items()} for row in rows]


_OF_PAYLOAD = ("agency", "officer", "occurred_at")


FOUND = ("lead_id", "supervised", "says", "events", "known")


def parameters_of(given: Sequence[str]) -> dict[str, str]:
    """Parse ``NAME=VALUE`` parameters. Raises MalformedInput."""
    parted = [text.partition("=") for text in given]
    if wrong := next((name for name, equals, value in parted if not (name and equals and value)), None):
        raise MalformedInput(f"expected NAME=VALUE, not {wrong}", field="--set")
    return {name: value for name, _, value in parted}


def show_run(session: Session, run: dict[str, Any]) -> None:
    """Print what a run found, a line for each row."""
    if session.json:
        return session.output.data(run)
    says = f"says_{session.labels.suffix}"
    rows = [row | {"says": row[says], "events": len(row["evidence"])} for row in run["findings"]]
    session.output.table(rows, [Column(name) for name in FOUND], style_of=lambda row: "dim" if row["known"] else "")
    summary = {name: run[name] for name in ("model_id", "version", "parameters", "tree_size", "as_of", "total")}
    return session.output.record(summary)


@contextmanager
def printing_faults(session: Session, name: str) -> Iterator[None]:
    """End the command if the file of this name is refused, after printing every fault; programs get the first error."""
    from ledger.supervision.models.refused import ModelRefused

    try:
        yield
    except ModelRefused as refused:
        if session.json:
            raise
        show_faults(session, name, refused, colour="red")
        raise click.exceptions.Exit(Exit.USAGE) from refused


def show_faults(session: Session, name: str, refused: ModelRefused, *, colour: str) -> None:
    """Each in a line of its own: on standard output as JSON, else on standard error as compilers tell theirs."""
    if session.json:
        for fault in refused.faults:
            session.output.line({"file": name, "line": fault.line, "field": fault.field, "expected": fault.message})
    else:
        for line, field, message in refused.told_in(session.labels):
            line_text = ": ".join(filter(None, (f"{name}:{line}", field, message)))
            click.secho(printable_line(line_text), fg=colour, err=True)
