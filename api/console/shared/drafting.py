"""Drafts of events: what a form asks for, which the page signs, and what the draft shows of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from api.console.shared.access import Visit
from api.console.shared.cited_events import sentence_of
from api.console.shared.formats import typed
from api.console.shared.forms import PostedForm, whole_number
from api.console.shared.refusals import of_line
from api.console.shared.rendering import PATH, narrator_of
from api.services.drafts import ForeseenEvent, body_from
from ledger.core.custody import Flag
from ledger.core.encoding import canonical
from ledger.core.encoding.instants import spelled
from ledger.core.errors import MalformedInput
from ledger.core.events import Authority, Body, Event
from ledger.recording.event_signing import Claims
from ledger.store import log
from ledger.timeline.event_fields import EventField

SINCE_SHOWN = 5  # events recorded in between that are listed


class EventDraft(NamedTuple):
    """A draft of an event. ``envelope``, ``payload`` and ``sections`` are their canonical texts, to be signed.

    ``flags`` are those that it will raise, with detail and article. ``since`` lists what was recorded in between if the
    event was drafted again on a newer head. ``warnings`` name possibly unwanted effects, and prevent nobody from
    signing. ``discloses`` tells of whom the receiver of an offer reads who they are.
    """

    event: Event
    envelope: str
    payload: str
    sections: str
    sentence: str
    particulars: list[EventField]
    since: list[str]
    following: str
    flags: Sequence[tuple[Flag, str]]
    warnings: Sequence[str]
    discloses: str | None


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


def stated(form: PostedForm, sections: Mapping[str, Mapping[str, str]] = MappingProxyType({})) -> Claims:
    """Return what the form states beside the body, with these confidential texts. Raises MalformedInput."""
    authority = form.fields("authorization_type", "authorization_identifier")
    return Claims(instant_of(form, "occurred_at"), Authority(**authority) if len(authority) == 2 else None, sections)


def drafted(
    visit: Visit, form: PostedForm, foreseen: ForeseenEvent, *, following: str, sees_others: bool = True
) -> EventDraft:
    """Return the draft of an event that the ledger would accept; ``following`` is the page to go to when it is in.

    ``sees_others`` is False for a reader who may not see what else was recorded in the stream.
    """
    unsigned = foreseen.unsigned
    event = unsigned.event
    return EventDraft(
        event=event,
        envelope=canonical.encode(unsigned.envelope).decode(),
        payload=canonical.encode(unsigned.payload).decode(),
        sections=canonical.encode(unsigned.sections).decode(),
        sentence=foreseen.sentence,
        particulars=foreseen.particulars,
        since=_since(visit, form, event) if sees_others else [],
        following=f"{PATH}{following}",
        flags=foreseen.flags,
        warnings=foreseen.warnings,
        discloses=foreseen.discloses,
    )


def _since(visit: Visit, form: PostedForm, event: Event) -> list[str]:
    """Return what was recorded between the draft that could not be submitted and this one."""
    earlier = whole_number(form.get("drafted_at"))
    if earlier is None or earlier >= event.sequence:
        return []
    stream, narrator = event.stream, narrator_of(visit.service, visit.labels)
    with visit.service.parts.database.read() as connection:
        entries = list(log.stream(connection, stream.kind, stream.id, after=earlier - 1, limit=SINCE_SHOWN))
        return [sentence_of(visit, connection, narrator, entry) for entry in entries]


def body_of(act: FormAct, form: PostedForm, *context: object) -> Body:
    """Return the body with the fields that are filled in. Raises MalformedInput, naming the field."""
    body, *makers = act
    fields = {name: value for make in makers for name, value in make(form, *context).items()}
    try:
        return body_from(body, fields)
    except MalformedInput as error:
        raise of_line(error, fields) from error


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
