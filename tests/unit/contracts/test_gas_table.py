"""The gas table in the documentation is what the contracts cost."""

from __future__ import annotations

import pytest

from tests.testkit.machine import REPOSITORY
from tests.unit.contracts.gas_table import table


@pytest.mark.extended
def test_gas_table_is_that_of_the_contracts() -> None:
    """docs/gas.md says what a fresh node charges; after a change, make it again by the command that it names."""
    assert (REPOSITORY / "docs" / "gas.md").read_text("utf-8") == table()
