"""Acts of supervision: the draft of every act on a lead, a model or a recommendation, to be signed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from api.console.shared.access import Visit, VisitOf
from api.console.shared.drafting import EventDraft, body_of, require_role, since, unsigned
from api.console.shared.forms import FormOf, PostedForm, whole_number
from api.console.shared.rendering import PATH, narrator_of
from api.dependencies import SlugPath
from api.services.governance import known_to_models
from api.services.model_runs import ModelFiles
from ledger.core.encoding import canonical
from ledger.core.errors import MalformedInput, NotFound
from ledger.core.events import Body, Stream, supervision
from ledger.core.supervision import Matter, ModelState, subject_kind_of
from ledger.core.supervision.models import STREAM as MODEL_STREAM
from ledger.core.supervision.recommendations import STREAM as RECOMMENDATION_STREAM
from ledger.recording.signing import new_id
from ledger.recording.supervision_streams import matter_of
from ledger.store import supervision as store
from ledger.supervision.library.publishing import signed_fields_of
from ledger.supervision.models.templates import dataset_of
from ledger.timeline.event_fields import event_fields

router = APIRouter()
_PAGES = {"model": ("library", MODEL_STREAM), "recommendation": ("recommendations", RECOMMENDATION_STREAM)}


@router.post("/supervision/drafts/{act}")
def draft_first(visit: VisitOf, form: FormOf, act: str) -> Response:
    """Return the draft of an act whose form names its subject: publishing a model, issuing a recommendation."""
    draft = MatterDrafter(visit, form).first(act)
    return visit.page("shared/draft.html", draft=draft)


@router.post("/supervision/{stream_id}/drafts/{act}")
def draft_following(visit: VisitOf, form: FormOf, stream_id: SlugPath, act: str) -> Response:
    """Return a part of a page: the draft with its sentence, or what prevents it."""
    draft = MatterDrafter(visit, form).following(stream_id, act)
    return visit.page("shared/draft.html", draft=draft)


@dataclass(frozen=True, slots=True)
class MatterDrafter:
    """Drafts what one form asks for, in the reader's name and language. Raises what the ledger would refuse."""

    visit: Visit
    form: PostedForm

    def first(self, act: str) -> EventDraft:
        """Return the draft of an act that may begin a stream; every version of a model is published this way."""
        if act not in (*FIRST, "publish"):
            raise NotFound(f"no act {act[:40]} is drafted here")
        require_role(self.visit.reading, BODIES[act])  # before the form is read: a model's file is tried out
        body = self._body(act, None)
        stream_id = _stream_of(body)
        return self._draft(stream_id, self._state_of(stream_id), body)

    def following(self, stream_id: str, act: str) -> EventDraft:
        """Return the draft of an act on an existing stream that the reader may see."""
        state = self._state_of(stream_id)
        if act not in (*FOLLOWING, "adopt") or state is None:
            raise NotFound("there is nothing of this id that you may act on", field="stream_id")
        require_role(self.visit.reading, BODIES[act])
        return self._draft(stream_id, state, self._body(act, state))

    def _body(self, act: str, state: Matter | None) -> Body:
        if act in READING:
            return READING[act](self.form, state, ModelFiles(self.visit.service, self.visit.reading))
        return (FIRST | FOLLOWING)[act](self.form, state)

    def _state_of(self, stream_id: str) -> Matter | None:
        with self.visit.service.parts.database.read() as connection:
            if store.sight(connection, stream_id, self.visit.reading.reader) is None:
                return None
            return matter_of(connection, stream_id, self.visit.reading.authority.agencies)

    def _draft(self, stream_id: str, state: Matter | None, body: Body) -> EventDraft:
        stream = Stream(kind="supervision", id=stream_id)
        payload = unsigned(self.visit, self.form, stream=stream, state=state, body=body)
        self.visit.service.parts.validator.foresee_matter(payload)
        self.visit.reading.record(f"draft of {payload.event_type} of {stream_id}")
        narrator = narrator_of(self.visit.service, self.visit.labels)
        return EventDraft(
            payload=canonical.encode(payload).decode(),
            event_id=payload.event_id,
            sentence=narrator.alone(payload),
            particulars=event_fields(payload, {}, narrator.words(payload, None), self.visit.labels),
            flags=[],
            since=since(self.visit.service, self.form, narrator, payload),
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
        model = ModelFiles(self.visit.service, self.visit.reading).model(definition)
        dataset_id = dataset_of(model.condition, model.parameters_of(parameters))
        if dataset_id is not None and dataset_id not in known_to_models(self.visit.service, self.visit.reading):
            yield self.visit.labels.of("message", "dataset_missing").format(dataset=dataset_id)


def page_address(stream_id: str) -> str:
    """Return the address of the page that shows the stream's subject."""
    folder, prefix = _PAGES.get(subject_kind_of(stream_id) or "", ("leads", ""))
    return f"{PATH}/{folder}/{stream_id.removeprefix(prefix)}"


def _stream_of(body: Body) -> str:
    if isinstance(body, supervision.ModelPublished):
        return MODEL_STREAM + body.model_id
    assert isinstance(body, supervision.RecommendationIssued)
    return RECOMMENDATION_STREAM + body.recommendation_id


Maker = Callable[[PostedForm, Matter | None], Body]


def assigned(form: PostedForm, _state: Matter | None) -> Body:
    """Return the assignment of a lead to an officer of the procuratorate that has it."""
    return body_of(supervision.LeadAssigned, **form.fields("handler", "department", "note"))


def transferred(form: PostedForm, _state: Matter | None) -> Body:
    """Return the transfer of a lead to a procuratorate above or below."""
    return body_of(supervision.LeadTransferred, **form.fields("to_agency", "ground"))


def answered(form: PostedForm, _state: Matter | None) -> Body:
    """Return the supervised agency's answer to a lead."""
    return body_of(supervision.LeadAnswered, digests=form.all("digest"), **form.fields("answer"))


def confirmed(form: PostedForm, _state: Matter | None) -> Body:
    """Return the confirmation of a lead by the material that was checked. The rules require some material."""
    return body_of(supervision.LeadConfirmed, digests=form.all("digest"), **form.fields("finding"))


def dismissed(form: PostedForm, _state: Matter | None) -> Body:
    """Return the dismissal of a lead with its reason."""
    return body_of(supervision.LeadDismissed, **form.fields("reason_code", "ground"))


def closed(form: PostedForm, _state: Matter | None) -> Body:
    """Return the closing of a lead with its outcome."""
    named = form.fields("outcome", "summary", "document_number", "recommendation_id")
    return body_of(supervision.LeadClosed, **named)


def published(form: PostedForm, _state: Matter | None, files: ModelFiles) -> Body:
    """Return the publication of the model on the workbench. Raises ModelRefused if it is not fit for it."""
    model = files.publishable(f"{form.get('definition') or ''}\n")
    study = {language: text for language in ("zh", "en") if (text := form.get(f"case_study_{language}"))}
    return body_of(supervision.ModelPublished, **signed_fields_of(model), case_study=study)


def retired(form: PostedForm, _state: Matter | None) -> Body:
    """Return the retirement of a model with its ground."""
    return body_of(supervision.ModelRetired, **form.fields("ground"))


def adopted(form: PostedForm, state: Matter | None, files: ModelFiles) -> Body:
    """Return the adoption of a version, with the parameters that differ from their defaults."""
    assert isinstance(state, ModelState), "a model's stream stands at a model"
    wanted = form.get("version") or str(state.newest.body.version)
    body = next((version.body for version in state.versions if str(version.body.version) == wanted), None)
    if body is None:
        raise MalformedInput(f"{state.model_id} has no version {wanted[:20]}", field="version")
    model = files.model(body.definition)
    entered = {name: text for name in model.parameters if (text := form.get(f"parameters.{name}")) is not None}
    model.parameters_of(entered)
    own = {name: text for name, text in entered.items() if text != str(model.parameters[name].default)}
    fields: dict[str, Any] = {"version": body.version, "model_digest": body.model_digest, "parameters": own}
    return body_of(supervision.ModelAdopted, **fields, **form.fields("note"))


def issued(form: PostedForm, _state: Matter | None) -> Body:
    """Return a recommendation to an agency that rests on leads."""
    named = form.fields("to_agency", "document_number", "problem", "advice", "model_id")
    own = form.get("recommendation_id") or new_id("advice")
    return body_of(supervision.RecommendationIssued, recommendation_id=own, leads=form.all("lead"), **named)


def replied(form: PostedForm, _state: Matter | None) -> Body:
    """Return the reply to a recommendation, with the measures taken, one a line."""
    measures = [line.strip() for line in (form.get("measures") or "").splitlines() if line.strip()]
    return body_of(
        supervision.RecommendationAnswered, digests=form.all("digest"), measures=measures, **form.fields("answer")
    )


def rechecked(form: PostedForm, _state: Matter | None) -> Body:
    """Return the check whether it happened again: the counts of a period before and of one after."""
    counted = {name: _counted(form, name) for name in ("before", "after")}
    return body_of(supervision.RecommendationRechecked, **counted, **form.fields("result", "model_id", "note"))


def _counted(form: PostedForm, name: str) -> dict[str, Any]:
    numbers: dict[str, Any] = {}
    for field in ("count", "tree_size"):
        text = form.get(f"{name}.{field}") or ""
        number = whole_number(text)
        if number is None:
            raise MalformedInput(f"expected a whole number, not {text[:40]!r}", field=f"{name}.{field}")
        numbers[field] = number
    days = {field: form.get(f"{name}.{field}") for field in ("period_from", "period_until")}
    return numbers | {field: day for field, day in days.items() if day is not None}


BODIES: dict[str, type[Body]] = {
    "publish": supervision.ModelPublished,
    "issue": supervision.RecommendationIssued,
    "assign": supervision.LeadAssigned,
    "transfer": supervision.LeadTransferred,
    "answer": supervision.LeadAnswered,
    "confirm": supervision.LeadConfirmed,
    "dismiss": supervision.LeadDismissed,
    "close": supervision.LeadClosed,
    "retire": supervision.ModelRetired,
    "adopt": supervision.ModelAdopted,
    "reply": supervision.RecommendationAnswered,
    "recheck": supervision.RecommendationRechecked,
}
FIRST: dict[str, Maker] = {"issue": issued}
FOLLOWING: dict[str, Maker] = {
    "assign": assigned,
    "transfer": transferred,
    "answer": answered,
    "confirm": confirmed,
    "dismiss": dismissed,
    "close": closed,
    "retire": retired,
    "reply": replied,
    "recheck": rechecked,
}
READING: dict[str, Callable[[PostedForm, Matter | None, ModelFiles], Body]] = {"publish": published, "adopt": adopted}
