"""The embedded node: an Anvil that is a cache of the journal, with its files on disk.

Each file is replaced atomically. The dump is a cache of the journal's replay, written now and then. The mark names
the last block and is written at every block: by it a rolled-back database is noticed even if the service was killed
and the dump is old. An audit mines the journal again on a new node and compares that with the live one.
"""

from __future__ import annotations

import logging
import os
import tempfile
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from msgspec import Struct

from ledger.chain.anvil import (
    CHAIN_ID,
    GENESIS_TIMESTAMP,
    AnvilProcess,
    consistent_blocks,
    mine,
    require_in_step,
    require_recorded_block,
)
from ledger.chain.contract_clients import ContractsAt
from ledger.chain.errors import ChainAhead, ChainMismatch, ChainUnavailable, OutOfStep, TransactionRefused
from ledger.chain.eth import BlockRef, Eth
from ledger.chain.journal import ChainWrite, Deployment, Journal, WriteState
from ledger.chain.transaction import Fees
from ledger.core.errors import TallystickError, Unavailable

DUMP_SECONDS = 120.0
DUMP_EVERY = 256  # blocks
_log = logging.getLogger(__name__)
LOOKS = 20  # tries to find the live node at rest: a block is mined a moment before the journal has it
LOOK_EVERY_S = 0.2


def _replace(path: Path, data: bytes) -> None:
    # Renamed only once its content is on the disk, and the folder synced after it: a power cut leaves old or new.
    temporary = path.with_suffix(".new")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


FaultOfNode = Literal["node_lost", "node_edited", "dump_unreadable", "dump_edited"]


class ChainIncident(Struct, frozen=True):
    """A fault of the embedded node, which was then restarted from the journal.

    ``node_lost``: it died, or does not answer; ``edited``: blocks or state that no write of the journal made.
    """

    kind: FaultOfNode
    detail: str


@dataclass(frozen=True, slots=True)
class _Position:
    """The node's position: the last write it has mined, and the block of it."""

    write_number: int
    block: BlockRef


@dataclass(eq=False, repr=False, kw_only=True)
class EmbeddedNode:
    """One Anvil and the journal that it is a cache of: a ``ChainBackend``. Threads may share it.

    With ``port`` 0 the system chooses at each start; ``on_incident`` is called for every fault that was repaired.
    """

    binary: Path
    directory: Path
    journal: Journal
    port: int = 0
    on_incident: Callable[[ChainIncident], None] | None = None
    _process: AnvilProcess | None = field(default=None, init=False)
    _eth: Eth | None = field(default=None, init=False)
    _eth_in_step: Eth | None = field(default=None, init=False)  # the same, once it has been at the journal's end
    _position: _Position | None = field(default=None, init=False)
    _dumped_at: int = field(default=0, init=False)  # block number

    def __post_init__(self) -> None:
        self._lock = threading.RLock()
        # Anvil loads the dump; what it holds is compared with the journal before it is used.
        self._dump_path = self.directory / "state.json"
        self._mark_path = self.directory / "head"

    def start(self) -> None:
        """Start the node and bring it to the journal's end.

        Raises:
            ChainAhead: mark or dump know more blocks than the journal.
            ChainMismatch: a block of mark, dump or replay is not the journal's.
            Unavailable: Anvil does not start.
        """
        with self._lock:
            self.directory.mkdir(parents=True, exist_ok=True)
            mark = self._marked()
            self._require_marked(mark)
            is_lost = mark is None and not self._dump_path.is_file()
            try:
                self._rebuild()
            except TallystickError:
                self._kill()
                raise
            if is_lost and self._here().block.number > 0:
                self._report("node_lost", "nothing was left of the embedded chain but the journal")
            self._try_mark(self._here().block)

    def stop(self) -> None:
        """Write a dump, if the node is where the journal is, and kill the node."""
        with self._lock:
            if self._position is not None and self._position.block.number > self._dumped_at:
                self._try_dump()
            self._kill()

    @property
    def chain_id(self) -> int:
        return CHAIN_ID

    @property
    def refusals(self) -> Mapping[int, str]:
        return {}  # what this node refuses is invalid at once

    @property
    def eth(self) -> Eth:
        """Return the node, restarted first if it was killed; a restart replaces it."""
        # A node that another thread is bringing back answers already, from a chain that lacks the last blocks or all.
        eth = self._eth_in_step
        if eth is not None and self.runs():
            return eth
        with self._lock:
            self.catch_up()
            return self._running()

    def fees(self) -> Fees:
        return Fees(max_fee=0, priority_fee=0)

    def final_block(self) -> BlockRef:
        """Return the last block that the journal has."""
        with self._lock:
            return self._here().block

    def deliver(self, write: ChainWrite) -> ChainWrite:
        try:
            self.catch_up()
        except ChainUnavailable as error:
            _log.warning("write %d waits for the embedded chain: %s", write.number, error)
        return self.journal.find(write.transaction_hash) or write

    def refresh(self) -> None:
        self.catch_up()

    def runs(self) -> bool:
        """Return whether the process runs; it may still be out of step."""
        process = self._process
        return process is not None and process.runs()

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def catch_up(self) -> None:
        """Mine what the journal has beyond the node; restart the node first if it is gone or out of step.

        When this returns the journal has the outcome of every write. Raises ChainMismatch, Unavailable.
        """
        with self._lock:
            if self._position is not None:
                try:
                    return self._advance()
                # A node that is out of step, or gone, is worth nothing: the journal makes another.
                except OutOfStep as error:
                    self._report("node_edited", str(error))
                except ChainUnavailable as error:
                    self._report("node_lost", str(error))
            return self._rebuild()

    def dump(self) -> None:
        """Write the state, from which the next start is quicker. Raises Unavailable, OutOfStep."""
        with self._lock:
            here, eth = self._here(), self._running()
            require_in_step(eth, here.block)
            answer = eth.rpc.call("anvil_dumpState", timeout_seconds=DUMP_SECONDS)
            try:
                state = zlib.decompress(bytes.fromhex(answer[2:]), wbits=zlib.MAX_WBITS | 16)  # gzip
            except (TypeError, ValueError, zlib.error) as error:
                raise ChainUnavailable("the embedded chain node gives no dump", code="chain_garbled") from error
            try:
                _replace(self._dump_path, state)
            except OSError as error:
                raise Unavailable(
                    "the chain's dump cannot be written: {error}", error=error, code="dump_not_written"
                ) from error
            self._dumped_at = here.block.number

    # -- to the journal's end ------------------------------------------------------------------------------------------

    def _rebuild(self) -> None:
        if self._boot_from_dump():
            try:
                return self._advance()
            except (ChainMismatch, OutOfStep) as error:
                self._report("dump_edited", str(error))
        self._boot(None)
        return self._advance()

    def _advance(self) -> None:
        require_in_step(self._running(), self._here().block)
        for write in self.journal.writes(after=self._here().write_number):
            self._mine(write)
        self._eth_in_step = self._running()
        if self._here().block.number - self._dumped_at >= DUMP_EVERY:
            self._try_dump()

    def _mine(self, write: ChainWrite) -> None:
        here = self._here()
        if write.state is WriteState.INVALID and write.block_number is None:
            self._position = replace(here, write_number=write.number)
            return
        self._position = None  # until the journal has the block, the node's position is unknown
        try:
            mined = mine(self._running(), write, here.block)
        except TransactionRefused as error:
            if write.block_number is not None:
                raise ChainMismatch(
                    "write {write.number} is refused, which was in block {write.block_number}: {error.rpc_message}",
                    write=write,
                    error=error,
                    block_number=write.block_number,
                ) from error
            _log.warning("write %d is invalid: %s", write.number, error)
            self.journal.update(replace(write, state=WriteState.INVALID))
            self._position = replace(here, write_number=write.number)
            return
        if write.block_number is None:
            # The commit point: from here on the outcome is in the journal, and replaying must give the same.
            settled = replace(
                write,
                state=WriteState.CONFIRMED if mined.succeeded else WriteState.INVALID,
                block_number=mined.block.number,
                block_hash=mined.block.hash,
                block_time=write.timestamp,  # the block was made of that time
                gas_used=mined.gas_used,
            )
            self.journal.update(settled)
            self._try_mark(mined.block)
        else:
            require_recorded_block(write, mined.block)
        self._position = _Position(write.number, mined.block)

    def _marked(self) -> BlockRef | None:
        """Return the block that the mark names; None if there is no readable mark."""
        try:
            number, _, digest = self._mark_path.read_text(encoding="ascii").strip().partition(" ")
            return BlockRef(int(number), bytes.fromhex(digest))
        except (OSError, ValueError):
            return None

    def _require_marked(self, mark: BlockRef | None) -> None:
        """Raise ChainAhead or ChainMismatch unless the journal still has the block that the mark names."""
        if mark is None or mark.number == 0:
            return
        # Each of these writes has a block of its own: the mark's number is a place among them.
        journaled = [write for write in self.journal.writes() if write.block_number is not None]
        if mark.number > len(journaled):
            raise _ahead("mark", mark.number, len(journaled))
        require_recorded_block(journaled[mark.number - 1], mark)

    # -- the process ---------------------------------------------------------------------------------------------------

    def _boot(self, load: Path | None) -> None:
        self._kill()
        self._process = AnvilProcess(self.binary, self.directory, port=self.port, load=load)
        self._eth = self._process.start()
        genesis = self._eth.block("earliest")
        if genesis is None or (load is None and genesis.timestamp != GENESIS_TIMESTAMP):
            raise OutOfStep("the embedded chain does not begin where it should")
        self._position = _Position(0, genesis.ref)
        self._dumped_at = 0

    def _try_dump(self) -> None:
        """Write a dump if possible; without it the next start only takes longer."""
        try:
            self.dump()
        except Unavailable as error:
            _log.warning("no dump of the embedded chain was written: %s", error)
            self._dumped_at = self._here().block.number

    def _try_mark(self, block: BlockRef) -> None:
        """Write the mark if possible; the last mark proves less, but nothing wrong."""
        try:
            _replace(self._mark_path, f"{block.number} {block.hash.hex()}\n".encode())
        except OSError as error:
            _log.warning("the last block of the embedded chain was not marked: %s", error)

    def _boot_from_dump(self) -> bool:
        """Start the node from the dump; return whether all of its blocks are the journal's."""
        if not self._dump_path.is_file():
            return False
        try:
            self._boot(self._dump_path)
            self._position = self._dumped_position()
        except OutOfStep as error:
            self._report("dump_edited", str(error))
            return False
        except ChainUnavailable as error:
            self._report("dump_unreadable", str(error))
            return False
        self._dumped_at = self._here().block.number
        return True

    def _dumped_position(self) -> _Position:
        """Return the position of the loaded head.

        A dump that contradicts itself, or has the journal's transaction in another block, was damaged: it raises
        OutOfStep, and the replay decides. A dump with other transactions is another history, since it or the journal
        was rolled back or replaced: it raises ChainAhead or ChainMismatch.
        """
        blocks = consistent_blocks(self._running())
        journaled = {write.block_number: write for write in self.journal.writes() if write.block_number is not None}
        head = blocks[-1]
        if head.number > len(journaled):
            raise _ahead("dump", head.number, len(journaled))
        for block in blocks[1:]:
            write = journaled.get(block.number)
            if write is None:
                raise ChainMismatch(
                    "the journal has no write for block {block.number}", block=block, block_number=block.number
                )
            if block.hash != write.block_hash and block.transactions == (write.transaction_hash,):
                raise OutOfStep(
                    "the dump has write {write.number} in another block {block.number}", write=write, block=block
                )
            require_recorded_block(write, block.ref)
        return _Position(journaled[head.number].number if head.number > 0 else 0, head.ref)

    def _kill(self) -> None:
        if self._process is not None:
            self._process.stop()
        self._process = self._eth = self._eth_in_step = self._position = None

    def _running(self) -> Eth:
        # Unlike ``eth`` this never restarts the node: a restart in the middle of one would not end.
        if self._eth is None:
            raise ChainUnavailable("the embedded chain is not started")
        return self._eth

    def _here(self) -> _Position:
        if self._position is None:
            raise ChainUnavailable("the embedded chain is not started")
        return self._position

    def _report(self, kind: FaultOfNode, detail: str) -> None:
        _log.warning("embedded chain: %s: %s", kind, detail)
        if self.on_incident is not None:
            self.on_incident(ChainIncident(kind, detail))


def _ahead(witness: str, blocks: int, journaled: int) -> ChainAhead:
    return ChainAhead(
        "the {witness} of the embedded chain has {blocks} blocks, the journal {journaled}: the "
        "database was rolled back",
        witness=witness,
        blocks=blocks,
        journaled=journaled,
        hint="Restore the newest backup of the database.",
    )


class Replay:
    """A new node with the journal's writes; ``head`` is its last block."""

    def __init__(self, eth: Eth, journal: Journal):
        self.eth = eth
        self.head = eth.head().ref
        self._journal = journal
        self._mined = 0  # number of the last write that is in a block

    def advance(self) -> None:
        """Mine what the journal has beyond the node. Raises ChainMismatch for the first block that differs."""
        for write in self._journal.writes(after=self._mined):
            if write.block_number is None:
                continue
            try:
                mined = mine(self.eth, write, self.head)
            except (TransactionRefused, OutOfStep) as error:
                raise ChainMismatch(
                    "block {write.block_number} cannot be made from write {write.number}: {error}",
                    write=write,
                    error=error,
                    block_number=write.block_number,
                ) from error
            require_recorded_block(write, mined.block)
            self.head, self._mined = mined.block, write.number

    def require_same(self, live: Eth, deployment: Deployment | None) -> None:
        """Raise ChainMismatch unless the ``live`` node has the same head, anchor records and state.

        The state is compared by its root, which covers every slot and code of every contract.
        """
        for look in range(1, LOOKS + 1):
            self.advance()
            try:
                self._require_same_now(live, deployment)
            except OutOfStep as error:
                if look == LOOKS:
                    raise ChainMismatch(
                        "the live node is not what the journal makes: {error}",
                        error=error,
                        block_number=self.head.number,
                        hint="Restart the service: the node is made anew from the journal.",
                    ) from error
                time.sleep(LOOK_EVERY_S)
            else:
                return

    def _require_same_now(self, live: Eth, deployment: Deployment | None) -> None:
        """Raise OutOfStep if the heads or states differ, ChainMismatch if the records do."""
        if deployment is not None and live.head().ref == self.head:
            ours, theirs = (ContractsAt(eth, deployment, self.head) for eth in (self.eth, live))
            if ours.count() != theirs.count():
                raise _edited("the number of anchor records", str(ours.count()), str(theirs.count()))
            for pair in zip(ours.records(), theirs.records(), strict=True):
                if pair[0] != pair[1]:
                    texts = (f"size {record.size} and root {record.root.hex()}" for record in pair)
                    raise _edited(f"record {pair[0].number} of the anchor contract", *texts)
        require_in_step(live, self.head)


@contextmanager
def replayed(*, binary: Path, journal: Journal) -> Iterator[Replay]:
    """Start a new node on which every journaled block has its recorded hash; stop it at the end.

    Raises ChainMismatch, naming the block; Unavailable if Anvil does not start.
    """
    with tempfile.TemporaryDirectory(prefix="tallystick-replay-") as directory:
        process = AnvilProcess(binary, Path(directory))
        eth = process.start()
        try:
            replay = Replay(eth, journal)
            replay.advance()
            yield replay
        finally:
            process.stop()


def _edited(name: str, expected: str, actual: str) -> ChainMismatch:
    return ChainMismatch(
        "{name} was edited at the live node: the journal makes {expected}, the node has {actual}",
        name=name,
        expected=expected,
        actual=actual,
        hint="Restart the service: the node is made anew from the journal.",
    )
