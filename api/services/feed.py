"""The feed: every event that an agency may see, page by page, for requests and webhooks alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from api.auth.reading import Reading, sides_of_streams
from api.schemas.answers import EventView
from api.services.case_reading import viewed_event
from api.services.parts import Parts
from ledger.core.messages import Message
from ledger.store import feed, log
from ledger.store.database import Connection
from ledger.store.feed import Cursor, FeedStep
from ledger.store.log import StoredEntry

MAX_BYTES = 4 * 1024 * 1024  # bytes of envelopes, payloads and sections on one page of several events


class FeedPage(Struct, frozen=True):
    """Events in the order of the feed. ``next`` is the cursor behind them, present on the last page as well."""

    events: tuple[EventView, ...]
    next: str


def feed_scope(agency: str) -> str:
    """Return the scope of the cursors of the agency's feed: in another's they would skip events without a word."""
    return f"feed of {agency}"


def read_page(parts: Parts, reading: Reading, after: Cursor, limit: int) -> FeedPage:
    """Return the events behind the cursor and record that they were read. Raises Unavailable if that fails."""
    with parts.database.read() as connection:
        steps = feed.page(connection, reading.agency, after, limit)
        steps = steps[: count_fitting(connection, [step.entry for step in steps])]
        visible_events = list(_shown(connection, reading, steps))
    if visible_events:
        case_ids = dict.fromkeys(entry.stream_id for entry, _ in visible_events if entry.stream_kind == "case")
        reading.record(Message("feed of events"), *case_ids)
    return FeedPage(tuple(view for _, view in visible_events), str(steps[-1].cursor if steps else after))


def count_fitting(connection: Connection, entries: Sequence[StoredEntry]) -> int:
    """Return how many of the entries fit on one page, from the first on, which has its place however long it is."""
    lengths, size = log.lengths_of_sections(connection, entries), 0
    for count, entry in enumerate(entries):
        size += len(entry.payload) + len(entry.envelope) + lengths.get(entry.log_index, 0)
        if count and size > MAX_BYTES:
            return count
    return len(entries)


def goes_on(parts: Parts, agency: str, after: Cursor) -> bool:
    """Return whether there are events behind the cursor."""
    with parts.database.read() as connection:
        return feed.is_behind(connection, agency, after)


def _shown(
    connection: Connection, reading: Reading, steps: Sequence[FeedStep]
) -> Iterator[tuple[StoredEntry, EventView]]:
    """Yield what the reader may see now, with the confidential sections that he may read."""
    entries = [step.entry for step in steps]
    sides = sides_of_streams(connection, {(entry.stream_kind, entry.stream_id) for entry in entries})
    for entry in entries:
        sight = reading.sight(connection, entry, sides.get((entry.stream_kind, entry.stream_id)))
        if sight is not None:
            yield entry, viewed_event(connection, reading, entry, sight)
