"""``tally item``: things, data, money and persons in custody."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Any

import click

from ledger.cli.command import Group, output_option
from ledger.cli.commands.item_files import add_commands
from ledger.cli.event_recorder import EventRecorder, make_body
from ledger.cli.files import digests_of, progress_of
from ledger.cli.output import columns
from ledger.cli.params import (
    FILE,
    GROUND,
    MOMENT,
    MONEY,
    PARTICULARS,
    PORTION,
    QUANTITY,
    DigestedFile,
    EventReference,
    ProcedureWord,
    act_command,
    add_act,
    particulars_of,
    with_event_recorder,
    words,
)
from ledger.cli.session import Session
from ledger.cli.timeline_output import ON, show_custody
from ledger.client.service import path_of
from ledger.core.errors import IntegrityBroken, MalformedInput
from ledger.core.events import Stream, item
from ledger.core.events.terms import MatchResult, SealState
from ledger.core.messages import Message, Term
from ledger.core.verification.report import worst
from ledger.i18n import label_first_by
from ledger.recording.event_signing import MAX_ACTS, new_id


def sealed_item(session: Session, bag: Path, case_id: str, item_id: str | None) -> tuple[str, list[str]]:
    """Check a sealed folder, every file of which is read, and return the id that it names and its digests as text.

    Raises IntegrityBroken for a bag that is not intact, MalformedInput for one of another item, case or ledger.
    """
    from ledger.evidence.checking import check_bag

    with progress_of(bag.name, session.output) as progress:
        checked = check_bag(bag, None, progress=progress)
    *of_itself, _ = checked.steps  # there is no record yet to compare it with
    if (verdict := worst(step.verdict for step in of_itself)) != "intact":
        step = next(step for step in of_itself if step.verdict == verdict)
        raise IntegrityBroken(
            "the bag is {verdict}: {step.detail}",
            verdict=Term("verdict", verdict),
            step=step,
            field="--bag",
            hint="tally evidence check",
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
            raise MalformedInput(
                "the bag was sealed for {actual}, not for {expected}", actual=actual, expected=expected, field="--bag"
            )
    return bound.item_id, list(checked.digests)


BAG = click.Path(exists=True, file_okay=False, path_type=Path)
LISTED = columns("item_id", "item_kind", "description", "quantity", "holder", "responsible", "status", "case_id")


@click.group("item", cls=Group)
def item_group() -> None:
    """Items: register, seal, move, examine, split, freeze, dispose."""


_BETWEEN_NAMES = re.compile(r"[\n,，、;；]+")
KIND = ProcedureWord("item_kind")
SIZE = "A sheet of 24, 70 × 37 mm each, or a roll of 60 × 40 mm."


@act_command(item_group, "item.registered")
@click.argument("case_id")
@click.argument("description")
@click.option("--kind", "item_kind", type=KIND, help="Kind [the procedure's first].")
@click.option("--quantity", type=QUANTITY, default="1", show_default=True)
@click.option("--item-id", help="Unique over all cases; made up unless given.")
@click.option("--file", "digests", type=DigestedFile(), multiple=True, help="A file to digest with BLAKE3 and SHA-256.")
@click.option("--bag", type=BAG, help="The sealed folder of the item, as 'tally evidence seal' makes it.")
@click.option("--exhibit-number")
@click.option("--condition")
@click.option("--seal-number")
@click.option("--storage-location")
@click.option("--features", help="By what it is told apart from others of its kind.")
@click.option("--obtained-from", help="Where or from whom it comes.")
@PARTICULARS
@click.option("--account")
@click.option("--money", type=MONEY, help="Money, in the procedure's currency unless another one follows.")
@click.option("--fungible", is_flag=True, help="Goods of which one is as good as another.")
@click.option("--volumes", type=int, help="Volumes of a dossier.")
@click.option("--pages", type=int, help="Pages of a dossier, in all.")
@click.option("--person", "person_id", help="The person whom a detainee is.")
@click.option("--parent", "parent_items", multiple=True, help="An item that this one comes from.")
@click.option("--seizure-document", help="Number of the seizure document.")
@click.option("--seized-at", type=MOMENT)
@click.option("--seized-by", multiple=True, help="An officer who seized it; name each.")
@click.option("--seized-from", metavar="PERSON", help="Who held it when it was seized.")
@click.option("--seizure-witness", metavar="PERSON", help="Who witnessed the seizure.")
@click.option("--seizure-no-witness", metavar="TEXT", help="Why nobody witnessed the seizure.")
@click.option("--seizure-place", help="Where it was seized.")
@click.option("--collector", "collectors", multiple=True, help="An officer who collected data; name each.")
@click.option("--tool", help="With which data was collected.")
@click.option("--method", help="How data was collected.")
@click.option("--address", help="Address of the remote system that data was collected from: a URL or an IP address.")
@click.option("--network-time", type=MOMENT, help="What a time server said when data was collected over a network.")
@click.option("--record-number", help="Number of the record of the collection.")
@click.option("--medium", help="The item that is the original medium of data.")
@click.option("--medium-not-taken", metavar="TEXT", help="Why the original medium of data was not taken.")
@click.option("--collection-witness", metavar="PERSON", help="Who witnessed the collection of data.")
@click.option("--collection-no-witness", metavar="TEXT", help="Why nobody witnessed the collection of data.")
@click.option(
    "--recording", "recordings", type=DigestedFile(), multiple=True, help="A recording of the collection, to digest."
)
@with_event_recorder
def register(
    recorder: EventRecorder, case_id: str, item_id: str | None, digests: list[str], bag: Path | None, **stated: Any
) -> None:
    """Register an item."""
    parts = {
        part: {field: value for field, name in fields.items() if (value := stated.pop(name)) not in (None, (), [])}
        for part, fields in PARTS_OF_ITEM.items()
    }
    if bag is not None:
        item_id, own_digests = sealed_item(recorder.session, bag, case_id, item_id)
        digests = [*own_digests, *digests]
    if stated["item_kind"] is None:
        stated["item_kind"] = next(iter(recorder.session.procedure_of(case_id).items))
    stated["particulars"] = particulars_of(stated["particulars"])
    own = item_id or new_id("item")
    recorder.record(case_id, make_body(item.ItemRegistered, item_id=own, digests=digests, **parts, **stated))


# The parameters that the fields of an item's parts come from.
PARTS_OF_ITEM = {
    "dossier": {"volumes": "volumes", "pages": "pages"},
    "seizure": {
        "document_number": "seizure_document",
        "seized_at": "seized_at",
        "officers": "seized_by",
        "holder": "seized_from",
        "witness": "seizure_witness",
        "place": "seizure_place",
        "no_witness": "seizure_no_witness",
    },
    "collection": {
        "collectors": "collectors",
        "tool": "tool",
        "method": "method",
        "medium_item_id": "medium",
        "medium_not_taken": "medium_not_taken",
        "witness": "collection_witness",
        "no_witness": "collection_no_witness",
        "recording": "recordings",
        "address": "address",
        "network_time_at": "network_time",
        "record_number": "record_number",
    },
}


@item_group.command("register-table")
@click.argument("case_id")
@click.argument("file", type=FILE)
@with_event_recorder
def register_table(recorder: EventRecorder, case_id: str, file: Path) -> None:
    """Register the items of an XLSX or CSV file, a row each: all of them, or none.

    Its headings are those of the console's template. Files that a row names lie beside the table, and are digested.
    """
    from ledger.interchange.imports.item_table import DIGESTS, FILES, item_columns, item_fields, table_of

    session = recorder.session
    book = session.procedure_of(case_id)
    label_first_by(book)
    columns = item_columns(book, session.labels)
    headings = {column.path: column.label for column in columns}
    bodies: list[item.ItemRegistered] = []
    faults: list[str] = []
    for row in table_of(file.read_bytes(), columns).rows:
        names = [name.strip() for name in _BETWEEN_NAMES.split(row.cells.get(FILES, "")) if name.strip()]
        # Whoever sent the table must not have other files of this machine digested into the record.
        beside = {
            name: file.parent / name for name in names if Path(name).name == name and (file.parent / name).is_file()
        }
        missing = ", ".join(name for name in names if name not in beside)
        own = [row.cells.get(DIGESTS, "")]
        own += [digest for each in beside.values() for digest in digests_of(each, session.output)]
        fields, wrong = item_fields({**row.cells, DIGESTS: " ".join(own).strip()}, columns, book)
        reasons = {fault.path: fault.reason for fault in (*wrong, *row.faults)}
        if missing:
            reasons[FILES] = Message("there is no file {names} beside the table", names=missing)
        faults += (
            session.labels.translate(
                Message("row {number}, {column}: {reason}", number=row.number, column=headings[path], reason=reason)
            )
            for path, reason in reasons.items()
        )
        if not reasons:
            bodies.append(make_body(item.ItemRegistered, item_id=new_id("item"), **fields))
    if faults:
        lines = "\n".join(faults)
        raise MalformedInput("{count} cells are to be mended:\n{faults}", count=len(faults), faults=lines, field="FILE")
    if not 0 < len(bodies) <= MAX_ACTS:
        raise MalformedInput(
            "expected 1 to {limit} items, not {count}", limit=MAX_ACTS, count=len(bodies), field="FILE"
        )
    place = recorder.place(Stream(kind="case", id=case_id))
    recorder.record_all([(body, place) for body in bodies])


@item_group.command("list")
@click.option("--case", "case_id", help="Only items of this case.")
@click.option("--holder", metavar="AGENCY", help="Only items that this agency holds.")
def list_(session: Session, /, **query: str | None) -> None:
    """List the items that you may see."""
    session.output.table(list(session.service.pages("/api/v1/items", "items", **query)), LISTED)


@item_group.command("show")
@click.argument("item_id")
def show(session: Session, item_id: str) -> None:
    """Show an item as it stands."""
    session.output.record(session.service.get(path_of("/api/v1/items/{}", item_id)))


@item_group.command("history")
@click.argument("item_id")
@ON
def history(session: Session, item_id: str, on: str | None) -> None:
    """Say who held an item, when, in what condition, on what authority, and whether in time."""
    show_custody(session, path_of("/api/v1/items/{}/history", item_id), on)


@item_group.command("labels")
@click.argument("case_id")
@click.argument("item_ids", nargs=-1)
@click.option("--size", type=click.Choice(["a4-24", "roll"]), default="a4-24", show_default=True, help=SIZE)
@click.option("--first", type=click.IntRange(1), help="Without ITEM_IDS: from this item of the case on.")
@click.option("--start", type=click.IntRange(1, 24), help="The first free place of a sheet that is begun.")
@output_option(default="CASE_ID.labels.pdf")
def labels(
    session: Session, /, case_id: str, item_ids: tuple[str, ...], output: Path | None, **query: str | None
) -> None:
    """Print labels of items, each with its id as a QR code for scanners."""
    from ledger.cli.files import save

    printed = session.service.fetch(path_of("/api/v1/cases/{}/labels", case_id), item_id=item_ids or None, **query)
    save(session, output or Path(f"{case_id}.labels.pdf"), printed)


act = partial(add_act, item_group)
ITEMS = click.argument("item_ids", nargs=-1, required=True)
DAY = click.argument("frozen_until", metavar="DAY")
FILE_NOW = click.option("--file", "digests", type=DigestedFile(), help="The file as it is now, to digest.")
PARTS = "At least two, such as 10 or 3:note@300.00; cash-1=3:note@300.00 gives the part its id."
WHOLE = "What they come to, such as 10 or 5:note@500.00."
DESPITE = click.option(
    "--despite-hold", "despite_holds", multiple=True, help="A legal hold in spite of which it has happened."
)
SUM_FOUND = "The sum that was found, if another."
PROCEEDS = "Proceeds of an early sale, such as 1@52000.00: they become an item of their own."

act("item.sealed", "item_id", "seal_number")
act("item.unsealed", "item_id", "seal_number", GROUND)
act(
    "item.examined",
    "item_id",
    click.option("--method", required=True),
    click.option(
        "--match", "match_result", type=words(MatchResult), required=True, help="How it compares with the record."
    ),
    "--condition",
    click.option("--quantity", type=QUANTITY),
    click.option("--money", type=MONEY, help=SUM_FOUND),
    FILE_NOW,
    "--finding",
)
act(
    "item.split",
    "item_id",
    click.option("--part", "parts", type=PORTION, multiple=True, required=True, help=PARTS),
)
act(
    "item.merged",
    ITEMS,
    click.option("--whole", type=PORTION, required=True, help=WHOLE),
)
act("item.moved", "item_id", "storage_location")
act(
    "item.checked_out",
    "item_id",
    click.option("--to-officer", required=True),
    GROUND,
    click.option("--due-at", type=MOMENT),
)
act(
    "item.checked_in",
    "item_id",
    "--condition",
    "--seal-number",
    click.option("--seal-state", type=words(SealState)),
    click.option("--quantity", type=QUANTITY, help="What came back, if another."),
    click.option("--money", type=MONEY, help=SUM_FOUND),
    click.option("--match", "match_result", type=words(MatchResult), help="How it compares with the record."),
    FILE_NOW,
    "--remark",
)
act(
    "item.frozen",
    "item_id",
    DAY,
    "--number",
    click.option("--method", help="What keeps it unchanged, such as a locked account."),
    click.option("--file", "digests", type=DigestedFile(), help="The data as it is frozen, to digest."),
)
act("item.freeze_renewed", "item_id", DAY, "--number")
act(
    "item.unfrozen",
    "item_id",
    click.option("--unfrozen-at", type=MOMENT, required=True, help="When it was lifted."),
    GROUND,
    "--number",
)
act(
    "item.disposal_proposed",
    click.argument("disposal", type=ProcedureWord("disposal")),
    ITEMS,
    GROUND,
    click.option("--decision", "decision_id", help="Id of the decision that orders it."),
    "--recipient",
    DESPITE,
)
act(
    "item.disposed",
    click.argument("cites", type=EventReference()),
    click.option("--disposed-at", type=MOMENT, required=True),
    click.option("--proceeds", type=PORTION, help=PROCEEDS),
    DESPITE,
)
add_commands(item_group)
