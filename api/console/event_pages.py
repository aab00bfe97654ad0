"""An event: what it says, how far it is proven, and the files of it and its case."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.console.access import LabelsOf, Reads
from api.console.case_pages import read_case
from api.console.rendering import language, narrator_of, page
from api.dependencies import EventIdPath, ServiceOf, SlugPath, SlugQuery
from api.routes import papers, proofs
from api.routes.events import find
from api.routes.timelines import timeline_builder
from ledger.core.errors import NotFound
from ledger.core.events import decode_section
from ledger.interchange.papers.forms import forms_of
from ledger.interchange.papers.paper_text import language_for
from ledger.proofs.bundles import Withheld
from ledger.store import log
from ledger.timeline.anchored_sizes import stages
from ledger.timeline.event_fields import event_fields

router = APIRouter()


@router.get("/cases/{case_id}/events/{event_id}")
def event_page(
    *,
    request: Request,
    service: ServiceOf,
    reading: Reads,
    labels: LabelsOf,
    case_id: SlugPath,
    event_id: EventIdPath,
) -> Response:
    """Show the event as it was signed, with its flags, its proof, and its neighbours in the case."""
    visible = read_case(service, reading, case_id, f"event {event_id}")
    with service.parts.database.read() as connection:
        entry, sight = find(connection, reading, event_id)
        if (entry.stream_kind, entry.stream_id) != ("case", case_id):
            raise NotFound(f"no event {event_id} of case {case_id} that you may see", field="event_id")
        history = service.histories.of(connection, case_id)
        here = history[entry.sequence]
        (step,) = timeline_builder(service, reading, labels).steps(connection, case_id, [here])
        shows_sections = reading.sees_sections(connection, entry, sight, None)
        stored = log.sections(connection, entry.log_index) if shows_sections else {}
        proof_stages = stages(connection, step)
    sections = {label: decode_section(data, label) for label, data in stored.items() if data is not None}
    words = narrator_of(service, labels).words(here.payload, here.after)
    return page(
        request,
        service,
        "event.html",
        reading.session,
        case=visible.row,
        state=visible.state,
        step=step,
        stages=proof_stages,
        particulars=event_fields(here.payload, sections, words, labels),
        hidden=() if shows_sections else step.confidential,
        erased=[label for label, data in stored.items() if data is None],
        documents=[form.document for form in forms_of(here.payload)],
        previous=history[entry.sequence - 1].entry.event_id if entry.sequence else None,
        following=history[entry.sequence + 1].entry.event_id if entry.sequence + 1 < len(history) else None,
    )


@router.get("/cases/{case_id}/events/{event_id}/bundle")
def event_bundle(
    service: ServiceOf, reading: Reads, case_id: SlugPath, event_id: EventIdPath, withhold: Withheld | None = None
) -> Response:
    """Return the proof bundle of an event for download."""
    bundle = proofs.bundle_of_event(service, reading, event_id, withhold, None)
    return download(bundle, f"{case_id}.{event_id}{_without(withhold)}.bundle.json")


@router.get("/cases/{case_id}/bundle")
def case_bundle(service: ServiceOf, reading: Reads, case_id: SlugPath, withhold: Withheld | None = None) -> Response:
    """Return the proof bundle of all events of a case for download."""
    bundle = proofs.bundle_of_case(service, reading, case_id, withhold, None)
    return download(bundle, f"{case_id}{_without(withhold)}.bundle.json")


@router.get("/cases/{case_id}/events/{event_id}/certificate")
def event_certificate(
    *, request: Request, service: ServiceOf, reading: Reads, case_id: SlugPath, event_id: EventIdPath
) -> Response:
    """Return the certificate of what is proven of an event."""
    read_case(service, reading, case_id, f"certificate of event {event_id}")
    paper_language = language_for(language(request))
    return papers.event_certificate(
        request=request, service=service, reading=reading, event_id=event_id, language=paper_language
    )


@router.get("/cases/{case_id}/certificate")
def case_certificate(
    request: Request, service: ServiceOf, reading: Reads, case_id: SlugPath, item_id: SlugQuery = None
) -> Response:
    """Return the certificate of a case, or of one item."""
    paper_language = language_for(language(request))
    return papers.case_certificate(
        request=request, service=service, reading=reading, case_id=case_id, item_id=item_id, language=paper_language
    )


@router.get("/cases/{case_id}/events/{event_id}/paper")
def event_paper(
    *,
    request: Request,
    service: ServiceOf,
    reading: Reads,
    case_id: SlugPath,
    event_id: EventIdPath,
    document: papers.DocumentQuery = None,
) -> Response:
    """Return a document that the event prints as: the requested one, or the first."""
    paper_language = language_for(language(request))
    return papers.paper(
        request=request,
        service=service,
        reading=reading,
        case_id=case_id,
        event_id=event_id,
        language=paper_language,
        kind=document,
    )


def _without(withhold: Withheld | None) -> str:
    return f".without-{withhold}" if withhold else ""


def download(bundle: bytes, name: str) -> Response:
    """Return a bundle that the browser saves under this name."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(bundle, media_type="application/json", headers=headers)
