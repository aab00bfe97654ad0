"""Drafts: a model's file whose condition and examples stand, and whose texts are to be filled in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files
from io import StringIO

import msgspec

from ledger.core.decoding import convert
from ledger.core.errors import MalformedInput
from ledger.core.event.terms import ModelId
from ledger.supervision.model.document import read_document
from ledger.supervision.model.edit import keeping_layout
from ledger.supervision.model.parse import parse_model
from ledger.supervision.model.refused import ModelRefused
from ledger.supervision.model.spelling import text_of
from ledger.supervision.wording import Wording

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


def _require_id(model_id: str) -> None:
    try:
        convert(model_id, ModelId)
    except msgspec.ValidationError as error:
        raise MalformedInput(f"expected a slug of at most 48 characters, not {model_id!r}", field="MODEL_ID") from error


def draft(model_id: str, form: str) -> str:
    """The text of a new model's file. Raises MalformedInput where the id is no slug."""
    _require_id(model_id)
    folder = files("ledger.supervision.model").joinpath("drafts")
    head, condition = (folder.joinpath(f"{name}.yaml").read_text(encoding="utf-8") for name in ("head", form))
    return head.replace("MODEL_ID", model_id, 1) + condition


def renumbered(definition: str, model_id: str, version: int) -> str:
    """The text as that version of a model of this id: these two values differ, and nothing else.

    Raises MalformedInput where the id is no slug, ModelRefused where the text is no model's or keeps them elsewhere.
    """
    _require_id(model_id)
    document = read_document(definition)
    lines = definition.splitlines(keepends=True)
    for name, value in (("model", model_id), ("version", str(version))):
        at = document.lines.get(f".{name}", 1) - 1
        lines[at] = re.sub(rf"^({name}\s*:\s*)[^\s#]+", rf"\g<1>{value}", lines[at])
    made = "".join(lines)
    if read_document(made).tree != document.tree | {"model": model_id, "version": version}:
        raise ModelRefused([document.fault(".model", Wording("own_lines"))])
    return made


def derived(definition: str, model_id: str, parameters: Mapping[str, str], lead_id: str) -> str:
    """A published model's text under another id, as version 1, with these values as the parameters' defaults.

    Comments stay as they are. Raises MalformedInput where the id is no slug, ModelRefused where the text is no model.
    """
    _require_id(model_id)
    known = parse_model(definition)
    yaml = keeping_layout()
    tree = yaml.load(definition)
    tree["model"], tree["version"] = model_id, 1
    for name, value in known.parameters_of(parameters).items():
        if value != known.parameters[name].default:
            tree["parameters"][name]["default"] = yaml.load(text_of(value))
    written = StringIO()
    written.write(f"# from {known.model_id} version {known.version}, which raised {lead_id}\n")
    yaml.dump(tree, written)
    return written.getvalue()
