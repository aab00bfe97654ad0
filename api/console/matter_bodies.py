"""From a form to the body of an event of supervision: of a lead, a model or a recommendation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from api.console.bodies import made
from api.console.forms import Form, whole_number
from api.services.model_files import ModelFiles
from ledger.core.errors import MalformedInput
from ledger.core.events import Body, supervision
from ledger.core.supervision import Matter, ModelState
from ledger.recording.signing import new_id
from ledger.supervision.publishing import said_of

Maker = Callable[[Form, Matter | None], Body]


def assigned(form: Form, _state: Matter | None) -> Body:
    """To an officer of the procuratorate that has the lead."""
    return made(supervision.LeadAssigned, **form.fields("handler", "department", "note"))


def transferred(form: Form, _state: Matter | None) -> Body:
    """To a procuratorate above or below."""
    return made(supervision.LeadTransferred, **form.fields("to_agency", "ground"))


def answered(form: Form, _state: Matter | None) -> Body:
    """What the supervised agency says of a lead."""
    return made(supervision.LeadAnswered, digests=form.all("digest"), **form.fields("answer"))


def confirmed(form: Form, _state: Matter | None) -> Body:
    """By the material that was checked; that there is some, the rules ask."""
    return made(supervision.LeadConfirmed, digests=form.all("digest"), **form.fields("finding"))


def dismissed(form: Form, _state: Matter | None) -> Body:
    """With the reason."""
    return made(supervision.LeadDismissed, **form.fields("reason_code", "ground"))


def closed(form: Form, _state: Matter | None) -> Body:
    """With what came of it."""
    named = form.fields("outcome", "summary", "document_number", "recommendation_id")
    return made(supervision.LeadClosed, **named)


def published(form: Form, _state: Matter | None, files: ModelFiles) -> Body:
    """A model of the workbench, as its text stands. Raises ModelRefused where it is not fit to be published."""
    model = files.publishable(f"{form.get('definition') or ''}\n")
    study = {language: text for language in ("zh", "en") if (text := form.get(f"case_study_{language}"))}
    return made(supervision.ModelPublished, **said_of(model), case_study=study)


def retired(form: Form, _state: Matter | None) -> Body:
    """Not run any more, and why."""
    return made(supervision.ModelRetired, **form.fields("ground"))


def adopted(form: Form, state: Matter | None, files: ModelFiles) -> Body:
    """A version of the model, with the parameters that are set otherwise than by default."""
    assert isinstance(state, ModelState), "a model's stream stands at a model"
    wanted = form.get("version") or str(state.newest.body.version)
    found = next((one.body for one in state.versions if str(one.body.version) == wanted), None)
    if found is None:
        raise MalformedInput(f"{state.model_id} has no version {wanted[:20]}", field="version")
    model = files.model(found.definition)
    given = {name: text for name in model.parameters if (text := form.get(f"parameters.{name}")) is not None}
    model.parameters_of(given)
    own = {name: text for name, text in given.items() if text != str(model.parameters[name].default)}
    told: dict[str, Any] = {"version": found.version, "model_digest": found.model_digest, "parameters": own}
    return made(supervision.ModelAdopted, **told, **form.fields("note"))


def issued(form: Form, _state: Matter | None) -> Body:
    """A recommendation to an agency, on the ground of leads."""
    named = form.fields("to_agency", "document_number", "problem", "advice", "model_id")
    own = form.get("recommendation_id") or new_id("advice")
    return made(supervision.RecommendationIssued, recommendation_id=own, leads=form.all("lead"), **named)


def replied(form: Form, _state: Matter | None) -> Body:
    """To a recommendation, with what was done about it, one a line."""
    measures = [line.strip() for line in (form.get("measures") or "").splitlines() if line.strip()]
    return made(
        supervision.RecommendationAnswered, digests=form.all("digest"), measures=measures, **form.fields("answer")
    )


def rechecked(form: Form, _state: Matter | None) -> Body:
    """Whether it came again: how many were found in a period before, and in one after."""
    counted = {name: _counted(form, name) for name in ("before", "after")}
    return made(supervision.RecommendationRechecked, **counted, **form.fields("result", "model_id", "note"))


def _counted(form: Form, name: str) -> dict[str, Any]:
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
READING: dict[str, Callable[[Form, Matter | None, ModelFiles], Body]] = {"publish": published, "adopt": adopted}
