"""Nodes that are not ours: the ledger reaches them by their URL alone."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ledger.chain.errors import ChainUnavailable
from ledger.chain.eth import Eth
from ledger.chain.rpc import JsonRpc
from tests.testkit.machine import NODE_MODULES, REPOSITORY, free_port, native_binary, wait_until

COIN = 10**18  # wei


@dataclass(frozen=True)
class ExternalNode:
    url: str
    client: str  # "anvil" or "hardhat", the prefix of its own methods
    process: subprocess.Popen[bytes]

    @property
    def eth(self) -> Eth:
        return Eth(JsonRpc(self.url))

    def fund(self, account: str, coins: int = 1000) -> None:
        self.eth.rpc.call(f"{self.client}_setBalance", account, hex(coins * COIN))

    def answers(self) -> bool:
        """Whether it does, or has ended."""
        try:
            self.eth.head()
        except ChainUnavailable:
            return self.process.poll() is not None
        return True

    def stop(self) -> None:
        """From now on nobody answers."""
        self.process.kill()
        self.process.wait()

    def mine(self, blocks: int = 1) -> None:
        self.eth.rpc.call(f"{self.client}_mine", hex(blocks))

    def wait_for_blocks(self) -> None:
        """Return once no transaction waits: a node that mines each at once does so after it has answered."""
        wait_until(lambda: self.eth.rpc.call("txpool_status") == {"pending": "0x0", "queued": "0x0"})

    def automine(self, *, on: bool) -> None:
        self.eth.rpc.call("evm_setAutomine", on)

    def reorganise(self, depth: int) -> None:
        """The last blocks are replaced by as many empty ones; their transactions are forgotten."""
        self.eth.rpc.call("anvil_reorg", depth, [])


@contextmanager
def running_anvil(*flags: str, hardfork: str = "cancun") -> Iterator[ExternalNode]:
    port = free_port()
    command = [str(native_binary("anvil")), "--quiet", "--accounts", "0", "--hardfork", hardfork, "--port", str(port)]
    with _running([*command, *flags], f"http://127.0.0.1:{port}", "anvil") as node:
        yield node


@contextmanager
def running_hardhat(directory: Path) -> Iterator[ExternalNode]:
    """Hardhat runs from the folder that it is installed in, with a configuration of the test's own."""
    port = free_port()
    configuration = directory / "hardhat.config.js"
    configuration.write_text('module.exports = { solidity: "0.8.28" };\n')
    node = shutil.which("node")
    assert node is not None, "Hardhat takes Node.js: apt-get install nodejs"
    program = NODE_MODULES / "hardhat" / "internal" / "cli" / "cli.js"
    command = [node, str(program), "--config", str(configuration), "node"]
    with _running(
        [*command, "--hostname", "127.0.0.1", "--port", str(port)], f"http://127.0.0.1:{port}", "hardhat"
    ) as external:
        yield external


@contextmanager
def _running(command: Sequence[str], url: str, client: str) -> Iterator[ExternalNode]:
    process = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        node = ExternalNode(url, client, process)
        wait_until(node.answers)
        assert process.poll() is None, f"{client} did not start"
        yield node
    finally:
        process.kill()
        process.wait()
