"""How far the log is anchored, and since when that proves an entry to have been there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol

from ledger.chain.journal import ChainWrite, WriteState
from ledger.core.errors import Unavailable

Anchored = Literal["unanchored", "submitted", "mined", "confirmed"]

# What each state of a write comes to, the strongest first.
_STATES: tuple[tuple[Anchored, tuple[WriteState, ...]], ...] = (
    ("confirmed", (WriteState.CONFIRMED,)),
    ("mined", (WriteState.MINED,)),
    ("submitted", (WriteState.SUBMITTED, WriteState.SIGNED)),
)


class Anchors(Protocol):
    """Knows the anchors of the log."""

    def largest_size(self, *states: WriteState) -> int:
        """Of an anchor in one of the states; 0 where there is none."""

    def first_final_above(self, log_index: int) -> ChainWrite | None:
        """Of the confirmed anchors whose tree has the entry the smallest, of several the first."""


class AnchoredSizes:
    """How much of the log the chain has, by its anchors; few are looked at, however many there are.

    ``block_time`` gives the time of a write's block in unix seconds, and may raise Unavailable.
    """

    def __init__(self, anchors: Anchors, block_time: Callable[[ChainWrite], int] | None = None):
        self._anchors = anchors
        self._block_time = block_time
        self._sizes = {name: anchors.largest_size(*states) for name, states in _STATES}
        self._known: list[tuple[int, int, int]] = []  # from this index on below this size: the time

    def size(self, state: Anchored) -> int:
        """The tree size that was brought this far; 0 where none was."""
        return self._sizes.get(state, 0)

    def of(self, log_index: int) -> Anchored:
        """How far the entry was brought."""
        return next((state for state, _ in _STATES if log_index < self.size(state)), "unanchored")

    def proven_at(self, log_index: int) -> int | None:
        """The time of the block (unix seconds) that proves that the entry existed by then, the earliest that is final.

        None where there is none, and while the chain cannot be asked for the time of its block.
        """
        if self._block_time is None or log_index >= self.size("confirmed"):
            return None
        known = next((at for start, end, at in reversed(self._known) if start <= log_index < end), None)
        if known is not None:
            return known
        anchor = self._anchors.first_final_above(log_index)
        if anchor is None or anchor.anchored is None:
            return None
        try:
            at = self._block_time(anchor)
        except Unavailable:
            self._block_time = None  # asked once, not once for every entry
            return None
        self._known.append((log_index, anchor.anchored.size, at))
        return at
