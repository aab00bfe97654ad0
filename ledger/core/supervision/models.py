"""Models: versions in their order, by one publisher; adopted as they were published."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from ledger.core.encoding.digests import blake3_text
from ledger.core.errors import refuse
from ledger.core.events import Body
from ledger.core.events.supervision import ModelAdopted, ModelPublished, ModelRetired
from ledger.core.messages import Message
from ledger.core.supervision.state import Adoption, ModelState, ModelVersion, SupervisionAct

STREAM = "model-"
_NOT_YOURS = Message("Tell a supervising agency what is to be looked for: the leads will be its own.")


def first(act: SupervisionAct) -> ModelState:
    """Return the state of a model at its first event, which publishes version 1."""
    body = act.event.body
    if not isinstance(body, ModelPublished):
        refuse("not_published", "no {act.event.stream.id} is published", act=act, field="event_type")
    act.require_stream(STREAM + body.model_id)
    act.supervising_agency(hint=_NOT_YOURS)
    _require_sound(body, next_version=1)
    event = act.event
    return ModelState(body.model_id, act.agency, event.leaf_hash, event.sequence, (_version(act, body),))


def following(body: Body, state: ModelState, act: SupervisionAct) -> ModelState:
    """Return the model after an event of this body."""
    rule = _RULES.get(type(body))
    if rule is None:
        act.refuse_foreign()
    return rule(state, act, body)


def _published(state: ModelState, act: SupervisionAct, body: ModelPublished) -> ModelState:
    _require_publisher(state, act)
    if body.model_id != state.model_id:
        refuse("wrong_stream", "expected {state.model_id}, this stream's model", state=state, field="body.model_id")
    _require_sound(body, next_version=state.newest.body.version + 1)
    # A new version takes a retired model into use again.
    return replace(state, versions=(*state.versions, _version(act, body)), retired=None)


def _retired(state: ModelState, act: SupervisionAct, body: ModelRetired) -> ModelState:
    _require_publisher(state, act)
    _require_in_use(state)
    return replace(state, retired=body.ground)


def _adopted(state: ModelState, act: SupervisionAct, body: ModelAdopted) -> ModelState:
    act.supervising_agency(hint=_NOT_YOURS)
    _require_in_use(state)
    published = next((version.body for version in state.versions if version.body.version == body.version), None)
    if published is None:
        refuse("unknown_version", "there is no version {body.version}", body=body, field="body.version")
    # The number alone would leave open which text the agency has read and adopted.
    if published.model_digest != body.model_digest:
        refuse("digest_differs", "expected {published.model_digest}", published=published, field="body.model_digest")
    event = act.event
    adoption = Adoption(body.version, body.parameters, event.occurred_at, event.officer, body.note)
    return replace(state, adoptions=state.adoptions | {act.agency: adoption})


def _version(act: SupervisionAct, body: ModelPublished) -> ModelVersion:
    event = act.event
    return ModelVersion(body, event.officer, event.occurred_at, event.event_id)


def _require_sound(body: ModelPublished, *, next_version: int) -> None:
    if body.version != next_version:
        refuse(
            "version_not_next",
            "expected version {next_version}",
            next_version=next_version,
            field="body.version",
            hint="Set `version` in the model's file to that number, then publish again.",
        )
    calculated = blake3_text(body.definition.encode())
    if body.model_digest != calculated:
        refuse("digest_differs", "expected {digest}, the definition's", digest=calculated, field="body.model_digest")
    figures = body.figures
    if figures is not None and figures.found > figures.planted:
        refuse("figures_impossible", "more cannot be found than is planted", field="body.figures.found")


def _require_publisher(state: ModelState, act: SupervisionAct) -> None:
    if act.agency != state.publisher:
        refuse(
            "not_the_publisher",
            "{state.model_id} is published by {state.publisher}",
            state=state,
            field="agency",
            hint="Publish a model of your own under another id, or adopt this one with your parameters.",
        )


def _require_in_use(state: ModelState) -> None:
    if state.retired is not None:
        refuse(
            "model_retired",
            "{state.model_id} is retired: {state.retired}",
            state=state,
            field="stream.id",
            hint="Its publisher brings it back by publishing the next version.",
        )


_RULES: dict[type[Body], Callable[[ModelState, SupervisionAct, Any], ModelState]] = {
    ModelPublished: _published,
    ModelRetired: _retired,
    ModelAdopted: _adopted,
}
