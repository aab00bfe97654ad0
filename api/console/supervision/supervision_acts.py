"""Acts of supervision: the forms and drafts of acts on leads, models and recommendations, to be signed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, NamedTuple

from fastapi import Depends
from starlette.responses import Response

from api.console.shared.access import Visit, VisitOf, page_router
from api.console.shared.act_fields import ActForm, AskedField, heading_of
from api.console.shared.drafting import EventDraft, drafted, required_number, stated
from api.console.shared.forms import FormOf, PostedForm
from api.console.shared.rendering import narrator_of
from api.dependencies import SlugPath
from api.services.drafts import body_from, require_role
from api.services.governance import require_modelling
from api.services.model_runs import work_on_file
from api.services.supervision_drafts import draft_in_supervision, state_at_hand, with_signed_fields
from ledger.acts import ACTS
from ledger.core.errors import MalformedInput, NotFound
from ledger.core.events import EVENT_TYPES, NAME_OF, Body
from ledger.core.events.fields import Field
from ledger.core.events.supervision import LeadAssigned, LeadDismissed, ModelAdopted, ModelPublished
from ledger.core.procedure.rulebook import Rulebook
from ledger.core.supervision import ModelState, SupervisionState, subject_kind_of
from ledger.core.supervision.models import STREAM as MODEL_STREAM
from ledger.core.supervision.recommendations import STREAM as RECOMMENDATION_STREAM
from ledger.i18n import words_in_use
from ledger.recording.event_signing import MAX_ACTS, new_id
from ledger.supervision.models.model_file import parse_model
from ledger.supervision.models.procedure_words import UNCHECKED

router = page_router()
_PAGES = {"model": ("library", MODEL_STREAM), "recommendation": ("recommendations", RECOMMENDATION_STREAM)}
FOR_MANY = (NAME_OF[LeadAssigned], NAME_OF[LeadDismissed])  # acts on several leads at once
Offers = Mapping[str, Iterable[tuple[str, str]]]  # what may be chosen for a field, by its name


class ActToDo(NamedTuple):
    """An act that the reader may sign now, with its form; ``is_next`` if it is the next step."""

    act: str
    title: str
    notes: list[str]
    fields: list[AskedField]
    is_next: bool


def act_to_do(
    visit: Visit,
    act: str,
    offers: Offers,
    *,
    book: Rulebook | None = None,
    filled_in: Mapping[str, str] | None = None,
    notes: Iterable[str] = (),
    is_next: bool = False,
) -> ActToDo:
    """Return the act with its form, the fields of ``filled_in`` in it, and ``notes`` of what there is to know."""
    note = ACTS[act].note
    own_notes = [] if note is None else [visit.labels.translate(note)]
    fields = form_of(visit, act, offers, book).asked(filled_in or {})
    return ActToDo(act, heading_of(visit, act), [*own_notes, *notes], fields, is_next)


def agencies_offered(visit: Visit, agency_ids: Iterable[str]) -> list[tuple[str, str]]:
    """Return these agencies as a form offers them: by their names, in the order of their ids."""
    named = visit.agency_names
    return [(agency_id, named(agency_id)) for agency_id in sorted(agency_ids)]


def form_of(visit: Visit, act: str, offers: Offers | None = None, book: Rulebook | None = None) -> ActForm:
    """Return the form of an act of supervision; its words are those of the ``book``, or else of all in force."""
    words = narrator_of(visit.service, visit.labels).words_of(act, None)
    offered = offers or {}

    def offered_for(field: Field) -> Iterable[tuple[str, str]] | None:
        return offered.get(field.name)

    vocabulary = words_in_use if book is None else book.vocabularies.__getitem__
    return ActForm(visit, act, words, offers=offered_for, vocabulary=vocabulary, prefix=f"{act}.")


def first_act(visit: VisitOf, act: str) -> type[Body]:
    """Return the body of an act that begins its subject, which the reader may sign. Raises NotFound or Unauthorized."""
    if act not in ("model.published", "recommendation.issued"):
        raise NotFound("no act {act} is drafted here", act=act[:40])
    body = EVENT_TYPES[act].body
    require_role(visit.reading, body)
    if body is ModelPublished:
        require_modelling(visit.reading)
    return body


@router.post("/supervision/drafts/{act}")
def draft_first(visit: VisitOf, body: Annotated[type[Body], Depends(first_act)], form: FormOf, act: str) -> Response:
    """Return the draft of an act that begins its subject: publishing a model, issuing a recommendation."""
    make = _published if act == "model.published" else _issued
    visit.refuse_in(narrator_of(visit.service, visit.labels).words_of(act, None), dict)
    stream_id, fields = make(visit, form)
    state = state_at_hand(visit.service, visit.reading, stream_id, body)
    return _page_of(visit, form, stream_id, state, body_from(body, fields))


def following_act(visit: VisitOf, stream_id: SlugPath, act: str) -> SupervisionState | None:
    """Return the subject of an act that follows others, which the reader must see and whose role must sign such acts.

    Raises NotFound or Unauthorized.
    """
    row = EVENT_TYPES.get(act)
    if row is None or "supervision" not in row.streams or not row.roles:
        raise NotFound("no act {act} is drafted here", act=act[:40])
    visit.refuse_in(narrator_of(visit.service, visit.labels).words_of(act, None), dict)
    return state_at_hand(visit.service, visit.reading, stream_id, row.body)


@router.post("/supervision/{stream_id}/drafts/{act}")
def draft_following(
    visit: VisitOf,
    state: Annotated[SupervisionState | None, Depends(following_act)],
    form: FormOf,
    stream_id: SlugPath,
    act: str,
) -> Response:
    """Return a part of a page: the draft with its sentence, or what prevents it."""
    return _page_of(visit, form, stream_id, state, _body_of(visit, form, EVENT_TYPES[act].body, stream_id, state))


def acting_on_many(visit: VisitOf) -> None:
    """Let a reader pass whose role signs one of the acts on several leads. Raises Unauthorized."""
    visit.reading.require_role(*dict.fromkeys(role for act in FOR_MANY for role in EVENT_TYPES[act].roles))


@router.post("/leads/drafts", dependencies=[Depends(acting_on_many)])
def draft_for_many(visit: VisitOf, form: FormOf) -> Response:
    """Return a part of a page: the drafts of one act on each lead that was chosen, which are signed together."""
    act, lead_ids = form.get("act") or "", dict.fromkeys(form.all("lead"))
    if act not in FOR_MANY:
        raise MalformedInput("expected one of {acts}", acts=", ".join(FOR_MANY), field="act")
    if not 0 < len(lead_ids) <= MAX_ACTS:
        raise MalformedInput("choose 1 to {limit} leads", limit=MAX_ACTS, field="lead")
    body_type = EVENT_TYPES[act].body
    drafts = []
    for lead_id in lead_ids:
        state = state_at_hand(visit.service, visit.reading, lead_id, body_type)
        body = _body_of(visit, form, body_type, lead_id, state)
        drafts.append(_event_draft(visit, form, lead_id, state, body, following="/leads"))
    return visit.page("shared/draft.html", drafts=drafts)


def _page_of(visit: Visit, form: PostedForm, stream_id: str, state: SupervisionState | None, body: Body) -> Response:
    folder, prefix = _PAGES.get(subject_kind_of(stream_id) or "", ("leads", ""))
    following = f"/{folder}/{stream_id.removeprefix(prefix)}"
    return visit.page(
        "shared/draft.html", drafts=[_event_draft(visit, form, stream_id, state, body, following=following)]
    )


def _event_draft(
    visit: Visit, form: PostedForm, stream_id: str, state: SupervisionState | None, body: Body, *, following: str
) -> EventDraft:
    """Return the draft of the act, after which the page ``following`` is shown.

    Raises what the ledger would refuse of the signed event.
    """
    foreseen = draft_in_supervision(
        visit.service,
        visit.reading,
        visit.labels,
        stream_id=stream_id,
        state=state,
        body=body,
        claims=stated(form),
    )
    return drafted(visit, form, foreseen, following=following)


def _body_of(visit: Visit, form: PostedForm, body: type[Body], stream_id: str, state: SupervisionState | None) -> Body:
    """Return what the form states. Raises MalformedInput, naming the field."""
    if body is ModelAdopted and isinstance(state, ModelState):
        fields = _adopted(visit, form, state)
    else:
        fields = form_of(visit, NAME_OF[body]).body_fields(form)
    signed = with_signed_fields(visit.service, visit.reading, body, fields, stream_id=stream_id, state=state)
    return body_from(body, signed)


def _published(visit: Visit, form: PostedForm) -> tuple[str, Mapping[str, Any]]:
    """Return the stream and the fields of the model on the workbench.

    Raises ModelRefused if it is not fit to be published.
    """
    study = {language: text for language in ("zh", "en") if (text := form.get(f"case_study_{language}"))}
    typed_fields = {"definition": f"{form.get('definition') or ''}\n", "case_study": study}
    fields = with_signed_fields(visit.service, visit.reading, ModelPublished, typed_fields, stream_id="", state=None)
    return f"{MODEL_STREAM}{fields['model_id']}", fields


def _issued(visit: Visit, form: PostedForm) -> tuple[str, Mapping[str, Any]]:
    """Return the stream and the fields of a recommendation, under an id that is made up."""
    recommendation_id = new_id("advice")
    fields = form_of(visit, "recommendation.issued").body_fields(form) | {"recommendation_id": recommendation_id}
    return f"{RECOMMENDATION_STREAM}{recommendation_id}", fields


def _adopted(visit: Visit, form: PostedForm, state: ModelState) -> Mapping[str, Any]:
    """Return the version to be adopted, with the parameters that differ from their defaults."""
    version = required_number(form, "version")
    adopted = next((each.body for each in state.versions if each.body.version == version), None)
    if adopted is None:
        return {"version": version}
    model = work_on_file(visit.service, visit.reading, parse_model, adopted.definition, UNCHECKED)
    entered = {name: text for name in model.parameters if (text := form.get(f"parameters.{name}")) is not None}
    model.parameters_of(entered)
    own = {name: text for name, text in entered.items() if text != str(model.parameters[name].default)}
    return {"version": version, "parameters": own, "note": form.get("note")}
