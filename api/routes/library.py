"""The library of models: how their leads turned out over time, and whether texts about them name nobody."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Annotated

import msgspec
from fastapi import APIRouter, Request
from msgspec import Meta, Struct
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api.bodies import JSON, decode, read_body
from api.dependencies import Reads, Service, ServiceOf, SlugPath, answer
from api.matters import require_matter
from api.openapi import answers, takes
from api.reading import Reading
from api.routes.reports import require_governing
from ledger.core.legal_day import legal_day
from ledger.core.supervision import ModelState
from ledger.core.supervision.models import STREAM
from ledger.matters import identified
from ledger.store import supervision

router = APIRouter(prefix="/api/v1/library", tags=["supervision"])

MAX_BODY = 1024 * 1024  # bytes


class OutturnLine(Struct, frozen=True):
    """So many leads that were raised in a quarter (``2026-Q1``, by days in Asia/Shanghai) stand so now."""

    quarter: str
    status: str
    outcome: str | None
    count: int


class OutturnView(Struct, frozen=True):
    """How the leads of all versions of a model turned out, over all agencies: each lead counts in one line."""

    model_id: str
    lines: tuple[OutturnLine, ...]


class Texts(Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be published."""

    texts: Annotated[tuple[Annotated[str, Meta(max_length=32_000)], ...], Meta(max_length=1000)]


class TraceView(Struct, frozen=True):
    """``text`` stands in the texts; ``what`` says what it is."""

    text: str
    what: str


class AnonymityView(Struct, frozen=True):
    """What in the texts leads to a case, a thing or a person: nothing where they are anonymous."""

    traces: tuple[TraceView, ...]


_texts = msgspec.json.Decoder(Texts)


@router.get(
    "/{model_id}/outturn",
    summary="Say how a model's leads turned out over time",
    responses=answers(OutturnView, 400, 401, 404, 503),
)
def show_outturn(service: ServiceOf, reading: Reads, model_id: SlugPath) -> Response:
    """By the quarter in which they were raised."""
    with service.parts.database.read() as connection:
        require_matter(connection, reading, STREAM + model_id, ModelState, field="model_id")
        counted = supervision.outturn_of_model(connection, model_id)
    reading.record(f"outturn of model {model_id}")
    found: Counter[tuple[str, str, str | None]] = Counter()
    for hour, status, outcome, count in counted:
        found[_quarter(hour), status, outcome] += count
    lines = (OutturnLine(*key, count) for key, count in found.items())
    return answer(OutturnView(model_id, tuple(sorted(lines, key=lambda one: (one.quarter, one.status)))))


@router.post(
    "/anonymity",
    summary="Say what in texts leads to a case, a thing or a person",
    responses=answers(AnonymityView, 400, 401, 403, 408, 413, 415, 503),
    openapi_extra=takes(Texts),
)
async def check_anonymity(request: Request, service: ServiceOf, reading: Reads) -> Response:
    """Ids of this ledger, and what has the form of an identifier. For a procuratorate's auditors, analysts and
    supervisors, before they publish; each check is recorded as a read."""
    timeout_s = service.parts.settings.request_timeout_s
    body = await read_body(request.scope, request.receive, JSON, limit=MAX_BODY, timeout_s=timeout_s)
    return await run_in_threadpool(_checked, service, reading, decode(body, _texts).texts)


def _checked(service: Service, reading: Reading, texts: tuple[str, ...]) -> Response:
    require_governing(reading)
    with service.parts.database.read() as connection:
        found = identified(connection, texts, service.authority())
    reading.record("anonymity of texts")
    return answer(AnonymityView(tuple(TraceView(*one) for one in sorted(found.items()))))


def _quarter(hour: str) -> str:
    """Of the hour's day in Asia/Shanghai, which is whole hours ahead of UTC."""
    day = legal_day(datetime.fromisoformat(f"{hour}:00:00+00:00"))
    return f"{day.year}-Q{(day.month + 2) // 3}"
