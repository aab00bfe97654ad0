"""``tally person``, ``measure`` and ``custody``: the persons of a case, and what is imposed on them."""

from __future__ import annotations

import secrets
from typing import Any

import click

from ledger.cli.command import Group, confidential, fields_of
from ledger.cli.event_recorder import EventRecorder, make_body
from ledger.cli.params import Moment, acting, words
from ledger.cli.session import Session, pass_session
from ledger.cli.timeline_output import show_history
from ledger.client.service import at
from ledger.core.events import case
from ledger.core.events.case import PersonNamed
from ledger.core.events.terms import Measure, PersonRole, QualifyingGround
from ledger.recording.signing import new_id

SECTION = "person:1"


@click.group("person", cls=Group)
def person_group() -> None:
    """Persons of a case."""


@person_group.command("name")
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


@person_group.command("history")
@click.argument("case_id")
@click.argument("person_id")
@pass_session
def history(session: Session, case_id: str, person_id: str) -> None:
    """Say who answered for a person of a case, where the person was and for whom, and whether in time."""
    path = at("/api/v1/cases/{}/persons/{}/history", case_id, person_id)
    show_history(session, session.service.get(path, lang=session.language))


UNTIL = click.option("--until", metavar="DAY", help="The last day as decided, such as 2026-03-31.")
GROUND = click.option("--ground", required=True, help="Why.")


@click.group("measure", cls=Group)
def measure_group() -> None:
    """Compulsory measures: detention, arrest, bail, residential surveillance."""


@measure_group.command("impose")
@click.argument("case_id")
@click.argument("person_id")
@click.argument("measure", type=words(Measure))
@click.option("--started-at", type=Moment(), required=True)
@UNTIL
@GROUND
@click.option("--measure-id", help="Made up unless given.")
@acting
def impose(recorder: EventRecorder, case_id: str, measure_id: str | None, **fields: Any) -> None:
    """Impose a measure on a person."""
    recorder.record(case_id, make_body(case.MeasureImposed, measure_id=measure_id or new_id("measure"), **fields))


@measure_group.command("change")
@click.argument("case_id")
@click.argument("measure_id")
@click.argument("measure", type=words(Measure))
@click.option("--started-at", type=Moment(), required=True)
@UNTIL
@GROUND
@click.option("--new-measure-id", help="Made up unless given.")
@acting
def change(recorder: EventRecorder, case_id: str, new_measure_id: str | None, **fields: Any) -> None:
    """End a measure and begin another one."""
    new = new_measure_id or new_id("measure")
    recorder.record(case_id, make_body(case.MeasureChanged, new_measure_id=new, **fields))


@measure_group.command("extend")
@click.argument("case_id")
@click.argument("measure_id")
@click.option("--until", metavar="DAY", required=True, help="The new last day, such as 2026-03-31.")
@click.option("--article", required=True, help="The clause that the extension rests on, such as 'CPL 91'.")
@GROUND
@click.option("--qualifying-ground", type=words(QualifyingGround), help="The ground that the clause asks for.")
@acting
def extend(recorder: EventRecorder, case_id: str, **fields: Any) -> None:
    """Extend a measure."""
    recorder.record(case_id, make_body(case.MeasureExtended, **fields))


@measure_group.command("lift")
@click.argument("case_id")
@click.argument("measure_id")
@click.option("--ended-at", type=Moment(), required=True)
@GROUND
@acting
def lift(recorder: EventRecorder, case_id: str, **fields: Any) -> None:
    """Lift a measure."""
    recorder.record(case_id, make_body(case.MeasureLifted, **fields))


CASE = click.argument("case_id")
NUMBER = click.option("--number", required=True, help="As written on the paper.")


@click.group("custody", cls=Group)
def custody_group() -> None:
    """Custody of persons: ask for a change, serve it, give notice of a new period."""


@custody_group.command("request")
@CASE
@click.argument("person_id")
@click.argument("detention_house")
@click.option("--handover", "handover_id", required=True, help="The handover whose acceptance calls for it.")
@NUMBER
@click.option("--custody-change-id", help="Made up unless given.")
@acting
def request(recorder: EventRecorder, case_id: str, custody_change_id: str | None, **fields: Any) -> None:
    """Ask a detention house to keep a person for your agency from now on."""
    own = custody_change_id or new_id("custody")
    recorder.record(case_id, make_body(case.CustodyChangeRequested, custody_change_id=own, **fields))


@custody_group.command("serve")
@CASE
@click.argument("custody_change_id")
@click.option("--served-at", type=Moment(), required=True, help="When the certificate was served.")
@acting
def serve(recorder: EventRecorder, case_id: str, **fields: Any) -> None:
    """Sign, as the detention house, that a change of custody was served."""
    recorder.record(case_id, make_body(case.CustodyChangeServed, **fields))


@custody_group.command("notify")
@CASE
@click.argument("measure_id")
@click.argument("detention_house")
@click.option("--until", metavar="DAY", required=True, help="The last day of the new period, such as 2026-03-31.")
@click.option("--article", required=True, help="The clause that it rests on, such as 'CPL 149'.")
@NUMBER
@acting
def notify(recorder: EventRecorder, case_id: str, **fields: Any) -> None:
    """Record that a detention house was told of a new period of custody."""
    recorder.record(case_id, make_body(case.CustodyPeriodNotified, **fields))
