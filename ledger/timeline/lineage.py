"""Lineage: what became of the items of a case, and what they came from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, get_args

from msgspec import Struct

from ledger.core.custody import CaseState
from ledger.core.events import item
from ledger.timeline.steps import Walked

Relation = Literal["split", "merged", "proceeds", "taken_from", "examined_from"]
RELATIONS: tuple[Relation, ...] = get_args(Relation)


class Descent(Struct, frozen=True):
    """That one item came of another, by an event."""

    parent: str
    child: str
    relation: Relation
    event_id: str
    occurred_at: str


class Loan(Struct, frozen=True):
    """That an item was lent, by the acceptance of a handover; ``until`` is when it is due back."""

    item_id: str
    by_agency: str
    to_agency: str
    until: str | None
    event_id: str
    occurred_at: str
    returned_at: str | None


class Lineage(Struct, frozen=True):
    """``alone`` are the items that came of nothing and became nothing else."""

    descents: tuple[Descent, ...]
    loans: tuple[Loan, ...]
    alone: tuple[str, ...]


def lineage(walked: Sequence[Walked]) -> Lineage:
    """Of all items that the case has or had."""
    descents = tuple(found for step in walked for found in _descents(step))
    kin = {item_id for one in descents for item_id in (one.parent, one.child)}
    last = walked[-1].after if walked else None
    alone = tuple(item_id for item_id in last.items if item_id not in kin) if last else ()
    return Lineage(descents, tuple(_loans(walked)), alone)


def _descents(step: Walked) -> Iterator[Descent]:
    for child, parents in _new_parents(step.before, step.after):
        for parent in parents:
            yield Descent(parent, child, _relation(step), step.entry.event_id, step.payload.occurred_at)


def _new_parents(before: CaseState | None, after: CaseState) -> Iterator[tuple[str, Iterable[str]]]:
    """Items whose parents the event named, with those."""
    for item_id, old, new in after.items.changes(before.items if before else None):
        if new is not None and new.parents and (old is None or old.parents != new.parents):
            known = old.parents if old else ()
            yield item_id, [parent for parent in new.parents if parent not in known]


def _relation(step: Walked) -> Relation:
    match step.payload.body:
        case item.ItemSplit():
            return "split"
        case item.ItemMerged():
            return "merged"
        case item.ItemDisposed():
            return "proceeds"
        case item.ItemRegistered(collection=collection) if collection is not None:
            return "examined_from"
    return "taken_from"


def _loans(walked: Iterable[Walked]) -> Iterator[Loan]:
    lasting: dict[str, Loan] = {}
    for step in walked:
        at, event_id = step.payload.occurred_at, step.entry.event_id
        for item_id, old, new in step.after.items.changes(step.before.items if step.before else None):
            was, lent = (old.lent_by if old else None), (new.lent_by if new else None)
            if was == lent:
                continue
            if (loan := lasting.pop(item_id, None)) is not None:
                yield Loan(item_id, loan.by_agency, loan.to_agency, loan.until, loan.event_id, loan.occurred_at, at)
            if new is not None and lent is not None:
                lasting[item_id] = Loan(item_id, lent, new.holder, new.lent_until, event_id, at, None)
    yield from lasting.values()
