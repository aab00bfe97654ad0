"""``tally decision``: decisions of an agency, with their paper."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ledger.cli.bodies import make_body
from ledger.cli.command import Group
from ledger.cli.event_recorder import EventRecorder
from ledger.cli.files import digests_of
from ledger.cli.params import Moment, acting, split_once, words
from ledger.core.events.case import DecisionRecorded
from ledger.core.events.terms import DecisionKind
from ledger.recording.signing import new_id


@click.group("decision", cls=Group)
def command() -> None:
    """Decisions, with their paper."""


@command.command("record")
@click.argument("case_id")
@click.argument("kind", type=words(DecisionKind))
@click.option("--number", required=True, help="As written on the paper.")
@click.option("--decided-at", type=Moment(), required=True)
@click.option("--served-at", type=Moment())
@click.option("--effective-at", type=Moment())
@click.option("--person", "person_ids", multiple=True, help="Whom it concerns; may be given several times.")
@click.option("--item", "items", metavar="ITEM=DISPOSAL", multiple=True, help="What it says of an item.")
@click.option("--file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="The document, to digest.")
@click.option("--decision-id", help="Made up unless given.")
@acting
def record(
    recorder: EventRecorder,
    case_id: str,
    items: tuple[str, ...],
    file: Path | None,
    decision_id: str | None,
    **fields: Any,
) -> None:
    """Record a decision."""
    disposals = [split_once(text, "=", "--item", "ITEM=DISPOSAL") for text in items]
    body = make_body(
        DecisionRecorded,
        decision_id=decision_id or new_id("decision"),
        items=[{"item_id": item_id, "disposal": disposal} for item_id, disposal in disposals],
        digests=digests_of(file, recorder.session.output) if file else (),
        **fields,
    )
    recorder.record(case_id, body)
