"""The audit of the embedded chain: the journal is mined again on a fresh node, and the live one held against it."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from ledger.chain.anvil import AnvilProcess, anvil_arguments
from ledger.chain.errors import ChainMismatch, OutOfStep, TransactionRefused
from ledger.chain.eth import BlockRef, Eth
from ledger.chain.journal import Journal
from ledger.chain.mining import mine, require_in_step, require_recorded_block
from ledger.chain.rpc import JsonRpc


@dataclass(frozen=True, slots=True)
class ReplayedChain:
    """What the journal makes of a fresh node."""

    blocks: int
    head: BlockRef


def replay_check(*, binary: Path, journal: Journal, chain_id: int, live: Eth | None = None) -> ReplayedChain:
    """Replays every journaled block and compares its hash; then compares head and state of the ``live`` node.

    The state is compared by its root, which holds every slot and code of every contract. Give ``live`` only while
    nothing is written. Raises ChainMismatch, naming the block; Unavailable where Anvil does not start.
    """
    with tempfile.TemporaryDirectory(prefix="tallystick-replay-") as directory:
        arguments = anvil_arguments(directory=Path(directory), chain_id=chain_id, port=0, load=None)
        process = AnvilProcess(binary, arguments, home=Path(directory))
        process.start()
        try:
            head = _replay(Eth(JsonRpc(process.url)), journal)
        finally:
            process.stop()
    if live is not None:
        _require_same(live, head)
    return ReplayedChain(head.number, head)


def _replay(eth: Eth, journal: Journal) -> BlockRef:
    head = eth.head().ref
    for write in journal.writes():
        if write.block_number is None:
            continue
        try:
            mined = mine(eth, write, head)
        except (TransactionRefused, OutOfStep) as error:
            raise ChainMismatch(
                f"block {write.block_number} cannot be made from write {write.number}: {error.message}",
                block_number=write.block_number,
            ) from error
        require_recorded_block(write, mined.block)
        head = mined.block
    return head


def _require_same(live: Eth, head: BlockRef) -> None:
    try:
        require_in_step(live, head)
    except OutOfStep as error:
        raise ChainMismatch(
            f"the live node is not what the journal makes: {error.message}",
            block_number=head.number,
            hint="Restart the service: the node is made anew from the journal.",
        ) from error
