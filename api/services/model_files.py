"""Reads files of models in worker processes, since a few bytes can ask for any amount of work."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from api.auth.reading import Reading
from api.dependencies import Service
from ledger.supervision.models.definition import Model
from ledger.supervision.models.editing import Examined, edited, examine, tried_examples
from ledger.supervision.models.model_file import ExampleResult, parse_model, require_publishable
from ledger.supervision.models.yaml_document import Document, read_document

T = TypeVar("T")


class ModelFiles:
    """Reads the files of one reader. Each method raises what its function does, TooCostly, and Unavailable."""

    def __init__(self, service: Service, reading: Reading):
        self._workers = service.parts.workers
        self._agency = reading.agency

    def model(self, text: str) -> Model:
        return self._read(parse_model, text)

    def publishable(self, text: str) -> Model:
        return self._read(require_publishable, text)

    def document(self, text: str) -> Document:
        return self._read(read_document, text)

    def examined(self, text: str) -> Examined:
        return self._read(examine, text)

    def examples(self, text: str) -> list[ExampleResult]:
        return self._read(tried_examples, text)

    def edited(self, text: str, changes: Mapping[str, Any]) -> str:
        return self._workers.run(edited, text, changes, agency=self._agency, field="definition")

    def _read(self, read: Callable[[str], T], text: str) -> T:
        return self._workers.run(read, text, agency=self._agency, field="definition")
