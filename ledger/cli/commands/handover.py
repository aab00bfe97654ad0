"""``tally handover``: offer, accept, refuse, recall, return. It exists only when both halves match.

The lists of what is sent, and of what the receiver accepts or finds different, are read from options.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import click

from ledger.cli.command import Group, Words
from ledger.cli.event_recorder import EventRecorder, make_body
from ledger.cli.output import columns, when
from ledger.cli.params import (
    MOMENT,
    MONEY,
    ProcedureWord,
    act_command,
    add_act,
    generated_id,
    quantity,
    split_once,
    with_event_recorder,
    words,
)
from ledger.cli.report import flag_in_words
from ledger.cli.session import Session
from ledger.client.service import path_of
from ledger.core.custody.claimed_times import receipt
from ledger.core.custody.discrepancies import digests_conflict
from ledger.core.custody.flags import Flag
from ledger.core.custody.state import HandoverStatus
from ledger.core.errors import MalformedInput, NotFound
from ledger.core.events import Body, handover
from ledger.core.messages import Message, joined

LISTED = columns("case_id", "handover_id", "from_agency", "to_agency", "purpose", "status", "offered_at", "due_at")
LINES = columns("item_id", "description", "quantity", "seal_number", "condition", "stays", "taken")
LISTED_NOW = ("description", "quantity", "seal_number", "condition")
FIELDS_LISTED = ("quantity", "condition", "seal_number")
FIELDS_FOUND = ("quantity", "money", "condition", "seal_number", "seal_state", "digest", "remark", "match_result")
OF_NOT_ACCEPTED = frozenset({"quantity", "seal_state", "photographs"})
_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_PERSON = re.compile(r"[0-9a-f]{32}")
CASE = click.argument("case_id")
HANDOVER = click.argument("handover_id")
ITEMS = click.option("--item", "items", multiple=True, help="An item of the list; may be given several times.")
STAYS = click.option("--stays", multiple=True, metavar="ITEM", help="An item that stays where it is.")
LISTED_AS = click.option(
    "--listed",
    multiple=True,
    metavar="ITEM:FIELD=VALUE",
    help="What the list says of it, such as item-1:condition=wet.",
)
ALL = click.option("--all-items", is_flag=True, help="Every item that your agency holds, is in store and not offered.")
PERSONS = click.option("--person", "person_ids", multiple=True, help="A person who goes along.")
CASE_STAYS = click.option("--case-stays", is_flag=True, help="What is listed goes alone, without the case.")
PHOTOGRAPH = "A picture of how an item was found that differs, to digest."
EXCEPT = "An item not accepted. All others are as listed then, unless --received names those that are."
OUTLINE = click.option(
    "--outline",
    multiple=True,
    metavar="[ID=]TEXT|@FILE",
    help="A point of what is to be completed, about a person or item if it begins with its id; of a file, each line.",
)
NUMBER = click.option("--number")
NEW_ID = generated_id("--handover-id", "handover", "Unique within the case; made up unless given.")
STATUS = click.option("--status", type=words(HandoverStatus), help="Only those that stand so.")
ODD = "custody rule: claimed times fit each other"

ItemOf = Callable[[str], Mapping[str, Any]]  # an item as the record has it, by its id


@click.group("handover", cls=Group)
def handover_group() -> None:
    """Handovers between agencies: offer, accept item by item, refuse, recall, return."""


@act_command(handover_group, "handover.offered")
@CASE
@click.argument("to_agency")
@click.option("--purpose", type=ProcedureWord("purpose"), required=True)
@ITEMS
@ALL
@STAYS
@LISTED_AS
@PERSONS
@click.option("--follows", metavar="HANDOVER", help="An earlier handover that this one resumes.")
@click.option("--about", metavar="DECISION", help="The decision that it asks to be reviewed.")
@click.option("--expires-at", type=MOMENT, help="Until when it may be accepted.")
@click.option("--due-at", type=MOMENT, help="When what is lent is due back.")
@OUTLINE
@click.option(
    "--outline-answer",
    "outline_answers",
    multiple=True,
    metavar="NUMBER=TEXT",
    help="What came of a point of the outline of the handover that this one follows.",
)
@CASE_STAYS
@NUMBER
@NEW_ID
@with_event_recorder
def offer(recorder: EventRecorder, case_id: str, **fields: Any) -> None:
    """Offer a case, items or persons to another agency.

    FIELD of --listed is quantity, condition or seal_number; what it leaves out is as recorded.
    """
    _record_offer(recorder, case_id, handover.HandoverOffered, fields)


@act_command(handover_group, "handover.accepted")
@CASE
@HANDOVER
@click.option("--received-at", type=MOMENT, required=True, help="When it was delivered: the clock starts there.")
@click.option("--all-as-listed", is_flag=True, help="Everything that is not mentioned is as the list says.")
@click.option("--received", multiple=True, metavar="ITEM", help="An item that is as the list says.")
@click.option(
    "--found", "differences", multiple=True, metavar="ITEM:FIELD=VALUE", help="A difference, such as item-1:quantity=9."
)
@click.option(
    "--file", "files", multiple=True, metavar="ITEM=PATH", help="The file of an item as it is now, to digest."
)
@click.option("--photograph", "photographs", multiple=True, metavar="ITEM=PATH", help=PHOTOGRAPH)
@click.option("--except", "refused", multiple=True, metavar="ITEM=REASON[:TEXT]", help=EXCEPT)
@click.option("--absent", "absent_person_ids", multiple=True, metavar="PERSON", help="A person who did not come.")
@NUMBER
@with_event_recorder
def accept(
    recorder: EventRecorder,
    /,
    *,
    case_id: str,
    all_as_listed: bool,
    received: tuple[str, ...],
    differences: tuple[str, ...],
    files: tuple[str, ...],
    photographs: tuple[str, ...],
    refused: tuple[str, ...],
    **fields: Any,
) -> None:
    """Accept a handover, wholly or in part.

    FIELD is quantity, money, condition, seal_number, seal_state, digest, remark or match_result. With --except it tells
    how the item was found that stays with the sender.
    """
    from ledger.cli.files import digests_of

    session = recorder.session
    paths = dict(split_once(text, "=", "--file", "ITEM=PATH") for text in files)
    pictures = [split_once(text, "=", "--photograph", "ITEM=PATH") for text in photographs]
    answer = acceptance(
        received,
        differences,
        refused,
        item_of=partial(_item, session),
        files={item_id: digests_of(Path(path), session.output) for item_id, path in paths.items()},
        photographs=[(item_id, digests_of(Path(path), session.output)) for item_id, path in pictures],
    )
    rest_as_listed = all_as_listed or bool(refused and not received)
    body = make_body(handover.HandoverAccepted, rest_as_listed=rest_as_listed, **answer, **fields)
    _look_at_receipt(session, case_id, fields)
    recorder.record(case_id, body)


@act_command(handover_group, "handover.refused")
@CASE
@HANDOVER
@click.option("--reason", "reason_code", type=ProcedureWord("reason_code"), required=True)
@click.option("--remedy", type=ProcedureWord("remedy"), required=True, help="What the sender can do.")
@click.option("--explanation", required=True)
@click.option("--received-at", type=MOMENT, help="When it was delivered: the clock starts there.")
@click.option("--due-at", type=MOMENT, help="Until when the remedy is due.")
@NUMBER
@with_event_recorder
def refuse(recorder: EventRecorder, case_id: str, **fields: Any) -> None:
    """Refuse a handover."""
    if fields["received_at"] is not None:
        _look_at_receipt(recorder.session, case_id, fields)
    recorder.record(case_id, make_body(handover.HandoverRefused, **fields))


def _look_at_receipt(session: Session, case_id: str, fields: dict[str, Any]) -> None:
    """Say from when time will run, and warn where that does not fit the offer, before anything is signed."""
    received_at = fields["received_at"]
    path = path_of("/api/v1/cases/{}/handovers/{}", case_id, fields["handover_id"])
    offered_at = session.service.get(path)["offered_at"]
    session.output.note(f"{session.labels.of('field', 'received_at')}: {when(received_at)}")
    for contradiction in receipt(received_at, offered_at).contradictions():
        session.output.warn(flag_in_words(session.labels, Flag("odd_time", ODD, contradiction)))


def _record_offer(recorder: EventRecorder, case_id: str, body: type[Body], fields: dict[str, Any]) -> None:
    """Record an offer, of a handover or of a return."""
    session = recorder.session
    items, stays, listed = fields.pop("items"), fields.pop("stays"), fields.pop("listed")
    if fields.pop("all_items"):
        own = session.profile.agency
        of_case = session.service.get(path_of("/api/v1/cases/{}", case_id))["items"]
        free = [item for item in of_case if (item["holder"], item["status"], item["offer"]) == (own, "held", None)]
        items = [*items, *(item["item_id"] for item in free if item["item_id"] not in stays)]
    lines = transfer_list(items, stays, listed, item_of=partial(_item, session))
    fields["outline"] = [point for text in fields["outline"] for point in outline_points(text)]
    pairs = [split_once(text, "=", "--outline-answer", "NUMBER=TEXT") for text in fields.pop("outline_answers", ())]
    fields["outline_answers"] = [
        {"point": int(number) if number.isdecimal() else number, "text": text} for number, text in pairs
    ]
    recorder.record(case_id, make_body(body, items=lines, **fields))


def _record_check(recorder: EventRecorder, case_id: str, body: type[Body], fields: dict[str, Any]) -> None:
    pairs = [split_once(text, "=", "--aspect", "ASPECT=RESULT") for text in fields.pop("aspects")]
    aspects = [{"aspect": aspect, "result": result} for aspect, result in pairs]
    recorder.record(case_id, make_body(body, aspects=aspects, **fields))


act = partial(add_act, handover_group)
act(
    "handover.recalled",
    "handover_id",
    click.option("--ground", required=True),
)
act(
    "handover.returned",
    click.argument("returns", metavar="HANDOVER_ID"),
    click.option("--purpose", type=ProcedureWord("purpose"), default="return", show_default=True),
    click.option("--reason", "reason_code", type=ProcedureWord("reason_code"), required=True),
    click.option("--explanation", required=True),
    *(ITEMS, ALL, STAYS, LISTED_AS, PERSONS),
    click.option("--remedy", type=ProcedureWord("remedy")),
    click.option("--due-at", type=MOMENT),
    OUTLINE,
    CASE_STAYS,
    "--number",
    NEW_ID,
    record=_record_offer,
)
act(
    "handover.checked",
    "handover_id",
    click.option(
        "--aspect",
        "aspects",
        metavar="ASPECT=RESULT",
        multiple=True,
        required=True,
        help="What was looked at, and whether it is passed, failed or not_applicable; may be given several times.",
    ),
    "--remark",
    record=_record_check,
)


@handover_group.command("inbox")
@STATUS
def inbox(session: Session, status: str | None) -> None:
    """List the handovers that are offered to your agency. Letters, which move nothing, are in 'tally letter list'."""
    _list(session, "inbox", status)


@handover_group.command("outbox")
@STATUS
def outbox(session: Session, status: str | None) -> None:
    """List the handovers that your agency has offered."""
    _list(session, "outbox", status)


@handover_group.command("show")
@CASE
@HANDOVER
def show(session: Session, case_id: str, handover_id: str) -> None:
    """Show a handover with its list and its answer."""
    row = session.service.get(path_of("/api/v1/cases/{}/handovers/{}", case_id, handover_id))
    session.output.record(row, columns(*(name for name in row if name not in ("items", "accepted_items"))))
    if not session.json and row["items"]:
        session.output.part("items", _list_of(session, row), LINES)


def _list_of(session: Session, row: dict[str, Any]) -> list[dict[str, Any]]:
    """Return each line as it was listed, with what the reader may see of the item, and what came of it."""
    try:
        now = session.service.get(path_of("/api/v1/cases/{}", row["case_id"]))["items"]
    except NotFound:  # an offer that was refused or recalled shows nothing but itself
        now = []
    of_case = LISTED_NOW if row["status"] == "offered" else ("description",)  # later it may be another than was listed
    items = {item["item_id"]: {name: item.get(name) for name in of_case} for item in now}
    answered = row["status"] in ("accepted", "partially_accepted")
    return [
        items.get(line["item_id"], {})
        | line
        | {"taken": line["item_id"] in row["accepted_items"] if answered else None}
        for line in row["items"]
    ]


def _list(session: Session, box: str, status: str | None) -> None:
    handovers = list(session.service.pages("/api/v1/handovers", "handovers", box=box, status=status))
    session.output.table(handovers, LISTED)


def _item(session: Session, item_id: str) -> dict[str, Any]:
    item: dict[str, Any] = session.service.get(path_of("/api/v1/items/{}", item_id))
    return item


def transfer_list(
    items: Iterable[str], stays: Iterable[str], listed: Iterable[str], *, item_of: ItemOf
) -> list[dict[str, Any]]:
    """Return the lines of an offer: items that go, items that stay, and their ``ITEM:FIELD=VALUE`` options."""
    lines: dict[str, dict[str, Any]] = {item_id: {} for item_id in items}
    lines |= {item_id: {"stays": True} for item_id in stays}
    for item_id, fields in _fields_by_item("--listed", listed, FIELDS_LISTED, item_of).items():
        lines[item_id] = lines.get(item_id, {}) | fields
    return [{"item_id": item_id} | line for item_id, line in lines.items()]


def outline_points(text: str) -> list[dict[str, str]]:
    """Return the points that a text of ``--outline`` has: itself, or each line of the file that it names."""
    points = []
    for line in Words().convert(text, None, None).splitlines() if text.startswith("@") else [text]:
        subject, is_about, rest = line.strip().partition("=")
        if is_about and _ID.fullmatch(subject):
            points.append({"person_id" if _PERSON.fullmatch(subject) else "item_id": subject, "text": rest.strip()})
        elif line.strip():
            points.append({"text": line.strip()})
    return points


def acceptance(
    as_listed: Iterable[str],
    differing: Iterable[str],
    not_accepted: Iterable[str],
    *,
    item_of: ItemOf,
    files: Mapping[str, Sequence[str]] | None = None,
    photographs: Iterable[tuple[str, Sequence[str]]] = (),
) -> dict[str, list[dict[str, Any]]]:
    """Return the lists ``received`` and ``not_accepted`` of an acceptance.

    ``item_of`` is asked for the unit of a quantity and the currency of a sum that name none, and for the digests that
    ``files`` are held against: those of the files of items now. ``photographs`` are the digests of each picture of an
    item that differs, or is not accepted.
    """
    differences = _fields_by_item("--found", differing, FIELDS_FOUND, item_of)
    for item_id, digests in (files or {}).items():
        entry: dict[str, Any] = {"digests": list(digests)}
        if not digests_conflict(item_of(item_id)["digests"], digests) and item_id not in differences:
            entry["match_result"] = "match"
        differences[item_id] = differences.get(item_id, {}) | entry
    for item_id, digests in photographs:
        differences.setdefault(item_id, {}).setdefault("photographs", []).extend(digests)
    refused = []
    for text in not_accepted:
        item_id, reason_text = split_once(text, "=", "--except", "ITEM=REASON")
        reason, _, explanation = reason_text.partition(":")
        fields = differences.pop(item_id, {})
        for field in fields.keys() - OF_NOT_ACCEPTED:
            expected = Message(
                "{choices} for {item_id}, which is not accepted",
                choices=joined(sorted(OF_NOT_ACCEPTED), by=" or "),
                item_id=item_id,
            )
            _refuse("--found", expected, field)
        explained = {"explanation": explanation} if explanation else {}
        refused.append({"item_id": item_id, "reason_code": reason} | explained | fields)
    received: list[dict[str, Any]] = [{"item_id": item_id, "match_result": "match"} for item_id in as_listed]
    received += [{"item_id": item_id, "match_result": "mismatch"} | fields for item_id, fields in differences.items()]
    return {"received": received, "not_accepted": refused}


def _fields_by_item(
    option: str, texts: Iterable[str], allowed: Sequence[str], item_of: ItemOf
) -> dict[str, dict[str, Any]]:
    """Parse ``ITEM:FIELD=VALUE`` options into the fields of each item's line."""
    lines: dict[str, dict[str, Any]] = {}
    for text in texts:
        item_id, assignment = split_once(text, ":", option, "ITEM:FIELD=VALUE")
        field, value = split_once(assignment, "=", option, "ITEM:FIELD=VALUE")
        if field not in allowed:
            _refuse(option, Message("one of {choices}", choices=", ".join(allowed)), field)
        fields = lines.setdefault(item_id, {})
        if field == "quantity":
            expected = Message("quantity=9 or quantity=12.5:gram")
            unit = None if ":" in value else item_of(item_id)["quantity"]["unit"]
            fields[field] = quantity(value, unit, partial(_refuse, option, expected, value))
        elif field == "money":
            money = None if ":" in value else item_of(item_id)["money"]
            fields[field] = MONEY.read(value if money is None else f"{value}:{money['currency']}", option)
        elif field == "digest":
            fields.setdefault("digests", []).append(value)
        else:
            fields[field] = value
    return lines


def _refuse(option: str, expected: str, text: str) -> NoReturn:
    raise MalformedInput("expected {expected}, not {given!r}", expected=expected, given=text, field=option)
