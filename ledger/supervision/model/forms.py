"""The fields of templates as data (``templates.toml``), and whether a form was filled in as they ask."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Literal, get_args

import msgspec
from msgspec import Struct

from ledger.core.decoding import convert
from ledger.core.event import terms
from ledger.core.event.supervision import Told
from ledger.supervision.model.columns import dataset_view, fault_of_column, type_of, views
from ledger.supervision.model.filters import faults_of_filter
from ledger.supervision.model.parameters import Parameter
from ledger.supervision.model.refused import Unfit, unknown
from ledger.supervision.wording import Wording, one_of

FieldKind = Literal["view", "column", "columns", "where", "words", "count", "yes_no", "dataset", "header"]
NONE = "none"
MAX_COUNT = 1_000_000


class Field(Struct, frozen=True, forbid_unknown_fields=True):
    """A field: what ``kind`` of thing it takes, ``of`` which view or vocabulary, and its default, if it has one.

    A column may have to be of a ``type``, a view to have some columns (``has``).
    """

    kind: FieldKind
    en: str
    zh: str
    of: str | None = None
    type: str | None = None
    has: tuple[str, ...] = ()
    default: Any = msgspec.UNSET

    @property
    def required(self) -> bool:
        """Whether it must be filled in."""
        return self.default is msgspec.UNSET


class Form(Struct, frozen=True, forbid_unknown_fields=True):
    """A template: what it finds, in words, and its fields."""

    en: str
    zh: str
    scope: Literal["case", "all", "per"]
    fields: dict[str, Field]


@cache
def forms() -> Mapping[str, Form]:
    """All templates by name."""
    text = files("ledger.supervision.model").joinpath("templates.toml").read_bytes()
    return convert(tomllib.loads(text.decode()), dict[str, Form])


def filled_in(form: Form, given: Mapping[str, Any]) -> dict[str, Any]:
    """What was given, and the defaults of the rest; None where nothing is asked for."""
    defaults = {name: None if f.default == NONE else f.default for name, f in form.fields.items() if not f.required}
    return defaults | dict(given)


def faults_of_form(
    form: Form, given: Mapping[str, Any], parameters: Mapping[str, Parameter]
) -> Iterator[tuple[str, Wording]]:
    """What is wrong with a form that was filled in: the path of the field below ``with`` and what was expected."""
    for name in given:
        if name not in form.fields:
            yield name, unknown("field", name, form.fields)
    for name, field in form.fields.items():
        if name in given:
            yield from _faults(name, field, given, parameters)
        elif field.required:
            yield name, Wording("missing_field", what=Told(zh=field.zh, en=field.en))


def _faults(
    name: str, field: Field, given: Mapping[str, Any], parameters: Mapping[str, Parameter]
) -> Iterator[tuple[str, Wording]]:
    value = given[name]
    view = given.get("view") if field.of == "view" else field.of
    if field.of == "view" and view not in views():
        return  # said of the field `view`
    if field.kind == "where":
        yield from ((f"{name}{path}", said) for path, said in faults_of_filter(view or "", value, parameters))
    elif said := _CHECKS[field.kind](value, field, view or "", parameters):
        yield name, said


def _of_view(value: Any, field: Field, *_: Any) -> Wording | None:
    fitting = [name for name, columns in views().items() if columns.keys() >= set(field.has)]
    return None if value in fitting else unknown("view", str(value), fitting)


def _of_column(value: Any, field: Field, view: str, _: Any) -> Wording | None:
    if not isinstance(value, str):
        return Wording("column_expected", view=view)
    said = fault_of_column(view, value)
    if said is None and field.type and type_of(view, value) != field.type:
        return Wording("column_type", type=field.type, name=value, other=type_of(view, value))
    return said


def _of_columns(value: Any, field: Field, view: str, parameters: Any) -> Wording | None:
    if not isinstance(value, list) or not value or len(set(map(str, value))) != len(value):
        return Wording("columns_expected", view=view)
    return next((said for one in value if (said := _of_column(one, field, view, parameters))), None)


def _of_words(value: Any, field: Field, *_: Any) -> Wording | None:
    words = vocabulary(field.of or "")
    for word in value if isinstance(value, list) and value else [value]:
        if not isinstance(word, str) or word not in words:
            return unknown(field.of or "word", str(word), words)
    return None


def _of_count(value: Any, _field: Field, _view: str, parameters: Mapping[str, Parameter]) -> Wording | None:
    if isinstance(value, str) and value.startswith("$"):
        return fault_of_reference(value, parameters, ("integer",))
    return None if type(value) is int and 0 <= value <= MAX_COUNT else Wording("count_expected", most=f"{MAX_COUNT:,}")


def _of_yes_no(value: Any, *_: Any) -> Wording | None:
    return None if isinstance(value, bool) else Wording("expected", expected=Wording("of_boolean"))


def _of_dataset(value: Any, _field: Field, _view: str, parameters: Mapping[str, Parameter]) -> Wording | None:
    if isinstance(value, str) and value.startswith("$"):
        return fault_of_reference(value, parameters, ("dataset",))
    try:
        dataset_view(str(value))
    except Unfit as error:
        return error.expected
    return None


def _of_header(value: Any, *_: Any) -> Wording | None:
    sound = isinstance(value, str) and 0 < len(value) <= 100 and value.isprintable()
    return None if sound else Wording("heading_expected")


def fault_of_reference(text: str, parameters: Mapping[str, Parameter], kinds: tuple[str, ...]) -> Wording | None:
    """What is wrong with ``$name`` where a parameter of one of the kinds is asked for, if anything is."""
    parameter = parameters.get(text[1:])
    if parameter is None:
        return unknown("parameter", text[1:], parameters)
    return (
        None
        if parameter.type in kinds
        else Wording("parameter_expected", kinds=one_of(kinds), name=text, type=parameter.type)
    )


@cache
def vocabulary(name: str) -> tuple[str, ...]:
    """The words of a field: purposes of handovers, stages of cases, or clocks of the rules."""
    if name in ("purpose", "stage"):
        return get_args(terms.Purpose if name == "purpose" else terms.Stage)
    rules = tomllib.loads(files("ledger").joinpath("rules.toml").read_text(encoding="utf-8"))
    return tuple(dict.fromkeys(row["name"] for row in rules["clocks"]))


_CHECKS: dict[str, Callable[..., Wording | None]] = {
    "view": _of_view,
    "column": _of_column,
    "columns": _of_columns,
    "words": _of_words,
    "count": _of_count,
    "yes_no": _of_yes_no,
    "dataset": _of_dataset,
    "header": _of_header,
}
