"""Drafts of supervision: the payload of every act on a lead, a model or a recommendation, to be signed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.auth.reading import Reading
from api.console.access import LabelsOf, Reads
from api.console.drafts import EventDraft, require_role, since, unsigned
from api.console.forms import FormOf, PostedForm
from api.console.matter_bodies import BODIES, FIRST, FOLLOWING, READING
from api.console.rendering import narrator_of, page
from api.console.security import PATH
from api.dependencies import Service, ServiceOf, SlugPath
from api.routes.imports import known_to_models
from api.services.model_files import ModelFiles
from ledger.core.encoding import canonical
from ledger.core.errors import NotFound
from ledger.core.events import Body, Stream, supervision
from ledger.core.supervision import Matter, ModelState, subject_kind_of
from ledger.core.supervision.models import STREAM as MODEL_STREAM
from ledger.core.supervision.recommendations import STREAM as RECOMMENDATION_STREAM
from ledger.i18n import Labels
from ledger.recording.supervision_streams import matter_of
from ledger.store import supervision as store
from ledger.supervision.models.templates import dataset_of
from ledger.timeline.event_fields import event_fields

router = APIRouter()
_PAGES = {"model": ("library", MODEL_STREAM), "recommendation": ("recommendations", RECOMMENDATION_STREAM)}


@router.post("/supervision/drafts/{act}")
def draft_first(
    *, request: Request, service: ServiceOf, reading: Reads, labels: LabelsOf, form: FormOf, act: str
) -> Response:
    """Return the draft of an act whose form names its subject: publishing a model, issuing a recommendation."""
    draft = MatterDrafter(service, reading, labels, form).first(act)
    return page(request, service, "draft.html", reading.session, draft=draft)


@router.post("/supervision/{stream_id}/drafts/{act}")
def draft_following(
    *,
    request: Request,
    service: ServiceOf,
    reading: Reads,
    labels: LabelsOf,
    form: FormOf,
    stream_id: SlugPath,
    act: str,
) -> Response:
    """Return a part of a page: the draft with its sentence, or what prevents it."""
    draft = MatterDrafter(service, reading, labels, form).following(stream_id, act)
    return page(request, service, "draft.html", reading.session, draft=draft)


@dataclass(frozen=True, slots=True)
class MatterDrafter:
    """Drafts what one form asks for, in the reader's name and language. Raises what the ledger would refuse."""

    service: Service
    reading: Reading
    labels: Labels
    form: PostedForm

    def first(self, act: str) -> EventDraft:
        """Return the draft of an act that may begin a stream; every version of a model is published this way."""
        if act not in (*FIRST, "publish"):
            raise NotFound(f"no act {act[:40]} is drafted here")
        require_role(self.reading, BODIES[act])  # before the form is read: a model's file is tried out
        body = self._body(act, None)
        stream_id = _stream_of(body)
        return self._draft(stream_id, self._state_of(stream_id), body)

    def following(self, stream_id: str, act: str) -> EventDraft:
        """Return the draft of an act on an existing stream that the reader may see."""
        state = self._state_of(stream_id)
        if act not in (*FOLLOWING, "adopt") or state is None:
            raise NotFound("there is nothing of this id that you may act on", field="stream_id")
        require_role(self.reading, BODIES[act])
        return self._draft(stream_id, state, self._body(act, state))

    def _body(self, act: str, state: Matter | None) -> Body:
        if act in READING:
            return READING[act](self.form, state, ModelFiles(self.service, self.reading))
        return (FIRST | FOLLOWING)[act](self.form, state)

    def _state_of(self, stream_id: str) -> Matter | None:
        with self.service.parts.database.read() as connection:
            if store.sight(connection, stream_id, self.reading.reader) is None:
                return None
            return matter_of(connection, stream_id, self.reading.authority.agencies)

    def _draft(self, stream_id: str, state: Matter | None, body: Body) -> EventDraft:
        stream = Stream(kind="supervision", id=stream_id)
        payload = unsigned(self.service, self.reading, self.form, stream=stream, state=state, body=body)
        self.service.parts.validator.foresee_matter(payload)
        self.reading.record(f"draft of {payload.event_type} of {stream_id}")
        narrator = narrator_of(self.service, self.labels)
        return EventDraft(
            payload=canonical.encode(payload).decode(),
            event_id=payload.event_id,
            sentence=narrator.alone(payload),
            particulars=event_fields(payload, {}, narrator.words(payload, None), self.labels),
            flags=[],
            since=since(self.service, self.form, narrator, payload),
            sequence=payload.sequence,
            following=page_address(stream_id),
            occurred_at=payload.occurred_at,
            warnings=tuple(self._warnings(state, body)),
        )

    def _warnings(self, state: Matter | None, body: Body) -> Iterator[str]:
        """Yield a warning if a model's data set is not here. It is no refusal, since other places may have the list."""
        if isinstance(body, supervision.ModelPublished):
            definition, parameters = body.definition, dict[str, str]()
        elif isinstance(body, supervision.ModelAdopted) and isinstance(state, ModelState):
            definition = next(
                version.body.definition for version in state.versions if version.body.version == body.version
            )
            parameters = body.parameters
        else:
            return
        model = ModelFiles(self.service, self.reading).model(definition)
        dataset_id = dataset_of(model.condition, model.parameters_of(parameters))
        if dataset_id is not None and dataset_id not in known_to_models(self.service, self.reading):
            yield self.labels.of("message", "dataset_missing").format(dataset=dataset_id)


def page_address(stream_id: str) -> str:
    """Return the address of the page that shows the stream's subject."""
    folder, prefix = _PAGES.get(subject_kind_of(stream_id) or "", ("leads", ""))
    return f"{PATH}/{folder}/{stream_id.removeprefix(prefix)}"


def _stream_of(body: Body) -> str:
    if isinstance(body, supervision.ModelPublished):
        return MODEL_STREAM + body.model_id
    assert isinstance(body, supervision.RecommendationIssued)
    return RECOMMENDATION_STREAM + body.recommendation_id
