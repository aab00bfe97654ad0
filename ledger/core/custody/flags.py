"""Flags: rules that an event runs against without being refused, each with the article it rests on."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import date
from functools import cache
from typing import Any, get_args

from msgspec import Struct

from ledger.core.custody import claimed_times
from ledger.core.custody.discrepancies import differences, digests_conflict, sums
from ledger.core.custody.handovers import return_number
from ledger.core.custody.particulars import lacking
from ledger.core.custody.spans import concerned
from ledger.core.custody.state import CLOSED, Act, CaseState, Handover, Item
from ledger.core.custody.triggers import purpose_rule
from ledger.core.encoding.instants import unix_seconds
from ledger.core.events import Body, case, handover, hold, item, letter, record, retention
from ledger.core.messages import Message, Term, joined
from ledger.core.procedure.rulebook import FlagName

# The state before is None only for the event that opens a case, which no check of particular bodies watches.
FlagCheck = Callable[[Any, Act, CaseState, Any], str | None]

WATCHES: dict[FlagName, tuple[FlagCheck, tuple[type[Body], ...]]] = {}


def flag(name: FlagName, *bodies: type[Body]) -> Callable[[FlagCheck], FlagCheck]:
    """Register the decorated function as the check for a flag at these bodies, or at every one if none are named.

    A check returns what the event runs against; None or an empty text if it does not.
    """

    def enter(check: FlagCheck) -> FlagCheck:
        WATCHES[name] = check, bodies
        return check

    return enter


@flag("receipt_differs", item.ItemCheckedIn, handover.HandoverAccepted)
def receipt_differs(
    before: CaseState, act: Act, after: CaseState, body: item.ItemCheckedIn | handover.HandoverAccepted
) -> str | None:
    """Return how items differ on receipt from what was released, or after being checked out."""
    if isinstance(body, item.ItemCheckedIn):
        differing = differences(before.items[body.item_id], body)
        expected = "; ".join(difference.expected for difference in differing)
        actual = "; ".join(difference.found for difference in differing)
        return _difference_text(body.item_id, expected, actual) if differing else None
    opened = [change.after for change in after.discrepancies.changes(before.discrepancies)]
    return joined([_difference_text(d.item_id, d.expected, d.found) for d in opened if d is not None], by=", ")


def _difference_text(item_id: str, expected: str | None, actual: str | None) -> str:
    return Message("item {item_id}: {found}, recorded {expected}", item_id=item_id, found=actual, expected=expected)


@flag("custody_corrected", record.RecordCorrected)
def custody_corrected(before: CaseState, act: Act, after: CaseState, body: record.RecordCorrected) -> str | None:
    """Return the items of which a correction changes how much there is, or the seal."""
    corrected = [
        Message("item {item_id}: {part}", item_id=change.key, part=Term("field", name))
        for change in after.items.changes(before.items)
        for name in ("quantity", "money", "seal_number")
        if getattr(change.before, name) != getattr(change.after, name)
    ]
    return joined(corrected, by=", ")


@flag("list_differs", *handover.OFFERS)
def list_differs(before: CaseState, act: Act, after: CaseState, body: handover.Offer) -> str | None:
    """Return the items for which the sender's list names another seal than the record."""
    differing = [
        _difference_text(line.item_id, str(before.items[line.item_id].seal_number), f"seal {line.seal_number}")
        for line in body.items
        if line.seal_number not in (None, before.items[line.item_id].seal_number)
    ]
    return joined(differing, by=", ")


@flag("loan_overdue", item.ItemCheckedIn, handover.HandoverAccepted)
def loan_overdue(
    before: CaseState, act: Act, after: CaseState, body: item.ItemCheckedIn | handover.HandoverAccepted
) -> str | None:
    """Return the items that come back late from an officer or an agency that had borrowed them."""
    if isinstance(body, item.ItemCheckedIn):
        due = before.items[body.item_id].due_at
        return _was_due(body.item_id, due) if due and act.event.occurred_at > due else None
    back = [before.items[item_id] for item_id in after.handovers[body.handover_id].accepted_items]
    late = [
        _was_due(thing.item_id, thing.lent_until)
        for thing in back
        if thing.lent_until and after.items[thing.item_id].lent_by is None and body.received_at > thing.lent_until
    ]
    return joined(late, by=", ")


def _was_due(item_id: str, due_at: str) -> str:
    return Message("item {item_id} was due at {due_at}", item_id=item_id, due_at=due_at)


@flag("frozen_twice", item.ItemFrozen)
def frozen_twice(before: CaseState, act: Act, after: CaseState, body: item.ItemFrozen) -> str | None:
    """Return the item that is frozen again, instead of renewed, while a freeze is in force."""
    recorded = before.items[body.item_id]
    return _frozen_until(recorded) if _is_frozen(recorded, act) else None


def _frozen_until(thing: Item) -> str:
    return Message("item {item_id} is frozen until {day}", item_id=thing.item_id, day=thing.frozen_until)


@flag("freeze_lapsed", item.ItemFreezeRenewed)
def freeze_lapsed(before: CaseState, act: Act, after: CaseState, body: item.ItemFreezeRenewed) -> str | None:
    """Return the item whose freeze had ended before it is renewed."""
    recorded = before.items[body.item_id]
    if _is_frozen(recorded, act):
        return None
    return Message("item {item_id} was frozen until {day}", item_id=body.item_id, day=recorded.frozen_until)


@flag("moved_while_frozen", item.ItemDisposed, handover.HandoverAccepted)
def moved_while_frozen(
    before: CaseState, act: Act, after: CaseState, body: item.ItemDisposed | handover.HandoverAccepted
) -> str | None:
    """Return the frozen items that pass into other hands, or are disposed of without a decision."""
    if isinstance(body, item.ItemDisposed):
        proposal = before.proposals[body.cites.event_id]
        item_ids = () if proposal.decision_id else proposal.item_ids
    else:
        accepted = after.handovers[body.handover_id]
        item_ids = tuple(item_id for item_id in accepted.accepted_items if not accepted.items[item_id].stays)
    gone = [before.items[item_id] for item_id in item_ids]
    return joined([_frozen_until(thing) for thing in gone if _is_frozen(thing, act)], by=", ")


def _is_frozen(thing: Item, act: Act) -> bool:
    """Tell whether a freeze is in force on the day of the act; its last day counts."""
    until = thing.frozen_until
    return until is not None and date.fromisoformat(until) >= act.book.zone.day_of_text(act.event.occurred_at)


@flag("decision_silent", case.DecisionRecorded)
def decision_silent(before: CaseState, act: Act, after: CaseState, body: case.DecisionRecorded) -> str | None:
    """Return the property still in the case about which a decision that has to settle it says nothing."""
    if not act.book.decisions[body.kind].settles_property:
        return None
    named = {line.item_id for line in body.items if line.disposal is not None}
    return joined([item_id for item_id in property_left(after) if item_id not in named], by=", ")


@flag("particulars_missing", case.DecisionRecorded, case.PersonNamed, item.ItemRegistered, letter.LetterSent)
def particulars_missing(
    before: CaseState,
    act: Act,
    after: CaseState,
    body: case.DecisionRecorded | case.PersonNamed | item.ItemRegistered | letter.LetterSent,
) -> str | None:
    """Return the fields that its kind or role asks for and that it does not state, each with the article."""
    stated = body.particulars
    if isinstance(body, case.DecisionRecorded):
        uses = act.book.decisions[body.kind].fields
    elif isinstance(body, case.PersonNamed):
        uses, stated = act.book.persons[body.role].fields, after.persons[body.person_id].particulars
    elif isinstance(body, letter.LetterSent):
        uses = act.book.letters[body.kind].fields
    else:
        uses = act.book.items[body.item_kind].fields
    missing = [
        Message("{particular} ({article})", particular=name, article=uses[name].article)
        for name in lacking(act, stated, uses, "flagged")
    ]
    return joined(missing, by=", ")


def property_left(after: CaseState) -> list[str]:
    """Return the ids of the property of the case that has not been disposed of."""
    return [thing.item_id for thing in after.items.values() if thing.is_property and thing.is_live]


@flag("disposal_against_decision", item.ItemDisposed)
def disposal_against_decision(before: CaseState, act: Act, after: CaseState, body: item.ItemDisposed) -> str | None:
    """Return the items whose disposal differs from the one that the cited decision orders."""
    proposal = before.proposals[body.cites.event_id]
    if proposal.decision_id is None:
        return None
    lines = before.decisions[proposal.decision_id].items
    ordered = {line.item_id: line.disposal for line in lines if line.disposal is not None}
    differing = [
        Message(
            "item {item_id}: {disposal}, decided {decided}",
            item_id=item_id,
            disposal=proposal.disposal,
            decided=ordered[item_id],
        )
        for item_id in proposal.item_ids
        if ordered.get(item_id, proposal.disposal) != proposal.disposal
    ]
    return joined(differing, by=", ")


@flag("custody_not_changed", *handover.OFFERS)
def custody_not_changed(before: CaseState, act: Act, after: CaseState, body: handover.Offer) -> str | None:
    """Return the persons in custody who are passed on while the keeper keeps them for another organ."""
    offer = after.handovers[body.handover_id]
    # Where the purpose leaves the keeper as he is, nothing is due.
    if not purpose_rule(after, offer, act.book).custody_change:
        return None
    wrong = [person for person in before.persons_going(offer) if person.kept_for not in (None, act.agency)]
    kept = [Message("{person_id} is kept for {agency}", person_id=p.person_id, agency=p.kept_for) for p in wrong]
    return joined(kept, by=", ")


class Flag(Struct, frozen=True):
    """A rule that an event runs against: its name, its article, and what it is about."""

    name: str
    article: str
    detail: str


# Notes about the record, which are not acts in the case: they are allowed after closing.
_NOTES = (
    *(record.AuditRecorded, record.DisclosureMade, record.ImportRecorded, record.SectionErased, record.ErasureProposed),
    *(hold.HoldPlaced, hold.HoldReleased, retention.RetentionSet),
)


def flags(
    before: CaseState | None, act: Act, after: CaseState, among: Collection[FlagName] | None = None
) -> tuple[Flag, ...]:
    """Return the flags that the step from ``before`` to ``after`` raises, under the rules in force on its day.

    With ``among`` no others are looked for.
    """
    body, in_force = act.event.body, act.book.in_force(_day(act))
    raised: list[Flag] = []
    for name, check in _checks_at(type(body)):
        rule = in_force.get(name) if among is None or name in among else None
        if rule is not None and (detail := check(before, act, after, body)):
            raised.append(Flag(name, rule.article, detail))
    return tuple(raised)


@cache
def _checks_at(body: type[Body]) -> tuple[tuple[FlagName, FlagCheck], ...]:
    watched = ((name, *WATCHES[name]) for name in get_args(FlagName))  # in the order of the vocabulary
    return tuple((name, check) for name, check, bodies in watched if not bodies or body in bodies)


def _limit(act: Act, name: FlagName) -> int:
    """Return the number that the flag's row has on the day of the act."""
    return act.book.in_force(_day(act))[name].limit or 0


def _day(act: Act) -> str:
    """Return the day of the act."""
    return act.book.zone.day_of_text(act.event.occurred_at).isoformat()


@flag("returned_too_often", *handover.OFFERS)
def _returned_too_often(before: CaseState, act: Act, after: CaseState, body: handover.Offer) -> str | None:
    """Return which return to be supplemented this is, if it is one too many for somebody at his stage."""
    offer = after.handovers[body.handover_id]
    if offer.purpose not in act.book.supplementing:
        return None
    # Whatever the purposes are called: what goes back to be supplemented is counted together, for each person.
    alike = [h for purpose in act.book.supplementing for h in after.handovers.marked(f"purpose/{purpose}")]
    # Each stage has its own count.
    returns = return_number(alike, offer)
    if returns <= _limit(act, "returned_too_often"):
        return None
    return Message("return no. {number} at this stage", number=returns)


@flag("outline_missing", *handover.OFFERS)
def _outline_missing(before: CaseState, act: Act, after: CaseState, body: handover.Offer) -> str | None:
    """Return the handover that is to be completed and does not say how."""
    if body.outline or not act.book.purposes[body.purpose].supplements:
        return None
    return Message("handover {handover_id} has no outline", handover_id=body.handover_id)


@flag("reason_unfit", handover.HandoverReturned, handover.HandoverRefused, handover.HandoverAccepted)
def _reason_unfit(
    before: CaseState,
    act: Act,
    after: CaseState,
    body: handover.HandoverReturned | handover.HandoverRefused | handover.HandoverAccepted,
) -> str | None:
    """Return the grounds of a return by which receipt is refused, or the one that is no ground of this return."""
    reasons = act.book.reasons
    if isinstance(body, handover.HandoverReturned):
        purposes = reasons[body.reason_code].returns_for
        fits = body.purpose in purposes if purposes else body.purpose not in act.book.grounded
        if fits or body.reason_code == "other":
            return None
        return Message("{reason_code} is no ground of {purpose}", reason_code=body.reason_code, purpose=body.purpose)
    if isinstance(body, handover.HandoverAccepted):
        codes = [line.reason_code for line in body.not_accepted]
    else:
        codes = [body.reason_code]
    unfit = [code for code in dict.fromkeys(codes) if reasons[code].returns_for]
    return joined([Message("{reason_code} is no reason to refuse receipt", reason_code=code) for code in unfit])


@flag("remedy_overdue", handover.HandoverOffered)
def _remedy_overdue(before: CaseState, act: Act, after: CaseState, body: handover.HandoverOffered) -> str | None:
    earlier = after.handovers[body.follows] if body.follows else None
    return _overdue(earlier, act) if earlier and earlier.status == "refused" else None


@flag("resubmission_overdue", handover.HandoverOffered)
def _resubmission_overdue(before: CaseState, act: Act, after: CaseState, body: handover.HandoverOffered) -> str | None:
    earlier = after.handovers[body.follows] if body.follows else None
    return _overdue(earlier, act) if earlier and earlier.returns is not None and earlier.is_accepted else None


def _overdue(earlier: Handover, act: Act) -> str | None:
    due = earlier.due_at
    if due and act.event.occurred_at > due:
        return Message("handover {handover_id} set {due_at}", handover_id=earlier.handover_id, due_at=due)
    return None


@flag("same_officer_both_sides", handover.HandoverAccepted, handover.DiscrepancyResolved)
def _same_officer(
    before: CaseState, act: Act, after: CaseState, body: handover.HandoverAccepted | handover.DiscrepancyResolved
) -> str | None:
    """Return the officer who sends and receives, or who acts for both sides of a difference."""
    if isinstance(body, handover.DiscrepancyResolved):
        difference = before.discrepancies[body.discrepancy_id]
        signed = {(difference.raised_for, difference.raised_by), *difference.resolved_by.items()}
        if not any(officer == act.officer and agency != act.agency for agency, officer in signed):
            return None
        return Message("{officer} signs for both sides of the difference", officer=act.officer)
    sender = after.handovers[body.handover_id].offered_by
    return Message("{officer} released and received", officer=sender) if sender == act.officer else None


@flag("backdated")
def _backdated(before: CaseState | None, act: Act, after: CaseState, body: Body) -> str | None:
    if before is None or act.event.occurred_at >= before.last_occurred_at:
        return None
    happened, last = unix_seconds(act.event.occurred_at), unix_seconds(before.last_occurred_at)
    # Papers are often recorded a little out of order.
    if last - happened <= _limit(act, "backdated"):
        return None
    return Message("{act.event.occurred_at}, after an act of {before.last_occurred_at}", act=act, before=before)


@flag("late_entry")
def _late_entry(before: CaseState | None, act: Act, after: CaseState, body: Body) -> str | None:
    late = act.event.signed_at - unix_seconds(act.event.occurred_at)
    if late <= 0 or late <= _limit(act, "late_entry"):
        return None
    # What happened before the case came into the ledger could not be recorded in time.
    if after.taken_over_at is not None and act.event.occurred_at < after.taken_over_at:
        return None
    return Message("signed {duration} after it happened", duration=_duration(late // 3600))


def _duration(hours: int) -> str:
    """Return the hours in words; from two days on, days and hours."""
    days, rest = divmod(hours, 24)
    if days < 2:
        return Message("{hours} hours", hours=hours)
    return Message("{days} days {hours} hours", days=days, hours=rest) if rest else Message("{days} days", days=days)


@flag("property_undisposed", case.CaseClosed)
def _property_undisposed(before: CaseState, act: Act, after: CaseState, body: case.CaseClosed) -> str | None:
    return joined(property_left(after), by=", ")


@flag("disposal_without_decision", item.ItemDisposed)
def _disposal_without_decision(before: CaseState, act: Act, after: CaseState, body: item.ItemDisposed) -> str | None:
    proposal = before.proposals[body.cites.event_id]
    return joined(proposal.item_ids, by=", ") if proposal.decision_id is None else None


@flag("act_after_closing")
def _after_closing(before: CaseState | None, act: Act, after: CaseState, body: Body) -> str | None:
    if before is None or isinstance(act.event.body, _NOTES):
        return None
    if not before.closed or _is_of_a_count(before, body):
        return None
    # Who was not where the case was when it was closed has a course of his own.
    persons = [after.persons[person_id] for person_id in concerned(before, act.event, after).person_ids]
    return None if persons and all(p.stage != CLOSED for p in persons) else Message("the case was closed")


def _is_of_a_count(before: CaseState, body: Body) -> bool:
    """Tell whether a discrepancy of a stocktake is raised or resolved: rooms have things of closed cases, too."""
    if isinstance(body, handover.DiscrepancyRaised):
        return body.stocktake_id is not None
    if not isinstance(body, handover.DiscrepancyResolved):
        return False
    return before.discrepancies[body.discrepancy_id].stocktake_id is not None


@flag("examination_differs", item.ItemExamined, item.ItemFrozen)
def _examination_differs(
    before: CaseState, act: Act, after: CaseState, body: item.ItemExamined | item.ItemFrozen
) -> str | None:
    recorded = before.items[body.item_id]
    if isinstance(body, item.ItemFrozen):
        if not digests_conflict(recorded.digests, body.digests):
            return None
        return Message("item {item_id}: {found}", item_id=body.item_id, found=" ".join(body.digests))
    if body.quantity is not None and body.quantity != recorded.quantity:
        return Message(
            "item {item_id}: quantity {found}, recorded {expected}",
            item_id=body.item_id,
            found=body.quantity.value,
            expected=recorded.quantity.value,
        )
    if body.money is not None and body.money != recorded.money:
        expected, actual = sums(recorded, body.money)
        return Message(
            "item {item_id}: sum {found}, recorded {expected}", item_id=body.item_id, found=actual, expected=expected
        )
    if body.match_result == "mismatch" or digests_conflict(recorded.digests, body.digests):
        actual = " ".join(body.digests) or body.finding or Message("differs")
        return Message("item {item_id}: {found}", item_id=body.item_id, found=actual)
    return None


@flag("single_collector", item.ItemRegistered)
def _single_collector(before: CaseState, act: Act, after: CaseState, body: item.ItemRegistered) -> str | None:
    return None if body.collection is None else _too_few(body.collection.collectors, act, "single_collector")


@flag("single_seizing_officer", item.ItemRegistered)
def _single_seizing_officer(before: CaseState, act: Act, after: CaseState, body: item.ItemRegistered) -> str | None:
    return None if body.seizure is None else _too_few(body.seizure.officers, act, "single_seizing_officer")


def _too_few(officers: tuple[str, ...], act: Act, name: FlagName) -> str | None:
    return joined(officers, by=", ") if len(officers) < _limit(act, name) else None


@flag("collection_unwitnessed", item.ItemRegistered)
def _collection_unwitnessed(before: CaseState, act: Act, after: CaseState, body: item.ItemRegistered) -> str | None:
    return _unwitnessed(body.item_id, body.collection)


@flag("seizure_unwitnessed", item.ItemRegistered)
def _seizure_unwitnessed(before: CaseState, act: Act, after: CaseState, body: item.ItemRegistered) -> str | None:
    return _unwitnessed(body.item_id, body.seizure)


def _unwitnessed(item_id: str, taking: item.Collection | item.Seizure | None) -> str | None:
    """Return the item that was taken before no witness, if nothing says why."""
    if taking is None or taking.witness is not None or taking.no_witness is not None:
        return None
    return Message("item {item_id}: neither a witness nor why there was none", item_id=item_id)


@flag("medium_not_taken", item.ItemRegistered)
def _medium_not_taken(before: CaseState, act: Act, after: CaseState, body: item.ItemRegistered) -> str | None:
    """Return the data of which neither the medium, nor its source, nor why the medium was not taken is stated."""
    taken = body.collection
    if taken is None or taken.medium_item_id or taken.address or taken.medium_not_taken:
        return None
    return Message("item {item_id}: neither its medium nor why that was not taken", item_id=body.item_id)


@flag("sender_of_another_kind", *handover.OFFERS)
def _sender_of_another_kind(before: CaseState, act: Act, after: CaseState, body: handover.Offer) -> str | None:
    return of_another_kind(act, act.agency, act.book.purposes[body.purpose].senders)


@flag("receiver_of_another_kind", *handover.OFFERS)
def _receiver_of_another_kind(before: CaseState, act: Act, after: CaseState, body: handover.Offer) -> str | None:
    receiver = after.handovers[body.handover_id].to_agency
    return of_another_kind(act, receiver, act.book.purposes[body.purpose].receivers)


def of_another_kind(act: Act, agency: str, fitting: tuple[str, ...]) -> str | None:
    """Return the kind of an agency that is none of those that fit; of an unknown agency nothing can be said."""
    kind = act.kinds.get(agency)
    if kind is None or act.book.fits(kind, fitting):
        return None
    kinds = [word for word in act.book.kinds if not act.book.names_of_kind(word).isdisjoint(fitting)]
    return Message(
        "{agency} is of the kind {kind}, expected one of {kinds}",
        agency=agency,
        kind=Term("agency_kind", kind),
        kinds=joined([Term("agency_kind", word) for word in kinds], by=", "),
    )


@flag("odd_time")
def _odd_time(before: CaseState | None, act: Act, after: CaseState, body: Body) -> str | None:
    return joined(list(claimed_times.contradictions(before, act.event, act.book.zone)), by=", ")
