"""What the commands of supervision share: the streams they write, the material they name, the lives they show."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import click

from ledger.cli.output import Column, Output
from ledger.cli.session import Session
from ledger.client.service import at

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


def digested(output: Output, files: Iterable[Path], digests: Iterable[str]) -> list[str]:
    """Return the digests that were given, and those of the files."""
    from ledger.cli.files import digests_of

    return [*digests, *(digest for file in files for digest in digests_of(file, output))]


def shown(session: Session, path: str, *ids: str) -> dict[str, Any]:
    """Fetch a model, lead or recommendation."""
    view: dict[str, Any] = session.service.get(at(path, *ids))
    return view


def print_life(output: Output, events: Iterable[Mapping[str, Any]]) -> None:
    """Print the steps of a life, each with its signed event."""
    rows = [dict(event) | {name: event["payload"][name] for name in _OF_PAYLOAD} for event in events]
    output.part("steps", rows, STEPS)


def renamed(rows: Iterable[Mapping[str, Any]], **names: str) -> list[dict[str, Any]]:
    """Return the rows with fields under other names, because a name may be labelled differently elsewhere."""
    return [{names.get(name, name): value for name, value in row.items()} for row in rows]


_OF_PAYLOAD = ("agency", "officer", "occurred_at")
