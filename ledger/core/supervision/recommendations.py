"""Recommendations: issued to an agency or to somebody outside, received, objected to, answered, re-checked.

A recommendation names its procedure, as a case does. The version that is in force for each event judges it, and its
rows ``per = "recommendation"`` are the clocks: of the reply, of the decision on an objection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

from msgspec.structs import replace

from ledger.core.custody import clocks
from ledger.core.custody.claimed_times import require_no_earlier_day
from ledger.core.custody.clock_facts import with_linked
from ledger.core.custody.flags import Flag, flags
from ledger.core.custody.flags_of_clocks import OF_CLOCKS
from ledger.core.custody.letters import require_one
from ledger.core.custody.state import Act, CaseState
from ledger.core.custody.triggers import OUTSIDE, Trigger
from ledger.core.encoding.instants import instant_text
from ledger.core.errors import refuse
from ledger.core.events import Body, supervision
from ledger.core.events.case import DeadlineExtended
from ledger.core.procedure.event_words import require_words
from ledger.core.procedure.legal_days import DAY
from ledger.core.procedure.rulebook import Rulebook
from ledger.core.supervision.state import RecommendationState, SupervisionAct, require_supervised

STREAM = "recommendation-"


def first(act: SupervisionAct) -> RecommendationState:
    """Return the state of a recommendation at its issue by a supervising agency, to one that it supervises or outside.

    Copies go to any agencies.
    """
    body = act.event.body
    if not isinstance(body, supervision.RecommendationIssued):
        refuse("not_issued", "no {act.event.stream.id} is issued", act=act, field="event_type")
    act.require_stream(STREAM + body.recommendation_id)
    issuer = act.supervising_agency()
    require_one(body, "to_agency", "to_outside")
    if body.to_agency is not None:
        require_supervised(act.admitted(body.to_agency, field="body.to_agency"), issuer, field="body.to_agency")
    for place, agency in enumerate(body.copies_to):
        act.admitted(agency, field=f"body.copies_to[{place}]")
    book, event = act.book_of(body.procedure), act.event
    state = RecommendationState(body, act.agency, event.occurred_at, event.leaf_hash, event.sequence)
    if book is None:
        return state
    require_words(body, book)
    return _with_first_clocks(state, _of_case(act, book))


def following(body: Body, state: RecommendationState, act: SupervisionAct) -> RecommendationState:
    """Return the recommendation after an event of this body."""
    rule = _RULES.get(type(body))
    if rule is None:
        act.refuse_foreign()
    if state.is_withdrawn:
        refuse("already_withdrawn", "{state.supervising} has withdrawn it", state=state, field="event_type")
    book = act.book_of(state.issued.procedure)
    if book is not None:
        require_words(body, book)
    after = rule(state, act, body)
    if book is None or after.timing is None:
        return after
    return _timed(state, after.timing, after, _of_case(act, book))


def _received(
    state: RecommendationState, act: SupervisionAct, body: supervision.RecommendationReceived
) -> RecommendationState:
    if act.agency != state.supervising:
        _require_addressee(state, act)
    if state.received_at is not None:
        refuse("already_received", "it arrived at {state.received_at}", state=state, field="event_type")
    if (book := act.book_of(state.issued.procedure)) is not None:
        require_no_earlier_day("body.received_at", body.received_at, state.issued_at, book.zone)
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
    answered_at = state.answered_at or act.event.occurred_at
    return replace(state, answers=(*state.answers, body), answered_at=answered_at)


def _escalated(
    state: RecommendationState, act: SupervisionAct, body: supervision.RecommendationEscalated
) -> RecommendationState:
    _require_issuer(state, act)
    if body.to_agency is not None and body.to_outside is not None:
        require_one(body, "to_agency", "to_outside")
    if body.to_agency is not None:
        act.admitted(body.to_agency, field="body.to_agency")
    return replace(state, escalations=(*state.escalations, body))


def _rechecked(
    state: RecommendationState, act: SupervisionAct, body: supervision.RecommendationRechecked
) -> RecommendationState:
    _require_issuer(state, act)
    if body.result == "fell" and body.after.count >= body.before.count:
        refuse(
            "not_fewer",
            "{after.count} after the recommendation are not fewer than {before.count} before it",
            after=body.after,
            before=body.before,
            field="body.result",
        )
    if (book := act.book_of(state.issued.procedure)) is not None:
        today = book.zone.day_of_text(instant_text(act.event.signed_at))
        if date.fromisoformat(body.after.period_until) > today + DAY:
            refuse(
                "in_future",
                "expected at most the day after {today}, the day of the signature, not {until}",
                today=today.isoformat(),
                until=body.after.period_until,
                field="body.after.period_until",
                hint="A period ends before its last day is named: that day is not counted.",
            )
    return replace(state, rechecks=(*state.rechecks, body))


def _extended(state: RecommendationState, act: SupervisionAct, body: DeadlineExtended) -> RecommendationState:
    _require_addressee(state, act)
    book = act.book_of(state.issued.procedure)
    if state.timing is None or book is None:
        return state
    return replace(state, timing=clocks.extended(state.timing, _of_case(act, book), body))


def _require_addressee(state: RecommendationState, act: SupervisionAct) -> None:
    """Refuse an act of another than the addressee; for somebody outside, who signs nothing, the issuer acts."""
    if act.agency != state.addressee:
        refuse("not_the_addressee", "{addressee} has to answer this", addressee=state.addressee, field="agency")


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
    DeadlineExtended: _extended,
}


# -- its clocks --------------------------------------------------------------------------------------------------------


def flags_of(before: RecommendationState | None, after: RecommendationState, act: SupervisionAct) -> tuple[Flag, ...]:
    """Return the flags that the step raises: more days for the reply, or an extension, than the rules give.

    The days that the paper gives are compared at the issue, as if it arrived at once.
    """
    book = act.book_of(after.issued.procedure)
    if book is None or after.timing is None:
        return ()
    as_of_case = _of_case(act, book)
    if before is None:
        return flags(None, as_of_case, _arrived(after.timing, after, as_of_case), OF_CLOCKS)
    if isinstance(act.event.body, DeadlineExtended):
        return flags(before.timing, as_of_case, after.timing, OF_CLOCKS)
    return ()


def reply_period(act: Act) -> str | None:
    """Return the time for the reply, such as ``2 m``: that which the paper gives, else that of the procedure's row.

    Requires the event that issues the recommendation. It is counted as if the paper arrived at once; None where neither
    gives a time.
    """
    event, body = act.event, act.event.body
    assert isinstance(body, supervision.RecommendationIssued), "only the issue has the time for the reply"
    if body.reply_within_days is not None:
        return f"{body.reply_within_days} d"
    state = RecommendationState(body, act.agency, event.occurred_at, event.leaf_hash, event.sequence)
    state = _with_first_clocks(state, act)
    assert state.timing is not None, "the procedure is known"
    reply = replace(state, timing=_arrived(state.timing, state, act)).reply_clock
    return None if reply is None else reply.period


def _arrived(timing: CaseState, state: RecommendationState, act: Act) -> CaseState:
    """Return the clocks of a recommendation that arrives as soon as it is issued."""
    return clocks.apply(timing, act, _fact(state, "received", state.issued_at))


def _with_first_clocks(state: RecommendationState, act: Act) -> RecommendationState:
    """Return the recommendation with the clocks that its issue starts; their conditions ask for nothing of a case."""
    timing = CaseState(
        case_id="",
        procedure=state.issued.procedure,
        judged_by=act.book.digest,
        case_type="",
        business_line="",
        opened_by=state.supervising,
        opened_at=state.issued_at,
        responsible=state.addressee,
        stage="",
        head=act.event.leaf_hash,
        sequence=act.event.sequence,
        last_occurred_at=state.issued_at,
        agencies=frozenset(),
    )
    return _timed(None, timing, state, act)


def _of_case(act: SupervisionAct, book: Rulebook) -> Act:
    """Return the event as clocks see it."""
    kinds = {name: agency.kind for name, agency in act.agencies.items()}
    return Act(act.event, book, kinds=kinds)


def _timed(
    before: RecommendationState | None, timing: CaseState, after: RecommendationState, act: Act
) -> RecommendationState:
    """Return the recommendation with its clocks: those that the event stops, then those that it starts."""
    timing = timing.after(act)
    for fact in _facts(after, act):
        timing = clocks.apply(timing, act, fact)
    if after.is_withdrawn:
        timing = clocks.with_clocks(timing, [clocks.stopped(timing, each, act) for each in clocks.running(timing)])
    earlier = None if before is None else before.timing
    return replace(after, timing=with_linked(earlier, act, timing))


def _facts(state: RecommendationState, act: Act) -> Iterator[Trigger]:
    """Yield what the event is to clocks."""
    body, at = act.event.body, act.event.occurred_at
    if (word := _WORDS.get(type(body))) is not None:
        yield _fact(state, word, at)
    received = isinstance(body, supervision.RecommendationReceived)
    if received:
        yield _fact(state, "received", state.received_at or at)
        if state.issued.objection_within_days is not None and not state.objections:
            yield _fact(state, "objection_open", state.received_at or at)
    # No order of the papers is asked for: what was answered before its receipt is answered.
    answered_at = state.answered_at if received else at
    if answered_at is not None and (received or isinstance(body, supervision.RecommendationAnswered)):
        yield _fact(state, "answered", max(answered_at, state.received_at or answered_at))


_WORDS: dict[type[Body], str] = {
    supervision.RecommendationIssued: "issued",
    supervision.RecommendationObjected: "objected",
    supervision.RecommendationReviewed: "reviewed",
    supervision.RecommendationEscalated: "escalated",
}
_BY_ADDRESSEE = ("objected", "answered")
_WITH_TIME = ("issued", "received", "objection_open")


def _fact(state: RecommendationState, word: str, at: str) -> Trigger:
    """Return what happened with the recommendation; it burdens the other side."""
    issued = state.issued
    outside = None if issued.to_outside is None else OUTSIDE + issued.to_outside.kind
    by_addressee = word in _BY_ADDRESSEE
    sides = (outside or state.addressee, state.supervising)
    sender, receiver = sides if by_addressee else sides[::-1]
    days = issued.objection_within_days if word == "objection_open" else issued.reply_within_days
    return Trigger(
        f"recommendation_{word}.{issued.kind}",
        at,
        agency=state.supervising if by_addressee else state.addressee,
        subjects=(state.recommendation_id,),
        sender=sender,
        receiver=receiver,
        urgent=issued.urgent,
        steps=state.steps,
        within=None if days is None or word not in _WITH_TIME else f"{days} d",
    )
