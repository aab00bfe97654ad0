"""Nodes of the chain tests: real Anvils, each on a free port and gone with its test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.chain.builders import EmbeddedBench
from tests.unit.chain.external import ExternalNode, running_anvil
from tests.unit.chain.memory_journal import MemoryJournal
from tests.unit.chain.world import World, found


@pytest.fixture
def journal() -> MemoryJournal:
    return MemoryJournal()


@pytest.fixture
def bench(anvil_binary: Path, tmp_path: Path) -> Iterator[EmbeddedBench]:
    """Embedded nodes; none runs yet."""
    embedded = EmbeddedBench(anvil_binary, tmp_path / "chain")
    yield embedded
    for node in embedded.started:
        node.stop()


@pytest.fixture
def world(bench: EmbeddedBench) -> World:
    """A founded ledger on an embedded chain."""
    return found(bench.start(), bench.journal)


@pytest.fixture
def anvil() -> Iterator[ExternalNode]:
    """A fresh Anvil of somebody else's that mines each transaction at once."""
    with running_anvil() as node:
        yield node
