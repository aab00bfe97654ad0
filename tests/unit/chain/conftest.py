"""Nodes of the chain tests: real Anvils and a real Hardhat node, each on a free port and gone with its test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger.chain.node import ChainIncident, EmbeddedNode
from tests.unit.chain.external import ExternalNode, running_anvil, running_hardhat
from tests.unit.chain.memory_journal import MemoryJournal
from tests.unit.chain.world import World, embedded_world


@pytest.fixture
def journal() -> MemoryJournal:
    return MemoryJournal()


@pytest.fixture
def incidents() -> list[ChainIncident]:
    """What the embedded nodes of the test have mended."""
    return []


@pytest.fixture
def start_node(
    anvil_binary: Path, tmp_path: Path, journal: MemoryJournal, incidents: list[ChainIncident]
) -> Iterator[Callable[..., EmbeddedNode]]:
    """Starts embedded nodes on the test's journal and directory, one after the other."""
    nodes: list[EmbeddedNode] = []

    def start(**options: Any) -> EmbeddedNode:
        arguments: dict[str, Any] = {
            "binary": anvil_binary,
            "directory": tmp_path / "chain",
            "journal": journal,
            "on_incident": incidents.append,
        }
        node = EmbeddedNode(**(arguments | options))
        nodes.append(node)
        node.start()
        return node

    yield start
    for node in nodes:
        node.stop()


@pytest.fixture
def world(start_node: Callable[..., EmbeddedNode], journal: MemoryJournal) -> World:
    """A founded ledger on an embedded chain."""
    return embedded_world(start_node(), journal)


@pytest.fixture
def anvil() -> Iterator[ExternalNode]:
    """A fresh Anvil of somebody else's that mines each transaction at once."""
    with running_anvil() as node:
        yield node


@pytest.fixture(scope="session")
def hardhat(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExternalNode]:
    """One Hardhat node for the whole session."""
    with running_hardhat(tmp_path_factory.mktemp("hardhat")) as node:
        yield node
