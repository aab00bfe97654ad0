"""Discrepancies: stated with an acceptance, raised later or by a stocktake, and ended by the signatures of both sides.

The sides of a stocktake are the agency that counted and whoever else has to do with the item: its holder, or the agency
that answers for it. Often they are one agency; then two officers of it sign.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import NamedTuple

from msgspec.structs import replace

from ledger.core.custody.references import look_up, require_new
from ledger.core.custody.state import Act, CaseState, Discrepancy, Handover, Item, rule
from ledger.core.custody.stocktakes import recorded_place, recorded_seal
from ledger.core.errors import refuse
from ledger.core.events import handover as halves
from ledger.core.events.handover import NotAcceptedItem, OfferedItem, ReceivedItem
from ledger.core.events.item import ItemCheckedIn
from ledger.core.events.stocktake import CountedDifference, StocktakeRecorded
from ledger.core.events.terms import DiscrepancyKind, Money, Quantity, RecordedAs
from ledger.core.procedure.rulebook import Rulebook

# How the record may have a thing of which a stocktake states a difference of this kind.
_RECORDED_AS: Mapping[DiscrepancyKind, tuple[RecordedAs, ...]] = {
    "missing": ("placed", "unplaced"),
    "location": ("placed", "unplaced", "checked_out"),
    "surplus": ("held_elsewhere", "split", "merged", "disposed", "left"),
    "seal": ("sealed", "unsealed"),
}
_NAMING: tuple[RecordedAs, ...] = ("placed", "held_elsewhere", "sealed")  # with what the record names in ``expected``
_NOT_INTACT = ("broken", "missing", "unsealed")


class DescriptionDifference(NamedTuple):
    """A difference between the record or list (``expected``) and the item as received (``found``)."""

    kind: DiscrepancyKind
    expected: str
    found: str


def as_listed(item: Item, line: OfferedItem) -> Item:
    """Return the item as the sender's list describes it; what the list leaves out is as recorded."""
    return _sealed(replace(item, condition=line.condition or item.condition), line.seal_number or item.seal_number)


def as_found(item: Item, line: ReceivedItem | ItemCheckedIn) -> Item:
    """Return the item as the receiver describes it; what the line leaves out is as it was."""
    received = replace(
        item,
        quantity=line.quantity or item.quantity,
        money=line.money or item.money,
        condition=line.condition or item.condition,
    )
    if line.seal_state in _NOT_INTACT:
        # A broken seal is still there, with its number; what is missing or open is not.
        number = line.seal_number or item.seal_number if line.seal_state == "broken" else None
        return replace(received, seal_number=number, seal_state=line.seal_state)
    return _sealed(received, line.seal_number or item.seal_number)


def _sealed(item: Item, seal_number: str | None) -> Item:
    # The same seal is no new seal: its state stays what it was.
    if seal_number == item.seal_number:
        return item
    return replace(item, seal_number=seal_number, seal_state="intact")


def stated(
    before: CaseState, handover: Handover, body: halves.HandoverAccepted, book: Rulebook
) -> dict[str, Discrepancy]:
    """Return the discrepancies that the receiver's lines state, by their ids.

    Each is opened by the acceptance itself, under ``handover_id/item_id``.
    """
    opened: dict[str, Discrepancy] = {}
    lines: list[ReceivedItem | NotAcceptedItem] = [*body.received, *body.not_accepted]
    for line in lines:
        listed = as_listed(before.items[line.item_id], handover.items[line.item_id])
        differing = (
            refusal_differences(listed, line, book) if isinstance(line, NotAcceptedItem) else differences(listed, line)
        )
        if differing:
            key = f"{handover.handover_id}/{line.item_id}"
            expected = "; ".join(difference.expected for difference in differing)
            actual = "; ".join(difference.found for difference in differing)
            kinds = tuple(difference.kind for difference in differing)
            opened[key] = Discrepancy(
                key, handover.handover_id, line.item_id, handover.parties, expected, actual, kinds
            )
    return opened


def require_offered(ids: Iterable[str], offered_ids: Collection[str], field: str) -> None:
    """Refuse (not_offered) ids that a handover does not offer."""
    for entry_id in ids:
        if entry_id not in offered_ids:
            refuse("not_offered", "{entry_id} is not in the handover", entry_id=entry_id, field=f"body.{field}")


def differences(item: Item, line: ReceivedItem | ItemCheckedIn) -> list[DescriptionDifference]:
    """Return all differences between the item and the receiver's line."""
    # All differences are stated at once: behind the first one a second could hide.
    differing = [
        *_quantity_difference(item, line.quantity),
        *_money_difference(item, line.money),
        *_seal_difference(item, line.seal_state, line.seal_number),
    ]
    if digests_conflict(item.digests, line.digests):
        differing.append(DescriptionDifference("digest", " ".join(item.digests), " ".join(line.digests)))
    # A mismatch that is stated without figures is a difference of condition.
    if line.match_result == "mismatch" and not differing:
        differing.append(
            DescriptionDifference(
                "condition", item.condition or "as listed", line.condition or line.remark or "differs"
            )
        )
    return differing


def refusal_differences(item: Item, line: NotAcceptedItem, book: Rulebook) -> list[DescriptionDifference]:
    """Return the differences of an item that was not accepted, empty if it was left for another reason."""
    differing = [*_quantity_difference(item, line.quantity), *_seal_difference(item, line.seal_state, None)]
    kind = book.reasons[line.reason_code].differs
    if kind is not None and not differing:
        differing.append(DescriptionDifference(kind, "as listed", line.explanation or f"reason {line.reason_code}"))
    return differing


def _quantity_difference(item: Item, quantity: Quantity | None) -> Iterator[DescriptionDifference]:
    if quantity is None or quantity == item.quantity:
        return
    # Amounts in different units are not compared: such a difference is none of more or less.
    kind: DiscrepancyKind = "quantity"
    if quantity.value == "0":
        kind = "missing"
    elif quantity.unit == item.quantity.unit and Decimal(quantity.value) > Decimal(item.quantity.value):
        kind = "surplus"
    yield DescriptionDifference(
        kind, f"{item.quantity.value} {item.quantity.unit}", f"{quantity.value} {quantity.unit}"
    )


def _money_difference(item: Item, money: Money | None) -> Iterator[DescriptionDifference]:
    if money is None or money == item.money:
        return
    recorded = item.money
    kind: DiscrepancyKind = "quantity"
    if recorded is not None and recorded.currency == money.currency and money.amount > recorded.amount:
        kind = "surplus"
    # Told apart from a seal or a condition that reads like an amount.
    yield DescriptionDifference(kind, *(f"sum {text}" if text[0].isdigit() else text for text in sums(item, money)))


def sums(item: Item, money: Money) -> tuple[str, str]:
    """Return the recorded sum, or that there is none, and the found one, each in the smallest unit of its currency."""
    expected = "as listed" if item.money is None else f"{item.money.amount} {item.money.currency}"
    return expected, f"{money.amount} {money.currency}"


def _seal_difference(item: Item, seal_state: str | None, seal_number: str | None) -> Iterator[DescriptionDifference]:
    seal = item.seal_number
    if seal_state == item.seal_state == "broken" and seal_number in (None, seal):
        return  # as the record has it already
    # An unsealed thing cannot arrive unsealed otherwise than it left.
    if seal_state in ("broken", "missing") or (seal_state == "unsealed" and seal is not None):
        yield DescriptionDifference("seal", f"seal {seal or 'intact'}", f"seal {seal_state}")
    elif seal_number is not None and seal_number != seal:
        yield DescriptionDifference("seal", f"seal {seal}", f"seal {seal_number}")


def digests_conflict(recorded: Iterable[str], computed: Iterable[str]) -> bool:
    """Tell whether a digest is found that the record lacks, although it has one of the same algorithm."""
    recorded_digests = set(recorded)
    algorithms = {digest.partition(":")[0] for digest in recorded_digests}
    return any(digest not in recorded_digests and digest.partition(":")[0] in algorithms for digest in computed)


@rule(halves.DiscrepancyRaised)
def raised(state: CaseState, act: Act, body: halves.DiscrepancyRaised) -> CaseState:
    """Open a discrepancy on an item of an accepted handover, by either side of it, or on one that was counted."""
    require_new(state.discrepancies, body.discrepancy_id, "discrepancy")
    _require_sides(body)
    if (body.handover_id is None) == (body.stocktake_id is None):
        refuse("no_occasion", "expected a handover or a stocktake, and one of them", field="body.handover_id")
    if body.handover_id is not None:
        parties = _sides_of_handover(state, act, body, body.handover_id)
    else:
        parties = _sides_of_count(state, act, body)
    discrepancy = Discrepancy(
        body.discrepancy_id,
        body.handover_id,
        body.item_id,
        parties,
        body.expected,
        body.found,
        (body.kind,),
        stocktake_id=body.stocktake_id,
        raised_by=act.officer,
        raised_for=act.agency,
        recorded_as=body.recorded_as,
    )
    return replace(state, discrepancies=state.discrepancies | {body.discrepancy_id: discrepancy})


def _require_sides(body: halves.DiscrepancyRaised) -> None:
    """Refuse (sides_unfit) sides that are not in words for a handover, or are no record and count for a stocktake."""
    if body.stocktake_id is not None:
        _require_counted_sides(body, "body")
    elif body.recorded_as is not None or body.expected is None or body.found is None:
        refuse("sides_unfit", "state in words what was expected and what was found, no more", field="body.kind")


def _require_counted_sides(line: halves.DiscrepancyRaised | CountedDifference, path: str) -> None:
    if line.recorded_as not in _RECORDED_AS.get(line.kind, ()):
        refuse("sides_unfit", "how it is recorded does not fit a count of this kind", field=f"{path}.recorded_as")
    if (line.expected is not None) != (line.recorded_as in _NAMING):
        refuse("sides_unfit", "name the place, holder or seal that the record has, if any", field=f"{path}.expected")
    if (line.found is None) != (line.kind == "missing"):
        refuse("sides_unfit", "what is missing was found nowhere, all else somewhere", field=f"{path}.found")


def require_fit_lines(body: StocktakeRecorded) -> None:
    """Refuse a stocktake whose lines or numbers cannot be.

    ``sides_unfit``: a difference could not stand in the case of its thing, or lacks its discrepancy though no other
    agency holds the thing. ``too_few_scans``: more things and codes were found than scanned. Whether the case has the
    discrepancy, and how it has the thing, is not judged here: the agency's stream does not show it.
    """
    for place, line in enumerate(body.differences):
        path = f"body.differences[{place}]"
        _require_counted_sides(line, path)
        if line.discrepancy_id is None and line.recorded_as != "held_elsewhere":
            refuse(
                "sides_unfit",
                "only what another agency holds goes without a discrepancy",
                field=f"{path}.discrepancy_id",
                hint="Raise the discrepancy in the case of the thing, and name it here.",
            )
    things = {(line.case_id, line.item_id) for line in body.present}
    things |= {(line.case_id, line.item_id) for line in body.differences if line.kind != "missing"}
    count = len(things) + len(set(body.unknown_codes))
    if body.scans - body.scans_taken_back < count:
        refuse(
            "too_few_scans",
            "{count} things and codes were found by fewer scans",
            count=count,
            field="body.scans",
            hint="State how many codes were scanned, and how many of these scans were taken back.",
        )


def _sides_of_handover(state: CaseState, act: Act, body: halves.DiscrepancyRaised, handover_id: str) -> tuple[str, str]:
    handover = state.handover(handover_id)
    if not handover.is_accepted:
        refuse("not_accepted", "handover {body.handover_id} is not accepted", body=body, field="body.handover_id")
    _require_party(act, handover.parties)
    require_offered([body.item_id], handover.items, "item_id")
    return handover.parties


def _sides_of_count(state: CaseState, act: Act, body: halves.DiscrepancyRaised) -> tuple[str, str]:
    """Return the agency that counted, and the other side.

    Refuses (not_held) to miss what it does not hold, (never_held) to have anything of what it never held, and
    (sides_unfit) what contradicts the case. The event stands on the case's head: holder, status, place and seal are
    known for certain as of then, and a thing that has changed since the count is compared anew before it is signed.
    Not compared are what was found, whether the place is in the room that was counted, and the record at the count.
    """
    item = state.item(body.item_id)
    if item.is_person:
        refuse("not_counted", "item {item.item_id} is a person", item=item, field="body.item_id")
    is_held = item.holder == act.agency and item.is_live
    # What is there too much is none of the agency's own, and a thing may be handed over once its seal was read;
    # anything else it can only say of what it holds.
    if not is_held and body.kind not in ("surplus", "seal"):
        refuse("not_held", "your agency does not hold {item.item_id}", item=item, field="body.item_id")
    # Else any agency that was ever a party could keep another one's case open.
    if not has_held(state, item, act.agency):
        refuse(
            "never_held",
            "your agency never held {item.item_id}",
            item=item,
            field="body.item_id",
            hint="Write to the agency that holds it. Your stocktake says so without a discrepancy in the case.",
        )
    recorded: dict[RecordedAs | None, str | None] = dict((recorded_seal(item), recorded_place(item, act.agency)))
    if body.recorded_as not in recorded:
        refuse(
            "sides_unfit",
            "the case does not have {item.item_id} so",
            item=item,
            field="body.recorded_as",
            hint="Compare the count with the record as it is by now.",
        )
    if body.expected != recorded[body.recorded_as]:
        refuse(
            "sides_unfit",
            "the case has another place, holder or seal of {item.item_id}",
            item=item,
            field="body.expected",
            hint="Compare the count with the record as it is by now.",
        )
    return act.agency, item.responsible if item.holder == act.agency else item.holder


def has_held(state: CaseState, item: Item, agency: str) -> bool:
    """Tell whether the agency holds the item or once held it, by this case, or one that it comes from."""
    origins = state.origins_of(item)
    return item.holder == agency or any(
        agency in handover.parties and not handover.items[item_id].stays
        for handover in state.handovers.values()
        for item_id in handover.accepted_items
        if item_id in origins
    )


@rule(halves.DiscrepancyResolved)
def resolved(state: CaseState, act: Act, body: halves.DiscrepancyResolved) -> CaseState:
    """Sign a resolution; the discrepancy ends once both sides have signed the same text."""
    discrepancy = look_up(state.discrepancies, body.discrepancy_id, "discrepancy")
    _require_party(act, discrepancy.parties)
    if discrepancy.is_resolved:
        refuse("already_resolved", "it is resolved already", field="body.discrepancy_id")
    # Two officers, as of a disposal: who counted alone could make things disappear.
    if not discrepancy.may_be_resolved_by(act.officer):
        refuse("one_signature", "another officer than {event.officer} signs second", event=act.event, field="officer")
    signed = replace(
        discrepancy,
        resolutions=discrepancy.resolutions | {act.agency: body.resolution},
        resolved_by=discrepancy.resolved_by | {act.agency: act.officer},
    )
    return replace(state, discrepancies=state.discrepancies | {body.discrepancy_id: signed})


def _require_party(act: Act, parties: tuple[str, str]) -> None:
    if act.agency not in parties:
        refuse("not_a_side", "this lies between {parties}", parties=" and ".join(parties), field="agency")
