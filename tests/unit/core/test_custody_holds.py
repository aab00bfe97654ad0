"""Legal holds: who places and releases them, what they cover, and that nothing they cover is erased or disposed of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ledger.core.custody.holds import Obstacle, holds_ever, holds_on_sections, obstacles
from ledger.core.custody.spans import concerned
from ledger.core.errors import RuleRefused
from ledger.core.events import Event, case, hold, item
from ledger.core.events.record import ErasureProposed
from ledger.procedures import shipped_rulebook
from tests.testkit.builders import (
    COURT,
    LAB,
    POLICE,
    PROCURATORATE,
    admitted_agency,
    clerk,
    path_of,
    refused,
    section,
    supervisor,
)
from tests.testkit.casework import (
    Case,
    Refusal,
    Refusals,
    dispose,
    each_refusal,
    holding,
    part,
    pieces,
    proposed,
    require_refusal,
    sent,
)

KINDS = {POLICE: "public_security", PROCURATORATE: "procuratorate", COURT: "court", LAB: "forensic_lab"}


def place(written: Case, hold_id: str = "hold-1", by: str = POLICE, **fields: Any) -> Case:
    """Let a supervisor hold the items that are given, the events, or the whole case."""
    scope = "items" if "item_ids" in fields else "sections" if "concerns" in fields else "case"
    defaults = {"hold_id": hold_id, "kind": "legal_hold", "number": "H-1", "scope": scope}
    return written.say(hold.HoldPlaced, supervisor(by), **(defaults | fields))


def release(written: Case, hold_id: str = "hold-1", by: str = POLICE) -> Case:
    return written.say(hold.HoldReleased, supervisor(by), hold_id=hold_id)


def erase(written: Case, event: Event, label: str = "narrative", by: str = POLICE) -> Case:
    return written.erase(event.ref, label, supervisor(by))


def secret(written: Case, item_id: str = "phone") -> Event:
    """Let an item be examined, with a confidential section; return that event."""
    say = {"item_id": item_id, "sections": {"narrative": section()}}
    return written.say(item.ItemExamined, clerk(POLICE), **say).last.event


# -- what a hold is, and who places and releases it --------------------------------------------------------------------


def test_a_hold_stands_until_it_is_released() -> None:
    """It is kept with who placed it, its paper and its scope; released, with by whom."""
    written = place(holding("phone"), item_ids=("phone",), review_on="2027-01-01", number="2026-9")
    placed = written.state.holds["hold-1"]
    assert (placed.agency, placed.number, placed.scope, placed.review_on) == (POLICE, "2026-9", "items", "2027-01-01")
    assert placed.stands
    assert written.state.holds.marked("standing") == [placed]
    over = release(written).state.holds["hold-1"]
    assert (over.stands, over.released_by) == (False, POLICE)
    assert written.state.holds.marked("standing") == []


def test_a_hold_concerns_the_items_that_it_names() -> None:
    """Its placing and its release stand in the history of the item."""
    written = holding("phone", "knife")
    for act in (lambda: place(written, item_ids=("phone",)), lambda: release(written)):
        before = written.state
        assert concerned(before, act().last.event, written.state).item_ids == ("phone",)


def test_an_agency_that_supervises_places_a_hold_without_being_a_party() -> None:
    """Where jurisdictions are unknown, as to a reader of the case alone, it is admitted; it does not become a party."""
    written = place(holding("phone"), by=PROCURATORATE)
    assert PROCURATORATE not in written.state.agencies
    assert not release(written, by=PROCURATORATE).state.holds["hold-1"].stands


def test_a_hold_is_released_by_whom_the_procedure_sets_above() -> None:
    """The procuratorate supervises: it releases a hold of the police, and one of an unknown kind is not judged."""
    written = Case(kinds=KINDS).open().register("phone")
    assert not release(place(written), by=PROCURATORATE).state.holds["hold-1"].stands
    place(written, "hold-2")
    with refused("not_your_hold", field=path_of("agency")):
        release(written, "hold-2", by=COURT)
    assert not release(place(holding("phone")), by=COURT).state.holds["hold-1"].stands


def test_who_has_what_a_hold_covers_does_not_release_it_for_another() -> None:
    """It binds whoever has the thing or, of a case and its sections, answers for the case."""
    written = Case(kinds=KINDS).open().register("phone", "knife")
    place(written, item_ids=("phone",))
    place(written, "hold-2", scope="sections")
    place(written, "hold-3", item_ids=("knife",))
    written.offer("phone", to=PROCURATORATE, purpose="forensic_examination").accept()
    with refused("not_your_hold", field=path_of("agency")):
        release(written, by=PROCURATORATE)
    release(written, "hold-3", by=PROCURATORATE)
    release(written, "hold-2", by=PROCURATORATE)
    whole = Case(kinds=KINDS).open().register("phone")
    place(whole, scope="sections")
    whole.offer("phone", to=PROCURATORATE, persons=()).accept()
    assert whole.state.responsible == PROCURATORATE
    with refused("not_your_hold", field=path_of("agency")):
        release(whole, by=PROCURATORATE)


@pytest.mark.parametrize("place_of", ["east", "east/north"])
def test_only_who_supervises_the_agency_that_placed_a_hold_stands_above_it(place_of: str) -> None:
    """The kind alone is not enough: it is one of the same jurisdiction, or above."""
    agencies = {name: admitted_agency(name) for name in (POLICE, PROCURATORATE)}
    low = agencies[PROCURATORATE]
    within = agencies[POLICE].profile.jurisdiction
    jurisdiction = within if place_of == "east" else f"{within}/below"
    registered = agencies | {PROCURATORATE: replace(low, profile=replace(low.profile, jurisdiction=jurisdiction))}
    written = place(Case(kinds=KINDS, registered=registered).open().register("phone"), item_ids=("phone",))
    written.offer(to=PROCURATORATE, persons=()).accept()
    if place_of == "east":
        assert "hold_released_by_another" in release(written, by=PROCURATORATE).flag_names()
    else:
        with refused("not_your_hold", field=path_of("agency")):
            release(written, by=PROCURATORATE)


def test_a_release_by_another_agency_is_flagged() -> None:
    """Whoever placed the hold sees that it stands no more, and by whom."""
    written = place(Case(kinds=KINDS).open().register("phone"))
    release(written, by=PROCURATORATE)
    assert {flag.name: flag.detail for flag in written.flags}[
        "hold_released_by_another"
    ] == f"{POLICE} placed hold hold-1"
    assert "hold_released_by_another" not in release(place(written, "hold-2"), "hold-2").flag_names()


def test_only_the_agency_that_placed_it_releases_where_the_procedure_sets_none_above() -> None:
    """A kind that a later version no longer has is released by its own agency alone, too."""
    own = shipped_rulebook()
    bare = Case(book=own).open().register("phone")
    place(bare, by=POLICE)
    bare.book = replace(own, holds={})
    with refused("not_your_hold", field=path_of("agency")):
        release(bare, by=PROCURATORATE)
    assert not release(bare).state.holds["hold-1"].stands


def test_a_hold_by_an_agency_of_another_kind_is_flagged() -> None:
    """A laboratory orders nothing; that it did is recorded."""
    written = Case(kinds=KINDS).open().register("phone").offer("phone", to=LAB, purpose="forensic_examination").accept()
    assert "hold_by_another_kind" in place(written, by=LAB).flag_names()
    assert "hold_by_another_kind" not in place(written, "hold-2").flag_names()


def proposed_in(written: Case, **fields: Any) -> Case:
    return written.say(item.ItemDisposalProposed, item_ids=("car",), disposal="destroyed", **fields)


def held_after_proposal(*item_ids: str) -> tuple[Case, Callable[[Case], Case]]:
    """Return a case with a hold on items whose disposal was proposed before, and the second signature of that."""
    written = proposed(*item_ids)
    cites = written.last.event.ref
    return place(written), lambda c: dispose(c, cites=cites)


GONE = dispose(proposed("car"))
HELD = place(holding("phone"))
REFUSALS: Refusals = {
    "an id that is taken": Refusal("duplicate_id body.hold_id", HELD, place),
    "items in a hold of the case": Refusal(
        "hold_scope body.item_ids", holding("phone"), lambda c: place(c, scope="case", item_ids=("phone",))
    ),
    "events in a hold of items": Refusal(
        "hold_scope body.concerns",
        holding("phone"),
        lambda c: place(c, scope="items", item_ids=("phone",), concerns=(c.last.event.ref,)),
    ),
    "no items": Refusal("hold_scope body.item_ids", holding("phone"), lambda c: place(c, scope="items")),
    "an item twice": Refusal(
        "duplicate_id body.item_ids", holding("phone"), lambda c: place(c, item_ids=("phone", "phone"))
    ),
    "an item of another case": Refusal(
        "unknown_item body.item_ids", holding("phone"), lambda c: place(c, item_ids=("knife",))
    ),
    "what is gone": Refusal("item_gone body.item_ids", GONE, lambda c: place(c, item_ids=("car",))),
    "releasing no hold": Refusal("unknown_hold body.hold_id", holding("phone"), release),
    "releasing twice": Refusal("already_released body.hold_id", release(place(holding("phone"))), release),
    "proposing to dispose of what is held": Refusal(
        "on_hold body.item_ids", place(holding("car", kind="property")), proposed_in
    ),
    "disposing of what is held": Refusal("on_hold body.cites", *held_after_proposal("car")),
    "in spite of a hold that there is not": Refusal(
        "unknown_hold body.despite_holds",
        holding("car", kind="property"),
        lambda c: proposed_in(c, despite_holds=("hold-9",)),
    ),
}


@each_refusal(REFUSALS)
def test_what_a_hold_makes_impossible_is_refused(refusal: Refusal) -> None:
    """And what makes no hold."""
    require_refusal(refusal)


# -- things ------------------------------------------------------------------------------------------------------------


def test_all_holds_are_released_before_a_thing_is_disposed_of() -> None:
    """With one of two released, the other still stands against it."""
    written, sign_second = held_after_proposal("car")
    release(place(written, "hold-2", by=PROCURATORATE, item_ids=("car",)))
    with refused("on_hold", field=path_of("body.cites")):
        sign_second(written)
    release(written, "hold-2", by=PROCURATORATE)
    assert sign_second(written).state.items["car"].status == "disposed"


def test_what_was_disposed_of_in_spite_of_a_hold_is_recorded_and_flagged() -> None:
    """It has happened: whoever says so names the holds. Those named do not cover one that was not."""
    written = place(holding("car", kind="property"))
    proposed_in(written, despite_holds=("hold-1",))
    assert "disposed_while_held" not in written.flag_names()
    cites = written.last.event.ref
    place(written, "hold-2", item_ids=("car",))
    with refused("on_hold", field=path_of("body.cites")):
        dispose(written, cites=cites, despite_holds=("hold-1",))
    dispose(written, cites=cites, despite_holds=("hold-1", "hold-2"))
    flagged = {flag.name: flag.detail for flag in written.flags}
    assert flagged["disposed_while_held"] == "item car: hold-1, hold-2"


def test_a_hold_covers_the_parts_of_a_thing_and_what_comes_of_them() -> None:
    """Split, and merged again: it is the same money."""
    written = holding("cash", kind="property", fungible=True, quantity=pieces("10"))
    place(written, item_ids=("cash",))
    written.say(item.ItemSplit, clerk(POLICE), item_id="cash", parts=(part("left", "4"), part("right", "6")))
    covered = [Obstacle("hold", "hold-1", POLICE, "H-1")]
    assert [*obstacles(written.state, item_id="left")] == covered
    written.say(item.ItemMerged, clerk(POLICE), item_ids=("left", "right"), whole=part("whole", "10"))
    assert [*obstacles(written.state, item_id="whole")] == covered
    assert [each.kind for each in obstacles(written.state, item_id="left")] == ["gone"]


def test_what_stands_in_the_way_of_a_destruction_is_told() -> None:
    """An open offer and an officer who has taken it along, besides holds; nothing of what may be destroyed."""
    assert obstacles(holding("phone").state, item_id="phone") == ()
    assert [each[:3] for each in obstacles(sent("phone").state, item_id="phone")] == [("handover", "handover-1", LAB)]
    out = holding("phone").say(item.ItemCheckedOut, item_id="phone", to_officer="p-9")
    assert obstacles(out.state, item_id="phone") == (Obstacle("checked_out", "p-9", POLICE),)


# -- a hold goes along with what it covers -----------------------------------------------------------------------------


def split_off(written: Case, *item_ids: str) -> Case:
    """Split items off for a new case, and open it."""
    written.say(case.CaseSplit, item_ids=item_ids, new_case_id="case-2")
    new = Case("case-2", start=written.now)
    return new.open(split_from=written.last.event.ref, source=written.state)


def test_a_hold_goes_along_when_items_are_split_off() -> None:
    """In the new case it covers what came, by the same agency and paper; here it stays as it is."""
    written = place(holding("phone", "knife"))
    place(written, "hold-2", item_ids=("knife",))
    new = split_off(written, "phone")
    assert {key: (each.scope, each.item_ids) for key, each in new.state.holds.items()} == {
        "hold-1": ("items", ("phone",))
    }
    assert obstacles(new.state, item_id="phone") == (Obstacle("hold", "hold-1", POLICE, "H-1"),)
    assert written.state.holds["hold-1"].scope == "case"


def joined_back(written: Case, new: Case, item_id: str) -> Case:
    """Split the item off from the new case, and take it into the case that it came from."""
    new.say(case.CaseSplit, item_ids=(item_id,), new_case_id="case-1")
    fields = {"other_case_id": "case-2", "cites": new.last.event.ref, "ground": "one deed"}
    return written.say(case.CaseJoined, source=new.state, **fields)


@pytest.mark.parametrize(
    ("fields", "scope", "items"),
    [
        ({}, "case", ()),
        ({"item_ids": ("phone",)}, "items", ("phone",)),
        ({"item_ids": ("phone", "knife")}, "items", ("phone", "knife")),
    ],
)
def test_a_hold_that_comes_back_with_its_item_stands_once(
    fields: dict[str, Any], scope: str, items: tuple[str, ...]
) -> None:
    """What stayed is covered as before, and so is what comes back."""
    written = place(holding("phone", "knife"), **fields)
    back = joined_back(written, split_off(written, "phone"), "phone").state.holds
    assert {key: (each.scope, each.item_ids) for key, each in back.items()} == {"hold-1": (scope, items)}


def test_a_hold_that_was_released_here_stands_on_what_comes_back_under_it() -> None:
    """In the other case nobody released it."""
    written = place(holding("phone", "knife"))
    new = split_off(written, "phone")
    joined_back(release(written), new, "phone")
    assert obstacles(written.state, item_id="phone") == (Obstacle("hold", "hold-1", POLICE, "H-1"),)
    assert obstacles(written.state, item_id="knife") == ()


def test_a_hold_whose_id_another_one_has_comes_in_under_a_free_one() -> None:
    """Items are not kept from coming, and the two are released one by one; it stands once however often it comes."""
    written = holding("phone", "knife")
    new = place(split_off(written, "phone"))
    place(written, item_ids=("knife",), number="H-2")
    joined_back(written, new, "phone")
    assert {key: each.number for key, each in written.state.holds.items()} == {"hold-1": "H-2", "hold-1-2": "H-1"}
    release(written)
    assert obstacles(written.state, item_id="phone") == (Obstacle("hold", "hold-1-2", POLICE, "H-1"),)
    release(written, "hold-1-2")
    assert obstacles(written.state, item_id="phone") == ()


def test_who_placed_a_hold_releases_it_where_its_item_has_come() -> None:
    """Though it is no party there; another agency that is none has nothing to say about it."""
    agencies = {name: admitted_agency(name) for name in (POLICE, COURT, LAB)}
    written = place(holding("phone", "knife"), by=COURT, item_ids=("phone",))
    new = split_off(written, "phone")
    new.registered = agencies
    assert COURT not in new.state.agencies
    with refused("not_a_party", field=path_of("agency")):
        release(new, by=LAB)
    assert not release(new, by=COURT).state.holds["hold-1"].stands


def test_a_hold_keeps_the_sections_about_an_item_that_was_split_off() -> None:
    """They stand in this case, wherever the item is."""
    written = holding("phone", "knife")
    event = secret(written)
    split_off(written, "phone")
    place(written, item_ids=("phone",))
    with refused("on_hold", field=path_of("body.concerns")):
        erase(written, event)


# -- confidential sections ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scope", ["case", "sections", "event", "item"])
def test_a_section_that_a_hold_covers_is_not_erased(scope: str) -> None:
    """By the case, by all of its sections, by its event, or by the item that its event is about."""
    written = holding("phone", "knife")
    event = secret(written)
    fields: dict[str, Any] = {
        "case": {},
        "sections": {"scope": "sections"},
        "event": {"concerns": (event.ref,)},
        "item": {"item_ids": ("phone",)},
    }[scope]
    place(written, **fields)
    with refused("on_hold", field=path_of("body.concerns")):
        erase(written, event)
    assert [each.hold_id for each in holds_on_sections(written.state, event.event_id)] == ["hold-1"]
    erase(release(written), event)


def test_a_hold_leaves_what_it_does_not_cover() -> None:
    """A hold on one event or item does not stop the erasure of another's section."""
    written = holding("phone", "knife")
    of_phone, of_knife = secret(written), secret(written, "knife")
    place(written, concerns=(of_phone.ref,))
    place(written, "hold-2", item_ids=("phone",))
    erase(written, of_knife)


def test_what_is_destroyed_shows_the_holds_that_were_on_it() -> None:
    """Those on the thing, on what it comes from and on the case, or on the section; also after their release."""
    written = place(place(holding("knife", "cup"), item_ids=("knife",)), hold_id="hold-2", scope="case")
    event = secret(written, "cup")
    place(written, hold_id="hold-3", scope="sections", concerns=(event.ref,))
    release(written)

    def ids(*item_ids: str, event_id: str | None = None) -> list[str]:
        return [hold.hold_id for hold in holds_ever(written.state, item_ids, event_id)]

    assert ids("knife") == ["hold-1", "hold-2"]
    assert ids("cup") == ["hold-2"]
    assert ids(event_id=event.event_id) == ["hold-2", "hold-3"]
    assert ids() == []


STEPS = st.lists(st.sampled_from(("place", "place_item", "place_event", "release", "erase", "examine")), max_size=14)


@given(STEPS)
def test_under_no_order_of_events_a_held_section_is_erased(steps: list[str]) -> None:
    """Whatever is placed, released and erased in whatever order: what a standing hold covers is still there."""
    written, codes = holding("phone"), set[str]()
    events = [secret(written)]
    for number, step in enumerate(steps):
        try:
            match step:
                case "examine":
                    events.append(secret(written))
                case "place":
                    place(written, f"hold-{number}")
                case "place_item":
                    place(written, f"hold-{number}", item_ids=("phone",))
                case "place_event":
                    place(written, f"hold-{number}", concerns=(events[-1].ref,))
                case "release":
                    standing = written.state.holds.marked("standing")
                    release(written, standing[0].hold_id if standing else "none")
                case "erase":
                    held = {each.event_id for each in events if holds_on_sections(written.state, each.event_id)}
                    erase(written, events[-1])
                    assert events[-1].event_id not in held
        except RuleRefused as error:
            codes.add(error.code)
    assert codes <= {"on_hold", "unknown_hold"}


def test_an_erased_section_waits_for_no_signature() -> None:
    """What was proposed twice is done by one second signature; what was proposed of another section still waits."""
    written = holding("phone")
    event, another = secret(written), secret(written)
    for concerned_event in (event, another):
        say = {"concerns": concerned_event.ref, "label": "narrative"}
        written.say(ErasureProposed, clerk(POLICE), **say)
    assert [each.concerns for each in erase(written, event).state.erasures.values()] == [another.ref]
