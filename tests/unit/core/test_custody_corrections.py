"""Corrections: what an item or a case is called from then on, and what they leave as it was recorded."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from ledger.core.custody import CaseState
from ledger.core.errors import MalformedInput
from ledger.core.events import case, item, record
from ledger.core.events.terms import EventRef, Money
from tests.testkit.builders import POLICE, PROCURATORATE, clerk, refused
from tests.testkit.casework import Case, dispose, part, passed, pieces, proposed
from tests.unit.core.test_particulars import FITTING, book

KNIFE = {"exhibit_number": "E-1", "features": "a red handle", "obtained_from": "the kitchen", "account": "A-1"}


def correct(written: Case, event: EventRef, *, by: str = POLICE, **correct: str) -> Case:
    """Write a correction of these fields of an event; two underscores stand for a dot, ``_0_`` for a place."""
    lines = tuple(
        record.Correction(field=field.replace("_0_", "[0].").replace("__", "."), recorded="as it was", correct=text)
        for field, text in correct.items()
    )
    return written.say(record.RecordCorrected, clerk(by), corrects=event, corrections=lines, ground="a slip of the pen")


def ref(written: Case) -> EventRef:
    """Return the last event."""
    return written.last.event.ref


def test_an_item_is_called_as_its_registration_is_corrected() -> None:
    """Each word that it is told apart by; the correction stands with it, the last one of several."""
    written = Case().open().register("phone", "knife", **KNIFE)
    registered, phone = ref(written), written.state.items["phone"]
    words = {name: f"another {name}" for name in ("description", *KNIFE)}
    corrected = correct(written, registered, **words).state.items["knife"]
    assert {name: getattr(corrected, name) for name in words} == words
    assert corrected.corrected_in == written.last.event.event_id
    again = correct(written, registered, description="a kitchen knife").state.items["knife"]
    assert (again.description, again.features) == ("a kitchen knife", "another features")
    assert again.corrected_in == written.last.event.event_id
    assert written.state.items["phone"] is phone
    without = correct(written, registered, exhibit_number="null", description="null").state.items["knife"]
    assert (without.exhibit_number, without.description) == (None, "null"), "what may be left out"


STATED = {"seal_number": "S-1", "condition": "clean", "storage_location": "shelf 3"}
RIGHT: dict[str, Any] = {
    "quantity__value": ("quantity", pieces(7)),
    "seal_number": ("seal_number", "7"),
    "condition": ("condition", "7"),
    "storage_location": ("storage_location", "7"),
}


@pytest.mark.parametrize("field", ["item_kind", "particulars__none", "part", "digests_0_", "seizure__place"])
def test_what_a_correction_does_not_put_right_stays_as_it_was_recorded(field: str) -> None:
    """Of a kind, digests, the seizure or what the item does not state, the correction only marks the item."""
    written = Case().open().register("knife", **STATED)
    before = written.state.items["knife"]
    corrected = correct(written, ref(written), **{field: "9"}).state.items["knife"]
    assert corrected == replace(before, corrected_in=written.last.event.event_id)


@pytest.mark.parametrize("field", RIGHT)
def test_what_no_later_event_changed_is_put_right(field: str) -> None:
    """How much there is, the seal, the condition and the place: also by a second correction, whatever else changed."""
    written = Case().open().register("knife", **STATED)
    registered = ref(written)
    for unchanged in {"condition", "storage_location"} - {field}:
        act = item.ItemExamined if unchanged == "condition" else item.ItemMoved
        written.say(act, item_id="knife", **{unchanged: "as it is now"}, **({} if act is item.ItemMoved else EXAMINED))
    name, right = RIGHT[field]
    before = written.state.items["knife"]
    assert getattr(correct(written, registered, **{field: "8"}).state.items["knife"], name) != getattr(before, name)
    after = correct(written, registered, **{field: "7"}).state.items["knife"]
    assert after == replace(before, **{name: right}, corrected_in=written.last.event.event_id)
    flagged = [] if name in ("condition", "storage_location") else [("custody_corrected", f"item knife: {name}")]
    assert [(flag.name, flag.detail) for flag in written.flags] == flagged


EXAMINED = {"match_result": "match"}


@pytest.mark.parametrize(
    ("name", "act", "fields"),
    [
        ("seal_number", item.ItemUnsealed, {"seal_number": "S-1"}),
        ("condition", item.ItemExamined, {"condition": "rusty", **EXAMINED}),
        ("storage_location", item.ItemMoved, {"storage_location": "shelf 4"}),
    ],
)
def test_what_a_later_event_changed_stays_as_that_has_it(name: str, act: Any, fields: dict[str, str]) -> None:
    """Also where a still later one brought it back to what was registered."""
    written = Case().open().register("knife", **STATED)
    registered = ref(written)
    written.say(act, item_id="knife", **fields)
    if act is item.ItemMoved:
        written.say(act, item_id="knife", storage_location="shelf 3")
    before = written.state.items["knife"]
    after = correct(written, registered, **{name: "9"}).state.items["knife"]
    assert after == replace(before, corrected_in=written.last.event.event_id)


def test_what_is_offered_or_in_other_hands_or_gone_is_not_put_right() -> None:
    """The receiver takes what the list says; what he took, gave back, or what was split, another event has stated."""
    written = Case().open().register("knife", "notes", quantity=pieces(2))
    registered = dict(zip(("knife", "notes"), (event.event.ref for event in written.events[1:3]), strict=True))
    written.say(item.ItemSplit, clerk(POLICE), item_id="notes", parts=(part("a", 1), part("b", 1)))
    written.offer("knife", to=PROCURATORATE)
    assert correct(written, registered["knife"], quantity__value="7").state.items["knife"].quantity == pieces(2)
    written.accept()
    for name, event in registered.items():
        assert correct(written, event, quantity__value="7").state.items[name].quantity == pieces(2)


def test_a_seal_is_put_on_by_a_correction_and_taken_off_by_none() -> None:
    """Of a part, too, whose amount stays what adds up to the whole. What is sealed is opened before it is split."""
    written = Case().open().register("notes", kind="property", quantity=pieces(3))
    registered = ref(written)
    for correct_number, seal in (("null", None), ("S-7", "S-7"), ("S-8", "S-8"), ("null", "S-8")):
        notes = correct(written, registered, seal_number=correct_number).state.items["notes"]
        assert (notes.seal_number, notes.seal_state) == (seal, seal and "intact")
    written.say(item.ItemUnsealed, clerk(POLICE), item_id="notes", seal_number="S-8")
    written.say(item.ItemSplit, clerk(POLICE), item_id="notes", parts=(part("one", 1), part("two", 2)))
    items = correct(written, ref(written), parts_0_seal_number="S-9", parts_0_quantity__value="2").state.items
    assert [(items[name].seal_number, items[name].quantity) for name in ("one", "two")] == [
        ("S-9", pieces(1)),
        (None, pieces(2)),
    ]


@pytest.mark.parametrize("seal_state", ["missing", "unsealed", "broken"])
def test_what_was_found_without_a_seal_has_none_after_a_correction_and_is_sealed_anew(seal_state: str) -> None:
    """The number that it bore before says nothing of today: there is no seal to break. A broken one is still there."""
    written = Case().open().register("notes")
    registered = ref(written)
    written.say(item.ItemCheckedOut, item_id="notes", to_officer="p-9", ground="copies")
    written.say(item.ItemCheckedIn, item_id="notes", seal_state=seal_state)
    notes = correct(written, registered, seal_number="S-7").state.items["notes"]
    is_there = seal_state == "broken"
    assert (notes.seal_number, notes.seal_state) == ("S-7" if is_there else None, seal_state)
    if not is_there:
        with refused("other_seal", field="payload.body.seal_number"):
            written.say(item.ItemUnsealed, item_id="notes", seal_number="S-7")
    written.say(item.ItemSealed, item_id="notes", seal_number="S-8")
    notes = correct(written, registered, seal_number="S-9").state.items["notes"]
    assert (notes.seal_number, notes.seal_state) == ("S-8", "intact")


def test_an_amount_is_corrected_as_a_whole() -> None:
    """A sum that was left out, and one that was none; half of one, and what its unit does not have, are refused."""
    written = Case().open().register("cash", kind="property")
    registered = ref(written)
    stated = correct(written, registered, money__amount="300050", money__currency="CNY").state.items["cash"]
    assert stated.money == Money(amount=300050, currency="CNY")
    assert correct(written, registered, money__amount="50").state.items["cash"].money == Money(
        amount=50, currency="CNY"
    )
    for fields in ({"money__amount": "many"}, {"quantity__value": "null"}):
        with pytest.raises(MalformedInput) as caught:
            correct(written, registered, **fields)
        assert caught.value.field == "payload.body.corrections[0].correct"
    with refused("particular_unfit", field="payload.body.corrections"):
        correct(written, registered, money__currency="null")
    assert correct(written, registered, quantity__size="9").state.items["cash"].quantity == pieces(1)
    with refused("unknown_word", field="payload.body.corrections.unit"):
        correct(written, registered, quantity__unit="league")
    none = correct(written, registered, money__amount="null", money__currency="null").state.items["cash"]
    assert none.money is None


def test_nobody_corrects_what_another_agency_said() -> None:
    """A correction by another party stands beside the event alone, of an item and of the case."""
    written = passed("phone")
    opened, registered = (event.event.ref for event in written.events[:2])
    words: dict[EventRef, dict[str, Any]] = {
        registered: {"description": "a stone"},
        opened: {"case_type": "fraud", "case_number": "9"},
    }
    before = written.state
    for event, fields in words.items():
        correct(written, event, by=PROCURATORATE, **fields)
    after = written.state
    assert (after.items["phone"].description, after.case_type) == (before.items["phone"].description, before.case_type)
    assert (after.numbers, after.corrected_in) == (before.numbers, None)


def test_a_case_is_called_as_its_opening_and_numbering_are_corrected() -> None:
    """Its matter, and a number as long as it is the one that the corrected event gave."""
    written = Case().open()
    opened = ref(written)
    state = correct(written, opened, case_type="robbery", case_number="2026-0418").state
    assert (state.case_type, state.numbers, state.corrected_in) == (
        "robbery",
        {POLICE: "2026-0418"},
        written.last.event.event_id,
    )
    numbered = ref(written.say(case.CaseNumbered, case_number="2026-1"))
    correct(written, opened, case_number="2026-2")
    assert written.state.numbers == {POLICE: "2026-1"}
    correct(written, numbered, case_number="2026-3", stage="closed")
    assert (written.state.numbers, written.state.stage) == ({POLICE: "2026-3"}, "investigation")


def test_parts_are_corrected_where_they_were_stated() -> None:
    """The parts of a split, the whole of a merge, and the proceeds of a sale: each by its place in its event."""
    written = Case().open().register("notes", kind="property", fungible=True, quantity=pieces(3))
    parts = (part("one", 1, description="a note"), part("two", 2))
    written.say(item.ItemSplit, clerk(POLICE), item_id="notes", parts=parts)
    split = ref(written)
    items = correct(written, split, parts_0_description="a torn note", description="nothing").state.items
    assert [items[name].description for name in ("one", "two", "notes")] == ["a torn note", *["the notes"] * 2]
    assert (items["two"].corrected_in, items["notes"].corrected_in) == (None, None)
    written.say(item.ItemMerged, clerk(POLICE), item_ids=("one", "two"), whole=part("all", 3, description="notes"))
    merged = written.state.items["all"]
    assert merged.corrected_in is None, "these words are its own"
    assert correct(written, ref(written), whole__description="all notes").state.items["all"].description == "all notes"
    sold = proposed("car", disposal="sold_early")
    dispose(sold, proceeds=part("price", 1, amount=100))
    assert correct(sold, ref(sold), proceeds__description="the price").state.items["price"].description == "the price"


def test_a_particular_is_corrected_to_what_its_field_takes() -> None:
    """As its kind states it; another value is refused, and one whose field the procedure lost stays as recorded."""
    written = Case(book=book()).open().name("li").register("phone")
    stated = {"f_number": "12.5", "f_person": FITTING["f_person"]}
    written.register("probe", kind="probe", particulars=stated)
    registered = ref(written)
    corrected = correct(written, registered, particulars__f_number="13").state.items["probe"]
    assert corrected.particulars == stated | {"f_number": "13"}
    with refused("particular_unfit", field="payload.body.corrections[0].correct"):
        correct(written, registered, particulars__f_number="many")
    with refused("unknown_person", field="payload.body.corrections[0].correct"):
        correct(written, registered, particulars__f_person="5f" * 16)
    without = correct(written, registered, particulars__f_person="null").state.items["probe"]
    assert without.particulars == {"f_number": "13"}
    written.book = book(uses="f_text = {}")
    written.book.fields.pop("f_number")
    assert correct(written, registered, particulars__f_number="14").state.items["probe"].particulars["f_number"] == "13"


def test_what_leaves_for_another_case_has_the_corrected_words() -> None:
    """Its events stay behind, so nothing there points to them."""
    written = Case().open().register("phone")
    correct(written, ref(written), description="a white phone")
    state: CaseState = written.say(
        case.CaseSplit, new_case_id="case-2", item_ids=("phone",), ground="another deed"
    ).state
    (split,) = state.splits.values()
    (leaving,) = split.items
    assert (leaving.description, leaving.stated_in, leaving.corrected_in) == ("a white phone", None, None)
