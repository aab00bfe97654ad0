"""Rules for discrepancies: stated with an acceptance or raised later, ended by both sides' signatures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import NamedTuple

from msgspec.structs import replace

from ledger.core.custody.state import Act, CaseState, Discrepancy, Handover, Item, look_up, require_new, rule
from ledger.core.errors import refuse
from ledger.core.events import handover as halves
from ledger.core.events.handover import NotAcceptedItem, OfferedItem, ReceivedItem
from ledger.core.events.item import ItemCheckedIn
from ledger.core.events.terms import DiscrepancyKind, Quantity, ReasonCode

_NOT_WHOLE = ("broken", "missing", "unsealed")
_KIND_OF: dict[ReasonCode, DiscrepancyKind] = {
    "items_differ": "condition",
    "seal_broken": "seal",
    "digest_mismatch": "digest",
}


class Difference(NamedTuple):
    """What the record or list says, and what was found."""

    kind: DiscrepancyKind
    expected: str
    found: str


def as_listed(item: Item, line: OfferedItem) -> Item:
    """The item as the sender's list has it; what the list leaves out is as recorded."""
    return _sealed(replace(item, condition=line.condition or item.condition), line.seal_number or item.seal_number)


def as_found(item: Item, line: ReceivedItem | ItemCheckedIn) -> Item:
    """The item as whoever received it found it; what is not said is as it was."""
    found = replace(item, quantity=line.quantity or item.quantity, condition=line.condition or item.condition)
    if line.seal_state in _NOT_WHOLE:
        return replace(found, seal_number=None, seal_state=line.seal_state)
    return _sealed(found, line.seal_number or item.seal_number)


def _sealed(item: Item, seal_number: str | None) -> Item:
    if seal_number == item.seal_number:
        return item
    return replace(item, seal_number=seal_number, seal_state="intact")


def stated(before: CaseState, handover: Handover, body: halves.HandoverAccepted) -> dict[str, Discrepancy]:
    """What the receiver states to differ; each opens with the acceptance itself, under ``handover_id/item_id``."""
    opened: dict[str, Discrepancy] = {}
    lines: list[ReceivedItem | NotAcceptedItem] = [*body.received, *body.not_accepted]
    for line in lines:
        listed = as_listed(before.items[line.item_id], handover.items[line.item_id])
        found = kept_for(listed, line) if isinstance(line, NotAcceptedItem) else differences(listed, line)
        if found:
            key = f"{handover.handover_id}/{line.item_id}"
            expected, there = "; ".join(one.expected for one in found), "; ".join(one.found for one in found)
            kinds = tuple(one.kind for one in found)
            opened[key] = Discrepancy(key, handover.handover_id, line.item_id, handover.parties, expected, there, kinds)
    return opened


def differences(item: Item, line: ReceivedItem | ItemCheckedIn) -> list[Difference]:
    """All in which the item is said to be another than it was."""
    found = [*_counted(item, line.quantity), *_seen(item, line.seal_state, line.seal_number)]
    if digests_conflict(item.digests, line.digests):
        found.append(Difference("digest", " ".join(item.digests), " ".join(line.digests)))
    if line.match_result == "mismatch" and not found:
        found.append(Difference("condition", item.condition or "as listed", line.condition or line.remark or "differs"))
    return found


def kept_for(item: Item, line: NotAcceptedItem) -> list[Difference]:
    """In what an item differs that was not accepted; nothing where it stays for another reason."""
    found = [*_counted(item, line.quantity), *_seen(item, line.seal_state, None)]
    kind = _KIND_OF.get(line.reason_code)
    if kind is not None and not found:
        found.append(Difference(kind, "as listed", line.explanation or line.reason_code))
    return found


def _counted(item: Item, quantity: Quantity | None) -> Iterator[Difference]:
    if quantity is None or quantity == item.quantity:
        return
    kind: DiscrepancyKind = "quantity"
    if quantity.value == "0":
        kind = "missing"
    elif quantity.unit == item.quantity.unit and Decimal(quantity.value) > Decimal(item.quantity.value):
        kind = "surplus"
    yield Difference(kind, f"{item.quantity.value} {item.quantity.unit}", f"{quantity.value} {quantity.unit}")


def _seen(item: Item, seal_state: str | None, seal_number: str | None) -> Iterator[Difference]:
    seal = item.seal_number
    if seal_state in ("broken", "missing") or (seal_state == "unsealed" and seal is not None):
        yield Difference("seal", f"seal {seal or 'intact'}", f"seal {seal_state}")
    elif seal_number is not None and seal_number != seal:
        yield Difference("seal", f"seal {seal}", f"seal {seal_number}")


def digests_conflict(recorded: Iterable[str], found: Iterable[str]) -> bool:
    """Whether a digest was found under an algorithm that the record has only others of."""
    known = set(recorded)
    algorithms = {digest.partition(":")[0] for digest in known}
    return any(digest not in known and digest.partition(":")[0] in algorithms for digest in found)


@rule(halves.DiscrepancyRaised)
def raised(state: CaseState, act: Act, body: halves.DiscrepancyRaised) -> CaseState:
    require_new(state.discrepancies, body.discrepancy_id, "discrepancy", field="discrepancy_id")
    handover = state.handover(body.handover_id)
    if not handover.is_accepted:
        refuse("not_accepted", f"handover {body.handover_id} is {handover.status}", field="body.handover_id")
    _require_party(act, handover.parties)
    if body.item_id not in handover.items:
        refuse("not_offered", f"item {body.item_id} is not in handover {body.handover_id}", field="body.item_id")
    found = Discrepancy(
        body.discrepancy_id, body.handover_id, body.item_id, handover.parties, body.expected, body.found, (body.kind,)
    )
    return replace(state, discrepancies=state.discrepancies | {body.discrepancy_id: found})


@rule(halves.DiscrepancyResolved)
def resolved(state: CaseState, act: Act, body: halves.DiscrepancyResolved) -> CaseState:
    discrepancy = look_up(
        state.discrepancies, body.discrepancy_id, "discrepancy", state.case_id, field="discrepancy_id"
    )
    _require_party(act, discrepancy.parties)
    if discrepancy.is_resolved:
        refuse(
            "already_resolved", f"discrepancy {body.discrepancy_id} is resolved already", field="body.discrepancy_id"
        )
    signed = replace(discrepancy, resolutions=discrepancy.resolutions | {act.agency: body.resolution})
    return replace(state, discrepancies=state.discrepancies | {body.discrepancy_id: signed})


def _require_party(act: Act, parties: tuple[str, str]) -> None:
    if act.agency not in parties:
        refuse("not_a_side", f"this lies between {' and '.join(parties)}, not with {act.agency}", field="agency")
