"""All that can be told of a model's text at once, for whoever writes it."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from ledger.supervision.model.document import read_document
from ledger.supervision.model.examples import ExampleResult, run_examples
from ledger.supervision.model.parse import parse_model
from ledger.supervision.model.refused import Fault, ModelRefused
from ledger.supervision.model.values import Model


class Examined(Struct, frozen=True):
    """``tree`` are the text's values where they can be read, ``model`` what it says, ``faults`` why it is none."""

    tree: dict[str, Any] | None
    model: Model | None
    faults: tuple[Fault, ...]


def examine(text: str) -> Examined:
    """The text with what is wrong with it."""
    model, faults = None, tuple[Fault, ...]()
    try:
        model = parse_model(text)
    except ModelRefused as refusal:
        faults = refusal.faults
    try:
        return Examined(read_document(text).tree, model, faults)
    except ModelRefused:
        return Examined(None, None, faults)


def tried_examples(text: str) -> list[ExampleResult]:
    """What the model of this text finds in its examples. Raises what ``parse_model`` and ``run_examples`` raise."""
    return run_examples(parse_model(text))
