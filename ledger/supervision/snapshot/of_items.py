"""Rows about things: as they stand, and every digest, seal and examination that was recorded of them."""

from __future__ import annotations

from collections.abc import Iterator

from ledger.core.custody.discrepancies import digests_conflict
from ledger.core.custody.state import Item
from ledger.core.event import Body, handover, item
from ledger.supervision.snapshot.of_case import Row
from ledger.supervision.snapshot.record import CaseRecord, Step, amount, day, evidence, moment

_FREEZES = (item.ItemFrozen, item.ItemFreezeRenewed)
_EXAMINATIONS = (item.ItemExamined, item.ItemCheckedIn)


def items(of: CaseRecord) -> Iterator[Row]:
    for thing in of.state.items.values():
        steps = of.naming("item", thing.item_id)
        own = [step for step in steps if step.payload.event_type.startswith("item.")]
        first = next((step for step in steps if step.before is None or thing.item_id not in step.before.items), None)
        froze = [step for step in own if isinstance(step.body, _FREEZES)]
        yield (
            of.case_id,
            thing.item_id,
            thing.kind,
            thing.description,
            amount(thing.quantity),
            thing.quantity.unit,
            thing.holder,
            thing.responsible,
            thing.status,
            thing.exhibit_number,
            thing.seal_number,
            thing.seal_state,
            thing.condition,
            thing.storage_location,
            thing.seizure is not None,
            thing.seizure.document_number if thing.seizure else None,
            moment(thing.seizure.seized_at) if thing.seizure else None,
            moment(first.payload.occurred_at) if first else None,
            first.payload.agency if first else None,
            thing.disposal,
            moment(_disposed_at(of, thing)),
            moment(froze[-1].payload.occurred_at) if froze else None,
            day(thing.frozen_until),
            thing.lent_by,
            moment(thing.lent_until),
            thing.checked_out_to,
            moment(thing.due_at),
            thing.money.fen if thing.money else None,
            thing.account,
            thing.person_id,
            list(thing.parents),
            list(thing.digests),
            evidence(own or [first or of.steps[0]]),
        )


def _disposed_at(of: CaseRecord, thing: Item) -> str | None:
    """A disposal names its proposal, not the things: it is the step after which the thing is gone."""
    if thing.status != "disposed":
        return None
    for step in reversed(of.steps):
        before = step.before.items.get(thing.item_id) if step.before else None
        if isinstance(step.body, item.ItemDisposed) and before is not None and before.status != "disposed":
            return step.body.disposed_at
    return None


def item_digests(of: CaseRecord) -> Iterator[Row]:
    seen: set[tuple[str, str]] = set()
    for step in of.steps:
        for item_id, digest in _digests(step.body):
            if (item_id, digest) not in seen:
                seen.add((item_id, digest))
                yield of.case_id, item_id, digest, *_by(step)


def seals(of: CaseRecord) -> Iterator[Row]:
    seen: set[tuple[str, str]] = set()
    for step in of.steps:
        for item_id, seal in _seals(step.body):
            if (item_id, seal) not in seen:
                seen.add((item_id, seal))
                yield of.case_id, item_id, seal, *_by(step)


def _by(step: Step) -> Row:
    return step.payload.agency, moment(step.payload.occurred_at), [step.digest]


def _digests(body: Body) -> Iterator[tuple[str, str]]:
    match body:
        case (
            item.ItemRegistered(item_id=item_id)
            | item.ItemExamined(item_id=item_id)
            | item.ItemCheckedIn(item_id=item_id)
        ):
            yield from ((item_id, digest) for digest in body.digests)
        case handover.HandoverAccepted(received=received):
            yield from ((one.item_id, digest) for one in received for digest in one.digests)


def _seals(body: Body) -> Iterator[tuple[str, str]]:
    found: list[item.ItemRegistered | item.ItemSealed | item.ItemCheckedIn | item.ItemPart | handover.ReceivedItem]
    match body:
        case item.ItemRegistered() | item.ItemSealed() | item.ItemCheckedIn():
            found = [body]
        case item.ItemSplit(parts=parts):
            found = list(parts)
        case item.ItemMerged(whole=whole):
            found = [whole]
        case handover.HandoverAccepted(received=received):
            found = list(received)
        case _:
            found = []
    yield from ((one.item_id, one.seal_number) for one in found if one.seal_number is not None)


def examinations(of: CaseRecord) -> Iterator[Row]:
    for step in of.steps:
        body = step.body
        if not isinstance(body, _EXAMINATIONS) or step.before is None:
            continue
        known = step.before.items[body.item_id]
        yield (
            of.case_id,
            body.item_id,
            step.payload.agency,
            step.payload.officer,
            moment(step.payload.occurred_at),
            body.match_result,
            _differs(known, body),
            amount(body.quantity),
            amount(known.quantity),
            evidence([_before(of, body.item_id, step), step]),
        )


def _differs(known: Item, body: item.ItemExamined | item.ItemCheckedIn) -> bool:
    seal = body.seal_number if isinstance(body, item.ItemCheckedIn) else None
    return (
        (body.quantity is not None and body.quantity != known.quantity)
        or digests_conflict(known.digests, body.digests)
        or (seal is not None and known.seal_number is not None and seal != known.seal_number)
    )


def _before(of: CaseRecord, item_id: str, at: Step) -> Step | None:
    """The latest event before that names the thing: the record that the examination is held against."""
    earlier = [step for step in of.naming("item", item_id) if step.event.log_index < at.event.log_index]
    return earlier[-1] if earlier else None
