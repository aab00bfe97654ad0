"""Papers: documents printed from events, and certificates of what is proven."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal, get_args

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api.dependencies import EventIdPath, Ground, Reads, Service, ServiceOf, SlugPath, SlugQuery
from api.routes.events import find, record
from api.routes.proofs import bundle_of_case, bundle_of_event
from api.schemas.openapi import problems
from ledger.core.errors import NotFound
from ledger.core.log.replay import StreamHead
from ledger.i18n import language_of
from ledger.interchange.papers.certificate import CertificateRequest, print_certificate
from ledger.interchange.papers.document import document, read_event
from ledger.interchange.papers.forms import DOCUMENTS
from ledger.interchange.papers.paper_text import PaperLanguage, PaperText, language_for
from ledger.interchange.papers.typeset import typeset
from ledger.proofs.bundles import Withheld
from ledger.store import log
from ledger.timeline import names_by_id
from ledger.workers.pool import TooCostly

router = APIRouter(prefix="/api/v1", tags=["paper"])
MAX_CERTIFIED = 400  # events of a case: some 250 MB are needed for so many
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
DocumentQuery = Annotated[
    Document | None, Query(alias="document", description="which one, where an event prints as several")
]
ItemQuery = Annotated[SlugQuery, Query(description="only this item, and what happened with it")]
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
    kind: DocumentQuery = None,
    withhold: Literal["sections"] | None = None,
    ground: Ground = None,
) -> Response:
    """Return the case as it was with the event, with names and confidential sections as far as you may read them.

    With `withhold` there are none of these. The same event gives the same file until a section is erased.
    """
    with service.parts.database.read() as connection:
        entry, sight = find(connection, reading, event_id)
        if (entry.stream_kind, entry.stream_id) != ("case", case_id):
            raise NotFound(f"no event {event_id} of case {case_id} that you may see", field="event_id")
        confidential = withhold is None and reading.sees_sections(connection, entry, sight, ground)
        printed_event = read_event(connection, service.parts.validator.states, entry, confidential=confidential)
    text = PaperText(paper_language(request, language), lambda labels: names_by_id(reading.authority.names, labels))
    log_id = f"0x{service.parts.trust.trust.log_id.hex()}"
    sheet = document(printed_event, text, log_id=log_id, verify_url=verify_url(service), kind=kind)
    pdf = service.parts.workers.run(typeset, sheet, agency=reading.agency)
    record(reading, "paper of event", entry, ground)
    return file_of(pdf, event_id)


@router.get(
    "/events/{event_id}/certificate",
    summary="Certify what is proven of an event",
    response_class=Response,
    responses=_PDF | problems(400, 401, 404, 503),
)
def event_certificate(
    *,
    request: Request,
    service: ServiceOf,
    reading: Reads,
    event_id: EventIdPath,
    language: Language = None,
    withhold: Withheld | None = None,
    ground: Ground = None,
) -> Response:
    """Return the numbered verification of the event's proof bundle in words.

    It sets what is claimed beside what is proven, and says what is not proven. The bundle is attached as `proof`
    returns it to you.
    """
    with service.parts.workers.turn(reading.agency) as turn:
        bundle = bundle_of_event(service, reading, event_id, withhold, ground)
        certificate_request = _certificate_request(service, bundle, paper_language(request, language))
        return file_of(turn.run(print_certificate, certificate_request), f"{event_id}.certificate")


@router.get(
    "/cases/{case_id}/certificate",
    summary="Certify what is proven of a case, or of one item",
    response_class=Response,
    responses=_PDF | problems(400, 401, 404, 503),
)
def case_certificate(
    *,
    request: Request,
    service: ServiceOf,
    reading: Reads,
    case_id: SlugPath,
    item_id: ItemQuery = None,
    language: Language = None,
    withhold: Withheld | None = None,
    ground: Ground = None,
) -> Response:
    """Return the same for all events of the case, with items, their digests and the handling chain."""
    with service.parts.database.read() as connection:
        reading.require_case(connection, case_id)
        _require_few(log.heads(connection, [("case", case_id)]).values())
    with service.parts.workers.turn(reading.agency) as turn:
        bundle = bundle_of_case(service, reading, case_id, withhold, ground)
        certificate_request = _certificate_request(service, bundle, paper_language(request, language), item_id)
        return file_of(turn.run(print_certificate, certificate_request), f"{case_id}.certificate")


def _require_few(heads: Iterable[StreamHead]) -> None:
    """Raise TooCostly for a case whose certificate would take more than a worker may."""
    for head in heads:
        if head.sequence >= MAX_CERTIFIED:
            raise TooCostly(
                f"the case has {head.sequence + 1} events: certificates are made here of at most {MAX_CERTIFIED}",
                field="case_id",
                hint="Take the certificate of an event; or the proof of the case, and certify it on your own computer: "
                "tally proof get --case, tally proof certificate",
            )


def _certificate_request(
    service: Service, bundle: bytes, language: PaperLanguage, item_id: str | None = None
) -> CertificateRequest:
    parts = service.parts
    return CertificateRequest(bundle, parts.trust.trust, parts.validator.book, language, verify_url(service), item_id)


def paper_language(request: Request, language: PaperLanguage | None) -> PaperLanguage:
    """Return the language that was asked for, or else the reader's."""
    return language or language_for(language_of(request.headers.get("accept-language")))


def verify_url(service: Service) -> str:
    """Return the address of the page where anybody can check a proof."""
    return f"{service.parts.settings.url}/verify"


def file_of(pdf: bytes, name: str) -> Response:
    """Return a response with the PDF under this file name."""
    headers = {"Content-Disposition": f'inline; filename="{name}.pdf"'}
    return Response(pdf, media_type="application/pdf", headers=headers)
