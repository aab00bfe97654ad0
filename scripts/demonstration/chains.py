"""The chain of the demonstration: the service's embedded Anvil, or Hardhat's node beside it."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parents[2]
HARDHAT = ROOT / "node_modules" / "hardhat" / "internal" / "cli" / "bootstrap.js"
HARDHAT_CHAIN_ID = 31338
STARTS_WITHIN = 60  # seconds
PURSE = hex(10**24)  # wei
CONFIGURATION = """module.exports = {{
  solidity: "0.8.28",
  networks: {{ hardhat: {{ chainId: {chain_id}, hardfork: "cancun" }} }},
}};
"""


@dataclass(frozen=True)
class Chain:
    """What the service is told of it; ``url`` is None for the embedded one."""

    name: str
    settings: dict[str, str] = field(default_factory=dict)
    url: str | None = None

    def fund(self, accounts: Sequence[str]) -> None:
        """Gives accounts what they need for gas; the embedded chain takes none."""
        for account in accounts if self.url else ():
            call(self.url or "", "hardhat_setBalance", account, PURSE)


@contextmanager
def running(name: str, directory: Path) -> Iterator[Chain]:
    """The chain, for as long as the block lasts."""
    if name == "anvil":
        yield Chain("the embedded Anvil")
        return
    port = free_port()
    process = start_hardhat(directory / "hardhat", port)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(url, process)
        settings = {
            "TALLYSTICK_CHAIN": url,
            "TALLYSTICK_CHAIN_ID": str(HARDHAT_CHAIN_ID),
            "TALLYSTICK_FINALITY": "0",
        }
        yield Chain("Hardhat's node", settings, url)
    finally:
        process.terminate()
        process.wait()


def start_hardhat(directory: Path, port: int) -> subprocess.Popen[bytes]:
    """Hardhat's node in a project of its own, on loopback."""
    directory.mkdir()
    (directory / "hardhat.config.js").write_text(CONFIGURATION.format(chain_id=HARDHAT_CHAIN_ID))
    (directory / "package.json").write_text("{}")
    (directory / "node_modules").symlink_to(ROOT / "node_modules")
    command = ["node", str(HARDHAT), "node", "--hostname", "127.0.0.1", "--port", str(port)]
    environment = os.environ | {"HARDHAT_DISABLE_TELEMETRY_PROMPT": "true"}
    log = (directory / "node.log").open("wb")
    return subprocess.Popen(command, cwd=directory, env=environment, stdout=log, stderr=log)


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    """Returns once the node answers."""
    deadline = time.monotonic() + STARTS_WITHIN
    while True:
        try:
            call(url, "eth_chainId")
        except httpx.HTTPError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("Hardhat's node did not start") from error
            time.sleep(0.3)
        else:
            return


def call(url: str, method: str, *parameters: str) -> None:
    """One JSON-RPC request whose result does not matter."""
    request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(parameters)}
    httpx.post(url, json=request, timeout=10).raise_for_status()


def free_port() -> int:
    """A loopback port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port
