"""The erasure of a confidential section: two officers sign it, and none while a legal hold covers the section."""

from __future__ import annotations

from msgspec.structs import replace

from ledger.core.custody.holds import holds_on_sections, require_not_held
from ledger.core.custody.state import Act, CaseState, ErasureProposal, rule
from ledger.core.errors import refuse
from ledger.core.events import Event, record
from ledger.core.messages import Message

_TO_BE_RELEASED = Message(
    "Each hold is released by whoever placed it, or by an agency that the procedure sets above: tally hold release"
)


@rule(record.ErasureProposed)
def erasure_proposed(state: CaseState, act: Act, body: record.ErasureProposed) -> CaseState:
    """Sign the first of two signatures. Refuses (on_hold) a section that a hold covers."""
    require_not_held(holds_on_sections(state, body.concerns.event_id), "concerns", _TO_BE_RELEASED)
    return replace(state, erasures=state.erasures | {act.event.event_id: proposal_of(act.event, body)})


@rule(record.SectionErased)
def erased(state: CaseState, act: Act, body: record.SectionErased) -> CaseState:
    """Erase a section by the second signature; the section itself is no part of the state. Refuses (on_hold) as above.

    What is destroyed is destroyed by two: refuses unknown_proposal, one_signature.
    """
    require_not_held(holds_on_sections(state, body.concerns.event_id), "concerns", _TO_BE_RELEASED)
    require_proposed(state.erasures.get(body.cites.event_id), act.event, body)
    # Whoever proposed it too has nothing left to sign.
    of_section = [
        key
        for key, proposal in state.erasures.items()
        if (proposal.concerns, proposal.label) == (body.concerns, body.label)
    ]
    return replace(state, erasures=state.erasures.without(of_section))


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
