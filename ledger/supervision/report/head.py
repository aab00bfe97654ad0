"""Head: what a report says of itself, in a reader's language."""

from __future__ import annotations

from datetime import datetime
from functools import partial

from msgspec import Struct

from ledger.core.legal_day import readable
from ledger.locales import Labels
from ledger.supervision.report.values import Report


class Head(Struct, frozen=True):
    """``facts`` are pairs of name and value; ``nothing`` stands in a table without rows, ``events`` before digests."""

    title: str
    facts: tuple[tuple[str, str], ...]
    note: str
    nothing: str
    events: str
    more: str


def head_of(report: Report, labels: Labels) -> Head:
    """Title, scope and what the numbers rest on."""
    scope = report.scope
    line = scope.business_line
    say = partial(labels.of, "report")
    facts = (
        (say("period"), f"{scope.since} – {scope.until}"),
        (say("jurisdiction"), scope.jurisdiction or say("all")),
        (say("business_line"), labels.of("business_line", line) if line else say("all")),
        (say("log"), say("entries").format(report.tree_size)),
        (say("as_of"), readable(datetime.fromisoformat(report.as_of))),
    )
    return Head(say("title"), facts, say("note"), say("nothing"), say("events"), say("more"))
