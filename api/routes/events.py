"""Reading events."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from api.dependencies import After, EventIdPath, Ground, Limit, Reads, ServiceOf, SlugRequired, answer, listed
from api.openapi import answers, page_of
from api.reading import Reading
from api.views import EventView, event_view
from ledger.core.errors import NotFound
from ledger.store import log
from ledger.store.cases import Sight
from ledger.store.database import Connection
from ledger.store.log import StoredEntry

router = APIRouter(prefix="/api/v1/events", tags=["events"])


@router.get(
    "", summary="List the events of a case", responses=answers(page_of("events", EventView), 400, 401, 404, 503)
)
def events(
    *,
    service: ServiceOf,
    reading: Reads,
    case_id: SlugRequired,
    limit: Limit = 100,
    after: After = -1,
    ground: Ground = None,
) -> Response:
    """In the order of the case's stream; `after` is a sequence number."""
    count = service.limit(limit)
    with service.parts.database.read() as connection:
        sight = reading.require_case(connection, case_id)
        entries = log.stream(connection, "case", case_id, after=after, limit=count)
        found = [_view(connection, reading, entry, sight, ground) for entry in entries]
    reading.record("events of the case", case_id, ground=ground)
    last = entries[-1].sequence if entries else after
    return listed("events", found, count, lambda _: last)


@router.get("/{event_id}", summary="Show an event", responses=answers(EventView, 400, 401, 404, 503))
def event(service: ServiceOf, reading: Reads, event_id: EventIdPath, ground: Ground = None) -> Response:
    """The signed bytes as they are, with the sections that you may read."""
    with service.parts.database.read() as connection:
        entry, sight = find(connection, reading, event_id)
        found = _view(connection, reading, entry, sight, ground)
    record(reading, "event", entry, ground)
    return answer(found)


def find(connection: Connection, reading: Reading, event_id: str) -> tuple[StoredEntry, Sight]:
    """The entry of an event that the reader may see. Raises NotFound, in the same words for one that he may not."""
    entry = log.identities(connection, [event_id]).get(event_id)
    if entry is None:
        raise NotFound(f"no event {event_id} that you may see", field="event_id")
    return entry, reading.require_entry(connection, entry)


def record(reading: Reading, what: str, entry: StoredEntry, ground: str | None = None) -> None:
    """Records the read of one event, with its case where it is in one."""
    case_ids = [entry.stream_id] if entry.stream_kind == "case" else []
    reading.record(f"{what} {entry.event_id}", *case_ids, ground=ground)


def _view(connection: Connection, reading: Reading, entry: StoredEntry, sight: Sight, ground: str | None) -> EventView:
    shown = reading.sees_sections(connection, entry, sight, ground)
    sections = log.sections(connection, entry.log_index) if shown else None
    return event_view(entry, log.flags(connection, entry.log_index), sections)
