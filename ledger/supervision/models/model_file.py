"""A model's file, read strictly: a ``Model``, or every fault that can be told at once with its line.

1. plain YAML (``document``)
2. every part there, none unknown, each of its type (``shape``)
3. parameters within their bounds
4. the condition names views, columns and parameters that are there
5. the lead's columns are those of the condition's rows
6. examples that must and that must not raise a lead, of columns that are there
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC
from functools import cache
from importlib.resources import files
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from ledger.core.encoding.decoding import convert
from ledger.core.errors import MalformedInput, NotFound
from ledger.core.events.supervision import BilingualText, Check
from ledger.core.events.terms import BusinessLine, Column, Count, ModelId, Severity, Value
from ledger.supervision.model_faults import Fault, ModelRefused, Unfit, Wording, unknown
from ledger.supervision.models.conditions import EVIDENCE, columns_of_sql, condition_of, faults_of_condition, query_of
from ledger.supervision.models.definition import (
    Condition,
    Example,
    LeadForm,
    Model,
    Need,
    Parameter,
    Sql,
    faults_of,
    faults_of_placeholders,
    parameters_of,
    text_of,
)
from ledger.supervision.models.templates import PREFIX
from ledger.supervision.models.yaml_document import Document, faults_of_shape, read_document
from ledger.supervision.runs.findings import find
from ledger.supervision.runs.query_session import Session
from ledger.supervision.view_catalogue import fault_of_column, fault_of_view, type_of, typed

MAX_COLUMNS = 64  # of a row: what a lead carries


class ModelFile(Value, frozen=True):
    """The parts of a file."""

    model: ModelId
    version: Count
    title: BilingualText
    explanation: BilingualText
    need: Need
    business_line: BusinessLine
    legal_basis: Annotated[tuple[BilingualText, ...], Meta(min_length=1, max_length=20)]
    severity: Severity
    condition: dict[str, Any]
    lead: LeadForm
    checks: Annotated[tuple[Check, ...], Meta(min_length=1, max_length=20)]
    examples: Annotated[tuple[Example, ...], Meta(min_length=2, max_length=50)]
    parameters: Annotated[dict[Column, Parameter], Meta(max_length=20)] = msgspec.field(default_factory=dict)


def parse_model(text: str) -> Model:
    """The model of a file's text. Raises ModelRefused with all faults of the first step that finds some."""
    document = read_document(text)
    _require_none(document, faults_of_shape(document.tree, ModelFile))
    file = convert(document.tree, ModelFile)
    _require_none(document, _faults_of_parameters(file))
    values = parameters_of(file.parameters, {})
    _require_none(
        document, ((f".condition{at}", said) for at, said in faults_of_condition(file.condition, file.parameters))
    )
    condition = condition_of(file.condition)
    columns = _columns(condition, values)
    _require_none(document, (*_faults_of_lead(file, columns), *_faults_of_examples(file)))
    said = {name: getattr(file, name) for name in ModelFile.__struct_fields__ if name not in ("model", "condition")}
    return Model(model_id=file.model, condition=condition, query=query_of(condition, values), definition=text, **said)


def require_publishable(text: str) -> Model:
    """The model, each of whose examples comes out as it says. Raises ModelRefused at those that do not."""
    model = parse_model(text)
    document = read_document(text)
    wrong = [
        (
            f".examples[{number}]",
            Wording(
                "example_differs",
                name=repr(result.name),
                expected=str(list(result.expected)),
                found=str(list(result.found)),
            ),
        )
        for number, result in enumerate(run_examples(model))
        if not result.passed
    ]
    _require_none(document, wrong)
    return model


def _require_none(document: Document, faults: Iterable[tuple[str, Wording]]) -> None:
    told: list[Fault] = [document.fault(path, said) for path, said in faults]
    if told:
        raise ModelRefused(told)


def _faults_of_parameters(file: ModelFile) -> Iterator[tuple[str, Wording]]:
    for name, parameter in file.parameters.items():
        if name == "as_of" or name.startswith(PREFIX):
            yield f".parameters.{name}", Wording("name_taken")
        yield from ((f".parameters.{name}.{field}", said) for field, said in faults_of(parameter))


def _columns(condition: Condition, values: dict[str, Any]) -> dict[str, str]:
    """The columns of the condition's rows."""
    if isinstance(condition, Sql):
        return columns_of_sql(condition.text, values)
    return dict(query_of(condition, values).columns)


def _faults_of_lead(file: ModelFile, columns: dict[str, str]) -> Iterator[tuple[str, Wording]]:
    lead = file.lead
    for number, name in enumerate(lead.key):
        if name not in columns:
            yield f".lead.key[{number}]", unknown("column", name, columns)
    if lead.supervised not in columns:
        yield ".lead.supervised", unknown("column", lead.supervised, columns)
    yield from ((".condition", said) for said in _faults_of_columns(columns))
    if EVIDENCE not in columns:
        yield ".condition", Wording("no_evidence", column=EVIDENCE)
    for language in ("zh", "en"):
        text = getattr(lead.says, language)
        yield from ((f".lead.says.{language}", said) for said in faults_of_placeholders(text, columns, file.parameters))


def _faults_of_columns(columns: dict[str, str]) -> Iterator[Wording]:
    """Whether leads can carry the rows."""
    if (count := len(columns.keys() - {EVIDENCE})) > MAX_COLUMNS:
        yield Wording("too_many_columns", count=count, most=MAX_COLUMNS)
    for name in columns:
        try:
            convert(name, Column)
        except msgspec.ValidationError:
            yield Wording("column_name", name=repr(name))


def _faults_of_examples(file: ModelFile) -> Iterator[tuple[str, Wording]]:
    for number, example in enumerate(file.examples):
        path = f".examples[{number}]"
        yield from ((f"{path}{at}", said) for at, said in faults_of_example(example, file.lead.key))
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


Key = Mapping[str, str]


class ExampleResult(Struct, frozen=True):
    """The keys of the leads that an example must raise, and those that the model found."""

    name: str
    expected: tuple[Key, ...]
    found: tuple[Key, ...]

    @property
    def passed(self) -> bool:
        """Whether the model found what it must, and nothing else."""
        return self.expected == self.found


def run_examples(model: Model) -> list[ExampleResult]:
    """What the model finds in each of its examples. Raises what ``find`` raises."""
    return [_run(model, example) for example in model.examples]


def faults_of_example(example: Example, key: tuple[str, ...]) -> Iterator[tuple[str, Wording]]:
    """What is wrong with how an example is written: the path below it and what was expected."""
    try:
        typed(example.as_of, "TIMESTAMP")
    except Unfit as error:
        yield ".as_of", error.expected
    for view, rows in example.rows.items():
        if said := fault_of_view(view):
            yield f".rows.{view}", said
            continue
        for number, row in enumerate(rows):
            if not row:
                yield f".rows.{view}[{number}]", Wording("empty_row", view=view)
            yield from ((f".rows.{view}[{number}].{name}", wrong) for name, wrong in _faults_of_row(view, row))
    for number, raised in enumerate(example.raises):
        if raised.keys() != set(key):
            yield f".raises[{number}]", Wording("key_columns", names=key)


def _faults_of_row(view: str, row: Mapping[str, Any]) -> Iterator[tuple[str, Wording]]:
    for name, value in row.items():
        if said := fault_of_column(view, name):
            yield name, said
            continue
        try:
            typed(value, type_of(view, name))
        except Unfit as error:
            yield name, error.expected


def _run(model: Model, example: Example) -> ExampleResult:
    rows = {
        view: [{name: typed(value, type_of(view, name)) for name, value in row.items()} for row in given]
        for view, given in example.rows.items()
    }
    as_of = typed(example.as_of, "TIMESTAMP").replace(tzinfo=UTC)
    with Session.of_rows(rows) as session:
        try:
            found = find(model, example.parameters, session, as_of)
        except MalformedInput as error:
            error.add_note(f"in the example {example.name!r}")
            raise
    expected = [
        {name: text_of(value) for name, value in raised.items() if value is not None} for raised in example.raises
    ]
    order = lambda key: sorted(key.items())  # noqa: E731
    return ExampleResult(
        example.name, tuple(sorted(expected, key=order)), tuple(sorted((f.key for f in found), key=order))
    )


def shipped_models() -> Mapping[str, str]:
    """The text of each file by the model's id, in the order of the rules."""
    folder = files("ledger.supervision.models").joinpath("shipped")
    names = sorted(file.name for file in folder.iterdir() if file.name.endswith(".yaml"))
    return {model_id(name): folder.joinpath(name).read_text(encoding="utf-8") for name in names}


@cache
def shipped_titles() -> Mapping[str, BilingualText]:
    """The title of each, read once: they do not change while the service runs, and reading them all takes a while."""
    return {name: convert(read_document(text).tree["title"], BilingualText) for name, text in shipped_models().items()}


def shipped_model(name: str) -> str:
    """The text of a model's file by its id. Raises NotFound, naming the nearest."""
    found = shipped_models().get(name)
    if found is None:
        raise NotFound(str(unknown("model", name, shipped_models())), field="model")
    return found


def model_id(file_name: str) -> str:
    """The id of the model in a file: its name without the rule's number."""
    return file_name.removesuffix(".yaml").partition("-")[2]
