"""``tally item``: things, data, money and persons in custody."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import click

from ledger.cli.command import Group
from ledger.cli.event_recorder import EventRecorder, make_body
from ledger.cli.files import digests_of, progress_of
from ledger.cli.output import Column
from ledger.cli.params import FILE, Moment, Money, Portion, Quantity, acting, event_ref, words
from ledger.cli.session import Session, pass_session
from ledger.cli.timeline_output import show_history
from ledger.client.service import at
from ledger.core.errors import IntegrityBroken, MalformedInput
from ledger.core.events import item
from ledger.core.events.terms import Disposal, ItemKind, MatchResult, SealState
from ledger.recording.signing import new_id


class SealedItem(NamedTuple):
    """The id that the bag names, and the bag's digests as text."""

    item_id: str
    digests: tuple[str, ...]


def sealed_item(session: Session, bag: Path, case_id: str, item_id: str | None) -> SealedItem:
    """Check a sealed folder, every file of which is read, and return what its registration says of it.

    Raises IntegrityBroken for a bag that is not intact, MalformedInput for one of another item, case or ledger.
    """
    from ledger.evidence.checking import check_bag

    with progress_of(bag.name, session.output) as progress:
        checked = check_bag(bag, None, progress=progress)
    if checked.verdict != "intact":
        step = next(step for step in checked.steps if step.verdict == checked.verdict)
        raise IntegrityBroken(
            f"the bag is {checked.verdict}: {step.detail}", field="--bag", hint="tally evidence check"
        )
    bound = checked.binding
    if bound is None:
        raise MalformedInput("the bag names no item", field="--bag", hint="Seal the folder: tally evidence seal")
    log_id = f"0x{session.log_id.hex()}"
    for actual, expected in (
        (bound.case_id, case_id),
        (bound.item_id, item_id or bound.item_id),
        (bound.log_id, log_id),
    ):
        if actual != expected:
            raise MalformedInput(f"the bag was sealed for {actual}, not for {expected}", field="--bag")
    return SealedItem(bound.item_id, checked.digests)


BAG = click.Path(exists=True, file_okay=False, path_type=Path)
LISTED = ("item_id", "item_kind", "description", "quantity", "holder", "responsible", "status", "case_id")
TEXTS = ("exhibit-number", "condition", "seal-number", "storage-location", "account")


@click.group("item", cls=Group)
def item_group() -> None:
    """Items: register, seal, move, examine, split, freeze, dispose."""


def _options(function: Any) -> Any:
    """Add the options that describe a thing beyond its kind and description."""
    for name in reversed(TEXTS):
        function = click.option(f"--{name}")(function)
    return function


@item_group.command("register")
@click.argument("case_id")
@click.argument("description")
@click.option("--kind", "item_kind", type=words(ItemKind), default="exhibit", show_default=True)
@click.option("--quantity", type=Quantity(), default="1", show_default=True)
@click.option("--item-id", help="Unique over all cases; made up unless given.")
@click.option("--file", "files", type=FILE, multiple=True, help="A file to digest with BLAKE3 and SHA-256.")
@click.option("--bag", type=BAG, help="The sealed folder of the item, as 'tally evidence seal' makes it.")
@_options
@click.option("--money", type=Money(), help="Money, in yuan unless a currency follows.")
@click.option("--fungible", is_flag=True, help="Goods of which one is as good as another.")
@click.option("--volumes", type=int, help="Of a dossier.")
@click.option("--pages", type=int, help="Of a dossier, in all.")
@click.option("--person", "person_id", help="The person whom a detainee is.")
@click.option("--parent", "parent_items", multiple=True, help="An item that this one comes from.")
@click.option("--seizure-document", help="Number of the seizure document.")
@click.option("--seized-at", type=Moment())
@click.option("--seized-by", multiple=True, help="An officer who seized; at least two.")
@click.option("--seized-from", metavar="PERSON", help="Who held it when it was seized.")
@click.option("--seizure-witness", metavar="PERSON", help="Who witnessed the seizure.")
@click.option("--collector", "collectors", multiple=True, help="An officer who collected data; at least two.")
@click.option("--tool", help="With which data was collected.")
@click.option("--method", help="How data was collected.")
@click.option("--medium", help="The item that is the original medium of data.")
@click.option("--recording", "recordings", type=FILE, multiple=True, help="A recording of the collection, to digest.")
@acting
def register(
    recorder: EventRecorder, case_id: str, item_id: str | None, files: tuple[Path, ...], bag: Path | None, **given: Any
) -> None:
    """Register an item; your agency holds it from then on."""
    parts = {name: given.pop(name) for name in _PARTS}
    digests = _digests(recorder, files)
    if bag is not None:
        sealed = sealed_item(recorder.session, bag, case_id, item_id)
        item_id, digests = sealed.item_id, [*sealed.digests, *digests]
    body = make_body(
        item.ItemRegistered,
        item_id=item_id or new_id("item"),
        digests=digests,
        dossier=_given_fields(volumes=parts["volumes"], pages=parts["pages"]),
        seizure=_given_fields(
            document_number=parts["seizure_document"],
            seized_at=parts["seized_at"],
            officers=parts["seized_by"],
            holder=parts["seized_from"],
            witness=parts["seizure_witness"],
        ),
        collection=_given_fields(
            collectors=parts["collectors"],
            tool=parts["tool"],
            method=parts["method"],
            medium_item_id=parts["medium"],
            recording=tuple(_digests(recorder, parts["recordings"])),
        ),
        **given,
    )
    recorder.record(case_id, body)


_PARTS = (
    "volumes",
    "pages",
    "seizure_document",
    "seized_at",
    "seized_by",
    "seized_from",
    "seizure_witness",
    "collectors",
    "tool",
    "method",
    "medium",
    "recordings",
)


def _digests(recorder: EventRecorder, files: tuple[Path, ...]) -> list[str]:
    return [digest for file in files for digest in digests_of(file, recorder.session.output)]


@item_group.command("list")
@click.option("--case", "case_id", help="Only items of this case.")
@click.option("--holder", metavar="AGENCY", help="Only items that this agency holds.")
@pass_session
def list_(session: Session, /, **query: str | None) -> None:
    """List the items that you may see."""
    items = list(session.service.pages("/api/v1/items", "items", **query))
    session.output.table(items, [Column(name) for name in LISTED])


@item_group.command("show")
@click.argument("item_id")
@pass_session
def show(session: Session, item_id: str) -> None:
    """Show an item as it stands."""
    session.output.record(session.service.get(at("/api/v1/items/{}", item_id)))


@item_group.command("history")
@click.argument("item_id")
@pass_session
def history(session: Session, item_id: str) -> None:
    """Say who held an item, when, in what condition, on what authority, and whether in time."""
    show_history(session, session.service.get(at("/api/v1/items/{}/history", item_id), lang=session.language))


def _given_fields(**fields: Any) -> dict[str, Any]:
    """Return the fields that are given, in a nested body."""
    return {name: value for name, value in fields.items() if value not in (None, ())}


CASE = click.argument("case_id")
ITEM = click.argument("item_id")
PARTS = "At least two, such as 10 or 3:note@300.00; cash-1=3:note@300.00 gives the part its id."


@item_group.command("seal")
@CASE
@ITEM
@click.argument("seal_number")
@acting
def seal(recorder: EventRecorder, case_id: str, **fields: Any) -> None:
    """Seal an item."""
    recorder.record(case_id, make_body(item.ItemSealed, **fields))


@item_group.command("unseal")
@CASE
@ITEM
@click.argument("seal_number")
@click.option("--ground", required=True)
@acting
def unseal(recorder: EventRecorder, case_id: str, **fields: Any) -> None:
    """Open the seal of an item."""
    recorder.record(case_id, make_body(item.ItemUnsealed, **fields))


@item_group.command("examine")
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


@item_group.command("split")
@CASE
@ITEM
@click.option("--part", "parts", type=Portion(), multiple=True, required=True, help=PARTS)
@acting
def split(recorder: EventRecorder, case_id: str, **fields: Any) -> None:
    """Split an item into parts whose quantities and money add up to it; they get new ids unless they are given."""
    recorder.record(case_id, make_body(item.ItemSplit, **fields))


@item_group.command("merge")
@CASE
@click.argument("item_ids", nargs=-1, required=True)
@click.option("--whole", type=Portion(), required=True, help="What they come to, such as 10 or 5:note@500.00.")
@acting
def merge(recorder: EventRecorder, case_id: str, **fields: Any) -> None:
    """Merge fungible goods of one case into one item; it gets a new id unless one is given."""
    recorder.record(case_id, make_body(item.ItemMerged, **fields))


@item_group.command("move")
@CASE
@ITEM
@click.argument("storage_location")
@acting
def move(recorder: EventRecorder, case_id: str, **fields: Any) -> None:
    """Move an item to another place; custody stays."""
    recorder.record(case_id, make_body(item.ItemMoved, **fields))


@item_group.command("check-out")
@CASE
@ITEM
@click.option("--to-officer", required=True)
@click.option("--ground", required=True)
@click.option("--due-at", type=Moment())
@acting
def check_out(recorder: EventRecorder, case_id: str, **fields: Any) -> None:
    """Give an item to an officer of your agency for a time."""
    recorder.record(case_id, make_body(item.ItemCheckedOut, **fields))


@item_group.command("check-in")
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


@item_group.command("freeze")
@CASE
@ITEM
@click.argument("frozen_until", metavar="DAY")
@acting
def freeze(recorder: EventRecorder, case_id: str, **fields: Any) -> None:
    """Freeze property until a day."""
    recorder.record(case_id, make_body(item.ItemFrozen, **fields))


@item_group.command("renew-freeze")
@CASE
@ITEM
@click.argument("frozen_until", metavar="DAY")
@acting
def renew_freeze(recorder: EventRecorder, case_id: str, **fields: Any) -> None:
    """Renew a freeze until a later day."""
    recorder.record(case_id, make_body(item.ItemFreezeRenewed, **fields))


@item_group.command("propose-disposal")
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


@item_group.command("dispose")
@CASE
@click.argument("cites", metavar="EVENT_ID[=DIGEST]")
@click.option("--disposed-at", type=Moment(), required=True)
@click.option("--proceeds", type=Portion(), help="Of an early sale, such as 1@52000.00: becomes an item of its own.")
@acting
def dispose(recorder: EventRecorder, case_id: str, cites: str, **fields: Any) -> None:
    """Sign a disposal second, as another officer: cites the event that proposed it."""
    proposal = event_ref(recorder.session, cites, option="EVENT_ID")
    recorder.record(case_id, make_body(item.ItemDisposed, cites=proposal, **fields))
