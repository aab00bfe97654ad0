"""Runs of models at the command line: what is asked, and what was found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ledger.cli.output import Column
from ledger.cli.session import Session
from ledger.core.errors import MalformedInput

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
    shown = {name: run[name] for name in ("model_id", "version", "parameters", "tree_size", "as_of", "total")}
    return session.output.record(shown)
