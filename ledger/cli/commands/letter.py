"""``tally letter``: notices, requests and answers, their receipts, and what comes in from outside."""

from __future__ import annotations

from typing import Any

import click

from ledger.cli.command import Group
from ledger.cli.event_recorder import EventRecorder, make_body
from ledger.cli.output import RECEIVED, columns
from ledger.cli.params import (
    MOMENT,
    OUTSIDE,
    PARTICULARS,
    PLACE,
    DigestedFile,
    ProcedureWord,
    act_command,
    generated_id,
    options,
    outsider,
    particulars_of,
    with_event_recorder,
)
from ledger.cli.session import Session
from ledger.client.service import path_of
from ledger.core.events.letter import LetterFiled, LetterReceived, LetterSent

KIND = "kind:letter_kind"
LISTED = (
    *columns("case_id", "letter_id", KIND, "number", "from_agency", "to_agency", "sent_at"),
    RECEIVED,
    *columns("due_at", "answered_at"),
)


@click.group("letter", cls=Group)
def letter_group() -> None:
    """Letters: notices, requests and answers, their receipts, and what comes in from outside."""


CORRESPONDENT = options(click.option("--person", metavar="PERSON", help="A person of the case."), OUTSIDE, PLACE)
ABOUT_LETTER = options(
    click.option("--about-person", "person_ids", multiple=True, help="Whom it is about; may be given several times."),
    click.option("--item", "item_ids", multiple=True, help="An item that it is about; may be given several times."),
    click.option("--about", metavar="DECISION", help="The decision that it is about."),
    click.option("--answers", metavar="LETTER", help="The letter that it answers."),
    click.option("--file", "digests", type=DigestedFile(), help="The letter, to digest."),
    generated_id("--letter-id", "letter"),
)


@letter_group.command("list")
@click.option(
    "--box",
    type=click.Choice(("inbox", "outbox", "all")),
    default="all",
    show_default=True,
    help="Those to your agency, those by it, or both.",
)
@click.option("--waiting", is_flag=True, help="Only those that wait for a receipt, or for the answer they ask for.")
@click.option("--number", help="Only those whose number has this in it, as it stands on the paper.")
def list_(session: Session, /, *, box: str, waiting: bool, number: str | None) -> None:
    """List the letters to and by your agency, also about cases in which it has no part.

    Handovers are in 'tally handover inbox' and 'tally handover outbox'.
    """
    query = {"box": box, "waiting": waiting or None, "number": number}
    letters = list(session.service.pages("/api/v1/letters", "letters", **query))
    session.output.table(letters, LISTED)


@letter_group.command("show")
@click.argument("case_id")
@click.argument("letter_id")
def show(session: Session, /, *, case_id: str, letter_id: str) -> None:
    """Show a letter to or by your agency: what it says, its receipt, and when it was answered."""
    letter = session.service.get(path_of("/api/v1/cases/{}/letters/{}", case_id, letter_id))
    if session.json:
        session.output.record(letter)
        return
    event = letter.pop("event")
    letter["content"] = event["payload"]["body"].get("content")
    shown = [name for name, value in letter.items() if value not in (None, [])]
    session.output.record(letter, columns(*(KIND if name == "kind" else name for name in shown)))
    for label, section in (event.get("sections") or {}).items():
        session.output.under(label)
        session.output.record((section or {}).get("fields", {}))


@act_command(letter_group, "letter.sent")
@click.argument("case_id")
@click.argument("kind", type=ProcedureWord("letter_kind"))
@click.option("--number", required=True)
@click.option("--sent-at", type=MOMENT, required=True, help="When it was sent.")
@click.option("--agency", "to_agency", help="The agency to which it goes.")
@CORRESPONDENT
@click.option("--serves", metavar="DECISION", help="The decision that it brings to its addressee.")
@click.option("--due-at", type=MOMENT, help="Until when an answer is asked for.")
@click.option("--content", help="What it says, without names of persons.")
@PARTICULARS
@ABOUT_LETTER
@with_event_recorder
def send(
    recorder: EventRecorder,
    case_id: str,
    person: str | None,
    outside: tuple[str, str] | None,
    place: str | None,
    **fields: Any,
) -> None:
    """Record a letter to an agency, to a person of the case, or to somebody outside."""
    fields |= {"to_person": person, "to_outside": outsider(outside, place)}
    fields["particulars"] = particulars_of(fields["particulars"])
    recorder.record(case_id, make_body(LetterSent, **fields))


@act_command(letter_group, "letter.received")
@click.argument("case_id")
@click.argument("letter_id")
@click.option("--received-at", type=MOMENT, required=True)
@click.option("--service", type=ProcedureWord("service"))
@click.option("--file", "digests", type=DigestedFile(), help="The receipt, to digest.")
@with_event_recorder
def receive(recorder: EventRecorder, case_id: str, **fields: Any) -> None:
    """Record the receipt of a letter, as its addressee or as its sender with the receipt in hand."""
    recorder.record(case_id, make_body(LetterReceived, **fields))


@act_command(letter_group, "letter.filed")
@click.argument("case_id")
@click.argument("kind", type=ProcedureWord("letter_kind"))
@click.option("--received-at", type=MOMENT, required=True)
@CORRESPONDENT
@click.option("--number")
@ABOUT_LETTER
@with_event_recorder
def file(
    recorder: EventRecorder,
    case_id: str,
    person: str | None,
    outside: tuple[str, str] | None,
    place: str | None,
    **fields: Any,
) -> None:
    """Record a letter that came in from a person of the case or from somebody outside."""
    side = {"from_person": person, "from_outside": outsider(outside, place)}
    recorder.record(case_id, make_body(LetterFiled, **side, **fields))
