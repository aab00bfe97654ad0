"""How far the log is anchored, and since when that proves an entry to have been there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

from msgspec import Struct

from ledger.chain.journal import WriteState
from ledger.store import checkpoints
from ledger.store.database import Connection
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


StageName = Literal["signed", "logged", "cosigned", "anchored", "final"]


class Stage(Struct, frozen=True):
    """``at`` is in unix seconds: the signer's claim of ``signed``, our clock's of ``logged``, the block's of ``final``.

    ``size`` is the tree size that witnesses co-signed, ``witnesses`` are they.
    """

    name: StageName
    is_reached: bool
    at: int | None = None
    size: int | None = None
    witnesses: tuple[str, ...] = ()


class Entered(Protocol):
    """An event that is in the log: ``recorded_at`` in unix milliseconds, the other times in seconds."""

    @property
    def index(self) -> int: ...
    @property
    def signed_at(self) -> int: ...
    @property
    def recorded_at(self) -> int: ...
    @property
    def state(self) -> Anchored: ...
    @property
    def proven_at(self) -> int | None: ...


def stages(connection: Connection, step: Entered) -> tuple[Stage, ...]:
    """Of an event that is in the log."""
    witnessed = checkpoints.last_witnessed(connection)
    cosigned = Stage("cosigned", is_reached=False)
    if witnessed is not None and step.index < witnessed.size:
        names = tuple(key.partition("+")[0] for key in checkpoints.cosigners(connection, witnessed.size))
        cosigned = Stage("cosigned", is_reached=True, size=witnessed.size, witnesses=names)
    return (
        Stage("signed", is_reached=True, at=step.signed_at),
        Stage("logged", is_reached=True, at=step.recorded_at // 1000),
        cosigned,
        Stage("anchored", is_reached=step.state in ("mined", "confirmed")),
        Stage("final", is_reached=step.state == "confirmed", at=step.proven_at),
    )
