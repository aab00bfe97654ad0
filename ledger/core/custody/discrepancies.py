"""Rules for discrepancies: stated with an acceptance or raised later, ended by both sides' signatures."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from ledger.core.custody.rules import rule
from ledger.core.custody.state import Act, CaseState, Discrepancy, Handover, Item, look_up, refuse, require_new
from ledger.core.event import handover as halves
from ledger.core.event.handover import NotAcceptedItem, OfferedItem, ReceivedItem


def stated(before: CaseState, handover: Handover, body: halves.HandoverAccepted) -> dict[str, Discrepancy]:
    """What the receiver states to differ; each opens with the acceptance itself, under ``handover_id/item_id``."""
    found: dict[str, Discrepancy] = {}
    lines: list[ReceivedItem | NotAcceptedItem] = [*body.received, *body.not_accepted]
    for line in lines:
        difference = _difference(before.items[line.item_id], handover.items[line.item_id], line)
        if difference is not None:
            key = f"{handover.handover_id}/{line.item_id}"
            found[key] = Discrepancy(key, handover.handover_id, line.item_id, handover.parties, *difference)
    return found


def _difference(item: Item, listed: OfferedItem, line: ReceivedItem | NotAcceptedItem) -> tuple[str, str] | None:
    """What was expected and what was found, where the receiver states that they differ."""
    seal = listed.seal_number or item.seal_number
    if line.quantity is not None and line.quantity != item.quantity:
        return f"{item.quantity.value} {item.quantity.unit}", f"{line.quantity.value} {line.quantity.unit}"
    if line.seal_state in ("broken", "missing") or (line.seal_state == "unsealed" and seal is not None):
        return f"seal {seal or 'intact'}", f"seal {line.seal_state}"
    if isinstance(line, NotAcceptedItem):
        differs = line.reason_code in ("items_differ", "seal_broken", "digest_mismatch")
        return ("as listed", line.explanation or line.reason_code) if differs else None
    if line.seal_number is not None and line.seal_number != seal:
        return f"seal {seal}", f"seal {line.seal_number}"
    if line.match_result == "mismatch" or digests_conflict(item.digests, line.digests):
        return " ".join(item.digests) or "as listed", " ".join(line.digests) or line.remark or "differs"
    return None


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
        body.discrepancy_id, body.handover_id, body.item_id, handover.parties, body.expected, body.found
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
