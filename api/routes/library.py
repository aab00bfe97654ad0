"""The library of models: search, packages, comparisons, adopters, and how the leads of models turned out."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Query
from msgspec import Meta, Struct
from starlette.responses import Response

from api.dependencies import Models, PageOf, Reads, ServiceOf, SlugPath, SlugQuery, download, json_body, json_response
from api.routes.supervision import Retired
from api.schemas.openapi import OF_A_BODY, Paged, Routes
from api.services.library_views import (
    AdoptersView,
    LibraryEntry,
    LibraryLine,
    OutturnLine,
    adopters,
    by_quarter,
    counted_leads,
    library_entry,
    lines_of,
    model_package,
)
from api.services.supervision_views import require_model, version_of
from ledger.core.events.terms import BusinessLine, Severity
from ledger.core.messages import Message
from ledger.core.verification.bundle import FORMAT
from ledger.recording.supervision_streams import identified
from ledger.store import supervision
from ledger.store.cases import Page
from ledger.supervision.library.cards import ModelComparison, compare
from ledger.supervision.runs.supervisor import MODELS_AT_MOST

router = Routes(400, 401, 503, prefix="/api/v1/library", tags=["supervision"])

PACKAGE = {"content": {"application/json": {"schema": {"type": "object", "description": FORMAT}}}}
MAX_BODY: Final = 1024 * 1024  # bytes
Wanted = Annotated[str | None, Query(min_length=1, max_length=200, description="words to look for, in any language")]
SeverityOf = Annotated[Severity | None, Query(description="only models of this severity")]
ComparedWith = Annotated[SlugQuery, Query(alias="other")]
VersionQuery = Annotated[int | None, Query(ge=1, le=1_000_000, description="version of the model, if not the newest")]


class OutturnView(Struct, frozen=True):
    """How the leads of all versions of a model turned out, over all agencies; each lead counts in one line.

    ``lines`` is null for readers outside the supervising agencies.
    """

    model_id: str
    lines: tuple[OutturnLine, ...] | None


class TextsToCheck(Struct, frozen=True, forbid_unknown_fields=True):
    """Texts that are to be published."""

    texts: Annotated[tuple[Annotated[str, Meta(max_length=32_000)], ...], Meta(max_length=1000)]


class TraceView(Struct, frozen=True):
    """A passage that leads to a case, a thing or a person.

    ``text`` is in the text ``number`` from character ``start`` on, both from 0. ``what`` says what it is, ``instead``
    what to write in its place.
    """

    number: int
    start: int
    text: str
    what: str
    instead: str


class AnonymityView(Struct, frozen=True):
    """The passages of the texts that are not anonymous."""

    traces: tuple[TraceView, ...]


TextsToCheckBody = Annotated[TextsToCheck, json_body(TextsToCheck, limit=MAX_BODY)]


@router.reads("", "Look for models in the library", Paged("models", LibraryLine))
def list_library(
    *,
    service: ServiceOf,
    reading: Reads,
    page: PageOf,
    q: Wanted = None,
    business_line: BusinessLine | None = None,
    severity: SeverityOf = None,
    retired: Retired = None,
) -> Response:
    """List all models by their ids, or with `q` those that match the words, best first, on one page."""
    every = Page(MODELS_AT_MOST, page.position("models"))
    with service.parts.database.read() as connection:
        rows = [
            row
            for row in supervision.list_models(connection, every, retired=retired)
            if (None in (business_line, row["business_line"]) or row["business_line"] == business_line)
            and severity in (None, row["severity"])
        ]
        lines = lines_of(connection, reading, rows, q, page.limit)
    reading.record(Message("list of the library"))
    if q:
        return json_response({"models": lines})
    return page.response("models", lines, lambda line: line.model_id)


@router.reads("/{model_id}", "Show a model of the library", LibraryEntry, 404)
def show_entry(service: ServiceOf, reading: Reads, model_id: SlugPath, version: VersionQuery = None) -> Response:
    """Return the content of the model's file part by part, with figures and case study."""
    with service.parts.database.read() as connection:
        state = require_model(connection, reading, model_id)
        counted = counted_leads(connection, [model_id])[model_id]
    published = version_of(state, version)
    reading.record(Message("model {model_id}", model_id=model_id))
    return json_response(library_entry(state, published.body, counted if reading.of_supervising_agency else None))


@router.files("/{model_id}/package", "Get a model as a signed package", PACKAGE, 404)
def package(service: ServiceOf, reading: Reads, model_id: SlugPath, version: VersionQuery = None) -> Response:
    """Return the version and those before it, each as signed and with its proof, for another ledger to import.

    The package is verified before it is returned.
    """
    return download(*model_package(service, reading, model_id, version))


@router.reads("/{model_id}/comparison", "Compare two versions of a model, or two models", ModelComparison, 404)
def comparison(
    *,
    service: ServiceOf,
    reading: Reads,
    model_id: SlugPath,
    first: VersionQuery = None,
    second: VersionQuery = None,
    compared_with: ComparedWith = None,
) -> Response:
    """Compare two versions field by field.

    `second` is by default the newest version, of the model `other` if that is given; `first` is by default the version
    before `second`.
    """
    with service.parts.database.read() as connection:
        state = require_model(connection, reading, model_id)
        to = require_model(connection, reading, compared_with, "other") if compared_with else state
    later = version_of(to, second, "second")
    before = state.newest.body.version if compared_with else max(1, later.body.version - 1)
    earlier = version_of(state, first or before, "first")
    reading.record(Message("comparison of model {model_id}", model_id=model_id))
    return json_response(service.parts.workers.run(compare, earlier.body, later.body, agency=reading.agency))


@router.reads("/{model_id}/adopters", "Say who adopted a model", AdoptersView, 404)
def show_adopters(service: ServiceOf, reading: Reads, model_id: SlugPath) -> Response:
    """Return who runs the model with which parameters; for supervising agencies also how their leads turned out."""
    with service.parts.database.read() as connection:
        state = require_model(connection, reading, model_id)
        counted = counted_leads(connection, [model_id])[model_id]
    agencies, with_leads = reading.authority.agencies, reading.of_supervising_agency
    reading.record(Message("adopters of model {model_id}", model_id=model_id))
    return json_response(AdoptersView(model_id, adopters(state, agencies, counted, with_leads=with_leads)))


@router.reads("/{model_id}/outturn", "Say how a model's leads turned out over time", OutturnView, 404)
def show_outturn(service: ServiceOf, reading: Reads, model_id: SlugPath) -> Response:
    """Return the counts by the quarter in which the leads were raised."""
    with service.parts.database.read() as connection:
        require_model(connection, reading, model_id)
        counted = supervision.outturn_of_model(connection, model_id)
    reading.record(Message("outturn of model {model_id}", model_id=model_id))
    return json_response(OutturnView(model_id, by_quarter(counted) if reading.of_supervising_agency else None))


@router.posts(
    "/anonymity", "Say what in texts leads to a case, a thing or a person", TextsToCheck, AnonymityView, 403, *OF_A_BODY
)
def check_anonymity(service: ServiceOf, reading: Models, asked: TextsToCheckBody) -> Response:
    """Find ids of cases and things that you may see, and whatever has the form of an identifier.

    For clerks, auditors, analysts and supervisors of an agency that supervises, before they publish. Each check
    is recorded as a read.
    """
    with service.parts.database.read() as connection:
        traces = [
            TraceView(number, trace.start, trace.text, trace.kind, trace.instead)
            for number, text in enumerate(asked.texts)
            for trace in identified(connection, text, service.parts.authority(), reading.reader)
        ]
    reading.record(Message("anonymity of texts"))
    return json_response(AnonymityView(tuple(traces)))
