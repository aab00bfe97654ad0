"""Acts of supervision: the draft of every act on a lead, a model or a recommendation, to be signed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from api.console.shared.access import Visit, VisitOf
from api.console.shared.drafting import EventDraft, FormAct, body_of, drafted, named, required_number, stated
from api.console.shared.forms import FormOf, PostedForm, whole_number
from api.console.shared.rendering import narrator_of
from api.dependencies import SlugPath
from api.services.drafts import require_role, unsigned
from api.services.governance import known_to_models, require_modelling
from api.services.model_runs import overlaps_of_file, words_in_force, work_on_file
from ledger.core.errors import MalformedInput, NotFound, TallystickError
from ledger.core.events import Body, Stream, supervision
from ledger.core.messages import Message, Term
from ledger.core.supervision import Matter, ModelState, subject_kind_of
from ledger.core.supervision.models import STREAM as MODEL_STREAM
from ledger.core.supervision.recommendations import STREAM as RECOMMENDATION_STREAM
from ledger.recording.event_signing import MAX_ACTS, new_id
from ledger.store import supervision as store
from ledger.supervision.library.publishing import signed_fields_of
from ledger.supervision.models.conditions import datasets_of
from ledger.supervision.models.model_file import parse_model, require_publishable
from ledger.supervision.models.procedure_words import UNCHECKED
from ledger.timeline.event_fields import event_fields

router = APIRouter()
_PAGES = {"model": ("library", MODEL_STREAM), "recommendation": ("recommendations", RECOMMENDATION_STREAM)}


@router.post("/supervision/drafts/{act}")
def draft_first(visit: VisitOf, form: FormOf, act: str) -> Response:
    """Return the draft of an act whose form names its subject: publishing a model, issuing a recommendation."""
    if act not in FIRST:
        raise NotFound("no act {act} is drafted here", act=act[:40])
    # Before the form is read: a model's file is tried out.
    require_role(visit.reading, ACTS[act][0])
    if ACTS[act][0] is supervision.ModelPublished:
        require_modelling(visit.reading)
    body = body_of(ACTS[act], form, None, visit)
    if isinstance(body, supervision.ModelPublished):
        stream_id = MODEL_STREAM + body.model_id
    else:
        assert isinstance(body, supervision.RecommendationIssued)
        stream_id = RECOMMENDATION_STREAM + body.recommendation_id
    return _draft(visit, form, stream_id, _state_of(visit, stream_id), body)


@router.post("/supervision/{stream_id}/drafts/{act}")
def draft_following(visit: VisitOf, form: FormOf, stream_id: SlugPath, act: str) -> Response:
    """Return a part of a page: the draft with its sentence, or what prevents it."""
    state = _state_of(visit, stream_id)
    if act not in ACTS or act in FIRST or state is None:
        raise NotFound("there is nothing of this id that you may act on", field="stream_id")
    require_role(visit.reading, ACTS[act][0])
    body = body_of(ACTS[act], form, state, visit)
    return _draft(visit, form, stream_id, state, body)


@router.post("/leads/drafts")
def draft_for_many(visit: VisitOf, form: FormOf) -> Response:
    """Return a part of a page: the drafts of one act on each lead that was chosen, which are signed together."""
    act, lead_ids = form.get("act") or "", form.all("lead")
    if act not in FOR_MANY:
        raise MalformedInput("expected one of {acts}", acts=", ".join(FOR_MANY), field="act")
    if not 0 < len(lead_ids) <= MAX_ACTS:
        raise MalformedInput("choose 1 to {limit} leads", limit=MAX_ACTS, field="lead")
    require_role(visit.reading, ACTS[act][0])
    drafts = []
    for lead_id in lead_ids:
        state = _state_of(visit, lead_id)
        if state is None:
            raise NotFound("there is nothing of this id that you may act on", field="lead")
        body = body_of(ACTS[act], form, state, visit)
        drafts.append(_event_draft(visit, form, lead_id, state, body, following="/leads"))
    return visit.page("shared/draft.html", drafts=drafts)


def _state_of(visit: Visit, stream_id: str) -> Matter | None:
    with visit.service.parts.database.read() as connection:
        if store.sight(connection, stream_id, visit.reading.reader) is None:
            return None
        return visit.reading.matter_of(connection, stream_id)


def _draft(visit: Visit, form: PostedForm, stream_id: str, state: Matter | None, body: Body) -> Response:
    """Return the page's part with the draft of the act. Raises what the ledger would refuse of the signed event."""
    return visit.page("shared/draft.html", drafts=[_event_draft(visit, form, stream_id, state, body)])


def _event_draft(
    visit: Visit, form: PostedForm, stream_id: str, state: Matter | None, body: Body, *, following: str | None = None
) -> EventDraft:
    """Return the draft of the act, after which the page of its subject is shown, or the ``following`` one.

    Raises what the ledger would refuse of the signed event.
    """
    stream = Stream(kind="supervision", id=stream_id)
    parts, context = visit.service.parts, stated(form)
    drafted_event = unsigned(parts, visit.reading, stream=stream, state=state, body=body, context=context)
    event = drafted_event.event
    parts.validator.foresee_matter(event)
    event_type = Term("event_type", event.event_type)
    visit.reading.record(Message("draft of {event_type} of {stream_id}", event_type=event_type, stream_id=stream_id))
    narrator = narrator_of(visit.service, visit.labels)
    folder, prefix = _PAGES.get(subject_kind_of(stream_id) or "", ("leads", ""))
    draft = drafted(
        visit,
        form,
        drafted_event,
        sentence=narrator.alone(event),
        particulars=event_fields(event, drafted_event.sections, narrator.words(event, None), visit.labels),
        following=following or f"/{folder}/{stream_id.removeprefix(prefix)}",
    )
    return draft._replace(warnings=list(_warnings(visit, state, body)))


def _warnings(visit: Visit, state: Matter | None, body: Body) -> Iterator[str]:
    """Yield a warning if a model's data set is not here, or if another model finds the same. Neither is a refusal.

    Other places may have the list, and two models may be wanted for one thing.
    """
    if isinstance(body, supervision.ModelPublished):
        definition, parameters = body.definition, dict[str, str]()
        yield from _overlaps(visit, definition)
    elif isinstance(body, supervision.ModelAdopted) and isinstance(state, ModelState):
        definition = next(version.body.definition for version in state.versions if version.body.version == body.version)
        parameters = body.parameters
    else:
        return
    model = work_on_file(visit.service, visit.reading, parse_model, definition, UNCHECKED)
    for dataset_id in sorted(set(datasets_of(model, parameters)) - set(known_to_models(visit.service, visit.reading))):
        yield visit.labels.of("message", "dataset_missing").format(dataset=dataset_id)


def _overlaps(visit: Visit, definition: str) -> Iterator[str]:
    """Yield for each model that finds the same how much of it; nothing where that cannot be computed now."""
    try:
        overlaps = overlaps_of_file(visit.service, visit.reading, definition)
    except TallystickError:
        return  # whoever publishes may run no models, or a run takes too long: the model may still be published
    with visit.service.parts.database.read() as connection:
        titles = store.model_titles(connection)
    for overlap in overlaps:
        title = visit.labels.told(titles[overlap.model_id])
        yield visit.labels.of("message", "models_overlap").format(
            shared=overlap.shared, total=overlap.total, model=title
        )


def published(form: PostedForm, _state: Matter | None, visit: Visit) -> Mapping[str, Any]:
    """Return the fields of the model on the workbench. Raises ModelRefused if it is not fit to be published."""
    definition = f"{form.get('definition') or ''}\n"
    model = work_on_file(visit.service, visit.reading, require_publishable, definition, words_in_force(visit.service))
    study = {language: text for language in ("zh", "en") if (text := form.get(f"case_study_{language}"))}
    return {**signed_fields_of(model), "case_study": study}


def adopted(form: PostedForm, state: Matter | None, visit: Visit) -> Mapping[str, Any]:
    """Return the adopted version, with the parameters that differ from their defaults."""
    assert isinstance(state, ModelState), "a model's stream stands at a model"
    wanted = form.get("version") or str(state.newest.body.version)
    body = next((version.body for version in state.versions if str(version.body.version) == wanted), None)
    if body is None:
        raise MalformedInput(
            "{state.model_id} has no version {wanted}", state=state, wanted=wanted[:20], field="version"
        )
    model = work_on_file(visit.service, visit.reading, parse_model, body.definition, UNCHECKED)
    entered = {name: text for name in model.parameters if (text := form.get(f"parameters.{name}")) is not None}
    model.parameters_of(entered)
    own = {name: text for name, text in entered.items() if text != str(model.parameters[name].default)}
    return {"version": body.version, "model_digest": body.model_digest, "parameters": own}


def issued(form: PostedForm, *_: object) -> Mapping[str, Any]:
    """Return the id of a recommendation, who gets copies, and when its reply is due."""
    return {
        "recommendation_id": form.get("recommendation_id") or new_id("advice"),
        "copies_to": list(form.all("copies_to")),
        "urgent": form.get("urgent") is not None,
        "reply_within_days": whole_number(form.get("reply_within_days")),
        "objection_within_days": whole_number(form.get("objection_within_days")),
    }


def addressed(form: PostedForm, *_: object) -> Mapping[str, Any]:
    """Return somebody outside to whom it goes, if the form names one."""
    parts = {part: form.get(f"to_outside.{part}") for part in ("kind", "name", "place")}
    return {"to_outside": {part: text for part, text in parts.items() if text is not None}}


def replied(form: PostedForm, *_: object) -> Mapping[str, Any]:
    """Return the measures taken, one a line."""
    return {"measures": [line.strip() for line in (form.get("measures") or "").splitlines() if line.strip()]}


def rechecked(form: PostedForm, *_: object) -> Mapping[str, Any]:
    """Return the counts of a period before and of one after."""
    return {
        name: {field: required_number(form, f"{name}.{field}") for field in ("count", "tree_size")}
        | {field: day for field in ("period_from", "period_until") if (day := form.get(f"{name}.{field}"))}
        for name in ("before", "after")
    }


FIRST = ("publish", "issue")
FOR_MANY = ("assign", "dismiss")  # acts on several leads at once
_ISSUED = named(
    *("kind", "to_agency", "document_number", "problem", "advice", "model_id", "service", "procedure"), lists=("lead",)
)
ACTS: dict[str, FormAct] = {
    "publish": (supervision.ModelPublished, published),
    "issue": (supervision.RecommendationIssued, _ISSUED, issued, addressed),
    "assign": (supervision.LeadAssigned, named("handler", "department", "note")),
    "transfer": (supervision.LeadTransferred, named("to_agency", "ground")),
    "answer": (supervision.LeadAnswered, named("answer", lists=("digest",))),
    "confirm": (supervision.LeadConfirmed, named("finding", lists=("digest",))),
    "dismiss": (supervision.LeadDismissed, named("reason_code", "ground")),
    "close": (supervision.LeadClosed, named("outcome", "summary", "document_number", "recommendation_id")),
    "retire": (supervision.ModelRetired, named("ground")),
    "adopt": (supervision.ModelAdopted, named("note"), adopted),
    "receive": (supervision.RecommendationReceived, named("service", times=("received_at",), lists=("digest",))),
    "object": (supervision.RecommendationObjected, named("ground", lists=("digest",))),
    "review": (supervision.RecommendationReviewed, named("result", "ground", "advice", "document_number")),
    "escalate": (
        supervision.RecommendationEscalated,
        named("means", "ground", "to_agency", "document_number"),
        addressed,
    ),
    "reply": (supervision.RecommendationAnswered, named("answer", lists=("digest",)), replied),
    "recheck": (supervision.RecommendationRechecked, named("result", "model_id", "note"), rechecked),
}
