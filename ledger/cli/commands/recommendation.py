"""``tally recommendation``: recommendations of a supervising agency, the reply, and the re-check."""

from __future__ import annotations

from typing import Any

import click

from ledger.cli.command import Group
from ledger.cli.event_recorder import EventRecorder, make_body
from ledger.cli.output import Column, columns
from ledger.cli.params import acting, add_act, made_id, words
from ledger.cli.session import Session
from ledger.cli.supervision import MATERIAL, fetch_view, print_life, record_supervision, with_renamed_fields
from ledger.core.errors import MalformedInput
from ledger.core.events import Body, supervision
from ledger.core.events.terms import RecheckResult
from ledger.core.supervision.recommendations import STREAM

STATES = ("issued", "answered", "rechecked")
ADVISED = Column("to_agency", label="advised")
LISTED = (
    *columns("recommendation_id", "status:recommendation_status", "document_number", "supervising"),
    ADVISED,
    *columns("issued_at", "last_day", "answered_at", "result:recheck_result"),
)
SHOWN = (
    *columns("recommendation_id", "status:recommendation_status", "issued.document_number", "supervising"),
    ADVISED,
    *columns(
        "issued_at", "last_day", "answered_at", "issued.problem", "issued.advice", "issued.leads", "issued.model_id"
    ),
)
ANSWERS = columns("answer", "measures_taken", "digests")
RECHECKS = columns("result:recheck_result", "before", "after", "model_id", "remark")
COUNTED = ("count", "period_from", "period_until", "tree_size")
ID = click.argument("recommendation_id")
MEASURE = "What was done; may be given several times."


@click.group("recommendation", cls=Group)
def recommendation_group() -> None:
    """Recommendations to an agency: issued, answered in time, checked again."""


@recommendation_group.command("list")
@click.option("--state", type=click.Choice(STATES), help="Only those that have come so far.")
@click.option("--to", "to_agency", metavar="AGENCY", help="Only those to this agency.")
def list_(session: Session, /, **query: str | None) -> None:
    """List the recommendations that your agency issued or got, with the last day for the reply."""
    rows = list(session.service.pages("/api/v1/recommendations", "recommendations", **query))
    session.output.table(rows, LISTED)


@recommendation_group.command("show")
@ID
def show(session: Session, recommendation_id: str) -> None:
    """Show a recommendation: what it says, the replies, the re-checks, and each step."""
    view, output = fetch_view(session, "/api/v1/recommendations/{}", recommendation_id), session.output
    output.record(view, SHOWN)
    output.parts(
        (name, with_renamed_fields(view[name], measures="measures_taken", note="remark"), shown)
        for name, shown in (("answers", ANSWERS), ("rechecks", RECHECKS))
    )
    print_life(output, view["events"])


@recommendation_group.command("issue")
@click.argument("to_agency")
@click.option("--number", "document_number", required=True, help="Of the paper, as written on it.")
@click.option("--problem", required=True, help="What was found.")
@click.option("--advice", required=True, help="What should be done.")
@click.option("--lead", "leads", metavar="LEAD", multiple=True, help="A lead that it rests on.")
@click.option("--model", "model_id", metavar="MODEL", help="The model that finds what it is about.")
@made_id("--recommendation-id", "advice")
@acting
def issue(recorder: EventRecorder, **fields: Any) -> None:
    """Issue a recommendation to an agency of your jurisdiction, which has to reply in time."""
    body = make_body(supervision.RecommendationIssued, **fields)
    recorder.open_supervision(STREAM + body.recommendation_id, body)


def _record(recorder: EventRecorder, recommendation_id: str, body: type[Body], fields: dict[str, Any]) -> None:
    record_supervision(recorder, STREAM + recommendation_id, body, fields)


add_act(
    recommendation_group,
    "answer",
    supervision.RecommendationAnswered,
    "Reply to a recommendation that your agency got.",
    click.option("--answer", required=True, help="What your agency replies."),
    click.option("--measure", "measures", metavar="TEXT", multiple=True, help=MEASURE),
    *MATERIAL,
    subject="recommendation_id",
    record=_record,
)


@recommendation_group.command("recheck")
@ID
@click.option("--result", type=words(RecheckResult), required=True, help="Whether it came again.")
@click.option(
    "--before",
    type=(int, str, str, int),
    metavar="COUNT FROM UNTIL SIZE",
    help="How many were found from a day until a day before it, in a log of so many entries.",
)
@click.option("--after", type=(int, str, str, int), metavar="COUNT FROM UNTIL SIZE", help="Likewise after it.")
@click.option("--model", "model_id", metavar="MODEL", help="The model that counted.")
@click.option("--note", help="In a sentence or two.")
@acting
def recheck(recorder: EventRecorder, /, *, recommendation_id: str, **fields: Any) -> None:
    """Record whether what a recommendation is about came again.

    Without --before and --after the service counts the leads that its model raised before and after it, by the day on
    which they were raised. The model is not run anew.
    """
    given = {name: fields.pop(name) for name in ("before", "after")}
    if any(given.values()):
        for name, figures in given.items():
            if not figures:
                raise MalformedInput(
                    "expected the numbers of both periods",
                    field=f"--{name}",
                    hint="Give --before and --after, or neither: then the service counts.",
                )
        counted = {name: dict(zip(COUNTED, figures, strict=True)) for name, figures in given.items()}
        recorder.session.output.warn(recorder.session.labels.of("message", "counted_by_officer"))
    else:
        counted = _counted(recorder.session, recommendation_id, fields)
    _record(recorder, recommendation_id, supervision.RecommendationRechecked, counted | fields)


def _counted(session: Session, recommendation_id: str, fields: dict[str, Any]) -> dict[str, Any]:
    """Return the leads that the model raised in both periods, as the service counts, and show them to the officer who
    signs them.
    """
    view = fetch_view(session, "/api/v1/recommendations/{}", recommendation_id)
    if not view["counted"] or fields["model_id"] not in (None, view["issued"]["model_id"]):
        raise MalformedInput(
            "expected the numbers: this model does not count for the recommendation by itself",
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
