"""How far the log is anchored, and since when that proves an entry to have existed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from msgspec import Struct

from ledger.chain.journal import WriteState
from ledger.store import checkpoints
from ledger.store.chain_journal import DatabaseJournal
from ledger.store.database import Connection
from ledger.store.log import StoredEntry

Anchored = Literal["unanchored", "submitted", "mined", "confirmed"]

_STATES: dict[Anchored, tuple[WriteState, ...]] = {
    "confirmed": (WriteState.CONFIRMED,),
    "mined": (WriteState.MINED,),
    "submitted": (WriteState.SUBMITTED, WriteState.SIGNED),
}


class AnchoredSizes:
    """How much of the log is on the chain, by the journal's anchors at the time of construction."""

    def __init__(self, journal: DatabaseJournal):
        self._journal = journal
        self._sizes = journal.sizes()

    def size(self, state: Anchored) -> int:
        """Return the largest tree size in this state, or 0."""
        return max((self._sizes[each] for each in _STATES.get(state, ())), default=0)

    def of(self, log_index: int) -> Anchored:
        """Return how far the entry is anchored."""
        return next((state for state in _STATES if log_index < self.size(state)), "unanchored")

    def proven_at(self, log_indices: Sequence[int]) -> Mapping[int, int]:
        """Return for each entry the time (unix seconds) of the earliest final block that proves that it existed.

        Entries without such a block, or whose block's time is not in the journal yet, are left out.
        """
        return self._journal.proven_times(log_indices)


LATE_AFTER_S = 600  # seconds from its recording for which an entry may wait for a final block
StageName = Literal["signed", "logged", "cosigned", "anchored", "final"]


class AnchoringStage(Struct, frozen=True):
    """A stage on the way of an event to a final block.

    ``at`` is in unix seconds: the signer's claim of ``signed``, our clock's of ``logged``, the block's of ``final``.
    ``size`` is the tree size that ``witnesses`` co-signed. ``due_at`` is the time (unix seconds) by which the first
    stage on the chain that is not reached is usually reached; then it ``is_late``.
    """

    name: StageName
    is_reached: bool
    at: int | None = None
    size: int | None = None
    witnesses: tuple[str, ...] = ()
    due_at: int | None = None
    is_late: bool = False


def stages(
    connection: Connection, entry: StoredEntry, state: Anchored, proven_at: int | None, now: int
) -> tuple[AnchoringStage, ...]:
    """Return the stages of an entry that is anchored so far, and proven to exist since ``proven_at`` (unix seconds).

    ``now`` is the time in unix milliseconds.
    """
    witnessed = checkpoints.last_witnessed(connection)
    cosigned = AnchoringStage("cosigned", is_reached=False)
    if witnessed is not None and entry.log_index < witnessed.size:
        names = tuple(key.partition("+")[0] for key in checkpoints.cosigners(connection, witnessed.size))
        cosigned = AnchoringStage("cosigned", is_reached=True, size=witnessed.size, witnesses=names)
    is_anchored, is_final = state in ("mined", "confirmed"), state == "confirmed"
    due_at = entry.recorded_at // 1000 + LATE_AFTER_S
    is_late = now // 1000 > due_at
    return (
        AnchoringStage("signed", is_reached=True, at=entry.signed_at),
        AnchoringStage("logged", is_reached=True, at=entry.recorded_at // 1000),
        cosigned,
        AnchoringStage("anchored", is_anchored, due_at=None if is_anchored else due_at, is_late=is_late),
        AnchoringStage(
            "final", is_final, proven_at, due_at=due_at if is_anchored != is_final else None, is_late=is_late
        ),
    )
