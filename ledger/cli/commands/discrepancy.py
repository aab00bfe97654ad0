"""``tally discrepancy``: differences between release and receipt, raised and resolved."""

from __future__ import annotations

from typing import Any

import click

from ledger.cli.bodies import make_body
from ledger.cli.command import Group
from ledger.cli.event_recorder import EventRecorder
from ledger.cli.params import acting, words
from ledger.core.events.handover import DiscrepancyRaised, DiscrepancyResolved
from ledger.core.events.terms import DiscrepancyKind
from ledger.recording.signing import new_id


@click.group("discrepancy", cls=Group)
def command() -> None:
    """Differences between release and receipt."""


@command.command("raise")
@click.argument("case_id")
@click.argument("handover_id")
@click.argument("item_id")
@click.option("--kind", type=words(DiscrepancyKind), required=True, help="In what it differs.")
@click.option("--expected", required=True, help="What the record says.")
@click.option("--found", required=True, help="What there is.")
@click.option("--discrepancy-id", help="Made up unless given.")
@acting
def raise_(recorder: EventRecorder, case_id: str, discrepancy_id: str | None, **fields: Any) -> None:
    """Raise a difference that was found after the acceptance."""
    own = discrepancy_id or new_id("discrepancy")
    recorder.record(case_id, make_body(DiscrepancyRaised, discrepancy_id=own, **fields))


@command.command("resolve")
@click.argument("case_id")
@click.argument("discrepancy_id")
@click.option("--resolution", required=True, help="The same words for both sides.")
@acting
def resolve(recorder: EventRecorder, case_id: str, **fields: Any) -> None:
    """Sign a resolution; it ends when both sides have signed the same words."""
    recorder.record(case_id, make_body(DiscrepancyResolved, **fields))
