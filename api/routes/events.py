"""Events of cases, and the feed of an agency."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated

from fastapi import Query
from msgspec.structs import replace
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api.auth.reading import Reading
from api.dependencies import EventIdPath, Ground, ListPage, PageOf, Reads, ServiceOf, SlugQuery, json_response
from api.schemas.answers import EventView
from api.schemas.openapi import Paged, Routes
from api.services.case_reading import find_event, record_event, viewed_event
from api.services.feed import count_fitting, feed_scope, goes_on, read_page
from ledger.core.errors import RuleRefused
from ledger.core.messages import Message
from ledger.store import log
from ledger.store.feed import parse_cursor

CASE_EVENTS = "events of a case/{}"  # a place in one case is none in another
LONGEST_WAIT_S = 20
LOOK_AGAIN_S = 0.5  # seconds between looks at whether a feed goes on

router = Routes(400, 401, 404, 503, prefix="/api/v1/events", tags=["events"])
Wait = Annotated[int, Query(ge=0, le=LONGEST_WAIT_S, description="seconds to wait where there is nothing new")]


@router.reads("", "List the events of a case, or your agency's feed", Paged("events", EventView), 422)
async def events(
    *,
    service: ServiceOf,
    reading: Reads,
    page: PageOf,
    case_id: SlugQuery = None,
    wait: Wait = 0,
    ground: Ground = None,
) -> Response:
    """List the events of a case in the order of its stream, or without `case_id` your agency's feed.

    A page has at most 4 MiB of events, or one event, and may so have fewer than asked for. Of a case, nothing follows a
    page without `next`. The feed has the events of your agency's own stream and of every case that it holds, held or is
    being offered, in the order of the log, each at least once. Its `next` is always present: keep it, and ask again
    with it. When a case becomes visible to you, its earlier events come with the event that made it so, in their order.
    `wait`, without a `case_id`, is the number of seconds to wait if there is nothing new.
    """
    if case_id is not None:
        if wait:
            raise RuleRefused("only the feed waits for something new", field="wait", hint="Leave out case_id, or wait.")
        return await run_in_threadpool(_of_case, reading, case_id, page, ground)
    scope = feed_scope(reading.agency)
    cursor = parse_cursor(page.position(scope) or "-1")
    until = time.monotonic() + wait
    while time.monotonic() < until:
        if await run_in_threadpool(goes_on, service.parts, reading.agency, cursor):
            break
        await asyncio.sleep(LOOK_AGAIN_S)
    feed_page = await run_in_threadpool(read_page, service.parts, reading, cursor, page.limit)
    return json_response(replace(feed_page, next=service.cursors.seal(scope, feed_page.next)))


def _of_case(reading: Reading, case_id: str, page: ListPage, ground: str | None) -> Response:
    scope = CASE_EVENTS.format(case_id)
    last_sequence = int(page.position(scope) or -1)
    with page.service.parts.database.read() as connection:
        sight = reading.require_case(connection, case_id)
        entries = log.stream(connection, "case", case_id, after=last_sequence, limit=page.limit)
        count = count_fitting(connection, entries)
        if count < len(entries):
            page, entries = page._replace(limit=count), entries[:count]
        views = [viewed_event(connection, reading, entry, sight, ground) for entry in entries]
    reading.record(Message("events of the case"), case_id, ground=ground)
    last = entries[-1].sequence if entries else last_sequence
    return page.response("events", views, lambda _: last, scope=scope)


@router.reads("/{event_id}", "Show an event", EventView)
def event(service: ServiceOf, reading: Reads, event_id: EventIdPath, ground: Ground = None) -> Response:
    """Return the signed bytes as they are, with the sections that you may read."""
    with service.parts.database.read() as connection:
        entry, sight = find_event(connection, reading, event_id)
        view = viewed_event(connection, reading, entry, sight, ground)
    record_event(reading, Message("event {event_id}"), entry, ground)
    return json_response(view)
