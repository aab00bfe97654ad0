"""``tally handover``: offer, accept, refuse, recall, return. It exists only when both halves match."""

from __future__ import annotations

from typing import Any

import click

from ledger.cli.answers import Answer
from ledger.cli.bodies import make_body
from ledger.cli.clerk import Clerk, new_id
from ledger.cli.client import at
from ledger.cli.command import Group
from ledger.cli.output import Column
from ledger.cli.params import Moment, acting, words
from ledger.cli.session import Session, pass_session
from ledger.core.event import handover
from ledger.core.event.terms import CheckResult, Purpose, ReasonCode, Remedy

LISTED = ("case_id", "handover_id", "from_agency", "to_agency", "purpose", "status", "offered_at", "due_at")
CASE = click.argument("case_id")
HANDOVER = click.argument("handover_id")
ITEMS = click.option("--item", "items", multiple=True, help="An item of the list; may be given several times.")
STAYS = click.option("--stays", multiple=True, metavar="ITEM", help="An item that stays where it is.")
PERSONS = click.option("--person", "person_ids", multiple=True, help="A person who goes along.")
NEW_ID = click.option("--handover-id", help="Unique within the case; made up unless given.")


@click.group("handover", cls=Group)
def command() -> None:
    """Handovers between agencies: offer, accept item by item, refuse, recall, return."""


@command.command("offer")
@CASE
@click.argument("to_agency")
@click.option("--purpose", type=words(Purpose), required=True)
@ITEMS
@STAYS
@PERSONS
@click.option("--follows", metavar="HANDOVER", help="An earlier handover that this one resumes.")
@click.option("--expires-at", type=Moment())
@NEW_ID
@acting
def offer(
    clerk: Clerk,
    case_id: str,
    handover_id: str | None,
    items: tuple[str, ...],
    stays: tuple[str, ...],
    **fields: Any,
) -> None:
    """Offer a case, items or persons to another agency. Nothing moves until it accepts."""
    own = handover_id or new_id("handover")
    lines = _lines(items, stays)
    clerk.record(case_id, make_body(handover.HandoverOffered, handover_id=own, items=lines, **fields))


@command.command("accept")
@CASE
@HANDOVER
@click.option("--received-at", type=Moment(), required=True, help="When it was delivered: the clock starts there.")
@click.option("--all-as-listed", is_flag=True, help="Everything that is not mentioned is as the list says.")
@click.option("--received", multiple=True, metavar="ITEM", help="An item that is as the list says.")
@click.option("--found", multiple=True, metavar="ITEM:FIELD=VALUE", help="A difference, such as item-1:quantity=9.")
@click.option("--except", "refused", multiple=True, metavar="ITEM=REASON[:TEXT]", help="An item not accepted.")
@click.option("--absent", "absent_person_ids", multiple=True, metavar="PERSON", help="A person who did not come.")
@acting
def accept(
    clerk: Clerk,
    /,
    *,
    case_id: str,
    handover_id: str,
    received_at: str,
    all_as_listed: bool,
    received: tuple[str, ...],
    found: tuple[str, ...],
    refused: tuple[str, ...],
    absent_person_ids: tuple[str, ...],
) -> None:
    """Accept a handover, wholly or in part: custody of what is accepted moves now.

    FIELD is quantity, condition, seal_number, seal_state, digest, remark or match_result. With --except it tells how
    the item was found that stays with the sender.
    """
    answer = Answer(received, found, refused, unit_of=lambda item_id: _unit_of(clerk.session, item_id))
    body = make_body(
        handover.HandoverAccepted,
        handover_id=handover_id,
        received_at=received_at,
        rest_as_listed=all_as_listed,
        received=answer.received,
        not_accepted=answer.not_accepted,
        absent_person_ids=absent_person_ids,
    )
    clerk.record(case_id, body)


@command.command("refuse")
@CASE
@HANDOVER
@click.option("--reason", "reason_code", type=words(ReasonCode), required=True)
@click.option("--remedy", type=words(Remedy), required=True, help="What the sender can do.")
@click.option("--explanation", required=True)
@click.option("--received-at", type=Moment(), help="When it was delivered.")
@click.option("--due-at", type=Moment(), help="Until when the remedy is due.")
@acting
def refuse(clerk: Clerk, case_id: str, **fields: Any) -> None:
    """Refuse a handover: everything stays with the sender."""
    clerk.record(case_id, make_body(handover.HandoverRefused, **fields))


@command.command("recall")
@CASE
@HANDOVER
@click.option("--ground", required=True)
@acting
def recall(clerk: Clerk, case_id: str, **fields: Any) -> None:
    """Take back an offer that is not answered yet."""
    clerk.record(case_id, make_body(handover.HandoverRecalled, **fields))


@command.command("return")
@CASE
@click.argument("returns", metavar="HANDOVER_ID")
@click.option("--purpose", type=words(Purpose), default="return", show_default=True)
@click.option("--reason", "reason_code", type=words(ReasonCode), required=True)
@click.option("--explanation", required=True)
@ITEMS
@STAYS
@PERSONS
@click.option("--remedy", type=words(Remedy))
@click.option("--due-at", type=Moment())
@NEW_ID
@acting
def return_(
    clerk: Clerk,
    case_id: str,
    handover_id: str | None,
    items: tuple[str, ...],
    stays: tuple[str, ...],
    **fields: Any,
) -> None:
    """Offer back what an accepted handover brought. Nothing moves until the other side accepts."""
    own = handover_id or new_id("handover")
    lines = _lines(items, stays)
    clerk.record(case_id, make_body(handover.HandoverReturned, handover_id=own, items=lines, **fields))


@command.command("check")
@CASE
@HANDOVER
@click.option("--jurisdiction", type=words(CheckResult), required=True)
@click.option("--dossier-complete", type=words(CheckResult), required=True)
@click.option("--property-matches-list", type=words(CheckResult), required=True)
@click.option("--person-and-measure", type=words(CheckResult), required=True)
@click.option("--within-time", type=words(CheckResult), required=True)
@click.option("--remark")
@acting
def check(clerk: Clerk, case_id: str, **fields: Any) -> None:
    """Record the receiver's check before the answer."""
    clerk.record(case_id, make_body(handover.HandoverChecked, **fields))


@command.command("inbox")
@click.option("--status", help="offered, accepted, partially_accepted, refused or recalled.")
@pass_session
def inbox(session: Session, status: str | None) -> None:
    """List what is offered to your agency."""
    _list(session, "inbox", status)


@command.command("outbox")
@click.option("--status", help="offered, accepted, partially_accepted, refused or recalled.")
@pass_session
def outbox(session: Session, status: str | None) -> None:
    """List what your agency has offered."""
    _list(session, "outbox", status)


@command.command("show")
@CASE
@HANDOVER
@pass_session
def show(session: Session, case_id: str, handover_id: str) -> None:
    """Show a handover with its list and its answer."""
    session.output.record(session.service.get(at("/api/v1/cases/{}/handovers/{}", case_id, handover_id)))


def _list(session: Session, box: str, status: str | None) -> None:
    handovers = list(session.service.pages("/api/v1/handovers", "handovers", box=box, status=status))
    session.output.table(handovers, [Column(name) for name in LISTED])


def _lines(items: tuple[str, ...], stays: tuple[str, ...]) -> list[dict[str, Any]]:
    moving = [{"item_id": item_id} for item_id in items]
    return moving + [{"item_id": item_id, "stays": True} for item_id in stays]


def _unit_of(session: Session, item_id: str) -> str:
    unit: str = session.service.get(at("/api/v1/items/{}", item_id))["quantity"]["unit"]
    return unit
