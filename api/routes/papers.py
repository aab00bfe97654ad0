"""Paper: documents printed from events."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api.dependencies import EventIdPath, Ground, Reads, Service, ServiceOf, SlugPath
from api.openapi import problems
from api.routes.events import find, record
from api.routes.timelines import agency_names
from ledger.core.errors import NotFound
from ledger.exchange.paper.document import document
from ledger.exchange.paper.forms import DOCUMENTS
from ledger.exchange.paper.reading import occasion
from ledger.exchange.paper.typeset import typeset
from ledger.exchange.paper.voice import PaperLanguage, Voice
from ledger.locales import language_of

router = APIRouter(prefix="/api/v1", tags=["paper"])
Document = Literal[
    "transfer_list",
    "acceptance_receipt",
    "refusal_notice",
    "return_notice",
    "custody_change_certificate",
    "service_receipt",
    "seizure_list",
    "disposal_list",
]
assert get_args(Document) == DOCUMENTS, "the route offers what the table of forms has"
Language = Annotated[
    PaperLanguage | None, Query(alias="lang", description="language or languages; else by Accept-Language")
]
Kind = Annotated[Document | None, Query(alias="document", description="which one, where an event prints as several")]
_PDF: dict[int | str, dict[str, Any]] = {
    200: {"description": "The paper, PDF/A-3b", "content": {"application/pdf": {}}}
}


@router.get(
    "/cases/{case_id}/events/{event_id}/paper",
    summary="Print an event as the document that it prints as",
    response_class=Response,
    responses=_PDF | problems(400, 401, 404, 503),
)
def paper(
    *,
    request: Request,
    service: ServiceOf,
    reading: Reads,
    case_id: SlugPath,
    event_id: EventIdPath,
    language: Language = None,
    kind: Kind = None,
    withhold: Literal["sections"] | None = None,
    ground: Ground = None,
) -> Response:
    """The case as it stood with the event; names and confidential sections as far as you may read them, none with
    `withhold`. The same event gives the same file until a section is erased."""
    with service.parts.database.read() as connection:
        entry, sight = find(connection, reading, event_id)
        if (entry.stream_kind, entry.stream_id) != ("case", case_id):
            raise NotFound(f"no event {event_id} of case {case_id} that you may see", field="event_id")
        confidential = withhold is None and reading.sees_sections(connection, entry, sight, ground)
        found = occasion(connection, service.parts.recorder.states, entry, confidential=confidential)
    voice = Voice(spoken(request, language), lambda labels: agency_names(reading, labels))
    log_id = f"0x{service.parts.trust.trust.log_id.hex()}"
    sheet = document(found, voice, log_id=log_id, verify_url=verify_url(service), kind=kind)
    made = typeset(sheet)
    record(reading, "paper of event", entry, ground)
    return file_of(made, event_id)


def spoken(request: Request, language: PaperLanguage | None) -> PaperLanguage:
    """The language that was asked for, else the reader's."""
    if language is not None:
        return language
    return "zh-CN" if language_of(request.headers.get("accept-language")) == "zh-CN" else "en"


def verify_url(service: Service) -> str:
    """The page where anybody checks a proof."""
    return f"{service.parts.settings.url}/verify"


def file_of(made: bytes, name: str) -> Response:
    """A PDF under this name."""
    headers = {"Content-Disposition": f'inline; filename="{name}.pdf"'}
    return Response(made, media_type="application/pdf", headers=headers)
