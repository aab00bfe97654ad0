"""Legal holds, and the one rule whether something may be destroyed now, and if not, why.

A hold covers a whole case, items, or confidential sections. It covers what comes of an item that it names, too: its
parts, and what was made from it; and the sections of the events about these. While it stands no section is erased that
it covers, by no order of events: erasing is an act of this ledger. That a thing was destroyed or given away all the
same is an act in the world: it is recorded by whoever says so, and flagged.
"""

from __future__ import annotations

from collections.abc import Collection
from itertools import chain, count
from typing import Literal, NamedTuple

from msgspec.structs import replace

from ledger.core.custody.references import look_up, require_distinct, require_new
from ledger.core.custody.spans import concerned
from ledger.core.custody.state import Act, CaseState, Hold, Item, refuse_gone, rule
from ledger.core.errors import refuse
from ledger.core.events import hold as holds
from ledger.core.messages import Message, joined
from ledger.core.procedure.jurisdiction import supervises_any

ObstacleKind = Literal["hold", "handover", "checked_out", "gone", "deadline"]


class Obstacle(NamedTuple):
    """What stands in the way of a destruction: the ``kind`` of thing, its id, and the agency that can remove it.

    ``number`` is that of the paper of a hold. Nobody removes what is ``gone``.
    """

    kind: ObstacleKind
    subject: str
    agency: str
    number: str | None = None


def obstacles(state: CaseState, item_id: str) -> tuple[Obstacle, ...]:
    """Return what keeps an item from being destroyed; nothing if it may be.

    That are holds, and that it is on offer, checked out or destroyed already. Requires that the case has the item.
    """
    item = state.items[item_id]
    if not item.is_live:
        return (Obstacle("gone", item.item_id, item.holder),)
    in_the_way = [of_hold(hold) for hold in holds_on_item(state, item)]
    if item.offer is not None:
        in_the_way.append(Obstacle("handover", item.offer, state.handovers[item.offer].to_agency))
    if item.status == "checked_out":
        in_the_way.append(Obstacle("checked_out", item.checked_out_to or "", item.holder))
    return tuple(in_the_way)


def of_hold(hold: Hold) -> Obstacle:
    """Return the hold as what stands in the way."""
    return Obstacle("hold", hold.hold_id, hold.agency, hold.number)


def holds_on_item(state: CaseState, item: Item) -> list[Hold]:
    """Return the standing holds that cover the item."""
    standing = state.holds.marked("standing")
    if not standing:
        return []
    origins = state.origins_of(item)
    return [hold for hold in standing if _covers(hold, origins)]


def _covers(hold: Hold, origins: set[str]) -> bool:
    return hold.scope == "case" or not origins.isdisjoint(hold.item_ids)


def holds_on_sections(state: CaseState, event_id: str) -> list[Hold]:
    """Return the standing holds that cover the confidential sections of an event of the case."""
    return [hold for hold in state.holds.marked("standing") if _covers_sections(state, hold, event_id)]


def holds_ever(state: CaseState, item_ids: Collection[str], event_id: str | None) -> list[Hold]:
    """Return the holds that cover one of the items or the sections of the event, or did until they were released.

    Requires that the case has the items.
    """
    origins = [state.origins_of(state.items[item_id]) for item_id in item_ids]
    return [
        hold
        for hold in state.holds.values()
        if any(_covers(hold, each) for each in origins)
        or (event_id is not None and _covers_sections(state, hold, event_id))
    ]


def _covers_sections(state: CaseState, hold: Hold, event_id: str) -> bool:
    match hold.scope:
        case "case":
            return True
        case "sections":
            return not hold.event_ids or event_id in hold.event_ids
    about = [item for item in state.items.values() if event_id in item.sections_in]
    return any(not state.origins_of(item).isdisjoint(hold.item_ids) for item in about)


@rule(holds.HoldPlaced)
def placed(state: CaseState, act: Act, body: holds.HoldPlaced) -> CaseState:
    """Place a hold. Refuses (hold_scope) one that names what its scope does not cover, or too little."""
    require_new(state.holds, body.hold_id, "hold")
    for scope, field, named in (("items", "item_ids", body.item_ids), ("sections", "concerns", body.concerns)):
        if named and body.scope != scope:
            refuse("hold_scope", "a hold of this scope names none of these", field=f"body.{field}", hint=_SCOPES)
    if body.scope == "items" and not body.item_ids:
        refuse("hold_scope", "a hold on items names them", field="body.item_ids", hint=_SCOPES)
    require_distinct(body.item_ids, "item", field="item_ids")
    for item_id in body.item_ids:
        item = state.item(item_id, field="item_ids")
        # What has left by a split is held in the case that has it; here the hold keeps the sections about it.
        if not item.is_live and item.status != "left":
            refuse_gone(item, field="item_ids")
    hold = Hold(
        hold_id=body.hold_id,
        kind=body.kind,
        scope=body.scope,
        agency=act.agency,
        officer=act.officer,
        number=body.number,
        ground=body.ground,
        placed_at=act.event.occurred_at,
        event_id=act.event.event_id,
        item_ids=body.item_ids,
        event_ids=tuple(ref.event_id for ref in body.concerns),
        review_on=body.review_on,
    )
    return replace(state, holds=state.holds | {hold.hold_id: hold})


_SCOPES = Message(
    "The scope `case` names nothing, `items` names items, `sections` the events whose sections are kept, or none for "
    "all of them."
)


@rule(holds.HoldReleased)
def released(state: CaseState, act: Act, body: holds.HoldReleased) -> CaseState:
    """Release a hold: the agency that placed it, or one that stands above it."""
    hold = look_up(state.holds, body.hold_id, "hold")
    if not hold.stands:
        refuse("already_released", "it was released at {hold.released_at}", hold=hold, field="body.hold_id")
    if hold.agency != act.agency and not _stands_above(state, act, hold):
        refuse(
            "not_your_hold",
            "{hold.agency} placed hold {hold.hold_id}",
            hold=hold,
            field="agency",
            hint=Message("{hold.agency} releases it: tally hold release", hold=hold),
        )
    over = replace(hold, released_at=act.event.occurred_at, released_by=act.agency)
    return replace(state, holds=state.holds | {hold.hold_id: over})


def _stands_above(state: CaseState, act: Act, hold: Hold) -> bool:
    """Tell whether the signer may release a hold of another agency.

    Its kind is one that the procedure sets above, it supervises that agency, and has nothing itself that the hold
    covers: a hold binds whoever has the thing. What is not known of agencies is not judged.
    """
    row = act.book.holds.get(hold.kind)
    if row is None or not row.released_by or not act.book.fits(act.kinds.get(act.agency), row.released_by):
        return False
    if act.registered is not None and not supervises_any(act.agency, (hold.agency,), act.registered):
        return False
    if hold.scope != "items" and state.responsible == act.agency:
        return False
    own = [item for item in state.items.values() if item.is_live and item.holder == act.agency]
    return not any(hold in holds_on_item(state, item) for item in own)


def require_not_held(against: list[Hold], field: str, hint: Message) -> None:
    """Refuse (on_hold) what these holds stand against; the ``hint`` says what to do besides having them released."""
    if not against:
        return
    names = joined([Message("{name}", name=hold.hold_id) for hold in against], by=", ")
    refuse(
        "on_hold",
        "hold {holds} stands against it: {hold.agency} placed it, number {hold.number}",
        holds=names,
        hold=against[0],
        field=f"body.{field}",
        hint=hint,
    )


def with_sections(before: CaseState | None, act: Act, after: CaseState) -> CaseState:
    """Return ``after`` with the event noted, also at the items that it is about, if it has confidential sections."""
    if not act.event.confidential:
        return after
    after = replace(after, sections=after.sections | {act.event.event_id: act.agency})
    about = [after.items[item_id] for item_id in concerned(before, act.event, after).item_ids]
    noted = [replace(item, sections_in=(*item.sections_in, act.event.event_id)) for item in about]
    return after.with_items(*noted) if noted else after


def held_along(state: CaseState, items: Collection[Item]) -> tuple[Hold, ...]:
    """Return the standing holds on items that leave the case, as they are on these in the case that takes them in."""
    along: dict[str, Hold] = {}
    for item in items:
        for hold in holds_on_item(state, item):
            named = along.get(hold.hold_id, replace(hold, scope="items", item_ids=(), event_ids=()))
            along[hold.hold_id] = replace(named, item_ids=(*named.item_ids, item.item_id))
    return tuple(along.values())


def with_holds(state: CaseState, coming: Collection[Hold]) -> CaseState:
    """Return the state with the holds on items that come into the case."""
    taken: dict[str, Hold] = {}
    here = {hold.event_id: hold for hold in state.holds.values()}
    for hold in coming:
        own = here.get(hold.event_id)
        # It may stand here as before, on what has stayed.
        if own is None:
            hold_id = _free_id({*state.holds, *taken}, hold.hold_id)
            taken[hold_id] = replace(hold, hold_id=hold_id)
        elif not own.stands:
            taken[own.hold_id] = replace(hold, hold_id=own.hold_id)
        elif own.scope == "items":
            taken[own.hold_id] = replace(own, item_ids=tuple(dict.fromkeys((*own.item_ids, *hold.item_ids))))
    return replace(state, holds=state.holds | taken)


def _free_id(ids: Collection[str], hold_id: str) -> str:
    """Return the id, or the first of those with a number after it that no hold of the case has."""
    # Things are not kept from coming because another hold has the id.
    numbered = (f"{hold_id[:60].rstrip('-')}-{number}" for number in count(2))
    return next(each for each in chain((hold_id,), numbered) if each not in ids)
