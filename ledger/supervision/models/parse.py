"""A model's file, read strictly: a ``Model``, or every fault that can be told at once with its line.

1. plain YAML (``document``)
2. every part there, none unknown, each of its type (``shape``)
3. parameters within their bounds
4. the condition names views, columns and parameters that are there
5. the lead's columns are those of the condition's rows
6. examples that must and that must not raise a lead, of columns that are there
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from ledger.core.encoding.decoding import convert
from ledger.core.events.supervision import BilingualText, Check
from ledger.core.events.terms import BusinessLine, Column, Count, ModelId, Severity, Value
from ledger.supervision.models.document import Document, faults_of_shape, read_document
from ledger.supervision.models.examples import faults_of_example, run_examples
from ledger.supervision.models.parameters import Parameter, faults_of, parameters_of
from ledger.supervision.models.query import EVIDENCE, columns_of_sql, condition_of, faults_of_condition, query_of
from ledger.supervision.models.refused import Fault, ModelRefused, Unfit, unknown
from ledger.supervision.models.saying import faults_of_saying
from ledger.supervision.models.templates import PREFIX
from ledger.supervision.models.values import Condition, Example, LeadForm, Model, Need, Sql
from ledger.supervision.wording import Wording

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
        yield from ((f".lead.says.{language}", said) for said in faults_of_saying(text, columns, file.parameters))


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
