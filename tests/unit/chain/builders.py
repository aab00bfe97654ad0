"""Keys, writes and contracts of the chain tests."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ledger.chain.contract import ContractAbi
from ledger.chain.journal import ChainWrite, Journal, Purpose
from ledger.chain.node import ChainIncident, EmbeddedNode
from ledger.chain.transaction import Fees, Transaction, sign
from tests.testkit.builders import key_id, secret_key, signature_of
from tests.unit.chain.memory_journal import MemoryJournal


@dataclass(frozen=True)
class Key:
    """A secp256k1 key named by a word; the same word gives the same key."""

    name: str

    @property
    def key_id(self) -> str:
        return key_id(self.name)

    def sign(self, digest: bytes) -> bytes:
        return signature_of(digest, secret_key(self.name))


FREE = Fees(0, 0)
SENDER = Key("sender")
FIRST_TIME = 1767225600  # 2026-01-01T00:00:00Z
STORING = bytes.fromhex("6001600255600a600b5500")  # initcode: slot 2 := 1, slot 11 := 10, and no code
REFUSED = bytes(50_000)  # initcode beyond what EIP-3860 lets in
REVERTING = bytes.fromhex("60006000fd")


def append_creation(journal: Journal, *, data: bytes = STORING, key: Key = SENDER, chain_id: int = 31337) -> ChainWrite:
    """The next write of the journal, appended: a contract creation by ``key``."""
    last = journal.last()
    number = last.number + 1 if last else 1
    transaction = Transaction(chain_id, journal.next_nonce(key.key_id) or 0, None, data, 200_000, FREE)
    signed = sign(transaction, key)
    write = ChainWrite(
        number=number,
        purpose=Purpose.DEPLOYMENT,
        chain_id=chain_id,
        sender=signed.sender,
        nonce=transaction.nonce,
        raw_transaction=signed.raw,
        transaction_hash=signed.hash,
        timestamp=FIRST_TIME + number,
    )
    journal.append(write)
    return write


def alive(pid: int) -> bool:
    """Whether the process is there and no zombie."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


class EmbeddedBench:
    """Embedded nodes on one journal and in one folder, one after the other; ``node`` is the last."""

    node: EmbeddedNode

    def __init__(self, binary: Path, folder: Path):
        self.folder = folder
        self.journal = MemoryJournal()
        self.incidents: list[ChainIncident] = []  # what the nodes have mended
        self.started: list[EmbeddedNode] = []
        self._binary = binary

    def start(self, **options: Any) -> EmbeddedNode:
        """Start a node, on another journal or in another directory if told so."""
        usual = {"binary": self._binary, "directory": self.folder, "journal": self.journal}
        self.node = EmbeddedNode(**(usual | {"on_incident": self.incidents.append} | options))
        self.started.append(self.node)
        self.node.start()
        return self.node

    def grow(self, blocks: int) -> list[bytes]:
        """So many blocks more; return the hashes of all."""
        for _ in range(blocks):
            append_creation(self.journal)
            self.node.catch_up()
        return self.hashes()

    def hashes(self) -> list[bytes]:
        return [block.hash for block in self.node.eth.blocks(range(self.node.final_block().number + 1))]

    def kill(self) -> None:
        """kill -9, and wait until the node is gone."""
        pid = self.node.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        while alive(pid) or self.node.runs():
            pass

    def kinds(self) -> list[str]:
        return [incident.kind for incident in self.incidents]


_COMPILER = b"solc\x43\x00\x08"  # in the metadata behind the code, before the last part of the version


def make_older(abi: ContractAbi) -> None:
    """From here on the contract is deployed, and known again, as of a release before."""
    abi._initcode, abi._code = _older(abi._initcode), _older(abi._code)


def _older(code: bytes) -> bytes:
    version = code.rindex(_COMPILER) + len(_COMPILER)
    return code[:version] + bytes((code[version] - 1,)) + code[version + 1 :]
