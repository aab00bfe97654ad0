"""Stocktakes: what lies in a room, how count and record differ, and the discrepancies that come of it."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import astuple, replace

from ledger.core.custody.discrepancies import require_fit_lines
from ledger.core.custody.stocktakes import (
    CountDifference,
    CountedCode,
    StoredItem,
    compared,
    differences_of,
    lies_in,
    result_of,
    sides_of,
)
from ledger.core.errors import RuleRefused
from ledger.core.events import handover
from ledger.core.events.case import CaseClosed
from ledger.core.events.item import ItemDisposalProposed, ItemMoved, ItemSplit
from ledger.core.events.stocktake import CountedDifference, CountedItem, StocktakeRecorded
from ledger.samples.case_acts import pieces
from tests.testkit.builders import COURT, LAB, POLICE, PROCURATORATE, Officer, clerk, supervisor
from tests.testkit.casework import Case, Refusal, Refusals, dispose, each_refusal, part, person_id, require_refusal

ROOM = "Room 3"
COUNTED: dict[str, Any] = {"agency": POLICE, "room": ROOM}


def stored(item_id: str = "knife", **fields: Any) -> StoredItem:
    defaults: dict[str, Any] = {
        "case_id": "case-1",
        "description": "a thing",
        "holder": POLICE,
        "status": "held",
        "seal_number": "S-1",
        "storage_location": "Room 3, shelf 12",
    }
    return StoredItem(item_id=item_id, **(defaults | fields))


PLACES = {
    "the room itself": ("Room 3", "Room 3", True),
    "a shelf of it": ("Room 3, shelf 12", "Room 3", True),
    "another room of a longer number": ("Room 30", "Room 3", False),
    "a longer Latin word": ("Roomy hall", "Room", False),
    "a shelf behind a Chinese word": ("一号库12架", "一号库", True),
    "a Chinese word behind a number": ("3号库", "3", True),
    "another room": ("Room 4", "Room 3", False),
    "no place": (None, "Room 3", False),
}


@pytest.mark.parametrize("name", PLACES)
def test_what_lies_in_a_room(name: str) -> None:
    """A room has what begins with its name, but not what goes on with its last number or Latin word."""
    place, room, expected = PLACES[name]
    assert lies_in(place, room) is expected


SIDES: dict[str, tuple[StoredItem, str | None, list[tuple[str | None, ...]], str]] = {
    "in place": (stored(), None, [], "present"),
    "under its seal": (stored(), "S-1", [], "present"),
    "under another seal": (stored(), "S-2", [("seal", "sealed", "S-1", "S-2")], "present"),
    "sealed, by the record not": (stored(seal_number=None), "S-2", [("seal", "unsealed", None, "S-2")], "present"),
    "elsewhere": (stored(storage_location="Room 5"), None, [("location", "placed", "Room 5", ROOM)], "elsewhere"),
    "elsewhere under another seal": (
        stored(storage_location="Room 5"),
        "S-2",
        [("location", "placed", "Room 5", ROOM), ("seal", "sealed", "S-1", "S-2")],
        "elsewhere",
    ),
    "without a place": (stored(storage_location=None), None, [("location", "unplaced", None, ROOM)], "elsewhere"),
    "checked out": (stored(status="checked_out"), None, [("location", "checked_out", None, ROOM)], "elsewhere"),
    "disposed of": (stored(status="disposed"), None, [("surplus", "disposed", None, ROOM)], "surplus"),
    "handed away": (stored(holder=COURT), "S-2", [("surplus", "held_elsewhere", COURT, ROOM)], "surplus"),
}


@pytest.mark.parametrize("name", SIDES)
def test_how_a_thing_that_was_counted_differs(name: str) -> None:
    """Each difference has its kind and both sides; a seal counts only where it was read, of what the agency holds."""
    item, seal_number, expected, result = SIDES[name]
    assert [astuple(each) for each in differences_of(item, seal_number, agency=POLICE, room=ROOM)] == expected
    assert result_of(CountedCode("x", item, seal_number), (), agency=POLICE, room=ROOM) == result


def test_a_scan_that_is_told_without_a_difference() -> None:
    """A code that stands for nothing is unknown; one that was scanned is told so, wherever the thing belongs."""
    assert result_of(CountedCode("x", None), (), agency=POLICE, room=ROOM) == "unknown"
    again = CountedCode("x", stored(holder=COURT))
    assert result_of(again, [("case-1", "knife")], agency=POLICE, room=ROOM) == "again"


def test_both_sides_of_a_difference_are_words() -> None:
    """How the record has it; and that it was found nowhere, in the room, or under a seal."""
    counted = [
        astuple(sides_of(kind, recorded_as, "it", actual)[1])  # type: ignore[arg-type]
        for kind, recorded_as, actual in (
            *(("missing", "placed", None), ("location", "placed", ROOM), ("surplus", "held_elsewhere", ROOM)),
            ("seal", "sealed", "S-2"),
        )
    ]
    assert counted == [("not_there", None), ("placed", ROOM), ("placed", ROOM), ("sealed", "S-2")]
    assert astuple(sides_of("seal", "unsealed", None, "S-2")[0]) == ("unsealed", None)


def test_count_and_record_are_compared_as_a_whole() -> None:
    """What was not scanned is missing, each thing counts once with the seal read last, unknown codes are named once."""
    expected = [stored("knife"), stored("coat"), stored("phone"), stored("phone", case_id="case-2")]
    scans = [
        CountedCode("KNIFE", stored("knife"), "S-9"),
        CountedCode("knife", stored("knife"), "S-1"),
        CountedCode("knife", stored("knife")),
        CountedCode("phone", stored("phone")),
        CountedCode("car", stored("car", storage_location="Room 5")),
        CountedCode("???", None),
        CountedCode("???", None),
    ]
    outcome = compared(expected, scans, **COUNTED, at_opening=expected)
    assert [item.item_id for item in outcome.present] == ["knife", "phone"]
    assert [(each.item.case_id, each.item.item_id, each.differences[0].kind) for each in outcome.differing] == [
        ("case-1", "car", "location"),
        ("case-1", "coat", "missing"),
        ("case-2", "phone", "missing"),
    ]
    assert astuple(outcome.differing[1].differences[0])[1:] == ("placed", "Room 3, shelf 12", None)
    assert outcome.unknown_codes == ("???",)


def test_what_has_no_place_can_be_missing() -> None:
    """Where an item without a place is expected nevertheless, it is told so."""
    item = stored(storage_location=None)
    (gone,) = compared([item], [], **COUNTED, at_opening=[item]).differing
    assert gone.differences == (CountDifference("missing", "unplaced"),)


def test_what_came_or_left_during_the_count_is_not_missing() -> None:
    """What came in meanwhile is told as that, unless it is called missing; what left unscanned is told, too."""
    came, left = stored("phone"), stored("hat", storage_location="Room 5")
    handed = stored("cap", holder=COURT, storage_location=None)
    at_opening = [left, handed, stored("bag")]
    outcome = compared([came, stored("bag")], [CountedCode("bag", stored("bag"))], **COUNTED, at_opening=at_opening)
    changes = [(each.item, each.change) for each in outcome.changed_since]
    assert changes == [(came, "came"), (left, "gone"), (handed, "gone")]
    assert not outcome.differing
    (gone,) = compared([came], [], **COUNTED, missing=[("case-1", "phone")]).differing
    assert (gone.item, gone.differences[0].kind) == (came, "missing")


def test_what_lay_in_the_room_all_the_time_is_missing() -> None:
    """A note, another section or another shelf is no excuse: by the record it is here as at the opening."""
    moved = stored("bag", storage_location="Room 3, shelf 9", updated_index=104)
    outcome = compared([moved], [], **COUNTED, at_opening=[moved])
    assert outcome.changed_since == ()
    assert [each.differences for each in outcome.differing] == [
        (CountDifference("missing", "placed", "Room 3, shelf 9"),)
    ]


def test_what_was_in_place_when_it_was_scanned() -> None:
    """If it left since, it counts as in place, but for a wrong seal, also if it was handed over.

    What the record had elsewhere when it was scanned differs, whatever has changed.
    """
    scans = [
        CountedCode("knife", stored("knife", storage_location="Room 5"), "S-9", was_present=True),
        CountedCode("knife", stored("knife", storage_location="Room 5")),
        CountedCode("coat", stored("coat", holder=COURT), "S-1", was_present=True),
        CountedCode("gun", stored("gun", holder=COURT), "S-9", was_present=True),
        CountedCode("car", stored("car", storage_location="Room 5")),
    ]
    outcome = compared([], scans, **COUNTED, at_opening=[stored("knife"), stored("coat"), stored("gun")])
    assert ([item.item_id for item in outcome.present], outcome.changed_since) == (["coat"], ())
    kinds = {each.item.item_id: [difference.kind for difference in each.differences] for each in outcome.differing}
    assert kinds == {"knife": ["seal"], "gun": ["seal"], "car": ["location"]}


def kept(**fields: Any) -> Case:
    return Case().open().register("knife", storage_location="Room 3, shelf 12", **fields)


def counting(written: Case, by: Officer | None = None, **fields: Any) -> Case:
    defaults = {
        "discrepancy_id": "count-1",
        "stocktake_id": "stocktake-1",
        "item_id": "knife",
        "kind": "missing",
        "recorded_as": "placed",
        "expected": "Room 3, shelf 12",
    }
    return written.say(handover.DiscrepancyRaised, by or clerk(POLICE), **(defaults | fields))


def surplus(written: Case, by: Officer, **fields: Any) -> Case:
    sides = {"kind": "surplus", "recorded_as": "held_elsewhere", "expected": LAB, "found": ROOM}
    return counting(written, by, **(sides | fields))


def resolving(written: Case, by: Officer, words: str = "lent to the expert") -> Case:
    return written.say(handover.DiscrepancyResolved, by, discrepancy_id="count-1", resolution=words)


def test_a_difference_within_one_agency_takes_two_officers() -> None:
    """Holder and responsible agency are one: whoever counted raises it, and another officer resolves it."""
    written = counting(kept())
    discrepancy = written.state.discrepancies["count-1"]
    assert (discrepancy.parties, discrepancy.handover_id) == ((POLICE, POLICE), None)
    assert (discrepancy.stocktake_id, discrepancy.raised_by) == ("stocktake-1", clerk(POLICE).officer_id)
    assert not discrepancy.is_resolved
    assert resolving(written, supervisor(POLICE)).state.discrepancies["count-1"].is_resolved


LENT = {"recorded_as": "unplaced", "expected": None}  # as the case has what was lent, without a place


def lent() -> Case:
    """The laboratory holds the knife, for which the police answer."""
    return kept().offer("knife", to=LAB, purpose="forensic_examination").accept()


def test_a_difference_is_between_holder_and_who_answers_for_it() -> None:
    """Both sign, whoever raised it too. What the record has elsewhere can be counted in one's own room nevertheless,
    also by what it was made of: the parent was once in the agency's hands."""
    written = counting(lent(), clerk(LAB), **LENT)
    assert written.state.discrepancies["count-1"].parties == (LAB, POLICE)
    resolving(resolving(written, clerk(LAB)), clerk(POLICE))
    assert written.state.discrepancies["count-1"].is_resolved
    written = surplus(lent(), clerk(POLICE))
    assert written.state.discrepancies["count-1"].parties == (POLICE, LAB)
    written = kept(quantity=pieces(2)).offer("knife", to=LAB, purpose="forensic_examination").accept()
    written.say(ItemSplit, clerk(LAB), item_id="knife", parts=(part("blade", 1), part("grip", 1)))
    surplus(written, clerk(POLICE), item_id="blade")
    assert written.state.discrepancies["count-1"].parties == (POLICE, LAB)


def test_a_surplus_is_taken_back_by_who_counted_it() -> None:
    """It is one agency's claim about another one's thing: its own signature ends it, and no other's does."""
    written = surplus(lent(), clerk(POLICE))
    resolving(written, clerk(LAB), "it lies here")
    assert not written.state.discrepancies["count-1"].is_resolved
    resolving(written, clerk(POLICE), "another knife")
    assert written.state.discrepancies["count-1"].is_resolved


def destroyed() -> Case:
    """The laboratory has disposed of the knife, for which the police answer."""
    written = lent()
    written.say(ItemDisposalProposed, clerk(LAB), item_ids=("knife",), disposal="destroyed", ground="used up")
    return dispose(written, supervisor(LAB))


GONE = {"kind": "surplus", "recorded_as": "disposed", "expected": None, "found": ROOM}


def test_ones_own_disposed_thing_takes_both_sides() -> None:
    """Who disposed of it and counts it nevertheless does not end that alone: the agency that answers for it signs."""
    written = counting(destroyed(), clerk(LAB), **GONE)
    discrepancy = written.state.discrepancies["count-1"]
    assert (discrepancy.parties, discrepancy.claimed_by) == ((LAB, POLICE), None)
    resolving(written, clerk(LAB))
    assert not written.state.discrepancies["count-1"].is_resolved
    resolving(written, clerk(POLICE))
    assert written.state.discrepancies["count-1"].is_resolved


COUNTED_AS = {
    "without a seal": ("unsealed", None, kept),
    "under a seal": ("sealed", "S-1", lambda: kept(seal_number="S-1")),
}


@pytest.mark.parametrize("name", COUNTED_AS)
def test_a_seal_is_compared_with_the_case(name: str) -> None:
    """The seal that the case has is stated, or that it has none."""
    recorded_as, expected, case = COUNTED_AS[name]
    written = counting(case(), kind="seal", recorded_as=recorded_as, expected=expected, found="S-9")
    assert written.state.discrepancies["count-1"].expected == expected


def test_a_wrong_seal_of_what_was_handed_over_since_concerns_its_holder() -> None:
    """Who read the seal before the handover and who has the thing by now both sign; who never held it reads none."""
    sides = {"kind": "seal", "recorded_as": "unsealed", "expected": None, "found": "S-9"}
    written = counting(lent(), clerk(POLICE), **sides)
    assert written.state.discrepancies["count-1"].parties == (POLICE, LAB)
    resolving(written, clerk(POLICE))
    assert not written.state.discrepancies["count-1"].is_resolved
    resolving(written, clerk(LAB))
    assert written.state.discrepancies["count-1"].is_resolved


@pytest.mark.parametrize(
    ("written", "hint"),
    [
        (surplus(lent(), clerk(POLICE)), f"{POLICE} counted it as surplus, and signs discrepancy.resolved alone."),
        (counting(lent(), clerk(LAB), **LENT), "Both sides sign discrepancy.resolved with the same words."),
    ],
    ids=["claimed", "of both"],
)
def test_who_closes_is_told_whose_signature_is_lacking(written: Case, hint: str) -> None:
    """Of a surplus that one agency counted it is that agency's alone, of any other difference both sides'."""
    with pytest.raises(RuleRefused) as caught:
        written.close()
    assert (caught.value.code, caught.value.hint) == ("open_discrepancy", hint)


def test_one_person_on_both_sides_is_flagged() -> None:
    """As of a handover: who raised it for one agency, or signed for it, and signs for the other one."""
    double = Officer("p-0000", POLICE, ("clerk",))
    same = Officer("p-0000", LAB, ("clerk",))
    written = counting(lent(), same, **LENT)
    assert "same_officer_both_sides" not in written.flag_names()
    resolving(written, double)
    assert "same_officer_both_sides" in written.flag_names()
    resolving(written, clerk(LAB))
    assert "same_officer_both_sides" not in written.flag_names()
    written = resolving(counting(lent(), clerk(LAB), **LENT), same)
    assert "same_officer_both_sides" not in written.flag_names()
    resolving(written, double)
    assert "same_officer_both_sides" in written.flag_names()


def test_a_count_of_a_closed_case_is_no_act_in_it() -> None:
    """Rooms have things of closed cases: neither the discrepancy nor its resolution is flagged, as a late act is."""
    closed = kept().say(CaseClosed, clerk(POLICE))
    assert closed.state.closed
    assert "act_after_closing" not in {each.name for each in counting(closed).flags}
    assert "act_after_closing" not in {each.name for each in resolving(closed, supervisor(POLICE)).flags}
    moved = closed.say(ItemMoved, clerk(POLICE), item_id="knife", storage_location="Room 5")
    assert "act_after_closing" in {each.name for each in moved.flags}


def answered_for() -> Case:
    """The procuratorate answers for the knife, which stays with the police."""
    line = handover.OfferedItem(item_id="knife", stays=True)
    return kept().offer(line, to=PROCURATORATE, purpose="prosecution_review").accept()


def passed_by() -> Case:
    """The procuratorate has had the file of the case, and never the knife."""
    return kept().register("file", kind="dossier").offer("file", to=PROCURATORATE).accept()


def by_hand(written: Case, **fields: Any) -> Case:
    """Raise a difference of the handover to the laboratory."""
    own = {"stocktake_id": None, "handover_id": "handover-1", "recorded_as": None, "found": "a fork"}
    return counting(written, clerk(LAB), **(own | fields))


def counted(**line: Any) -> StocktakeRecorded:
    """Return a stocktake with one difference."""
    stated = {"case_id": "case-1", "item_id": "knife", "kind": "missing", "recorded_as": "unplaced"}
    return StocktakeRecorded(
        stocktake_id="stocktake-1",
        storage_location=ROOM,
        started_at="2026-03-01T08:00:00Z",
        counters=("p-0001",),
        scans=2,
        scans_taken_back=1,
        started_size=1,
        tree_size=1,
        differences=(CountedDifference(**(stated | {"discrepancy_id": "count-1"} | line)),),
    )


UNDISPUTED = {"kind": "surplus", "recorded_as": "held_elsewhere", "expected": LAB, "found": ROOM}
LINES: dict[str, tuple[dict[str, Any], str | None]] = {
    "missing, with its discrepancy": ({}, None),
    "another agency's surplus without one": (UNDISPUTED | {"discrepancy_id": None}, None),
    "missing without one": ({"discrepancy_id": None}, "discrepancy_id"),
    "surplus of one's own without one": (GONE | {"discrepancy_id": None}, "discrepancy_id"),
    "missing what another agency holds": ({"recorded_as": "held_elsewhere", "expected": LAB}, "recorded_as"),
    "a place where there is none": ({"expected": "Room 5"}, "expected"),
    "missing, and found": ({"found": ROOM}, "found"),
}


@pytest.mark.parametrize("name", LINES)
def test_the_lines_of_a_stocktake_fit(name: str) -> None:
    """What a stocktake signs of a thing could stand in its case; only another agency's thing has no discrepancy."""
    line, field = LINES[name]
    if field is None:
        require_fit_lines(counted(**line))
        return
    with pytest.raises(RuleRefused) as refused:
        require_fit_lines(counted(**line))
    assert (refused.value.code, refused.value.field) == ("sides_unfit", f"payload.body.differences[0].{field}")


REFUSED: Refusals = {
    "raising on nothing": Refusal("no_occasion body.handover_id", lent(), lambda c: by_hand(c, handover_id=None)),
    "raising on both": Refusal("no_occasion body.handover_id", lent(), lambda c: counting(c, handover_id="handover-1")),
    "missing what another agency holds": Refusal("not_held body.item_id", lent(), counting),
    "counting what there is not": Refusal("unknown_item body.item_id", kept(), lambda c: counting(c, item_id="coat")),
    "counting too much of what one never held": Refusal(
        "never_held body.item_id", passed_by(), lambda c: surplus(c, clerk(PROCURATORATE), expected=POLICE)
    ),
    "counting too much of what only responsibility was offered for": Refusal(
        "never_held body.item_id", answered_for(), lambda c: surplus(c, clerk(PROCURATORATE), expected=POLICE)
    ),
    "reading the seal of what one never held": Refusal(
        "never_held body.item_id",
        passed_by(),
        lambda c: counting(c, clerk(PROCURATORATE), kind="seal", recorded_as="unsealed", expected=None, found="S-9"),
    ),
    "a handover's difference without its sides": Refusal(
        "sides_unfit body.kind", lent(), lambda c: by_hand(c, found=None)
    ),
    "a handover's difference in words of a count": Refusal(
        "sides_unfit body.kind", lent(), lambda c: by_hand(c, recorded_as="placed")
    ),
    "a count of a kind that it cannot tell": Refusal(
        "sides_unfit body.recorded_as", kept(), lambda c: counting(c, kind="condition")
    ),
    "missing what is recorded elsewhere": Refusal(
        "sides_unfit body.recorded_as", kept(), lambda c: counting(c, recorded_as="held_elsewhere")
    ),
    "a place that is not named": Refusal("sides_unfit body.expected", kept(), lambda c: counting(c, expected=None)),
    "missing, and found somewhere": Refusal("sides_unfit body.found", kept(), lambda c: counting(c, found="Room 9")),
    "missing where it does not lie": Refusal(
        "sides_unfit body.expected", kept(), lambda c: counting(c, expected="Room 4")
    ),
    "missing without a place, by the case in one": Refusal(
        "sides_unfit body.recorded_as", kept(), lambda c: counting(c, **LENT)
    ),
    "calling one's own thing another agency's": Refusal(
        "sides_unfit body.recorded_as", destroyed(), lambda c: surplus(c, clerk(LAB), expected=POLICE)
    ),
    "calling another agency's thing one's own": Refusal(
        "sides_unfit body.recorded_as", destroyed(), lambda c: counting(c, **GONE)
    ),
    "naming another holder": Refusal(
        "sides_unfit body.expected", lent(), lambda c: surplus(c, clerk(POLICE), expected=COURT)
    ),
    "naming another seal": Refusal(
        "sides_unfit body.expected",
        kept(seal_number="S-1"),
        lambda c: counting(c, kind="seal", recorded_as="sealed", expected="S-2", found="S-9"),
    ),
    "resolving alone": Refusal("one_signature officer", counting(kept()), lambda c: resolving(c, clerk(POLICE))),
    "counting a person": Refusal(
        "not_counted body.item_id",
        Case().open().name("li").register("li-in-custody", kind="detainee", person_id=person_id("li")),
        lambda c: counting(c, item_id="li-in-custody"),
    ),
}


@each_refusal(REFUSED)
def test_what_is_impossible_is_refused(refusal: Refusal) -> None:
    """Each impossible act is refused under its rule's name and by its field, and leaves the case as it was."""
    require_refusal(refusal)


FOUND_BY_MORE: dict[str, dict[str, Any]] = {
    "two things in place": {"present": [("case-1", "knife"), ("case-1", "phone")]},
    "a thing in place and another elsewhere": {"present": [("case-1", "phone")], "differs": True},
    "a thing elsewhere and an unknown code": {"unknown_codes": ("x-1",), "differs": True},
    "one that was taken back": {"present": [("case-1", "knife")], "scans_taken_back": 2},
}


@pytest.mark.parametrize("name", FOUND_BY_MORE)
def test_a_stocktake_finds_no_more_than_was_scanned(name: str) -> None:
    """Things in place or not, each once, and codes; with one scan more it is accepted."""
    stated = dict(FOUND_BY_MORE[name])
    present = tuple(CountedItem(case_id=case_id, item_id=item_id) for case_id, item_id in stated.pop("present", ()))
    with_surplus = counted(**GONE)
    differences = with_surplus.differences if stated.pop("differs", False) else ()
    body = replace(with_surplus, present=present, differences=differences, **stated)
    with pytest.raises(RuleRefused) as refused:
        require_fit_lines(body)
    assert (refused.value.code, refused.value.field) == ("too_few_scans", "payload.body.scans")
    require_fit_lines(replace(body, scans=body.scans + 1))


def test_a_seal_that_fitted_is_not_held_against_a_later_one() -> None:
    """Of several the last one that was read counts, and one that fitted settles an earlier one."""
    wrong = CountedCode("knife", stored("knife"), "S-9")
    fitting = CountedCode("knife", stored("knife"), "S-7", fitted=True)
    unread = CountedCode("knife", stored("knife"))
    for scans, differing in (([wrong, fitting, unread], 0), ([fitting, wrong, unread], 1), ([fitting], 0)):
        assert len(compared([stored("knife")], scans, **COUNTED).differing) == differing
