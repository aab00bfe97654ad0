"""``tally custody``: for whom a detention house keeps a person, and until when."""

from __future__ import annotations

from typing import Any

import click

from ledger.cli.bodies import make_body
from ledger.cli.command import Group
from ledger.cli.event_recorder import EventRecorder
from ledger.cli.params import Moment, acting
from ledger.core.events import case
from ledger.recording.signing import new_id

CASE = click.argument("case_id")
NUMBER = click.option("--number", required=True, help="As written on the paper.")


@click.group("custody", cls=Group)
def command() -> None:
    """Custody of persons: ask for a change, serve it, give notice of a new period."""


@command.command("request")
@CASE
@click.argument("person_id")
@click.argument("detention_house")
@click.option("--handover", "handover_id", required=True, help="The handover whose acceptance calls for it.")
@NUMBER
@click.option("--custody-change-id", help="Made up unless given.")
@acting
def request(recorder: EventRecorder, case_id: str, custody_change_id: str | None, **fields: Any) -> None:
    """Ask a detention house to keep a person for your agency from now on."""
    own = custody_change_id or new_id("custody")
    recorder.record(case_id, make_body(case.CustodyChangeRequested, custody_change_id=own, **fields))


@command.command("serve")
@CASE
@click.argument("custody_change_id")
@click.option("--served-at", type=Moment(), required=True, help="When the certificate was served.")
@acting
def serve(recorder: EventRecorder, case_id: str, **fields: Any) -> None:
    """Sign, as the detention house, that a change of custody was served."""
    recorder.record(case_id, make_body(case.CustodyChangeServed, **fields))


@command.command("notify")
@CASE
@click.argument("measure_id")
@click.argument("detention_house")
@click.option("--until", metavar="DAY", required=True, help="The last day of the new period, such as 2026-03-31.")
@click.option("--article", required=True, help="The clause that it rests on, such as 'CPL 149'.")
@NUMBER
@acting
def notify(recorder: EventRecorder, case_id: str, **fields: Any) -> None:
    """Record that a detention house was told of a new period of custody."""
    recorder.record(case_id, make_body(case.CustodyPeriodNotified, **fields))
