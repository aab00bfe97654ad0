"""Mentions: what an event's body names - items, persons, handovers, measures - wherever in it that stands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from msgspec import Struct

from ledger.core.event import Body

Noun = Literal["item", "person", "handover", "measure", "custody_change", "discrepancy"]

# The nouns of fields; what they hold is one id, a list of ids, or a mapping by id.
_FIELDS: dict[str, Noun] = {
    "item_id": "item",
    "item_ids": "item",
    "person_id": "person",
    "person_ids": "person",
    "absent_person_ids": "person",
    "handover_id": "handover",
    "returns": "handover",
    "measure_id": "measure",
    "new_measure_id": "measure",
    "custody_change_id": "custody_change",
    "discrepancy_id": "discrepancy",
}


class Mentions(Struct, frozen=True):
    """Ids by noun, in the order in which the body has them, each once."""

    ids: dict[Noun, tuple[str, ...]]

    def of(self, noun: Noun) -> tuple[str, ...]:
        return self.ids.get(noun, ())

    def first(self, noun: Noun) -> str | None:
        return next(iter(self.of(noun)), None)


def mentions(body: Body) -> Mentions:
    """Everything that ``body`` names."""
    found: dict[Noun, dict[str, None]] = {}
    for noun, name in _named(body):
        found.setdefault(noun, {})[name] = None
    return Mentions({noun: tuple(names) for noun, names in found.items()})


def _named(value: Struct) -> Iterator[tuple[Noun, str]]:
    for field in value.__struct_fields__:
        inner = getattr(value, field)
        noun = _FIELDS.get(field)
        for one in inner if isinstance(inner, tuple) else (inner,):
            if isinstance(one, Struct):
                yield from _named(one)
            elif noun is not None and isinstance(one, str):
                yield noun, one
