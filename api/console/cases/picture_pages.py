"""Pictures of a case: a lane for each agency with what it held and handed over, and what became of the items."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import Annotated

from fastapi import Query
from starlette.responses import Response

from api.console.cases.case_pages import read_case
from api.console.cases.drawing import SHORTEST_S, Window, draw, fitted, laid_out
from api.console.shared.access import VisitOf, page_router
from api.console.shared.formats import minute, typed
from api.console.shared.rendering import fragment
from api.dependencies import SlugPath
from api.services.case_reading import timeline_builder
from ledger.core.custody import CaseState
from ledger.core.custody.due_dates import deadlines
from ledger.core.encoding.instants import unix_seconds
from ledger.core.errors import MalformedInput
from ledger.core.messages import Message
from ledger.core.procedure.legal_days import YEARS
from ledger.i18n import Labels
from ledger.timeline.diagrams import CustodyBar, Picture, lineage

SHOWN = 80  # events that are shown at first, the latest
LISTED = 50  # events that the table beside has at most
EDGE = 1.06  # of the time between first and last event

router = page_router()
TimeQuery = Annotated[str | None, Query(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}$")]


@router.get("/cases/{case_id}/picture")
def case_picture(visit: VisitOf, case_id: SlugPath, since: TimeQuery = None, until: TimeQuery = None) -> Response:
    """Show the time from ``since`` to ``until``, or the latest events; the tables contain the same."""
    visible = read_case(visit, case_id, Message("picture of the case"))
    now = unix_seconds(visit.reading.reader.now)
    timelines = timeline_builder(visit.service, visit.reading, visit.labels)
    with visit.service.parts.database.read() as connection:
        state = visit.service.histories.state(connection, case_id)
        whole_picture = visit.service.pictures.of(connection, timelines, case_id)
        window = _window(whole_picture, since, until, now)
        events = [mark.sequence for mark in whole_picture.marks if window.has(mark.at, mark.at)]
        first = min(events[-LISTED:], default=state.sequence + 1)
        history = visit.service.histories.since(connection, case_id, first)
        steps = timelines.steps(connection, case_id, [history[sequence - first] for sequence in events[-LISTED:]])
    validator = visit.service.parts.validator
    clocks = deadlines(validator.states.shown(state), validator.book_of(state), datetime.fromtimestamp(now, UTC))
    bars = [bar for bar in whole_picture.bars if window.has(bar.since, bar.until)]
    arrows = [arrow for arrow in whole_picture.arrows if window.has(arrow.since, arrow.until)]
    shown = {
        "steps": steps,
        "events": len(events),
        "bars": bars,
        "arrows": arrows,
        "listed": LISTED,
        "state": state,
        "things": lambda bar: things(bar, state, visit.labels),
    }
    # The tables change with what is in the window; the drawing with each second.
    counted = (*events[-LISTED:], *(step.state for step in steps), len(events), len(bars), len(arrows))
    key = (timelines.words_in_use(), state.head, counted, *bars[:LISTED], *arrows[-LISTED:])
    tables = partial(fragment, visit.service, visit.labels, "cases/picture_tables.html", **shown)
    return visit.page(
        "cases/picture.html",
        **visible._asdict(),
        drawing=draw(whole_picture, clocks, window, now),
        window=window,
        steps=steps,
        tables=visit.service.pictures.tables.of(key, tables),
        moves=_moves(whole_picture, window),
        whole=window.since <= whole_picture.begin and window.until >= whole_picture.end,
        things=lambda bar: things(bar, visible.state, visit.labels),
        minute=minute,
        fitted=fitted,
    )


def things(bar: CustodyBar, state: CaseState, labels: Labels) -> str:
    """Return what is held together, by name if that is short."""
    if bar.subject == "case":
        return labels.of("subject", "case")
    if len(bar.ids) > 1:
        return f"{labels.of('subject', bar.subject)} ×{len(bar.ids)}"
    if bar.subject == "item" and bar.ids[0] in state.items:
        return state.items[bar.ids[0]].description
    return f"{labels.of('subject', bar.subject)} {bar.ids[0][:8]}"


def _window(whole_picture: Picture, since: str | None, until: str | None, now: int) -> Window:
    """Return the requested window, or one from the latest events to the present if that is near."""
    marks = whole_picture.marks[-SHOWN:]
    first, last = min(mark.at for mark in marks), max(mark.at for mark in marks)
    if last < now < last + (last - first) / 4:
        last = now
    if since is None and until is None:
        return Window(first, last).around(EDGE)
    requested = Window(
        first if since is None else int(typed(since, "since").timestamp()),
        last if until is None else int(typed(until, "until").timestamp()),
    )
    if requested.seconds < SHORTEST_S:
        raise MalformedInput("expected an end at least ten minutes after the beginning", field="until")
    return requested


def _moves(whole_picture: Picture, window: Window) -> dict[str, Window]:
    """Return the windows of the controls, which stay within the times that this page accepts."""
    targets = {
        "all": Window(whole_picture.begin, whole_picture.end).around(EDGE),
        "in": window.around(0.5),
        "out": window.around(2),
        "earlier": window.around(1, -0.8),
        "later": window.around(1, 0.8),
    }
    # A day within what may be typed, whatever the zone.
    ends = datetime(YEARS[0], 1, 2, tzinfo=UTC), datetime(YEARS[-1], 12, 30, tzinfo=UTC)
    first, last = (int(end.timestamp()) for end in ends)
    taken = {name: Window(max(target.since, first), min(target.until, last)) for name, target in targets.items()}
    return {name: target if target.seconds >= SHORTEST_S else window for name, target in taken.items()}


@router.get("/cases/{case_id}/lineage")
def case_lineage(visit: VisitOf, case_id: SlugPath) -> Response:
    """Show splits, merges, proceeds, items taken from others, and loans."""
    visible = read_case(visit, case_id, Message("lineage of the items"), whole=True)
    with visit.service.parts.database.read() as connection:
        descents = lineage(visit.service.histories.of(connection, case_id))
    graph = laid_out(descents.descents)
    return visit.page("cases/lineage.html", **visible._asdict(), lineage=descents, graph=graph, fitted=fitted)
