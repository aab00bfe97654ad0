"""A model's definition as values: its parts, its parameters, and what its leads say.

Parameters are what another place may set otherwise, within bounds. ``text_of`` gives the one spelling of each value
as text that leads and adoptions carry.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from ledger.core.encoding import canonical
from ledger.core.encoding.digests import blake3_text
from ledger.core.errors import MalformedInput
from ledger.core.events.supervision import BilingualText, Check
from ledger.core.events.terms import BusinessLine, Column, Count, Line, ModelId, ProcedureId, Severity, Value
from ledger.core.messages import Message
from ledger.core.procedure.zones import Zone
from ledger.supervision.model_faults import Unfit, Wording, unknown
from ledger.supervision.view_catalogue import LIST_COLUMNS, ListUse, view_of_dataset

Kind = Literal["integer", "decimal", "text", "boolean", "date", "dataset"]
MAX_PARAMETER_LENGTH = 200  # characters
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,14})(\.[0-9]{1,18})?")
_NUMBERS = ("integer", "decimal")
_EXPECTED = {
    "integer": Wording("of_integer"),
    "decimal": Wording("of_decimal"),
    "text": Wording("of_text", most=MAX_PARAMETER_LENGTH),
    "boolean": Wording("of_boolean"),
    "date": Wording("of_date"),
    "dataset": Wording("of_dataset"),
}
# As which DuckDB gives the times 'infinity' and '-infinity'.
_INFINITIES = (datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC))
_PLACES = Decimal("1e-18")  # as quantities have them
_PLACES_OF_SHARES = Decimal("0.000001")  # what was computed in binary is rounded: its last digits are noise
_WIDE = Context(prec=80, rounding=ROUND_HALF_EVEN)
Scope = Literal["case", "all"]
NOTHING = "—"  # in the place of a column that is empty
MAX_SAYING_LENGTH = 4000  # characters: what a lead carries
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")
_PLACE = re.compile(r"\{([^{}]*)\}")


class Parameter(Value, frozen=True):
    """One of them. Numbers have both bounds; ``choices`` are of texts.

    ``columns`` are of a data set: what the condition calls them, with their headings in the list.
    """

    type: Kind
    default: Any
    meaning: BilingualText
    minimum: Any = None
    maximum: Any = None
    choices: Annotated[tuple[Line, ...], Meta(max_length=50)] = ()
    columns: Annotated[dict[Column, Line], Meta(max_length=64)] = field(default_factory=dict)

    def value(self, raw: object) -> Any:
        """Return the value that ``raw`` is or spells, of the parameter's type and within its bounds. Raises Unfit."""
        value = _parse_as(raw, self.type)
        if value is None:
            raise Unfit(Wording("expected_not", expected=_EXPECTED[self.type], given=repr(str(raw)[:80])))
        if self.choices and value not in self.choices:
            raise Unfit(Wording("expected_choice", words=self.choices, given=repr(str(value)[:80])))
        least, most = (_parse_as(bound, self.type) for bound in (self.minimum, self.maximum))
        if (least is not None and value < least) or (most is not None and value > most):
            bounds = {"least": str(self.minimum), "most": str(self.maximum)}
            raise Unfit(Wording("out_of_bounds", **bounds, given=str(raw)))
        return value


def parameters_of(parameters: Mapping[str, Parameter], raw_values: Mapping[str, object]) -> dict[str, Any]:
    """Return the value of each parameter, its default if none is given. Raises MalformedInput, naming the parameter."""
    for name in raw_values:
        if name not in parameters:
            raise MalformedInput(unknown("parameter", name, parameters), field=f"parameters.{name}")
    values: dict[str, Any] = {}
    for name, parameter in parameters.items():
        try:
            values[name] = parameter.value(raw_values.get(name, parameter.default))
        except Unfit as error:
            raise MalformedInput(str(error), field=f"parameters.{name}") from error
    return values


def faults_of_parameter(parameter: Parameter) -> Iterator[tuple[str, Message]]:
    """Yield what is wrong with how a parameter is defined: the field and what was expected."""
    bounds = {"minimum": parameter.minimum, "maximum": parameter.maximum}
    for name, bound in bounds.items():
        if bound is None and parameter.type in _NUMBERS:
            yield name, Wording("no_bound", expected=_EXPECTED[parameter.type])
            return
        if bound is not None and (
            parameter.type not in (*_NUMBERS, "date") or _parse_as(bound, parameter.type) is None
        ):
            wanted = Wording("bounded_text") if parameter.type == "text" else _EXPECTED[parameter.type]
            yield name, Wording("expected", expected=wanted)
            return
    if parameter.choices and parameter.type != "text":
        yield "choices", Wording("choices_of_text")
    if parameter.columns and parameter.type != "dataset":
        yield "columns", Wording("columns_of_dataset")
    if taken := sorted(parameter.columns.keys() & LIST_COLUMNS.keys()):
        yield f"columns.{taken[0]}", Wording("name_taken")
    try:
        parameter.value(parameter.default)
    except Unfit as error:
        yield "default", error.expected


def number_of(text: str) -> int | Decimal | None:
    """Return the number that a text spells, or None: up to 15 digits, and up to 18 behind a point."""
    match = _NUMBER.fullmatch(text)
    if match is None:
        return None
    return Decimal(text) if match[1] else int(text)


def _parse_as(raw: object, kind: Kind) -> Any:
    """Return the value of the type that ``raw`` is or spells, or None."""
    if kind == "boolean":
        return raw if isinstance(raw, bool) else {"true": True, "false": False}.get(str(raw))
    if isinstance(raw, bool) or raw is None:
        return None
    text = str(raw)
    if kind == "integer":
        return number if isinstance(number := number_of(text), int) else None
    if kind == "decimal":
        return None if (number := number_of(text)) is None else Decimal(number)
    if not isinstance(raw, str | date):
        return None
    try:
        if kind == "date":
            return date.fromisoformat(text) if len(text) == 10 else None
        if kind == "dataset":
            view_of_dataset(text)
    except ValueError:
        return None
    return text if len(text) <= MAX_PARAMETER_LENGTH else None


def text_of(value: object) -> str:
    """Spell a value: RFC 3339 UTC, ISO 8601 days, shortest decimals, lists as JSON. Raises MalformedInput."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Decimal | float):
        exact = Decimal(repr(value)) if isinstance(value, float) else value
        if not exact.is_finite():
            raise MalformedInput("infinity and NaN are no values")
        rounded = exact.quantize(_PLACES_OF_SHARES if isinstance(value, float) else _PLACES, context=_WIDE)
        text = f"{rounded:f}"
        short = text.rstrip("0").rstrip(".") if "." in text else text
        return "0" if short in ("-0", "") else short
    if isinstance(value, datetime):
        # A time without a zone is UTC, as those of the views are.
        utc = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        if utc in _INFINITIES:
            raise MalformedInput("infinity and NaN are no values")
        return utc.isoformat().removesuffix("+00:00") + "Z"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return canonical.encode([text_of(part) for part in value]).decode()
    raise MalformedInput(
        "a value of type {name} is not taken: cast it to VARCHAR in the query", name=type(value).__name__
    )


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

    @property
    def columns(self) -> frozenset[str]:
        """Return the names in the places of its words: columns, and parameters."""
        return frozenset(_PLACE.findall(self.says.zh + self.says.en))


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
    ``lists`` are the data sets that it asks, by the names that it has for them. ``stands_alone`` says whether a row
    stays one whatever other cases there are.
    """

    sql: str
    bindings: Mapping[str, Any]
    columns: Mapping[str, str]
    scope: Scope
    views: tuple[str, ...]
    lists: Mapping[str, ListUse] = field(default_factory=dict)
    stands_alone: bool = True


class Template(Struct, frozen=True, tag=True):
    """A condition without a query language: the name of a form, and how it was filled in."""

    name: str
    fields: Mapping[str, Any]


class Cel(Struct, frozen=True, tag=True):
    """A condition on each row of one view, in the Common Expression Language."""

    view: str
    expression: str


class Sql(Struct, frozen=True, tag=True):
    """A condition as a query over the views."""

    text: str
    scope: Scope


Condition = Template | Cel | Sql


class ModelParts(Value, frozen=True, kw_only=True):
    """The parts that a published model has as its file states them.

    ``procedures`` are the ids of those whose words it speaks: it finds nothing in cases of others. Without any it runs
    over all cases. Without a ``business_line`` it is of all lines.
    """

    version: Count
    title: BilingualText
    explanation: BilingualText
    need: Need
    legal_basis: Annotated[tuple[BilingualText, ...], Meta(min_length=1, max_length=20)]
    severity: Severity
    lead: LeadForm
    checks: Annotated[tuple[Check, ...], Meta(min_length=1, max_length=20)]
    examples: Annotated[tuple[Example, ...], Meta(min_length=2, max_length=50)]
    procedures: Annotated[tuple[ProcedureId, ...], Meta(max_length=20)] = ()
    business_line: BusinessLine | None = None
    parameters: Annotated[dict[Column, Parameter], Meta(max_length=20)] = field(default_factory=dict)


class Model(ModelParts, frozen=True, kw_only=True):
    """A model as published: ``definition`` is the text of its file, which its digest is of."""

    model_id: ModelId
    condition: Condition
    query: Query
    definition: str

    @property
    def digest(self) -> str:
        """Return the BLAKE3 digest of the file's text in UTF-8, which leads cite."""
        return blake3_text(self.definition.encode())

    def parameters_of(self, raw_values: Mapping[str, object]) -> dict[str, Any]:
        """Return the value of each parameter: that of ``raw_values`` (of its type, or as text), or its default.

        Raises MalformedInput, naming the parameter.
        """
        return parameters_of(self.parameters, raw_values)

    @property
    def scope(self) -> Scope:
        """Return whether a finding depends on the rows of one case alone."""
        return self.query.scope

    @property
    def views(self) -> tuple[str, ...]:
        """Return the views that it reads, as far as the file tells; empty for SQL, whose text is not taken apart."""
        return self.query.views


def fill_text(
    text: BilingualText, values: Mapping[str, str], parameters: Mapping[str, Any], zone: Zone
) -> BilingualText:
    """Fill the places of a lead's text with the finding's values and the parameters; times are shown in the zone."""
    texts = {name: text_of(value) for name, value in parameters.items()} | dict(values)
    return BilingualText(zh=_filled(text.zh, texts, zone), en=_filled(text.en, texts, zone))


def faults_of_placeholders(text: str, columns: Iterable[str], parameters: Iterable[str]) -> Iterator[Wording]:
    """Yield what is wrong with a text's places: an unknown column or parameter, or an unpaired bracket."""
    names = {*columns, *parameters}
    for name in _PLACE.findall(text):
        if name not in names:
            yield unknown("column", name, names)
    if "{" in (rest := _PLACE.sub("", text)) or "}" in rest:
        yield Wording("lone_bracket")


def _filled(text: str, texts: Mapping[str, str], zone: Zone) -> str:
    filled = _PLACE.sub(lambda place: _shown(texts.get(place[1], NOTHING), zone), text)
    # A lead has room for so much; a query may give longer values.
    return filled if len(filled) <= MAX_SAYING_LENGTH else f"{filled[: MAX_SAYING_LENGTH - 1]}…"


def _shown(value: str, zone: Zone) -> str:
    if not _TIME.fullmatch(value):
        return value
    try:
        moment = zone.local(datetime.fromisoformat(value))
    except (ValueError, OverflowError):  # no day of the calendar, or one that is past its end in the zone
        return value
    return f"{moment:%Y-%m-%d %H:%M} {moment.isoformat()[-6:]}"
