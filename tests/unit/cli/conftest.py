"""Fixtures of the command line's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.testkit.tally import Tally
from tests.unit.cli.world import World, running_world


@pytest.fixture
def tally(tmp_path: Path) -> Tally:
    """Give the command, with nothing configured."""
    return Tally(tmp_path)


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Run a service, with two agencies and their people."""
    with running_world(tmp_path_factory.mktemp("world")) as world:
        yield world
