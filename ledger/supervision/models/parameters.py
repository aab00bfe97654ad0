"""Parameters: what another place may set otherwise without writing a model of its own, within bounds."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal

from msgspec import Meta

from ledger.core.errors import MalformedInput
from ledger.core.events.supervision import BilingualText
from ledger.core.events.terms import Line, Value
from ledger.supervision.models.columns import dataset_view
from ledger.supervision.models.refused import Unfit, unknown
from ledger.supervision.wording import Wording

Kind = Literal["integer", "decimal", "text", "boolean", "date", "dataset"]
MAX_TEXT = 200  # characters
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,14})")
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,6})?")
_NUMBERS = ("integer", "decimal")
_EXPECTED = {
    "integer": Wording("of_integer"),
    "decimal": Wording("of_decimal"),
    "text": Wording("of_text", most=MAX_TEXT),
    "boolean": Wording("of_boolean"),
    "date": Wording("of_date"),
    "dataset": Wording("of_dataset"),
}


class Parameter(Value, frozen=True):
    """One of them. Numbers have both bounds; ``choices`` are of texts."""

    type: Kind
    default: Any
    meaning: BilingualText
    minimum: Any = None
    maximum: Any = None
    choices: Annotated[tuple[Line, ...], Meta(max_length=50)] = ()

    def value(self, given: object) -> Any:
        """``given``, of the parameter's type or as text, within its bounds. Raises Unfit."""
        value = _of_type(given, self.type)
        if value is None:
            raise Unfit(Wording("expected_not", expected=_EXPECTED[self.type], given=repr(str(given)[:80])))
        if self.choices and value not in self.choices:
            raise Unfit(Wording("expected_choice", words=self.choices, given=repr(str(value)[:80])))
        least, most = (_of_type(bound, self.type) for bound in (self.minimum, self.maximum))
        if (least is not None and value < least) or (most is not None and value > most):
            bounds = {"least": str(self.minimum), "most": str(self.maximum)}
            raise Unfit(Wording("out_of_bounds", **bounds, given=str(given)))
        return value


def parameters_of(parameters: Mapping[str, Parameter], given: Mapping[str, object]) -> dict[str, Any]:
    """The value of each parameter, its default where nothing is given. Raises MalformedInput, naming the parameter."""
    for name in given:
        if name not in parameters:
            raise MalformedInput(str(unknown("parameter", name, parameters)), field=f"parameters.{name}")
    values: dict[str, Any] = {}
    for name, parameter in parameters.items():
        try:
            values[name] = parameter.value(given.get(name, parameter.default))
        except Unfit as error:
            raise MalformedInput(str(error), field=f"parameters.{name}") from error
    return values


def faults_of(parameter: Parameter) -> Iterator[tuple[str, Wording]]:
    """What is wrong with how a parameter is defined: the field and what was expected."""
    bounds = {"minimum": parameter.minimum, "maximum": parameter.maximum}
    for field, bound in bounds.items():
        if bound is None and parameter.type in _NUMBERS:
            yield field, Wording("no_bound", expected=_EXPECTED[parameter.type])
            return
        if bound is not None and (parameter.type not in (*_NUMBERS, "date") or _of_type(bound, parameter.type) is None):
            wanted = Wording("bounded_text") if parameter.type == "text" else _EXPECTED[parameter.type]
            yield field, Wording("expected", expected=wanted)
            return
    if parameter.choices and parameter.type != "text":
        yield "choices", Wording("choices_of_text")
    try:
        parameter.value(parameter.default)
    except Unfit as error:
        yield "default", error.expected


def _of_type(given: object, kind: Kind) -> Any:
    """The value of the type that ``given`` is or spells, else None."""
    if kind == "boolean":
        return given if isinstance(given, bool) else {"true": True, "false": False}.get(str(given))
    if isinstance(given, bool) or given is None:
        return None
    text = str(given)
    if kind == "integer":
        return int(text) if _INTEGER.fullmatch(text) else None
    if kind == "decimal":
        return Decimal(text) if _DECIMAL.fullmatch(text) else None
    if not isinstance(given, str | date):
        return None
    return _of_text(text, kind)


def _of_text(text: str, kind: Kind) -> Any:
    try:
        if kind == "date":
            return date.fromisoformat(text) if len(text) == 10 else None
        if kind == "dataset":
            dataset_view(text)
    except ValueError:
        return None
    return text if len(text) <= MAX_TEXT else None
