"""How far the log is anchored, and by when the chain proves an entry to have existed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import text

from ledger.chain.journal import AnchoredHead, ChainWrite, WriteState
from ledger.store import chain_journal as journals
from ledger.store.chain_journal import DatabaseJournal
from ledger.timeline import AnchoredSizes
from tests.testkit.builders import POLICE, clerk
from tests.testkit.casework import Case
from tests.testkit.journals import anchor_write
from tests.testkit.ledgers import Ledger, open_ledger


def anchor(number: int, size: int, state: WriteState = WriteState.CONFIRMED, time: int | None = 0) -> ChainWrite:
    """An anchor of this size in the block of time ``1000 + number``; None where that is not known."""
    head = AnchoredHead(size, b"\x01" * 32, b"\x02" * 32)
    return anchor_write(number, head, state, block_time=None if time is None else 1000 + number)


ANCHORS = (
    anchor(1, 4),
    anchor(2, 9),
    anchor(3, 11, time=None),
    anchor(4, 12, WriteState.MINED, time=None),
    anchor(5, 15, WriteState.SIGNED, time=None),
    anchor(6, 40, WriteState.STALE, time=None),
)


@pytest.fixture
def ledger(each_database_url: str) -> Iterator[Ledger]:
    """Sixteen entries and more."""
    with open_ledger(each_database_url) as opened:
        opened.found(clerk(POLICE)).post_all(Case().open().register(*(f"thing-{n}" for n in range(16))).events)
        yield opened


@pytest.fixture
def journal(ledger: Ledger) -> DatabaseJournal:
    return DatabaseJournal(ledger.database)


@pytest.fixture
def sizes(journal: DatabaseJournal) -> AnchoredSizes:
    for write in ANCHORS:
        journal.append(write)
    return AnchoredSizes(journal)


def test_an_entry_is_proven_by_the_earliest_final_block_whose_size_has_it(sizes: AnchoredSizes) -> None:
    """A size of n has the entries below n; a later anchor proves less of their time."""
    assert sizes.proven_at([8, 0, 3, 4]) == {0: 1001, 3: 1001, 4: 1002, 8: 1002}


def test_what_is_not_final_proves_no_time_yet(sizes: AnchoredSizes) -> None:
    """Mined and submitted are told as such; a stale anchor is none."""
    assert [sizes.of(index) for index in (8, 10, 11, 12, 15)] == [
        "confirmed",
        "confirmed",
        "mined",
        "submitted",
        "unanchored",
    ]
    assert sizes.proven_at([11, 12, 15]) == {}


def test_a_time_that_is_not_known_is_not_told(sizes: AnchoredSizes) -> None:
    """An anchor without the time of its block: what it has is final, and a later block is not named for it."""
    assert (sizes.of(10), sizes.proven_at([10])) == ("confirmed", {})


def test_nothing_is_anchored_without_anchors(journal: DatabaseJournal) -> None:
    """Not even the first entry."""
    sizes = AnchoredSizes(journal)
    assert (sizes.of(0), sizes.size("confirmed"), sizes.proven_at([0, 1]), sizes.proven_at([])) == (
        "unanchored",
        0,
        {},
        {},
    )


def test_many_entries_are_looked_up_part_by_part(sizes: AnchoredSizes, monkeypatch: pytest.MonkeyPatch) -> None:
    """A statement takes so many parameters and no more; the answer is the same."""
    whole = sizes.proven_at(range(16))
    monkeypatch.setattr(journals, "_PAGE", 3)
    assert sizes.proven_at(range(16)) == whole
    assert sorted(whole) == list(range(9))


def test_an_edited_size_takes_nothing_with_it(ledger: Ledger, journal: DatabaseJournal, sizes: AnchoredSizes) -> None:
    """What was made before an anchor is told of the sizes of then; who asks anew is told of those of now."""
    with ledger.database.write() as connection:
        connection.execute(text("UPDATE chain_writes SET state = 'confirmed' WHERE number = 4"))
    assert (sizes.of(11), AnchoredSizes(journal).of(11)) == ("mined", "confirmed")
