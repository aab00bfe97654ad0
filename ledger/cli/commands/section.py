"""``tally section``: confidential sections, erased on an authority."""

from __future__ import annotations

import click

from ledger.cli.bodies import make_body
from ledger.cli.command import Group
from ledger.cli.event_recorder import EventRecorder
from ledger.cli.params import acting
from ledger.cli.references import event_ref
from ledger.core.events.record import SectionErased


@click.group("section", cls=Group)
def command() -> None:
    """Confidential sections of events."""


@command.command("erase")
@click.argument("case_id")
@click.argument("event", metavar="EVENT_ID[=DIGEST]")
@click.argument("label")
@click.option("--ground", required=True)
@acting
def erase(recorder: EventRecorder, case_id: str, event: str, label: str, ground: str) -> None:
    """Erase a section of an event for good, such as person:1. Takes a supervisor, and the --authority that orders it.

    What was signed stays, and so does every proof of it: it says that the section was erased, and by whom.
    """
    concerns = event_ref(recorder.session, event, option="EVENT_ID")
    recorder.record(case_id, make_body(SectionErased, concerns=concerns, label=label, ground=ground))
