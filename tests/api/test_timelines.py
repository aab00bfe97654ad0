"""Timelines, spans and histories: what happened, who held what, and whether it was in time."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.core.events import record
from ledger.core.events.case import CaseSplit
from ledger.core.events.record import Correction
from tests.api.service import Served
from tests.testkit.builders import POLICE, PROCURATORATE, START, clerk, instant
from tests.testkit.casework import Case, detained, got, holding, person_id, pieces

HOUR = 3600
LI = person_id("li")


@pytest.fixture(scope="module")
def late_delivery(shared: Served) -> Served:
    """Li, detained, and two items pass late, with a count that differs."""
    case = detained("li").register("phone", condition="whole").register("coins", quantity=10)
    registered = case.last.ref
    late = instant(START + 99 * HOUR)
    case.offer(to=PROCURATORATE, purpose="arrest_approval", persons=("li",), occurred_at=late)
    case.accept(received_at=late, occurred_at=late)
    case.offer("phone", "coins", to=PROCURATORATE, persons=("li",), occurred_at=instant(START + 100 * HOUR))
    case.accept(
        received_at=instant(START + 102 * HOUR),
        occurred_at=instant(START + 103 * HOUR),
        received=(got("coins", "mismatch", quantity=pieces(9)), got("phone", condition="screen broken")),
    )
    case.say(
        record.RecordCorrected,
        clerk(POLICE),
        corrects=registered,
        corrections=(Correction(field="exhibit_number", recorded="-", correct="E-4"),),
        ground="left out",
        occurred_at=instant(START + 104 * HOUR),
    )
    shared.record(case)
    return shared


def steps(served: Served, **query: Any) -> list[dict[str, Any]]:
    answer = served.get("/api/v1/cases/case-1/timeline", clerk(POLICE), **query)
    assert answer.status_code == 200, answer.text
    events: list[dict[str, Any]] = answer.json()["events"]
    return events


def noted(step: dict[str, Any], kind: str) -> list[str]:
    return [note["text"] for note in step["notes"] if note["kind"] == kind]


def test_an_event_is_told_with_all_that_is_known_of_it(late_delivery: Served) -> None:
    """Sentence, break, discrepancy, who holds and answers from then on; without a chain nothing is proven."""
    accepted = [step for step in steps(late_delivery) if step["event_type"] == "handover.accepted"][-1]
    assert accepted["sentence"].startswith(
        "procuratorate-east accepts from police-east for prosecution review: the phone"
    )
    (gap,) = accepted["breaks"]
    begin, end = (instant(START + hours * HOUR) for hours in (100, 102))
    assert (gap["kind"], gap["since"], gap["until"]) == ("gap", begin, end)
    assert set(gap["item_ids"]) == {"phone", "coins"}
    (differing,) = accepted["discrepancies"]
    assert (differing["item_id"], differing["is_resolved"]) == ("coins", False)
    assert accepted["person_ids"] == [LI]
    assert (accepted["state"], accepted["proven_at"]) == ("unanchored", None)
    assert noted(accepted, "answers") == ["From here on procuratorate-east answers for the case."]
    assert noted(accepted, "holds")
    assert noted(accepted, "differs")
    assert noted(accepted, "break")[0].startswith("Break, 2026-03-06 13:00 to 2026-03-06 15:00: released")


def test_the_event_that_ends_a_deadline_says_whether_it_was_met(late_delivery: Served) -> None:
    """The request for arrest was due after three days and came after four: missed, at the event that ended it."""
    deadlines = [deadline for step in steps(late_delivery) for deadline in step["deadlines"]]
    ended = [deadline for deadline in deadlines if deadline["clock"] == "arrest_request"]
    assert [(deadline["subject"], deadline["status"]) for deadline in ended] == [(LI, "missed")]
    assert ended[0]["due_at"] < ended[0]["stopped_at"]
    assert any(noted(step, "missed") for step in steps(late_delivery))


def test_the_history_of_an_item_is_what_concerns_it(late_delivery: Served) -> None:
    """Registration, offer, acceptance, and the correction of its registration; not the other item's."""
    answer = late_delivery.get("/api/v1/items/coins/history", clerk(PROCURATORATE)).json()
    types = ["item.registered", "handover.offered", "handover.accepted", "record.corrected"]
    assert [step["event_type"] for step in answer["steps"]] == types
    assert [span["standing"]["quantity"]["value"] for span in answer["spans"]] == ["10", "9"]
    of_phone = late_delivery.get("/api/v1/items/phone/history", clerk(PROCURATORATE)).json()
    assert "record.corrected" not in [step["event_type"] for step in of_phone["steps"]]
    assert answer["came_from"] == []


def test_what_came_by_a_split_says_where_its_past_stands(served: Served) -> None:
    """The new case names the one that gave the item up."""
    giving = holding("phone").say(CaseSplit, new_case_id="case-2", ground="another crime", item_ids=("phone",))
    taking = Case("case-2", start=giving.now).open(split_from=giving.last.ref, source=giving.state)
    served.record(giving)
    served.record(taking)
    answer = served.get("/api/v1/items/phone/history", clerk(POLICE)).json()
    assert (answer["case_id"], answer["came_from"]) == (taking.stream.id, [giving.stream.id])
