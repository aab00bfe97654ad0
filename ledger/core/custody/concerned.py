"""The items and persons that an event concerns: those it names, and those behind what it names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from ledger.core.custody.state import CaseState
from ledger.core.events import Payload
from ledger.core.events.item import ItemDisposed

_ITEM_FIELDS = frozenset(("item_id", "item_ids", "parent_items", "medium_item_id"))
_PERSON_FIELDS = frozenset(("person_id", "person_ids", "absent_person_ids", "holder", "witness"))


class Concerned(Struct, frozen=True):
    """Ids of the case's items and persons, in order."""

    item_ids: tuple[str, ...]
    person_ids: tuple[str, ...]


def concerned(before: CaseState | None, payload: Payload, after: CaseState) -> Concerned:
    """Return the items and persons concerned by the event, which led from ``before`` to ``after``."""
    named = {*_named(payload.body), *_implied(before, payload, after)}
    changed = {change.key for change in after.items.changes(before.items if before else None)}
    items = changed | {item_id for item_id in named if item_id in after.items}
    persons_before = before.persons.keys() if before else frozenset[str]()
    persons = (named & persons_before) | (named & after.persons.keys()) | (after.persons.keys() - persons_before)
    return Concerned(tuple(sorted(items)), tuple(sorted(persons)))


def _named(value: Any) -> Iterator[str]:
    """Yield the ids in the body, at any depth."""
    for field in value.__struct_fields__:
        inner = getattr(value, field)
        parts = inner if isinstance(inner, tuple) else (inner,)
        for part in parts:
            if isinstance(part, Struct):
                yield from _named(part)
            elif field in _ITEM_FIELDS or field in _PERSON_FIELDS:
                yield part


def _implied(before: CaseState | None, payload: Payload, after: CaseState) -> Iterator[str]:
    """Yield the ids behind the handover, measure, discrepancy, custody change, deadline or proposal in the body."""
    body = payload.body
    handover = after.handovers.get(getattr(body, "handover_id", ""))
    if handover is not None:
        yield from (*handover.items, *handover.person_ids)
    measure = after.measures.get(getattr(body, "measure_id", ""))
    if measure is not None:
        yield measure.person_id
    discrepancy = after.discrepancies.get(getattr(body, "discrepancy_id", ""))
    if discrepancy is not None:
        yield discrepancy.item_id
    change = after.custody_changes.get(getattr(body, "custody_change_id", ""))
    if change is not None:
        yield change.person_id
    clock = after.clocks.get(getattr(body, "deadline_id", ""))
    if clock is not None:
        yield clock.subject
    if isinstance(body, ItemDisposed) and before is not None:
        yield from before.proposals[body.cites.payload_digest].item_ids
