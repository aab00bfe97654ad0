"""Recommendations: issued to an agency or to somebody outside, received, objected to, answered, re-checked.

The time to reply counts from the receipt, by a row ``per = "recommendation"`` of a procedure in force.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from ledger.core.custody.claimed_times import require_no_earlier_day
from ledger.core.custody.letters import require_one
from ledger.core.errors import refuse
from ledger.core.events import Body, supervision
from ledger.core.procedure.deadlines import Counting, Manner, PeriodEnd, earliest_end, parse_periods
from ledger.core.procedure.facts import Condition
from ledger.core.procedure.legal_days import holds_on
from ledger.core.procedure.rulebook import ClockRule, Rulebook
from ledger.core.procedure.zones import Zone
from ledger.core.supervision.state import RecommendationState, SupervisionAct, require_supervised

STREAM = "recommendation-"


def first(act: SupervisionAct) -> RecommendationState:
    """Return the state of a recommendation at its issue by a supervising agency, to one that it supervises or outside.

    Copies go to any agencies.
    """
    body = act.payload.body
    if not isinstance(body, supervision.RecommendationIssued):
        refuse("not_issued", "no {act.payload.stream.id} is issued", act=act, field="event_type")
    act.require_stream(STREAM + body.recommendation_id)
    issuer = act.supervising_agency()
    require_one((body.to_agency, body.to_outside), "to_agency or to_outside")
    if body.to_agency is not None:
        require_supervised(act.admitted(body.to_agency, field="body.to_agency"), issuer, field="body.to_agency")
    for place, agency in enumerate(body.copies_to):
        act.admitted(agency, field=f"body.copies_to[{place}]")
    act.require_words()
    payload = act.payload
    return RecommendationState(body, act.agency, payload.occurred_at, act.digest, payload.sequence)


def following(body: Body, state: RecommendationState, act: SupervisionAct) -> RecommendationState:
    """Return the recommendation after an event of this body."""
    rule = _RULES.get(type(body))
    if rule is None:
        act.refuse_foreign()
    if state.is_withdrawn:
        refuse("already_withdrawn", "{state.supervising} has withdrawn it", state=state, field="event_type")
    act.require_words()
    return rule(state, act, body)


def _received(
    state: RecommendationState, act: SupervisionAct, body: supervision.RecommendationReceived
) -> RecommendationState:
    if act.agency != state.supervising:
        _require_addressee(state, act)
    if state.received_at is not None:
        refuse("already_received", "it arrived at {state.received_at}", state=state, field="event_type")
    if act.zone is not None:
        require_no_earlier_day("body.received_at", body.received_at, state.issued_at, act.zone)
    return replace(state, received_at=body.received_at)


def _objected(
    state: RecommendationState, act: SupervisionAct, body: supervision.RecommendationObjected
) -> RecommendationState:
    _require_addressee(state, act)
    return replace(state, objections=(*state.objections, body), open_objection=True)


def _reviewed(
    state: RecommendationState, act: SupervisionAct, body: supervision.RecommendationReviewed
) -> RecommendationState:
    _require_issuer(state, act)
    if body.result == "upheld" and not state.open_objection:
        refuse("nothing_objected", "nobody objects to this recommendation", field="body.result")
    return replace(state, reviews=(*state.reviews, body), open_objection=False)


def _answered(
    state: RecommendationState, act: SupervisionAct, body: supervision.RecommendationAnswered
) -> RecommendationState:
    _require_addressee(state, act)
    answered_at = state.answered_at or act.payload.occurred_at
    return replace(state, answers=(*state.answers, body), answered_at=answered_at)


def _escalated(
    state: RecommendationState, act: SupervisionAct, body: supervision.RecommendationEscalated
) -> RecommendationState:
    _require_issuer(state, act)
    if body.to_agency is not None and body.to_outside is not None:
        require_one((body.to_agency, body.to_outside), "to_agency or to_outside")
    if body.to_agency is not None:
        act.admitted(body.to_agency, field="body.to_agency")
    return replace(state, escalations=(*state.escalations, body))


def _rechecked(
    state: RecommendationState, act: SupervisionAct, body: supervision.RecommendationRechecked
) -> RecommendationState:
    _require_issuer(state, act)
    return replace(state, rechecks=(*state.rechecks, body))


def _require_addressee(state: RecommendationState, act: SupervisionAct) -> None:
    """Refuse an act of another than the addressee; for somebody outside, who signs nothing, the issuer acts."""
    addressee = state.issued.to_agency or state.supervising
    if act.agency != addressee:
        refuse("not_the_addressee", "{addressee} has to answer this", addressee=addressee, field="agency")


def _require_issuer(state: RecommendationState, act: SupervisionAct) -> None:
    if act.agency != state.supervising:
        refuse(
            "not_the_supervising_agency", "{state.supervising} issued this recommendation", state=state, field="agency"
        )


_RULES: dict[type[Body], Callable[[RecommendationState, SupervisionAct, Any], RecommendationState]] = {
    supervision.RecommendationReceived: _received,
    supervision.RecommendationObjected: _objected,
    supervision.RecommendationReviewed: _reviewed,
    supervision.RecommendationAnswered: _answered,
    supervision.RecommendationEscalated: _escalated,
    supervision.RecommendationRechecked: _rechecked,
}


# -- the time to reply -------------------------------------------------------------------------------------------------


class ReplyTerm(Struct, frozen=True):
    """What the time to reply to a recommendation depends on; times are RFC 3339, as they are claimed."""

    kind: str
    issued_at: str
    received_at: str | None = None
    urgent: bool = False
    reply_within_days: int | None = None
    status: str = "issued"

    @classmethod
    def of(cls, state: RecommendationState) -> ReplyTerm:
        """Return that of a recommendation."""
        issued = state.issued
        days = issued.reply_within_days
        return cls(issued.kind, state.issued_at, state.received_at, issued.urgent, days, state.status)


def reply_period(issued: supervision.RecommendationIssued, at: str, book: Rulebook) -> str | None:
    """Return the time for the reply, such as ``2 m``: that which the paper gives, else that of the procedure's row."""
    term = ReplyTerm(issued.kind, at, at, issued.urgent, issued.reply_within_days)
    starts = {f"{fact}.{term.kind}": at for fact in ("recommendation_issued", "recommendation_received")}
    for row in book.clocks:
        start = _start_of(row, term, starts, book.zone)
        if start is not None:
            return _period(row, term, start)
    return None if term.reply_within_days is None else f"{term.reply_within_days} d"


BY_PAPER = Manner(days_off="never")


class ReplyDue(NamedTuple):
    """When a reply is too late, by days of the ``zone``, and the row by which that is counted; None: the paper alone.

    ``unknown`` says why what was counted is only the earliest end that there can be, or why there is nothing.
    """

    row: ClockRule | None
    counted: PeriodEnd | None
    zone: Zone
    unknown: str | None = None


def reply_due(term: ReplyTerm, books: Iterable[Rulebook]) -> ReplyDue | None:
    """Return when a reply is too late, and how that was counted.

    ``books`` are the procedures in force; the first that has a row for this kind of recommendation decides. The days
    that the paper gives go before those of the row, and without a row they are counted from the receipt by the zone of
    the first procedure. None if nothing started it yet, if it was withdrawn, or if no row or paper sets a time.
    """
    if term.status == "withdrawn":
        return None
    starts = {f"recommendation_issued.{term.kind}": term.issued_at}
    if term.received_at is not None:
        starts[f"recommendation_received.{term.kind}"] = term.received_at
    in_force = tuple(books)
    for book in in_force:
        for row in book.clocks:
            start = _start_of(row, term, starts, book.zone)
            if start is not None and (period := _period(row, term, start)) is not None:
                return _due_by(row, starts[start], period, book)
    if not in_force or term.received_at is None or term.reply_within_days is None:
        return None
    # Where no rule says so, no day off moves the last day.
    zone, periods = in_force[0].zone, parse_periods(f"{term.reply_within_days} d")
    counting = Counting(datetime.fromisoformat(term.received_at), periods, manner=BY_PAPER)
    return ReplyDue(None, earliest_end(counting, zone, None, in_custody=False)[0], zone)


def _due_by(row: ClockRule, since: str, period: str, book: Rulebook) -> ReplyDue:
    """Return when a reply is too late by a row; where days off are not known, the earliest that this can be."""
    counting = Counting(datetime.fromisoformat(since), parse_periods(period), manner=row.manner)
    end, error = earliest_end(counting, book.zone, book.calendar, in_custody=False)
    if error is None:
        last = end.last_day
        return ReplyDue(row, end, book.zone, None if last is None else book.zone.unknown(last))
    # To an earlier working day it may move as far as it likes.
    return ReplyDue(row, None if row.days_off == "earlier" else end, book.zone, f"{error}. {error.hint}")


def _start_of(row: ClockRule, term: ReplyTerm, starts: Mapping[str, str], zone: Zone) -> str | None:
    """Return the fact by which a row for the reply has started, or None."""
    if row.per != "recommendation" or f"recommendation_answered.{term.kind}" not in row.stops:
        return None
    possible = (name for name in row.starts if name in starts and _holds(row.starts_if, term, name))
    return next((name for name in possible if holds_on(row, zone.day_of_text(starts[name]).isoformat())), None)


def _period(row: ClockRule, term: ReplyTerm, start: str) -> str | None:
    if term.reply_within_days is not None:
        return f"{term.reply_within_days} d"
    return next((base.period for base in row.bases if _holds(base.condition, term, start)), None)


def _holds(condition: Condition | None, term: ReplyTerm, start: str) -> bool:
    """Tell whether a condition holds; one of a recommendation asks for nothing else."""
    if condition is None:
        return True
    answers: Mapping[str, str | bool] = {"fact": start, "urgent": term.urgent}
    if any(answers[key] not in wanted for key, wanted in condition.asked):
        return False
    return condition.unless is None or not _holds(condition.unless, term, start)
