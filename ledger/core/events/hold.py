"""Bodies of events about legal holds: what is to be kept whatever the rules of retention say."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from ledger.core.events import terms
from ledger.core.events.catalogue import Body, event
from ledger.core.events.letter import Items

HOLDING: tuple[terms.Role, ...] = ("supervisor", "auditor")


@event("hold.placed", roles=HOLDING, on_authority=True)
class HoldPlaced(Body, frozen=True):
    """Orders that something is kept: the whole case, the items named, or confidential sections.

    Of ``sections`` those of the events that it ``concerns``, or all of the case if it names none. ``number`` is that of
    its paper, ``review_on`` the day on which whoever placed it looks whether it is still needed.
    """

    hold_id: terms.HoldId
    kind: terms.HoldKind
    number: terms.Number
    ground: terms.Text
    scope: terms.HoldScope
    item_ids: Items = ()
    concerns: Annotated[tuple[terms.EventRef, ...], Meta(max_length=1000)] = ()
    review_on: terms.Date | None = None


@event("hold.released", roles=HOLDING, on_authority=True)
class HoldReleased(Body, frozen=True):
    """The hold is over, for all that it covers; ``number`` is that of the paper that releases it."""

    hold_id: terms.HoldId
    ground: terms.Text
    number: terms.Number | None = None
