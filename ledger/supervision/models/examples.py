"""The examples of a model: rows that must and rows that must not raise a lead, run as the real ones are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC
from typing import Any

from msgspec import Struct

from ledger.core.errors import MalformedInput
from ledger.supervision.models.columns import fault_of_column, fault_of_view, type_of, typed
from ledger.supervision.models.refused import Unfit
from ledger.supervision.models.values import Example, Model, text_of
from ledger.supervision.runs.findings import find
from ledger.supervision.runs.session import Session
from ledger.supervision.wording import Wording

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
