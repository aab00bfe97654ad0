"""``tally deadline``: what has to be done by when, how that was counted, and what is decided about a clock."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from functools import partial
from typing import Any

import click

from ledger.cli.command import Group
from ledger.cli.event_recorder import EventRecorder, make_body
from ledger.cli.output import Column, columns, printable
from ledger.cli.params import GROUND, MOMENT, ProcedureWord, add_act
from ledger.cli.session import Session
from ledger.client.service import path_of
from ledger.core.errors import NotFound
from ledger.core.events import Body

SOON = 3  # days left from which a deadline is yellow
WATCH_EVERY_S = 5.0
STATUSES = ("running", "suspended", "overdue", "met", "missed", "ended", "uncountable")
LISTED = (
    *columns("case_id", "label", "status:deadline_status", "ends_at", "days_left"),
    *(Column(name, aside=True) for name in ("agency", "handler", "short_id")),
)
SHOWN = columns(
    *("case_id", "deadline_id", "label", "article", "subject", "agency", "handler", "status:deadline_status"),
    *("provisional", "taken_over", "started_at", "stopped_at", "due_at", "last_day", "days_left"),
    *("beyond_law", "unknown", "arithmetic", "derived_from"),
)
WARNED = columns("number", "case_id", "label", "days", "ends_at", "handler", "short_id")

_PERSON = re.compile(r"(?<=/)([0-9a-f]{8})[0-9a-f]{24}(?=/)")
_WHOLE = re.compile(r"[^/…]+/[^/…]+/[0-9]+")

ARTICLE = click.option("--article", required=True)
MINE = click.option("--mine", is_flag=True, help="Only those that you handle.")


@click.group("deadline", cls=Group)
def deadline_group() -> None:
    """Statutory deadlines: what is due when, how it was counted, extensions, suspensions, warnings."""


@deadline_group.command("list")
@MINE
@click.option("--overdue", "status", flag_value="overdue", help="Only what is overdue.")
@click.option("--status", type=click.Choice(STATUSES), help="Only those that stand so [all that have not ended].")
@click.option("--within", "within_days", type=click.IntRange(min=0), metavar="DAYS", help="At most so many days left.")
@click.option("--as-of", type=MOMENT, help="As things stood at this time, if not now.")
@click.option("--case", "case_id", metavar="CASE", help="Only those of this case, of whatever agency.")
@click.option("--agency", metavar="AGENCY", help="Only those of this agency, in the cases that you may see.")
@click.option("--seen", "all_visible", is_flag=True, help="Those of every agency, in the cases that you may see.")
def list_(session: Session, /, *, mine: bool, all_visible: bool, **query: Any) -> None:
    """List your agency's deadlines, the nearest first: red is overdue, yellow has three days left or fewer."""
    asked = query | {"mine": mine or None, "seen": all_visible or None, "lang": session.language}
    rows = list(session.service.pages("/api/v1/deadlines", "deadlines", **asked))
    of_others = query["case_id"] or query["agency"] or all_visible
    shown = [column for column in LISTED if column.path != "agency" or of_others]
    session.output.table(_with_end(session, rows), shown, style_of=_style)


@deadline_group.command("show")
@click.argument("case_id")
@click.argument("deadline_id")
@click.option("--as-of", type=MOMENT, help="As things stood at this time, if not now.")
def show(session: Session, case_id: str, deadline_id: str, as_of: str | None) -> None:
    """Show a deadline: the day, the events that it was derived from, and the arithmetic in words.

    DEADLINE_ID may be as short as lists tell it, or the name of its clock alone, such as arrest_request, where the
    case has one of it.
    """
    path = path_of("/api/v1/cases/{}/deadlines", case_id)
    deadlines = session.service.get(path, as_of=as_of, lang=session.language)["deadlines"]
    chosen = _chosen(deadlines, deadline_id)
    if not session.json:
        chosen |= {"derived_from": [event["event_id"] for event in chosen["events"]]}
    session.output.record(chosen, SHOWN)


def _record(recorder: EventRecorder, case_id: str, body: type[Body], fields: dict[str, Any]) -> None:
    """Record an act upon a deadline. A shortened id is looked up at the service; a whole one is taken as it is."""
    if not _WHOLE.fullmatch(fields["deadline_id"]):
        deadlines = recorder.session.service.get(path_of("/api/v1/cases/{}/deadlines", case_id))["deadlines"]
        fields["deadline_id"] = _chosen(deadlines, fields["deadline_id"])["deadline_id"]
    recorder.record(case_id, make_body(body, **fields))


act = partial(add_act, deadline_group, record=_record)
EXTENDED_UNTIL = "The last day as decided, if it is not all that the clause gives."

act(
    "deadline.extended",
    "deadline_id",
    "extension",
    ARTICLE,
    GROUND,
    click.option("--until", metavar="DAY", help=EXTENDED_UNTIL),
    click.option("--qualifying-ground", type=ProcedureWord("qualifying_ground")),
)
act(
    "deadline.suspended",
    "deadline_id",
    click.option("--suspended-at", type=MOMENT, required=True, help="From when on time does not count."),
    click.option(
        "--for",
        "excluded_for",
        type=ProcedureWord("exclusion_ground"),
        required=True,
        help="Why time does not count.",
    ),
    ARTICLE,
    GROUND,
)
act(
    "deadline.resumed",
    "deadline_id",
    click.option("--resumed-at", type=MOMENT, required=True, help="From when on time counts again."),
)
act(
    "deadline.reset",
    "deadline_id",
    click.option("--reset-at", type=MOMENT, required=True, help="From when on it runs anew."),
    ARTICLE,
    GROUND,
)


@deadline_group.command("warnings")
@MINE
@click.option("--after", type=click.IntRange(min=0), default=0, metavar="NUMBER", help="Only those behind this number.")
@click.option("--watch", is_flag=True, help="Go on, and say each new one as it comes, until it is interrupted.")
def warnings(session: Session, mine: bool, after: int, watch: bool) -> None:
    """List the warnings of your agency: 7, 3 and 1 days before a last day, and 0 once it has passed."""
    behind: str | None = None
    while True:
        fresh, behind = session.service.news("/api/v1/warnings", "warnings", behind, mine=mine or None)
        rows = _with_end(session, [warning for warning in fresh if warning["number"] > after])
        if not watch:
            return session.output.table(rows, WARNED, style_of=_style)
        for row in rows:
            if session.json:
                session.output.line(row)
            else:
                line = "  ".join(text for column in WARNED if (text := session.output.cell(column, row)))
                click.secho(printable(line), fg=_style(row) or None)
        time.sleep(WATCH_EVERY_S)


def _with_end(session: Session, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Add for people a column with the last day (or the moment if hours count), and one with what the clock is for."""
    if session.json:
        return rows
    for row in rows:
        row["ends_at"] = end_in_words(session, row, row["last_day"] or row["due_at"])  # hours end at a moment
        row["case_id"] = row["case_id"] or row["subject"]  # a recommendation has no case
        row |= {"label": session.labels.of_clock(row["clock"]), "short_id": _short(row["deadline_id"])}
    return rows


def end_in_words(session: Session, row: Mapping[str, Any], end: str | None) -> str | None:
    """Return the end of a deadline, or that it is not before this, where it cannot be known yet."""
    if end is None or not (row.get("unknown") or row.get("at_end") == "not_before"):
        return end
    return session.labels.of("message", "not_before").format(day=end)


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
    if not deadlines:
        raise NotFound("the case has no deadlines", field="DEADLINE_ID")
    ids = ", ".join(deadline["deadline_id"] for deadline in fitting or deadlines)
    raise NotFound("expected one of {ids}, not {deadline_id}", ids=ids, deadline_id=deadline_id, field="DEADLINE_ID")
