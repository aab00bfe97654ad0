"""Story 2, the short delivery: eighteen of twenty are accepted, and the case stays open until both sides agree."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.core.events import handover
from ledger.samples.stories import SHORT_DELIVERY
from tests.e2e.stories.town import Town, TownCase
from tests.testkit.service import Refused

SEALED, COUNTED = (f"{SHORT_DELIVERY.case_id}-exhibit-{number}" for number in (5, 12))


def refusal_to_close(case: TownCase) -> Refused:
    """Return what the service says to the procuratorate, which would close the case."""
    with pytest.raises(Refused) as refusal:
        case.close("prosecutor")
    return refusal.value


def test_eighteen_of_twenty_are_accepted_and_two_discrepancies_hold_the_case_open(town: Town) -> None:
    """The police still hold the two; closing is refused by its rule until both sides signed both resolutions."""
    points = town.story(SHORT_DELIVERY, "2025-03-03")
    _, case = next(points)
    shown = case.seen_by("prosecutor")
    holders = {item["item_id"]: item["holder"] for item in shown["items"]}
    assert {item for item, holder in holders.items() if holder == "psb-east"} == {SEALED, COUNTED}
    accepted = holders.keys() - {SEALED, COUNTED}
    assert {item for item, holder in holders.items() if holder == "procuratorate-east"} == accepted
    assert len(holders) == 20
    assert [(h["status"], len(h["accepted_items"])) for h in shown["handovers"]] == [("partially_accepted", 18)]
    assert {(d["item_id"], d["expected"], d["found"]) for d in shown["discrepancies"]} == {
        (SEALED, "seal FY-02-05", "seal broken"),
        (COUNTED, "10 piece", "9 piece"),
    }
    refusal = refusal_to_close(case)
    assert (refusal.status, refusal.code) == (422, "open_discrepancy")

    next(points)
    assert COUNTED in refusal_to_close(case).problem["detail"]
    resolution: dict[str, Any] = {"discrepancy_id": f"handover-1/{COUNTED}", "resolution": "nine were sent"}
    case.say(handover.DiscrepancyResolved, "prosecutor", **resolution)
    assert refusal_to_close(case).code == "open_discrepancy"
    signed_by_the_police = case.events[-2].event.body
    case.act(signed_by_the_police, "prosecutor")
    case.close("prosecutor")
    assert case.seen_by("police")["closed"]
