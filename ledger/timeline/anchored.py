"""How far the log is anchored, and since when that proves an entry to have been there."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable
from typing import Literal

from ledger.chain.journal import ChainWrite, WriteState
from ledger.core.errors import Unavailable

Anchored = Literal["unanchored", "submitted", "mined", "confirmed"]

_STRENGTH: dict[WriteState, Anchored] = {
    WriteState.CONFIRMED: "confirmed",
    WriteState.MINED: "mined",
    WriteState.SUBMITTED: "submitted",
    WriteState.SIGNED: "submitted",
}


class AnchoredSizes:
    """How much of the log the chain has, by the journal's anchors.

    ``block_time`` gives the time of a write's block in unix seconds, and may raise Unavailable.
    """

    def __init__(self, anchors: Iterable[ChainWrite], block_time: Callable[[ChainWrite], int] | None = None):
        self._sizes: dict[Anchored, int] = {}
        self._final: list[tuple[int, ChainWrite]] = []  # confirmed ones, each of a larger size than the one before
        self._block_time = block_time
        for anchor in anchors:
            strength = _STRENGTH.get(anchor.state)
            if strength is not None and anchor.anchored is not None:
                size = anchor.anchored.size
                if strength == "confirmed" and size > self.size("confirmed"):
                    self._final.append((size, anchor))
                self._sizes[strength] = max(self.size(strength), size)

    def size(self, state: Anchored) -> int:
        """The tree size that was brought this far; 0 where none was."""
        return self._sizes.get(state, 0)

    def of(self, log_index: int) -> Anchored:
        """How far the entry was brought."""
        states: tuple[Anchored, ...] = ("confirmed", "mined", "submitted")
        return next((state for state in states if log_index < self.size(state)), "unanchored")

    def proven_at(self, log_index: int) -> int | None:
        """The time of the block (unix seconds) that proves that the entry existed by then, the earliest that is final.

        None where there is none, and while the chain cannot be asked for the time of its block.
        """
        place = bisect_right(self._final, log_index, key=lambda one: one[0])
        if self._block_time is None or place == len(self._final):
            return None
        try:
            return self._block_time(self._final[place][1])
        except Unavailable:
            self._block_time = None  # asked once, not once for every entry
            return None
