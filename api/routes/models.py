"""Models of supervision: in lists, and singly with the results of their leads."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from api.auth.reading import Reading
from api.dependencies import (
    Following,
    Limit,
    Reads,
    Service,
    ServiceOf,
    SlugPath,
    json_response,
    page_response,
    window_of,
)
from api.schemas.openapi import answers, page_of
from api.services.matter_views import ModelLine, ModelView, leads_of_model, model_line, model_view
from api.services.matters import require_matter
from ledger.core.errors import NotFound
from ledger.core.supervision import ModelState
from ledger.core.supervision.models import STREAM
from ledger.store import supervision

router = APIRouter(prefix="/api/v1/models", tags=["supervision"])

Retired = Annotated[bool | None, Query(description="only those that are retired, or that are not")]
VersionPath = Annotated[int, Path(ge=1, le=1_000_000, description="version of the model")]


@router.get("", summary="List the models", responses=answers(page_of("models", ModelLine), 400, 401, 503))
def list_models(
    *, service: ServiceOf, reading: Reads, retired: Retired = None, limit: Limit = 100, after: Following = None
) -> Response:
    """List all models in the order of their ids; every agency may see them."""
    window = window_of(service, "models", limit, after)
    with service.parts.database.read() as connection:
        rows = supervision.list_models(connection, window, retired=retired)
    reading.record("list of models")
    return page_response(service, "models", [model_line(row) for row in rows], window.limit, lambda line: line.model_id)


@router.get("/{model_id}", summary="Show a model", responses=answers(ModelView, 400, 401, 404, 503))
def show_model(service: ServiceOf, reading: Reads, model_id: SlugPath) -> Response:
    """Return the newest version: its definition, its adopters, and how its leads turned out."""
    return _shown(service, reading, model_id, None)


@router.get(
    "/{model_id}/{version}", summary="Show a version of a model", responses=answers(ModelView, 400, 401, 404, 503)
)
def show_version(service: ServiceOf, reading: Reads, model_id: SlugPath, version: VersionPath) -> Response:
    """Return one version: its definition, its adopters, and how its leads turned out."""
    return _shown(service, reading, model_id, version)


def _shown(service: Service, reading: Reading, model_id: str, version: int | None) -> Response:
    with service.parts.database.read() as connection:
        state, _ = require_matter(connection, reading, STREAM + model_id, ModelState, field="model_id")
        tally = supervision.tally_of_model(connection, model_id)
    wanted = version or state.newest.body.version
    published = next((candidate for candidate in state.versions if candidate.body.version == wanted), None)
    if published is None:
        raise NotFound(f"{model_id} has no version {version}", field="version")
    reading.record(f"model {model_id}")
    return json_response(model_view(state, published, leads_of_model(tally, wanted) if reading.counts_leads else None))
