"""Chains and witnesses: a chain for all tests of a module that only read it, one for each test that changes it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.testkit.ledger_with_chain import Linked, linked_ledger
from tests.unit.witness.stand import CLERK, OTHER_CLERK, Stand, standing


@contextmanager
def granted(folder: Path) -> Iterator[Linked]:
    """Open a ledger beside its chain, with the keys of two officers."""
    with linked_ledger(folder) as linked:
        for officer in (CLERK, OTHER_CLERK):
            linked.grant(officer)
        yield linked


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Linked]:
    """Contracts that two officers' keys are granted in."""
    with granted(tmp_path_factory.mktemp("chain")) as linked:
        yield linked


@pytest.fixture
def stand(chain: Linked, tmp_path: Path) -> Iterator[Stand]:
    """A witness of a log that has mirrored its chain, which the test does not change."""
    with standing(chain, tmp_path) as bench:
        yield bench


@pytest.fixture
def chained(tmp_path: Path) -> Iterator[Stand]:
    """A witness with a chain of its own."""
    with granted(tmp_path) as linked, standing(linked, tmp_path) as bench:
        yield bench
