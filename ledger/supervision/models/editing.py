"""Editing models' files: drafts whose texts are to be filled in, and changes that keep the author's layout."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from decimal import Decimal
from functools import cache
from importlib.resources import files
from io import StringIO
from itertools import pairwise
from typing import Any, Final

import msgspec
from msgspec import Struct
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.resolver import VersionedResolver
from ruamel.yaml.scalarstring import DoubleQuotedScalarString, LiteralScalarString

from ledger.core.encoding.decoding import convert
from ledger.core.errors import MalformedInput
from ledger.core.events.terms import ModelId
from ledger.procedures import IN_USE
from ledger.supervision.model_faults import ModelFault, ModelRefused, Wording
from ledger.supervision.models.definition import Model, text_of
from ledger.supervision.models.model_file import ExampleResult, parse_draft, parse_model, run_examples
from ledger.supervision.models.procedure_words import UNCHECKED, ProcedureWords
from ledger.supervision.models.yaml_document import MAX_CHARACTERS, read_document

# The forms of conditions, from easy to free: templates, then a condition on one kind of row, then a query.
FORMS = (
    *("missing_in_next_handover", "exceeded_clock", "count_over", "same_value_elsewhere"),
    *("dataset_match", "case_not_listed", "list_rows"),
    *("cel", "sql"),
)
_TEXT = ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:merge", "tag:yaml.org,2002:value")
_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")
_WORD = re.compile(r"[a-z_][a-z0-9_-]*|\$[a-z_][a-z0-9_]*")
_MEANINGFUL = ("null", "true", "false", "yes", "no", "on", "off", "y", "n")


def _require_id(model_id: str) -> None:
    try:
        convert(model_id, ModelId)
    except msgspec.ValidationError as error:
        raise MalformedInput(
            "expected a slug of at most 48 characters, not {model_id!r}", model_id=model_id, field="MODEL_ID"
        ) from error


def draft(model_id: str, form: str, procedures: Collection[str] = ()) -> str:
    """Return the text of a new model's file. Raises MalformedInput if the id is no slug.

    It names the ``procedures`` whose words it will speak, or the one whose words its example speaks.
    """
    _require_id(model_id)
    folder = files("ledger.supervision.models").joinpath("drafts")
    head, condition = (folder.joinpath(f"{name}.yaml").read_text(encoding="utf-8") for name in ("head", form))
    if procedures and IN_USE not in procedures:
        head = head.replace(f"[{IN_USE}]", f"[{', '.join(procedures)}]", 1)
        head = re.sub("(?m)^business_line: .*\n", "", head)  # a word of that procedure
    return head.replace("MODEL_ID", model_id, 1) + condition


def renumbered(definition: str, model_id: str, version: int) -> str:
    """Return the text as that version of a model of this id; only these two values differ.

    Raises MalformedInput if the id is no slug, ModelRefused if the text is no model's or keeps them elsewhere.
    """
    _require_id(model_id)
    document = read_document(definition)
    lines = definition.splitlines(keepends=True)
    for name, value in (("model", model_id), ("version", str(version))):
        at = document.lines.get(f".{name}", 1) - 1
        lines[at] = re.sub(rf"^({name}\s*:\s*)[^\s#]+", rf"\g<1>{value}", lines[at])
    text = "".join(lines)
    # The replacement works on lines: reading it again shows that nothing else has changed.
    if read_document(text).tree != document.tree | {"model": model_id, "version": version}:
        raise ModelRefused([document.fault(".model", Wording("own_lines"))])
    return text


def derived(definition: str, model_id: str, parameters: Mapping[str, str], lead_id: str) -> str:
    """Return a published model's text under another id, as version 1, with these values as the parameters' defaults.

    Comments stay as they are. Raises MalformedInput if the id is no slug, ModelRefused if the text is no model.
    """
    _require_id(model_id)
    original = parse_model(definition, UNCHECKED)
    yaml = keeping_layout()
    tree = yaml.load(definition)
    tree["model"], tree["version"] = model_id, 1
    for name, value in original.parameters_of(parameters).items():
        if value != original.parameters[name].default:
            tree["parameters"][name]["default"] = yaml.load(text_of(value))
    written = StringIO()
    written.write(f"# from {original.model_id} version {original.version}, which raised {lead_id}\n")
    yaml.dump(tree, written)
    return written.getvalue()


REMOVED: Final = msgspec.UNSET  # in the place of a value: the place is not there afterwards, also in another process


def edited(text: str, changes: Mapping[str, object]) -> str:
    """Return the text with these values at these places. An entry right after the last one of a list is added to it.

    Raises ModelRefused if the text is no YAML that a model is written in.
    """
    read_document(text)
    yaml = keeping_layout()
    yaml.preserve_quotes = True
    yaml.indent(mapping=2, sequence=4, offset=2)
    tree = yaml.load(text)
    for place, value in changes.items():
        _put(tree, steps_of(place), value)
    written = StringIO()
    yaml.dump(tree, written)
    return written.getvalue()


class _Resolver(VersionedResolver):
    """Takes a day, a time or ``<<`` for the text that ``read_document`` takes it for: 2026-13-45 is one too."""

    def resolve(self, kind: Any, value: Any, implicit: Any) -> Any:
        tag = super().resolve(kind, value, implicit)
        return self.DEFAULT_SCALAR_TAG if str(tag) in _TEXT else tag


def keeping_layout() -> YAML:
    """Return a reader and writer that keeps comments, order and the spelling of what is not changed."""
    yaml = YAML()
    yaml.Resolver = _Resolver
    yaml.width = MAX_CHARACTERS
    return yaml


def steps_of(place: str) -> list[str | int]:
    """Return the names and numbers that lead to a place."""
    return [name or int(number) for name, number in _STEP.findall(place)]


def value_at(tree: Any, place: str) -> Any:
    """Return what stands at a place of plain values, or None."""
    for step in steps_of(place):
        if isinstance(step, int):
            if not isinstance(tree, list) or step >= len(tree):
                return None
            tree = tree[step]
        elif isinstance(tree, dict):
            tree = tree.get(step)
        else:
            return None
    return tree


def _put(tree: Any, steps: list[str | int], value: object) -> None:
    for step, following in pairwise(steps):
        if isinstance(step, int) and step >= len(tree):
            tree.append(_flow(CommentedMap()))
        elif not isinstance(step, int) and tree.get(step) is None:
            tree[step] = CommentedSeq() if isinstance(following, int) else _flow(CommentedMap())
        tree = tree[step]
    last = steps[-1]
    is_beyond = isinstance(last, int) and last >= len(tree)
    if value is not REMOVED:
        if is_beyond:
            tree.append(_node(value))
        else:
            tree[last] = _node(value)
    elif isinstance(last, str):
        tree.pop(last, None)
    elif not is_beyond:
        del tree[last]


def _node(value: object) -> Any:
    """Build the YAML node of a value. Text other than words is quoted, so that it reads as it looks."""
    if isinstance(value, str):
        if "\n" in value:
            return LiteralScalarString(value.strip("\n") + "\n")
        bare = _WORD.fullmatch(value) and value not in _MEANINGFUL
        return value if bare else DoubleQuotedScalarString(value)
    if isinstance(value, Mapping):
        return _flow(CommentedMap((name, _node(part)) for name, part in value.items()))
    if isinstance(value, list | tuple):
        return _flow(CommentedSeq(_node(part) for part in value))
    return YAML().load(text_of(value)) if isinstance(value, Decimal) else value


def _flow(node: Any) -> Any:
    node.fa.set_flow_style()
    return node


@cache
def _examples_of_drafts() -> tuple[Any, ...]:
    return tuple(read_document(draft("a-model", form)).tree["examples"] for form in FORMS)


def with_example(text: str, example: Mapping[str, Any]) -> str:
    """Return the text with one example more. The first one replaces those of a draft, which are of nobody's case.

    With a first one that must raise a lead comes one without rows, which must raise none. Raises ModelRefused if the
    text is no YAML that a model is written in.
    """
    examples = read_document(text).tree.get("examples") or []
    if examples and examples not in _examples_of_drafts():
        return edited(text, {f"examples[{len(examples)}]": example})
    nothing = {"name": "-", "as_of": example["as_of"], "rows": {}, "raises": []}
    return edited(text, {"examples": [example, *([nothing] if example["raises"] else [])]})


class Examined(Struct, frozen=True):
    """``tree`` are the text's values where they can be read, ``model`` what it says, ``faults`` why it is none."""

    tree: dict[str, Any] | None
    model: Model | None
    faults: tuple[ModelFault, ...]


def examine(text: str, words: ProcedureWords | None = None) -> Examined:
    """Read the text as far as possible, with what is wrong with it; ``words`` are as of ``parse_model``."""
    model, faults = None, tuple[ModelFault, ...]()
    try:
        model = parse_model(text, words)
    except ModelRefused as refusal:
        faults = refusal.faults
    try:
        return Examined(read_document(text).tree, model, faults)
    except ModelRefused:
        return Examined(None, None, faults)


def tried_examples(text: str, words: ProcedureWords | None = None) -> list[ExampleResult]:
    """Run the examples of a model's file, of which other texts may be missing still.

    Raises what ``parse_draft`` and ``run_examples`` raise.
    """
    return run_examples(parse_draft(text, words, with_examples=True), words)
