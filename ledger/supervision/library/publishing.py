"""Publishing: whether a model can be published or adopted here, whoever has published it before.

What a definition says is read here and not in the core: the verdict is of this version, and an older publication stands
though a later version reads it otherwise. A model package that is proven (steps 1 to 9, in the core) is then checked:

10  model      the last definition is a model that this version reads and runs
11  examples   each of its examples comes out as it says
12  agreement  what was signed beside the definition is what the definition says
13  anonymity  nothing in the case study has the form of what leads to somebody
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Struct

from ledger.core.errors import IntegrityBroken, MalformedInput, RuleRefused
from ledger.core.events.supervision import ModelPublished
from ledger.core.messages import Message
from ledger.core.procedure.adoption import require_in_force
from ledger.core.procedure.rulebook import Rulebook
from ledger.core.supervision.anonymity import traces
from ledger.core.supervision.model_package import PackageReport
from ledger.core.verification.report import CheckedStep, StepResult, perform
from ledger.supervision.models.definition import Model
from ledger.supervision.models.model_file import parse_model, require_publishable
from ledger.supervision.models.procedure_words import UNCHECKED, ProcedureWords, words_of
from ledger.supervision.runs.model_runner import naming_the_query
from ledger.workers.pool import TooCostly, WorkerPool

AGREED: Final = ("model_id", "version", "title", "business_line", "severity")  # signed beside the definition
FOUND_SOUND: Final = 64  # definitions that were tried: a draft is judged before it is signed, and once more after
FIRST = 10  # the number of the first step: those before are the package's


def signed_fields_of(model: Model) -> dict[str, Any]:
    """Return the fields of a publication that are taken from the model's definition, as JSON has them."""
    fields = {"model_digest": model.digest, "definition": model.definition}
    return fields | {name: msgspec.to_builtins(getattr(model, name)) for name in AGREED}


def require_agreement(model: Model, body: ModelPublished) -> None:
    """Raise MalformedInput at the first signed field that differs from the definition."""
    for name in AGREED:
        defined, signed = getattr(model, name), getattr(body, name)
        if defined != signed:
            raise MalformedInput(
                "the definition says {defined}, signed was {signed}", defined=defined, signed=signed, field=name
            )


class ModelDefinitions:
    """Judges what is published and adopted, for the ledger that records it: in ``workers``, or in this process."""

    def __init__(self, workers: WorkerPool | None = None):
        self._workers = workers
        self._sound: OrderedDict[str, Model] = OrderedDict()

    def require_publishable(self, body: ModelPublished, agency: str, in_force: Collection[Rulebook]) -> None:
        """Require a definition that can be run and that agrees with what is signed beside it.

        It speaks words of the procedures ``in_force``. Raises RuleRefused (model_refused, unknown_procedure,
        definition_differs).
        """
        definition, words = body.definition, words_of(in_force)
        try:
            # Words are never taken away: what was sound stays so.
            model = self._sound.get(definition) or self._read(require_publishable, definition, agency, words)
        except MalformedInput as error:
            raise RuleRefused(
                "the definition is no model that can be run: {error}",
                error=error,
                code="model_refused",
                field="payload.body.definition",
                hint=error.hint if isinstance(error, TooCostly) else "Try it first: tally model test FILE",
            ) from error
        by_id = {book.procedure.id: book for book in in_force}
        for procedure_id in model.procedures:
            require_in_force(by_id, procedure_id, field="body.definition")
        self._sound[definition] = model
        while len(self._sound) > FOUND_SOUND:
            self._sound.popitem(last=False)
        try:
            require_agreement(model, body)
        except MalformedInput as error:
            raise RuleRefused(
                error.text,
                code="definition_differs",
                field=f"payload.body.{error.field}",
                hint="What is signed beside the definition is taken from it: tally model publish FILE does so.",
            ) from error

    def require_adoptable(self, definition: str, parameters: Mapping[str, str], agency: str) -> None:
        """Require a version that can still be run, and parameters within its bounds.

        Raises RuleRefused (model_refused, parameter_refused).
        """
        try:
            model = self._read(parse_model, definition, agency, UNCHECKED)
        except MalformedInput as error:
            raise RuleRefused(
                "this version cannot be run any more: {error}",
                error=error,
                code="model_refused",
                field="payload.body.version",
                hint="Adopt a later version, or publish a model of your own.",
            ) from error
        try:
            model.parameters_of(parameters)
        except MalformedInput as error:
            raise RuleRefused(
                error.text,
                code="parameter_refused",
                field=f"payload.body.{error.field}",
                hint=Message(
                    "The parameters of {model.model_id} and their bounds: tally model show {model.model_id}",
                    model=model,
                ),
            ) from error

    def _read(
        self, read: Callable[[str, ProcedureWords], Model], definition: str, agency: str, words: ProcedureWords
    ) -> Model:
        if self._workers is None:
            return read(definition, words)
        with naming_the_query():
            return self._workers.run(read, definition, words, agency=agency)


class Usable(Struct, frozen=True):
    """``usable`` says whether the model can be taken; a verdict on its proof is none on its text."""

    usable: bool
    steps: tuple[CheckedStep, ...]


class _Publication(NamedTuple):
    """What the steps look at: the last publication, and the ``words`` of the procedures that it is read by."""

    body: ModelPublished
    words: ProcedureWords | None


def check_model(report: PackageReport, words: ProcedureWords | None = None) -> Usable:
    """Check whether a package's last version can be published here. What is not proven is not checked.

    ``words`` are those of the procedures in force, if not those that come with this version.
    """
    numbered = [(number, name, check) for number, (name, check) in enumerate(STEPS, start=FIRST)]
    is_proven = report.verdict in ("intact", "not_yet_anchored") and report.conformity.result == "shown"
    if not report.published or not is_proven:
        why = Message("what was published is not proven")
        return Usable(False, tuple(CheckedStep(number, name, "not_checked", why) for number, name, _ in numbered))
    last = _Publication(report.published[-1], words)
    # A fault of the text is no tampering: it was signed so.
    steps = tuple(
        CheckedStep(step.number, step.name, step.result, step.detail)
        for step in (perform(number, name, check, last) for number, name, check in numbered)
    )
    return Usable(all(step.result == "checked" for step in steps), steps)


# 10
def _model(last: _Publication) -> StepResult:
    model = parse_model(last.body.definition, last.words)
    return Message(
        "{parameters} parameters, {examples} examples", parameters=len(model.parameters), examples=len(model.examples)
    )


# 11
def _examples(last: _Publication) -> StepResult:
    model = require_publishable(last.body.definition, last.words)
    raised = sum(bool(example.raises) for example in model.examples)
    return Message(
        "{raised} raise what they must, {others} raise nothing", raised=raised, others=len(model.examples) - raised
    )


# 12
def _agreement(last: _Publication) -> StepResult:
    require_agreement(parse_model(last.body.definition, UNCHECKED), last.body)
    return Message("id, version, title, business line and severity are those of the definition")


# 13
def _anonymity(last: _Publication) -> StepResult:
    study = last.body.case_study
    if study is None:
        return Message("there is no case study")
    for language in ("zh", "en"):
        text = getattr(study, language)
        for trace in traces(text):
            raise IntegrityBroken(
                "character {place}, {quoted!r}: {trace.kind}",
                place=trace.start + 1,
                quoted=trace.shown_in(text),
                trace=trace,
                field=f"case_study.{language}",
            )
    return Message("nothing has the form of what leads to somebody")


STEPS: tuple[tuple[str, Callable[[_Publication], StepResult]], ...] = (
    ("model", _model),
    ("examples", _examples),
    ("agreement", _agreement),
    ("anonymity", _anonymity),
)
