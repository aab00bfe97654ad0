"""How the log has grown by day, and what each key has signed, held against counting everything."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ledger.core.events.record import IncidentRecorded
from ledger.procedures import shipped_rulebook
from ledger.store import growth, log
from ledger.store.growth import KeyUses
from tests.testkit.builders import POLICE, PROCURATORATE, clerk
from tests.testkit.casework import offered
from tests.testkit.ledgers import Ledger

ZONE = shipped_rulebook().zone

DAY_S = 86_400
OFFICERS = (clerk(POLICE), clerk(PROCURATORATE))


def test_days_add_up(ledger: Ledger) -> None:
    """Each day has what was recorded on it by Beijing's calendar; what is older than the first day is in none."""
    ledger.post_all(offered("phone").events)
    with ledger.database.read() as connection:
        first = log.tree(connection).size
    ledger.clock.forward(3 * DAY_S)
    for number in range(2):
        ledger.put(IncidentRecorded(kind="other", description=str(number)))
    ledger.clock.forward(DAY_S)
    with ledger.database.read() as connection:
        size = log.tree(connection).size
        today = ZONE.day_of(datetime.fromtimestamp(ledger.clock.seconds, UTC))
        days = growth.days(connection, size, today, 4, ZONE)
        everything = growth.days(connection, size, today, 5, ZONE)
    assert [day.entries for day in days] == [0, 0, 2, 0]
    assert [day.entries for day in everything] == [first, 0, 0, 2, 0]
    assert everything[-1].day == today
    assert growth.bytes_kept(ledger.database) > 0


@pytest.mark.parametrize("stretch", [3, 1000])
def test_uses_are_counted_however_they_are_read(ledger: Ledger, stretch: int) -> None:
    """A stretch at a time or at once: as many as there are entries by the key, the newest first, and no entry twice."""
    ledger.post_all(offered("phone", "knife").events)
    uses = KeyUses(stretch)
    with ledger.database.read() as connection:
        size = log.tree(connection).size
        for _ in range(size + 1):
            uses.read_on(connection)
        by_police = [
            entry.log_index for entry in log.entries(connection, 0, size) if entry.key_id == clerk(POLICE).key_id
        ]
    assert uses.counted == size
    assert uses.count(clerk(POLICE).key_id) == len(by_police) > 0
    assert [use.log_index for use in uses.newest(clerk(POLICE).key_id)] == by_police[::-1]
    assert (uses.count("0x00"), uses.newest("0x00")) == (0, [])
