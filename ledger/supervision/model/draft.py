"""Drafts: a model's file whose condition and examples stand, and whose texts are to be filled in."""

from __future__ import annotations

from importlib.resources import files

import msgspec

from ledger.core.errors import MalformedInput
from ledger.core.event.terms import ModelId

# The forms of conditions, from easy to free: templates, then a condition on one kind of row, then a query.
FORMS = (
    "missing_in_next_handover",
    "exceeded_clock",
    "count_over",
    "same_value_elsewhere",
    "dataset_match",
    "cel",
    "sql",
)


def draft(model_id: str, form: str) -> str:
    """The text of a new model's file. Raises MalformedInput where the id is no slug."""
    try:
        msgspec.convert(model_id, ModelId)
    except msgspec.ValidationError as error:
        raise MalformedInput(f"expected a slug of at most 48 characters, not {model_id!r}", field="MODEL_ID") from error
    folder = files("ledger.supervision.model").joinpath("drafts")
    head, condition = (folder.joinpath(f"{name}.yaml").read_text(encoding="utf-8") for name in ("head", form))
    return head.replace("MODEL_ID", model_id, 1) + condition
