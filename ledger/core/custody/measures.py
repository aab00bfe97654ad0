"""Rules for compulsory measures: which run on a person, whom they lock up, and for whom the person is kept."""

from __future__ import annotations

from msgspec.structs import replace

from ledger.core.custody import clocks
from ledger.core.custody.references import look_up, require_new
from ledger.core.custody.state import Act, CaseState, MeasureState, rule
from ledger.core.custody.triggers import in_custody
from ledger.core.errors import refuse
from ledger.core.events import case
from ledger.core.messages import Term


@rule(case.MeasureImposed)
def imposed(state: CaseState, act: Act, body: case.MeasureImposed) -> CaseState:
    """Impose a measure on a person of the case."""
    require_can_be_locked_up(state, act, body.person_id, body.measure, "measure")
    require_new(state.measures, body.measure_id, "measure")
    measure = measure_of(act, body.measure_id, body.person_id, body)
    return with_keeping(with_measures(state, measure), act, body.person_id)


def require_can_be_locked_up(state: CaseState, act: Act, person_id: str, measure: str, field: str) -> None:
    """Refuse (nobody_to_lock_up) a measure that locks up a unit, and a person that the case does not have."""
    if state.person(person_id).is_unit and act.book.measures[measure].locks_up:
        refuse(
            "nobody_to_lock_up",
            "{person_id} is a unit: {measure} locks somebody up",
            person_id=person_id,
            measure=Term("measure", measure),
            field=f"body.{field}",
            hint="Impose it on a person of the unit, whom the case names by himself.",
        )


def measure_of(
    act: Act,
    measure_id: str,
    person_id: str,
    body: case.MeasureImposed | case.MeasureChanged | case.MeasureTakenOver,
    ended_at: str | None = None,
) -> MeasureState:
    """Return the measure that the body states."""
    locks_up = act.book.measures[body.measure].locks_up
    return MeasureState(measure_id, person_id, body.measure, locks_up, body.started_at, body.until, ended_at)


@rule(case.MeasureChanged)
def changed(state: CaseState, act: Act, body: case.MeasureChanged) -> CaseState:
    """Replace a running measure by another one, which begins when the old one ends."""
    old = require_measure(state, body.measure_id)
    clocks.require_not_before(body.started_at, old.started_at, "started_at")
    # The old measure keeps its id: papers refer to both.
    require_new(state.measures, body.new_measure_id, "measure", field="new_measure_id")
    require_can_be_locked_up(state, act, old.person_id, body.measure, "measure")
    new = measure_of(act, body.new_measure_id, old.person_id, body)
    return with_keeping(with_measures(state, replace(old, ended_at=body.started_at), new), act, old.person_id)


@rule(case.MeasureExtended)
def extended(state: CaseState, act: Act, body: case.MeasureExtended) -> CaseState:
    """Extend a running measure, and the clock that it started."""
    measure = replace(require_measure(state, body.measure_id), until=body.until)
    return clocks.extended_by_measure(with_measures(state, measure), act, measure, body)


@rule(case.MeasureLifted)
def lifted(state: CaseState, act: Act, body: case.MeasureLifted) -> CaseState:
    """End a running measure."""
    old = require_measure(state, body.measure_id)
    clocks.require_not_before(body.ended_at, old.started_at, "ended_at")
    measure = replace(old, ended_at=body.ended_at)
    return with_keeping(with_measures(state, measure), act, measure.person_id)


def require_measure(state: CaseState, measure_id: str) -> MeasureState:
    """Return a measure that still runs; refuse unknown_measure, measure_ended."""
    measure = look_up(state.measures, measure_id, "measure", hint=state.left_for)
    if measure.ended_at is not None:
        refuse(
            "measure_ended",
            "measure {measure.measure_id} ended at {measure.ended_at}",
            measure=measure,
            field="body.measure_id",
        )
    return measure


def with_measures(state: CaseState, *measures: MeasureState) -> CaseState:
    """Return the state with these measures, each in the place of an earlier one of its id."""
    return replace(state, measures=state.measures | {measure.measure_id: measure for measure in measures})


def with_keeping(state: CaseState, act: Act, person_id: str) -> CaseState:
    """Set for whom a person is kept in custody.

    That is the organ that decided the measure until a change of custody is served; None for a person not in custody.
    """
    person = state.persons[person_id]
    kept_for = (person.kept_for or act.agency) if in_custody(state, person_id) else None
    return state.with_persons(replace(person, kept_for=kept_for))
