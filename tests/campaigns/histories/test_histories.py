"""Generated histories: lawful, complete, the same for a seed; the shipped models find what is planted, and no more."""

from __future__ import annotations

from functools import cache

import pytest
from msgspec.structs import replace

from ledger.core.custody import Act, CaseState, fold
from ledger.core.encoding import canonical
from ledger.core.encoding.decoding import decode_json
from ledger.supervision.models.model_file import shipped_models
from scripts.histories.history import GeneratedHistory, generate, pension_list
from scripts.histories.measure import ASKED, ModelResult, measure
from scripts.histories.plants import PLANTS
from scripts.histories.reference import UnusualLimits, broken
from scripts.histories.simulation import BOOK

CASES = 150


@cache
def history() -> GeneratedHistory:
    """Return a small history: one case for each plant among plain ones."""
    return generate(7, CASES)


def test_same_seed_same_bytes() -> None:
    """A seed gives the same events, key and outside data each time; another seed gives others."""
    once, again = generate(3, 45), generate(3, 45)
    assert once.events == again.events
    assert generate(3, 2, rate=0).events != generate(4, 2, rate=0).events
    assert once.planted == again.planted
    assert pension_list(once) == pension_list(again)


def test_every_event_is_accepted_by_the_fold() -> None:
    """Decoded from its bytes and folded in the order of the log, every event stands on its case's head."""
    states: dict[str, CaseState] = {}
    for event in history().events:
        case_id, body = event.stream.id, decode_json(canonical.encode(event.body), type(event.body))
        states[case_id], _ = fold(states.get(case_id), Act(replace(event, body=body), BOOK))
    assert len(states) == len(history().cases)
    assert all(states[simulated.case_id] == simulated.state for simulated in history().cases)


def test_key_is_complete() -> None:
    """Each part of each rule that can be planted is planted, and each of the seventeen rules has a part."""
    wanted = {(plant.rule, plant.part) for plant in PLANTS} | {(14, "discrepancies"), (14, "corrections")}
    planted = history().planted
    assert {(breach.rule, breach.part) for breach in planted} == wanted
    assert {rule for rule, _ in wanted} == set(range(1, 18))
    assert len(planted) == len(set(planted))


def test_plain_lives_keep_to_the_law() -> None:
    """With nothing planted, no flag is raised but for late entries and differences that both sides resolved."""
    plain = generate(5, 60, rate=0)
    assert plain.planted == ()
    raised = {flag.name for case in plain.cases for step in case.steps for flag in step.flags}
    assert raised <= {"late_entry", "receipt_differs", "examination_differs"}


# Fewer handovers than a model counts by default: a small history has few in a quarter.
FEW = UnusualLimits(handovers=6)


@cache
def measured() -> dict[str, ModelResult]:
    return {result.model_id: result for result in measure(history(), FEW)}


@pytest.mark.parametrize("model_id", ASKED)
def test_finds_all_that_was_planted(model_id: str) -> None:
    """Recall is 1: the model misses nothing of what was planted for it."""
    assert measured()[model_id].missed == ()


@pytest.mark.parametrize("model_id", ASKED)
def test_every_lead_has_a_reason(model_id: str) -> None:
    """What was found beyond the planted is broken as well, as the reference sees it."""
    assert measured()[model_id].false == ()


def test_every_part_is_asked_by_a_model() -> None:
    """Each shipped model has its parts, and each plant has a model that is to find it."""
    published = list(shipped_models())[-8:]  # of lists that histories do not have: test_published_models
    assert ASKED.keys() == shipped_models().keys() - set(published)
    parts = {part for parts in ASKED.values() for part in parts}
    assert {f"{plant.rule}/{plant.part}" for plant in PLANTS} <= parts


@pytest.mark.extended
def test_nothing_is_found_in_plain_lives() -> None:
    """Lives that keep to the law, however close they come to its limits, break nothing and raise no lead."""
    plain: GeneratedHistory = generate(11, 120, rate=0)
    assert broken(plain) == ()
    assert [result.model_id for result in measure(plain, UnusualLimits()) if result.expected or result.further] == []
