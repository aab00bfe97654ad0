"""Times of entries: what is signed in the witness's future waits, what came late is told, and neither halts."""

from __future__ import annotations

import pytest

from ledger.core.log.replay import SignedInFuture
from ledger.core.signing.signatures import EARLIEST, LATEST
from ledger.witness.status import Health
from tests.testkit.builders import START
from tests.testkit.casework import Case
from tests.unit.witness.halting import begun
from tests.unit.witness.stand import CLERK, Stand

DAY = 86_400


def of_times(stand: Stand) -> list[str]:
    """The alarms about times of entries; days without an anchor are another."""
    return [kind for kind in stand.kinds() if kind in ("signed_in_future", "late_entry")]


def signed(case_id: str, at: int) -> Case:
    """The opening of a case, signed at this time (unix seconds)."""
    return Case(case_id, start=at - 30).open(CLERK)


def test_what_is_signed_in_the_future_is_not_cosigned_until_then(stand: Stand) -> None:
    """Later than the witness's clock and the tolerance: neither followed nor co-signed, told as an alarm that passes by
    itself, by the clock alone; at the tolerance it is taken."""
    size = begun(stand)
    now = stand.clock() // 1000
    stand.log.add(signed("case-at-the-tolerance", now + LATEST).last)
    stand.cosigner.add_checkpoint(stand.log.wish(size))
    stand.log.add(signed("case-of-tomorrow", now + DAY).last)
    with pytest.raises(SignedInFuture):
        stand.cosigner.add_checkpoint(stand.log.wish(size + 1))
    stand.watch.try_look()
    assert (of_times(stand), stand.status.health) == (["signed_in_future"], Health.UNREADABLE)
    assert (stand.status.followed, stand.status.cosigned_size) == (size + 1, size + 1)
    stand.clock.forward(DAY - LATEST)
    stand.watch.look()
    assert of_times(stand) == []
    stand.cosigner.add_checkpoint(stand.log.wish(size + 1))


def test_an_entry_that_came_late_is_told_and_cosigned(stand: Stand) -> None:
    """Between two looks an entry came whose signature is older than it may have waited: the alarm says which, and
    stands until a person has seen it; nothing halts. One that has waited as long as it may is no alarm."""
    size = begun(stand)
    stand.clock.forward(3 * DAY)
    stand.watch.look()
    now = stand.clock() // 1000
    stand.log.add(signed("case-in-time", now - EARLIEST - LATEST).last)
    stand.watch.look()
    assert of_times(stand) == []
    stand.log.add(signed("case-long-ago", now - EARLIEST - LATEST - 1).last)
    stand.watch.look()
    assert (of_times(stand), stand.status.health) == (["late_entry"], Health.LAGGING)
    (alarm,) = [late for late in stand.store.alarms() if late.kind == "late_entry"]
    assert f"entry {size + 1} of {CLERK.agency}" in alarm.told
    assert "24 h" in alarm.told
    stand.cosigner.add_checkpoint(stand.log.wish(size))
    stand.watch.look()
    assert of_times(stand) == ["late_entry"]
    stand.store.clear(alarm.number, "the agency was cut off", stand.clock())
    stand.watch.look()
    assert of_times(stand) == []


def test_a_witness_that_catches_up_takes_nothing_for_late(stand: Stand) -> None:
    """It was away for days, or begins with an old log: when entries came it cannot know."""
    size = begun(stand)
    stand.log.add(*(signed(f"case-of-day-{day}", START + day * DAY).last for day in range(1, 9)))
    stand.clock.forward(9 * DAY)
    stand.watch.look()
    assert (of_times(stand), stand.status.followed) == ([], size + 8)
    fresh = Stand(stand.linked, stand.log, stand.folder / "fresh")
    fresh.clock.forward(9 * DAY)
    fresh.watch.look()
    assert (of_times(fresh), fresh.status.followed) == ([], size + 8)
    fresh.close()
