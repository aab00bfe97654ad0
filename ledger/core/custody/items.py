"""Items: acts reserved to their holder, exact sums, two signatures for a disposal."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from decimal import Context, Decimal, Inexact
from functools import reduce
from typing import Protocol

from msgspec.structs import replace

from ledger.core.custody import discrepancies, holds
from ledger.core.custody.cases import require_free, require_in_hand, require_present
from ledger.core.custody.particulars import require_particulars
from ledger.core.custody.references import require_distinct, require_known, require_new
from ledger.core.custody.state import Act, CaseState, DisposalProposal, Item, rule
from ledger.core.encoding.instants import instant_text
from ledger.core.errors import refuse
from ledger.core.events import item as things
from ledger.core.events.terms import SealState
from ledger.core.messages import Message, Term
from ledger.core.procedure.rulebook import ItemKind

_EXACT = Context(prec=64, traps=[Inexact])  # wide enough for the sum of the longest quantities, and never rounds
# What the record takes over from the registration as it is stated there.
_AS_REGISTERED = [name for name in Item.__struct_fields__ if name in things.ItemRegistered.__struct_fields__]


class CalledItem(Protocol):
    """An item, as it is called."""

    @property
    def description(self) -> str: ...

    @property
    def exhibit_number(self) -> str | None: ...


Making = things.ItemSplit | things.ItemMerged | things.ItemDisposed


def parts_of(body: Making) -> dict[str, things.ItemPart]:
    """Return what comes of other items by the act, by that with which the paths to it begin in the body."""
    if isinstance(body, things.ItemSplit):
        return {f"parts[{place}].": part for place, part in enumerate(body.parts)}
    if isinstance(body, things.ItemMerged):
        return {"whole.": body.whole}
    return {} if body.proceeds is None else {"proceeds.": body.proceeds}


def called_as(body: Making, part: things.ItemPart, sources: Sequence[CalledItem]) -> tuple[str, str | None]:
    """Return description and exhibit number of what comes of ``sources``, which may be none if it is described."""
    if isinstance(body, things.ItemDisposed):
        # In no language: others sign it, in leads, and read it in their own.
        currency = part.money.currency if part.money else "¤"
        return part.description or f"{sources[0].description} → {currency}", None
    numbers = {source.exhibit_number for source in sources}
    return part.description or sources[0].description, numbers.pop() if len(numbers) == 1 else None


@rule(things.ItemRegistered)
def registered(state: CaseState, act: Act, body: things.ItemRegistered) -> CaseState:
    """Register an item, which the signing agency holds; the agency responsible for the case is responsible for it."""
    require_new(state.items, body.item_id, "item")
    kind = act.book.items[body.item_kind]
    for field in kind.needs:
        if not getattr(body, field):
            part = Term("field", field)
            refuse("item_incomplete", "an item of this kind has {part}", part=part, field=f"body.{field}")
    require_particulars(state, act, body.particulars, kind.fields)
    if body.fungible and not kind.is_property:
        refuse("not_fungible", "only property is fungible", field="body.fungible")
    if body.collection is not None:
        require_distinct(body.collection.collectors, "officer", field="collection.collectors")
    if body.seizure is not None:
        require_distinct(body.seizure.officers, "officer", field="seizure.officers")
    _require_known_origin(state, body, kind)
    return state.with_items(
        Item(
            kind=body.item_kind,
            is_person=kind.is_person,
            is_property=kind.is_property,
            can_be_frozen=kind.is_property or kind.can_be_frozen,
            holder=act.agency,
            responsible=state.responsible,
            parents=body.parent_items,
            seal_state=_seal_state(body.seal_number),
            # Custody before this signature is only claimed.
            recorded_from=instant_text(act.event.signed_at),
            stated_in=act.words_source(),
            **{name: getattr(body, name) for name in _AS_REGISTERED},
        )
    )


def _seal_state(seal_number: str | None) -> SealState | None:
    """Return the seal state of a thing that is recorded under this seal, or without one."""
    return None if seal_number is None else "intact"


def _require_known_origin(state: CaseState, body: things.ItemRegistered, kind: ItemKind) -> None:
    """Refuse an origin that the case does not have, and a second item for the same person in custody."""
    require_known(state.items, body.parent_items, "item", field="parent_items")
    if body.collection is not None:
        require_known(state.items, (body.collection.medium_item_id,), "item", field="collection.medium_item_id")
    if body.person_id is None:
        return
    person = state.person(body.person_id)
    if kind.is_person:
        if person.is_unit:
            refuse("nobody_to_lock_up", "{person.person_id} is a unit", person=person, field="body.person_id")
        for item in state.items.marked(f"in_custody/{body.person_id}"):
            refuse("already_in_custody", "{item.item_id} is this person already", item=item, field="body.person_id")


@rule(things.ItemSealed)
def sealed(state: CaseState, act: Act, body: things.ItemSealed) -> CaseState:
    """Seal an item in hand that bears no seal, or a broken one."""
    item = require_in_hand(state, act, body.item_id)
    _require_open(item, field="item_id")
    return state.with_items(replace(item, seal_number=body.seal_number, seal_state="intact"))


@rule(things.ItemUnsealed)
def unsealed(state: CaseState, act: Act, body: things.ItemUnsealed) -> CaseState:
    """Remove the seal, which must be the recorded one, of an item in hand."""
    item = require_in_hand(state, act, body.item_id)
    # Whoever breaks a seal must have read it: another number means another thing, or another seal.
    if item.seal_number != body.seal_number:
        refuse("other_seal", "it bears the seal {item.seal_number}", item=item, field="body.seal_number")
    return state.with_items(replace(item, seal_number=None, seal_state="unsealed"))


def _require_open(item: Item, *, field: str) -> None:
    if item.is_sealed:
        refuse(
            "already_sealed",
            "{item.item_id} bears the seal {item.seal_number}",
            item=item,
            field=f"body.{field}",
            hint="Open it first: tally item unseal.",
        )


@rule(things.ItemExamined)
def examined(state: CaseState, act: Act, body: things.ItemExamined) -> CaseState:
    """Record an examination. It changes only the condition; other differences are flagged."""
    item = require_in_hand(state, act, body.item_id)
    return state.with_items(replace(item, condition=body.condition or item.condition))


@rule(things.ItemSplit)
def split(state: CaseState, act: Act, body: things.ItemSplit) -> CaseState:
    """Split an item in hand, whose seal is opened, into parts that add up to it exactly."""
    item = require_in_hand(state, act, body.item_id)
    _require_open(item, field="item_id")
    # Persons stand among the items only because custody of them passes in the same way.
    if item.is_person:
        refuse("not_divisible", "item {item.item_id} is a person", item=item, field="body.item_id")
    children = _children(state, act, body, [item], field="parts")
    require_distinct([child.item_id for child in children], "item", field="parts")
    _require_sums(item, children, field="parts")
    return state.with_items(replace(item, status="split"), *children)


@rule(things.ItemMerged)
def merged(state: CaseState, act: Act, body: things.ItemMerged) -> CaseState:
    """Merge fungible items in hand, alike in all but what is each one's own, into one of their exact sum."""
    require_distinct(body.item_ids, "item", field="item_ids")
    sources = [require_in_hand(state, act, item_id, field="item_ids") for item_id in body.item_ids]
    for source in sources:
        _require_open(source, field="item_ids")
        _require_alike(source, sources[0], described=body.whole.description is not None)
    (whole,) = _children(state, act, body, sources, field="whole")
    # Each of these is the whole's only if all have it; custody of all is on record since the last registration.
    shared = {
        name: getattr(whole, name) if len({getattr(source, name) for source in sources}) == 1 else None
        for name in ("condition", "storage_location")
    }
    whole = replace(
        whole,
        recorded_from=max((source.recorded_from for source in sources if source.recorded_from), default=None),
        sections_in=tuple(dict.fromkeys(event for source in sources for event in source.sections_in)),
        **shared,
    )
    _require_sums(whole, sources, field="whole")
    gone = [replace(source, status="merged") for source in sources]
    return state.with_items(*gone, whole)


# In these the sources of a merge may differ. All else, from origin to loan, the whole has from each of them.
_OF_EACH = {
    *("item_id", "quantity", "money", "exhibit_number", "condition", "storage_location", "seal_number", "seal_state"),
    *("digests", "parents", "recorded_from", "stated_in", "corrected_in", "changed", "sections_in"),
}


def _require_alike(item: Item, joined_item: Item, *, described: bool) -> None:
    """Refuse (commingling) to merge items that are not fungible, or that differ in more than is each one's own.

    ``described``: the whole has a description of its own.
    """
    if not item.fungible:
        refuse("commingling", "item {item.item_id} is not fungible", item=item, field="body.item_ids")
    for field in Item.__struct_fields__:
        if field in _OF_EACH or (field == "description" and described):
            continue
        if getattr(item, field) != getattr(joined_item, field):
            part = Term("field", field)
            refuse(
                "commingling", "{other.item_id} differs in {part}", other=joined_item, part=part, field="body.item_ids"
            )


def _children(state: CaseState, act: Act, body: Making, sources: list[Item], *, field: str) -> list[Item]:
    """Return what comes of the sources by the act. What it does not state of a part is as the first of them has it."""
    children: list[Item] = []
    for path, part in parts_of(body).items():
        require_new(state.items, part.item_id, "item", field=field)
        description, exhibit_number = called_as(body, part, sources)
        children.append(
            replace(
                sources[0],
                item_id=part.item_id,
                description=description,
                exhibit_number=exhibit_number,
                quantity=part.quantity,
                money=part.money,
                seal_number=part.seal_number,
                seal_state=_seal_state(part.seal_number),
                # The digests of the whole say nothing of a part.
                digests=(),
                parents=tuple(source.item_id for source in sources),
                stated_in=act.words_source(path),
                corrected_in=None,
            )
        )
    return children


def _require_sums(whole: Item, parts: list[Item], *, field: str) -> None:
    """Refuse (units_differ, sum_differs) parts whose quantities or money do not add up to those of the whole."""
    quantities = [each.quantity for each in (whole, *parts)]
    _require_sum([(quantity.unit, quantity.value) for quantity in quantities], field)
    sums = [each.money for each in (whole, *parts) if each.money is not None]
    if sums and len(sums) <= len(parts):
        refuse("sum_differs", "money stands in the whole and in every part, or in none", field=f"body.{field}")
    if sums:
        _require_sum([(money.currency, money.amount) for money in sums], field)


def _require_sum(amounts: list[tuple[str, str]] | list[tuple[str, int]], field: str) -> None:
    (unit, whole), *parts = amounts
    if any(part_unit != unit for part_unit, _ in parts):
        refuse("units_differ", "expected {unit} in every part", unit=unit, field=f"body.{field}")
    # Decimal, not float: they add up exactly or not at all.
    total = reduce(_EXACT.add, (Decimal(part) for _, part in parts), Decimal(0))
    if total != Decimal(whole):
        refuse("sum_differs", "the sum is {total}, not {whole}", total=total, whole=whole, field=f"body.{field}")


@rule(things.ItemMoved)
def moved(state: CaseState, act: Act, body: things.ItemMoved) -> CaseState:
    """Move an item in hand, which no officer has taken along, to another place of storage."""
    item = require_present(state, act, body.item_id, field="item_id")
    return state.with_items(replace(item, storage_location=body.storage_location))


@rule(things.ItemCheckedOut)
def checked_out(state: CaseState, act: Act, body: things.ItemCheckedOut) -> CaseState:
    """Check an item in hand out to an officer."""
    item = require_in_hand(state, act, body.item_id)
    if item.status == "checked_out":
        refuse("already_checked_out", "{item.item_id} is with {item.checked_out_to}", item=item, field="body.item_id")
    return state.with_items(replace(item, status="checked_out", checked_out_to=body.to_officer, due_at=body.due_at))


@rule(things.ItemCheckedIn)
def checked_in(state: CaseState, act: Act, body: things.ItemCheckedIn) -> CaseState:
    """Check an item in again, in the condition that is stated."""
    item = require_in_hand(state, act, body.item_id)
    if item.status != "checked_out":
        refuse("not_checked_out", "item {item.item_id} is not checked out", item=item, field="body.item_id")
    # What differs is recorded and flagged (`receipt_differs`), not refused: the thing is back.
    back = replace(item, status="held", checked_out_to=None, due_at=None)
    return state.with_items(discrepancies.as_found(back, body))


@rule(things.ItemFrozen)
def frozen(state: CaseState, act: Act, body: things.ItemFrozen) -> CaseState:
    """Freeze property, or data at a provider, until a day. Digests become the record's if it had none."""
    item = _require_answerable(state, act, body.item_id)
    # Exhibits and files are kept in custody; frozen is what stays where it is.
    if not item.can_be_frozen:
        refuse("cannot_be_frozen", "things of this kind are not frozen", field="body.item_id")
    return state.with_items(replace(item, frozen_until=body.frozen_until, digests=item.digests or body.digests))


@rule(things.ItemFreezeRenewed)
def freeze_renewed(state: CaseState, act: Act, body: things.ItemFreezeRenewed) -> CaseState:
    """Renew a freeze. Refuses (not_frozen) an item that was never frozen."""
    item = _require_frozen(state, act, body.item_id)
    return state.with_items(replace(item, frozen_until=body.frozen_until))


@rule(things.ItemUnfrozen)
def unfrozen(state: CaseState, act: Act, body: things.ItemUnfrozen) -> CaseState:
    """Lift a freeze. Refuses (not_frozen) an item that is not frozen."""
    item = _require_frozen(state, act, body.item_id)
    return state.with_items(replace(item, frozen_until=None))


def _require_frozen(state: CaseState, act: Act, item_id: str) -> Item:
    item = _require_answerable(state, act, item_id)
    if item.frozen_until is None:
        refuse("not_frozen", "item {item.item_id} is not frozen", item=item, field="body.item_id")
    return item


def _require_answerable(state: CaseState, act: Act, item_id: str) -> Item:
    """Return an item not on offer that the signer's agency holds or, if it is elsewhere, is responsible for."""
    # Property in a depot is frozen by the organ that answers for it.
    item = require_free(state, item_id)
    return item if item.responsible == act.agency else require_in_hand(state, act, item_id)


@rule(things.ItemDisposalProposed)
def disposal_proposed(state: CaseState, act: Act, body: things.ItemDisposalProposed) -> CaseState:
    """Sign the first of two signatures for the disposal of items in hand."""
    require_distinct(body.item_ids, "item", field="item_ids")
    for item_id in body.item_ids:
        item = require_present(state, act, item_id, field="item_ids")
        if item.is_person:
            refuse("not_disposable", "item {item.item_id} is a person", item=item, field="body.item_ids")
        _require_not_held(state, item, body.despite_holds, "item_ids")
    require_known(state.decisions, (body.decision_id,), "decision", field="decision_id")
    proposal = DisposalProposal(
        event=act.event.ref,
        item_ids=body.item_ids,
        disposal=body.disposal,
        agency=act.agency,
        officer=act.officer,
        decision_id=body.decision_id,
        proposed_at=act.event.occurred_at,
    )
    return replace(state, proposals=state.proposals | {act.event.event_id: proposal})


@rule(things.ItemDisposed)
def disposed(state: CaseState, act: Act, body: things.ItemDisposed) -> CaseState:
    """Dispose of items by the second signature: of the same agency, by another officer, with the items in hand."""
    proposal = state.proposals.get(body.cites.event_id)
    if proposal is None or proposal.event != body.cites:
        refuse("unknown_proposal", "id and digest cited are of no disposal that is still open", field="body.cites")
    # Two officers of the holder: who proposed alone could make things disappear.
    if proposal.agency != act.agency:
        refuse("not_held", "{proposal.agency} proposed this disposal", proposal=proposal, field="agency")
    if proposal.officer == act.officer:
        refuse("one_signature", "another officer than {event.officer} signs second", event=act.event, field="officer")
    items = [require_present(state, act, item_id, field="cites") for item_id in proposal.item_ids]
    for item in items:
        _require_not_held(state, item, body.despite_holds, "cites")
    gone = [replace(item, status="disposed", disposal=proposal.disposal) for item in items]
    # A proposal is used up by its second signature.
    rest = state.proposals.without((body.cites.event_id,))
    return replace(state.with_items(*gone, *_proceeds(state, act, body, proposal)), proposals=rest)


def _require_not_held(state: CaseState, item: Item, despite: Collection[str], field: str) -> None:
    """Refuse (on_hold) a disposal that a hold stands against, unless it is recorded as what has happened despite it."""
    require_known(state.holds, despite, "hold", field="despite_holds")
    against = [hold for hold in holds.holds_on_item(state, item) if hold.hold_id not in despite]
    holds.require_not_held(against, field, _ON_HOLD)


# What is planned can wait; what has happened to a thing in spite of a hold is recorded, or nobody would know of it.
_ON_HOLD = Message(
    "Each hold is released by whoever placed it: tally hold release. If it has happened in spite of them, name each "
    "by --despite-hold: that is recorded, and flagged."
)


def _proceeds(state: CaseState, act: Act, body: things.ItemDisposed, proposal: DisposalProposal) -> list[Item]:
    # The money of an early sale takes the place of the thing: its custody goes on.
    kind = act.book.disposals[proposal.disposal].proceeds
    if (kind is not None) != (body.proceeds is not None):
        refuse("proceeds_misplaced", "an early sale, and nothing else, has proceeds", field="body.proceeds")
    if kind is None:
        return []
    ((path, part),) = parts_of(body).items()
    require_new(state.items, part.item_id, "item", field="proceeds")
    sold = state.item(proposal.item_ids[0])
    return [
        Item(
            item_id=part.item_id,
            kind=kind,
            is_property=True,
            can_be_frozen=True,
            description=called_as(body, part, [sold])[0],
            quantity=part.quantity,
            holder=act.agency,
            responsible=sold.responsible,
            seal_number=part.seal_number,
            seal_state=_seal_state(part.seal_number),
            money=part.money,
            fungible=True,
            parents=proposal.item_ids,
            stated_in=act.words_source(path),
        )
    ]
