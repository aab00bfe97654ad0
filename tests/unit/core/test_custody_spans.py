"""The chain of custody as it is told from the states: spans, breaks, and what each event is about."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from ledger.core.custody import Act, CaseState, fold
from ledger.core.custody.claimed_times import BREAK_KINDS, Break, breaks
from ledger.core.custody.spans import (
    Concerned,
    CustodyStanding,
    Span,
    SpanCourse,
    Subject,
    concerned,
    custody_spans,
    history_ends_of,
)
from ledger.core.events import Event, handover, item
from ledger.core.events import case as cases
from tests.testkit.builders import COURT, DETENTION, LAB, POLICE, PROCURATORATE, START, clerk, instant
from tests.testkit.casework import (
    AT,
    Case,
    dispose,
    holding,
    kept,
    lent,
    offered,
    part,
    passed,
    person_id,
    proposed,
    stays,
)
from tests.unit.core.test_custody_changes import accepted, request, serve


class Walked(NamedTuple):
    """An event with the case before and after it."""

    before: CaseState | None
    event: Event
    after: CaseState


def walked(case: Case) -> Iterator[Walked]:
    """Every event of a case that takes nothing over from another one."""
    before: CaseState | None = None
    for event in case.events:
        act = Act(event.event, case.book)
        after = fold(before, act).state
        yield Walked(before, event.event, after)
        before = after


def spans(case: Case, subject: Subject, subject_id: str) -> list[Span]:
    all_spans = custody_spans((step.event, step.after) for step in walked(case))
    return [span for span in all_spans if (span.subject, span.subject_id) == (subject, subject_id)]


def standings(case: Case, subject: Subject, subject_id: str) -> list[CustodyStanding]:
    return [span.standing for span in spans(case, subject, subject_id)]


def told(case: Case, subject: Subject, subject_id: str, *names: str) -> list[tuple[Any, ...]]:
    """What each of its spans tells under these names."""
    return [tuple(getattr(each, name) for name in names) for each in standings(case, subject, subject_id)]


def last_breaks(case: Case) -> tuple[Break, ...]:
    step = list(walked(case))[-1]
    return tuple(breaks(step.before, step.event, step.after))


def about(case: Case) -> Concerned:
    """What the last event is about."""
    step = list(walked(case))[-1]
    return concerned(step.before, step.event, step.after)


# -- spans -------------------------------------------------------------------------------------------------------------


def test_spans_leave_no_hole_and_change_where_an_event_changes_something() -> None:
    """Each begins at the event at which the one before ends; events that change nothing begin none."""
    case = passed("phone", "knife").say(
        item.ItemMoved, clerk(PROCURATORATE), item_id="phone", storage_location="room 4"
    )
    phone_spans = spans(case, "item", "phone")
    assert [span.standing.holder for span in phone_spans] == [POLICE, PROCURATORATE, PROCURATORATE]
    assert [span.standing.location for span in phone_spans] == [POLICE, PROCURATORATE, "room 4"]
    assert [span.until for span in phone_spans[:-1]] == [span.since for span in phone_spans[1:]]
    assert phone_spans[-1].until is None
    assert phone_spans[1].since.sequence == case.events[-2].envelope.sequence
    assert phone_spans[1].since.event_id == case.events[-2].envelope.event_id


def test_a_course_goes_on_where_its_copy_was_made() -> None:
    """With the same spans as of all events at once, and the course that was copied stays as it was."""
    steps = list(walked(passed("phone", "knife")))
    whole = custody_spans((step.event, step.after) for step in steps)
    course = SpanCourse()
    for number, step in enumerate(steps):
        before, later = course.spans(), course.copy()
        for following in steps[number:]:
            later.add(following.event, following.before, following.after)
        assert (later.spans(), later.events) == (whole, len(steps))
        assert (course.spans(), course.events) == (before, number)
        course.add(step.event, step.before, step.after)


def test_the_case_has_spans_of_responsibility_and_stage() -> None:
    """It passes at the acceptance, not at the offer."""
    sent, reviewed = (POLICE, "investigation"), (PROCURATORATE, "prosecution_review")
    assert told(offered("phone"), "case", "case-1", "responsible", "stage") == [sent]
    assert told(passed("phone"), "case", "case-1", "responsible", "stage") == [sent, reviewed]


def test_what_stays_keeps_its_place_while_responsibility_passes() -> None:
    """Goods may rest where they are: holder and location stay. Where a sender kept a thing says nothing of where a
    receiver does."""
    case = holding("car", storage_location="yard 3").offer(stays("car"), to=PROCURATORATE).accept()
    ways = [(POLICE, POLICE, "yard 3"), (POLICE, PROCURATORATE, "yard 3")]
    assert told(case, "item", "car", "holder", "responsible", "location") == ways
    case = lent("phone", storage_location="shelf 9")
    assert standings(case, "item", "phone")[-1].location == LAB
    assert case.state.items["phone"].storage_location is None


def test_condition_seal_and_who_borrowed_it_are_told() -> None:
    """In what condition it was, and with which officer."""
    case = holding("phone", condition="screen cracked")
    case.say(item.ItemSealed, item_id="phone", seal_number="S-1")
    case.say(item.ItemCheckedOut, item_id="phone", to_officer="expert-1")
    case.say(item.ItemCheckedIn, item_id="phone", condition="screen broken")
    assert told(case, "item", "phone", "condition", "seal_number", "checked_out_to") == [
        ("screen cracked", None, None),
        ("screen cracked", "S-1", None),
        ("screen cracked", "S-1", "expert-1"),
        ("screen broken", "S-1", None),
    ]


def test_what_is_gone_is_held_by_nobody() -> None:
    """A split thing, and one that was disposed of, end without a holder; parts begin."""
    case = holding("coins", quantity=10).say(item.ItemSplit, item_id="coins", parts=(part("a", 4), part("b", 6)))
    assert standings(case, "item", "coins")[-1] == CustodyStanding(None, status="split")
    assert standings(case, "item", "a")[0].holder == POLICE
    assert standings(dispose(proposed("drug")), "item", "drug")[-1] == CustodyStanding(None, status="disposed")


def test_a_whole_is_what_became_it_until_the_split_or_merge() -> None:
    """Also through a split of a split; what was split off beside it is another thing."""
    case = holding("coins", "other", quantity=10, kind="property", fungible=True)
    case.say(item.ItemSplit, item_id="coins", parts=(part("a", 4), part("b", 6)))
    split = case.last.event.sequence
    case.say(item.ItemSplit, item_id="b", parts=(part("c", 1), part("d", 5)))
    case.say(item.ItemMerged, item_ids=("a", "d"), whole=part("all", 9))
    events = [event.event for event in case.events]
    count = len(events)
    assert history_ends_of("all", events) == {
        "all": count,
        "a": count - 1,
        "d": count - 1,
        "b": count - 2,
        "coins": split,
    }
    assert history_ends_of("c", events) == {"c": count, "b": count - 2, "coins": split}
    assert history_ends_of("other", events) == {"other": count}


def test_a_person_is_kept_for_the_old_organ_until_the_change_is_served() -> None:
    """Responsibility passes at once; the detention house keeps the person for the police until it served the change."""
    served = serve(request(accepted()))
    assert told(served, "person", person_id("li"), "responsible", "kept_for", "holder") == [
        (POLICE, None, None),
        (POLICE, POLICE, None),
        (PROCURATORATE, POLICE, None),
        (PROCURATORATE, PROCURATORATE, DETENTION),
    ]


def test_a_detainee_is_where_the_item_of_that_person_is() -> None:
    """Whoever holds the detainee holds the person, as long as a measure locks the person up."""
    case = accepted().register("coat", by=clerk(PROCURATORATE))
    case.register("body", kind="detainee", person_id=person_id("li"), by=clerk(PROCURATORATE))
    assert standings(case, "person", person_id("li"))[-1].holder == PROCURATORATE


def test_who_left_for_another_case_has_no_span_that_lasts() -> None:
    """The persons and items of a split end here at the split."""
    left: dict[str, Any] = {"new_case_id": "case-2", "person_ids": (person_id("li"),)}
    case = holding("phone").say(cases.CaseSplit, item_ids=("phone",), **left)
    (span,) = spans(case, "person", person_id("li"))
    assert span.until is not None
    assert span.until.sequence == case.state.sequence
    assert standings(case, "item", "phone")[-1] == CustodyStanding(None, status="left")
    body = Case().open().name("li").register("body", kind="detainee", person_id=person_id("li"))
    body.say(cases.CaseSplit, **left)
    body.say(item.ItemMoved, item_id="body", storage_location="cell 2")
    assert len(spans(body, "person", person_id("li"))) == 1


# -- breaks ------------------------------------------------------------------------------------------------------------


def test_time_between_release_and_receipt_is_a_gap() -> None:
    """The sender let go at the offer, the receiver had it from the delivery on: nobody, or both, say that they had it
    between."""
    case = offered("phone", occurred_at=instant(START)).accept(received_at=instant(START + 7200))
    (gap,) = last_breaks(case)
    assert gap == Break("gap", instant(START), instant(START + 7200), ("phone",), (person_id("li"), person_id("wang")))
    case = holding("phone").offer("phone", to=PROCURATORATE, occurred_at=instant(START + 600))
    case.accept(received_at=instant(START + 60), occurred_at=instant(START + 660))
    (gap,) = last_breaks(case)
    assert (gap.kind, gap.since, gap.until) == ("overlap", instant(START + 60), instant(START + 600))


@pytest.mark.parametrize(
    ("received", "kinds"),
    [(-61, ["overlap"]), (-60, []), (60, []), (61, ["transit"]), (3600, ["transit"]), (3601, ["gap"])],
    ids=["more than a minute before", "a minute before", "a minute after", "minutes after", "an hour", "longer"],
)
def test_a_receipt_soon_after_the_release_is_no_gap(received: int, kinds: list[str]) -> None:
    """A clerk's 10:00 is any second of that minute, and what is carried is in transit: a gap is what takes longer."""
    case = offered("phone", occurred_at=instant(START + 30)).accept(received_at=instant(START + 30 + received))
    assert [gap.kind for gap in last_breaks(case)] == kinds


def test_what_does_not_travel_has_no_gap() -> None:
    """Not what stays, not what was not accepted, and not a receipt at the moment of the release."""
    staying = holding("car").offer(stays("car"), to=PROCURATORATE, occurred_at=instant(START)).accept()
    assert last_breaks(staying) == ()
    at_once = offered("phone", occurred_at=instant(START)).accept(received_at=instant(START))
    assert last_breaks(at_once) == ()
    case = offered("phone", "knife", occurred_at=instant(START))
    case.accept(not_accepted=(kept("knife"),), absent_person_ids=(person_id("wang"),))
    (gap,) = last_breaks(case)
    assert (gap.item_ids, gap.person_ids) == (("phone",), (person_id("li"),))


def test_what_was_seized_before_it_was_recorded_says_since_when() -> None:
    """A digest proves nothing of the time before it was taken."""
    seizure = item.Seizure(document_number="S-7", seized_at=instant(START - 3600), officers=("p-1", "p-2"))
    case = Case().open().register("phone", seizure=seizure)
    assert last_breaks(case) == (Break("unrecorded", instant(START - 3600), case.last.payload.occurred_at, ("phone",)),)
    at_once = item.Seizure(document_number="S-7", seized_at=instant(START + 900), officers=("p-1", "p-2"))
    assert last_breaks(Case().open().register("phone", seizure=at_once)) == ()


def test_what_is_usual_between_two_times_is_only_noted() -> None:
    """To be carried over for an hour, or registered on the day of the seizure; what takes longer deserves a look."""
    levels = {
        kind: [Break(kind, instant(START), instant(START + seconds)).level for seconds in (3600, 86400, 86401)]
        for kind in BREAK_KINDS
    }
    assert levels.pop("transit") == ["noted"] * 3
    assert levels.pop("unrecorded") == ["noted", "noted", "look"]
    assert set(map(tuple, levels.values())) == {("look",) * 3}


def test_acts_typed_to_the_minute_are_not_out_of_order() -> None:
    """Nor is what was seized in the minute of its registration unrecorded for a time; what claims to lie before is
    marked from that time to the one that the record had reached."""
    seizure = item.Seizure(document_number="S-7", seized_at=instant(START), officers=("p-1", "p-2"))
    case = Case().open(occurred_at=instant(START + 60)).register("phone", seizure=seizure, occurred_at=instant(START))
    assert last_breaks(case) == ()
    case = holding("phone")
    reached = case.state.last_occurred_at
    case.register("knife", occurred_at=instant(START - 86400))
    assert last_breaks(case) == (Break("backdated", instant(START - 86400), reached),)


# -- what an event is about --------------------------------------------------------------------------------------------


def test_an_answer_is_about_everything_that_was_offered() -> None:
    """Not what the answer lists, but what the handover does."""
    both = tuple(sorted((person_id("li"), person_id("wang"))))
    assert about(passed("phone", "knife")) == Concerned(("knife", "phone"), both)
    assert about(offered("phone").check()) == Concerned(("phone",), both)


def test_a_measure_and_what_follows_from_it_is_about_its_person() -> None:
    """By the measure, the change of custody, or the clock that the body names."""
    persons = (person_id("li"),)
    case = accepted()
    assert about(request(case)).person_ids == persons
    assert about(serve(case)).person_ids == persons
    running = next(c for c in case.state.clocks.values() if c.is_running and c.subject == person_id("li"))
    case.say(cases.DeadlineExtended, deadline_id=running.deadline_id, extension="other", until="2026-12-31")
    assert about(case).person_ids == persons
    measure = next(iter(case.state.measures))
    case.say(cases.MeasureLifted, measure_id=measure, ended_at=AT)
    assert about(case).person_ids == persons


def test_a_disposal_is_about_what_was_proposed_and_a_discrepancy_about_its_item() -> None:
    """Though neither body names the item."""
    assert about(dispose(proposed("drug"))).item_ids == ("drug",)
    case = passed("phone", "knife")
    sides = {"item_id": "phone", "expected": "sealed", "found": "open"}
    case.say(handover.DiscrepancyRaised, discrepancy_id="short-1", handover_id="handover-1", **sides)
    case.say(handover.DiscrepancyResolved, discrepancy_id="short-1")
    assert about(case).item_ids == ("phone",)


def test_parts_of_a_body_name_items_too() -> None:
    """The medium that data came from, the parts of a split, the items that a decision speaks of."""
    case = Case().open().register("disk")
    collection = item.Collection(collectors=("c-1", "c-2"), tool="blocker", method="image", medium_item_id="disk")
    case.register("image", kind="electronic_data", collection=collection)
    assert about(case).item_ids == ("disk", "image")
    case.say(cases.DecisionRecorded, decided_at=AT, items=(cases.ItemDecision(item_id="disk", disposal="forfeited"),))
    assert about(case) == Concerned(("disk",), ())


def test_what_comes_or_leaves_by_a_split_is_what_the_split_is_about() -> None:
    """On both sides; what concerns the case alone is about nothing in it."""
    giving = holding("phone", "knife").say(
        cases.CaseSplit, new_case_id="case-2", item_ids=("phone",), person_ids=(person_id("li"),)
    )
    expected = Concerned(("phone",), (person_id("li"),))
    assert about(giving) == expected
    taking = Case("case-2").open(split_from=giving.last.ref, source=giving.state)
    assert concerned(None, taking.last.event, taking.state) == expected
    assert about(holding("phone").offer(to=COURT, purpose="jurisdiction_transfer").accept()) == Concerned((), ())
