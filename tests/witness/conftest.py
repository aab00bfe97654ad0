"""A chain for the session's witness tests, and a witness for each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.linked import linked_ledger
from tests.witness.stand import CLERK, Stand, standing


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Stand]:
    """A witness of a log that has mirrored its chain."""
    with linked_ledger(tmp_path) as linked, standing(linked, tmp_path, CLERK) as made:
        yield made
