"""States of cases as bytes, so that a long case need not be folded from its first event after a start.

Registers become lists of their entries, in order. A clock names the row that it runs by, which its procedure has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from types import GenericAlias
from typing import Any, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Struct, defstruct
from msgspec.structs import asdict, astuple, fields

from ledger.core.custody.register import Register
from ledger.core.custody.state import CaseState, Split
from ledger.core.encoding.decoding import decoder_of
from ledger.core.encoding.digests import blake3_text
from ledger.core.errors import MalformedInput
from ledger.core.messages import plain
from ledger.core.procedure.adoption import Procedures
from ledger.core.procedure.clock_periods import Clock
from ledger.core.procedure.rulebook import ClockRule

KEPT_FROM = 256  # events of a case


def is_kept(state: CaseState) -> bool:
    """Return whether the state after so many events is one to keep.

    A long case has one for each eighth to quarter of it. So what is folded after a start is at most a quarter, and a
    case that grows is encoded seldom.
    """
    length = state.sequence + 1
    return length == last_kept(length)


def last_kept(length: int) -> int:
    """Return after how many of so many events of a case a state was to be kept last, 0 if the case is too short."""
    if length < KEPT_FROM:
        return 0
    apart = 1 << (length.bit_length() - 3)
    return length // apart * apart


@cache
def state_format() -> str:
    """Return the digest of the form of the bytes: what has another one is of no use here."""
    return blake3_text(msgspec.json.encode(msgspec.json.schema(_kept_state())))


def encode_state(state: CaseState) -> bytes:
    """Return the state as bytes, which are the same in every process."""
    values: list[Any] = []
    for value in astuple(state):
        if isinstance(value, Register):
            values.append([(key, _plain(entry)) for key, entry in value.items()])
        else:
            values.append(sorted(value) if isinstance(value, frozenset) else value)
    return msgspec.json.encode(values, enc_hook=plain)


def _plain(entry: object) -> object:
    if isinstance(entry, Clock):
        rule = entry.rule
        return [(rule.name, rule.valid_from) if value is rule else value for value in astuple(entry)]
    return asdict(entry) | {"clocks": [*map(_plain, entry.clocks)]} if isinstance(entry, Split) else entry


def decode_state(data: bytes, procedures: Procedures) -> CaseState:
    """Return the state that ``encode_state`` was given; ``procedures`` have the rows of its clocks.

    Raises MalformedInput for anything else.
    """
    rows = {
        (version.digest, rule.name, rule.valid_from): rule
        for version in procedures.versions
        if version.book is not None
        for rule in version.book.clocks
    }
    try:
        kept = decoder_of(_kept_state()).decode(data)
        values = {name: getattr(kept, name) for name in CaseState.__struct_fields__}
        values["clocks"] = [(key, _clock(clock, rows)) for key, clock in values["clocks"]]
        values["splits"] = [(key, _split(split, rows)) for key, split in values["splits"]]
    except (msgspec.MsgspecError, KeyError) as error:
        raise MalformedInput("expected a state that was kept", field="state") from error
    for name, empty in _REGISTERS.items():
        values[name] = empty() | dict(values[name])
    return CaseState(**values)


def _clock(kept: Struct, rows: Mapping[tuple[str, str, str], ClockRule]) -> Clock:
    values = {name: getattr(kept, name) for name in Clock.__struct_fields__}
    return Clock(**values | {"rule": rows[(values["procedure"], *values["rule"])]})


def _split(kept: Struct, rows: Mapping[tuple[str, str, str], ClockRule]) -> Split:
    values = {name: getattr(kept, name) for name in Split.__struct_fields__}
    return Split(**values | {"clocks": tuple(_clock(clock, rows) for clock in values["clocks"])})


_TYPES = get_type_hints(CaseState, include_extras=True)
# What makes each register of a state, by the name of its field.
_REGISTERS: Mapping[str, Callable[[], Register[Any]]] = {
    field.name: field.default_factory for field in fields(CaseState) if get_origin(_TYPES[field.name]) is Register
}


@cache
def _kept_state() -> type[Struct]:
    """Return the type of what is encoded: its fields have the names of the state's."""
    hints = get_type_hints(Clock, include_extras=True) | {"rule": tuple[str, str]}
    clock = defstruct("KeptClock", [(name, hints[name]) for name in Clock.__struct_fields__], array_like=True)
    hints = get_type_hints(Split, include_extras=True) | {"clocks": GenericAlias(tuple, (clock, ...))}
    split = defstruct("KeptSplit", [(name, hints[name]) for name in Split.__struct_fields__])
    forms, kept = {Clock: clock, Split: split}, dict[str, Any]()
    for name, hint in _TYPES.items():
        kept[name] = hint
        if get_origin(hint) is Register:
            (entry,) = get_args(hint)
            pair = GenericAlias(tuple, (str, forms.get(entry, entry)))
            kept[name] = GenericAlias(list, (pair,))
    return defstruct("KeptState", [(name, kept[name]) for name in CaseState.__struct_fields__], array_like=True)
