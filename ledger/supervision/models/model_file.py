"""A model's file, read strictly: a ``Model``, or every fault that can be reported at once with its line.

1. plain YAML (``yaml_document``)
2. every part present, none unknown, each of its type (``yaml_document``)
3. parameters within their bounds
4. a condition that names existing views, columns and parameters; its words and the line are those of the procedures
5. a lead whose columns are those of the condition's rows
6. examples that must and that must not raise a lead, of existing columns

The models that come with this version are one file each in ``shipped``, by the number of their rule.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from ledger.core.encoding.decoding import convert
from ledger.core.errors import MalformedInput, NotFound
from ledger.core.events.supervision import BilingualText
from ledger.core.events.terms import Column, ModelId
from ledger.core.messages import Message
from ledger.core.procedure.zones import Zone
from ledger.supervision.model_faults import ModelRefused, Unfit, Wording, unknown
from ledger.supervision.models.conditions import (
    EVIDENCE,
    check_condition,
    condition_of,
    headings_of,
    query_of,
)
from ledger.supervision.models.definition import (
    Example,
    Model,
    ModelParts,
    faults_of_parameter,
    faults_of_placeholders,
    parameters_of,
    text_of,
)
from ledger.supervision.models.filters import PREFIX, unknown_word
from ledger.supervision.models.procedure_words import (
    FieldWords,
    ProcedureWords,
    united,
    words_that_ship,
    zone_of_examples,
)
from ledger.supervision.models.yaml_document import Document, faults_of_shape, read_document
from ledger.supervision.runs.findings import count_differing, find
from ledger.supervision.runs.query_session import QuerySession, open_database
from ledger.supervision.view_catalogue import convert_value, fault_of_column, fault_of_view, type_of

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MAX_COLUMNS = 64  # of a row: what a lead carries
Key = Mapping[str, str]


class ModelFile(ModelParts, frozen=True, kw_only=True):
    """The parts of a file."""

    model: ModelId
    condition: dict[str, Any]


def parse_model(text: str, words: ProcedureWords | None = None) -> Model:
    """Return the model of a file's text. Raises ModelRefused with all faults of the first step that has some.

    ``words`` are those of the procedures that are known, if not those that come with this version. The words of a model
    that names another procedure are not compared.
    """
    document = read_document(text)
    return _model_of(document, in_both_languages(document.tree), text, words)


def parse_draft(text: str, words: ProcedureWords | None = None, *, with_examples: bool = False) -> Model:
    """Return the model of a file whose texts may be missing still, so that it can be run, and its examples.

    What it looks for must be sound, and examples that are asked for. Without a text of its own, a lead says the values
    of its key. Raises ModelRefused.
    """
    document = read_document(text)
    tree = in_both_languages(document.tree)
    lead = tree.get("lead")
    key = lead["key"] if isinstance(lead, dict) and isinstance(lead.get("key"), list) else []
    if isinstance(lead, dict) and not any((lead.get("says") or {}).values()):
        says = " · ".join(f"{{{name}}}" for name in key)
        tree["lead"] = lead | {"says": {"zh": says, "en": says}}
    raising = _UNWRITTEN_EXAMPLE | {"raises": [{str(name): "—" for name in key}]}
    parameters = tree.get("parameters")
    if isinstance(parameters, dict):
        named = {name: parameter for name, parameter in parameters.items() if isinstance(parameter, dict)}
        tree["parameters"] = parameters | {
            name: parameter | {"meaning": _UNWRITTEN} for name, parameter in named.items()
        }
    examples = tree.get("examples") if with_examples else [raising, _UNWRITTEN_EXAMPLE]
    return _model_of(document, {**tree, **_UNWRITTEN_PARTS, "examples": examples}, text, words)


_UNWRITTEN = {"zh": "—", "en": "—"}
_UNWRITTEN_PARTS = {
    "title": _UNWRITTEN,
    "explanation": _UNWRITTEN,
    "need": {"problem": _UNWRITTEN, "requested_by": "—", "expected_outcome": _UNWRITTEN},
    "legal_basis": [_UNWRITTEN],
    "checks": [{"what": _UNWRITTEN, "by": _UNWRITTEN}],
}
_UNWRITTEN_EXAMPLE = {"name": "—", "as_of": "2000-01-01T00:00:00Z", "rows": {}, "raises": []}


def in_both_languages(tree: dict[str, Any]) -> dict[str, Any]:
    """Return the tree in which a text in one language stands in the place of the one that is missing, too."""
    return {
        name: part if name in ("condition", "examples") else _with_other_language(part) for name, part in tree.items()
    }


def _with_other_language(part: Any) -> Any:
    if isinstance(part, list):
        return [_with_other_language(element) for element in part]
    if not isinstance(part, dict):
        return part
    if part and part.keys() <= {"zh", "en"}:
        written = [text for text in part.values() if isinstance(text, str) and text.strip()]
        if len(written) == 1 and all(text in (None, "", *written) for text in part.values()):
            return {"zh": written[0], "en": written[0]}
    return {name: _with_other_language(value) for name, value in part.items()}


def _model_of(document: Document, tree: dict[str, Any], text: str, words: ProcedureWords | None) -> Model:
    _require_none(document, faults_of_shape(tree, ModelFile))
    file = convert(tree, ModelFile)
    _require_none(document, _faults_of_parameters(file))
    values = parameters_of(file.parameters, {})
    field_words = united(file.procedures, words_that_ship(file.procedures) if words is None else words)
    faults, columns = check_condition(file.condition, file.parameters, field_words)
    _require_none(
        document, (*_faults_of_line(file, field_words), *((f".condition{at}", fault) for at, fault in faults))
    )
    condition = condition_of(file.condition)
    query = query_of(condition, file.parameters, values)
    _require_none(document, (*_faults_of_lead(file, columns or query.columns), *_faults_of_examples(file)))
    parts = {name: getattr(file, name) for name in ModelParts.__struct_fields__}
    return Model(model_id=file.model, condition=condition, query=query, definition=text, **parts)


def require_publishable(text: str, words: ProcedureWords | None = None) -> Model:
    """Return the model if each of its examples comes out as it says. Raises ModelRefused at those that do not."""
    model = parse_model(text, words)
    faults = []
    for number, result in enumerate(run_examples(model, words)):
        if not result.passed:
            expected, raised = str(list(result.expected)), str(list(result.found))
            fault = Wording("example_differs", name=repr(result.name), expected=expected, found=raised)
            faults.append((f".examples[{number}]", fault))
    if faults:
        _require_none(read_document(text), faults)
    return model


def require_in_force(model: Model, words: ProcedureWords) -> None:
    """Raise ModelRefused, with the line, if the model names a procedure that is not among the ``words``."""
    faults = [
        (f".procedures[{number}]", Message("no version of the procedure {procedure_id} is in force", procedure_id=name))
        for number, name in enumerate(model.procedures)
        if name not in words
    ]
    _require_none(read_document(model.definition), faults)


def _require_none(document: Document, faults: Iterable[tuple[str, Message]]) -> None:
    if located := [document.fault(path, fault) for path, fault in faults]:
        raise ModelRefused(located)


def _faults_of_parameters(file: ModelFile) -> Iterator[tuple[str, Message]]:
    for name, parameter in file.parameters.items():
        if name == "as_of" or name.startswith(PREFIX):
            yield f".parameters.{name}", Wording("name_taken")
        yield from ((f".parameters.{name}.{field}", fault) for field, fault in faults_of_parameter(parameter))


def _faults_of_line(file: ModelFile, words: FieldWords | None) -> Iterator[tuple[str, Message]]:
    if file.business_line is not None and words is not None:
        fault = unknown_word("business_line", [file.business_line], words)
        yield from [] if fault is None else [(".business_line", fault)]


def _faults_of_lead(file: ModelFile, columns: Mapping[str, str]) -> Iterator[tuple[str, Message]]:
    lead = file.lead
    for number, name in enumerate(lead.key):
        if name not in columns:
            yield f".lead.key[{number}]", unknown("column", name, columns)
    if lead.supervised not in columns:
        yield ".lead.supervised", unknown("column", lead.supervised, columns)
    if (count := len(columns.keys() - {EVIDENCE})) > MAX_COLUMNS:
        yield ".condition", Wording("too_many_columns", count=count, most=MAX_COLUMNS)
    for name in columns:
        try:
            convert(name, Column)
        except msgspec.ValidationError:
            yield ".condition", Wording("column_name", name=repr(name))
    if EVIDENCE not in columns:
        yield ".condition", Wording("no_evidence", column=EVIDENCE)
    for language in ("zh", "en"):
        text = getattr(lead.says, language)
        for fault in faults_of_placeholders(text, columns, file.parameters):
            yield f".lead.says.{language}", fault


def _faults_of_examples(file: ModelFile) -> Iterator[tuple[str, Message]]:
    for number, example in enumerate(file.examples):
        path = f".examples[{number}]"
        yield from ((f"{path}{at}", fault) for at, fault in faults_of_example(example, file.lead.key))
        for name, value in example.parameters.items():
            if name not in file.parameters:
                yield f"{path}.parameters.{name}", unknown("parameter", name, file.parameters)
                continue
            try:
                file.parameters[name].value(value)
            except Unfit as error:
                yield f"{path}.parameters.{name}", error.expected
    if not any(example.raises for example in file.examples):
        yield ".examples", Wording("no_raising_example")
    if all(example.raises for example in file.examples):
        yield ".examples", Wording("no_silent_example")


class ExampleResult(Struct, frozen=True):
    """The keys of the leads that an example must raise, and those that the model found; ``differing`` is as of
    ``count_differing``."""

    name: str
    expected: tuple[Key, ...]
    found: tuple[Key, ...]
    differing: Mapping[str, int] = {}

    @property
    def passed(self) -> bool:
        """Return whether the model found what it must, and nothing else."""
        return self.expected == self.found


def run_examples(model: Model, words: ProcedureWords | None = None) -> list[ExampleResult]:
    """Return what the model finds in each of its examples; ``words`` are as of ``parse_model``.

    Raises what ``find`` raises.
    """
    zone = zone_of_examples(model.procedures, words_that_ship(model.procedures) if words is None else words)
    with open_database() as database:
        return [_tried(model, example, zone, database) for example in model.examples]


def _tried(model: Model, example: Example, zone: Zone, database: DuckDBPyConnection) -> ExampleResult:
    order = lambda key: sorted(key.items())  # noqa: E731
    rows = {
        view: [{name: convert_value(value, type_of(view, name)) for name, value in row.items()} for row in of_view]
        for view, of_view in example.rows.items()
    }
    as_of = convert_value(example.as_of, "TIMESTAMP").replace(tzinfo=UTC)
    values = model.parameters_of(example.parameters)
    headings = headings_of(model.parameters, values)
    with QuerySession.of_rows(rows, zone=zone, headings=headings, within=database) as session:
        try:
            findings = find(model, example.parameters, session, as_of)
        except MalformedInput as error:
            message = Message("in the example {name!r}: {fault}", name=example.name, fault=error.text)
            raise MalformedInput(message, field=error.field, hint=error.hint) from error
    expected = [
        {name: text_of(value) for name, value in raised.items() if value is not None} for raised in example.raises
    ]
    keys = tuple(sorted((finding.key for finding in findings), key=order))
    return ExampleResult(example.name, tuple(sorted(expected, key=order)), keys, count_differing(findings))


def faults_of_example(example: Example, key: tuple[str, ...]) -> Iterator[tuple[str, Message]]:
    """Yield what is wrong with how an example is written: the path below it and what was expected."""
    try:
        convert_value(example.as_of, "TIMESTAMP")
    except Unfit as error:
        yield ".as_of", error.expected
    for view, rows in example.rows.items():
        if fault := fault_of_view(view):
            yield f".rows.{view}", fault
            continue
        for number, row in enumerate(rows):
            path = f".rows.{view}[{number}]"
            if not row:
                yield path, Wording("empty_row", view=view)
            for name, value in row.items():
                if fault := fault_of_column(view, name):
                    yield f"{path}.{name}", fault
                    continue
                try:
                    convert_value(value, type_of(view, name))
                except Unfit as error:
                    yield f"{path}.{name}", error.expected
    for number, raised in enumerate(example.raises):
        if raised.keys() != set(key):
            yield f".raises[{number}]", Wording("key_columns", names=key)


def same_conditions(definition: str, others: Mapping[str, str]) -> list[str]:
    """Return the ids of those of the ``others``, definitions by id, that look for the same as a model's file.

    Their conditions and the defaults of their parameters are the same up to white space: such models find the same rows
    in every record. Another version of the file's own model is none of the others, nor is what cannot be read.
    """
    own = read_document(definition).tree
    asked = _asked_by(own)
    alike = []
    for model_id, text in others.items():
        with suppress(ModelRefused):
            if model_id != own.get("model") and _asked_by(read_document(text).tree) == asked:
                alike.append(model_id)
    return alike


def _asked_by(tree: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what a file states of its condition and of the defaults of its parameters."""
    parameters = tree.get("parameters") or {}
    defaults = {name: parameter.get("default") for name, parameter in parameters.items()}
    return _without_space(tree.get("condition")), defaults


def _without_space(value: Any) -> Any:
    match value:
        case str():
            return " ".join(value.split())
        case dict():
            return {name: _without_space(part) for name, part in value.items()}
        case list():
            return [_without_space(part) for part in value]
    return value


def shipped_models() -> Mapping[str, str]:
    """Return the text of each file by the model's id, in the order of the rules."""
    folder = files("ledger.supervision.models").joinpath("shipped")
    names = sorted(file.name for file in folder.iterdir() if file.name.endswith(".yaml"))
    return {model_id_of(name): folder.joinpath(name).read_text(encoding="utf-8") for name in names}


@cache
def shipped_titles() -> Mapping[str, BilingualText]:
    """Return the title of each, cached: reading them all takes a while, and they do not change."""
    return {name: convert(tree["title"], BilingualText) for name, tree in _shipped_trees().items()}


def shipped_for(procedures: Collection[str]) -> dict[str, BilingualText]:
    """Return the titles of those that speak the words of these procedures, and of no other."""
    trees, wanted = _shipped_trees(), {*procedures}
    return {
        name: title for name, title in shipped_titles().items() if wanted.issuperset(trees[name].get("procedures", ()))
    }


@cache
def _shipped_trees() -> Mapping[str, dict[str, Any]]:
    return {name: read_document(text).tree for name, text in shipped_models().items()}


def shipped_model(name: str) -> str:
    """Return the text of a model's file by its id. Raises NotFound, naming the nearest."""
    text = shipped_models().get(name)
    if text is None:
        raise NotFound(unknown("model", name, shipped_models()), field="model")
    return text


def model_id_of(file_name: str) -> str:
    """Return the id of the model in a file: its name without the rule's number."""
    return file_name.removesuffix(".yaml").partition("-")[2]
