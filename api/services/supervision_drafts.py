"""Drafts of supervision: the next event of a model, a lead or a recommendation, and what speaks against signing it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from api.auth.reading import Reading
from api.services.drafts import ForeseenEvent, require_free_id, require_role, unsigned
from api.services.governance import known_to_models, require_modelling
from api.services.model_runs import (
    Overlap,
    RunView,
    alike,
    overlaps_of_run,
    run_model_file,
    words_in_force,
    work_on_file,
)
from api.services.service import Service
from ledger.core.errors import MalformedInput, NotFound, TallystickError
from ledger.core.events import Body, Stream
from ledger.core.events.supervision import ModelAdopted, ModelPublished, RecommendationIssued
from ledger.core.messages import Message, Term
from ledger.core.supervision import ModelState, SupervisionState
from ledger.core.supervision.recommendations import STREAM as RECOMMENDATION_STREAM
from ledger.i18n import Labels
from ledger.recording.event_signing import Claims, StreamPosition
from ledger.store import supervision
from ledger.supervision.library.publishing import signed_fields_of
from ledger.supervision.models.conditions import datasets_of
from ledger.supervision.models.model_file import parse_model, require_publishable
from ledger.supervision.models.procedure_words import UNCHECKED
from ledger.supervision.models.sql_guard import QueryRefused
from ledger.supervision.runs.findings import say_differing
from ledger.timeline.event_fields import event_fields
from ledger.timeline.sentences import Narrator, names_by_id
from ledger.workers.pool import TooCostly

BEGINNING = (ModelPublished, RecommendationIssued)  # what the first event of a stream may be, among those of officers


def state_at_hand(service: Service, reading: Reading, stream_id: str, body: type[Body]) -> SupervisionState | None:
    """Return the model, lead or recommendation that such an act is on; None if the act is to begin it.

    Raises Unauthorized if the reader's role may not sign such an event, and NotFound alike if there is nothing of this
    id and if it may not be seen.
    """
    require_role(reading, body)
    # Before a model's file is read: it is tried out.
    if body is ModelPublished:
        require_modelling(reading)
    with service.parts.database.read() as connection:
        if supervision.sight(connection, stream_id, reading.reader) is not None:
            return reading.supervision_state(connection, stream_id)
        if body not in BEGINNING:
            raise NotFound("there is nothing of this id that you may act on", field="stream.id")
        require_free_id(connection, Stream(kind="supervision", id=stream_id))
    return None


def with_signed_fields(
    service: Service,
    reading: Reading,
    body: type[Body],
    fields: Mapping[str, Any],
    *,
    stream_id: str,
    state: SupervisionState | None,
) -> dict[str, Any]:
    """Return the fields with those that follow from the others, unless they are given.

    These are the id of a recommendation, what a model's ``definition`` says, and the digest of the adopted version,
    which is the newest one unless it is given. Raises ModelRefused for a model that is not fit to be published, and
    MalformedInput for a version that there is not.
    """
    stated = {name: value for name, value in fields.items() if value is not None}
    if body is RecommendationIssued:
        return {"recommendation_id": stream_id.removeprefix(RECOMMENDATION_STREAM)} | stated
    if body is ModelPublished and isinstance(text := stated.get("definition"), str):
        model = work_on_file(service, reading, require_publishable, text, words_in_force(service))
        return signed_fields_of(model) | stated
    if body is ModelAdopted and isinstance(state, ModelState):
        version = stated.get("version", state.newest.body.version)
        adopted = next((each.body for each in state.versions if each.body.version == version), None)
        if adopted is None:
            message = "{state.model_id} has no version {version}"
            raise MalformedInput(message, state=state, version=str(version)[:20], field="version")
        return {"version": version, "model_digest": adopted.model_digest} | stated
    return stated


def draft_in_supervision(
    service: Service,
    reading: Reading,
    labels: Labels,
    *,
    stream_id: str,
    state: SupervisionState | None,
    body: Body,
    claims: Claims,
) -> ForeseenEvent:
    """Return the draft of an event of a model, lead or recommendation, and record that it was made.

    Raises what the ledger would refuse of the signed event.
    """
    place = StreamPosition.after(Stream(kind="supervision", id=stream_id), state)
    drafted = unsigned(service.parts, reading, place=place, body=body, claims=claims)
    event = drafted.event
    step = service.parts.validator.foresee_supervision(event)
    event_type = Term("event_type", event.event_type)
    reading.record(Message("draft of {event_type} of {stream_id}", event_type=event_type, stream_id=stream_id))
    run = _run(service, reading, body) if isinstance(body, ModelPublished) else None
    narrator = Narrator(labels, names_by_id(reading.authority.names, labels))
    return ForeseenEvent(
        drafted,
        narrator.alone(event),
        event_fields(event, drafted.sections, narrator.words(event, None), labels),
        [(flag, narrator.detail(flag.detail)) for flag in step.flags],
        [
            *_warnings_of_run(service, reading, labels, body, run),
            *_missing_lists(service, reading, labels, state, body),
        ],
        model_runs=True if isinstance(run, RunView) else False if _is_the_models(run) else None,
    )


def _run(service: Service, reading: Reading, body: ModelPublished) -> RunView | TallystickError:
    """Run a model that is to be published, and return what it finds now, or what keeps it from that."""
    try:
        return run_model_file(service, reading, body.definition, {}, None)
    except TallystickError as error:
        return error


def _is_the_models(error: object) -> bool:
    """Return whether a run failed by its model, and so fails here whenever it is run. A list may still come."""
    return isinstance(error, QueryRefused | TooCostly) and error.field != "dataset"


def _missing_lists(
    service: Service, reading: Reading, labels: Labels, state: SupervisionState | None, body: Body
) -> Iterator[str]:
    """Yield a warning for each data set of a model that is not here. Other places may have it."""
    if isinstance(body, ModelPublished):
        definition, parameters = body.definition, dict[str, str]()
    elif isinstance(body, ModelAdopted) and isinstance(state, ModelState):
        definition = next(version.body.definition for version in state.versions if version.body.version == body.version)
        parameters = body.parameters
    else:
        return
    model = work_on_file(service, reading, parse_model, definition, UNCHECKED)
    for dataset_id in sorted(set(datasets_of(model, parameters)) - set(known_to_models(service, reading))):
        yield labels.of("message", "dataset_missing").format(dataset=dataset_id)


def _warnings_of_run(
    service: Service, reading: Reading, labels: Labels, body: Body, run: RunView | TallystickError | None
) -> Iterator[str]:
    """Yield what the ``run`` of a model that is to be published shows: that it fails, findings of rows that differ, and
    each published model that looks for the same, or now finds the same, and how much of it.

    Where that cannot be computed now, that is said. Two models may be wanted for one thing.
    """
    if not isinstance(body, ModelPublished):
        return
    with service.parts.database.read() as connection:
        titles = supervision.model_titles(connection)
    same, overlaps = list[str](), list[Overlap]()
    try:
        same = alike(service, reading, body.definition)
        if isinstance(run, RunView):
            yield from map(labels.translate, say_differing(run.differing))
            overlaps = overlaps_of_run(service, reading, run)
        elif run is not None:
            raise run
    except TallystickError as error:
        word = "model_does_not_run" if error is run and _is_the_models(run) else "models_not_compared"
        yield labels.of("message", word).format(reason=labels.translate(error.text))
    for model_id in same:
        yield labels.of("message", "models_alike").format(model=labels.in_language(titles[model_id]))
    for overlap in (each for each in overlaps if each.model_id not in same):
        title = labels.in_language(titles[overlap.model_id])
        yield labels.of("message", "models_overlap").format(shared=overlap.shared, total=overlap.total, model=title)
