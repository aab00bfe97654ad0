"""Drafts: the payload that a form asks for and the page signs. What makes it impossible is reported before signing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.auth.reading import Reading
from api.console.access import LabelsOf, Reads
from api.console.bodies import ACTS, instant_of
from api.console.forms import FormOf, PostedForm, whole_number
from api.console.rendering import narrator_of, page
from api.console.security import PATH
from api.dependencies import Service, ServiceOf, SlugPath
from ledger.core.custody import CaseState
from ledger.core.encoding import canonical
from ledger.core.errors import MalformedInput, NotFound, Unauthorized
from ledger.core.events import EVENT_TYPES, VERSION, Authority, Body, Payload, Stream, decode_payload, make_payload
from ledger.core.procedure.legal_days import instant_text
from ledger.i18n import Labels
from ledger.recording.signing import SYSTEM_SOURCES
from ledger.store import log
from ledger.timeline import Narrator
from ledger.timeline.event_fields import EventField, event_fields

router = APIRouter()
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


@router.post("/cases/{case_id}/drafts/{act}")
def make_draft(
    *, request: Request, service: ServiceOf, reading: Reads, labels: LabelsOf, form: FormOf, case_id: SlugPath, act: str
) -> Response:
    """Return a part of a page: the draft with its sentence, or what prevents it."""
    if act not in ACTS:
        raise NotFound(f"no act {act[:40]} is drafted here")
    draft = Drafter(service, reading, labels, form).draft(case_id, act)
    return page(request, service, "draft.html", reading.session, draft=draft)


@dataclass(frozen=True, slots=True)
class Drafter:
    """Drafts what one form asks for, in the reader's name and language."""

    service: Service
    reading: Reading
    labels: Labels
    form: PostedForm

    def draft(self, case_id: str, act: str) -> EventDraft:
        """Return the draft. Raises what the ledger would refuse of the signed event."""
        state = None if act == "open" else _state(self.service, self.reading, case_id)
        body = ACTS[act](self.form, state)
        require_role(self.reading, type(body))
        stream = Stream(kind="case", id=case_id)
        payload = unsigned(self.service, self.reading, self.form, stream=stream, state=state, body=body)
        before, outcome = self.service.parts.validator.foresee(payload, self.service.parts.clock() // 1000)
        _require_free(self.service, payload, before)
        self.reading.record(f"draft of {payload.event_type}", *(() if state is None else (case_id,)))
        labels = self.labels
        narrator = narrator_of(self.service, labels)
        return EventDraft(
            payload=canonical.encode(payload).decode(),
            event_id=payload.event_id,
            sentence=narrator.tell(before, payload, outcome.state),
            particulars=event_fields(payload, {}, narrator.words(payload, outcome.state), labels),
            flags=[
                (labels.of_flag(flag.name), narrator.detail(flag.detail), labels.of_article(flag.article))
                for flag in outcome.flags
            ],
            since=since(self.service, self.form, narrator, payload),
            sequence=payload.sequence,
            following=f"{PATH}/inbox" if act == "refuse" else f"{PATH}/cases/{case_id}",
            occurred_at=payload.occurred_at,
        )


def _state(service: Service, reading: Reading, case_id: str) -> CaseState:
    with service.parts.database.read() as connection:
        reading.require_case(connection, case_id)
    return service.parts.validator.states.of_listed_case(case_id)


class StreamPosition(Protocol):
    """The number and digest of a stream's last event."""

    @property
    def sequence(self) -> int: ...

    @property
    def head(self) -> str: ...


def unsigned(
    service: Service, reading: Reading, form: PostedForm, *, stream: Stream, state: StreamPosition | None, body: Body
) -> Payload:
    """Return the next event of the stream, unsigned, in the reader's name, at the time that the form gives."""
    authority_fields = form.fields("authorization_type", "authorization_identifier")
    return make_payload(
        body=body,
        version=VERSION,
        event_id=SYSTEM_SOURCES.event_id(),
        stream=stream,
        sequence=0 if state is None else state.sequence + 1,
        previous=None if state is None else state.head,
        agency=reading.agency,
        officer=reading.session.grant.officer,
        occurred_at=happened(form, service.parts.clock() // 1000),
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


def _require_free(service: Service, payload: Payload, before: CaseState | None) -> None:
    """Raise NotFound for a case id that is taken, before the signature. The public log has it anyway."""
    with service.parts.database.read() as connection:
        is_opened = before is None and log.heads(connection, [("case", payload.stream.id)])
    if is_opened:
        raise NotFound(f"the id {payload.stream.id} is taken already", code="duplicate_id")
