"""The one spelling of each value as text: what leads and adoptions carry."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from ledger.core.encoding import canonical
from ledger.core.encoding.digests import blake3_text
from ledger.core.errors import MalformedInput
from ledger.core.events.supervision import BilingualText, Check
from ledger.core.events.terms import BusinessLine, Column, Count, Line, ModelId, Severity, Value
from ledger.supervision.models.parameters import Parameter, parameters_of

# As which DuckDB gives the times 'infinity' and '-infinity'.
_INFINITIES = (datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC))
_PLACES = Decimal("0.000001")  # as quantities have them; a share computed in binary is rounded to as many
_WIDE = Context(prec=80, rounding=ROUND_HALF_EVEN)


def text_of(value: object) -> str:
    """Times in RFC 3339 UTC, days in ISO 8601, decimals at their shortest, lists as JSON. Raises MalformedInput."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Decimal | float):
        return _decimal(Decimal(repr(value)) if isinstance(value, float) else value)
    if isinstance(value, datetime):
        return _instant(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return canonical.encode([text_of(part) for part in value]).decode()
    raise MalformedInput(f"a value of type {type(value).__name__} is not taken: cast it to VARCHAR in the query")


def _decimal(value: Decimal) -> str:
    if not value.is_finite():
        raise MalformedInput("infinity and NaN are no values")
    rounded = value if value.as_tuple().exponent in range(-6, 1) else value.quantize(_PLACES, context=_WIDE)
    text = f"{rounded:f}"
    short = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if short in ("-0", "") else short


def _instant(value: datetime) -> str:
    """A time without a zone is UTC, as those of the views are."""
    utc = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    if utc in _INFINITIES:
        raise MalformedInput("infinity and NaN are no values")
    return utc.isoformat().removesuffix("+00:00") + "Z"


Scope = Literal["case", "all"]


class Need(Value, frozen=True):
    """Why the model is wanted: business leads. ``requested_by`` is an office, never a person."""

    problem: BilingualText
    requested_by: Line
    expected_outcome: BilingualText


class LeadForm(Value, frozen=True):
    """How a row becomes a lead: ``key`` makes it the same one, the agency in ``supervised`` must answer."""

    key: Annotated[tuple[Column, ...], Meta(min_length=1, max_length=8)]
    supervised: Column
    says: BilingualText


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
    title: BilingualText
    explanation: BilingualText
    need: Need
    business_line: BusinessLine
    legal_basis: tuple[BilingualText, ...]
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
