"""Story 2, the short delivery: eighteen of twenty are accepted, and the case stays open until both sides agree."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.core.events import handover
from tests.e2e.stories.service import Refused
from tests.e2e.stories.town import Town, TownCase
from tests.testkit.builders import POLICE, PROCURATORATE, clerk
from tests.testkit.casework import pieces

EXHIBITS = tuple(f"exhibit-{number}" for number in range(1, 21))
SEALED, COUNTED = EXHIBITS[4], EXHIBITS[11]
UNUSUAL: dict[str, dict[str, Any]] = {SEALED: {"seal_number": "S-0815"}, COUNTED: {"quantity": 10}}


def deliver(town: Town) -> TownCase:
    """Twenty exhibits are offered; one arrives with a broken seal, of another there are nine instead of ten."""
    case = town.case("short-delivery").open()
    for exhibit in EXHIBITS:
        case.register(own(case, exhibit), **UNUSUAL.get(exhibit, {}))
    case.offer(*(own(case, exhibit) for exhibit in EXHIBITS), to=PROCURATORATE)
    broken = handover.NotAcceptedItem(
        item_id=own(case, SEALED), reason_code="seal_broken", seal_state="broken", explanation="torn on one side"
    )
    nine = handover.NotAcceptedItem(item_id=own(case, COUNTED), reason_code="items_differ", quantity=pieces(9))
    return case.accept(not_accepted=(broken, nine))


def own(case: TownCase, exhibit: str) -> str:
    """An item id that no other case of the town has."""
    return f"{case.stream.id}-{exhibit}"


def refusal_to_close(case: TownCase) -> Refused:
    """What the service says to the procuratorate, which would close the case."""
    with pytest.raises(Refused) as refusal:
        case.close(by=clerk(PROCURATORATE))
    return refusal.value


def resolve(case: TownCase, exhibit: str, agency: str, resolution: str) -> None:
    discrepancy = f"handover-1/{own(case, exhibit)}"
    case.say(handover.DiscrepancyResolved, clerk(agency), discrepancy_id=discrepancy, resolution=resolution)


def test_eighteen_of_twenty_are_accepted_and_two_discrepancies_hold_the_case_open(town: Town) -> None:
    """The police still hold the two; closing is refused by its rule until both sides signed both resolutions."""
    case = deliver(town)
    shown = case.seen_by(clerk(PROCURATORATE))
    holders = {item["item_id"]: item["holder"] for item in shown["items"]}
    kept = {own(case, SEALED), own(case, COUNTED)}
    assert {item for item, holder in holders.items() if holder == POLICE} == kept
    assert {item for item, holder in holders.items() if holder == PROCURATORATE} == holders.keys() - kept
    assert len(holders) == 20
    assert [(h["status"], len(h["accepted_items"])) for h in shown["handovers"]] == [("partially_accepted", 18)]
    assert {(d["item_id"], d["expected"], d["found"]) for d in shown["discrepancies"]} == {
        (own(case, SEALED), "seal S-0815", "seal broken"),
        (own(case, COUNTED), "10 piece", "9 piece"),
    }

    refusal = refusal_to_close(case)
    assert (refusal.status, refusal.code) == (422, "open_discrepancy")
    resolve(case, SEALED, POLICE, "the seal tore on the way; photographs compared, the thing is the same")
    resolve(case, SEALED, PROCURATORATE, "the seal tore on the way; photographs compared, the thing is the same")
    resolve(case, COUNTED, POLICE, "the tenth lies in the property room")
    assert own(case, COUNTED) in refusal_to_close(case).problem["detail"]
    resolve(case, COUNTED, PROCURATORATE, "nine were sent")
    assert refusal_to_close(case).code == "open_discrepancy"
    resolve(case, COUNTED, PROCURATORATE, "the tenth lies in the property room")

    case.close(by=clerk(PROCURATORATE))
    assert case.seen_by(clerk(POLICE))["closed"]


def test_what_was_not_accepted_can_be_offered_again(town: Town) -> None:
    """The two stay in the hands of the police, who may hand them over; the procuratorate may not."""
    case = town.case("short-again").open().register("short-again-1", "short-again-2")
    case.offer("short-again-1", "short-again-2", to=PROCURATORATE)
    missing = handover.NotAcceptedItem(item_id="short-again-2", reason_code="items_differ", explanation="not there")
    case.accept(not_accepted=(missing,))
    with pytest.raises(Refused) as refusal:
        case.offer("short-again-2", to=POLICE, purpose="return", by=clerk(PROCURATORATE))
    assert refusal.value.code == "not_held"
    case.offer("short-again-2", to=PROCURATORATE, purpose="property_transfer", by=clerk(POLICE)).accept()
    assert {item["holder"] for item in case.seen_by(clerk(POLICE))["items"]} == {PROCURATORATE}
