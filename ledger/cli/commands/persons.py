"""``tally person``, ``measure`` and ``custody``: the persons of a case, and what is imposed on them."""

from __future__ import annotations

import secrets

import click

from ledger.cli.command import Group, confidential, fields_of
from ledger.cli.event_recorder import EventRecorder, make_body
from ledger.cli.params import (
    GROUND,
    MOMENT,
    PARTICULARS,
    ProcedureWord,
    act_command,
    add_act,
    generated_id,
    particulars_of,
    with_event_recorder,
)
from ledger.cli.session import Session
from ledger.cli.timeline_output import ON, show_custody
from ledger.client.service import path_of
from ledger.core.events import case
from ledger.core.events.terms import NAME_FIELD

SECTION = "person:1"


@click.group("person", cls=Group)
def person_group() -> None:
    """Persons of a case."""


@act_command(person_group, "person.named")
@click.argument("case_id")
@click.option("--role", type=ProcedureWord("person_role"), required=True, help="What the person is in the case.")
@click.option(
    "--name", metavar="@FILE", prompt=True, callback=confidential, help="Kept in a confidential section [asked for]."
)
@click.option(
    "--detail",
    metavar="FIELD[=@FILE]",
    multiple=True,
    help="More for that section, such as birth_date: from a file, from standard input with @-, or asked for.",
)
@PARTICULARS
@click.option(
    "--person-id",
    help="32 hex digits, as your own system derives them; random unless given. "
    "A name that was misspelt is signed anew under the person's own.",
)
@with_event_recorder
def name(
    recorder: EventRecorder,
    /,
    *,
    case_id: str,
    role: str,
    name: str,
    detail: tuple[str, ...],
    particulars: tuple[str, ...],
    person_id: str | None,
) -> None:
    """Bring a person into a case, or a unit."""
    own = person_id or secrets.token_hex(16)
    stated = particulars_of(particulars)
    body = make_body(case.PersonNamed, person_id=own, role=role, section=SECTION, particulars=stated)
    recorder.record(case_id, body, section=(SECTION, {NAME_FIELD: name, **fields_of(detail, option="--detail")}))


@person_group.command("history")
@click.argument("case_id")
@click.argument("person_id")
@ON
def history(session: Session, case_id: str, person_id: str, on: str | None) -> None:
    """Say who answered for a person of a case, where the person was and for whom, and whether in time."""
    show_custody(session, path_of("/api/v1/cases/{}/persons/{}/history", case_id, person_id), on)


STARTED_AT = click.option("--started-at", type=MOMENT, required=True)
UNTIL = click.option("--until", metavar="DAY", help="The last day as decided, such as 2026-03-31.")
NUMBER = click.option("--number", required=True)
NOTIFIED_UNTIL = "The last day of the new period, such as 2026-03-31."
ARTICLE = click.option("--article", required=True)


@click.group("measure", cls=Group)
def measure_group() -> None:
    """Compulsory measures: detention, arrest, bail, residential surveillance."""


add_act(
    measure_group,
    "measure.imposed",
    "person_id",
    click.argument("measure", type=ProcedureWord("measure")),
    *(STARTED_AT, UNTIL, GROUND),
    "--number",
    generated_id("--measure-id", "measure"),
)
add_act(
    measure_group,
    "measure.changed",
    "measure_id",
    click.argument("measure", type=ProcedureWord("measure")),
    *(STARTED_AT, UNTIL, GROUND),
    "--number",
    generated_id("--new-measure-id", "measure"),
)
add_act(
    measure_group,
    "measure.extended",
    "measure_id",
    click.option("--until", metavar="DAY", required=True, help="The new last day, such as 2026-03-31."),
    ARTICLE,
    GROUND,
    click.option("--qualifying-ground", type=ProcedureWord("qualifying_ground")),
)
add_act(
    measure_group,
    "measure.lifted",
    "measure_id",
    click.option("--ended-at", type=MOMENT, required=True),
    GROUND,
)


@click.group("custody", cls=Group)
def custody_group() -> None:
    """Custody of persons: ask for a change, serve it, give notice of a new period."""


add_act(
    custody_group,
    "custody_change.requested",
    "person_id",
    "keeper",
    click.option("--handover", "handover_id", required=True, help="The handover whose acceptance calls for it."),
    NUMBER,
    click.option("--from", "period_from", metavar="DAY", help="The first day of the period, such as 2026-03-01."),
    click.option("--until", metavar="DAY", help="The last day of the period, such as 2026-03-31."),
    "--article",
    generated_id("--custody-change-id", "custody"),
)
add_act(
    custody_group,
    "custody_change.served",
    "custody_change_id",
    click.option("--served-at", type=MOMENT, required=True, help="When the certificate was served."),
)
add_act(
    custody_group,
    "custody_period.notified",
    "measure_id",
    "keeper",
    click.option("--until", metavar="DAY", required=True, help=NOTIFIED_UNTIL),
    ARTICLE,
    NUMBER,
)
