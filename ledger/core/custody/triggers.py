"""What an event is to the statutory clocks: a pure reading of the step from one state to the next."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any, NamedTuple

from ledger.core.custody.state import Act, CaseState, Handover, MeasureState
from ledger.core.events import Body, case, custody_change, handover, item
from ledger.core.events.terms import Measure
from ledger.core.procedure.rulebook import Rulebook

CUSTODY = ("detention", "arrest", "commission_detention")
CASE = "case"  # the subject of clocks that are nobody's in particular
_PACE = ("fast_track", "summary", "ordinary")  # from the fastest procedure on


class Trigger(NamedTuple):
    """``name`` happened at ``at`` (as claimed), to ``subjects`` (nobody in particular: to all) and burdens ``agency``.

    ``until`` is the last day or moment that a paper sets, ``handover_id`` the handover that it happened in.
    """

    name: str
    at: str
    agency: str
    subjects: tuple[str, ...] = ()
    until: str | None = None
    handover_id: str | None = None


Reading = Callable[[CaseState, Act, CaseState, Any], Iterator[Trigger]]


def triggers(before: CaseState | None, act: Act, after: CaseState) -> Iterator[Trigger]:
    """All that the event is to a clock."""
    read = _READINGS.get(type(act.payload.body))
    if read is not None and before is not None:
        yield from read(before, act, after, act.payload.body)


def in_custody(state: CaseState, person_id: str) -> bool:
    """Whether a measure that locks the person up is running."""
    return any(
        measure.measure in CUSTODY and measure.ended_at is None
        for measure in state.measures.marked(f"person/{person_id}")
    )


def changes_custody(state: CaseState, made: Handover, book: Rulebook) -> bool:
    """Whether who is locked up is to be kept for the receiver; a plain return does what the returned handover did."""
    if made.purpose == "return" and made.returns is not None:
        return changes_custody(state, state.handovers[made.returns], book)
    return book.purposes[made.purpose].custody_change


def _imposed(before: CaseState, act: Act, after: CaseState, body: case.MeasureImposed) -> Iterator[Trigger]:
    name = _began(body.measure, _measures_of(before, body.person_id))
    yield Trigger(name, body.started_at, act.agency, (body.person_id,), body.until)


def _measures_of(state: CaseState, person_id: str) -> list[Measure]:
    """The running ones."""
    return [one.measure for one in state.measures.marked(f"person/{person_id}") if one.ended_at is None]


def _began(measure: Measure, until_then: Collection[Measure]) -> str:
    """Detention of whom a supervision commission keeps is the receipt of its case."""
    from_commission = measure == "detention" and "commission_detention" in until_then
    return "commission_case_received" if from_commission else f"measure.{measure}"


def _changed(before: CaseState, act: Act, after: CaseState, body: case.MeasureChanged) -> Iterator[Trigger]:
    old = before.measures[body.measure_id]
    yield from _ended(act, after, old, body.started_at)
    name = _began(body.measure, (old.measure,))
    yield Trigger(name, body.started_at, act.agency, (old.person_id,), body.until)


def _lifted(before: CaseState, act: Act, after: CaseState, body: case.MeasureLifted) -> Iterator[Trigger]:
    old = before.measures[body.measure_id]
    yield from _ended(act, after, old, body.ended_at)


def _ended(act: Act, after: CaseState, old: MeasureState, at: str) -> Iterator[Trigger]:
    yield Trigger(f"measure_ended.{old.measure}", at, act.agency, (old.person_id,))
    if not in_custody(after, old.person_id):
        yield Trigger("released", at, act.agency, (old.person_id,))


def _decided(before: CaseState, act: Act, after: CaseState, body: case.DecisionRecorded) -> Iterator[Trigger]:
    yield Trigger(f"decided.{body.kind}", body.decided_at, act.agency, body.person_ids)
    if body.served_at is not None:
        yield Trigger(f"served.{body.kind}", body.served_at, act.agency, body.person_ids)
    yield Trigger(f"effective.{body.kind}", body.effective_at or body.decided_at, act.agency, body.person_ids)


def _stage_entered(before: CaseState, act: Act, after: CaseState, body: case.CaseStageEntered) -> Iterator[Trigger]:
    if body.procedure is not None:
        slower = _PACE.index(body.procedure) > _PACE.index(before.procedure)
        word = "turned_to" if slower else "procedure"
        yield Trigger(f"{word}.{body.procedure}", act.payload.occurred_at, act.agency)


def _offered(before: CaseState, act: Act, after: CaseState, body: handover.Offer) -> Iterator[Trigger]:
    made = after.handovers[body.handover_id]
    at, key = made.offered_at, made.handover_id
    if _is_about_persons(made):
        yield Trigger(f"offered.{made.purpose}", at, made.to_agency, made.person_ids, handover_id=key)
    if made.follows is not None:
        yield Trigger("remedy_met", at, made.from_agency, (made.follows,))
    if made.expires_at is not None:
        yield Trigger("offer_open", at, made.to_agency, (key,), made.expires_at)


def _accepted(before: CaseState, act: Act, after: CaseState, body: handover.HandoverAccepted) -> Iterator[Trigger]:
    made, key = after.handovers[body.handover_id], body.handover_id
    at = act.payload.occurred_at
    present = tuple(person for person in made.person_ids if person not in body.absent_person_ids)
    yield Trigger("offer_answered", at, act.agency, (key,))
    if _is_about_persons(made):
        moments = {"delivered": body.received_at, "received": body.received_at, "accepted": at}
        subjects = present if present or not made.person_ids else (CASE,)
        for word, moment in moments.items():
            yield Trigger(f"{word}.{made.purpose}", moment, act.agency, subjects, handover_id=key)
        if made.returns is not None:
            given_back = after.handovers[made.returns].purpose
            yield Trigger(f"returned.{given_back}", body.received_at, act.agency, subjects)
    if changes_custody(after, made, act.book):
        yield from _kept(after, act, body, present if made.person_ids else tuple(after.persons))
    if made.returns is not None and made.due_at is not None:
        yield Trigger("remedy_set", at, act.agency, (key,), made.due_at)
    yield from _lent(before, act, after, body)


def _kept(after: CaseState, act: Act, body: handover.HandoverAccepted, passed: tuple[str, ...]) -> Iterator[Trigger]:
    """The detention house is to be told for whom it keeps those who passed, unless it keeps them for him already."""
    locked_up = [person for person in passed if in_custody(after, person)]
    told = tuple(person for person in locked_up if after.persons[person].kept_for == act.agency)
    untold = tuple(person for person in locked_up if person not in told)
    for name, persons in (("custody_changed", told), ("custody_change_due", untold)):
        if persons:
            yield Trigger(name, body.received_at, act.agency, persons, handover_id=body.handover_id)


def _is_about_persons(made: Handover) -> bool:
    """Not where things alone follow a case that has passed already: they start and stop nobody's time."""
    return made.moves_case or not made.moves_responsibility or bool(made.person_ids)


def _lent(before: CaseState, act: Act, after: CaseState, body: handover.HandoverAccepted) -> Iterator[Trigger]:
    """What was accepted for a time, and what came back to whoever had lent it."""
    taken = after.handovers[body.handover_id].accepted_items
    lent: dict[str | None, list[str]] = {}
    for item_id in taken:
        old, new = before.items[item_id], after.items[item_id]
        if (old.lent_by, old.lent_until) != (new.lent_by, new.lent_until):
            lent.setdefault(new.lent_until, []).append(item_id)
    for until, item_ids in lent.items():
        name = "given_back" if until is None else "lent"
        yield Trigger(name, body.received_at, act.agency, tuple(item_ids), until)


def _refused(before: CaseState, act: Act, after: CaseState, body: handover.HandoverRefused) -> Iterator[Trigger]:
    made, at = after.handovers[body.handover_id], act.payload.occurred_at
    yield Trigger("offer_answered", at, act.agency, (made.handover_id,))
    if _is_about_persons(made):
        received, key = body.received_at or made.offered_at, made.handover_id
        yield Trigger(f"delivered.{made.purpose}", received, act.agency, made.person_ids, handover_id=key)
        yield Trigger(f"refused.{made.purpose}", at, made.from_agency, made.person_ids, handover_id=key)
    if body.due_at is not None:
        yield Trigger("remedy_set", at, made.from_agency, (made.handover_id,), body.due_at)


def _recalled(before: CaseState, act: Act, after: CaseState, body: handover.HandoverRecalled) -> Iterator[Trigger]:
    made = after.handovers[body.handover_id]
    at, key = act.payload.occurred_at, made.handover_id
    yield Trigger("offer_answered", at, act.agency, (key,))
    if _is_about_persons(made):
        yield Trigger(f"refused.{made.purpose}", at, made.from_agency, made.person_ids, handover_id=key)


def _served(
    before: CaseState, act: Act, after: CaseState, body: custody_change.CustodyChangeServed
) -> Iterator[Trigger]:
    """Served for an organ that has passed the person on since, it is not what the present one waits for."""
    change = after.custody_changes[body.custody_change_id]
    if change.requested_by in (after.responsible, after.persons[change.person_id].responsible):
        yield Trigger("custody_changed", body.served_at, change.requested_by, (change.person_id,))


def _frozen(
    before: CaseState, act: Act, after: CaseState, body: item.ItemFrozen | item.ItemFreezeRenewed
) -> Iterator[Trigger]:
    name = "frozen" if isinstance(body, item.ItemFrozen) else "freeze_renewed"
    yield Trigger(name, act.payload.occurred_at, act.agency, (body.item_id,), body.frozen_until)


def _disposed(before: CaseState, act: Act, after: CaseState, body: item.ItemDisposed) -> Iterator[Trigger]:
    proposal = before.proposals[body.cites.payload_digest]
    yield Trigger("disposed", body.disposed_at, act.agency, proposal.item_ids)


def _checked_out(before: CaseState, act: Act, after: CaseState, body: item.ItemCheckedOut) -> Iterator[Trigger]:
    yield Trigger("checked_out", act.payload.occurred_at, act.agency, (body.item_id,), body.due_at)


def _checked_in(before: CaseState, act: Act, after: CaseState, body: item.ItemCheckedIn) -> Iterator[Trigger]:
    yield Trigger("checked_in", act.payload.occurred_at, act.agency, (body.item_id,))


_READINGS: dict[type[Body], Reading] = {
    case.MeasureImposed: _imposed,
    case.MeasureChanged: _changed,
    case.MeasureLifted: _lifted,
    case.DecisionRecorded: _decided,
    case.CaseStageEntered: _stage_entered,
    handover.HandoverOffered: _offered,
    handover.HandoverReturned: _offered,
    handover.HandoverAccepted: _accepted,
    handover.HandoverRefused: _refused,
    handover.HandoverRecalled: _recalled,
    custody_change.CustodyChangeServed: _served,
    item.ItemFrozen: _frozen,
    item.ItemFreezeRenewed: _frozen,
    item.ItemDisposed: _disposed,
    item.ItemCheckedOut: _checked_out,
    item.ItemCheckedIn: _checked_in,
}
