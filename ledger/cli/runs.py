"""Runs of models at the command line: what is asked, and what was found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ledger.cli.output import Column
from ledger.cli.session import Session
from ledger.core.errors import MalformedInput

FOUND = ("lead_id", "supervised", "says", "events", "known")


def parameters_of(given: Sequence[str]) -> dict[str, str]:
    """The parameters of ``NAME=VALUE`` each. Raises MalformedInput."""
    parted = [one.partition("=") for one in given]
    if wrong := next((name for name, equals, value in parted if not (name and equals and value)), None):
        raise MalformedInput(f"expected NAME=VALUE, not {wrong}", field="--set")
    return {name: value for name, _, value in parted}


def show_run(session: Session, found: dict[str, Any]) -> None:
    """What a run found, a line each."""
    if session.json:
        return session.output.data(found)
    says = f"says_{session.labels.suffix}"
    rows = [row | {"says": row[says], "events": len(row["evidence"])} for row in found["findings"]]
    session.output.table(rows, [Column(name) for name in FOUND], style_of=lambda row: "dim" if row["known"] else "")
    shown = {name: found[name] for name in ("model_id", "version", "parameters", "tree_size", "as_of", "total")}
    return session.output.record(shown)
