"""Drafts of events: the payload that a form asks for, which the page signs, and what the draft shows of it."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from api.auth.reading import Reading
from api.console.shared.access import Visit
from api.console.shared.formats import typed
from api.console.shared.forms import PostedForm, whole_number
from api.services.service import Service
from ledger.core.encoding import canonical
from ledger.core.encoding.decoding import decoder_of
from ledger.core.errors import MalformedInput, Unauthorized
from ledger.core.events import EVENT_TYPES, VERSION, Authority, Body, Payload, Stream, decode_payload, make_payload
from ledger.core.procedure.legal_days import instant_text, spelled
from ledger.recording.signing import SYSTEM_SOURCES
from ledger.store import log
from ledger.timeline import Narrator
from ledger.timeline.event_fields import EventField

SINCE_SHOWN = 5  # events recorded in between that are listed


class EventDraft(NamedTuple):
    """A draft of an event. ``payload`` is the canonical text to be signed.

    ``flags`` are those that it will raise, with detail and article. ``since`` lists what was recorded in between if the
    event was drafted again on a newer head. ``warnings`` name possibly unwanted effects, and prevent nobody from
    signing.
    """

    payload: str
    event_id: str
    sentence: str
    particulars: list[EventField]
    flags: list[tuple[str, str, str]]
    since: list[str]
    sequence: int
    following: str
    occurred_at: str
    warnings: tuple[str, ...] = ()


class StreamPosition(Protocol):
    """The number and digest of a stream's last event."""

    @property
    def sequence(self) -> int: ...

    @property
    def head(self) -> str: ...


def unsigned(visit: Visit, form: PostedForm, *, stream: Stream, state: StreamPosition | None, body: Body) -> Payload:
    """Return the next event of the stream, unsigned, in the reader's name, at the time that the form gives."""
    authority_fields = form.fields("authorization_type", "authorization_identifier")
    return make_payload(
        body=body,
        version=VERSION,
        event_id=SYSTEM_SOURCES.event_id(),
        stream=stream,
        sequence=0 if state is None else state.sequence + 1,
        previous=None if state is None else state.head,
        agency=visit.reading.agency,
        officer=visit.reading.session.grant.officer,
        occurred_at=happened(form, visit.service.parts.clock() // 1000),
        salt=SYSTEM_SOURCES.salt(),
        authority=Authority(**authority_fields) if len(authority_fields) == 2 else None,
    )


def happened(form: PostedForm, now: int) -> str:
    """Return when the event happened: now, unless the form gives an earlier time. Raises MalformedInput."""
    claimed, latest = instant_of(form, "occurred_at"), instant_text(now)
    if claimed is None:
        return latest
    if claimed > latest:
        raise MalformedInput(f"expected a time until now, {latest}, not {claimed}: it is to come", field="occurred_at")
    return claimed


def since(service: Service, form: PostedForm, narrator: Narrator, payload: Payload) -> list[str]:
    """Return what was recorded between the draft that could not be submitted and this one."""
    earlier = whole_number(form.get("drafted_at"))
    if earlier is None or earlier >= payload.sequence:
        return []
    stream = payload.stream
    with service.parts.database.read() as connection:
        entries = log.stream(connection, stream.kind, stream.id, after=earlier - 1, limit=SINCE_SHOWN)
    return [narrator.alone(decode_payload(entry.payload)) for entry in entries]


def require_role(reading: Reading, body: type[Body]) -> None:
    """Raise Unauthorized if the reader's role may not sign such an event."""
    row = next(row for row in EVENT_TYPES.values() if row.body is body)
    if not reading.session.has_role(*row.roles):
        raise Unauthorized(f"{row.name} takes the role {' or '.join(row.roles)}", code="role_missing")


def body_of(body: type[Body], **fields: Any) -> Body:
    """Return the body with the fields that are filled in. Raises MalformedInput, naming the field."""
    filled = {name: value for name, value in fields.items() if value not in (None, (), [], {})}
    return canonical.parse(canonical.encode(filled), decoder_of(body))


def instant_of(form: PostedForm, name: str) -> str | None:
    """Return the UTC time of a field, which browsers send without a zone and which is Beijing's."""
    text = form.get(name)
    return None if text is None else spelled(typed(text, name))
