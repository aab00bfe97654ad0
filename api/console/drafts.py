"""Drafts: what a form asks for, as the payload that the page signs. What makes it impossible is told before that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.auth.reading import Reading
from api.console.access import LabelsOf, Reads
from api.console.bodies import ACTS, instant_of
from api.console.forms import Form, FormOf, whole_number
from api.console.rendering import narrator_of, page
from api.console.security import PATH
from api.dependencies import Service, ServiceOf, SlugPath
from ledger.core.custody import CaseState
from ledger.core.encoding import canonical
from ledger.core.encoding.instants import instant_text
from ledger.core.errors import MalformedInput, NotFound, Unauthorized
from ledger.core.events import EVENT_TYPES, VERSION, Authority, Body, Payload, Stream, decode_payload, make_payload
from ledger.i18n import Labels
from ledger.recording.signing import SYSTEM_SOURCES
from ledger.store import log
from ledger.timeline import Narrator
from ledger.timeline.event_fields import Particular, particulars

router = APIRouter()
SINCE_SHOWN = 5  # events that came in between and are told


class Draft(NamedTuple):
    """``payload`` is the canonical text to be signed; ``flags`` are those that it will raise, with detail and article;
    ``since`` tells what came in between, where the event was drafted anew on a newer head; ``warnings`` tell what may
    not be wanted of it, and keeps nobody from signing."""

    payload: str
    event_id: str
    sentence: str
    particulars: list[Particular]
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
    """A part of a page: the draft with its sentence, or what stands in its way."""
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
    form: Form

    def draft(self, case_id: str, act: str) -> Draft:
        """Raises what the ledger would refuse of the signed event."""
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
        return Draft(
            payload=canonical.encode(payload).decode(),
            event_id=payload.event_id,
            sentence=narrator.tell(before, payload, outcome.state),
            particulars=particulars(payload, {}, narrator.words(payload, outcome.state), labels),
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


class Head(Protocol):
    """What a stream stands at: its last event's number and digest."""

    @property
    def sequence(self) -> int: ...

    @property
    def head(self) -> str: ...


def unsigned(
    service: Service, reading: Reading, form: Form, *, stream: Stream, state: Head | None, body: Body
) -> Payload:
    """The next event of the stream, in the reader's name, as of when the form says; nobody has signed it."""
    said = form.fields("authorization_type", "authorization_identifier")
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
        authority=Authority(**said) if len(said) == 2 else None,
    )


def happened(form: Form, now: int) -> str:
    """When what is signed happened: now, unless the form says when before. Raises MalformedInput."""
    told, latest = instant_of(form, "occurred_at"), instant_text(now)
    if told is None:
        return latest
    if told > latest:
        raise MalformedInput(f"expected a time until now, {latest}, not {told}: it is to come", field="occurred_at")
    return told


def since(service: Service, form: Form, narrator: Narrator, payload: Payload) -> list[str]:
    """What was recorded between the draft that could not be kept and this one."""
    earlier = whole_number(form.get("drafted_at"))
    if earlier is None or earlier >= payload.sequence:
        return []
    stream = payload.stream
    with service.parts.database.read() as connection:
        entries = log.stream(connection, stream.kind, stream.id, after=earlier - 1, limit=SINCE_SHOWN)
    return [narrator.alone(decode_payload(entry.payload)) for entry in entries]


def require_role(reading: Reading, body: type[Body]) -> None:
    """Raises Unauthorized where the reader's role does not sign such an event."""
    row = next(row for row in EVENT_TYPES.values() if row.body is body)
    if not reading.session.has_role(*row.roles):
        raise Unauthorized(f"{row.name} takes the role {' or '.join(row.roles)}", code="role_missing")


def _require_free(service: Service, payload: Payload, before: CaseState | None) -> None:
    """A case id that is taken is told now, not after the signature: the public log has it."""
    with service.parts.database.read() as connection:
        is_opened = before is None and log.heads(connection, [("case", payload.stream.id)])
    if is_opened:
        raise NotFound(f"the id {payload.stream.id} is taken already", code="duplicate_id")
