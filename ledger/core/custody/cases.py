"""Rules for the case itself, its persons, measures, decisions and the record."""

from __future__ import annotations

from msgspec.structs import replace

from ledger.core.custody.rules import rule
from ledger.core.custody.state import Act, CaseState, Item, MeasureState, Person, Split, look_up, refuse, require_new
from ledger.core.event import Body, case, record


def opened(act: Act, body: case.CaseOpened) -> CaseState:
    """The state at sequence 0. Items and persons of a split come along with their history."""
    state = CaseState(
        case_id=act.payload.stream.id,
        case_type=body.case_type,
        business_line=body.business_line,
        opened_by=act.agency,
        opened_at=act.payload.occurred_at,
        responsible=act.agency,
        stage=body.stage,
        head=act.digest,
        sequence=0,
        last_occurred_at=act.payload.occurred_at,
        agencies=frozenset((act.agency,)),
        numbers={act.agency: body.case_number},
    )
    return state if body.split_from is None else _take_over(state, act)


@rule(case.CaseOpened)
def opened_twice(state: CaseState, act: Act, body: case.CaseOpened) -> CaseState:
    refuse("already_opened", f"case {state.case_id} is open already", field="payload.sequence")


@rule(case.CaseNumbered)
def numbered(state: CaseState, act: Act, body: case.CaseNumbered) -> CaseState:
    return replace(state, numbers=state.numbers | {act.agency: body.case_number})


@rule(case.CaseLinked)
def linked(state: CaseState, act: Act, body: case.CaseLinked) -> CaseState:
    if body.other_case_id == state.case_id:
        refuse("same_case", "a case is not linked to itself", field="payload.body.other_case_id")
    return state


@rule(case.CaseSplit)
def split(state: CaseState, act: Act, body: case.CaseSplit) -> CaseState:
    """What leaves is held by the signer and on no open offer."""
    require_responsible(state, act)
    items = tuple(require_in_hand(state, act, item_id) for item_id in body.item_ids)
    persons = tuple(
        look_up(state.persons, person_id, "unknown_person", "person", state.case_id) for person_id in body.person_ids
    )
    rest = {key: person for key, person in state.persons.items() if key not in body.person_ids}
    after = state.with_items(*(replace(item, status="left") for item in items))
    return replace(after, persons=rest, split=Split(body.new_case_id, items, persons))


@rule(case.CaseJoined)
def joined(state: CaseState, act: Act, body: case.CaseJoined) -> CaseState:
    require_responsible(state, act)
    return _take_over(state, act)


def _take_over(state: CaseState, act: Act) -> CaseState:
    """Items and persons that the cited split gave up. ``act.source`` is the other case at that event."""
    split = act.source.split if act.source else None
    if split is None or split.new_case_id != state.case_id:
        refuse("no_such_split", "the event cited is no split of a case for this one", field="payload.body")
    persons = {person.person_id: person for person in split.persons}
    return replace(state.with_items(*split.items), persons=state.persons | persons)


@rule(case.CaseAssigned)
def assigned(state: CaseState, act: Act, body: case.CaseAssigned) -> CaseState:
    return state


@rule(case.CaseStageEntered)
def stage_entered(state: CaseState, act: Act, body: case.CaseStageEntered) -> CaseState:
    require_responsible(state, act)
    return replace(state, stage=body.stage)


@rule(case.CaseClosed)
def closed(state: CaseState, act: Act, body: case.CaseClosed) -> CaseState:
    """Only with every offer answered and every discrepancy resolved by both sides."""
    require_responsible(state, act)
    for handover in state.handovers.values():
        if handover.is_open:
            refuse(
                "open_offer",
                f"handover {handover.handover_id} is not answered",
                hint=f"{handover.to_agency} answers it, or {handover.from_agency} recalls it.",
            )
    for discrepancy in state.discrepancies.values():
        if not discrepancy.is_resolved:
            refuse(
                "open_discrepancy",
                f"discrepancy {discrepancy.discrepancy_id} is not resolved by {' and '.join(discrepancy.parties)}",
                hint="Both sides sign discrepancy.resolved with the same words.",
            )
    return replace(state, closed=True, stage="closed")


@rule(case.PersonNamed)
def named(state: CaseState, act: Act, body: case.PersonNamed) -> CaseState:
    known = state.persons.get(body.person_id)
    person = Person(body.person_id, body.role, known.responsible if known else act.agency)
    return replace(state, persons=state.persons | {body.person_id: person})


@rule(case.MeasureImposed)
def imposed(state: CaseState, act: Act, body: case.MeasureImposed) -> CaseState:
    look_up(state.persons, body.person_id, "unknown_person", "person", state.case_id)
    require_new(state.measures, body.measure_id, "measure")
    measure = MeasureState(body.measure_id, body.person_id, body.measure, body.started_at, body.until)
    return _with_measures(state, measure)


@rule(case.MeasureChanged)
def changed(state: CaseState, act: Act, body: case.MeasureChanged) -> CaseState:
    old = require_measure(state, body.measure_id)
    require_new(state.measures, body.new_measure_id, "measure")
    new = MeasureState(body.new_measure_id, old.person_id, body.measure, body.started_at, body.until)
    return _with_measures(state, replace(old, ended_at=body.started_at), new)


@rule(case.MeasureExtended)
def extended(state: CaseState, act: Act, body: case.MeasureExtended) -> CaseState:
    return _with_measures(state, replace(require_measure(state, body.measure_id), until=body.until))


@rule(case.MeasureLifted)
def lifted(state: CaseState, act: Act, body: case.MeasureLifted) -> CaseState:
    return _with_measures(state, replace(require_measure(state, body.measure_id), ended_at=body.ended_at))


@rule(case.DecisionRecorded)
def decided(state: CaseState, act: Act, body: case.DecisionRecorded) -> CaseState:
    require_new(state.decisions, body.decision_id, "decision")
    for person_id in body.person_ids:
        look_up(state.persons, person_id, "unknown_person", "person", state.case_id)
    for line in body.items:
        state.item(line.item_id)
    return replace(state, decisions=state.decisions | {body.decision_id})


@rule(record.DisclosureMade)
def disclosed(state: CaseState, act: Act, body: record.DisclosureMade) -> CaseState:
    for item_id in body.item_ids:
        state.item(item_id)
    return state


def recorded(state: CaseState, act: Act, body: Body) -> CaseState:
    """Events about the record move nothing."""
    return state


for _body in (
    record.RecordCorrected,
    record.RecordLate,
    record.SectionErased,
    record.ImportRecorded,
    record.AuditRecorded,
):
    rule(_body)(recorded)


def require_responsible(state: CaseState, act: Act) -> None:
    """Refuses (not_responsible) unless the signer's agency answers for the case."""
    if act.agency != state.responsible:
        refuse(
            "not_responsible",
            f"{state.responsible} is responsible for case {state.case_id}, not {act.agency}",
            field="payload.agency",
        )


def require_measure(state: CaseState, measure_id: str) -> MeasureState:
    """A measure that still runs; refuses unknown_measure, measure_ended."""
    measure = look_up(state.measures, measure_id, "unknown_measure", "measure", state.case_id)
    if measure.ended_at is not None:
        refuse("measure_ended", f"measure {measure_id} ended at {measure.ended_at}", field="payload.body.measure_id")
    return measure


def require_in_hand(state: CaseState, act: Act, item_id: str) -> Item:
    """An item that the signer's agency holds and has not offered; refuses not_held, item_gone, on_offer."""
    item = state.item(item_id)
    if item.status not in ("held", "checked_out"):
        refuse("item_gone", f"item {item_id} is {item.status}, nobody holds it any more", field="payload.body")
    if item.holder != act.agency:
        refuse("not_held", f"item {item_id} is held by {item.holder}, not by {act.agency}", field="payload.body")
    if item.offer is not None:
        refuse(
            "already_offered",
            f"item {item_id} stands in the open handover {item.offer}",
            field="payload.body",
            hint="Wait for the answer, or recall the offer first.",
        )
    return item


def _with_measures(state: CaseState, *measures: MeasureState) -> CaseState:
    return replace(state, measures=state.measures | {measure.measure_id: measure for measure in measures})
