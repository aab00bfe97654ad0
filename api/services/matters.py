"""Models, leads and recommendations as a reader may see them."""

from __future__ import annotations

from typing import TypeVar

from api.auth.reading import Reading
from api.schemas.answers import EventView, event_view
from ledger.core.errors import NotFound
from ledger.core.supervision import LeadState, ModelState, RecommendationState
from ledger.core.visibility import Sight
from ledger.recording.supervision_streams import matter_of
from ledger.store import log, supervision
from ledger.store.database import Connection

M = TypeVar("M", ModelState, LeadState, RecommendationState)


def require_matter(
    connection: Connection, reading: Reading, stream_id: str, kind: type[M], *, field: str
) -> tuple[M, Sight]:
    """Return the state of the stream, and how the reader sees it.

    Raises NotFound alike if it is missing, of another kind, or may not be seen.
    """
    sight = supervision.sight(connection, stream_id, reading.reader)
    state = matter_of(connection, stream_id, reading.authority.agencies) if sight else None
    if sight is None or not isinstance(state, kind):
        raise NotFound(f"no {field.removesuffix('_id')} of this id that you may see", field=field)
    return state, sight


def life_of(connection: Connection, stream_id: str, sight: Sight) -> tuple[EventView, ...]:
    """Return the stream's events as they were signed, with confidential sections for a party."""
    return tuple(
        event_view(entry, (), log.sections(connection, entry.log_index) if sight == "party" else None)
        for entry in log.stream(connection, "supervision", stream_id)
    )
