"""``tally item``: things, data, money and persons in custody."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import click

from ledger.cli.bodies import make_body
from ledger.cli.command import Group
from ledger.cli.commands import item_acts
from ledger.cli.event_recorder import EventRecorder
from ledger.cli.files import digests_of, progress_of
from ledger.cli.output import Column
from ledger.cli.params import FILE, Moment, Money, Quantity, acting, words
from ledger.cli.session import Session, pass_session
from ledger.cli.timeline_output import show_history
from ledger.client.service import at
from ledger.core.errors import IntegrityBroken, MalformedInput
from ledger.core.events import item
from ledger.core.events.terms import ItemKind
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
def command() -> None:
    """Items: register, seal, move, examine, split, freeze, dispose."""


def _options(function: Any) -> Any:
    """Add the options that describe a thing beyond its kind and description."""
    for name in reversed(TEXTS):
        function = click.option(f"--{name}")(function)
    return function


@command.command("register")
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


@command.command("list")
@click.option("--case", "case_id", help="Only items of this case.")
@click.option("--holder", metavar="AGENCY", help="Only items that this agency holds.")
@pass_session
def list_(session: Session, /, **query: str | None) -> None:
    """List the items that you may see."""
    items = list(session.service.pages("/api/v1/items", "items", **query))
    session.output.table(items, [Column(name) for name in LISTED])


@command.command("show")
@click.argument("item_id")
@pass_session
def show(session: Session, item_id: str) -> None:
    """Show an item as it stands."""
    session.output.record(session.service.get(at("/api/v1/items/{}", item_id)))


@command.command("history")
@click.argument("item_id")
@pass_session
def history(session: Session, item_id: str) -> None:
    """Say who held an item, when, in what condition, on what authority, and whether in time."""
    show_history(session, session.service.get(at("/api/v1/items/{}/history", item_id), lang=session.language))


def _given_fields(**fields: Any) -> dict[str, Any]:
    """Return the fields that are given, in a nested body."""
    return {name: value for name, value in fields.items() if value not in (None, ())}


for act in item_acts.COMMANDS:
    command.add_command(act)
