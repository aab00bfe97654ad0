"""How far the log is anchored, and by when the chain proves an entry to have existed."""

from __future__ import annotations

from ledger.chain.journal import AnchoredHead, ChainWrite, Purpose, WriteState
from ledger.core.errors import Unavailable
from ledger.timeline import AnchoredSizes


def anchor(number: int, size: int, state: WriteState = WriteState.CONFIRMED) -> ChainWrite:
    """An anchor of this size in the block of time ``1000 + number``."""
    return ChainWrite(
        number=number,
        purpose=Purpose.ANCHOR,
        chain_id=1,
        sender="0x" + "1a" * 20,
        nonce=number,
        raw_transaction=b"",
        transaction_hash=number.to_bytes(32, "big"),
        timestamp=1000 + number,
        state=state,
        anchored=AnchoredHead(size, b"\x01" * 32, b"\x02" * 32),
    )


class Listed:
    """Anchors of a list, as the journal of a database gives them."""

    def __init__(self, *anchors: ChainWrite):
        self._anchors = anchors

    def largest_size(self, *states: WriteState) -> int:
        return max((one.anchored.size for one in self._anchors if one.anchored and one.state in states), default=0)

    def first_final_above(self, log_index: int) -> ChainWrite | None:
        final = [one for one in self._anchors if one.state is WriteState.CONFIRMED and one.anchored]
        above = [
            (one.anchored.size, one.number, one) for one in final if one.anchored and one.anchored.size > log_index
        ]
        return min(above)[2] if above else None


ANCHORS = Listed(
    anchor(1, 4),
    anchor(2, 4),
    anchor(3, 9),
    anchor(4, 12, WriteState.MINED),
    anchor(5, 15, WriteState.SIGNED),
    anchor(6, 40, WriteState.STALE),
)


def test_an_entry_is_proven_by_the_earliest_final_block_whose_size_has_it() -> None:
    """A size of n has the entries below n; a later anchor proves less of their time."""
    sizes = AnchoredSizes(ANCHORS, lambda write: write.timestamp)
    assert [sizes.proven_at(index) for index in (0, 3, 4, 8, 9)] == [1001, 1001, 1003, 1003, None]


def test_what_is_not_final_proves_no_time_yet() -> None:
    """Mined and submitted are told as such; a stale anchor is none."""
    sizes = AnchoredSizes(ANCHORS, lambda write: write.timestamp)
    assert [sizes.of(index) for index in (8, 9, 12, 15)] == ["confirmed", "mined", "submitted", "unanchored"]
    assert [sizes.proven_at(index) for index in (9, 12, 15)] == [None, None, None]
    assert AnchoredSizes(Listed()).of(0) == "unanchored"


def test_a_chain_that_cannot_be_asked_is_asked_once() -> None:
    """The time is not known then; what is final stays final."""
    asked: list[ChainWrite] = []

    def away(write: ChainWrite) -> int:
        asked.append(write)
        raise Unavailable("the chain node does not answer")

    sizes = AnchoredSizes(ANCHORS, away)
    assert [sizes.proven_at(index) for index in range(9)] == [None] * 9
    assert len(asked) == 1
    assert sizes.of(0) == "confirmed"
    assert AnchoredSizes(ANCHORS).proven_at(0) is None
