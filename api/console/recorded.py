"""The event that was just recorded, shown on the next page: its sentence, place in the log, and flags."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from msgspec import Struct

from api.auth.reading import Reading
from api.console.rendering import narrator_of
from api.dependencies import Service
from api.routes.events import find
from ledger.core.errors import NotFound
from ledger.core.events import decode_payload
from ledger.i18n import Labels
from ledger.store import log

RecordedQuery = Annotated[str | None, Query(max_length=36)]


class RecordedEvent(Struct, frozen=True):
    """The event's sentence, its log index, and each flag that it raised with its article."""

    sentence: str
    index: int
    flags: tuple[tuple[str, str], ...]


def recorded(service: Service, reading: Reading, labels: Labels, event_id: str | None) -> RecordedEvent | None:
    """Return the event of this id if the reader's own key has signed it.

    No read is recorded, since the reader knows what it says.
    """
    if event_id is None:
        return None
    with service.parts.database.read() as connection:
        try:
            entry, _ = find(connection, reading, event_id)
        except NotFound:
            return None
        if entry.key_id != reading.session.grant.key_id:
            return None
        flags = log.flags(connection, entry.log_index)
    narrator = narrator_of(service, labels)
    raised_flags = tuple((labels.of_flag(flag.name), labels.of_article(flag.article)) for flag in flags)
    return RecordedEvent(narrator.alone(decode_payload(entry.payload)), entry.log_index, raised_flags)
