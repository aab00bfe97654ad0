"""The deterministic deployment factory: one address for the same code and arguments on every chain that has it.

It stands at the same address everywhere because the transaction that makes it was signed once, by nobody's key: any
holder of that account's balance can have it mined. Sources: EIP-1014 (CREATE2); the factory's own published bytes.
"""

from __future__ import annotations

import logging
import time

from ledger.chain.errors import RpcRefused
from ledger.chain.eth import Eth
from ledger.chain.journal import Purpose
from ledger.chain.writer import ChainWriter
from ledger.core.signature import keccak256

_log = logging.getLogger(__name__)

FACTORY = "0x4e59b44847b379578588920ca78fbf26c0b4956c"
FACTORY_CODE = bytes.fromhex(
    "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe036016000816020823780358282"
    "34f58015156039578182fd5b8082525050506014600cf3"
)
MAKER = "0x3fab184622dc19b6109349b94811493bf2a45362"
MAKING = bytes.fromhex(
    "f8a58085174876e800830186a08080b853604580600e600039806000f350fe"
    + FACTORY_CODE.hex()
    + "1ba0"
    + "22" * 32
    + "a0"
    + "22" * 32
)
MAKING_COST = 10**16  # wei: 100,000 gas at 100 gwei
POLL_SECONDS = 0.2


def create2_address(salt: bytes, initcode: bytes) -> str:
    """Where the factory creates the contract. Requires ``len(salt) == 32``."""
    return "0x" + keccak256(b"\xff" + bytes.fromhex(FACTORY[2:]) + salt + keccak256(initcode))[12:].hex()


def has_factory(eth: Eth) -> bool:
    """Whether the factory stands at its address, with its own code."""
    return eth.code(FACTORY, "latest") == FACTORY_CODE


def ensure_factory(writer: ChainWriter, *, timeout_seconds: float) -> bool:
    """Whether the chain has the factory now: it may take 0.01 coins of the writer's to have it made.

    A chain stays without where the writer has no coins, or where transactions must name their chain or cost more.
    """
    eth = writer.chain.eth
    if has_factory(eth):
        return True
    missing = MAKING_COST - eth.balance(MAKER, "latest")
    if missing > 0:
        if eth.balance(writer.account, "latest") < 2 * missing:
            return False
        gift = writer.submit(Purpose.FACTORY, MAKER, b"", value=missing)
        writer.settle(gift, timeout_seconds=timeout_seconds)
    try:
        eth.send(MAKING)
    except RpcRefused as error:
        _log.info("the chain takes no deployment factory: %s", error)
        return False
    return _appears(eth, timeout_seconds)


def _appears(eth: Eth, timeout_seconds: float) -> bool:
    deadline = time.monotonic() + timeout_seconds
    while not has_factory(eth):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True
