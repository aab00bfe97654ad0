"""``tally record``: corrections and late entries. What was recorded stays as it was."""

from __future__ import annotations

from typing import Any

import click

from ledger.cli.bodies import make_body
from ledger.cli.command import Group
from ledger.cli.event_recorder import EventRecorder
from ledger.cli.params import Moment, acting
from ledger.cli.references import event_ref
from ledger.core.events.record import RecordCorrected, RecordLate


@click.group("record", cls=Group)
def command() -> None:
    """Corrections, and why something was recorded late."""


@command.command("correct")
@click.argument("case_id")
@click.argument("corrects", metavar="EVENT_ID[=DIGEST]")
@click.option(
    "--change",
    "corrections",
    nargs=3,
    multiple=True,
    required=True,
    metavar="FIELD RECORDED CORRECT",
    help="What was recorded in a field, such as quantity.value, and what is correct.",
)
@click.option("--ground", required=True)
@acting
def correct(
    recorder: EventRecorder, case_id: str, corrects: str, corrections: tuple[tuple[str, str, str], ...], **fields: Any
) -> None:
    """Correct what an event says. The event stays; the correction stands beside it."""
    cited = event_ref(recorder.session, corrects, option="EVENT_ID")
    changes = [dict(zip(("field", "recorded", "correct"), change, strict=True)) for change in corrections]
    recorder.record(case_id, make_body(RecordCorrected, corrects=cited, corrections=changes, **fields))


@command.command("late")
@click.argument("case_id")
@click.option("--happened-at", type=Moment(), required=True)
@click.option("--ground", required=True, help="Why it was not recorded then.")
@click.option("--concerns", metavar="EVENT_ID[=DIGEST]", help="The late entry, where there is one.")
@acting
def late(recorder: EventRecorder, case_id: str, concerns: str | None, **fields: Any) -> None:
    """Say why something was not recorded when it happened."""
    cited = event_ref(recorder.session, concerns, option="--concerns") if concerns else None
    recorder.record(case_id, make_body(RecordLate, concerns=cited, **fields))
