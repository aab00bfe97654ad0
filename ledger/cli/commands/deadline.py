"""``tally deadline``: what has to be done by when, how that was counted, and what is decided about a clock."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import click

from ledger.cli.command import Group
from ledger.cli.event_recorder import EventRecorder, make_body
from ledger.cli.output import Column, printable
from ledger.cli.params import Moment, acting, words
from ledger.cli.session import Session, pass_session
from ledger.client.service import at
from ledger.core.errors import NotFound
from ledger.core.events import Body, case
from ledger.core.events.terms import ExclusionGround, QualifyingGround
from ledger.core.procedure.legal_days import day_that_ends
from ledger.i18n.messages import said

SOON = 3  # days left from which a deadline is yellow
WATCH_EVERY_S = 5.0
STATUSES = ("running", "suspended", "overdue", "met", "missed", "uncountable")
LISTED = (
    Column("case_id"),
    Column("label"),
    Column("status", "deadline_status"),
    Column("ends_at"),
    Column("days_left"),
    Column("agency", aside=True),
    Column("handler", aside=True),
    Column("short_id", aside=True),
)
SHOWN = (
    *(Column(name) for name in ("case_id", "deadline_id", "label", "article", "subject", "agency", "handler")),
    Column("status", "deadline_status"),
    *(Column(name) for name in ("provisional", "started_at", "stopped_at", "due_at", "last_day", "days_left")),
    *(Column(name) for name in ("beyond_law", "unknown", "arithmetic", "derived_from")),
)
WARNED = tuple(Column(name) for name in ("number", "case_id", "label", "days", "ends_at", "handler", "short_id"))

_PERSON = re.compile(r"(?<=/)([0-9a-f]{8})[0-9a-f]{24}(?=/)")
_WHOLE = re.compile(r"[^/…]+/[^/…]+/[0-9]+")

CASE = click.argument("case_id")
DEADLINE = click.argument("deadline_id")
ARTICLE = click.option("--article", required=True, help="The clause that it rests on, such as 'CPL 149'.")
GROUND = click.option("--ground", required=True, help="Why.")
MINE = click.option("--mine", is_flag=True, help="Only those that you handle.")


@click.group("deadline", cls=Group)
def deadline_group() -> None:
    """Statutory deadlines: what is due when, how it was counted, extensions, suspensions, warnings."""


@deadline_group.command("list")
@MINE
@click.option("--overdue", "status", flag_value="overdue", help="Only what is overdue.")
@click.option("--status", type=click.Choice(STATUSES), help="Only what stands so [all that has not ended].")
@click.option("--within", "within_days", type=click.IntRange(min=0), metavar="DAYS", help="At most so many days left.")
@click.option("--as-of", type=Moment(), help="As it stands at this time, if not now.")
@click.option("--case", "case_id", metavar="CASE", help="Of this case, whoever's they are.")
@click.option("--agency", metavar="AGENCY", help="Of this agency, in the cases that you may see.")
@click.option("--seen", "all_visible", is_flag=True, help="Of every agency, in the cases that you may see.")
@pass_session
def list_(session: Session, /, *, mine: bool, all_visible: bool, **query: Any) -> None:
    """List your agency's deadlines, the nearest first: red is overdue, yellow has three days left or fewer."""
    asked = query | {"mine": mine or None, "seen": all_visible or None, "lang": session.language}
    rows = list(session.service.pages("/api/v1/deadlines", "deadlines", **asked))
    of_others = query["case_id"] or query["agency"] or all_visible
    columns = [column for column in LISTED if column.path != "agency" or of_others]
    session.output.table(_with_end(session, rows), columns, style_of=_style)


@deadline_group.command("show")
@CASE
@DEADLINE
@click.option("--as-of", type=Moment(), help="As it stands at this time, if not now.")
@pass_session
def show(session: Session, case_id: str, deadline_id: str, as_of: str | None) -> None:
    """Show a deadline: the day, the events that it was derived from, and the arithmetic in words.

    DEADLINE_ID may be as short as lists tell it, or the name of its clock alone, such as arrest_request, where the
    case has one of it.
    """
    path = at("/api/v1/cases/{}/deadlines", case_id)
    deadlines = session.service.get(path, as_of=as_of, lang=session.language)["deadlines"]
    chosen = _chosen(deadlines, deadline_id)
    session.output.record(chosen if session.json else _for_people(session, chosen), SHOWN)


def _for_people(session: Session, chosen: Mapping[str, Any]) -> dict[str, Any]:
    derived_from = [event["event_id"] for event in chosen["events"]]
    unknown = said(chosen["unknown"], session.labels) if chosen["unknown"] else None
    return {**chosen, "derived_from": derived_from, "unknown": unknown}


@deadline_group.command("extend")
@CASE
@DEADLINE
@click.argument("extension")
@ARTICLE
@GROUND
@click.option("--until", metavar="DAY", help="The last day as decided, if it is not all that the clause gives.")
@click.option("--qualifying-ground", type=words(QualifyingGround), help="The ground that the clause asks for.")
@acting
def extend(recorder: EventRecorder, case_id: str, **fields: Any) -> None:
    """Record that a deadline is extended, by an EXTENSION of the rules such as special_circumstances."""
    _record(recorder, case_id, case.DeadlineExtended, **fields)


@deadline_group.command("suspend")
@CASE
@DEADLINE
@click.option("--suspended-at", type=Moment(), required=True, help="From when on time does not count.")
@click.option("--for", "excluded_for", type=words(ExclusionGround), required=True, help="Why time does not count.")
@ARTICLE
@GROUND
@acting
def suspend(recorder: EventRecorder, case_id: str, **fields: Any) -> None:
    """Record that time does not count from now on."""
    _record(recorder, case_id, case.DeadlineSuspended, **fields)


@deadline_group.command("resume")
@CASE
@DEADLINE
@click.option("--resumed-at", type=Moment(), required=True, help="From when on time counts again.")
@acting
def resume(recorder: EventRecorder, case_id: str, **fields: Any) -> None:
    """Record that time counts again."""
    _record(recorder, case_id, case.DeadlineResumed, **fields)


@deadline_group.command("reset")
@CASE
@DEADLINE
@click.option("--reset-at", type=Moment(), required=True, help="From when on it runs anew.")
@ARTICLE
@GROUND
@acting
def reset(recorder: EventRecorder, case_id: str, **fields: Any) -> None:
    """Record that a deadline runs anew, without its extensions."""
    _record(recorder, case_id, case.DeadlineReset, **fields)


def _record(recorder: EventRecorder, case_id: str, body: type[Body], *, deadline_id: str, **fields: Any) -> None:
    """Record an act upon a deadline. A shortened id is looked up at the service; a whole one is taken as it is."""
    if not _WHOLE.fullmatch(deadline_id):
        path = at("/api/v1/cases/{}/deadlines", case_id)
        deadline_id = _chosen(recorder.session.service.get(path)["deadlines"], deadline_id)["deadline_id"]
    recorder.record(case_id, make_body(body, deadline_id=deadline_id, **fields))


@deadline_group.command("warnings")
@MINE
@click.option("--after", type=click.IntRange(min=0), default=0, metavar="NUMBER", help="Only those behind this number.")
@click.option("--watch", is_flag=True, help="Go on, and say each new one as it comes, until it is interrupted.")
@pass_session
def warnings(session: Session, mine: bool, after: int, watch: bool) -> None:
    """List the warnings of your agency: 7, 3 and 1 days before a last day, and 0 once it has passed."""
    if not watch:
        rows = [
            warning for page in _pages(session, mine, None) for warning in page["warnings"] if warning["number"] > after
        ]
        session.output.table(_with_end(session, rows), WARNED, style_of=_style)
        return
    behind: str | None = None
    while True:
        for page in _pages(session, mine, behind):
            for warning in page["warnings"]:
                if warning["number"] > after:
                    _print_warning(session, warning)
            behind = page.get("resume", behind)
        time.sleep(WATCH_EVERY_S)


def _pages(session: Session, mine: bool, behind: str | None) -> Iterator[dict[str, Any]]:
    page = {"next": behind}
    while "next" in page:
        page = session.service.get("/api/v1/warnings", after=page["next"], mine=mine or None)
        yield page


def _print_warning(session: Session, warning: dict[str, Any]) -> None:
    """Print a warning in one line."""
    if session.json:
        return session.output.line(warning)
    (row,) = _with_end(session, [warning])
    line = "  ".join(text for column in WARNED if (text := session.output.cell(column, row)))
    return click.secho(printable(line), fg=_style(row) or None)


def _with_end(session: Session, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Add for people a column with the last day (or the moment if hours count), and one with what the clock is for."""
    if session.json:
        return rows
    name = session.labels.of_clock
    return [
        row
        | {"label": name(row["clock"]), "ends_at": row.get("last_day") or _end_of(row["due_at"])}
        | {"short_id": _short(row["deadline_id"])}
        for row in rows
    ]


def _end_of(due_at: str | None) -> str | None:
    """Return the last day, which warnings do not have, or the moment if the deadline is counted in hours."""
    day = None if due_at is None else day_that_ends(datetime.fromisoformat(due_at))
    return due_at if day is None else day.isoformat()


def _short(deadline_id: str) -> str:
    """Shorten an id to as much of a person's id as distinguishes the persons of a case; every command takes it."""
    return _PERSON.sub(r"\1…", deadline_id)


def _style(row: Mapping[str, Any]) -> str:
    """Return the colour of a deadline or warning."""
    left = row["days"] if "days" in row else row["days_left"]
    if row.get("status", "running") not in ("running", "overdue") or left is None or left > SOON:
        return ""
    return "red" if row.get("status") == "overdue" or row.get("days") == 0 else "yellow"


def _chosen(deadlines: list[dict[str, Any]], deadline_id: str) -> dict[str, Any]:
    """Return the deadline of this id, whole or as lists show it, or the only one of this clock. Raises NotFound."""
    fitting = [
        deadline
        for deadline in deadlines
        if deadline_id in (deadline["deadline_id"], deadline["clock"], _short(deadline["deadline_id"]))
    ]
    if len(fitting) == 1:
        return fitting[0]
    ids = ", ".join(deadline["deadline_id"] for deadline in fitting or deadlines) or "none"
    raise NotFound(f"expected one of {ids}, not {deadline_id}", field="DEADLINE_ID")
