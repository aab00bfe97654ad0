"""Publishing: whether what is published can be run and is what stands beside it, and what an adoption sets.

What a definition says is read here and not in the core: the verdict is of this version, and an older publication stands
though a later version reads it otherwise.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from ledger.core.errors import MalformedInput, RuleRefused
from ledger.core.events.supervision import ModelPublished
from ledger.supervision.models.parse import parse_model, require_publishable
from ledger.supervision.models.values import Model
from ledger.workers.pool import WorkerPool

AGREED: Final = ("model_id", "version", "title", "business_line", "severity")  # signed beside the definition
FOUND_SOUND: Final = 64  # definitions that were tried: a draft is judged before it is signed, and once more after


def said_of(model: Model) -> dict[str, Any]:
    """The fields of the publication of a model that its definition gives, as JSON has them."""
    told = {"model_digest": model.digest, "definition": model.definition}
    return told | {name: msgspec.to_builtins(getattr(model, name)) for name in AGREED}


def require_agreement(model: Model, body: ModelPublished) -> None:
    """Raises MalformedInput at the first field that says something else than the definition."""
    for name in AGREED:
        said, signed = getattr(model, name), getattr(body, name)
        if said != signed:
            raise MalformedInput(f"the definition says {said}, signed was {signed}", field=name)


class Definitions:
    """Judges what is published and adopted, for the ledger that records it: in ``workers``, or in this process."""

    def __init__(self, workers: WorkerPool | None = None):
        self._workers = workers
        self._sound: OrderedDict[str, Model] = OrderedDict()

    def require_publishable(self, body: ModelPublished, agency: str) -> None:
        """Raises RuleRefused: model_refused, definition_differs."""
        try:
            model = self._publishable(body.definition, agency)
        except MalformedInput as error:
            raise RuleRefused(
                f"the definition is no model that can be run: {error.message}",
                code="model_refused",
                field="payload.body.definition",
                hint="Try it first: tally model test FILE",
            ) from error
        try:
            require_agreement(model, body)
        except MalformedInput as error:
            raise RuleRefused(
                error.message,
                code="definition_differs",
                field=f"payload.body.{error.field}",
                hint="What is signed beside the definition is taken from it: tally model publish FILE does so.",
            ) from error

    def require_adoptable(self, definition: str, parameters: Mapping[str, str], agency: str) -> None:
        """Raises RuleRefused: model_refused where the version is read no more, parameter_refused."""
        try:
            model = self._read(parse_model, definition, agency)
        except MalformedInput as error:
            raise RuleRefused(
                f"this version cannot be run any more: {error.message}",
                code="model_refused",
                field="payload.body.version",
                hint="Adopt a later version, or publish a model of your own.",
            ) from error
        try:
            model.parameters_of(parameters)
        except MalformedInput as error:
            raise RuleRefused(
                error.message,
                code="parameter_refused",
                field=f"payload.body.{error.field}",
                hint=f"The parameters of {model.model_id} and their bounds: tally model show {model.model_id}",
            ) from error

    def _publishable(self, definition: str, agency: str) -> Model:
        model = self._sound.get(definition)
        if model is None:
            model = self._sound[definition] = self._read(require_publishable, definition, agency)
            while len(self._sound) > FOUND_SOUND:
                self._sound.popitem(last=False)
        return model

    def _read(self, read: Callable[[str], Model], definition: str, agency: str) -> Model:
        return read(definition) if self._workers is None else self._workers.run(read, definition, agency=agency)
