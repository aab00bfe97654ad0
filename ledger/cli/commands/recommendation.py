"""``tally recommendation``: recommendations of a supervising agency, from the issue to the re-check."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import click

from ledger.cli.command import Group
from ledger.cli.commands.case import only_procedure
from ledger.cli.commands.deadline import end_in_words
from ledger.cli.event_recorder import EventRecorder, make_body
from ledger.cli.output import RECEIVED, Column, columns
from ledger.cli.params import (
    GROUND,
    MOMENT,
    OUTSIDE,
    PLACE,
    ProcedureWord,
    act_command,
    add_act,
    generated_id,
    outsider,
    with_event_recorder,
    words,
)
from ledger.cli.session import Session
from ledger.cli.supervision import MATERIAL, print_life, record_supervision, with_renamed_fields
from ledger.client.service import path_of
from ledger.core.encoding.instants import instant_text
from ledger.core.errors import MalformedInput, NotFound
from ledger.core.events import Body, supervision
from ledger.core.events.terms import RecheckResult, ReviewResult, choices
from ledger.core.supervision.recommendations import STREAM
from ledger.core.supervision.state import RecommendationStatus

STATES = choices(RecommendationStatus)
ADVISED = Column("to_agency", label="advised")
LISTED = (
    *columns("recommendation_id", "status:recommendation_status", "kind:recommendation_kind", "document_number"),
    *columns("supervising"),
    ADVISED,
    *columns("to_outside", "issued_at"),
    RECEIVED,
    *columns("last_day", "answered_at", "result:recheck_result"),
)
SHOWN = (
    *columns("recommendation_id", "status:recommendation_status", "issued.kind:recommendation_kind"),
    *columns("issued.document_number", "supervising"),
    ADVISED,
    *columns("issued.to_outside.name", "issued.copies_to", "issued.urgent", "issued_at"),
    RECEIVED,
    *columns(
        "last_day",
        "article",
        "unknown",
        "answered_at",
        "issued.problem",
        "issued.advice",
        "issued.leads",
        "issued.model_id",
    ),
)
OBJECTIONS = columns("ground", "digests")
REVIEWS = columns("result:review_result", "ground", "advice", "document_number")
ESCALATIONS = columns("means:escalation", "to_agency", "ground", "document_number")
ANSWERS = columns("answer", "measures_taken", "digests")
RECHECKS = columns("result:recheck_result", "before", "after", "counted_by:counted_by", "model_id", "remark")
COUNTED = ("count", "period_from", "period_until", "tree_size")
ID = click.argument("recommendation_id")
MEASURE = "What was done; may be given several times."


@click.group("recommendation", cls=Group)
def recommendation_group() -> None:
    """Recommendations: issued, received, answered in time or objected to, checked again."""


@recommendation_group.command("list")
@click.option("--state", type=click.Choice(STATES), help="Only those that have come so far.")
@click.option("--to", "to_agency", metavar="AGENCY", help="Only those to this agency.")
def list_(session: Session, /, **query: str | None) -> None:
    """List the recommendations that your agency issued or got, with the last day for the reply."""
    rows = list(session.service.pages("/api/v1/recommendations", "recommendations", **query))
    if not session.json:
        for row in rows:
            row["last_day"] = end_in_words(session, row, row["last_day"])
    session.output.table(rows, LISTED)


@recommendation_group.command("show")
@ID
def show(session: Session, recommendation_id: str) -> None:
    """Show a recommendation: what it says, its receipt, objections, replies and re-checks, and each step."""
    view, output = session.service.get(path_of("/api/v1/recommendations/{}", recommendation_id)), session.output
    if not session.json and view["unknown"]:
        view["last_day"] = end_in_words(session, view, view["last_day"])
    output.record(view, SHOWN)
    output.parts(
        (name, with_renamed_fields(view[name], measures="measures_taken", note="remark"), shown)
        for name, shown in (
            *(("objections", OBJECTIONS), ("reviews", REVIEWS), ("answers", ANSWERS)),
            *(("escalations", ESCALATIONS), ("rechecks", RECHECKS)),
        )
    )
    print_life(output, view["events"])


@act_command(recommendation_group, "recommendation.issued")
@click.argument("to_agency", required=False)
@click.option(
    "--kind",
    type=ProcedureWord("recommendation_kind"),
    required=True,
    help="What kind of recommendation it is, a word of the procedure.",
)
@click.option("--procedure", metavar="ID", help="The one that judges it [that of a lead's case, or the only one].")
@OUTSIDE
@PLACE
@click.option("--copy", "copies_to", metavar="AGENCY", multiple=True, help="An agency that gets a copy.")
@click.option("--copy-outside", nargs=2, metavar="KIND NAME", multiple=True, help="Somebody else who gets a copy.")
@click.option("--urgent", is_flag=True, help="The reply is due sooner.")
@click.option("--reply-within", "reply_within_days", type=int, metavar="DAYS", help="Days that the paper itself gives.")
@click.option("--objection-within", "objection_within_days", type=int, metavar="DAYS", help="Days for an objection.")
@click.option("--service", type=ProcedureWord("service"), help="How it is delivered.")
@click.option("--number", "document_number", required=True, help="Number of the paper, as written on it.")
@click.option("--problem", required=True, help="What was found.")
@click.option("--advice", required=True, help="What should be done.")
@click.option("--lead", "leads", metavar="LEAD", multiple=True, help="A lead that it rests on.")
@click.option("--model", "model_id", metavar="MODEL", help="The model that finds what it is about.")
@generated_id("--recommendation-id", "advice")
@with_event_recorder
def issue(
    recorder: EventRecorder,
    procedure: str | None,
    outside: tuple[str, str] | None,
    place: str | None,
    copy_outside: Sequence[tuple[str, str]],
    **fields: Any,
) -> None:
    """Issue a recommendation."""
    fields["procedure"] = procedure or _procedure_of(recorder.session, fields["leads"])
    fields |= {"to_outside": outsider(outside, place), "copies_outside": [outsider(each) for each in copy_outside]}
    body = make_body(supervision.RecommendationIssued, **fields)
    recorder.record_supervision(STREAM + body.recommendation_id, body, begins=True)


def _procedure_of(session: Session, leads: Sequence[str]) -> str:
    """Return the procedure of the first case that the leads are about, or else the only one that is in force."""
    for lead_id in leads:
        case_id = session.service.get(path_of("/api/v1/leads/{}", lead_id))["case_id"]
        if case_id is not None:
            with suppress(NotFound):  # a lead may be about a case that the officer may not see
                return str(session.service.get(path_of("/api/v1/cases/{}", case_id))["procedure"])
    return only_procedure(session)


def _now() -> str:
    return instant_text(int(time.time()))


def _record(recorder: EventRecorder, recommendation_id: str, body: type[Body], fields: dict[str, Any]) -> None:
    record_supervision(recorder, STREAM + recommendation_id, body, fields)


act = partial(add_act, recommendation_group, subject="recommendation_id", record=_record)

act(
    "recommendation.received",
    click.option("--received-at", type=MOMENT, default=_now, show_default="now"),
    click.option("--service", type=ProcedureWord("service")),
    *MATERIAL,
)
act(
    "recommendation.objected",
    GROUND,
    *MATERIAL,
)
act(
    "recommendation.reviewed",
    click.option("--result", type=words(ReviewResult), required=True, help="What becomes of the recommendation."),
    GROUND,
    click.option("--advice", help="What it advises from now on."),
    click.option("--document", "document_number", help="Number of the paper."),
)
act(
    "recommendation.answered",
    click.option("--answer", required=True, help="What the reply says."),
    click.option("--measure", "measures", metavar="TEXT", multiple=True, help=MEASURE),
    *MATERIAL,
)
act(
    "recommendation.escalated",
    click.argument("means", type=ProcedureWord("escalation")),
    GROUND,
    click.option("--to", "to_agency", metavar="AGENCY", help="The agency to which it goes on."),
    OUTSIDE,
    PLACE,
    click.option("--document", "document_number", help="Number of the paper."),
)


@act_command(recommendation_group, "recommendation.rechecked")
@ID
@click.option("--result", type=words(RecheckResult), required=True, help="Whether it came again.")
@click.option(
    "--before",
    type=(int, str, str, int),
    metavar="COUNT FROM UNTIL SIZE",
    help="How many were found from a day until a day before it, in a log of so many entries.",
)
@click.option(
    "--after", type=(int, str, str, int), metavar="COUNT FROM UNTIL SIZE", help="The same of a period after it."
)
@click.option("--model", "model_id", metavar="MODEL", help="The model that counted.")
@click.option("--note", help="In a sentence or two.")
@with_event_recorder
def recheck(recorder: EventRecorder, /, *, recommendation_id: str, **fields: Any) -> None:
    """Record whether what a recommendation is about came again.

    Without --before and --after the service counts the leads that its model raised before and after it, by the day on
    which they were raised. The model is not run anew.
    """
    periods = {name: fields.pop(name) for name in ("before", "after")}
    if any(periods.values()):
        for name, figures in periods.items():
            if not figures:
                raise MalformedInput(
                    "expected the numbers of both periods",
                    field=f"--{name}",
                    hint="Give --before and --after, or neither: then the service counts.",
                )
        counted: dict[str, Any] = {"counted_by": "officer"}
        counted |= {name: dict(zip(COUNTED, figures, strict=True)) for name, figures in periods.items()}
        recorder.session.output.warn(recorder.session.labels.of("message", "counted_by_officer"))
    else:
        counted = _counted(recorder.session, recommendation_id, fields) | {"counted_by": "service"}
    _record(recorder, recommendation_id, supervision.RecommendationRechecked, counted | fields)


def _counted(session: Session, recommendation_id: str, fields: dict[str, Any]) -> dict[str, Any]:
    """Return the leads that the model raised in both periods, as the service counts, and show them to the officer who
    signs them.
    """
    view = session.service.get(path_of("/api/v1/recommendations/{}", recommendation_id))
    if not view["counted"] or fields["model_id"] not in (None, view["issued"]["model_id"]):
        raise MalformedInput(
            "expected the numbers: the service counts the leads of its own model about an agency, and from the day "
            "after the day of issue on",
            field="--before",
            hint="Give --before and --after.",
        )
    fields["model_id"] = view["issued"]["model_id"]
    for name in ("before", "after"):
        text = session.labels.of("message", f"counted_{name}")
        session.output.warn(text.format(**view["counted"][name], model_id=fields["model_id"]))
    if view["runs_from"]:
        session.output.warn(session.labels.of("message", "runs_from").format(day=view["runs_from"]))
    return dict(view["counted"])
