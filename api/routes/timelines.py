"""Timelines and custody: what happened in a case, and who held it, an item or a person."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path
from starlette.responses import Response

from api.auth.reading import Reading
from api.dependencies import LabelsOf, OnQuery, PageOf, Reads, ServiceOf, SlugPath, json_response
from api.schemas.openapi import Paged, Routes
from api.services.case_reading import timeline_builder
from ledger.core.custody.spans import Span
from ledger.core.errors import NotFound
from ledger.core.messages import Message
from ledger.i18n import zone_in_use
from ledger.store import cases
from ledger.timeline.case_history import TimelineStep
from ledger.timeline.custody_history import AskedTime, CustodyHistory, asked_time, custody_history

TIMELINE = "timeline/{}"  # a place in one case is none in another

router = Routes(400, 401, 404, 503, prefix="/api/v1", tags=["custody"])
PersonPath = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]


@router.reads("/cases/{case_id}/timeline", "Say what happened in a case, step by step", Paged("events", TimelineStep))
def case_timeline(service: ServiceOf, reading: Reads, labels: LabelsOf, case_id: SlugPath, page: PageOf) -> Response:
    """Return each event in a sentence, with claimed, recorded and proven times side by side.

    Each step also has flags, breaks in the chain of custody, deadlines met or missed, discrepancies, and who holds what
    from then on.
    """
    scope = TIMELINE.format(case_id)
    after = int(page.position(scope) or -1)
    with service.parts.database.read() as connection:
        reading.require_case(connection, case_id)
        steps = timeline_builder(service, reading, labels).page(connection, case_id, after=after, limit=page.limit)
    reading.record(Message("timeline of the case"), case_id)
    return page.response("events", steps, lambda step: step.sequence, scope=scope)


@router.reads(
    "/cases/{case_id}/spans", "Say who answered for what and who held it between any two events", Paged("spans", Span)
)
def case_spans(*, service: ServiceOf, reading: Reads, labels: LabelsOf, case_id: SlugPath) -> Response:
    """List who held the case, then each item and person, in order of time; `until` is null for the present span."""
    with service.parts.database.read() as connection:
        reading.require_case(connection, case_id)
        custody_spans = timeline_builder(service, reading, labels).spans(connection, case_id)
    reading.record(Message("chain of custody of the case"), case_id)
    return json_response({"spans": custody_spans})


@router.reads(
    "/items/{item_id}/history", "Say who held an item, when, in what condition, on what authority", CustodyHistory
)
def item_history(
    *, service: ServiceOf, reading: Reads, labels: LabelsOf, item_id: SlugPath, on: OnQuery = None
) -> Response:
    """Return the state of the item between the events that concern it, and those events.

    With `on`, `answer` says who held it and answered for it then, by which act, on what authority, whether in time.
    """
    time, timelines = _time(on, reading), timeline_builder(service, reading, labels)
    with service.parts.database.read() as connection:
        case_id = cases.case_of_item(connection, item_id, reading.reader)
        if case_id is None:
            raise NotFound("no item {item_id} that you may see", item_id=item_id, field="item_id")
        item_story = custody_history(timelines, connection, case_id, ("item", item_id), time)
    reading.record(Message("history of item {item_id}", item_id=item_id), case_id)
    return json_response(item_story)


@router.reads(
    "/cases/{case_id}/persons/{person_id}/history",
    "Say who answered for a person of a case, where the person was, and for whom",
    CustodyHistory,
)
def person_history(
    *,
    service: ServiceOf,
    reading: Reads,
    labels: LabelsOf,
    case_id: SlugPath,
    person_id: PersonPath,
    on: OnQuery = None,
) -> Response:
    """Return measures, changes of custody, handovers and the deadlines they met or missed, under the pseudonym.

    With `on`, `answer` says who kept the person then and for whom, by which act, on what authority, whether in time.
    """
    time, timelines = _time(on, reading), timeline_builder(service, reading, labels)
    with service.parts.database.read() as connection:
        reading.require_case(connection, case_id)
        person_story = custody_history(timelines, connection, case_id, ("person", person_id), time)
    if not person_story.steps:
        raise NotFound(
            "case {case_id} has no person {person_id}", case_id=case_id, person_id=person_id, field="person_id"
        )
    reading.record(Message("history of person {person_id}", person_id=person_id), case_id)
    return json_response(person_story)


def _time(on: str | None, reading: Reading) -> AskedTime | None:
    return None if on is None else asked_time(on, zone_in_use(), reading.reader.now)
