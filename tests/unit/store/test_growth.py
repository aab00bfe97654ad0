"""How the log has grown by day, and what each key has signed, held against counting everything."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ledger.core.events.record import IncidentRecorded
from ledger.core.procedure.legal_days import legal_day
from ledger.store import growth, log
from ledger.store.growth import KeyUses
from tests.testkit.builders import POLICE, PROCURATORATE, clerk
from tests.testkit.casework import Case, offered
from tests.testkit.ledgers import Ledger, open_ledger, sqlite_url

DAY_S = 86_400


@pytest.fixture
def ledger(each_database_url: str) -> Iterator[Ledger]:
    with open_ledger(each_database_url) as opened:
        opened.found(clerk(POLICE), clerk(PROCURATORATE))
        yield opened


def record(ledger: Ledger, case: Case) -> None:
    for event in case.events:
        ledger.post(event)


def test_days_add_up(ledger: Ledger) -> None:
    """Each day has what was recorded on it by Beijing's calendar; what is older than the first day is in none."""
    record(ledger, offered("phone"))
    with ledger.database.read() as connection:
        first = log.tree(connection).size
    ledger.clock.forward(3 * DAY_S)
    for number in range(2):
        ledger.put(IncidentRecorded(kind="other", description=str(number)))
    ledger.clock.forward(DAY_S)
    with ledger.database.read() as connection:
        size = log.tree(connection).size
        today = legal_day(datetime.fromtimestamp(ledger.clock.seconds, UTC))
        days = growth.days(connection, size, today, 4)
        everything = growth.days(connection, size, today, 5)
    assert [day.entries for day in days] == [0, 0, 2, 0]
    assert [day.entries for day in everything] == [first, 0, 0, 2, 0]
    assert everything[-1].day == today
    assert growth.bytes_kept(ledger.database) > 0


def test_an_empty_log_has_not_grown(tmp_path: Path) -> None:
    """No entry, no growth, and some room taken all the same."""
    with open_ledger(sqlite_url(tmp_path)) as empty:
        with empty.database.read() as connection:
            days = growth.days(connection, 0, legal_day(datetime.fromtimestamp(empty.clock.seconds, UTC)), 3)
        assert [day.entries for day in days] == [0, 0, 0]
        assert growth.bytes_kept(empty.database) > 0


@pytest.mark.parametrize("stretch", [1, 3, 1000])
def test_uses_are_counted_however_they_are_read(ledger: Ledger, stretch: int) -> None:
    """A stretch at a time or at once: as many as there are entries by the key, the newest first, and no entry twice."""
    record(ledger, offered("phone", "knife"))
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
