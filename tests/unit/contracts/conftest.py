"""A node and two ledgers for the session, as they were founded for each test."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy

import pytest
from web3 import Web3
from web3.types import RPCEndpoint

from tests.unit.contracts.ledger import Ledger, founding, running_node


@pytest.fixture(scope="session")
def web3() -> Iterator[Web3]:
    with running_node() as node:
        yield node


@pytest.fixture(scope="session")
def founded(web3: Web3) -> tuple[Ledger, Ledger]:
    return Ledger(web3, founding()), Ledger(web3, founding(quorum=2), development=False)


@pytest.fixture
def ledgers(web3: Web3, founded: tuple[Ledger, Ledger]) -> Iterator[tuple[Ledger, Ledger]]:
    """Both ledgers; what the test does to them is undone."""
    snapshot = web3.provider.make_request(RPCEndpoint("evm_snapshot"), [])["result"]
    yield copy(founded[0]), copy(founded[1])
    web3.provider.make_request(RPCEndpoint("evm_revert"), [snapshot])


@pytest.fixture
def ledger(ledgers: tuple[Ledger, Ledger]) -> Ledger:
    """Four agencies with their witnesses, one submitter, quorum 0."""
    return ledgers[0]


@pytest.fixture
def witnessed(ledgers: tuple[Ledger, Ledger]) -> Ledger:
    """Four agencies with their witnesses, one submitter, quorum 2, not for development."""
    return ledgers[1]
