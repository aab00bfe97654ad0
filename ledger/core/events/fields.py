"""The fields of bodies, as their types define them: forms, commands, labels and the rules for words go by this."""

from __future__ import annotations

import re
from functools import cache
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

from msgspec import NODEFAULT, Struct, inspect

from ledger.core.encoding import canonical
from ledger.core.encoding.decoding import convert, decoder_of
from ledger.core.errors import MalformedInput
from ledger.core.events.terms import CLOSED, EventRef, Money, Quantity, choices

# fmt: off
FieldKind = Literal[
    "line", "text", "whole", "yes_no", "moment", "day", "digest", "id", "word", "choice", "quantity", "money", "event",
    "part", "texts",
]
# fmt: on
_OF_STRUCTS: dict[type, FieldKind] = {Quantity: "quantity", Money: "money", EventRef: "event"}
_OF_CHOICES = {frozenset(choices(words)): vocabulary for vocabulary, words in CLOSED.items()}


class ValueType(Struct, frozen=True):
    """What a value is.

    ``names`` is what an id names. ``vocabulary`` has the labels of a ``word``, which some procedure has, or of a
    ``choice`` among ``words``. ``part`` is the type of a value with fields of its own, ``longest`` is in characters.
    """

    kind: FieldKind
    names: str | None = None
    vocabulary: str | None = None
    words: tuple[str, ...] = ()
    part: type[Struct] | None = None
    longest: int | None = None


class Field(Struct, frozen=True):
    """A field of a body or of a part; a list has from ``least`` to ``most`` values, None if there is no limit."""

    name: str
    type: ValueType
    is_required: bool
    is_list: bool = False
    least: int = 0
    most: int | None = None


@cache
def fields_of(struct: type[Struct]) -> tuple[Field, ...]:
    """Return the fields of a body or of a part, in the order in which its type has them."""
    shape = inspect.type_info(struct)
    assert isinstance(shape, inspect.StructType), "it is a body or a part"
    return tuple(_field(each) for each in shape.fields)


def field_of(struct: type[Struct], name: str) -> Field | None:
    """Return the field of that name, None if there is none."""
    return next((field for field in fields_of(struct) if field.name == name), None)


ABSENT = "null"  # what is correct, or was recorded, where there is no value
_INDEX = re.compile(r"\[[0-9]{1,4}\]")
_WHOLE = re.compile(r"[0-9]{1,16}")


class ValueAt(NamedTuple):
    """The type of a single value within a body; it ``may_lack`` if it, or what it is a part of, may be left out."""

    type: Any
    may_lack: bool

    def require(self, text: str, *, where: str) -> None:
        """Raise MalformedInput, naming the field ``where``, for a text that is no such value."""
        if text == ABSENT and self.may_lack:
            return
        value: Any = text
        match _bare(self.type):
            case kind if kind is bool:
                if text not in ("true", "false"):
                    raise MalformedInput("expected true or false, not {text!r}", text=text, field=where)
                value = text == "true"
            case kind if kind is int:
                if not _WHOLE.fullmatch(text):
                    raise MalformedInput("expected a whole number, not {text!r}", text=text, field=where)
                value = int(text)
        canonical.parse(canonical.encode(value), decoder_of(self.type), where=where)


def value_at(struct: type[Struct], path: str) -> ValueAt | None:
    """Return the value at a path within a body, such as ``received[0].quantity.value``; None if there is no such one.

    Of a list, of a part and of named texts there is none: of what they consist of there is.
    """
    kind: Any = struct
    may_lack = False
    for step in path.replace("[", ".[").split("."):
        whole = _bare(kind)
        if isinstance(whole, type) and issubclass(whole, Struct):
            field = field_of(whole, step)
            if field is None:
                return None
            kind, may_lack = get_type_hints(whole, include_extras=True)[step], may_lack or not field.is_required
        elif get_origin(whole) is dict or (get_origin(whole) is tuple and _INDEX.fullmatch(step)):
            kind, may_lack = get_args(whole)[get_origin(whole) is dict], True
        else:
            return None
    whole = _bare(kind)
    if get_origin(whole) in (dict, tuple) or (isinstance(whole, type) and issubclass(whole, Struct)):
        return None
    return ValueAt(kind, may_lack)


def _bare(kind: Any) -> Any:
    """Return a type without its bounds, and without None."""
    while get_origin(kind) is Annotated or type(None) in get_args(kind):
        kind = next(each for each in get_args(kind) if each is not type(None))
    return kind


def _field(field: inspect.Field) -> Field:
    kind = _present(field.type)
    is_required = field.default is NODEFAULT and field.default_factory is NODEFAULT
    kind = kind.type if isinstance(kind, inspect.Metadata) and isinstance(kind.type, inspect.VarTupleType) else kind
    if isinstance(kind, inspect.VarTupleType):
        limits = (kind.min_length or 0, kind.max_length)
        return Field(field.encode_name, _value_type(kind.item_type), is_required, True, *limits)
    return Field(field.encode_name, _value_type(kind), is_required)


def _present(kind: inspect.Type) -> inspect.Type:
    """Return the type of a value that is there: the other side of a union with None."""
    if not isinstance(kind, inspect.UnionType):
        return kind
    (present,) = (each for each in kind.types if not isinstance(each, inspect.NoneType))
    return present


def _value_type(kind: inspect.Type) -> ValueType:
    extra: dict[str, str] = {}
    while isinstance(kind, inspect.Metadata):
        extra |= kind.extra or {}
        kind = kind.type
    match kind:
        case inspect.LiteralType():
            words = tuple(str(word) for word in kind.values)
            return ValueType("choice", vocabulary=_OF_CHOICES.get(frozenset(words)), words=words)
        case inspect.BoolType():
            return ValueType("yes_no")
        case inspect.IntType():
            return ValueType("whole")
        case inspect.DictType():
            return ValueType("texts")
        case inspect.StructType():
            return ValueType(_OF_STRUCTS.get(kind.cls, "part"), part=kind.cls)
        case inspect.StrType():
            longest = kind.max_length
        case _:
            raise AssertionError(f"no field of a body is of the type {kind}")
    usual = "word" if "vocabulary" in extra else "id" if "names" in extra else "line"
    return convert({"kind": usual, **extra, "longest": longest}, ValueType)
