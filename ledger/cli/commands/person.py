"""``tally person``: the persons of a case. Names are in confidential sections only."""

from __future__ import annotations

import secrets

import click

from ledger.cli.bodies import make_body
from ledger.cli.command import Group
from ledger.cli.event_recorder import EventRecorder
from ledger.cli.params import acting, words
from ledger.cli.private_text import confidential, fields_of
from ledger.cli.session import Session, pass_session
from ledger.cli.timeline_output import show_history
from ledger.client.service import at
from ledger.core.events.case import PersonNamed
from ledger.core.events.terms import PersonRole

SECTION = "person:1"


@click.group("person", cls=Group)
def command() -> None:
    """Persons of a case."""


@command.command("name")
@click.argument("case_id")
@click.option("--role", type=words(PersonRole), required=True, help="What the person is in the case.")
@click.option(
    "--name", metavar="@FILE", prompt=True, callback=confidential, help="Kept in a confidential section [asked for]."
)
@click.option(
    "--detail",
    metavar="FIELD[=@FILE]",
    multiple=True,
    help="More for that section, such as birth_date: from a file, from standard input with @-, or asked for.",
)
@click.option("--person-id", help="32 hex digits, as your own system derives them; random unless given.")
@acting
def name(
    recorder: EventRecorder, /, *, case_id: str, role: str, name: str, detail: tuple[str, ...], person_id: str | None
) -> None:
    """Bring a person into a case."""
    body = make_body(PersonNamed, person_id=person_id or secrets.token_hex(16), role=role, section=SECTION)
    recorder.record(case_id, body, section=(SECTION, {"name": name, **fields_of(detail, option="--detail")}))


@command.command("history")
@click.argument("case_id")
@click.argument("person_id")
@pass_session
def history(session: Session, case_id: str, person_id: str) -> None:
    """Say who answered for a person of a case, where the person was and for whom, and whether in time."""
    path = at("/api/v1/cases/{}/persons/{}/history", case_id, person_id)
    show_history(session, session.service.get(path, lang=session.language))
