"""Admission: whose events the stream of a case takes. Only this module decides it.

A *party* is who opened the case, accepted a handover in it, has or answers for something that it took over, or keeps a
person of it in custody: ``CaseState.agencies``. Whoever is offered something may answer that offer. Auditors of an
agency that supervises a party may note what they audited. Having signed something makes nobody a party.
"""

from __future__ import annotations

from ledger.core.custody.state import Act, CaseState
from ledger.core.errors import refuse
from ledger.core.event import handover, record
from ledger.core.jurisdiction import supervises_any

_ANSWERS = (handover.HandoverChecked, handover.HandoverAccepted, handover.HandoverRefused)


def require_admitted(state: CaseState, act: Act) -> None:
    """Refuse (not_a_party) an event that the case does not take from this agency.

    Nothing that the body names is looked up before this, but for an offer to the signer: who has no part in a case
    is told the same whether or not the case has what he names.
    """
    if act.agency in state.agencies or _answers_an_offer(state, act) or _notes_an_audit(state, act):
        return
    refuse(
        "not_a_party",
        f"{act.agency} has no part in case {state.case_id}",
        field="agency",
        hint="An agency takes part from the first handover that it accepts.",
    )


def _answers_an_offer(state: CaseState, act: Act) -> bool:
    """Return whether the event answers an offer that was made to the signer, be it answered or recalled by now."""
    body = act.payload.body
    if not isinstance(body, _ANSWERS):
        return False
    offer = state.handovers.get(body.handover_id)
    return offer is not None and offer.to_agency == act.agency


def _notes_an_audit(state: CaseState, act: Act) -> bool:
    """Return whether the event notes an audit by who supervises a party, as far as the jurisdictions are known."""
    if not isinstance(act.payload.body, record.AuditRecorded):
        return False
    return act.registered is None or supervises_any(act.agency, state.agencies, act.registered)
