"""Cited: what an event says of other events must be said of events that its stream has, and of what they say."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from ledger.core.errors import RuleRefused
from ledger.core.event import Body, Payload, decode_payload
from ledger.core.event.record import DisclosureMade, RecordCorrected, RecordLate
from ledger.core.event.terms import EventRef
from ledger.store import log
from ledger.store.database import Connection
from ledger.store.log import StoredEntry

_STEP = re.compile(r"[.\[]")
_SECTION = "confidential."


def cites(body: Body) -> tuple[tuple[str, EventRef], ...]:
    """The events of its own stream that a body cites, each with its field."""
    match body:
        case RecordCorrected(corrects=ref):
            return (("corrects", ref),)
        case RecordLate(concerns=ref) if ref is not None:
            return (("concerns", ref),)
        case DisclosureMade(events=refs):
            return tuple((f"events[{place}]", ref) for place, ref in enumerate(refs))
    return ()


def require_cited(connection: Connection, payload: Payload) -> None:
    """Raises RuleRefused: unknown_event for a citation of no event of the stream, unknown_field for a correction of
    what the event that it corrects cannot say."""
    cited = cites(payload.body)
    stored = log.identities(connection, [ref.event_id for _, ref in cited])
    for field, ref in cited:
        _require_here(stored, payload, ref, field)
    if isinstance(payload.body, RecordCorrected):
        corrected = decode_payload(stored[payload.body.corrects.event_id].payload)
        for place, field in _unknown_fields(payload, payload.body, corrected):
            raise RuleRefused(
                f"{corrected.event_type} does not say {field}",
                code="unknown_field",
                field=f"payload.body.corrections[{place}].field",
                hint=f"Fields of it are {', '.join(_fields(corrected))}; parts of one are named as in quantity.value.",
            )


def _require_here(stored: Mapping[str, StoredEntry], payload: Payload, ref: EventRef, field: str) -> None:
    entry = stored.get(ref.event_id)
    stands = (ref.payload_digest, payload.stream.kind, payload.stream.id)
    if entry is None or (entry.payload_digest, entry.stream_kind, entry.stream_id) != stands:
        raise RuleRefused(
            f"this stream has no event {ref.event_id} with the digest that is cited",
            code="unknown_event",
            field=f"payload.body.{field}",
            hint="An event is cited by its id and its payload's digest, once it is recorded.",
        )


def _unknown_fields(payload: Payload, body: RecordCorrected, corrected: Payload) -> Iterator[tuple[int, str]]:
    labels = corrected.confidential.keys() | payload.confidential.keys()
    known = {*_fields(corrected), *(f"{_SECTION}{label}" for label in labels)}
    for place, correction in enumerate(body.corrections):
        field = correction.field
        if (field if field.startswith(_SECTION) else _STEP.split(field)[0]) not in known:
            yield place, field


def _fields(corrected: Payload) -> tuple[str, ...]:
    return (*corrected.body.__struct_fields__, "occurred_at")
