"""Fixtures of the tests of models, leads and recommendations in a ledger."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.testkit.builders import (
    COURT,
    FAR_POLICE,
    NEIGHBOUR,
    POLICE,
    PROCURATORATE,
    UPPER,
    analyst,
    auditor,
    clerk,
    supervisor,
)
from tests.testkit.ledgers import Ledger, open_ledger

OFFICERS = (
    *(clerk(agency) for agency in (POLICE, COURT, PROCURATORATE, NEIGHBOUR, FAR_POLICE)),
    *(supervisor(agency) for agency in (PROCURATORATE, UPPER, NEIGHBOUR)),
    *(analyst(agency) for agency in (PROCURATORATE, COURT, UPPER)),
    auditor(UPPER),
)


@pytest.fixture
def ledger(each_database_url: str) -> Iterator[Ledger]:
    """Open a founded ledger on SQLite and on PostgreSQL."""
    with open_ledger(each_database_url) as opened:
        yield opened.found(*OFFICERS)
