"""The audit of the embedded chain: the journal is mined again on a new node and compared with the live one."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ledger.chain.anchor import AnchorRecord
from ledger.chain.anvil import AnvilProcess, anvil_arguments
from ledger.chain.deploy import Deployment
from ledger.chain.errors import ChainMismatch, OutOfStep, TransactionRefused
from ledger.chain.eth import Eth
from ledger.chain.journal import ChainWrite, Journal
from ledger.chain.mining import mine, require_in_step, require_recorded_block
from ledger.chain.rpc import JsonRpc
from ledger.chain.view import ContractsAt

LOOKS = 20  # tries to find the live node at rest: a block is mined a moment before the journal has it
LOOK_EVERY_S = 0.2


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
            if write.block_number is not None:
                self._mine(write)

    def require_same(self, live: Eth, deployment: Deployment | None) -> None:
        """Raise ChainMismatch unless the ``live`` node has the same head, anchor records and state.

        The state is compared by its root, which covers every slot and code of every contract.
        """
        for _ in range(LOOKS - 1):
            self.advance()
            try:
                return self._require_same_now(live, deployment)
            except OutOfStep:
                time.sleep(LOOK_EVERY_S)
        self.advance()
        try:
            self._require_same_now(live, deployment)
        except OutOfStep as error:
            raise ChainMismatch(
                f"the live node is not what the journal makes: {error.message}",
                block_number=self.head.number,
                hint="Restart the service: the node is made anew from the journal.",
            ) from error

    def _require_same_now(self, live: Eth, deployment: Deployment | None) -> None:
        """Raise OutOfStep if the heads or states differ, ChainMismatch if the records do."""
        if deployment is not None and live.head().ref == self.head:
            _require_same_records(*(ContractsAt(eth, deployment, self.head) for eth in (self.eth, live)))
        require_in_step(live, self.head)

    def _mine(self, write: ChainWrite) -> None:
        try:
            mined = mine(self.eth, write, self.head)
        except (TransactionRefused, OutOfStep) as error:
            raise ChainMismatch(
                f"block {write.block_number} cannot be made from write {write.number}: {error.message}",
                block_number=write.block_number,
            ) from error
        require_recorded_block(write, mined.block)
        self.head, self._mined = mined.block, write.number


@contextmanager
def replayed(*, binary: Path, journal: Journal, chain_id: int) -> Iterator[Replay]:
    """Start a new node on which every journaled block has its recorded hash; stop it at the end.

    Raises ChainMismatch, naming the block; Unavailable if Anvil does not start.
    """
    with tempfile.TemporaryDirectory(prefix="tallystick-replay-") as directory:
        arguments = anvil_arguments(directory=Path(directory), chain_id=chain_id, port=0, load=None)
        process = AnvilProcess(binary, arguments, home=Path(directory))
        process.start()
        try:
            replay = Replay(Eth(JsonRpc(process.url)), journal)
            replay.advance()
            yield replay
        finally:
            process.stop()


def _require_same_records(ours: ContractsAt, theirs: ContractsAt) -> None:
    if ours.count() != theirs.count():
        raise _edited("the number of anchor records", str(ours.count()), str(theirs.count()))
    for record, other in zip(ours.records(), theirs.records(), strict=True):
        if record != other:
            raise _edited(f"record {record.number} of the anchor contract", _told(record), _told(other))


def _edited(name: str, expected: str, actual: str) -> ChainMismatch:
    return ChainMismatch(
        f"{name} was edited at the live node: the journal makes {expected}, the node has {actual}",
        hint="Restart the service: the node is made anew from the journal.",
    )


def _told(record: AnchorRecord) -> str:
    return f"size {record.size} and root {record.root.hex()}"
