"""Strict YAML: a model's file as plain values with their lines; missing, unknown and empty parts are faults."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from typing import Annotated, Any, get_args, get_origin

import msgspec
from msgspec import Struct, inspect
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from ledger.core.encoding import canonical
from ledger.core.encoding.canonical import refusal_of
from ledger.core.encoding.decoding import convert
from ledger.core.errors import MalformedInput
from ledger.core.events.supervision import BilingualText
from ledger.core.messages import Message
from ledger.supervision.model_faults import ModelFault, ModelRefused, Wording, unknown
from ledger.supervision.models.definition import number_of

_REFUSALS = tuple(
    (re.compile(pattern, re.DOTALL), word)
    for pattern, word in (
        (r"Expected one of (?P<words>.*), not (?P<given>.*?)", "word_expected"),
        (r"Expected `(?P<kind>array|object|str)` of length >= (?P<least>\d+)", "too_short"),
        (r"Expected `(?P<kind>array|object|str)` of length <= (?P<most>\d+)", "too_long_for"),
        (r"Expected `int` >= (?P<least>\d+)", "too_small"),
        (r"Expected `int` <= (?P<most>\d+)", "too_large"),
        (r"Expected `(?P<wanted>.*)`, got `(?P<got>.*?)`", "other_type"),
        (r"Expected a slug of at most (?P<most>\d+) characters.*", "slug_expected"),
    )
)
LocatedFault = tuple[str, Message]  # path, what was expected there
MAX_BYTES = 65_536
MAX_CHARACTERS = 32_000  # what an event carries
MAX_LEVELS = 12
_UNREADABLE = (
    *(YAMLError, AssertionError, ValueError, ArithmeticError),
    *(LookupError, TypeError, AttributeError, RecursionError),
)
_WORDS = {"": None, "~": None, "null": None, "true": True, "false": False}
_OTHER_NUMBER = re.compile(
    r"[-+]?(?:\.?[0-9][0-9_]*(?:\.[0-9_]*)?(?:[eE][-+]?[0-9]+)?|\.(?:inf|nan)|0[xo][0-9a-f]+)", re.IGNORECASE
)


def faults_of_shape(value: Any, kind: type) -> Iterator[LocatedFault]:
    """Yield all that is missing, unknown or empty; if nothing is, the first value of another type in each part."""
    shape = _shape_of(kind)
    assert isinstance(shape, inspect.StructType)
    missing = list(_faults_of_struct(value, shape, ""))
    yield from missing
    for field in msgspec.structs.fields(kind):
        path = f".{field.encode_name}"
        if field.encode_name in value and not any(at.startswith(path) for at, _ in missing):
            yield from _faults_of_type(value[field.encode_name], field.type, path)


_shape_of = cache(inspect.type_info)  # describing a model's file takes milliseconds


def _faults_of_type(value: Any, wanted: Any, path: str) -> Iterator[LocatedFault]:
    """Yield what msgspec says first of the value, or of each entry of a mapping, whose names its paths leave out."""
    bare = get_args(wanted)[0] if get_origin(wanted) is Annotated else wanted
    faults = []
    if get_origin(bare) is dict and isinstance(value, dict):
        key, entry = get_args(bare)
        for name, part in value.items():
            faults += [*_faults_of_type(name, key, f"{path}.{name}"), *_faults_of_type(part, entry, f"{path}.{name}")]
    yield from faults
    if faults:
        return
    try:
        convert(value, wanted)
    except msgspec.ValidationError as error:
        refusal = refusal_of(str(error), value, wanted, path)
        matches = ((word, pattern.fullmatch(refusal.message)) for pattern, word in _REFUSALS)
        wording = next((Wording(word, **match.groupdict()) for word, match in matches if match), None)
        # What msgspec says seldom stays in its own words.
        yield f".{refusal.field}", wording or Wording("other_form", why=refusal.message)


def _faults_of_struct(value: dict[str, Any], shape: inspect.StructType, path: str) -> Iterator[LocatedFault]:
    fields = {field.encode_name: field for field in shape.fields}
    for name, part in value.items():
        if name not in fields:
            fault = unknown("key", name, fields)
            yield f"{path}.{name}", Wording("comma_in_flow", said=fault) if part is None else fault
    for name, field in fields.items():
        if name in value:
            yield from _faults_of_part(value[name], field.type, f"{path}.{name}")
        elif field.required:
            yield f"{path}.{name}", Wording("missing")


def _faults_of_part(value: Any, shape: inspect.Type, path: str) -> Iterator[LocatedFault]:
    if isinstance(shape, inspect.Metadata):
        shape = shape.type
    if isinstance(shape, inspect.StructType):
        if shape.cls is BilingualText and isinstance(value, dict) and _is_unwritten(value):
            yield path, Wording("fill_in_one")
        elif isinstance(value, dict):
            yield from _faults_of_struct(value, shape, path)
        else:
            names = tuple(field.encode_name for field in shape.fields if field.required)
            yield path, Wording("parts_expected", names=names)
    elif isinstance(shape, inspect.VarTupleType | inspect.ListType) and isinstance(value, list):
        for number, part in enumerate(value):
            yield from _faults_of_part(part, shape.item_type, f"{path}[{number}]")
    elif isinstance(shape, inspect.DictType) and isinstance(value, dict):
        for name, part in value.items():
            yield from _faults_of_part(part, shape.value_type, f"{path}.{name}")
    elif isinstance(shape, inspect.StrType):
        if value is None or (isinstance(value, str) and not value.strip()):
            yield path, Wording("fill_in")
        elif isinstance(value, bool | int | Decimal):
            yield path, Wording("quote_text")


def _is_unwritten(both: dict[str, Any]) -> bool:
    """Tell whether a text stands there in neither language, and nothing else does."""
    blank = (text is None or (isinstance(text, str) and not text.strip()) for text in both.values())
    return both.keys() <= {"zh", "en"} and all(blank)


class Document(Struct, frozen=True):
    """``tree`` is the file's mapping; ``lines`` tells by path (``.need.problem``, ``.examples[0]``) where a part is."""

    tree: dict[str, Any]
    lines: dict[str, int]

    def fault(self, path: str, expected: Message) -> ModelFault:
        """Return a fault at ``path``, on the line of the part in which it stands or is missing."""
        at = path
        while at and at not in self.lines:
            at = at[: max(at.rfind("."), at.rfind("["))]
        return ModelFault(self.lines.get(at, 1), path.lstrip("."), expected)


def read_document(text: str) -> Document:
    """Read the values of a model's file. Raises ModelRefused, naming the line."""
    if len(text) > MAX_CHARACTERS or len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        too_long = Wording("too_long", characters=f"{MAX_CHARACTERS:,}", bytes=f"{MAX_BYTES:,}")
        raise ModelRefused([ModelFault(1, "", too_long)])
    for number, line in enumerate(text.splitlines(), start=1):
        if fault := _outside_profile(line):
            raise ModelRefused([ModelFault(number, "", fault)])
    return _Builder(_events(text)).document()


def _events(text: str) -> Iterator[Event]:
    """Yield the parser's events. Raises ModelRefused for whatever the parser cannot read.

    Not all that the parser raises is a YAMLError: a directive of another version is an AssertionError, an escape beyond
    Unicode a ValueError or OverflowError.
    """
    line = 1
    try:
        for event in YAML(typ="safe", pure=True).parse(text):
            line = event.end_mark.line + 1
            yield event
    except _UNREADABLE as error:
        why = (str(error) or type(error).__name__).splitlines()[0][:200]
        if isinstance(error, MarkedYAMLError):
            mark = error.problem_mark or error.context_mark
            line, why = mark.line + 1 if mark else 1, str(error.problem or error.context)
        raise ModelRefused([ModelFault(line, "", Wording("not_yaml", why=why))]) from error


def _outside_profile(text: str) -> Wording | None:
    """Return why events cannot carry the text, or None."""
    try:
        canonical.require_profile(canonical.encode(text))
    except MalformedInput as error:
        if "\0" in text:
            return Wording("nul")
        return Wording("bidirectional", control=error.message.rpartition(" ")[2])
    except UnicodeEncodeError:
        return Wording("not_utf8")
    return None if unicodedata.is_normalized("NFC", text) else Wording("not_nfc")


class _Builder:
    """Makes values of the parser's events."""

    def __init__(self, events: Iterator[Event]):
        self._events = events
        self._lines: dict[str, int] = {}

    def document(self) -> Document:
        tree: Any = None
        documents = 0
        for event in self._events:
            if isinstance(event, DocumentStartEvent):
                documents += 1
                if documents > 1 or event.version or event.tags:
                    raise _refused(event, "", Wording("one_document"))
            elif isinstance(event, ScalarEvent | MappingStartEvent | SequenceStartEvent | AliasEvent):
                tree = self._value(event, "", MAX_LEVELS)
        if not isinstance(tree, dict):
            raise ModelRefused([ModelFault(1, "", Wording("no_mapping"))])
        return Document(tree, self._lines)

    def _value(self, event: Event, path: str, levels: int) -> Any:
        _require_bare(event, path)
        self._lines.setdefault(path, event.start_mark.line + 1)
        if levels == 0:
            raise _refused(event, path, Wording("too_deep", levels=MAX_LEVELS))
        if isinstance(event, MappingStartEvent):
            return self._mapping(path, levels - 1)
        if isinstance(event, SequenceStartEvent):
            parts: list[Any] = []
            while not isinstance(part := next(self._events), SequenceEndEvent):
                parts.append(self._value(part, f"{path}[{len(parts)}]", levels - 1))
            return parts
        assert isinstance(event, ScalarEvent)
        value: str = event.value
        if fault := event.style and _outside_profile(value):  # by an escape such as "\\0"
            raise _refused(event, path, fault)
        if event.style:
            return value
        # YAML 1.2's core words alone: `yes`, `no` and `on` are text here, as a person reads them.
        if value.lower() in _WORDS and value in (value.lower(), value.title(), value.upper()):
            return _WORDS[value.lower()]
        if (number := number_of(value)) is not None:
            return number
        if _OTHER_NUMBER.fullmatch(value):
            raise _refused(event, path, Wording("other_number", value=value))
        return value

    def _mapping(self, path: str, levels: int) -> dict[str, Any]:
        entries: dict[str, Any] = {}
        while not isinstance(key := next(self._events), MappingEndEvent):
            _require_bare(key, path)
            if not isinstance(key, ScalarEvent):
                raise _refused(key, path, Wording("key_no_word"))
            name = key.value
            if name in entries:
                raise _refused(key, f"{path}.{name}", Wording("key_twice"))
            self._lines[f"{path}.{name}"] = key.start_mark.line + 1
            entries[name] = self._value(next(self._events), f"{path}.{name}", levels)
        return entries


def _require_bare(event: Event, path: str) -> None:
    if isinstance(event, AliasEvent) or getattr(event, "anchor", None) is not None:
        raise _refused(event, path, Wording("anchor"))
    if str(getattr(event, "ctag", None)) not in ("", "None"):
        raise _refused(event, path, Wording("tag"))


def _refused(event: Event, path: str, expected: Message) -> ModelRefused:
    return ModelRefused([ModelFault(event.start_mark.line + 1, path.lstrip("."), expected)])
