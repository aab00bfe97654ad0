"""Splitting a case and joining what was split off: taken over once, by the case it was for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from ledger.core.errors import RuleRefused
from ledger.core.events import case, item
from ledger.core.events.terms import EventRef
from tests.testkit.builders import COURT, DEPOT, POLICE, PROCURATORATE, Officer, clerk, refused
from tests.testkit.casework import (
    AT,
    Case,
    Refusal,
    Refusals,
    each_refusal,
    holding,
    li_detained,
    person_id,
    require_refusal,
    sent,
)

LI, WANG = person_id("li"), person_id("wang")


def split_off(**fields: Any) -> Case:
    """Li, his detention and the phone leave case-1 for case-2."""
    defaults = {"new_case_id": "case-2", "ground": "another crime", "item_ids": ("phone",), "person_ids": (LI,)}
    return li_detained().register("phone", "knife").say(case.CaseSplit, **(defaults | fields))


def cited(by: Case) -> EventRef:
    return by.last.ref


def test_what_is_split_off_leaves_the_case() -> None:
    """Items, persons and their measures are gone from the old case; what stays, stays."""
    state = split_off().state
    assert (state.items["phone"].status, state.items["knife"].status) == ("left", "held")
    assert (set(state.persons), set(state.measures)) == ({WANG}, set())


def test_who_is_not_offered_leaves_while_others_are() -> None:
    """An open offer holds back the persons and items in it, and nobody else."""
    written = holding().offer(to=PROCURATORATE, persons=("li",))
    written.say(case.CaseSplit, new_case_id="case-2", person_ids=(WANG,))
    assert set(written.state.persons) == {LI}


def test_a_new_case_takes_over_what_was_split_off() -> None:
    """The new case has the items with their holders, the persons and their running measures."""
    old = split_off()
    new = Case("case-2").open(split_from=cited(old), source=old.state)
    assert (new.state.items["phone"].status, new.state.items["phone"].holder) == ("held", POLICE)
    assert (set(new.state.persons), set(new.state.measures)) == ({LI}, {"measure-1"})
    new.offer("phone", to=PROCURATORATE, persons=("li",)).accept()
    assert new.state.items["phone"].holder == PROCURATORATE


def test_an_open_case_joins_what_was_split_off() -> None:
    """A case that is open takes over what was split off for it; who holds an item there takes part in it."""
    old = li_detained().register("phone", by=clerk(POLICE))
    old.offer("phone", to=DEPOT, purpose="property_transfer").accept()
    old.say(case.CaseSplit, new_case_id="case-2", item_ids=("phone",))
    new = Case("case-2").open()
    new.say(case.CaseJoined, other_case_id="case-1", cites=cited(old), source=old.state)
    assert new.state.items["phone"].holder == DEPOT
    assert new.state.agencies == {DEPOT, POLICE}
    new.say(item.ItemMoved, clerk(DEPOT), item_id="phone", storage_location="shelf 4")


def test_an_item_comes_back_by_a_second_split() -> None:
    """What left a case comes back into it by a split the other way."""
    first = split_off(person_ids=())
    two = Case("case-2").open(split_from=cited(first), source=first.state)
    two.say(case.CaseSplit, new_case_id="case-1", item_ids=("phone",))
    first.say(case.CaseJoined, other_case_id="case-2", cites=cited(two), source=two.state)
    assert first.state.items["phone"].status == "held"


def splitting(by: Officer | None = None, **fields: Any) -> Callable[[Case], Case]:
    return lambda c: c.say(case.CaseSplit, by, **{"new_case_id": "case-2", **fields})


GIVEN_AWAY = holding().register("phone").offer(to=PROCURATORATE).accept()
PHONE: dict[str, Any] = {"item_ids": ("phone",)}
REFUSED: Refusals = {
    "into itself": Refusal("same_case body.new_case_id", holding(), splitting(new_case_id="case-1")),
    "an item twice": Refusal("duplicate_id body.item_ids", holding("phone"), splitting(item_ids=("phone", "phone"))),
    "a person twice": Refusal("duplicate_id body.person_ids", holding(), splitting(person_ids=(LI, LI))),
    "an unknown item": Refusal("unknown_item body.item_ids", holding(), splitting(item_ids=("car",))),
    "an unknown person": Refusal(
        "unknown_person body.person_ids", holding(), splitting(person_ids=(person_id("zhao"),))
    ),
    "an item that left": Refusal("item_gone body.item_ids", split_off(), splitting(**PHONE)),
    "an item on offer": Refusal("already_offered body.item_ids", sent("phone"), splitting(**PHONE)),
    "a person on offer": Refusal(
        "already_offered body.person_ids",
        holding().offer(to=PROCURATORATE, persons=("li",)),
        splitting(person_ids=(LI,)),
    ),
    "an item that another agency answers for": Refusal("not_responsible body.item_ids", GIVEN_AWAY, splitting(**PHONE)),
    "by an agency that does not answer for the case": Refusal(
        "not_responsible agency", GIVEN_AWAY, splitting(clerk(POLICE))
    ),
}


@each_refusal(REFUSED)
def test_what_cannot_be_split_off_is_refused(refusal: Refusal) -> None:
    """Only what the case has, its agency answers for and nobody is being offered can leave."""
    require_refusal(refusal)


def joining(old: Case, new: Case, by: Officer | None = None, other_case_id: str = "case-1") -> Case:
    fields = {"other_case_id": other_case_id, "cites": cited(old), "ground": "same gang"}
    return new.say(case.CaseJoined, by, source=old.state, **fields)


def test_a_split_is_taken_over_once() -> None:
    """Neither joining twice nor joining what the opening took brings an item back that went on its way."""
    old = split_off()
    for new in (Case("case-2").open(split_from=cited(old), source=old.state), joining(old, Case("case-2").open())):
        new.offer("phone", to=COURT, purpose="property_transfer").accept()
        with refused("already_taken_over", field="payload.body.cites"):
            joining(old, new)
        assert new.state.items["phone"].holder == COURT


def test_only_a_split_for_this_case_is_taken_over() -> None:
    """An event that is no split, a split for another case, a state at another event, or id and digest of two events
    give nothing."""
    old = split_off()
    split = cited(old)
    no_split = li_detained()
    later = split_off().say(case.CaseNumbered, case_number="8")
    of_two = replace(split, event_id=no_split.last.envelope.event_id)
    for source, cites in ((None, split), (no_split.state, cited(no_split)), (later.state, split), (old.state, of_two)):
        with refused("no_such_split", field="payload.body.split_from"):
            Case("case-2").open(split_from=cites, source=source)
    with refused("no_such_split", field="payload.body.split_from"):
        Case("case-3").open(split_from=split, source=old.state)
    with refused("no_such_split", field="payload.body.cites"):
        joining(old, Case("case-2").open(), other_case_id="case-9")


def test_only_the_agency_that_split_it_off_takes_it_over() -> None:
    """Neither by opening the case that it is for, nor by joining it to one of its own, does another agency get items
    or persons; it is told the same as of an event that there is not."""
    old = split_off()
    stranger, messages = clerk(COURT), set()
    for source, ref in ((old.state, cited(old)), (None, cited(li_detained()))):
        for act in (
            lambda source=source, ref=ref: Case("case-2").open(stranger, split_from=ref, source=source),
            lambda source=source, ref=ref: (
                Case("case-2").open(stranger).say(case.CaseJoined, other_case_id="case-1", cites=ref, source=source)
            ),
        ):
            with pytest.raises(RuleRefused) as caught:
                act()
            assert caught.value.code == "no_such_split"
            messages.add(caught.value.message)
    assert len(messages) == 1
    for by in (clerk(POLICE), clerk(POLICE, 2)):
        assert "phone" in Case("case-2").open(by, split_from=cited(old), source=old.state).state.items


def test_a_case_that_is_not_the_signers_joins_nothing() -> None:
    """Only the agency that answers for a case takes over what was split off for it."""
    old, new = split_off(), Case("case-2").open(clerk(COURT))
    new.register("file", kind="dossier").offer("file", to=POLICE, purpose="loan").accept()
    with refused("not_responsible", field="payload.agency"):
        joining(old, new, by=clerk(POLICE))


def test_what_joins_must_be_new_to_the_case() -> None:
    """An item or a measure under an id that the case has already is refused by the citation."""
    with refused("duplicate_id", field="payload.body.cites"):
        joining(split_off(), Case("case-2").open().register("phone"))
    new = Case("case-2").open().name("wang")
    new.say(case.MeasureImposed, measure_id="measure-1", person_id=WANG, measure="bail", started_at=AT)
    with refused("duplicate_id", field="payload.body.cites"):
        joining(split_off(), new)


def test_a_split_ends_with_the_next_event() -> None:
    """What a split gave up is told by the state right after it, and by no later one."""
    old = split_off()
    assert old.state.split is not None
    assert old.say(case.CaseNumbered, case_number="8").state.split is None
