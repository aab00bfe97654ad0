"""The town that most stories happen in; a story that ruins its ledger founds or copies one of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.stories.guarded import GuardedTown
from tests.e2e.stories.town import Town


@pytest.fixture(scope="session")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """Yield the samples' town: everybody's key is granted, the service runs on its embedded chain."""
    with Town.founded(tmp_path_factory.mktemp("town"), supervision_interval_s=5) as founded:
        yield founded


@pytest.fixture
def guarded_town(tmp_path: Path) -> Iterator[GuardedTown]:
    """Yield a town of a test's own, whose anchors need two of three witnesses."""
    with GuardedTown.founded(tmp_path / "guarded") as founded:
        founded.anchored()
        yield founded
