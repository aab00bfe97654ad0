"""Files that anybody can check offline: proof bundles, certificates of what is proven, and printed documents."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Depends, Query, Request
from starlette.responses import Response

from api.dependencies import (
    EventIdPath,
    Ground,
    LabelsOf,
    LabelsWanted,
    PageOf,
    Reads,
    ServiceOf,
    SlugPath,
    SlugQuery,
    WordQuery,
    download,
    shown_pdf,
)
from api.schemas.openapi import Paged, Routes
from api.services import documents
from api.services.archives import archive_of_case
from ledger.i18n import language_accepted
from ledger.interchange.papers.paper_text import PaperLanguage, language_for
from ledger.proofs.bundles import Withheld

router = Routes(400, 401, 404, 503, prefix="/api/v1")
_BUNDLE = {"content": {"application/json": {"schema": {"type": "object", "description": "tallystick/bundle@v1"}}}}


def disclosure(withhold: Withheld | None = None, ground: Ground = None) -> documents.Disclosure:
    """Return what the file that is asked for may disclose."""
    return documents.Disclosure(withhold, ground)


DisclosureOf = Annotated[documents.Disclosure, Depends(disclosure)]


@router.files("/events/{event_id}/proof", "Get the proof bundle of an event", _BUNDLE, tags=["proofs"])
def event_proof(service: ServiceOf, reading: Reads, event_id: EventIdPath, disclosure: DisclosureOf) -> Response:
    """Return the event's bundle without the sections that you may not read; `withhold` leaves out more.

    The bundle is verified before it is returned.
    """
    return Response(documents.bundle_of_event(service, reading, event_id, disclosure), media_type="application/json")


@router.files("/cases/{case_id}/proof", "Get the proof bundle of a case", _BUNDLE, tags=["proofs"])
def case_proof(service: ServiceOf, reading: Reads, case_id: SlugPath, disclosure: DisclosureOf) -> Response:
    """Return the bundles of all events of the case in one file."""
    return Response(documents.proof_of_case(service, reading, case_id, disclosure), media_type="application/json")


LanguageQuery = Annotated[
    PaperLanguage | None, Query(alias="lang", description="language or languages; else by Accept-Language")
]
DocumentQuery = WordQuery
ItemQuery = Annotated[SlugQuery, Query(description="only this item, and what happened with it")]
PDF: dict[str, Any] = {"description": "The paper, PDF/A-3b", "content": {"application/pdf": {}}}


def paper_language(request: Request, language: LanguageQuery = None) -> PaperLanguage:
    """Return the language that was asked for, or else the reader's."""
    return language or language_for(language_accepted(request.headers.get("accept-language")))


Language = Annotated[PaperLanguage, Depends(paper_language)]


@router.reads(
    "/cases/{case_id}/papers",
    "List the papers that a case prints",
    Paged("papers", documents.OfferedPaper),
    tags=["paper"],
)
def papers(service: ServiceOf, reading: Reads, labels: LabelsOf, page: PageOf, case_id: SlugPath) -> Response:
    """Return which papers of its procedure each event of the case prints, in the order of the events."""
    scope = documents.PAPERS.format(case_id)
    after = page.position(scope)
    listed = documents.papers_of_case(service, reading, case_id, labels, after=after, limit=page.limit)
    return page.response("papers", listed, documents.place_of_paper, scope=scope)


@router.files("/events/{event_id}/paper", "Print an event as a paper of its procedure", PDF, tags=["paper"])
def paper(
    *,
    service: ServiceOf,
    reading: Reads,
    event_id: EventIdPath,
    language: Language,
    document: DocumentQuery = None,
    withhold: Literal["sections"] | None = None,
    ground: Ground = None,
) -> Response:
    """Return the case as it was with the event, with names and confidential sections as far as you may read them.

    With `withhold` there are none of these. The same event gives the same file until a section is erased.
    """
    pdf = documents.printed_event(service, reading, event_id, language, name=document, withhold=withhold, ground=ground)
    return shown_pdf(pdf, f"{event_id}.{document}" if document else event_id)


@router.files("/events/{event_id}/certificate", "Certify what is proven of an event", PDF, tags=["paper"])
def event_certificate(
    service: ServiceOf, reading: Reads, event_id: EventIdPath, language: Language, disclosure: DisclosureOf
) -> Response:
    """Return the numbered verification of the event's proof bundle in words.

    It sets what is claimed beside what is proven, and says what is not proven. The bundle is attached as `proof`
    returns it to you.
    """
    pdf = documents.certified_event(service, reading, event_id, language, disclosure)
    return shown_pdf(pdf, f"{event_id}.certificate")


@router.files("/cases/{case_id}/labels", "Print labels of items", PDF, 422, tags=["paper"])
def item_labels(
    service: ServiceOf,
    reading: Reads,
    case_id: SlugPath,
    labels: LabelsOf,
    wanted: LabelsWanted,
) -> Response:
    """Return a label of each item: number, description, case, seal and holder, and its id as a QR code.

    Without `item_id`, those of all items from number `first` of the case on.
    """
    return shown_pdf(documents.labels_of_items(service, reading, case_id, labels, wanted), f"{case_id}.labels")


@router.files("/cases/{case_id}/certificate", "Certify what is proven of a case, or of one item", PDF, tags=["paper"])
def case_certificate(
    *,
    service: ServiceOf,
    reading: Reads,
    case_id: SlugPath,
    language: Language,
    disclosure: DisclosureOf,
    item_id: ItemQuery = None,
) -> Response:
    """Return the same for all events of the case, with items, their digests and the handling chain."""
    pdf = documents.certified_case(service, reading, case_id, language, disclosure, item_id=item_id)
    return shown_pdf(pdf, f"{case_id}.certificate")


_ZIP: dict[str, Any] = {"description": "The archive, a ZIP", "content": {"application/zip": {}}}


@router.files("/cases/{case_id}/archive", "Take a case away in one archive", _ZIP, tags=["cases"])
def case_archive(
    service: ServiceOf, reading: Reads, labels: LabelsOf, language: Language, case_id: SlugPath
) -> Response:
    """Return every paper of the case, its timeline, its proof bundle and its certificate, under names that people read.

    It is a BagIt bag (RFC 8493) in a ZIP, with the SHA-256 of each file, made while it is sent: where it is cut off, it
    has no list of files and does not open. Only what you may see is in it, and each part is recorded as a read.
    """
    pieces = archive_of_case(service, reading, case_id, labels, language)
    return download(pieces, f"{case_id}.zip", "application/zip")
