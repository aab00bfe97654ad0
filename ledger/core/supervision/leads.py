"""Leads: from a finding, identified by the model and the values of its key, to what came of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from msgspec.structs import replace

from ledger.core.custody.letters import require_one
from ledger.core.encoding import canonical
from ledger.core.encoding.digests import blake3_text
from ledger.core.errors import refuse
from ledger.core.events import Body, supervision
from ledger.core.messages import Term, joined
from ledger.core.procedure.jurisdiction import in_line, may_supervise, supervises
from ledger.core.procedure.rulebook import LeadOutcome
from ledger.core.supervision.state import OPEN, LeadState, LeadStatus, SupervisionAct, require_supervised

_HEX_KEPT = 32  # of the digest's 64 hex digits, so that people can read a lead's id out
STREAM = "lead-"
_AT_WORK: tuple[LeadStatus, ...] = ("assigned", "answered")
_DECIDED: tuple[LeadStatus, ...] = ("confirmed", "dismissed")


def finding_digest(model_id: str, key: Mapping[str, str]) -> str:
    """Compute ``blake3:<hex>`` of the canonical ``{"key": key, "model_id": model_id}``, without the model's version."""
    return blake3_text(canonical.encode({"model_id": model_id, "key": dict(key)}))


def lead_id_of(finding: str) -> str:
    """Return the id of the lead, and of its stream, for a finding's digest: a finding is raised as one lead only."""
    return STREAM + finding.partition(":")[2][:_HEX_KEPT]


def first(act: SupervisionAct) -> LeadState:
    """Return the state of a lead at its first event, which states its finding.

    Refuses a finding whose digest or id is wrong, and an agency that does not supervise the other.
    """
    event, body = act.event, act.event.body
    if not isinstance(body, supervision.LeadRaised):
        refuse("not_raised", "no lead {event.stream.id} is raised", event=event, field="event_type")
    finding = finding_digest(body.model_id, body.key)
    if body.finding != finding:
        refuse("finding_differs", "expected {finding}, of model and key", finding=finding, field="body.finding")
    if body.lead_id != lead_id_of(finding):
        refuse("finding_differs", "expected {lead}, of this finding", lead=lead_id_of(finding), field="body.lead_id")
    # Under another id the same finding could be raised as a second lead.
    act.require_stream(body.lead_id)
    # More may have been found than are cited, never fewer.
    if len(body.events) > body.cited_count:
        refuse("cited_count", "more events are cited than were found", field="body.cited_count")
    supervised = act.admitted(body.supervised, field="body.supervised")
    supervising = act.admitted(body.supervising, field="body.supervising")
    require_supervised(supervised, supervising, field="body.supervising")
    return LeadState(body, event.occurred_at, body.supervising, event.leaf_hash, event.sequence)


def following(body: Body, state: LeadState, act: SupervisionAct) -> LeadState:
    """Return the lead after an event of this body."""
    if isinstance(body, supervision.LeadRaised):
        refuse("raised_already", "this finding is raised as a lead already", field="event_type")
    transition = _TRANSITIONS.get(type(body))
    if transition is None:
        act.refuse_foreign()
    possible, too_early, rule = transition
    if state.status not in possible:
        too_late: dict[LeadStatus, str] = {"closed": "already_closed", **dict.fromkeys(_DECIDED, "already_decided")}
        refuse(
            too_late.get(state.status, too_early),
            "the lead is {status}, expected {possible}",
            status=Term("lead_status", state.status),
            possible=joined([Term("lead_status", each) for each in possible], by=" or "),
            field="event_type",
        )
    return rule(state, act, body)


def _assigned(state: LeadState, act: SupervisionAct, body: supervision.LeadAssigned) -> LeadState:
    """Assign a lead; one that is confirmed stays so, for another officer to close it."""
    _require_own(state, act)
    act.require_words()
    return replace(
        state,
        status="confirmed" if state.status == "confirmed" else "assigned",
        notified=True,
        handler=body.handler,
        assigned_by=act.event.officer,
        department=body.department,
        business_line=body.business_line or state.business_line,
    )


def _transferred(state: LeadState, act: SupervisionAct, body: supervision.LeadTransferred) -> LeadState:
    """Transfer a lead, by the supervising agency that has it or by one above, which may draw it up."""
    holder = act.admitted(state.supervising, field="stream.id")
    if act.agency != state.supervising and not supervises(act.admitted(act.agency, field="agency"), holder):
        _refuse_stranger(state)
    to = act.admitted(body.to_agency, field="body.to_agency")
    if not may_supervise(to) or body.to_agency == state.supervising or not in_line(holder, to):
        refuse(
            "not_in_line",
            "{body.to_agency} is no other supervising agency above or below the one that has the lead",
            body=body,
            field="body.to_agency",
            hint="A lead goes up or down in the tree of jurisdictions, never across.",
        )
    # The receiving supervising agency assigns the lead anew.
    return replace(state, status="raised", supervising=body.to_agency, handler=None, assigned_by=None, department=None)


def _answered(state: LeadState, act: SupervisionAct, body: supervision.LeadAnswered) -> LeadState:
    if act.agency != state.raised.supervised:
        refuse("not_the_supervised", "{state.raised.supervised} has to answer this lead", state=state, field="agency")
    return replace(state, status="answered", answers=(*state.answers, body))


def _confirmed(state: LeadState, act: SupervisionAct, body: supervision.LeadConfirmed) -> LeadState:
    _require_own(state, act)
    if not body.digests:
        refuse(
            "material_missing",
            "a lead is confirmed by the material that was checked",
            field="body.digests",
            hint="Data is not evidence: give the digests of what was looked at.",
        )
    return replace(state, status="confirmed", confirmed=body)


def _dismissed(state: LeadState, act: SupervisionAct, body: supervision.LeadDismissed) -> LeadState:
    _require_own(state, act)
    return replace(state, status="dismissed", dismissed=body)


def _closed(state: LeadState, act: SupervisionAct, body: supervision.LeadClosed) -> LeadState:
    _require_own(state, act)
    act.require_words()
    if body.to_agency is not None:
        act.admitted(body.to_agency, field="body.to_agency")
    outcome: LeadOutcome | None = act.row("outcomes", body.outcome)
    if outcome is not None:
        _require_fit(outcome, state, body)
    return replace(state, status="closed", closed=body)


def _require_fit(outcome: LeadOutcome, state: LeadState, body: supervision.LeadClosed) -> None:
    """Refuse an outcome that a dismissed lead cannot have, or that lacks what it names."""
    if state.status == "dismissed" and not outcome.nothing:
        refuse("dismissed_without_outcome", "nothing comes of a lead that was dismissed", field="body.outcome")
    if outcome.needs_recommendation and body.recommendation_id is None:
        refuse("recommendation_missing", "the outcome names its recommendation", field="body.recommendation_id")
    # A recommendation is its paper, and has a number of its own.
    if outcome.names_paper and body.recommendation_id is None:
        for name in ("document_number", "document_date", "digests"):
            if not getattr(body, name):
                refuse(
                    "document_missing",
                    "outcome {body.outcome} names its document: number, day and digest",
                    body=body,
                    field=f"body.{name}",
                )
    if outcome.passes_on or (body.to_agency is not None and body.to_outside is not None):
        require_one(body, "to_agency", "to_outside")


def _require_own(state: LeadState, act: SupervisionAct) -> None:
    if act.agency != state.supervising:
        _refuse_stranger(state)


def _refuse_stranger(state: LeadState) -> NoReturn:
    refuse(
        "not_the_supervising_agency",
        "{state.supervising} has this lead",
        state=state,
        field="agency",
        hint="Whoever has the lead may transfer it; a supervising agency above may draw it up.",
    )


# The statuses in which an event is possible, the refusal if it is too early, and the rule that applies it.
_Rule = Callable[[LeadState, SupervisionAct, Any], LeadState]
_TRANSITIONS: dict[type[Body], tuple[tuple[LeadStatus, ...], str, _Rule]] = {
    supervision.LeadAssigned: ((*OPEN, "confirmed"), "already_decided", _assigned),
    supervision.LeadTransferred: (OPEN, "already_decided", _transferred),
    supervision.LeadAnswered: (_AT_WORK, "not_assigned", _answered),
    supervision.LeadConfirmed: (_AT_WORK, "not_assigned", _confirmed),
    supervision.LeadDismissed: (_AT_WORK, "not_assigned", _dismissed),
    supervision.LeadClosed: (_DECIDED, "not_decided", _closed),
}
