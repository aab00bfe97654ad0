"""Rules of the case itself: opening, parties, stages, closing, persons, measures, decisions, splits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec import Struct
from msgspec.structs import replace

from ledger.core.custody import Act, Flag, OpenSplit, fold
from ledger.core.custody import state as states
from ledger.core.custody.cases import opened_by, require_can_take_over, with_split_off
from ledger.core.errors import Conflict, RuleRefused
from ledger.core.events import Body, case, handover, item, record
from ledger.core.signing.authority import Agency, AuthorityState, Grant
from ledger.procedures import shipped_rulebook
from tests.testkit.builders import (
    COURT,
    DEPOT,
    LAB,
    POLICE,
    PROCURATORATE,
    Officer,
    clerk,
    path_of,
    refused,
    sample_body,
    supervisor,
)
from tests.testkit.casework import (
    AT,
    Case,
    Refusal,
    Refusals,
    each_refusal,
    got,
    holding,
    lent,
    li_detained,
    person_id,
    require_refusal,
    sent,
)

LI, WANG = person_id("li"), person_id("wang")


def decided(**fields: Any) -> dict[str, Any]:
    return {"decision_id": "decision-1", "kind": "case_filed", "number": "J-1", "decided_at": AT} | fields


# -- opening, heads, parties -------------------------------------------------------------------------------------------


def test_an_opened_case_is_its_openers() -> None:
    """The agency that opens a case answers for it, under its own number, from sequence 0 on."""
    state = Case().open(stage="investigation", case_number="A-1").state
    assert (state.opened_by, state.responsible, state.agencies) == (POLICE, POLICE, frozenset({POLICE}))
    assert (state.sequence, state.numbers, state.stage, state.closed) == (0, {POLICE: "A-1"}, "investigation", False)
    assert (state.case_id, state.case_type, state.business_line) == ("case-1", "theft", "criminal")
    assert state.opened_at == state.last_occurred_at == "2026-03-02T01:00:00Z"


def test_each_agency_adds_its_number() -> None:
    """The number of one agency leaves that of another as it is."""
    moved = holding().offer(to=COURT, purpose="public_prosecution").accept()
    moved.say(case.CaseNumbered, clerk(COURT), case_number="B-9")
    assert moved.state.numbers == {POLICE: "2026-0417", COURT: "B-9"}


def test_a_stream_begins_with_its_opening() -> None:
    """Any other first event is refused."""
    with refused("not_opened", field="envelope.event_type"):
        Case().say(case.CaseNumbered, clerk(POLICE), case_number="7")


@pytest.mark.parametrize(("field", "value"), [("sequence", 5), ("previous", "sha256:" + "00" * 32)])
def test_an_event_stands_on_the_head(field: str, value: Any) -> None:
    """An event at another place than next is a conflict that tells head and sequence."""
    written = holding()
    draft = written.draft(case.CaseNumbered(case_number="7"), clerk(POLICE), **{field: value})
    with pytest.raises(Conflict) as caught:
        fold(written.state, Act(draft.event, written.book))
    assert (caught.value.code, caught.value.field) == ("not_on_head", path_of(field))
    assert (caught.value.head, caught.value.sequence) == (written.last.event.leaf_hash, 3)


def test_a_conflict_about_an_opening_says_what_helps() -> None:
    """Where no case is, the next event is number 0 on nothing; where there is one, to sign again on its head would not
    help."""
    draft = holding().draft(case.CaseNumbered(case_number="7"), clerk(POLICE))
    with pytest.raises(Conflict) as caught:
        fold(None, Act(draft.event, shipped_rulebook()))
    assert (caught.value.head, caught.value.sequence) == (None, 0)
    assert caught.value.hint == "There is nothing of this id yet: look at the id."
    written = holding()
    with pytest.raises(Conflict) as caught:
        fold(written.state, Act(Case().open().last.event, written.book))
    assert (caught.value.code, caught.value.hint) == ("not_on_head", "Choose another id.")


def test_the_head_moves_with_each_event() -> None:
    """The state after an event stands on its leaf hash; the latest claimed time stays."""
    written = holding().say(case.CaseNumbered, case_number="7", occurred_at="2026-03-09T00:00:00Z")
    written.say(case.CaseNumbered, case_number="8", occurred_at="2026-03-01T00:00:00Z")
    assert (written.state.head, written.state.sequence) == (written.last.event.leaf_hash, 4)
    assert written.state.last_occurred_at == "2026-03-09T00:00:00Z"


STRUCTS = {kind for kind in vars(states).values() if isinstance(kind, type) and issubclass(kind, Struct)} - {Struct}


@pytest.mark.parametrize("kind", [Flag, Agency, Grant, AuthorityState, *sorted(STRUCTS, key=str)])
def test_what_a_fold_gave_is_never_changed(kind: type[Struct]) -> None:
    """A state that somebody keeps stays the state at its event: each act makes a new one."""
    assert kind.__struct_config__.frozen


@pytest.mark.parametrize(
    "kind",
    ["record.corrected", "record.late", "section.erasure_proposed", "import.recorded", "case.assigned", "case.linked"],
)
def test_events_of_the_record_move_nothing(kind: str) -> None:
    """A correction, a late note, an erasure, an origin, a handler or a link changes nobody's custody."""
    written = holding()
    before = written.state
    written.act(sample_body(kind, full=False), supervisor(POLICE))
    assert written.state.persons is before.persons
    assert (written.state.items, written.state.handovers) == (before.items, before.handovers)
    assert written.state.sequence == before.sequence + 1


# -- refusals ----------------------------------------------------------------------------------------------------------


def saying(kind: type[Body], by: Officer | None = None, /, **fields: Any) -> Callable[[Case], Case]:
    return lambda c: c.say(kind, by, **fields)


def deciding(**fields: Any) -> Callable[[Case], Case]:
    return saying(case.DecisionRecorded, **decided(**fields))


ZHAO, CAR = person_id("zhao"), (case.ItemDecision(item_id="car", disposal="forfeited"),)
LENT, DETAINED, HELD = lent("phone"), li_detained(), holding()
CASES: Refusals = {
    "opening a case as closed": Refusal("not_a_closing body.stage", Case(), lambda c: c.open(stage="closed")),
    "opening a case twice": Refusal("already_opened sequence", HELD, lambda c: c.open()),
    "an act of an agency without a part": Refusal("not_a_party agency", HELD, saying(case.CaseNumbered, clerk(COURT))),
    "a link to itself": Refusal("same_case body.other_case_id", HELD, saying(case.CaseLinked, other_case_id="case-1")),
    "a stage by another agency": Refusal("not_responsible agency", LENT, saying(case.CaseStageEntered, clerk(LAB))),
    "closing by a stage": Refusal("not_a_closing body.stage", HELD, saying(case.CaseStageEntered, stage="closed")),
    "closing with an open offer": Refusal("open_offer event_type", holding().offer(to=PROCURATORATE), Case.close),
    "closing with an open discrepancy": Refusal(
        "open_discrepancy event_type", sent("phone").accept(received=(got("phone", "mismatch"),)), Case.close
    ),
    "closing by another agency": Refusal("not_responsible agency", LENT, lambda c: c.close(clerk(LAB))),
    "closing on no decision": Refusal("unknown_decision body.decision_id", HELD, lambda c: c.close(decision_id="d-9")),
    "a stranger's measure": Refusal("unknown_person body.person_id", HELD, saying(case.MeasureImposed, person_id=ZHAO)),
    "a taken measure id": Refusal(
        "duplicate_id body.measure_id", DETAINED, saying(case.MeasureImposed, measure_id="measure-1", person_id=WANG)
    ),
    "a taken id of a changed measure": Refusal(
        "duplicate_id body.new_measure_id",
        DETAINED,
        saying(case.MeasureChanged, measure_id="measure-1", new_measure_id="measure-1", started_at=AT),
    ),
    "extending an unknown measure": Refusal("unknown_measure body.measure_id", HELD, saying(case.MeasureExtended)),
    "extending a measure that ended": Refusal(
        "measure_ended body.measure_id",
        li_detained().say(case.MeasureLifted, measure_id="measure-1", ended_at=AT),
        saying(case.MeasureExtended, measure_id="measure-1", until="2026-03-09"),
    ),
    "a taken decision id": Refusal("duplicate_id body.decision_id", deciding()(holding()), deciding(kind="judgment")),
    "a decision on a stranger": Refusal("unknown_person body.person_ids", HELD, deciding(person_ids=(ZHAO,))),
    "a decision on an item of another case": Refusal("unknown_item body.items", HELD, deciding(items=CAR)),
    "disclosing an unknown item": Refusal(
        "unknown_item body.item_ids", HELD, saying(record.DisclosureMade, item_ids=("car",))
    ),
}


# -- stages and closing ------------------------------------------------------------------------------------------------


def test_a_case_with_everything_answered_is_closed() -> None:
    """Answered offers and resolved discrepancies let a case be closed, on a decision that is recorded."""
    written = sent("phone")
    written.accept(received=(got("phone", "mismatch"),))
    for agency in (POLICE, LAB):
        written.say(handover.DiscrepancyResolved, clerk(agency), discrepancy_id="handover-1/phone")
    written.say(case.DecisionRecorded, **decided()).close(decision_id="decision-1")
    assert (written.state.closed, written.state.stage) == (True, "closed")


def test_a_closed_case_is_opened_again_by_a_stage() -> None:
    """A retrial takes it up again, by a stage or by the handover that enters one; a file that is returned does not."""
    by_stage = holding().close().say(case.CaseStageEntered, stage="retrial")
    assert (by_stage.state.closed, by_stage.state.stage) == (False, "retrial")
    by_handover = holding().close().offer(to=COURT, purpose="retrial").accept()
    assert (by_handover.state.closed, by_handover.state.stage) == (False, "retrial")
    written = holding().register("file", kind="dossier").close()
    written.offer("file", to=PROCURATORATE, purpose="file_return").accept()
    assert (written.state.closed, written.state.stage) == (True, "closed")


# -- persons, measures, decisions --------------------------------------------------------------------------------------


def test_a_person_is_answered_for_by_the_cases_agency() -> None:
    """Whoever names a person, the agency that answers for the case answers for the person; a new role keeps that."""
    written = lent("phone")
    written.name("zhao", by=clerk(LAB), role="witness").name("zhao", by=clerk(LAB), role="victim")
    zhao = written.state.persons[person_id("zhao")]
    assert (zhao.responsible, zhao.role) == (POLICE, "victim")


def test_measures_follow_one_another() -> None:
    """A measure is extended, changed into another, and lifted; each ends when the next begins."""
    written = li_detained().say(case.MeasureExtended, measure_id="measure-1", until="2026-04-01", article="CPL 91")
    assert written.state.measures["measure-1"].until == "2026-04-01"
    changed = {"new_measure_id": "measure-2", "measure": "bail", "started_at": "2026-03-20T00:00:00Z"}
    measures = written.say(case.MeasureChanged, measure_id="measure-1", **changed).state.measures
    assert (measures["measure-1"].ended_at, measures["measure-2"].ended_at) == ("2026-03-20T00:00:00Z", None)
    assert (measures["measure-2"].person_id, measures["measure-2"].measure) == (LI, "bail")
    written.say(case.MeasureLifted, measure_id="measure-2", ended_at="2026-05-01T00:00:00Z")
    assert written.state.measures["measure-2"].ended_at == "2026-05-01T00:00:00Z"


def test_a_decision_names_persons_and_items_of_the_case() -> None:
    """A decision on what the case has is recorded under its id, with what it says of each item."""
    written = holding().register("car", kind="property")
    line = case.ItemDecision(item_id="car", disposal="forfeited")
    written.say(case.DecisionRecorded, **decided(person_ids=(LI,), items=(line,)))
    assert {key: decision.items for key, decision in written.state.decisions.items()} == {"decision-1": (line,)}


# -- splitting, and joining what was split off: taken over once, by the case that it was for ---------------------------


def split_off(**fields: Any) -> Case:
    """Li, his detention and the phone leave case-1 for case-2."""
    defaults = {"new_case_id": "case-2", "ground": "another crime", "item_ids": ("phone",), "person_ids": (LI,)}
    return li_detained().register("phone", "knife").say(case.CaseSplit, **(defaults | fields))


def test_what_is_split_off_leaves_the_case() -> None:
    """Items, persons and their measures are gone from the old case, which keeps what it gave up."""
    old = split_off().say(case.CaseNumbered, case_number="8")
    state = old.state
    assert (state.items["phone"].status, state.items["knife"].status) == ("left", "held")
    assert (set(state.persons), set(state.measures)) == ({WANG}, set())
    (split,) = state.splits.values()
    assert (split.new_case_id, split.agency, [person.person_id for person in split.persons]) == ("case-2", POLICE, [LI])


def test_whom_a_case_split_off_is_shown_in_it_until_another_takes_him_over() -> None:
    """With his measure and its clocks, as they were; what has such an id by now is shown as it is now."""
    old = split_off()
    before, (split_id,) = li_detained().state, old.state.splits
    shown = with_split_off(old.state, (split_id,))
    assert (set(shown.persons), set(shown.measures)) == ({LI, WANG}, {"measure-1"})
    assert [(clock.deadline_id, clock.started_at) for clock in shown.clocks.marked(f"running/{LI}")] == [
        (clock.deadline_id, clock.started_at) for clock in before.clocks.marked(f"running/{LI}")
    ]
    assert (shown.persons[LI].left_for, shown.persons[WANG].left_for) == ("case-2", None)
    assert with_split_off(old.state, ()) is old.state
    old.say(case.PersonNamed, person_id=LI, role="witness")
    old.say(case.MeasureImposed, measure_id="measure-1", person_id=WANG, measure="bail")
    shown = with_split_off(old.state, (split_id,))
    assert (shown.persons[LI].role, shown.measures["measure-1"].person_id) == ("witness", WANG)


def test_of_whom_was_split_off_nothing_is_recorded_in_the_old_case() -> None:
    """Neither about him, nor about his measure or his time: the refusal says where that goes."""
    old = split_off()
    (split,) = old.state.splits.values()
    acts: tuple[tuple[type[Body], dict[str, str]], ...] = (
        (case.MeasureImposed, {"person_id": LI, "measure_id": "measure-2"}),
        (case.MeasureLifted, {"measure_id": "measure-1"}),
        (case.DeadlineSuspended, {"deadline_id": split.clocks[0].deadline_id}),
    )
    for kind, fields in acts:
        with pytest.raises(RuleRefused) as caught:
            old.say(kind, **fields)
        assert (
            caught.value.hint == "It was split off for case case-2: record this there, once that case has taken over."
        )
    with pytest.raises(RuleRefused) as caught:
        old.say(case.MeasureLifted, measure_id="measure-9")
    assert caught.value.hint is None


def test_who_is_not_offered_leaves_while_others_are() -> None:
    """An open offer holds back the persons and items in it, and nobody else."""
    written = holding().offer(to=PROCURATORATE, persons=("li",))
    written.say(case.CaseSplit, new_case_id="case-2", person_ids=(WANG,))
    assert set(written.state.persons) == {LI}


def test_a_new_case_takes_over_what_was_split_off() -> None:
    """The new case has the items with their holders, the persons and their running measures."""
    old = split_off()
    new = Case("case-2").open(split_from=old.last.ref, source=old.state)
    assert (new.state.items["phone"].status, new.state.items["phone"].holder) == ("held", POLICE)
    assert (set(new.state.persons), set(new.state.measures)) == ({LI}, {"measure-1"})
    new.offer("phone", to=PROCURATORATE, persons=("li",)).accept()
    assert new.state.items["phone"].holder == PROCURATORATE


def test_what_is_split_off_says_how_it_is_taken_over() -> None:
    """By the opening of the new case, or in one that is open."""
    step = str(OpenSplit("event-1", "case-1", "case-2", POLICE, persons=1, items=0).next_step)
    assert "tally case open --case-id case-2 --split-from event-1" in step
    assert "tally case join case-2 case-1 --cites event-1" in step


def test_an_open_case_joins_what_was_split_off() -> None:
    """A case that is open takes over what was split off for it; who holds an item there takes part in it."""
    old = li_detained().register("phone", by=clerk(POLICE))
    old.offer("phone", to=DEPOT, purpose="property_transfer").accept()
    old.say(case.CaseSplit, new_case_id="case-2", item_ids=("phone",))
    new = Case("case-2").open()
    new.say(case.CaseJoined, other_case_id="case-1", cites=old.last.ref, source=old.state)
    assert new.state.items["phone"].holder == DEPOT
    assert new.state.agencies == {DEPOT, POLICE}
    new.say(item.ItemMoved, clerk(DEPOT), item_id="phone", storage_location="shelf 4")


def test_an_item_comes_back_by_a_second_split() -> None:
    """What left a case comes back into it by a split the other way."""
    first = split_off(person_ids=())
    two = Case("case-2").open(split_from=first.last.ref, source=first.state)
    two.say(case.CaseSplit, new_case_id="case-1", item_ids=("phone",))
    first.say(case.CaseJoined, other_case_id="case-2", cites=two.last.ref, source=two.state)
    assert first.state.items["phone"].status == "held"


def splitting(by: Officer | None = None, **fields: Any) -> Callable[[Case], Case]:
    return lambda c: c.say(case.CaseSplit, by, **{"new_case_id": "case-2", **fields})


GIVEN_AWAY = holding().register("phone").offer(to=PROCURATORATE).accept()
PHONE: dict[str, Any] = {"item_ids": ("phone",)}
SPLITS: Refusals = {
    "into itself": Refusal("same_case body.new_case_id", holding(), splitting(new_case_id="case-1")),
    "an item twice": Refusal("duplicate_id body.item_ids", holding("phone"), splitting(item_ids=("phone", "phone"))),
    "a person twice": Refusal("duplicate_id body.person_ids", holding(), splitting(person_ids=(LI, LI))),
    "an unknown item": Refusal("unknown_item body.item_ids", holding(), splitting(item_ids=("car",))),
    "an unknown person": Refusal("unknown_person body.person_ids", HELD, splitting(person_ids=(ZHAO,))),
    "an item that left": Refusal("item_gone body.item_ids", split_off(), splitting(**PHONE)),
    "an item on offer": Refusal("already_offered body.item_ids", sent("phone"), splitting(**PHONE)),
    "a person on offer": Refusal(
        "already_offered body.person_ids",
        holding().offer(to=PROCURATORATE, persons=("li",)),
        splitting(person_ids=(LI,)),
    ),
    "an item that another agency answers for": Refusal("not_responsible body.item_ids", GIVEN_AWAY, splitting(**PHONE)),
    "by another agency": Refusal("not_responsible agency", GIVEN_AWAY, splitting(clerk(POLICE))),
}


@each_refusal(CASES | SPLITS)
def test_what_is_impossible_is_refused(refusal: Refusal) -> None:
    """Each impossible act is refused under its rule's name and by its field, and leaves the case as it was."""
    require_refusal(refusal)


def joining(old: Case, new: Case, by: Officer | None = None, other_case_id: str = "case-1") -> Case:
    fields = {"other_case_id": other_case_id, "cites": old.last.ref, "ground": "same gang"}
    return new.say(case.CaseJoined, by, source=old.state, **fields)


def test_a_split_is_taken_over_once() -> None:
    """Neither joining twice nor joining what the opening took brings an item back that went on its way."""
    old = split_off()
    for new in (Case("case-2").open(split_from=old.last.ref, source=old.state), joining(old, Case("case-2").open())):
        new.offer("phone", to=COURT, purpose="property_transfer").accept()
        with refused("already_taken_over", field="payload.body.cites"):
            joining(old, new)
        assert new.state.items["phone"].holder == COURT


def test_only_a_split_for_this_case_is_taken_over() -> None:
    """An event that is no split, a split for another case, a state without it, or id and digest of two events give
    nothing."""
    old = split_off()
    split = old.last.ref
    no_split = li_detained()
    of_two = replace(split, event_id=no_split.last.envelope.event_id)
    for source, cites in (
        (None, split),
        (no_split.state, no_split.last.ref),
        (old.state, of_two),
    ):
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
    for source, ref in ((old.state, old.last.ref), (None, li_detained().last.ref)):
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
        assert "phone" in Case("case-2").open(by, split_from=old.last.ref, source=old.state).state.items


def test_a_case_that_is_not_the_signers_joins_nothing() -> None:
    """Only the agency that answers for a case takes over what was split off for it."""
    old, new = split_off(), Case("case-2").open(clerk(COURT))
    new.register("file", kind="dossier").offer("file", to=POLICE, purpose="loan").accept()
    with refused("not_responsible", field="envelope.agency"):
        joining(old, new, by=clerk(POLICE))


def test_what_joins_must_be_new_to_the_case() -> None:
    """An item or a measure under an id that the case has already is refused by the citation."""
    with refused("duplicate_id", field="payload.body.cites"):
        joining(split_off(), Case("case-2").open().register("phone"))
    new = Case("case-2").open().name("wang")
    new.say(case.MeasureImposed, measure_id="measure-1", person_id=WANG, measure="bail", started_at=AT)
    with refused("duplicate_id", field="payload.body.cites"):
        joining(split_off(), new)


def test_what_is_another_agencys_case_could_take_nothing_over() -> None:
    """Before the split is recorded its agency learns that; its own open case could."""
    old = split_off()
    (split,) = old.state.splits.values()
    require_can_take_over(Case("case-2").open().state, old.state, split, field="new_case_id")
    with refused("not_responsible", field="payload.body.new_case_id"):
        require_can_take_over(Case("case-2").open(clerk(COURT)).state, old.state, split, field="new_case_id")


def test_two_splits_with_things_of_one_id_do_not_go_into_one_case() -> None:
    """Opened by the one, the case could not take over the other; what neither has twice goes along."""
    old, second = split_off(), split_off()
    (split,) = old.state.splits.values()
    with refused("duplicate_id", field="payload.body.new_case_id"):
        require_can_take_over(opened_by(old.state, split), second.state, split, field="new_case_id")
    second.say(case.CaseSplit, new_case_id="case-2", item_ids=("knife",))
    beside = second.state.splits[second.last.event.event_id]
    require_can_take_over(opened_by(old.state, split), second.state, beside, field="new_case_id")
