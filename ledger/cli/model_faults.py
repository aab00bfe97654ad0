"""Faults of a model's file, as its author reads them: each with file, line, field and what was expected."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from ledger.cli.exits import Exit
from ledger.cli.printable import printable_line
from ledger.cli.session import Session

if TYPE_CHECKING:
    from ledger.supervision.models.refused import ModelRefused


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
