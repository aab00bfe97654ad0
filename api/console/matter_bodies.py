"""Bodies of supervision events from forms: of a lead, a model or a recommendation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from api.console.bodies import body_of
from api.console.forms import PostedForm, whole_number
from api.services.model_files import ModelFiles
from ledger.core.errors import MalformedInput
from ledger.core.events import Body, supervision
from ledger.core.supervision import Matter, ModelState
from ledger.recording.signing import new_id
from ledger.supervision.library.publishing import said_of

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
    return body_of(supervision.ModelPublished, **said_of(model), case_study=study)


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
