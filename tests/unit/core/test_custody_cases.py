"""Rules of the case itself: opening, parties, stages, closing, persons, measures, decisions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec import Struct

from ledger.core.custody import Act, Flag, fold
from ledger.core.custody import state as states
from ledger.core.errors import Conflict
from ledger.core.events import Body, case, handover, record
from ledger.core.signing.authority import Agency, AuthorityState, Grant
from ledger.procedures import shipped_rulebook
from tests.testkit.builders import COURT, LAB, POLICE, PROCURATORATE, Officer, clerk, refused, sample_body, supervisor
from tests.testkit.casework import (
    AT,
    Case,
    Refusal,
    Refusals,
    each_refusal,
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
    with refused("not_opened", field="payload.event_type"):
        Case().say(case.CaseNumbered, clerk(POLICE), case_number="7")


@pytest.mark.parametrize(("field", "value"), [("sequence", 5), ("previous", "blake3:" + "00" * 32)])
def test_an_event_stands_on_the_head(field: str, value: Any) -> None:
    """An event at another place than next is a conflict that tells head and sequence."""
    written = holding()
    draft = written.draft(case.CaseNumbered(case_number="7"), clerk(POLICE), **{field: value})
    with pytest.raises(Conflict) as caught:
        fold(written.state, Act(draft.payload, draft.digest, written.now, written.book))
    assert (caught.value.code, caught.value.field) == ("not_on_head", f"payload.{field}")
    assert (caught.value.head, caught.value.sequence) == (written.last.digest, 3)


def test_an_opening_does_not_stand_on_another_event() -> None:
    """Where no case is, the next event is number 0 on nothing."""
    draft = holding().draft(case.CaseNumbered(case_number="7"), clerk(POLICE))
    with pytest.raises(Conflict) as caught:
        fold(None, Act(draft.payload, draft.digest, 0, shipped_rulebook()))
    assert (caught.value.head, caught.value.sequence) == (None, 0)


def test_the_head_moves_with_each_event() -> None:
    """The state after an event stands on its digest; the latest claimed time stays though a later act claims less."""
    written = holding().say(case.CaseNumbered, case_number="7", occurred_at="2026-03-09T00:00:00Z")
    written.say(case.CaseNumbered, case_number="8", occurred_at="2026-03-01T00:00:00Z")
    assert (written.state.head, written.state.sequence) == (written.last.digest, 4)
    assert written.state.last_occurred_at == "2026-03-09T00:00:00Z"


STRUCTS = {kind for kind in vars(states).values() if isinstance(kind, type) and issubclass(kind, Struct)} - {Struct}


@pytest.mark.parametrize("kind", [Flag, Agency, Grant, AuthorityState, *sorted(STRUCTS, key=str)])
def test_what_a_fold_gave_is_never_changed(kind: type[Struct]) -> None:
    """A state that somebody keeps stays the state at its event: each act makes a new one."""
    assert kind.__struct_config__.frozen


@pytest.mark.parametrize(
    "kind", ["record.corrected", "record.late", "section.erased", "import.recorded", "case.assigned", "case.linked"]
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


ZHAO, CAR = person_id("zhao"), (case.ItemDecision(item_id="car", disposal="forfeited"),)
BAIL = {"measure": "bail", "started_at": AT}
LENT, DETAINED, HELD = lent("phone"), li_detained(), holding()
REFUSED: Refusals = {
    "opening a case as closed": Refusal("not_a_closing body.stage", Case(), lambda c: c.open(stage="closed")),
    "opening a case twice": Refusal("already_opened sequence", HELD, lambda c: c.open()),
    "an act of an agency without a part": Refusal("not_a_party agency", HELD, saying(case.CaseNumbered, clerk(COURT))),
    "linking a case to itself": Refusal(
        "same_case body.other_case_id", HELD, saying(case.CaseLinked, other_case_id="case-1")
    ),
    "a stage by another agency": Refusal(
        "not_responsible agency", LENT, saying(case.CaseStageEntered, clerk(LAB), stage="execution")
    ),
    "closing by entering a stage": Refusal(
        "not_a_closing body.stage", HELD, saying(case.CaseStageEntered, stage="closed")
    ),
    "closing with an open offer": Refusal("open_offer event_type", holding().offer(to=PROCURATORATE), Case.close),
    "closing with an open discrepancy": Refusal(
        "open_discrepancy event_type",
        sent("phone").accept(received=(handover.ReceivedItem(item_id="phone", match_result="mismatch"),)),
        Case.close,
    ),
    "closing by another agency": Refusal("not_responsible agency", LENT, lambda c: c.close(clerk(LAB))),
    "closing on a decision that is not recorded": Refusal(
        "unknown_decision body.decision_id", HELD, lambda c: c.close(decision_id="decision-9")
    ),
    "a measure on a stranger": Refusal(
        "unknown_person body.person_id", HELD, saying(case.MeasureImposed, measure_id="measure-1", person_id=ZHAO)
    ),
    "a measure under an id that is taken": Refusal(
        "duplicate_id body.measure_id",
        DETAINED,
        saying(case.MeasureImposed, measure_id="measure-1", person_id=WANG, **BAIL),
    ),
    "a changed measure under an id that is taken": Refusal(
        "duplicate_id body.new_measure_id",
        DETAINED,
        saying(case.MeasureChanged, measure_id="measure-1", new_measure_id="measure-1", **BAIL),
    ),
    "extending a measure that there is not": Refusal(
        "unknown_measure body.measure_id", HELD, saying(case.MeasureExtended, measure_id="measure-1")
    ),
    "extending a measure that ended": Refusal(
        "measure_ended body.measure_id",
        li_detained().say(case.MeasureLifted, measure_id="measure-1", ended_at=AT),
        saying(case.MeasureExtended, measure_id="measure-1", until="2026-03-09"),
    ),
    "a decision under an id that is taken": Refusal(
        "duplicate_id body.decision_id",
        holding().say(case.DecisionRecorded, **decided()),
        saying(case.DecisionRecorded, **decided(kind="judgment")),
    ),
    "a decision on a stranger": Refusal(
        "unknown_person body.person_ids", HELD, saying(case.DecisionRecorded, **decided(person_ids=(ZHAO,)))
    ),
    "a decision on an item of another case": Refusal(
        "unknown_item body.items", HELD, saying(case.DecisionRecorded, **decided(items=CAR))
    ),
    "disclosing an item of another case": Refusal(
        "unknown_item body.item_ids", HELD, saying(record.DisclosureMade, item_ids=("car",))
    ),
}


@each_refusal(REFUSED)
def test_what_is_impossible_is_refused(refusal: Refusal) -> None:
    """Each impossible act is refused under its rule's name and by its field, and leaves the case as it was."""
    require_refusal(refusal)


# -- stages and closing ------------------------------------------------------------------------------------------------


def test_a_case_with_everything_answered_is_closed() -> None:
    """Answered offers and resolved discrepancies let a case be closed, on a decision that is recorded."""
    written = sent("phone")
    written.accept(received=(handover.ReceivedItem(item_id="phone", match_result="mismatch"),))
    for agency in (POLICE, LAB):
        written.say(
            handover.DiscrepancyResolved,
            clerk(agency),
            discrepancy_id="handover-1/phone",
            resolution="the label was misread",
        )
    written.say(case.DecisionRecorded, **decided()).close(decision_id="decision-1")
    assert (written.state.closed, written.state.stage) == (True, "closed")


def test_a_closed_case_is_opened_again_by_a_stage() -> None:
    """A retrial takes a closed case up again, by a stage or by the handover that enters one."""
    by_stage = holding().close().say(case.CaseStageEntered, stage="retrial")
    assert (by_stage.state.closed, by_stage.state.stage) == (False, "retrial")
    by_handover = holding().close().offer(to=COURT, purpose="retrial").accept()
    assert (by_handover.state.closed, by_handover.state.stage) == (False, "retrial")


def test_a_closed_case_stays_closed_where_no_stage_is_entered() -> None:
    """Returning a file after the closing does not open the case again."""
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
    written.say(
        case.MeasureChanged,
        measure_id="measure-1",
        new_measure_id="measure-2",
        measure="bail",
        started_at="2026-03-20T00:00:00Z",
    )
    measures = written.state.measures
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
