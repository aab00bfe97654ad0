"""The shipped models over a small history: all that was planted is found, every lead has a reason."""

from __future__ import annotations

from functools import cache

import pytest

from ledger.supervision.models.model_file import shipped_models
from scripts.histories.history import GeneratedHistory, generate
from scripts.histories.measure import ASKED, ModelResult, measure
from scripts.histories.plants import PLANTS
from scripts.histories.reference import UnusualLimits, broken
from tests.campaigns.histories.small import history

# Fewer handovers than a model counts by default: a small history has few in a quarter.
FEW = UnusualLimits(handovers=6)


@cache
def measured() -> dict[str, ModelResult]:
    return {one.model_id: one for one in measure(history(), FEW)}


@pytest.mark.parametrize("model_id", shipped_models())
def test_finds_all_that_was_planted(model_id: str) -> None:
    """Recall is 1."""
    assert measured()[model_id].missed == ()


@pytest.mark.parametrize("model_id", shipped_models())
def test_every_lead_has_a_reason(model_id: str) -> None:
    """What was found beyond the planted is broken as well, as the reference sees it."""
    assert measured()[model_id].false == ()


def test_every_part_is_asked_by_a_model() -> None:
    """Each shipped model has its parts, and each plant has a model that is to find it."""
    assert ASKED.keys() == shipped_models().keys()
    parts = {part for parts in ASKED.values() for part in parts}
    assert {f"{plant.rule}/{plant.part}" for plant in PLANTS} <= parts


def test_nothing_is_found_in_plain_lives() -> None:
    """Lives that keep to the law, however close they come to its limits, break nothing and raise no lead."""
    plain: GeneratedHistory = generate(11, 120, rate=0)
    assert broken(plain) == ()
    assert [one.model_id for one in measure(plain, UnusualLimits()) if one.expected or one.further] == []
