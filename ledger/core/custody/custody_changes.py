"""Rules for changes of custody of a person: asked for by the new organ, served by the detention house."""

from __future__ import annotations

from msgspec.structs import replace

from ledger.core.custody.cases import require_measure
from ledger.core.custody.rules import rule
from ledger.core.custody.state import Act, CaseState, CustodyChange, look_up, require_new
from ledger.core.custody.triggers import in_custody
from ledger.core.errors import refuse
from ledger.core.event import custody_change


@rule(custody_change.CustodyChangeRequested)
def requested(state: CaseState, act: Act, body: custody_change.CustodyChangeRequested) -> CaseState:
    """By the receiver of an accepted handover, for who is locked up; the detention house takes part from here on."""
    require_new(state.custody_changes, body.custody_change_id, "custody change", field="custody_change_id")
    handover = state.handover(body.handover_id)
    if not handover.is_accepted or handover.to_agency != act.agency:
        refuse(
            "not_accepted_by_you",
            f"{act.agency} accepted no handover {body.handover_id}: the organ that accepted asks for the change",
            field="body.handover_id",
        )
    state.person(body.person_id)
    _require_in_custody(state, body.person_id)
    for other in state.custody_changes.marked(f"unserved/{body.person_id}"):
        if other.requested_by == act.agency:
            refuse(
                "already_requested",
                f"custody change {other.custody_change_id} of this person is not served yet",
                field="body.person_id",
                hint=f"{other.detention_house} signs custody_change.served.",
            )
    change = CustodyChange(
        custody_change_id=body.custody_change_id,
        handover_id=body.handover_id,
        person_id=body.person_id,
        requested_by=act.agency,
        detention_house=body.detention_house,
        requested_at=act.payload.occurred_at,
    )
    return replace(
        state,
        agencies=state.agencies | {body.detention_house},
        custody_changes=state.custody_changes | {body.custody_change_id: change},
    )


@rule(custody_change.CustodyChangeServed)
def served(state: CaseState, act: Act, body: custody_change.CustodyChangeServed) -> CaseState:
    """From here on the detention house keeps the person for the organ that asked; who was released since, for none."""
    change = look_up(
        state.custody_changes, body.custody_change_id, "custody change", state.case_id, field="custody_change_id"
    )
    if change.detention_house != act.agency:
        refuse("not_the_detention_house", f"{change.detention_house} serves this, not {act.agency}", field="agency")
    if change.served_at is not None:
        refuse(
            "already_served",
            f"custody change {body.custody_change_id} was served at {change.served_at}",
            field="body.custody_change_id",
        )
    person = state.person(change.person_id)
    kept_for = change.requested_by if in_custody(state, person.person_id) else None
    return replace(
        state,
        persons=state.persons | {person.person_id: replace(person, kept_for=kept_for)},
        custody_changes=state.custody_changes | {change.custody_change_id: replace(change, served_at=body.served_at)},
    )


@rule(custody_change.CustodyPeriodNotified)
def period_notified(state: CaseState, act: Act, body: custody_change.CustodyPeriodNotified) -> CaseState:
    """A notice to the detention house; the period itself is extended by the decision on the measure."""
    measure = require_measure(state, body.measure_id)
    _require_in_custody(state, measure.person_id)
    return replace(state, agencies=state.agencies | {body.detention_house})


def _require_in_custody(state: CaseState, person_id: str) -> None:
    if not in_custody(state, person_id):
        refuse("not_in_custody", f"no running measure locks person {person_id} up", field="body")
