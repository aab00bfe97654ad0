"""Fold of a case's stream: which events the case admits, and the state after each. Only this module decides admission.

A *party* opened the case, accepted a handover in it, holds or is responsible for something that it took over, or
keeps a person of it in custody: ``CaseState.agencies``. An agency to which something is offered may answer that offer.
An agency to which a letter goes may record its receipt, and answer it with another. An agency that supervises a party
may record its audits, and place and release holds. Having signed an event makes no agency a party.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ledger.core.custody import cases, claimed_times, clocks, holds
from ledger.core.custody.clock_facts import with_linked
from ledger.core.custody.flags import Flag, flags
from ledger.core.custody.letters import has_letter_to_answer
from ledger.core.custody.state import RULES, Act, CaseState
from ledger.core.errors import refuse
from ledger.core.events import Event, case, handover, hold, record
from ledger.core.events.streams import require_next
from ledger.core.procedure.adoption import require_in_force
from ledger.core.procedure.event_words import require_words
from ledger.core.procedure.jurisdiction import supervises_any
from ledger.core.procedure.rulebook import Rulebook

# What an agency records that supervises a party and is none.
_BY_SUPERVISORS = (record.AuditRecorded, hold.HoldPlaced, hold.HoldReleased)
_ANSWERS = (handover.HandoverChecked, handover.HandoverAccepted, handover.HandoverRefused)


def require_admitted(state: CaseState, act: Act) -> None:
    """Refuse (not_a_party) an event that the case does not admit from this agency.

    Except for an offer or a letter to the signer, and a hold of its own, nothing that the body names is looked up
    before this: an agency without a part in the case gets the same refusal whether or not the case has what it names.
    """
    if act.agency in state.agencies or _answers_an_offer(state, act) or _supervises(state, act):
        return
    if has_letter_to_answer(state, act) or _placed_the_hold(state, act):
        return
    refuse(
        "not_a_party",
        "your agency has no part in the case",
        field="agency",
        hint="An agency takes part from the first handover that it accepts.",
    )


def _answers_an_offer(state: CaseState, act: Act) -> bool:
    """Return whether the event answers an offer to the signer, even if that is answered or recalled by now."""
    body = act.event.body
    if not isinstance(body, _ANSWERS):
        return False
    offer = state.handovers.get(body.handover_id)
    return offer is not None and offer.to_agency == act.agency


def _placed_the_hold(state: CaseState, act: Act) -> bool:
    """Return whether the event releases a hold that the signer placed, in this case or in one that it came from."""
    body = act.event.body
    if not isinstance(body, hold.HoldReleased):
        return False
    placed = state.holds.get(body.hold_id)
    return placed is not None and placed.agency == act.agency


def _supervises(state: CaseState, act: Act) -> bool:
    """Return whether the event is an audit, or is about a hold, by an agency that supervises a party.

    It is admitted if the jurisdictions are unknown.
    """
    if not isinstance(act.event.body, _BY_SUPERVISORS):
        return False
    return act.registered is None or supervises_any(act.agency, state.agencies, act.registered)


class Outcome(NamedTuple):
    """The case after the event, and the flags that the event raised."""

    state: CaseState
    flags: tuple[Flag, ...]


def fold(state: CaseState | None, act: Act) -> Outcome:
    """Return the case after ``act`` and its flags; ``state`` is None for the event that opens the case.

    Raises Conflict if the event does not follow the stream's head, RuleRefused (its ``code`` names the rule) if the act
    is impossible, or a word of it is none of the procedure's. Pure: the same stream gives the same states, refusals and
    flags.
    """
    require_next(state, act.event)
    body = act.event.body
    if state is not None:
        require_admitted(state, act)
        require_words(body, act.book)
        after = RULES[type(body)](state, act, body).after(act)
    else:
        opening = require_opening(act.event)
        require_words(opening, act.book)
        after = cases.begun(act, opening)
    # After the rule, which has made sure that the handover, measure or clock exists that a claim refers to.
    claimed_times.require_possible(state, act)
    after = holds.with_sections(state, act, after)
    after = with_linked(state, act, clocks.advance(state, act, after))
    # Flags come last: they compare two finished states, and refuse nothing.
    return Outcome(after, flags(state, act, after))


def require_opening(event: Event) -> case.CaseOpened | case.CaseTakenOver:
    """Return the body of the event that a case begins with. Refuses (not_opened) any other."""
    if not isinstance(event.body, case.CaseOpened | case.CaseTakenOver):
        refuse("not_opened", "the first event of a case is case.opened or case.taken_over", field="event_type")
    return event.body


def book_of(state: CaseState | None, event: Event, in_force: Mapping[str, Rulebook]) -> Rulebook:
    """Return the version that judges an event, of those that are in force for it, by their ids.

    Refuses (unknown_procedure) where none of the case's procedure is, and (not_opened) what does not open a case.
    """
    procedure_id = require_opening(event).procedure if state is None else state.procedure
    return require_in_force(in_force, procedure_id, field="body.procedure")
