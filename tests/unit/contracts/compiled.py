"""Contracts that only the tests deploy, compiled by the project's own script."""

from __future__ import annotations

import importlib.util
from functools import cache
from types import ModuleType
from typing import Any

from web3 import Web3
from web3.contract import Contract

from tests.testkit.machine import REPOSITORY
from tests.unit.contracts.ledger import STRANGER, contract_at


def compile_script() -> ModuleType:
    """The module scripts/compile_contracts.py."""
    path = REPOSITORY / "scripts" / "compile_contracts.py"
    spec = importlib.util.spec_from_file_location("compile_contracts", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def _harness() -> dict[str, Any]:
    script = compile_script()
    folder = script.CONTRACTS
    compiled = script.compile_sources([folder / "src" / "RFC6962.sol", folder / "test" / "RFC6962Harness.sol"])
    return dict(compiled["test/RFC6962Harness.sol"]["RFC6962Harness"])


def deploy_harness(web3: Web3) -> Contract:
    """contracts/test/RFC6962Harness.sol, deployed."""
    compiled = _harness()
    factory = web3.eth.contract(abi=compiled["abi"], bytecode=compiled["evm"]["bytecode"]["object"])
    receipt = web3.eth.wait_for_transaction_receipt(
        factory.constructor().transact({"from": STRANGER.address, "gasPrice": 0}), poll_latency=0.001
    )
    return contract_at(web3, receipt["contractAddress"], compiled["abi"])
