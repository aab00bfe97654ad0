"""Checking: whether a model that was published somewhere can be published here - beside whether it is proven.

5  model      the last definition is a model that this version reads and runs
6  examples   each of its examples comes out as it says
7  agreement  what was signed beside the definition is what the definition says
8  anonymity  nothing in the case study has the form of what leads to somebody
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from ledger.core.errors import IntegrityBroken
from ledger.core.events.supervision import ModelPublished
from ledger.core.supervision.anonymity import traces
from ledger.core.supervision.model_package import PackageReport
from ledger.core.verification.report import Outcome, Step, perform
from ledger.supervision.models.parse import parse_model, require_publishable
from ledger.supervision.publishing import require_agreement

FIRST = 5  # the number of the first step: those before are the package's


class Usable(Struct, frozen=True):
    """``usable`` says whether the model can be taken; a verdict on its proof is none on its text."""

    usable: bool
    steps: tuple[Step, ...]


def check_model(report: PackageReport) -> Usable:
    """What is to be said of the last version of a package; nothing is checked of what is not proven."""
    if not report.published or report.verdict not in ("intact", "not_yet_anchored"):
        why = "what was published is not proven"
        return Usable(False, tuple(Step(number, name, "not_checked", why) for number, name, _ in _numbered()))
    body = report.published[-1]
    # A fault of the text is no tampering: it was signed so.
    steps = tuple(
        Step(step.number, step.name, step.result, step.detail)
        for step in (perform(number, name, check, body) for number, name, check in _numbered())
    )
    return Usable(all(step.result == "checked" for step in steps), steps)


# 5
def _model(body: ModelPublished) -> Outcome:
    model = parse_model(body.definition)
    return f"{len(model.parameters)} parameters, {len(model.examples)} examples"


# 6
def _examples(body: ModelPublished) -> Outcome:
    model = require_publishable(body.definition)
    raised = sum(bool(one.raises) for one in model.examples)
    return f"{raised} raise what they must, {len(model.examples) - raised} raise nothing"


# 7
def _agreement(body: ModelPublished) -> Outcome:
    require_agreement(parse_model(body.definition), body)
    return "id, version, title, business line and severity are those of the definition"


# 8
def _anonymity(body: ModelPublished) -> Outcome:
    study = body.case_study
    if study is None:
        return "there is no case study"
    for language in ("zh", "en"):
        text = getattr(study, language)
        for trace in traces(text):
            told = f"character {trace.start + 1}, {trace.shown_in(text)!r}: {trace.kind}"
            raise IntegrityBroken(told, field=f"case_study.{language}")
    return "nothing has the form of what leads to somebody"


STEPS: tuple[tuple[str, Callable[[ModelPublished], Outcome]], ...] = (
    ("model", _model),
    ("examples", _examples),
    ("agreement", _agreement),
    ("anonymity", _anonymity),
)


def _numbered() -> tuple[tuple[int, str, Callable[[ModelPublished], Outcome]], ...]:
    return tuple((FIRST + place, name, check) for place, (name, check) in enumerate(STEPS))
