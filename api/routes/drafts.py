"""Drafts of events: what a client's officer is to sign, made and foretold by the service."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import Depends
from msgspec import Raw, Struct
from starlette.responses import Response

from api.auth.reading import Reading
from api.dependencies import LabelsOf, ServiceOf, holding, json_body, json_response
from api.schemas.openapi import OF_A_BODY, Routes
from api.services.drafts import (
    CaseAtHand,
    ForeseenEvent,
    body_from,
    case_at_hand,
    draft_in_case,
    require_role,
    with_generated_ids,
)
from api.services.service import Service
from api.services.supervision_drafts import draft_in_supervision, state_at_hand, with_signed_fields
from ledger.core.encoding import canonical
from ledger.core.errors import MalformedInput
from ledger.core.events import EVENT_TYPES, NAME_OF, Authority, Body, Stream
from ledger.core.events.case import CaseOpened, CaseTakenOver
from ledger.core.events.letter import LetterReceived, LetterSent
from ledger.core.events.terms import EventTypeName, Instant, SectionField, SectionLabel, Text
from ledger.core.signing.signatures import typed_data
from ledger.i18n import Labels
from ledger.recording.event_signing import Claims

MAX_BODY: Final = 1024 * 1024  # bytes
BODY: Final = "payload.body"
OF_OFFICERS = {row.name: row for row in EVENT_TYPES.values() if row.roles}
SIGNING = tuple(dict.fromkeys(role for row in OF_OFFICERS.values() for role in row.roles))
DRAFTED: Final = ("case", "supervision")  # streams
OPENING = (NAME_OF[CaseOpened], NAME_OF[CaseTakenOver])

router = Routes(400, 401, 403, 404, 409, 422, 503, prefix="/api/v1/drafts", tags=["events"])


class ActToDraft(Struct, frozen=True, forbid_unknown_fields=True):
    """An act in a case, or on a model, a lead or a recommendation, as the file for ``tally event sign`` has it.

    ``body`` has the fields of the event type, in any order. The ids of what the act brings in may be left out: they are
    made up. Of a model its ``definition`` suffices. ``occurred_at`` is now unless it is given. ``sections`` are
    confidential texts by label and field.
    """

    event_type: EventTypeName
    stream: Stream
    body: dict[str, Any]
    occurred_at: Instant | None = None
    authority: Authority | None = None
    sections: dict[SectionLabel, dict[SectionField, Text]] = {}


class DraftedTexts(Struct, frozen=True):
    """Canonical texts, whose UTF-8 bytes are hashed: of the envelope without signature, the payload, the sections."""

    envelope: str
    payload: str
    sections: dict[str, str]


class ValueInWords(Struct, frozen=True):
    """A value that is signed, under its label."""

    label: str
    value: str


class FlagForeseen(Struct, frozen=True):
    """A flag that the event will raise: its name and article as they will be recorded, and both in words."""

    name: str
    article: str
    label: str
    law: str
    detail: str


class EventDraftView(Struct, frozen=True):
    """A draft, with the flags that it would raise, and ``warnings`` in words of what may not be meant.

    ``model_runs`` tells whether a model that is to be published runs over the record as it is now, if that was tried.

    ``submission`` is what is posted to record it, once ``submission.envelope.signature`` is the signature.

    ``typed_data`` is what is signed (EIP-712, for ``eth_signTypedData_v4``). ``submission`` is in canonical form: it
    stays so in a JSON library that keeps the order of keys and writes letters of other scripts as they are.
    """

    submission: Raw
    canonical: DraftedTexts
    typed_data: dict[str, Any]
    sentence: str
    values: tuple[ValueInWords, ...]
    flags: tuple[FlagForeseen, ...]
    warnings: tuple[str, ...]
    discloses: str | None
    model_runs: bool | None


@router.posts("", "Draft an event, to be signed", ActToDraft, EventDraftView, *OF_A_BODY)
def draft(
    service: ServiceOf,
    reading: Annotated[Reading, Depends(holding(*SIGNING))],
    act: Annotated[ActToDraft, json_body(ActToDraft, limit=MAX_BODY)],
    labels: LabelsOf,
) -> Response:
    """Return the next event of the case, model, lead or recommendation in your name: its bytes, what to sign, and the
    same in words.

    Nothing is recorded of it before it is posted with the signature. What the ledger would refuse is refused here, in
    the same words. If somebody else's event comes in between, draft it again.
    """
    row = OF_OFFICERS.get(act.event_type)
    if row is None or not {*DRAFTED} & {*row.streams}:
        raise MalformedInput(
            "no event {event_type} of a case or of supervision is signed by officers",
            event_type=act.event_type,
            field="event_type",
        )
    require_role(reading, row.body)
    if act.stream.kind not in DRAFTED or act.stream.kind not in row.streams:
        possible = " or ".join(kind for kind in DRAFTED if kind in row.streams)
        raise MalformedInput(
            "expected {possible}, not {stream.kind}", possible=possible, stream=act.stream, field="stream.kind"
        )
    make = _draft_in_case if act.stream.kind == "case" else _draft_in_supervision
    return json_response(_view(make(service, reading, labels, act, row.body), labels, service.parts.trust.trust.log_id))


def _draft_in_case(
    service: Service, reading: Reading, labels: Labels, act: ActToDraft, body_type: type[Body]
) -> ForeseenEvent:
    drafted_case = CaseAtHand(act.stream.id)
    if act.event_type not in OPENING:
        answers = act.event_type == NAME_OF[LetterSent] and act.body.get("answers") is not None
        by_letter = answers or act.event_type == NAME_OF[LetterReceived]
        drafted_case = case_at_hand(service, reading, act.stream.id, by_letter=by_letter)
    body = body_from(body_type, with_generated_ids(body_type, act.body), where=BODY)
    return draft_in_case(service, reading, labels, drafted_case=drafted_case, body=body, claims=_stated(act))


def _draft_in_supervision(
    service: Service, reading: Reading, labels: Labels, act: ActToDraft, body_type: type[Body]
) -> ForeseenEvent:
    stream_id = act.stream.id
    state = state_at_hand(service, reading, stream_id, body_type)
    fields = with_signed_fields(service, reading, body_type, act.body, stream_id=stream_id, state=state)
    body = body_from(body_type, fields, where=BODY)
    return draft_in_supervision(
        service, reading, labels, stream_id=stream_id, state=state, body=body, claims=_stated(act)
    )


def _stated(act: ActToDraft) -> Claims:
    return Claims(act.occurred_at, act.authority, act.sections)


def _view(drafted: ForeseenEvent, labels: Labels, log_id: bytes) -> EventDraftView:
    event = drafted.unsigned
    return EventDraftView(
        submission=Raw(event.submission),
        canonical=DraftedTexts(
            canonical.encode(event.envelope).decode(),
            canonical.encode(event.payload).decode(),
            {label: canonical.encode(section).decode() for label, section in event.sections.items()},
        ),
        typed_data=typed_data(event.envelope, log_id),
        sentence=drafted.sentence,
        values=tuple(ValueInWords(*each) for each in drafted.particulars),
        flags=tuple(
            FlagForeseen(flag.name, flag.article, labels.of_flag(flag.name), labels.of_article(flag.article), detail)
            for flag, detail in drafted.flags
        ),
        warnings=tuple(drafted.warnings),
        discloses=drafted.discloses,
        model_runs=drafted.model_runs,
    )
