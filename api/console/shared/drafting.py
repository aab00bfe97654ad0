"""Drafts of events: what a form asks for, which the page signs, and what the draft shows of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

from api.auth.reading import Reading
from api.console.shared.access import Visit
from api.console.shared.formats import typed
from api.console.shared.forms import PostedForm, whole_number
from api.console.shared.rendering import PATH, narrator_of
from ledger.core.custody import Flag
from ledger.core.encoding import canonical
from ledger.core.encoding.decoding import decoder_of
from ledger.core.errors import MalformedInput, Unauthorized
from ledger.core.events import (
    EVENT_TYPES,
    NAME_OF,
    Authority,
    Body,
    Envelope,
    Event,
    Payload,
    Section,
    Stream,
    digest_of,
    make_event,
    unsigned_envelope,
)
from ledger.core.messages import Term, joined
from ledger.core.procedure.legal_days import instant_text, spelled
from ledger.recording.event_signing import SYSTEM_SOURCES
from ledger.store import log
from ledger.timeline.event_fields import EventField, event_fields
from ledger.timeline.sentences import EventWords

SINCE_SHOWN = 5  # events recorded in between that are listed


class UnsignedEvent(NamedTuple):
    """An event before it is signed, with its confidential sections by their labels."""

    envelope: Envelope
    payload: Payload[Body]
    sections: dict[str, Section]

    @property
    def event(self) -> Event:
        """Return it as the rules read it."""
        return make_event(self.envelope, self.payload, canonical.encode(self.envelope))


class EventDraft(NamedTuple):
    """A draft of an event. ``envelope``, ``payload`` and ``sections`` are their canonical texts, to be signed.

    ``flags`` are those that it will raise, with detail and article. ``since`` lists what was recorded in between if the
    event was drafted again on a newer head. ``warnings`` name possibly unwanted effects, and prevent nobody from
    signing.
    """

    event: Event
    envelope: str
    payload: str
    sections: str
    sentence: str
    particulars: list[EventField]
    since: list[str]
    following: str
    flags: Sequence[tuple[Flag, str]] = ()
    warnings: Sequence[str] = ()


FieldMaker = Callable[..., Mapping[str, Any]]  # from a form and what else its feature passes
FormAct = tuple[type[Body], *tuple[FieldMaker, ...]]  # the body, and what reads its fields from a form


def named(*names: str, times: Collection[str] = (), lists: Collection[str] = ()) -> FieldMaker:
    """Return what reads the named fields of a form.

    Those of ``times`` are instants; the form has one field for each entry of ``lists``, which the body names in the
    plural.
    """

    def read_fields(form: PostedForm, *_: object) -> Mapping[str, Any]:
        moments = {name: instant_of(form, name) for name in times}
        return {**form.fields(*names), **moments, **{f"{name}s": form.all(name) for name in lists}}

    return read_fields


class PlaceInStream(Protocol):
    """The number and leaf hash of a stream's last event."""

    @property
    def sequence(self) -> int: ...

    @property
    def head(self) -> str: ...


def unsigned(
    visit: Visit,
    form: PostedForm,
    *,
    stream: Stream,
    state: PlaceInStream | None,
    body: Body,
    sections: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
) -> UnsignedEvent:
    """Return the next event of the stream, unsigned, in the reader's name, at the time that the form gives.

    ``sections`` are confidential texts by label and field.
    """
    authority, now = form.fields("authorization_type", "authorization_identifier"), visit.service.parts.clock() // 1000
    grant = visit.reading.session.grant
    kept_apart = {label: Section(salt=SYSTEM_SOURCES.salt(), fields=dict(fields)) for label, fields in sections.items()}
    payload = Payload(
        officer=grant.officer,
        occurred_at=_occurred_at(form, now),
        salt=SYSTEM_SOURCES.salt(),
        body=body,
        authority=Authority(**authority) if len(authority) == 2 else None,
        confidential={label: digest_of(canonical.encode(section)) for label, section in kept_apart.items()},
    )
    envelope = unsigned_envelope(
        payload,
        event_id=SYSTEM_SOURCES.event_id(),
        stream=stream,
        sequence=0 if state is None else state.sequence + 1,
        previous=None if state is None else state.head,
        agency=visit.reading.agency,
        key_id=grant.key_id,
        signed_at=now,
    )
    return UnsignedEvent(envelope, payload, kept_apart)


def _occurred_at(form: PostedForm, now: int) -> str:
    """Return when the event happened: now, unless the form gives an earlier time. Raises MalformedInput."""
    claimed, latest = instant_of(form, "occurred_at"), instant_text(now)
    if claimed is None:
        return latest
    if claimed > latest:
        raise MalformedInput(
            "expected a time until now, {latest}, not {claimed}: it is to come",
            latest=latest,
            claimed=claimed,
            field="occurred_at",
        )
    return claimed


def drafted(
    visit: Visit,
    form: PostedForm,
    unsigned: UnsignedEvent,
    *,
    sentence: str,
    words: EventWords,
    following: str,
    sees_others: bool = True,
) -> EventDraft:
    """Return the draft of an event that the ledger would accept; ``following`` is the page to go to when it is in.

    ``sees_others`` is False for a reader who may not see what else was recorded in the stream.
    """
    event = unsigned.event
    return EventDraft(
        event=event,
        envelope=canonical.encode(unsigned.envelope).decode(),
        payload=canonical.encode(unsigned.payload).decode(),
        sections=canonical.encode(unsigned.sections).decode(),
        sentence=sentence,
        particulars=event_fields(event, unsigned.sections, words, visit.labels),
        since=_since(visit, form, event) if sees_others else [],
        following=f"{PATH}{following}",
    )


def _since(visit: Visit, form: PostedForm, event: Event) -> list[str]:
    """Return what was recorded between the draft that could not be submitted and this one."""
    earlier = whole_number(form.get("drafted_at"))
    if earlier is None or earlier >= event.sequence:
        return []
    stream = event.stream
    with visit.service.parts.database.read() as connection:
        entries = log.stream(connection, stream.kind, stream.id, after=earlier - 1, limit=SINCE_SHOWN)
    narrator = narrator_of(visit.service, visit.labels)
    return [narrator.alone(log.event_of(entry)) for entry in entries]


def require_role(reading: Reading, body: type[Body]) -> None:
    """Raise Unauthorized if the reader's role may not sign such an event."""
    row = EVENT_TYPES[NAME_OF[body]]
    if not reading.session.has_role(*row.roles):
        raise Unauthorized(
            "{row} takes the role {roles}",
            row=Term("event_type", row.name),
            roles=joined([Term("role", role) for role in row.roles], by=" or "),
            code="role_missing",
        )


def body_of(act: FormAct, form: PostedForm, *context: object) -> Body:
    """Return the body with the fields that are filled in. Raises MalformedInput, naming the field."""
    body, *makers = act
    return body_from(body, {name: value for make in makers for name, value in make(form, *context).items()})


def body_from(body: type[Body], fields: Mapping[str, Any]) -> Body:
    """Return the body with those fields that are not empty. Raises MalformedInput, naming the field."""
    filled = {name: value for name, value in fields.items() if value not in (None, (), [], {})}
    return canonical.parse(canonical.encode(filled), decoder_of(body))


def required_number(form: PostedForm, name: str) -> int:
    """Return the whole number in a field. Raises MalformedInput."""
    text = form.get(name) or ""
    number = whole_number(text)
    if number is None:
        raise MalformedInput("expected a whole number, not {text!r}", text=text[:40], field=name)
    return number


def instant_of(form: PostedForm, name: str) -> str | None:
    """Return the UTC time of a field, which browsers send without a zone: as clocks of the zone in use show it."""
    text = form.get(name)
    return None if text is None else spelled(typed(text, name))
