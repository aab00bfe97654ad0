"""``tally item`` for a registered item: seal, examine, split, move, check out, freeze, dispose."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ledger.cli.bodies import make_body
from ledger.cli.command import Command
from ledger.cli.event_recorder import EventRecorder
from ledger.cli.files import digests_of
from ledger.cli.params import FILE, Moment, Portion, Quantity, acting, words
from ledger.cli.references import event_ref
from ledger.core.events import item
from ledger.core.events.terms import Disposal, MatchResult, SealState

CASE = click.argument("case_id")
ITEM = click.argument("item_id")
PARTS = "At least two, such as 10 or 3:note@300.00; cash-1=3:note@300.00 gives the part its id."


@click.command("seal", cls=Command)
@CASE
@ITEM
@click.argument("seal_number")
@acting
def seal(recorder: EventRecorder, case_id: str, **fields: Any) -> None:
    """Seal an item."""
    recorder.record(case_id, make_body(item.ItemSealed, **fields))


@click.command("unseal", cls=Command)
@CASE
@ITEM
@click.argument("seal_number")
@click.option("--ground", required=True)
@acting
def unseal(recorder: EventRecorder, case_id: str, **fields: Any) -> None:
    """Open the seal of an item."""
    recorder.record(case_id, make_body(item.ItemUnsealed, **fields))


@click.command("examine", cls=Command)
@CASE
@ITEM
@click.option("--method", required=True)
@click.option("--match", "match_result", type=words(MatchResult), required=True, help="Against the record.")
@click.option("--condition")
@click.option("--quantity", type=Quantity())
@click.option("--file", type=FILE, help="The file as it is now, to digest.")
@click.option("--finding")
@acting
def examine(recorder: EventRecorder, case_id: str, file: Path | None, **fields: Any) -> None:
    """Record what an examination found."""
    digests = digests_of(file, recorder.session.output) if file else ()
    recorder.record(case_id, make_body(item.ItemExamined, digests=digests, **fields))


@click.command("split", cls=Command)
@CASE
@ITEM
@click.option("--part", "parts", type=Portion(), multiple=True, required=True, help=PARTS)
@acting
def split(recorder: EventRecorder, case_id: str, **fields: Any) -> None:
    """Split an item into parts whose quantities and money add up to it; they get new ids unless they are given."""
    recorder.record(case_id, make_body(item.ItemSplit, **fields))


@click.command("merge", cls=Command)
@CASE
@click.argument("item_ids", nargs=-1, required=True)
@click.option("--whole", type=Portion(), required=True, help="What they come to, such as 10 or 5:note@500.00.")
@acting
def merge(recorder: EventRecorder, case_id: str, **fields: Any) -> None:
    """Merge fungible goods of one case into one item; it gets a new id unless one is given."""
    recorder.record(case_id, make_body(item.ItemMerged, **fields))


@click.command("move", cls=Command)
@CASE
@ITEM
@click.argument("storage_location")
@acting
def move(recorder: EventRecorder, case_id: str, **fields: Any) -> None:
    """Move an item to another place; custody stays."""
    recorder.record(case_id, make_body(item.ItemMoved, **fields))


@click.command("check-out", cls=Command)
@CASE
@ITEM
@click.option("--to-officer", required=True)
@click.option("--ground", required=True)
@click.option("--due-at", type=Moment())
@acting
def check_out(recorder: EventRecorder, case_id: str, **fields: Any) -> None:
    """Give an item to an officer of your agency for a time."""
    recorder.record(case_id, make_body(item.ItemCheckedOut, **fields))


@click.command("check-in", cls=Command)
@CASE
@ITEM
@click.option("--condition")
@click.option("--seal-number")
@click.option("--seal-state", type=words(SealState))
@click.option("--quantity", type=Quantity(), help="What came back, if another.")
@click.option("--match", "match_result", type=words(MatchResult), help="Against the record.")
@click.option("--file", type=FILE, help="The file as it is now, to digest.")
@click.option("--remark")
@acting
def check_in(recorder: EventRecorder, case_id: str, file: Path | None, **fields: Any) -> None:
    """Take an item back into storage, and say how it came back."""
    digests = digests_of(file, recorder.session.output) if file else ()
    recorder.record(case_id, make_body(item.ItemCheckedIn, digests=digests, **fields))


@click.command("freeze", cls=Command)
@CASE
@ITEM
@click.argument("frozen_until", metavar="DAY")
@acting
def freeze(recorder: EventRecorder, case_id: str, **fields: Any) -> None:
    """Freeze property until a day."""
    recorder.record(case_id, make_body(item.ItemFrozen, **fields))


@click.command("renew-freeze", cls=Command)
@CASE
@ITEM
@click.argument("frozen_until", metavar="DAY")
@acting
def renew_freeze(recorder: EventRecorder, case_id: str, **fields: Any) -> None:
    """Renew a freeze until a later day."""
    recorder.record(case_id, make_body(item.ItemFreezeRenewed, **fields))


@click.command("propose-disposal", cls=Command)
@CASE
@click.argument("disposal", type=words(Disposal))
@click.argument("item_ids", nargs=-1, required=True)
@click.option("--ground", required=True)
@click.option("--decision", "decision_id", help="Id of the decision that orders it.")
@click.option("--recipient")
@acting
def propose_disposal(recorder: EventRecorder, case_id: str, **fields: Any) -> None:
    """Propose a disposal: the first of its two signatures."""
    recorder.record(case_id, make_body(item.ItemDisposalProposed, **fields))


@click.command("dispose", cls=Command)
@CASE
@click.argument("cites", metavar="EVENT_ID[=DIGEST]")
@click.option("--disposed-at", type=Moment(), required=True)
@click.option("--proceeds", type=Portion(), help="Of an early sale, such as 1@52000.00: becomes an item of its own.")
@acting
def dispose(recorder: EventRecorder, case_id: str, cites: str, **fields: Any) -> None:
    """Sign a disposal second, as another officer: cites the event that proposed it."""
    proposal = event_ref(recorder.session, cites, option="EVENT_ID")
    recorder.record(case_id, make_body(item.ItemDisposed, cites=proposal, **fields))


COMMANDS = (
    seal,
    unseal,
    examine,
    split,
    merge,
    move,
    check_out,
    check_in,
    freeze,
    renew_freeze,
    propose_disposal,
    dispose,
)
