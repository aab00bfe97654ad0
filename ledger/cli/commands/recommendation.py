"""``tally recommendation``: recommendations of a procuratorate, the reply, and the re-check."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from ledger.cli.command import Group
from ledger.cli.event_recorder import EventRecorder, make_body
from ledger.cli.output import Column
from ledger.cli.params import acting, words
from ledger.cli.session import Session, pass_session
from ledger.cli.supervision import all_digests, fetch_view, material, print_life, with_renamed_fields
from ledger.core.errors import MalformedInput
from ledger.core.events import supervision
from ledger.core.events.terms import RecheckResult
from ledger.core.supervision.recommendations import STREAM
from ledger.recording.signing import new_id

STATUS = Column("status", "recommendation_status")
STATES = ("issued", "answered", "rechecked")
LISTED = (
    Column("recommendation_id"),
    STATUS,
    *(Column(name) for name in ("document_number", "procuratorate", "to_agency", "issued_at", "last_day")),
    Column("answered_at"),
    Column("result", "recheck_result"),
)
SHOWN = (
    Column("recommendation_id"),
    STATUS,
    *(Column(name) for name in ("issued.document_number", "procuratorate", "to_agency", "issued_at", "last_day")),
    *(Column(name) for name in ("answered_at", "issued.problem", "issued.advice", "issued.leads", "issued.model_id")),
)
ANSWERS = (Column("answer"), Column("measures_taken"), Column("digests"))
RECHECKS = (Column("result", "recheck_result"), Column("before"), Column("after"), Column("model_id"), Column("remark"))
COUNTED = ("count", "period_from", "period_until", "tree_size")
ID = click.argument("recommendation_id")


@click.group("recommendation", cls=Group)
def recommendation_group() -> None:
    """Recommendations to an agency: issued, answered within two months, checked again."""


@recommendation_group.command("list")
@click.option("--state", type=click.Choice(STATES), help="Only those that have come so far.")
@click.option("--to", "to_agency", metavar="AGENCY", help="Only those to this agency.")
@pass_session
def list_(session: Session, /, **query: str | None) -> None:
    """List the recommendations that your agency issued or got, with the last day for the reply."""
    rows = list(session.service.pages("/api/v1/recommendations", "recommendations", **query))
    session.output.table(rows, LISTED)


@recommendation_group.command("show")
@ID
@pass_session
def show(session: Session, recommendation_id: str) -> None:
    """Show a recommendation: what it says, the replies, the re-checks, and each step."""
    view, output = fetch_view(session, "/api/v1/recommendations/{}", recommendation_id), session.output
    output.record(view, SHOWN)
    if session.json:
        return
    for name, columns in (("answers", ANSWERS), ("rechecks", RECHECKS)):
        if view[name]:
            output.part(name, with_renamed_fields(view[name], measures="measures_taken", note="remark"), columns)
    print_life(output, view["events"])


@recommendation_group.command("issue")
@click.argument("to_agency")
@click.option("--number", "document_number", required=True, help="Of the paper, as written on it.")
@click.option("--problem", required=True, help="What was found.")
@click.option("--advice", required=True, help="What should be done.")
@click.option("--lead", "leads", metavar="LEAD", multiple=True, help="A lead that it rests on.")
@click.option("--model", "model_id", metavar="MODEL", help="The model that finds what it is about.")
@click.option("--recommendation-id", help="Made up unless given.")
@acting
def issue(recorder: EventRecorder, recommendation_id: str | None, **fields: Any) -> None:
    """Issue a recommendation to an agency of your jurisdiction. It has two months to reply."""
    own = recommendation_id or new_id("advice")
    recorder.open_supervision(
        STREAM + own, make_body(supervision.RecommendationIssued, recommendation_id=own, **fields)
    )


@recommendation_group.command("answer")
@ID
@click.option("--answer", required=True, help="What your agency replies.")
@click.option("--measure", "measures", metavar="TEXT", multiple=True, help="What was done; may be given several times.")
@material
@acting
def answer(recorder: EventRecorder, /, *, recommendation_id: str, files: tuple[Path, ...], **fields: Any) -> None:
    """Reply to a recommendation that your agency got."""
    fields["digests"] = all_digests(recorder.session.output, files, fields["digests"])
    recorder.record_supervision(STREAM + recommendation_id, make_body(supervision.RecommendationAnswered, **fields))


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
        _require_both(given)
        counted = {name: dict(zip(COUNTED, figures, strict=True)) for name, figures in given.items() if figures}
        recorder.session.output.warn(recorder.session.labels.of("message", "counted_by_officer"))
    else:
        counted = _counted(recorder.session, recommendation_id, fields)
    body = make_body(supervision.RecommendationRechecked, **counted, **fields)
    recorder.record_supervision(STREAM + recommendation_id, body)


def _require_both(given: Mapping[str, object]) -> None:
    """Check that the numbers of both periods are given: one alone compares nothing. Raises MalformedInput."""
    for name, figures in given.items():
        if not figures:
            raise MalformedInput(
                "expected the numbers of both periods",
                field=f"--{name}",
                hint="Give --before and --after, or neither: then the service counts.",
            )


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
