"""Timelines, spans and histories: what happened, who held what, and whether it was in time."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.core.events import Authority, record
from ledger.core.events.case import CaseSplit
from ledger.core.events.item import ItemMerged, ItemMoved, ItemSplit
from ledger.core.events.record import Correction
from tests.api.service import Served
from tests.testkit.builders import POLICE, PROCURATORATE, START, clerk, instant
from tests.testkit.casework import Case, detained, got, holding, part, person_id, pieces

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
    shared.ledger.clock.forward(200 * HOUR)
    return shared


def steps(served: Served, **query: Any) -> list[dict[str, Any]]:
    answer = served.get("/api/v1/cases/case-1/timeline", clerk(POLICE), **query)
    assert answer.status_code == 200, answer.text
    events: list[dict[str, Any]] = answer.json()["events"]
    return events


def noted(step: dict[str, Any], kind: str) -> list[str]:
    return [note["text"] for note in step["notes"] if note["kind"] == kind]


def test_what_is_only_noted_is_told_once_a_case(served: Served) -> None:
    """Where many acts are recorded late, the first says so, and of how many more; each has its flag all the same."""
    case = Case().open().register("phone", "coins")
    served.record(case)
    served.ledger.clock.forward(72 * HOUR)
    for item_id in ("knife", "coat", "hat"):
        case.register(item_id, signed_at=served.ledger.clock.seconds)
    served.record(case)
    listed = steps(served)
    assert [[flag["name"] for flag in step["flags"]].count("late_entry") for step in listed] == [0, 0, 0, 1, 1, 1]
    levels = [[note["level"] for note in step["notes"] if note["kind"] in ("flag", "noted")] for step in listed]
    assert levels == [[], [], [], ["noted"], [], []]
    assert noted(listed[3], "noted")[0].endswith("2 more events of this case likewise.")


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


def test_the_history_of_a_part_and_of_a_whole_begins_with_what_became_it(served: Served) -> None:
    """Registration and moves of the whole, not what comes after it was split; held then as what it was then."""
    case = Case(step=60).open().register("notes", kind="property", quantity=10, fungible=True)
    before = case.now
    case.say(ItemMoved, item_id="notes").say(ItemSplit, item_id="notes", parts=(part("a", 4), part("b", 6)))
    case.say(ItemMoved, item_id="b")
    case.say(ItemMerged, item_ids=("a", "b"), whole=part("all", 10))
    served.record(case)
    own = ["item.registered", "item.moved", "item.split", "item.merged"]
    for item_id, before_it, types in (("a", ["notes"], own), ("all", ["a", "b", "notes"], [*own[:3], *own[1::2]])):
        answer = served.get(f"/api/v1/items/{item_id}/history", clerk(POLICE), on=instant(before)).json()
        assert [step["event_type"] for step in answer["steps"]] == types
        assert answer["came_from_items"] == before_it
        assert {span["subject_id"] for span in answer["spans"]} == {item_id, *before_it}
        assert "split" not in [span["standing"]["status"] for span in answer["spans"] if span["subject_id"] != item_id]
        (held,) = answer["answer"]["holdings"]
        assert (held["subject_id"], held["holder"]) == ("notes", POLICE)
        assert answer["answer"]["sentence"].startswith("As the notes (notes): police-east held it and answered for it")


def answered(served: Served, subject: str, on: str) -> dict[str, Any]:
    """Return who had custody of an item or person of the case then."""
    answer = served.get(f"/api/v1/{subject}/history", clerk(PROCURATORATE), on=on)
    assert answer.status_code == 200, answer.text
    answered: dict[str, Any] = answer.json()["answer"]
    return answered


def test_who_held_an_item_at_a_moment_is_answered_with_the_act_and_its_ground(late_delivery: Served) -> None:
    """From the receipt on, not from the act that was signed an hour later; a moment before, it was the sender."""
    (sender,) = answered(late_delivery, "items/phone", instant(START + 99 * HOUR))["holdings"]
    assert (sender["holder"], sender["responsible"], sender["act"]["event_type"]) == (POLICE, POLICE, "item.registered")
    assert sender["until"] == instant(START + 102 * HOUR)
    received = answered(late_delivery, "items/phone", instant(START + 102 * HOUR))
    (holding_,) = received["holdings"]
    assert (holding_["holder"], holding_["since"], holding_["until"]) == (
        PROCURATORATE,
        instant(START + 102 * HOUR),
        None,
    )
    assert holding_["act"]["event_type"] == "handover.accepted"
    assert [standing["condition"] for standing in holding_["standings"]] == ["screen broken"]
    assert received["sentence"].startswith("procuratorate-east held it and answered for it, since 2026-03-06 15:00.")


def test_a_day_has_all_who_held_it_and_where_the_chain_was_open(late_delivery: Served) -> None:
    """Of the day of the delivery in the zone of the ledger: both, in their order, and the gap between them. Nobody
    before."""
    answer = answered(late_delivery, "items/coins", "2026-03-06")
    assert [held["holder"] for held in answer["holdings"]] == [POLICE, PROCURATORATE]
    (gap,) = answer["open"]
    assert (gap["since"], gap["until"]) == (instant(START + 100 * HOUR), instant(START + 102 * HOUR))
    assert gap["text"] in answer["sentence"]
    assert answered(late_delivery, "items/coins", "2026-03-08")["open"] == []
    answer = answered(late_delivery, "items/coins", "2026-02-01")
    assert (answer["holdings"], answer["sentence"]) == ([], "By this record nobody held it then.")


def test_who_kept_a_person_is_answered_alike(late_delivery: Served) -> None:
    """In custody for the police from the measure on; the case passed on, and who answers for the person with it."""
    before, after = (
        answered(late_delivery, f"cases/case-1/persons/{LI}", instant(START + hours * HOUR)) for hours in (99, 104)
    )
    assert [(held["responsible"], held["kept_for"]) for held in before["holdings"]] == [(POLICE, POLICE)]
    assert [held["responsible"] for held in after["holdings"]] == [PROCURATORATE]
    assert "police-east answered for the person, kept in custody for police-east" in before["sentence"]


def test_what_a_handover_rests_on_is_that_of_its_offer_and_of_its_receipt(served: Served) -> None:
    """The number of the offer's list and the receiver's authority, each with the event that states it."""
    case = (
        holding("phone")
        .offer("phone", to=PROCURATORATE, number="List 7")
        .accept(
            authority=Authority("receipt", "R-8"),
            occurred_at=instant(START + 90 * HOUR),
            received_at=instant(START + HOUR),
        )
    )
    served.record(case)
    served.ledger.clock.forward(200 * HOUR)
    (_, held) = answered(served, "items/phone", "2026-03-02")["holdings"]
    offered, accepted = (event.envelope.event_id for event in case.events[-2:])
    assert [(ground["kind"], ground["text"], ground["event_id"]) for ground in held["grounds"]] == [
        ("paper", "List 7", offered),
        ("authority", "receipt, R-8", accepted),
    ]


@pytest.mark.parametrize("on", ["2026-02-30", "yesterday", "2026-03-02T10:00:00", "0001-01-01", "2026-03-02T25:00:00Z"])
def test_a_time_that_is_none_is_refused_by_its_field(late_delivery: Served, on: str) -> None:
    """With an example of what is meant, for items and persons."""
    for subject in ("items/coins", f"cases/case-1/persons/{LI}"):
        answer = late_delivery.get(f"/api/v1/{subject}/history", clerk(POLICE), on=on)
        assert (answer.status_code, answer.json()["field"]) == (400, "on")


def test_nobody_says_who_will_have_custody(late_delivery: Served) -> None:
    """A day that has not begun is refused, and one before all record."""
    for on, code in (("2199-01-01", "in_future"), ("1900-01-01", "out_of_range")):
        answer = late_delivery.get("/api/v1/items/coins/history", clerk(POLICE), on=on)
        assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (422, code, "on")
