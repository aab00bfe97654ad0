"""Triggers: the facts by which clocks start and stop, derived purely from the step of a case from state to state."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any, NamedTuple

from msgspec.structs import replace

from ledger.core.custody.state import Act, CaseState, Handover, Letter, MeasureState, Person
from ledger.core.events import Body, case, handover, item, letter, retention
from ledger.core.procedure.rulebook import PurposeRule, Rulebook

CASE = "case"  # the subject of clocks that run for the case as a whole
OUTSIDE = "outside/"  # and a kind: somebody without an agency in the ledger, who sends or gets a letter


class Trigger(NamedTuple):
    """What happened: ``name`` at time ``at`` (as claimed) to ``subjects``, or to the case if none are named.

    ``along`` are the persons whom it concerns if it names none: those who are where the case is. ``items`` are the
    things that it names; if it names none and is ``of_case``, it concerns all. A handover of ``things_only`` concerns
    neither the case nor persons. It burdens ``agency``. ``until`` is the last day or moment that a paper sets,
    ``former_end`` the last day that a clock had before its period was changed, ``handover_id`` the handover in which it
    happened. What a ``Condition`` asks: ``sender``, the signer unless another one is named, and ``receiver``; the kind
    of decision that it is ``about``, the purpose of the ``earlier`` handover that it returns or follows, and
    ``grounds``. ``letter_id`` is the letter that was sent or received, ``answers`` the one that it answers. A
    recommendation may be ``urgent``, has come through ``steps``, and its paper may give a time ``within`` which the
    reply is due.
    """

    name: str
    at: str
    agency: str
    subjects: tuple[str, ...] = ()
    until: str | None = None
    handover_id: str | None = None
    along: tuple[str, ...] = ()
    items: tuple[str, ...] = ()
    of_case: bool = False
    things_only: bool = False
    sender: str | None = None
    receiver: str | None = None
    about: str | None = None
    earlier: Handover | None = None
    grounds: tuple[str, ...] = ()
    effective_at: str | None = None
    letter_id: str | None = None
    answers: str | None = None
    former_end: str | None = None
    urgent: bool | None = None
    steps: tuple[str, ...] = ()
    within: str | None = None


Reading = Callable[[CaseState, Act, CaseState, Any], Iterator[Trigger]]


def triggers(before: CaseState | None, act: Act, after: CaseState) -> Iterator[Trigger]:
    """Yield all triggers that the event is to clocks."""
    read = _READINGS.get(type(act.event.body))
    if read is not None and before is not None:
        yield from read(before, act, after, act.event.body)


def in_custody(state: CaseState, person_id: str) -> bool:
    """Tell whether a measure that holds the person in custody is running."""
    return any(
        measure.locks_up and measure.ended_at is None for measure in state.measures.marked(f"person/{person_id}")
    )


def purpose_rule(state: CaseState, handover: Handover, book: Rulebook) -> PurposeRule:
    """Return what the handover moves; a plain ``return`` moves back what the returned handover moved."""
    if handover.purpose == "return" and handover.returns is not None:
        return replace(purpose_rule(state, state.handovers[handover.returns], book), stage=None)
    return book.purposes[handover.purpose]


def _imposed(before: CaseState, act: Act, after: CaseState, body: case.MeasureImposed) -> Iterator[Trigger]:
    measures = before.measures.marked(f"person/{body.person_id}")
    running = [measure.measure for measure in measures if measure.ended_at is None]
    name = start_of_measure(act.book, body.measure, running)
    yield Trigger(name, body.started_at, act.agency, (body.person_id,), body.until)


def start_of_measure(book: Rulebook, measure: str, until_then: Collection[str]) -> str:
    """Return the trigger of a measure that begins; after some measures the procedure takes it for something else."""
    after = book.measures[measure].after
    return next((after[earlier] for earlier in until_then if earlier in after), f"measure.{measure}")


def _changed(before: CaseState, act: Act, after: CaseState, body: case.MeasureChanged) -> Iterator[Trigger]:
    old = before.measures[body.measure_id]
    yield from _ended(act, after, old, body.started_at)
    name = start_of_measure(act.book, body.measure, (old.measure,))
    yield Trigger(name, body.started_at, act.agency, (old.person_id,), body.until)


def _lifted(before: CaseState, act: Act, after: CaseState, body: case.MeasureLifted) -> Iterator[Trigger]:
    old = before.measures[body.measure_id]
    yield from _ended(act, after, old, body.ended_at)


def _ended(act: Act, after: CaseState, old: MeasureState, at: str) -> Iterator[Trigger]:
    yield Trigger(f"measure_ended.{old.measure}", at, act.agency, (old.person_id,))
    if not in_custody(after, old.person_id):
        yield Trigger("released", at, act.agency, (old.person_id,))


def _decided(before: CaseState, act: Act, after: CaseState, body: case.DecisionRecorded) -> Iterator[Trigger]:
    # A decision takes effect when it is made, unless it names another time.
    moments = {"decided": body.decided_at, "served": body.served_at, "effective": body.effective_at or body.decided_at}
    asked: dict[str, Any] = {
        "along": _ids(before.persons_along()),
        "items": _items_of(body),
        "of_case": True,
        "about": None if body.about is None else before.decisions[body.about].kind,
        "grounds": body.grounds,
        "answers": body.answers,
        "effective_at": body.effective_at,
    }
    for word, at in moments.items():
        if at is not None:
            yield Trigger(f"{word}.{body.kind}", at, act.agency, body.person_ids, **asked)


def _items_of(decision: case.DecisionRecorded) -> tuple[str, ...]:
    return tuple(line.item_id for line in decision.items)


def _ids(persons: Iterable[Person]) -> tuple[str, ...]:
    return tuple(person.person_id for person in persons)


def _letter_sent(before: CaseState, act: Act, after: CaseState, body: letter.LetterSent) -> Iterator[Trigger]:
    yield _of_letter(after, act, after.letters[body.letter_id], "letter_sent", body.sent_at)


def _letter_received(
    before: CaseState, act: Act, after: CaseState, body: letter.LetterReceived | letter.LetterFiled
) -> Iterator[Trigger]:
    """Yield the receipt of a letter, and the service of the decision that it brings."""
    received = after.letters[body.letter_id]
    fact = _of_letter(after, act, received, "letter_received", body.received_at)
    yield fact
    if received.serves is not None:
        served = after.decisions[received.serves]
        fact = fact._replace(subjects=served.person_ids, items=_items_of(served), grounds=served.grounds)
        yield fact._replace(name=f"served.{served.kind}")


def _of_letter(state: CaseState, act: Act, subject: Letter, word: str, at: str) -> Trigger:
    """Return what a letter is to clocks. It burdens its addressee, if that is an agency, else the agency that signs."""
    outside = None if subject.outside is None else OUTSIDE + subject.outside.kind
    correspondent = subject.person_id or outside
    return Trigger(
        f"{word}.{subject.kind}",
        at,
        subject.to_agency or act.agency,
        subject.person_ids,
        along=_ids(state.persons_along()),
        items=subject.item_ids,
        of_case=True,
        sender=subject.from_agency or correspondent,
        receiver=subject.to_agency or correspondent,
        about=None if subject.about is None else state.decisions[subject.about].kind,
        letter_id=subject.letter_id,
        answers=subject.answers,
    )


def _stage_entered(before: CaseState, act: Act, after: CaseState, body: case.CaseStageEntered) -> Iterator[Trigger]:
    if before.closed and not after.closed:
        yield Trigger("case_reopened", act.event.occurred_at, act.agency, items=_live(after), of_case=True)
    if body.trial is not None:
        # Only a turn to a slower kind of trial starts the time anew; a choice gives the time that this kind has.
        pace = [*act.book.trials]
        named = [before.persons[person_id] for person_id in body.person_ids]
        tried = named or [person for person in before.persons_along() if person.accused]
        until_then = {person.person_id: person.trial for person in tried} or {CASE: before.trial}
        chosen: list[str] = []
        turned: list[str] = []
        for subject, trial in until_then.items():
            slower = trial is not None and pace.index(body.trial) > pace.index(trial)
            (turned if slower else chosen).append(subject)
        for word, subjects in (("turned_to", turned), ("trial", chosen)):
            if subjects:
                yield Trigger(f"{word}.{body.trial}", act.event.occurred_at, act.agency, tuple(subjects))


def _closed(before: CaseState, act: Act, after: CaseState, body: case.CaseClosed) -> Iterator[Trigger]:
    yield Trigger("case_closed", act.event.occurred_at, act.agency, items=_live(after))


def _retention_set(before: CaseState, act: Act, after: CaseState, body: retention.RetentionSet) -> Iterator[Trigger]:
    yield Trigger(
        "retention_set",
        act.event.occurred_at,
        act.agency,
        items=body.item_ids,
        until=body.until,
        things_only=bool(body.item_ids),
    )


def _live(state: CaseState) -> tuple[str, ...]:
    return tuple(item.item_id for item in state.items.values() if item.is_live)


def _offered(before: CaseState, act: Act, after: CaseState, body: handover.Offer) -> Iterator[Trigger]:
    offer = after.handovers[body.handover_id]
    at, key = offer.offered_at, offer.handover_id
    yield _of_handover(after, offer, "offered", at, agency=offer.to_agency, **_named_in(before, offer))
    # The offer alone meets the day that was set: what the receiver says of it comes later.
    if offer.follows is not None:
        yield Trigger("remedy_met", at, offer.from_agency, handover_id=offer.follows)
    if offer.expires_at is not None:
        yield Trigger("offer_open", at, offer.to_agency, until=offer.expires_at, handover_id=key)


def _accepted(before: CaseState, act: Act, after: CaseState, body: handover.HandoverAccepted) -> Iterator[Trigger]:
    offer, key = after.handovers[body.handover_id], body.handover_id
    at = act.event.occurred_at
    present = tuple(person for person in offer.person_ids if person not in body.absent_person_ids)
    passed = _ids(before.persons_going(offer, body.absent_person_ids))
    yield Trigger("offer_answered", at, act.agency, handover_id=key)
    moments = {"delivered": body.received_at, "received": body.received_at, "accepted": at}
    subjects = present if present or not offer.person_ids else (CASE,)
    named: dict[str, Any] = {"agency": act.agency, "subjects": subjects, "along": passed, "items": offer.accepted_items}
    for word, moment in moments.items():
        yield _of_handover(after, offer, word, moment, **named)
    if offer.returns is not None:
        returned = after.handovers[offer.returns].purpose
        fact = _of_handover(after, offer, "returned", body.received_at, **named)
        yield fact._replace(name=f"returned.{returned}", handover_id=offer.returns)
    # By the state after the acceptance: a plain return does what the returned handover did.
    if purpose_rule(after, offer, act.book).custody_change:
        # The keeper keeps some for the receiver already; for the others the change of custody is due.
        locked_up = [person for person in passed if in_custody(after, person)]
        notified = tuple(person for person in locked_up if after.persons[person].kept_for == act.agency)
        unnotified = tuple(person for person in locked_up if person not in notified)
        for name, persons in (("custody_changed", notified), ("custody_change_due", unnotified)):
            if persons:
                yield Trigger(name, body.received_at, act.agency, persons, handover_id=key)
    if offer.returns is not None and offer.due_at is not None:
        yield Trigger("remedy_set", at, act.agency, until=offer.due_at, handover_id=key)
    yield from _lent(before, act, after, body)


def _named_in(before: CaseState, offer: Handover) -> dict[str, tuple[str, ...]]:
    """Return the persons and things of an offer, as triggers name them."""
    return {"subjects": offer.person_ids, "along": _ids(before.persons_going(offer)), "items": tuple(offer.items)}


def _of_handover(state: CaseState, offer: Handover, word: str, at: str, **named: Any) -> Trigger:
    """Return what a handover is to clocks, with all that may be asked about it.

    If only items go, as those that follow a case that has passed, it starts and stops no clock of the case or a person.
    """
    earlier = offer.returns or offer.follows
    return Trigger(
        f"{word}.{offer.purpose}",
        at,
        **named,
        things_only=not offer.takes_along and not offer.person_ids,
        handover_id=offer.handover_id,
        sender=offer.from_agency,
        receiver=offer.to_agency,
        about=None if offer.about is None else state.decisions[offer.about].kind,
        earlier=None if earlier is None else state.handovers[earlier],
    )


def _lent(before: CaseState, act: Act, after: CaseState, body: handover.HandoverAccepted) -> Iterator[Trigger]:
    """Yield the items that were accepted for a limited time, and those that came back to their lender."""
    taken = after.handovers[body.handover_id].accepted_items
    lent: dict[str | None, list[str]] = {}
    for item_id in taken:
        old, new = before.items[item_id], after.items[item_id]
        if (old.lent_by, old.lent_until) != (new.lent_by, new.lent_until):
            lent.setdefault(new.lent_until, []).append(item_id)
    for until, item_ids in lent.items():
        name = "given_back" if until is None else "lent"
        yield Trigger(name, body.received_at, act.agency, items=tuple(item_ids), until=until)


def _refused(before: CaseState, act: Act, after: CaseState, body: handover.HandoverRefused) -> Iterator[Trigger]:
    offer, at = after.handovers[body.handover_id], act.event.occurred_at
    yield Trigger("offer_answered", at, act.agency, handover_id=offer.handover_id)
    received, named = body.received_at or offer.offered_at, _named_in(before, offer)
    yield _of_handover(after, offer, "delivered", received, agency=act.agency, **named)
    yield _of_handover(after, offer, "refused", at, agency=offer.from_agency, **named)
    if body.due_at is not None:
        yield Trigger("remedy_set", at, offer.from_agency, until=body.due_at, handover_id=offer.handover_id)


def _recalled(before: CaseState, act: Act, after: CaseState, body: handover.HandoverRecalled) -> Iterator[Trigger]:
    offer = after.handovers[body.handover_id]
    at = act.event.occurred_at
    yield Trigger("offer_answered", at, act.agency, handover_id=offer.handover_id)
    yield _of_handover(after, offer, "refused", at, agency=offer.from_agency, **_named_in(before, offer))


def _served(before: CaseState, act: Act, after: CaseState, body: case.CustodyChangeServed) -> Iterator[Trigger]:
    """Yield the served change of custody.

    It is no trigger if its organ has passed the person on since: the present organ still waits for its own.
    """
    # A person may have been passed on between request and service.
    change = after.custody_changes[body.custody_change_id]
    if change.requested_by in (after.responsible, after.persons[change.person_id].responsible):
        yield Trigger("custody_changed", body.served_at, change.requested_by, (change.person_id,))


def _registered(before: CaseState, act: Act, after: CaseState, body: item.ItemRegistered) -> Iterator[Trigger]:
    yield Trigger("item_registered", act.event.occurred_at, act.agency, items=(body.item_id,))
    if body.seizure is not None:
        yield Trigger("seized", body.seizure.seized_at, act.agency, items=(body.item_id,))


def _frozen(
    before: CaseState, act: Act, after: CaseState, body: item.ItemFrozen | item.ItemFreezeRenewed
) -> Iterator[Trigger]:
    name = "frozen" if isinstance(body, item.ItemFrozen) else "freeze_renewed"
    yield Trigger(name, act.event.occurred_at, act.agency, items=(body.item_id,), until=body.frozen_until)


def _unfrozen(before: CaseState, act: Act, after: CaseState, body: item.ItemUnfrozen) -> Iterator[Trigger]:
    yield Trigger("unfrozen", body.unfrozen_at, act.agency, items=(body.item_id,))


def _disposed(before: CaseState, act: Act, after: CaseState, body: item.ItemDisposed) -> Iterator[Trigger]:
    proposal = before.proposals[body.cites.event_id]
    yield Trigger("disposed", body.disposed_at, act.agency, items=proposal.item_ids)


def _checked_out(before: CaseState, act: Act, after: CaseState, body: item.ItemCheckedOut) -> Iterator[Trigger]:
    yield Trigger("checked_out", act.event.occurred_at, act.agency, items=(body.item_id,), until=body.due_at)


def _checked_in(before: CaseState, act: Act, after: CaseState, body: item.ItemCheckedIn) -> Iterator[Trigger]:
    yield Trigger("checked_in", act.event.occurred_at, act.agency, items=(body.item_id,))


_READINGS: dict[type[Body], Reading] = {
    case.MeasureImposed: _imposed,
    case.MeasureChanged: _changed,
    case.MeasureLifted: _lifted,
    case.DecisionRecorded: _decided,
    case.CaseStageEntered: _stage_entered,
    case.CaseClosed: _closed,
    retention.RetentionSet: _retention_set,
    letter.LetterSent: _letter_sent,
    letter.LetterReceived: _letter_received,
    letter.LetterFiled: _letter_received,
    handover.HandoverOffered: _offered,
    handover.HandoverReturned: _offered,
    handover.HandoverAccepted: _accepted,
    handover.HandoverRefused: _refused,
    handover.HandoverRecalled: _recalled,
    case.CustodyChangeServed: _served,
    item.ItemRegistered: _registered,
    item.ItemFrozen: _frozen,
    item.ItemUnfrozen: _unfrozen,
    item.ItemFreezeRenewed: _frozen,
    item.ItemDisposed: _disposed,
    item.ItemCheckedOut: _checked_out,
    item.ItemCheckedIn: _checked_in,
}
