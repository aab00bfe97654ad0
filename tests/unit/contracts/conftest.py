"""A node for the session, a fresh ledger for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from web3 import Web3

from tests.unit.contracts.ledger import Ledger, founding, running_node


@pytest.fixture(scope="session")
def web3() -> Iterator[Web3]:
    with running_node() as node:
        yield node


@pytest.fixture
def ledger(web3: Web3) -> Ledger:
    """Four agencies with their witnesses, one submitter, quorum 0."""
    return Ledger(web3, founding())


@pytest.fixture
def witnessed(web3: Web3) -> Ledger:
    """Four agencies with their witnesses, one submitter, quorum 2, not for development."""
    return Ledger(web3, founding(quorum=2), development=False)
