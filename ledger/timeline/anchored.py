"""How far the log is anchored, and since when that proves an entry to have been there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from ledger.chain.journal import WriteState
from ledger.store.journal import DatabaseJournal

Anchored = Literal["unanchored", "submitted", "mined", "confirmed"]

_STATES: dict[Anchored, tuple[WriteState, ...]] = {
    "confirmed": (WriteState.CONFIRMED,),
    "mined": (WriteState.MINED,),
    "submitted": (WriteState.SUBMITTED, WriteState.SIGNED),
}


class AnchoredSizes:
    """How much of the log the chain has, by the journal's anchors as they were when this was made."""

    def __init__(self, journal: DatabaseJournal):
        self._journal = journal
        self._sizes = journal.sizes()

    def size(self, state: Anchored) -> int:
        """The tree size that was brought this far; 0 where none was."""
        return max((self._sizes[each] for each in _STATES.get(state, ())), default=0)

    def of(self, log_index: int) -> Anchored:
        """How far the entry was brought."""
        return next((state for state in _STATES if log_index < self.size(state)), "unanchored")

    def proven_at(self, log_indices: Sequence[int]) -> Mapping[int, int]:
        """For each of these entries the time of the block (unix seconds) that proves that it existed by then, the
        earliest that is final. Without those that there is none of, or whose time the journal does not have yet.
        """
        return self._journal.proven_times(log_indices)
