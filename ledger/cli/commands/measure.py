"""``tally measure``: compulsory measures against a person."""

from __future__ import annotations

from typing import Any

import click

from ledger.cli.bodies import make_body
from ledger.cli.command import Group
from ledger.cli.event_recorder import EventRecorder
from ledger.cli.params import Moment, acting, words
from ledger.core.events import case
from ledger.core.events.terms import Measure, QualifyingGround
from ledger.recording.signing import new_id

UNTIL = click.option("--until", metavar="DAY", help="The last day as decided, such as 2026-03-31.")
GROUND = click.option("--ground", required=True, help="Why.")


@click.group("measure", cls=Group)
def command() -> None:
    """Compulsory measures: detention, arrest, bail, residential surveillance."""


@command.command("impose")
@click.argument("case_id")
@click.argument("person_id")
@click.argument("measure", type=words(Measure))
@click.option("--started-at", type=Moment(), required=True)
@UNTIL
@GROUND
@click.option("--measure-id", help="Made up unless given.")
@acting
def impose(recorder: EventRecorder, case_id: str, measure_id: str | None, **fields: Any) -> None:
    """Impose a measure on a person."""
    recorder.record(case_id, make_body(case.MeasureImposed, measure_id=measure_id or new_id("measure"), **fields))


@command.command("change")
@click.argument("case_id")
@click.argument("measure_id")
@click.argument("measure", type=words(Measure))
@click.option("--started-at", type=Moment(), required=True)
@UNTIL
@GROUND
@click.option("--new-measure-id", help="Made up unless given.")
@acting
def change(recorder: EventRecorder, case_id: str, new_measure_id: str | None, **fields: Any) -> None:
    """End a measure and begin another one."""
    new = new_measure_id or new_id("measure")
    recorder.record(case_id, make_body(case.MeasureChanged, new_measure_id=new, **fields))


@command.command("extend")
@click.argument("case_id")
@click.argument("measure_id")
@click.option("--until", metavar="DAY", required=True, help="The new last day, such as 2026-03-31.")
@click.option("--article", required=True, help="The clause that the extension rests on, such as 'CPL 91'.")
@GROUND
@click.option("--qualifying-ground", type=words(QualifyingGround), help="The ground that the clause asks for.")
@acting
def extend(recorder: EventRecorder, case_id: str, **fields: Any) -> None:
    """Extend a measure."""
    recorder.record(case_id, make_body(case.MeasureExtended, **fields))


@command.command("lift")
@click.argument("case_id")
@click.argument("measure_id")
@click.option("--ended-at", type=Moment(), required=True)
@GROUND
@acting
def lift(recorder: EventRecorder, case_id: str, **fields: Any) -> None:
    """Lift a measure."""
    recorder.record(case_id, make_body(case.MeasureLifted, **fields))
