"""A short run of ``resources``."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import pytest
from httpx import Response

from api.services.documents import MAX_CERTIFIED
from tests.campaigns.faults.resources import ATTACKS, Stand, attacked, idle_worker, stand_with

MEGABYTES = 256
CPU_S = 5.0
PATIENCE_S = 60  # a machine that runs other tests takes several seconds for one of computing


@pytest.fixture(scope="module")
def stand() -> Iterator[Stand]:
    """Return a service with a case that is longer than a certificate may be."""
    with stand_with(MAX_CERTIFIED + 1, random.Random(7)) as service:
        yield service


@pytest.fixture(scope="module")
def idle_kb(stand: Stand) -> int:
    return idle_worker(stand.workers)


@pytest.mark.extended
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_nobody_is_made_to_pay_for_a_small_request(
    stand: Stand, idle_kb: int, attack: Callable[[Stand], Response]
) -> None:
    """No more than 256 MB beyond what is there, five seconds of computing, and an answer that is no defect."""
    outcome = attacked(stand, attack, idle_kb)
    assert outcome.faults(PATIENCE_S, MEGABYTES) == []
    assert outcome.cpu <= CPU_S
