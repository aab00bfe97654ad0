"""``tally hold`` and ``tally retention``: what must be kept, until when, and what is due then."""

from __future__ import annotations

from functools import partial
from typing import Any

import click

from ledger.cli.command import Group
from ledger.cli.output import columns
from ledger.cli.params import GROUND, EventReference, ProcedureWord, add_act, generated_id, words
from ledger.cli.session import Session
from ledger.core.events.terms import HoldScope

LISTED = columns(
    *("case_id", "hold_id", "kind:hold_kind", "scope:hold_scope", "agency", "officer", "number", "placed_at"),
    *("days", "review_on", "released_at"),
)


@click.group("hold", cls=Group)
def hold_group() -> None:
    """Legal holds: while one stands, nothing is erased or disposed of that it covers."""


@hold_group.command("list")
@click.option("--case", "case_id", metavar="CASE", help="Only those of this case.")
@click.option("--agency", metavar="AGENCY", help="Only those that this agency has placed.")
@click.option("--review-by", metavar="DAY", help="Only those that are to be looked at again by this day.")
@click.option(
    "--standing-days", type=click.IntRange(0), metavar="DAYS", help="Only those that were placed so many days ago."
)
@click.option("--all", "released", is_flag=True, help="Those that were released too.")
def list_(session: Session, /, *, released: bool, **query: str | int | None) -> None:
    """List the holds that stand in the cases that you may see."""
    holds = session.service.pages("/api/v1/holds", "holds", released=released or None, **query)
    session.output.table(list(holds), LISTED)


act = partial(add_act, hold_group)
act(
    "hold.placed",
    click.argument("kind", type=ProcedureWord("hold_kind")),
    click.option("--scope", type=words(HoldScope), required=True, help="What it covers."),
    click.option("--number", required=True),
    GROUND,
    click.option("--item", "item_ids", multiple=True, help="An item that it covers; may be given several times."),
    click.option(
        "--event",
        "concerns",
        type=EventReference(),
        multiple=True,
        help="An event whose confidential sections it covers; may be given several times.",
    ),
    click.option("--review-on", metavar="DAY", help="When to look at it again."),
    generated_id("--hold-id", "hold"),
)
act("hold.released", "hold_id", GROUND, "--number")


@click.group("retention", cls=Group)
def retention_group() -> None:
    """Set how long cases and things are kept, and list what is due."""


DUE = columns("case_id", "subject", "label", "last_day", "then_label", "agency", "in_the_way")


@retention_group.command("due")
@click.option("--within", "within_days", type=click.IntRange(min=0), metavar="DAYS", help="Due in so many days, too.")
@click.option("--agency", metavar="AGENCY", help="What this agency has to do, in the cases that you may see.")
@click.option("--seen", "all_visible", is_flag=True, help="Those of every agency, in the cases that you may see.")
def due(session: Session, /, *, all_visible: bool, **query: Any) -> None:
    """List what your agency has kept long enough: what it is due for, and what stands in the way."""
    asked = query | {"seen": all_visible or None, "lang": session.language}
    lines = list(session.service.pages("/api/v1/retention/due", "due", **asked))
    if not session.json:
        for line in lines:
            line["in_the_way"] = ", ".join(obstacle_in_words(session, obstacle) for obstacle in line["obstacles"])
    session.output.table(lines, DUE)


def obstacle_in_words(session: Session, obstacle: dict[str, Any]) -> str:
    """Return what stands in the way, with its id and the agency that can remove it."""
    return f"{session.labels.of('obstacle', obstacle['kind'])} {obstacle['subject']} ({obstacle['agency']})"


add_act(
    retention_group,
    "retention.set",
    click.argument("until", metavar="DAY"),
    GROUND,
    click.option("--item", "item_ids", multiple=True, help="An item, instead of the case; may be given several times."),
    "--number",
)
