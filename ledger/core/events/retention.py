"""Bodies of events about retention: until when a case or a thing of it is kept."""

from __future__ import annotations

from ledger.core.events import terms
from ledger.core.events.catalogue import Body, event
from ledger.core.events.letter import Items


@event("retention.set", roles=("supervisor",), on_authority=True)
class RetentionSet(Body, frozen=True):
    """The items named, or the case if none is, are kept until the day ``until``, instead of as the rules give it.

    ``number`` is that of the paper that orders it.
    """

    until: terms.Date
    ground: terms.Text
    item_ids: Items = ()
    number: terms.Number | None = None
