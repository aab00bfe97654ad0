"""Which flags of an act are an item's own, when others came with it."""

from __future__ import annotations

import time

from ledger.core.custody import Flag
from ledger.timeline.custody_history import own_flags


def flag(detail: str) -> Flag:
    return Flag("quantity_differs", "", detail)


def test_flags_that_name_others_alone_are_not_its_own() -> None:
    """One that names the item, beside others or not, is its own, and so is one that names nothing of the case. A page
    of one item of thousands looks at each flag once."""
    own = [flag("knife: 2 of 3"), flag("phone, knife"), flag("knife-1 and the lock"), flag("came a day late")]
    assert own_flags([*own, flag("phone: cut open")], {"knife"}, {"phone", "knife-2"}) == tuple(own)
    others = {f"item-{number}" for number in range(5000)}
    flags = [flag(f"item-{number}") for number in range(50)]
    begun = time.process_time()
    assert own_flags(flags, {"item-7"}, others) == (flag("item-7"),)
    assert time.process_time() - begun < 1, "a pass for each item takes seconds"
