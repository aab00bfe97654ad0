"""Anvil as a child process, killed when its parent ends, and its blocks: one write each, reproducible from the journal.

A block's hash follows from its parent, its timestamp and its one transaction, so the same writes in the same order
give the same hashes on any Anvil of this version and these flags. The calls are sent one after the other: in a batch
the hashes would differ.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import threading
from collections import deque
from itertools import pairwise
from pathlib import Path

from ledger.chain.errors import ChainMismatch, ChainUnavailable, OutOfStep, TransactionRefused
from ledger.chain.eth import NO_ACCOUNT, Block, BlockRef, Eth, SendAnswer, TransactionReceipt
from ledger.chain.journal import ChainWrite
from ledger.chain.rpc import JsonRpc

CHAIN_ID = 31337
GENESIS_TIMESTAMP = 1577836800  # 2020-01-01T00:00:00Z
GAS_LIMIT = 30_000_000  # of a block
STATES_KEPT = 16  # newest blocks whose state can be read
START_SECONDS = 120.0  # until it listens, a large dump loaded

_LISTENING = re.compile(r"Listening on ([0-9.]+:[0-9]+)")


class AnvilProcess:
    """One running Anvil; the same transactions and timestamps give the same block hashes.

    Gas costs nothing, so that an agency's admin needs no coins. ``home`` takes what Anvil would otherwise write to the
    user's home; with ``port`` 0 the system chooses; ``load`` is the dump that it begins with. A thread of its own
    starts and waits for it: Linux sends a child its death signal when the *thread* that started it ends.
    """

    def __init__(self, binary: Path, home: Path, *, port: int = 0, load: Path | None = None):
        # No block but on our word; all that a header holds comes from these flags or from the journal.
        flags = ["--no-mining", "--order", "fifo", "--hardfork", "cancun", "--prune-history", str(STATES_KEPT)]
        flags += ["--timestamp", str(GENESIS_TIMESTAMP), "--gas-limit", str(GAS_LIMIT), "--chain-id", str(CHAIN_ID)]
        flags += ["--base-fee", "0", "--gas-price", "0", "--disable-min-priority-fee", "--accounts", "0"]
        flags += ["--host", "127.0.0.1", "--port", str(port), "--no-cors", "--cache-path", str(home / "cache")]
        flags += ["--load-state", str(load)] if load else []
        # The kernel kills the child with its parent, where util-linux has setpriv.
        setpriv = shutil.which("setpriv")
        self._command = [*([setpriv, "--pdeathsig", "KILL"] if setpriv else []), str(binary), *flags]
        self._home = home
        self._last_lines: deque[str] = deque(maxlen=20)
        self._settled = threading.Event()  # set once it listens or has ended
        self._ended = threading.Event()
        self._process: subprocess.Popen[str] | None = None
        self._address: str | None = None
        self._failure: OSError | None = None
        self._keeper = threading.Thread(target=self._keep, name="anvil-keeper", daemon=True)

    def start(self) -> Eth:
        """Return the node once it listens. Raises Unavailable, with its last lines of output, if it does not."""
        self._keeper.start()
        if not self._settled.wait(START_SECONDS):
            self.stop()
        if self._address is None:
            words = str(self._failure or "; ".join(line for line in self._last_lines if line.strip()))
            raise ChainUnavailable(
                "the embedded chain node does not start: {words}",
                words=words[-400:],
                hint="Run tally doctor, which tells whether this Anvil can be used.",
            ) from self._failure
        return Eth(JsonRpc(f"http://{self._address}"))

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def runs(self) -> bool:
        return self._address is not None and not self._ended.is_set()

    def stop(self) -> None:
        """Kill it. Nothing is lost: the journal has all that it knew."""
        if self._process is not None:
            self._process.kill()
        self._keeper.join()

    def _keep(self) -> None:
        try:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                env={"HOME": str(self._home), "PATH": os.defpath},
                start_new_session=True,  # an interrupt at the terminal is for the service, which then stops it
            )
            assert self._process.stdout is not None
            for line in self._process.stdout:
                self._last_lines.append(line.rstrip())
                match = _LISTENING.search(line) if self._address is None else None
                if match:
                    self._address = match.group(1)
                    self._settled.set()
            self._process.wait()
        except OSError as error:
            self._failure = error
        finally:
            self._ended.set()
            self._settled.set()


def mine(eth: Eth, write: ChainWrite, parent: BlockRef) -> TransactionReceipt:
    """Mine the write as the only transaction of the block after ``parent``, the head, and return its receipt.

    Raises TransactionRefused, with no block made, if the node does not take it, and OutOfStep if the block is not the
    journal's: somebody else has used the node, which must be discarded.
    """
    # Whatever somebody else sent to the node must not get into this block.
    eth.rpc.call("anvil_dropAllTransactions")
    eth.rpc.call("evm_setNextBlockTimestamp", write.timestamp)
    try:
        answer = eth.send(write.raw_transaction)
        if answer is not SendAnswer.ACCEPTED:
            raise TransactionRefused("the transaction", 0, answer.value)
    except TransactionRefused as error:
        # A refusal counts only if the node still has the fees and limits that its flags set.
        pending = eth.block("pending")
        if pending is None or not _has_our_environment(pending):
            raise OutOfStep(
                "the embedded chain's environment was changed, and it refuses write {write.number}", write=write
            ) from error
        raise
    eth.rpc.call("evm_mine")
    # Looked up by hash: whoever else has the port may have sent and mined something.
    block, receipt = eth.head(), eth.receipt(write.transaction_hash)
    # Every header field that others could have set must be as the flags and the journal have it.
    expected = (parent.number + 1, parent.hash, (write.transaction_hash,), write.timestamp)
    actual = (block.number, block.parent_hash, block.transactions, block.timestamp)
    if receipt is None or receipt.block != block.ref or actual != expected or not _has_our_environment(block):
        raise OutOfStep(
            "block {block.number} of the embedded chain is not the one that write {write.number} makes",
            block=block,
            write=write,
        )
    return receipt


def require_in_step(eth: Eth, head: BlockRef) -> None:
    """Raise OutOfStep unless the node's head is ``head`` and its state is the one that this block left.

    The state of the genesis block is not checked: its header does not commit to it.
    """
    actual = eth.head()
    if actual.ref != head:
        raise OutOfStep(
            "the embedded chain stands at block {actual.number}, the journal at block {head}",
            actual=actual,
            head=head.number,
        )
    if head.number > 0 and eth.proven_state_root(head.hash) != actual.state_root:
        raise OutOfStep("the state of the embedded chain is not the one that block {head} left", head=head.number)


def require_recorded_block(write: ChainWrite, block: BlockRef) -> None:
    """Raise ChainMismatch unless ``block`` is the one that the journal has for the write."""
    if (write.block_number, write.block_hash) != (block.number, block.hash):
        recorded = (write.block_hash or b"").hex()
        raise ChainMismatch(
            "expected block {write.block_number} to be {recorded}, as the journal has it for write "
            "{write.number}; calculated block {block.number} as {hash}",
            write=write,
            recorded=recorded,
            block=block,
            hash=block.hash.hex(),
            block_number=write.block_number,
            hint="The journal or the chain's dump was edited or replaced. Restore both from one backup.",
        )


def consistent_blocks(eth: Eth) -> list[Block]:
    """Return all blocks from genesis to head.

    Raises OutOfStep if a block does not follow from the one before, or the state is not the one that the head left.
    """
    head = eth.head()
    blocks = eth.blocks(range(head.number + 1))
    for parent, block in pairwise(blocks):
        if block.parent_hash != parent.hash:
            raise OutOfStep(
                "block {block.number} of the embedded chain does not follow from block {parent.number}",
                block=block,
                parent=parent,
            )
    require_in_step(eth, head.ref)
    return blocks


def _has_our_environment(block: Block) -> bool:
    return (block.miner, block.gas_limit, block.base_fee) == (NO_ACCOUNT, GAS_LIMIT, 0)
