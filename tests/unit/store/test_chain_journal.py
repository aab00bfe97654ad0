"""The journal of chain writes in the database keeps the contract of ``ledger.chain.journal.Journal``."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest

from ledger.chain.journal import AnchoredHead, ChainWrite, Purpose, WriteState
from ledger.core.errors import Conflict
from ledger.store import chain_journal as journals
from ledger.store.chain_journal import DatabaseJournal
from ledger.store.database import Database
from tests.testkit.builders import refused
from tests.testkit.journals import anchor_write

SENDER, OTHER = "0x" + "11" * 20, "0x" + "22" * 20


@pytest.fixture
def journal(database: Database) -> DatabaseJournal:
    return DatabaseJournal(database)


def write_of(number: int, purpose: Purpose = Purpose.REGISTRY, **fields: Any) -> ChainWrite:
    head = AnchoredHead(number * 10, sha256(b"%d" % number).digest(), b"\x05" * 32)
    own = {"purpose": purpose, "nonce": number - 1, "anchored": head if purpose is Purpose.ANCHOR else None}
    return anchor_write(number, head, **({"state": WriteState.SIGNED} | own | fields))


def in_block(write: ChainWrite, state: WriteState) -> ChainWrite:
    number = 100 + write.number
    return replace(write, state=state, block_number=number, block_hash=b"\x07" * 32, block_time=9000 + number)


def test_a_write_comes_back_as_it_was_appended(journal: DatabaseJournal) -> None:
    """Every field, with and without an anchored head; before the first there is none."""
    assert (list(journal.writes()), journal.last(), journal.last_confirmed()) == ([], None, None)
    assert (journal.next_nonce(SENDER), journal.last_anchor(), list(journal.unsettled())) == (None, None, [])
    written = [write_of(1), write_of(2, Purpose.ANCHOR), write_of(3, Purpose.DEPLOYMENT, sender=OTHER)]
    for write in written:
        journal.append(write)
    assert list(journal.writes()) == written
    assert list(journal.writes(after=1)) == written[1:]
    assert journal.last() == written[-1]
    assert journal.find(written[1].transaction_hash) == written[1]
    assert journal.find(b"\x00" * 32) is None


@pytest.mark.parametrize(
    "late",
    [write_of(1), write_of(3), write_of(2, transaction_hash=write_of(1).transaction_hash)],
    ids=["taken", "gap", "known"],
)
def test_of_two_writers_one_loses(journal: DatabaseJournal, late: ChainWrite) -> None:
    """A number that is taken or leaves a gap, and a transaction that is there already, change nothing."""
    journal.append(write_of(1))
    with refused("journal_moved_on", field="number", error=Conflict):
        journal.append(late)
    assert list(journal.writes()) == [write_of(1)]


def test_only_state_and_block_of_a_write_ever_change(journal: DatabaseJournal) -> None:
    """An update moves a write on; whatever else it says is not taken."""
    journal.append(write_of(1))
    mined = in_block(write_of(1), WriteState.MINED)
    journal.update(replace(mined, raw_transaction=b"another", nonce=9, timestamp=1))
    assert journal.last() == mined
    journal.update(replace(mined, state=WriteState.STALE, block_number=None, block_hash=None, block_time=None))
    assert journal.last() == write_of(1, state=WriteState.STALE)


def test_the_next_nonce_counts_what_was_used(journal: DatabaseJournal) -> None:
    """By sender; an invalid write counts if it stands in a block (it used its nonce), else it does not."""
    for write in (write_of(1), write_of(2), write_of(3, sender=OTHER, nonce=40)):
        journal.append(write)
    assert (journal.next_nonce(SENDER), journal.next_nonce(OTHER)) == (2, 41)
    journal.update(replace(write_of(2), state=WriteState.INVALID))
    assert journal.next_nonce(SENDER) == 1
    journal.update(in_block(write_of(2), WriteState.INVALID))
    assert journal.next_nonce(SENDER) == 2


def test_writes_are_found_by_their_state(journal: DatabaseJournal) -> None:
    """Unsettled are all but confirmed and invalid; the last confirmed one is that of the highest block."""
    states = list(WriteState)
    for number, state in enumerate(states, 1):
        journal.append(write_of(number))
        journal.update(in_block(write_of(number), state))
    unsettled = {write.state for write in journal.unsettled()}
    assert unsettled == set(states) - {WriteState.CONFIRMED, WriteState.INVALID}
    confirmed = write_of(states.index(WriteState.CONFIRMED) + 1)
    assert journal.last_confirmed() == in_block(confirmed, WriteState.CONFIRMED)


def test_anchors_are_those_that_still_count(journal: DatabaseJournal) -> None:
    """An invalid anchor is none; the last one can be asked for by its states."""
    for number in range(1, 5):
        journal.append(write_of(number, Purpose.ANCHOR if number != 2 else Purpose.REGISTRY))
    journal.update(in_block(write_of(1, Purpose.ANCHOR), WriteState.CONFIRMED))
    journal.update(replace(write_of(4, Purpose.ANCHOR), state=WriteState.INVALID))
    assert [write.number for write in journal.anchors()] == [1, 3]
    assert [write.number for write in journal.anchors(after=1)] == [3]
    assert [write.number for write in journal.anchors(limit=1)] == [1]
    last, confirmed = journal.last_anchor(), journal.last_anchor(WriteState.CONFIRMED)
    assert (last and last.number, confirmed and confirmed.number) == (3, 1)
    assert journal.last_anchor(WriteState.STALE) is None


def test_a_long_journal_is_walked_page_by_page(journal: DatabaseJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each write may be updated while the next is awaited, and none is left out."""
    monkeypatch.setattr(journals, "_PAGE", 3)
    for number in range(1, 9):
        journal.append(write_of(number))
    numbers = []
    for write in journal.writes():
        journal.update(in_block(write, WriteState.CONFIRMED))
        numbers.append(write.number)
    assert numbers == list(range(1, 9))


def test_confirmed_anchors_are_numbered_in_their_order(journal: DatabaseJournal) -> None:
    """From 1 without a gap, whatever comes late or leaves the chain: the n-th is record n of the contract."""
    anchors = [write_of(number, Purpose.ANCHOR if number != 2 else Purpose.REGISTRY) for number in range(1, 6)]
    for write in anchors:
        journal.append(write)

    def numbers() -> list[tuple[int | None, int]]:
        return [(anchor.number, anchor.size) for anchor in journal.confirmed()]

    for number in (1, 2, 4, 3):  # the third was not told of before the fourth
        journal.update(in_block(anchors[number - 1], WriteState.CONFIRMED))
    assert numbers() == [(1, 10), (2, 30), (3, 40)]
    assert [journal.count_confirmed_anchors(write) for write in anchors] == [1, 1, 2, 3, 3]
    journal.update(replace(anchors[2], state=WriteState.STALE))
    assert numbers() == [(1, 10), (2, 40)]
    assert journal.counts() == {"confirmed": 2, "signed": 1, "stale": 1}
    assert journal.anchored_before(anchors[4]) == 40
    journal.append(in_block(write_of(6, Purpose.ANCHOR), WriteState.CONFIRMED))
    assert numbers() == [(1, 10), (2, 40), (3, 60)]


def test_bundles_rest_on_the_last_anchor_whose_block_time_is_known(journal: DatabaseJournal) -> None:
    """A confirmed anchor has the time of its block; one that was taken from a row proves nothing."""
    for number in range(1, 4):
        journal.append(in_block(write_of(number, Purpose.ANCHOR), WriteState.CONFIRMED))
    journal.update(replace(in_block(write_of(3, Purpose.ANCHOR), WriteState.CONFIRMED), block_time=None))
    assert journal.last_proven_anchor() == in_block(write_of(2, Purpose.ANCHOR), WriteState.CONFIRMED)


def test_first_anchor_after_a_time(journal: DatabaseJournal) -> None:
    """By the times of their blocks, strictly; one that is not confirmed, or whose time is not known, is passed over."""
    for number in range(1, 5):
        journal.append(in_block(write_of(number, Purpose.ANCHOR), WriteState.CONFIRMED))
    times = [anchor.block_time or 0 for anchor in journal.confirmed()]
    assert [journal.first_anchor_after(time - 1) for time in times] == [1, 2, 3, 4]
    assert [journal.first_anchor_after(time) for time in times] == [2, 3, 4, None]
    journal.update(replace(in_block(write_of(2, Purpose.ANCHOR), WriteState.CONFIRMED), block_time=None))
    assert journal.first_anchor_after(times[0]) == 3
