"""The console's pages on a case with 1,000 events: each beside a page that shows nothing, and beside a limit.

python -m tests.campaigns.bench.console [--events N] [--anchors N] [--rounds N] [--json FILE]

Its log has 50,000 anchors, those of six days at one every ten seconds.

The pages take turns, and each is asked of the whole application in this process, without a socket; the table has
medians of CPU time, so that a machine that does something else besides says the same. Garbage is looked for as a
service does it: not among what was there when it started. First looks at a case are measured on a service that has just
started.
"""

from __future__ import annotations

import gc
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median

from ledger.recording.case_states import GARBAGE_THRESHOLDS
from scripts.bench.figures import Figure, cpu_seconds, options, show
from tests.api.conftest import no_chain, serving, serving_ledger
from tests.api.service import Served
from tests.testkit.builders import PROCURATORATE, auditor
from tests.testkit.journals import add_anchors
from tests.testkit.ledgers import open_ledger, sqlite_url
from tests.testkit.timeline_cases import long_case

LIMIT_MS = 30
FIRST_LOOK_MS = 100
EMPTY_MS = 8  # an empty page on the machine of the limits
EMPTY = "/search"  # who reads, the menu, a form: what every page has
READER = auditor(PROCURATORATE)
CASE = "/cases/case-2"
# What auditors and clerks look at most; whoever adds a page that shows a case adds it here.
PAGES = {
    "the start page": "/",
    "the list of cases": "/cases?all=true",
    "a case": CASE,
    "a part of its timeline": f"{CASE}/timeline",
    "its picture, the latest events": f"{CASE}/picture",
    "its picture, all of it": f"{CASE}/picture?since=2026-03-01T00:00&until=2027-03-01T00:00",
    "the lineage of its items": f"{CASE}/lineage",
    "an event": f"{CASE}/events/{{event_id}}",
    "who read it": f"{CASE}/reads",
    "a search": "/search?q=2026-1000",
    "audits": "/audit",
    "how the service stands": "/operation/now",
}
# Asked of a service that has just started: what looks at the case as it is now, at its last events, at all of them.
FIRST = {page: PAGES[page] for page in ("a case", "a part of its timeline", "its picture, the latest events")}


@contextmanager
def town(folder: Path, events: int, anchors: int) -> Iterator[tuple[Served, str]]:
    """Run a service with the case and its anchors; yield it with an event from the middle of the case."""
    case = long_case(events)
    with serving(folder) as served:
        served.ledger.post_all(case.events)
        add_anchors(served.ledger.database, 1, anchors)
        yield served, case.events[events // 2].envelope.event_id


def asked(served: Served, path: str) -> None:
    """Ask for one page, as its reader's browser asks for it."""
    served.app.is_on = False
    token = served.token(READER)["authorization"].removeprefix("Bearer ")
    answer = served.request("GET", f"/console{path}", headers={"cookie": f"__Secure-tallystick={token}"})
    assert answer.status_code == 200, (path, answer.status_code)


def settle() -> None:
    """Leave what is in memory out of the searches for garbage, as a service that starts."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GARBAGE_THRESHOLDS)


def first_look(folder: Path, page: str, *, trails: Path | None = None) -> float:
    """Return the seconds of a page on a service that has read nothing yet; ``trails`` are those that another kept."""
    with open_ledger(sqlite_url(folder)) as ledger, serving_ledger(ledger, no_chain, trails=trails) as served:
        ledger.clock.forward(3600)
        asked(served, EMPTY)
        settle()
        return cpu_seconds(lambda: asked(served, page))


def main() -> None:
    args = options(__doc__, events=1000, anchors=50_000, rounds=15)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with town(folder, args.events, args.anchors) as (served, event_id):
            paths = [path.replace("{event_id}", event_id) for path in PAGES.values()]
            for path in paths:
                asked(served, path)
            settle()
            asks = [partial(asked, served, path) for path in (EMPTY, *paths)]
            rounds = [[cpu_seconds(ask) for ask in asks] for _ in range(args.rounds)]
        cold = {page: 1000 * first_look(folder, path, trails=folder / "trails") for page, path in FIRST.items()}
        picture = "its picture, the latest events"
        cold[f"{picture}, at which nobody has looked before"] = 1000 * first_look(folder, PAGES[picture])
    empty, *each = (1000 * median(taken) for taken in zip(*rounds, strict=True))
    figures = [
        figure
        for page, taken in zip(PAGES, each, strict=True)
        for figure in (
            Figure(page, taken, "an empty page", empty, "ms", f"<= {LIMIT_MS / EMPTY_MS}"),
            Figure(page, taken, "the limit", LIMIT_MS, "ms", "<= 1"),
        )
    ]
    figures += [
        Figure(f"{page}, first look", taken, name, reference, "ms", f"<= {target}")
        for page, taken in cold.items()
        for name, reference, target in (
            ("an empty page", empty, FIRST_LOOK_MS / EMPTY_MS),
            ("the limit", FIRST_LOOK_MS, 1),
        )
    ]
    show(f"Pages on a case with {args.events:,} events, {args.anchors:,} anchors", figures, args.json)


if __name__ == "__main__":
    main()
