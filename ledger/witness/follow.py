"""Following: entry by entry up to what the log has signed, each step stored before the next."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Lock

from ledger.chain.errors import ChainMismatch
from ledger.core.errors import Unavailable
from ledger.core.log.checkpoints import Checkpoint
from ledger.core.log.merkle import Hash
from ledger.core.log.replay import (
    LogFault,
    LogUnreadable,
    MirroredChange,
    ReplayState,
    ReplayStep,
    append_entries,
    decode_entries,
    late_entry,
    replay_entries,
    require_begins,
    require_continued,
    require_same_changes,
    require_served,
    require_signed,
)
from ledger.core.log.tiles import TILE_WIDTH, TileNodes
from ledger.core.messages import Message
from ledger.core.signing.authority import AuthorityState
from ledger.store.witness import WitnessStore
from ledger.witness.alarms import Alarms
from ledger.witness.contracts import Contracts
from ledger.witness.source import LogSource

STEP = 16 * TILE_WIDTH  # entries that are judged and stored at a time


@dataclass(eq=False, repr=False)
class LogFollower:
    """Follows the log. Threads take turns, and none repeats what another has followed.

    ``clock`` gives unix milliseconds.
    """

    store: WitnessStore
    source: LogSource
    contracts: Contracts
    alarms: Alarms
    clock: Callable[[], int]
    keeps_entries: bool = False  # a mirror does
    _lock: Lock = field(default_factory=Lock, init=False)
    _nodes_of: tuple[int, Hash] = field(default=(0, Hash(b"")), init=False)  # size and root

    def __post_init__(self) -> None:
        self._followed = self.store.followed()
        self._nodes = TileNodes(0, self.source.tile)

    @property
    def followed(self) -> ReplayState:
        """Return the log's state as far as it was followed."""
        return self._followed

    def reach(self, checkpoint: Checkpoint, note: str, *, timeout_s: float) -> None:
        """Follow up to a verified checkpoint, whose text is ``note``; return once all below it was judged and stored.

        If more was followed already, the checkpoint must be of the same tree.

        Raises:
            LogFault: the log contradicts itself; the alarm was raised.
            LogUnreadable: the log cannot be read.
            Unavailable: it takes longer than ``timeout_s``. What was followed is stored, and the next call continues.
        """
        deadline = time.monotonic() + timeout_s
        if not self._lock.acquire(timeout=timeout_s):
            raise self._late(checkpoint)
        try:
            self._fill(deadline)
            if checkpoint.size <= self._followed.size:
                frontier = self._followed.frontier
                followed = Checkpoint(checkpoint.origin, frontier.size, frontier.root())
                require_continued(checkpoint, frontier, self._nodes_at(followed))
            else:
                self._advance(checkpoint, note, deadline)
        except LogFault as fault:
            self.alarms.halt(fault, {"checkpoint": note} | self.store.notes())
            raise
        except LogUnreadable:
            self._nodes_of = (0, Hash(b""))  # none of these tiles is used again
            raise
        finally:
            self._lock.release()

    def _fill(self, deadline: float) -> None:
        """Fetch what a mirror lacks because it was followed before the witness was one."""
        followed = self._followed.frontier
        mirrored = self.store.mirrored() if self.keeps_entries else followed
        tree = Checkpoint(self.store.looked().origin, followed.size, followed.root())
        while mirrored.size < followed.size:
            if time.monotonic() > deadline:
                raise self._late(tree)
            end = min(mirrored.size - mirrored.size % STEP + STEP, followed.size)
            entries = self.source.entries(mirrored.size, end)
            grown = append_entries(mirrored, entries)
            require_served(grown, tree, self._nodes_at(tree))
            self.store.keep_entries(mirrored.size, entries)
            mirrored = grown

    def _advance(self, checkpoint: Checkpoint, note: str, deadline: float) -> None:
        nodes = self._nodes_at(checkpoint)
        require_begins(self._followed.frontier, checkpoint, nodes)
        while (size := self._followed.size) < checkpoint.size:
            if time.monotonic() > deadline:
                raise self._late(checkpoint)
            end = min(size - size % STEP + STEP, checkpoint.size)
            entries = self.source.entries(size, end)
            step = self._judged(entries, checkpoint, nodes)
            if self.store.advance(self._followed, step, note, entries if self.keeps_entries else ()):
                self._followed = step.followed
            else:
                self._followed = self.store.followed()

    def _judged(self, entries: list[bytes], checkpoint: Checkpoint, nodes: TileNodes) -> ReplayStep:
        before = self._followed
        frontier = append_entries(before.frontier, entries)
        require_served(frontier, checkpoint, nodes)
        envelopes = decode_entries(entries, before.size)
        require_signed(envelopes, before.size, self.clock() // 1000)
        payloads = self.source.mirrored_payloads(envelopes, before.size)
        followed_before = self.store.prior_entries(envelope.event_id for envelope in envelopes)
        step = replay_entries(before, envelopes, frontier, followed_before, payloads)
        if step.changes:
            self._compare(before.authority, step.changes)
        # An entry that was signed long before the last look, at which the log did not have it, is told.
        looked = self.store.looked()
        late = late_entry(envelopes, before.size, size=looked.looked_size, at=looked.looked_at // 1000)
        if late is not None:
            index, waited = late
            text = Message(
                "entry {index} of {agency} came to the log more than {hours} h after it says that it was signed",
                index=index,
                agency=envelopes[index - before.size].agency,
                hours=waited // 3600,
            )
            self.alarms.warn("late_entry", text)
        return step

    def _compare(self, authority: AuthorityState, mirrored: Sequence[MirroredChange]) -> None:
        """Require that the chain has these changes, so that no entry is judged by a registry that the log made up."""
        final = self.contracts.final()
        first_block = authority.last_block if authority.changes else mirrored[0].change.location.block_number
        try:
            on_chain = self.contracts.changes_after(authority, first_block, final)
        except ChainMismatch as error:
            raise LogFault("false_mirror", "chain and log contradict each other: {error}", error=error) from error
        require_same_changes(mirrored, on_chain, final_block=final.number, hint=self.contracts.finality_hint)

    def _nodes_at(self, tree: Checkpoint) -> TileNodes:
        """Return a reader of a tree's tiles, which caches the last ones."""
        if self._nodes_of != (tree.size, tree.root):
            self._nodes, self._nodes_of = TileNodes(tree.size, self.source.tile), (tree.size, tree.root)
        return self._nodes

    def _late(self, checkpoint: Checkpoint) -> Unavailable:
        return Unavailable(
            "this witness has followed the log up to {followed_size}, not yet up to {checkpoint.size}",
            followed_size=self._followed.size,
            checkpoint=checkpoint,
            code="still_following",
        )
