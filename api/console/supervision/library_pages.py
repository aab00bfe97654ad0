"""The library: models of every agency, to be searched, read part by part, compared, adopted and retired."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Query
from starlette.responses import Response

from api.auth.reading import Reading
from api.console.shared.access import VisitOf, page_router
from api.console.shared.cited_events import RecordedQuery, recorded
from api.console.supervision.supervision_acts import act_to_do
from api.dependencies import Following, SlugPath, download
from api.services.library_views import adopters, by_quarter, counted_leads, library_entry, lines_of, model_package
from api.services.supervision_views import require_supervision_state, version_of
from ledger.core.events import EVENT_TYPES, terms
from ledger.core.events.terms import BusinessLine, Severity
from ledger.core.messages import Message
from ledger.core.supervision import ModelState
from ledger.core.supervision.models import STREAM
from ledger.i18n import words_in_use
from ledger.store import supervision
from ledger.store.cases import Page
from ledger.supervision.library.cards import compare
from ledger.supervision.runs.supervisor import MODELS_AT_MOST

ROWS = 25

router = page_router()
Words = Annotated[str, Query(max_length=200)]
Version = Annotated[int | None, Query(ge=1, le=1_000_000)]


@router.get("/library")
def browse(
    visit: VisitOf,
    *,
    q: Words = "",
    business_line: BusinessLine | Literal[""] = "",
    severity: Severity | Literal[""] = "",
    after: Following = None,
) -> Response:
    """Show the models in use by their ids, or those that match the words, best first."""
    wanted = {name: value for name, value in (("business_line", business_line), ("severity", severity)) if value}
    position = visit.service.cursors.position("models", after)
    with visit.service.parts.database.read() as connection:
        rows = supervision.list_models(connection, Page(MODELS_AT_MOST, position))
        rows = [row for row in rows if all(row[name] in (None, value) for name, value in wanted.items())]
        lines = lines_of(connection, visit.reading, rows, q, ROWS)
    visit.reading.record(Message("list of the library"))
    return visit.page(
        "supervision/library.html",
        lines=lines,
        asked={"q": q, "business_line": business_line, "severity": severity},
        following=visit.service.cursors.seal("models", lines[-1].model_id) if not q and len(rows) > ROWS else None,
        business_lines=words_in_use("business_line"),
        severities=terms.choices(terms.Severity),
        governs=visit.reading.of_supervising_agency,
    )


@router.get("/library/{model_id}")
def model(visit: VisitOf, model_id: SlugPath, version: Version = None, event: RecordedQuery = ()) -> Response:
    """Show the content of a model, how its leads turned out, who runs it, and the forms to adopt or retire it."""
    with visit.service.parts.database.read() as connection:
        state, _ = require_supervision_state(connection, visit.reading, STREAM + model_id, ModelState, field="model_id")
        counted = counted_leads(connection, [model_id])[model_id]
        outturn = supervision.outturn_of_model(connection, model_id)
    published = version_of(state, version, "version")
    agencies, session = visit.reading.authority.agencies, visit.reading.session
    governs = visit.reading.of_supervising_agency
    visit.reading.record(Message("model {model_id}", model_id=model_id))
    return visit.page(
        "supervision/model.html",
        state=state,
        entry=library_entry(state, published.body, counted if governs else None),
        adopters=adopters(state, agencies, counted, with_leads=governs),
        outturn=by_quarter(outturn),
        governs=governs,
        own=state.adoptions.get(visit.reading.agency),
        may_adopt=governs and session.has_role("analyst") and state.retired is None,
        acts=[act_to_do(visit, "model.retired", {})] if _may_retire(state, visit.reading) else [],
        recorded_events=recorded(visit, event),
    )


def _may_retire(state: ModelState, reading: Reading) -> bool:
    is_own = state.publisher == reading.agency and state.retired is None
    return is_own and reading.session.has_role(*EVENT_TYPES["model.retired"].roles)


@router.get("/library/{model_id}/comparison")
def comparison(visit: VisitOf, model_id: SlugPath, first: Version = None, second: Version = None) -> Response:
    """Show the differences between two versions, field by field."""
    with visit.service.parts.database.read() as connection:
        state, _ = require_supervision_state(connection, visit.reading, STREAM + model_id, ModelState, field="model_id")
    later = version_of(state, second, "second")
    earlier = version_of(state, first or max(1, later.body.version - 1), "first")
    visit.reading.record(Message("comparison of model {model_id}", model_id=model_id))
    differences = visit.service.parts.workers.run(compare, earlier.body, later.body, agency=visit.reading.agency)
    return visit.page("supervision/comparison.html", state=state, comparison=differences)


@router.get("/library/{model_id}/package")
def package(visit: VisitOf, model_id: SlugPath, version: Version = None) -> Response:
    """Return the signed package for download."""
    return download(*model_package(visit.service, visit.reading, model_id, version))
