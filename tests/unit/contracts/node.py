"""A real Anvil for the contract tests, under the oldest rules that the contracts are compiled for."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from web3 import HTTPProvider, Web3

from tests.testkit.machine import free_port, native_binary

CHAIN_ID = 31337
START_DEADLINE = 30  # seconds


@contextmanager
def running_node() -> Iterator[Web3]:
    """A fresh chain that mines each transaction at once, takes any sender, and charges nothing."""
    port = free_port()
    command = [
        *(str(native_binary("anvil")), "--silent", "--port", str(port), "--chain-id", str(CHAIN_ID)),
        *("--hardfork", "london", "--gas-price", "0", "--block-base-fee-per-gas", "0", "--auto-impersonate"),
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        web3 = Web3(HTTPProvider(f"http://127.0.0.1:{port}"))
        _wait_until_ready(web3, process)
        yield web3
    finally:
        process.terminate()
        process.wait()


def _wait_until_ready(web3: Web3, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_DEADLINE
    while not web3.is_connected():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError("Anvil did not start")
        time.sleep(0.02)
