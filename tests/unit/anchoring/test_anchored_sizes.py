"""How far the log is anchored, and by when the chain proves an entry to have existed."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from ledger.chain.journal import AnchoredHead, ChainWrite, WriteState
from ledger.store import chain_journal as journals
from ledger.store.chain_journal import DatabaseJournal
from ledger.timeline.anchored_sizes import AnchoredSizes
from tests.testkit.builders import POLICE, clerk
from tests.testkit.casework import Case
from tests.testkit.journals import anchor_write
from tests.testkit.ledgers import open_ledger


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


def test_an_entry_is_proven_by_the_earliest_final_block_whose_size_has_it(
    each_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A size of n has the entries below n; a later anchor proves less of their time. Mined and submitted are told as
    such, a stale anchor is none, and a block whose time is not known tells none: no later block is named for it."""
    with open_ledger(each_database_url) as ledger:
        ledger.found(clerk(POLICE)).post_all(Case().open().register(*(f"thing-{n}" for n in range(16))).events)
        journal = DatabaseJournal(ledger.database)
        sizes = AnchoredSizes(journal)
        nothing = (sizes.of(0), sizes.size("confirmed"), sizes.proven_at([0]), sizes.proven_at([]))
        assert nothing == ("unanchored", 0, {}, {})
        for write in ANCHORS:
            journal.append(write)
        sizes = AnchoredSizes(journal)
        states = ["confirmed", "confirmed", "mined", "submitted", "unanchored"]
        assert [sizes.of(index) for index in (8, 10, 11, 12, 15)] == states
        times = dict.fromkeys(range(4), 1001) | dict.fromkeys(range(4, 9), 1002)
        assert sizes.proven_at(range(16)) == times
        monkeypatch.setattr(journals, "_PAGE", 3)  # a statement takes so many parameters and no more
        assert sizes.proven_at(range(16)) == times
        with ledger.database.write() as connection:
            connection.execute(text("UPDATE chain_writes SET state = 'confirmed' WHERE number = 4"))
        # What was made before an anchor is told of the sizes of then; who asks anew is told of those of now.
        assert (sizes.of(11), AnchoredSizes(journal).of(11)) == ("mined", "confirmed")
