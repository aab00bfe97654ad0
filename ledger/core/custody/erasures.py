"""The erasure of a confidential section: two officers sign it of an agency that answers for what the section says.

That is the agency that signed the section's event, or the one that is responsible for the case. Another one that took
part in the case asks one of the two. Nobody erases a section while a legal hold covers it.
"""

from __future__ import annotations

from msgspec.structs import replace

from ledger.core.custody.holds import holds_on_sections, require_not_held
from ledger.core.custody.state import Act, CaseState, ErasureProposal, rule
from ledger.core.errors import refuse
from ledger.core.events import Event, record
from ledger.core.messages import Message


@rule(record.ErasureProposed)
def erasure_proposed(state: CaseState, act: Act, body: record.ErasureProposed) -> CaseState:
    """Sign the first of two signatures. Refuses not_responsible, and (on_hold) a section that a hold covers."""
    _require_may_erase(state, act, body)
    return replace(state, erasures=state.erasures | {act.event.event_id: proposal_of(act.event, body)})


@rule(record.SectionErased)
def erased(state: CaseState, act: Act, body: record.SectionErased) -> CaseState:
    """Erase a section by the second signature; the section itself is no part of the state. Refuses as above.

    What is destroyed is destroyed by two: refuses unknown_proposal, one_signature.
    """
    _require_may_erase(state, act, body)
    require_proposed(state.erasures.get(body.cites.event_id), act.event, body)
    # Whoever proposed it too has nothing left to sign.
    of_section = [
        key
        for key, proposal in state.erasures.items()
        if (proposal.concerns, proposal.label) == (body.concerns, body.label)
    ]
    return replace(state, erasures=state.erasures.without(of_section))


def may_erase(state: CaseState, event_id: str, agency: str) -> bool:
    """Return whether the agency answers for what the confidential sections of an event of the case say."""
    return agency in (state.responsible, state.sections.get(event_id))


def _require_may_erase(state: CaseState, act: Act, body: record.ErasureProposed | record.SectionErased) -> None:
    signer = state.sections.get(body.concerns.event_id)
    # That the event has a section is not judged here.
    if signer is not None and not may_erase(state, body.concerns.event_id, act.agency):
        refuse(
            "not_responsible",
            "{signer} signed that event, and {state.responsible} is responsible for case {state.case_id}",
            signer=signer,
            state=state,
            field="agency",
            hint="Ask one of the two to erase the section: tally section propose-erasure",
        )
    released = Message(
        "Each hold is released by whoever placed it, or by an agency that the procedure sets above: tally hold release"
    )
    require_not_held(holds_on_sections(state, body.concerns.event_id), "concerns", released)


def proposal_of(event: Event, body: record.ErasureProposed) -> ErasureProposal:
    """Return what waits for the second signature after this event, in the stream of a case or of an agency."""
    return ErasureProposal(event.ref, body.concerns, body.label, event.agency, event.officer)


def require_proposed(proposal: ErasureProposal | None, event: Event, body: record.SectionErased) -> None:
    """Accept the second signature of an erasure that another officer of the agency has proposed.

    Refuses unknown_proposal, one_signature. A key belongs to one officer for all time, so that two officers are two
    keys.
    """
    proposed = None if proposal is None else (proposal.event, proposal.concerns, proposal.label, proposal.agency)
    if proposal is None or proposed != (body.cites, body.concerns, body.label, event.agency):
        refuse(
            "unknown_proposal",
            "id and digest cited are of no erasure of this section that your agency has proposed",
            field="body.cites",
            hint="Another officer of your agency signs section.erasure_proposed first.",
        )
    if proposal.officer == event.officer:
        refuse("one_signature", "another officer than {event.officer} signs second", event=event, field="officer")
