"""Events of cases, and the feed of an agency."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated

from fastapi import APIRouter, Query
from msgspec.structs import replace
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api.auth.reading import Reading
from api.dependencies import (
    EventIdPath,
    Following,
    Ground,
    Limit,
    Reads,
    Service,
    ServiceOf,
    SlugQuery,
    json_response,
    page_response,
    position_after,
)
from api.schemas.answers import EventView, event_view
from api.schemas.openapi import answers
from api.services.feed import FEED, FeedPage, goes_on, read_page
from ledger.core.errors import NotFound
from ledger.core.visibility import Sight
from ledger.store import log
from ledger.store.database import Connection
from ledger.store.feed import parse_cursor
from ledger.store.log import StoredEntry

CASE_EVENTS = "events of a case"
LONGEST_WAIT_S = 20
LOOK_AGAIN_S = 0.5  # seconds between looks at whether a feed goes on

router = APIRouter(prefix="/api/v1/events", tags=["events"])
Wait = Annotated[int, Query(ge=0, le=LONGEST_WAIT_S, description="seconds to wait where there is nothing new")]


@router.get(
    "", summary="List the events of a case, or your agency's feed", responses=answers(FeedPage, 400, 401, 404, 503)
)
async def events(
    *,
    service: ServiceOf,
    reading: Reads,
    case_id: SlugQuery = None,
    limit: Limit = 100,
    after: Following = None,
    wait: Wait = 0,
    ground: Ground = None,
) -> Response:
    """List the events of a case in the order of its stream, or without `case_id` your agency's feed.

    On the last page of a case, `next` is absent. The feed has the events of your agency's own stream and of every case
    that it holds, held or is being offered, in the order of the log, each at least once. Its `next` is always present:
    keep it, and ask again with it. When a case becomes visible to you, its earlier events come with the event that made
    it so, in their order. `wait` is the number of seconds to wait if there is nothing new.
    """
    count = service.limit(limit)
    if case_id is not None:
        last_sequence = int(position_after(service, CASE_EVENTS, after) or -1)
        return await run_in_threadpool(_of_case, service, reading, case_id, last_sequence, limit=count, ground=ground)
    cursor = parse_cursor(position_after(service, FEED, after) or "-1")
    until = time.monotonic() + wait
    while time.monotonic() < until:
        if await run_in_threadpool(goes_on, service.parts, reading.agency, cursor):
            break
        await asyncio.sleep(LOOK_AGAIN_S)
    feed_page = await run_in_threadpool(read_page, service.parts, reading, cursor, count)
    return json_response(replace(feed_page, next=service.cursors.seal(FEED, feed_page.next)))


def _of_case(
    service: Service, reading: Reading, case_id: str, last_sequence: int, *, limit: int, ground: str | None
) -> Response:
    with service.parts.database.read() as connection:
        sight = reading.require_case(connection, case_id)
        entries = log.stream(connection, "case", case_id, after=last_sequence, limit=limit)
        views = [_view(connection, reading, entry, sight, ground) for entry in entries]
    reading.record("events of the case", case_id, ground=ground)
    last = entries[-1].sequence if entries else last_sequence
    return page_response(service, "events", views, limit, lambda _: last, scope=CASE_EVENTS)


@router.get("/{event_id}", summary="Show an event", responses=answers(EventView, 400, 401, 404, 503))
def event(service: ServiceOf, reading: Reads, event_id: EventIdPath, ground: Ground = None) -> Response:
    """Return the signed bytes as they are, with the sections that you may read."""
    with service.parts.database.read() as connection:
        entry, sight = find(connection, reading, event_id)
        view = _view(connection, reading, entry, sight, ground)
    record(reading, "event", entry, ground)
    return json_response(view)


def find(connection: Connection, reading: Reading, event_id: str) -> tuple[StoredEntry, Sight]:
    """Return the entry of an event, and how the reader sees it.

    Raises NotFound, in the same words for an event that the reader may not see.
    """
    entry = log.identities(connection, [event_id]).get(event_id)
    if entry is None:
        raise NotFound(f"no event {event_id} that you may see", field="event_id")
    return entry, reading.require_entry(connection, entry)


def record(reading: Reading, subject: str, entry: StoredEntry, ground: str | None = None) -> None:
    """Record the read of one event, with its case if it is in one."""
    case_ids = [entry.stream_id] if entry.stream_kind == "case" else []
    reading.record(f"{subject} {entry.event_id}", *case_ids, ground=ground)


def _view(connection: Connection, reading: Reading, entry: StoredEntry, sight: Sight, ground: str | None) -> EventView:
    shows_sections = reading.sees_sections(connection, entry, sight, ground)
    sections = log.sections(connection, entry.log_index) if shows_sections else None
    return event_view(entry, log.flags(connection, entry.log_index), sections)
