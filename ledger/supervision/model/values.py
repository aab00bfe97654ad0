"""What a model says: frozen values, made by ``parse_model`` of a file that was found sound."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from ledger.core.digest import blake3_text
from ledger.core.event.supervision import Check, Told
from ledger.core.event.terms import BusinessLine, Column, Count, Line, ModelId, Severity, Value
from ledger.supervision.model.parameters import Parameter, parameters_of

Scope = Literal["case", "all"]


class Need(Value, frozen=True):
    """Why the model is wanted: business leads. ``requested_by`` is an office, never a person."""

    problem: Told
    requested_by: Line
    expected_outcome: Told


class LeadForm(Value, frozen=True):
    """How a row becomes a lead: ``key`` makes it the same one, the agency in ``supervised`` must answer."""

    key: Annotated[tuple[Column, ...], Meta(min_length=1, max_length=8)]
    supervised: Column
    says: Told


class Example(Value, frozen=True):
    """Rows of views and what the model must find in them: the key of each lead, or nothing."""

    name: Line
    as_of: str
    rows: dict[str, list[dict[str, Any]]]
    raises: list[dict[str, Any]]
    parameters: dict[str, Any] = field(default_factory=dict)


class Query(Struct, frozen=True):
    """A condition as SQL over the views: ``bindings`` are the values of the file, parameters are bound beside them.

    ``columns`` are those of its rows with their types, ``scope`` says whether a finding depends on one case alone.
    """

    sql: str
    bindings: Mapping[str, Any]
    columns: Mapping[str, str]
    scope: Scope
    views: tuple[str, ...]


class Template(Struct, frozen=True):
    """A condition without a query language: the name of a form, and how it was filled in."""

    name: str
    given: Mapping[str, Any]


class Cel(Struct, frozen=True):
    """A condition on each row of one view, in the Common Expression Language."""

    view: str
    expression: str


class Sql(Struct, frozen=True):
    """A condition as a query over the views."""

    text: str
    scope: Scope


Condition = Template | Cel | Sql


class Model(Struct, frozen=True, kw_only=True):
    """A model as published: ``definition`` is the text of its file, which its digest is of."""

    model_id: ModelId
    version: Count
    title: Told
    explanation: Told
    need: Need
    business_line: BusinessLine
    legal_basis: tuple[Told, ...]
    severity: Severity
    parameters: Mapping[str, Parameter]
    condition: Condition
    query: Query
    lead: LeadForm
    checks: tuple[Check, ...]
    examples: tuple[Example, ...]
    definition: str

    @property
    def digest(self) -> str:
        """BLAKE3 of the file's text in UTF-8: what leads cite."""
        return blake3_text(self.definition.encode())

    def parameters_of(self, given: Mapping[str, object]) -> dict[str, Any]:
        """The value of each parameter: as ``given`` (of its type, or as text), else its default.

        Raises MalformedInput, naming the parameter.
        """
        return parameters_of(self.parameters, given)

    @property
    def scope(self) -> Scope:
        """Whether a finding depends on the rows of one case alone."""
        return self.query.scope

    @property
    def views(self) -> tuple[str, ...]:
        """The views that it reads, as far as the file tells; none for SQL, whose text is not taken apart."""
        return self.query.views
