"""Rules 1 to 4 and 8 to 10: measures, decisions, returns, execution, changes of custody."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from ledger.core.custody import Handover
from ledger.core.custody.triggers import changes_custody, in_custody
from ledger.core.events import case, handover
from ledger.core.procedure.legal_days import DAY
from scripts.histories.life import BOOK, Planted, Step
from scripts.histories.reference.told import Told, day, months_after

SERVED = 6  # days: the three that the rules give, and three of grace
WEEK, GROUNDS = 7, ("roaming", "repeated", "gang")
LIMITS = {"bail": 12, "residential_surveillance": 6}  # months
ENDS = ("case_withdrawn", "not_prosecuted", "proceedings_terminated", "judgment", "ruling", "judgment_effective")
SUPPLEMENTS = ("supplementary_investigation", "supplementary_inquiry")
TO_EXECUTION = ("execution", "community_correction")
OF_STAGES = ("arrest_decision", "prosecution_review", "prosecution_review_anew", "first_instance", "second_instance")


def detention(told: Told) -> Iterator[Planted]:
    """1: extended beyond a week without a ground, or when it was over."""
    for step, body in told.saying(case.MeasureExtended):
        assert step.before is not None
        before = step.before.measures[body.measure_id]
        if before.measure != "detention":
            continue
        days = (date.fromisoformat(body.until) - day(before.started_at)).days
        if days > WEEK and body.qualifying_ground not in GROUNDS:
            yield told.breach(1, "no_ground", body.measure_id)
        if before.until and day(step.entry.payload.occurred_at) > date.fromisoformat(before.until):
            yield told.breach(1, "after_expiry", body.measure_id)


def bail(told: Told) -> Iterator[Planted]:
    """2: bail or surveillance beyond its limit."""
    for one in told.state.measures.values():
        if one.measure in LIMITS:
            last = told.last_day(months_after(day(one.started_at), LIMITS[one.measure]), (one.person_id,))
            if (day(one.ended_at) if one.ended_at else told.today) > last:
                part = "bail" if one.measure == "bail" else "surveillance"
                yield told.breach(2, part, one.measure_id, one.person_id)


def not_transferred(told: Told) -> Iterator[Planted]:
    """3: two years after detention neither transferred nor ended."""
    ended = [one for one in told.state.decisions.values() if one.kind in (*ENDS, "prosecuted")]
    if told.state.closed or ended or told.accepted("prosecution_review"):
        return
    for person in told.state.persons:
        began = [one.started_at for one in told.state.measures.values() if one.person_id == person]
        if began and months_after(day(min(began)), 24) < told.today and _detained(told, person):
            yield told.breach(3, "not_transferred", person)


def ended_without_decision(told: Told) -> Iterator[Planted]:
    """4: ended after detention without a decision, or with one that has no document."""
    decisions = [one for one in told.state.decisions.values() if one.kind in ENDS]
    is_over = told.state.closed or any(one.kind == "case_withdrawn" for one in decisions)
    if is_over and not any(one.digests for one in decisions):
        persons = [person for person in told.state.persons if _detained(told, person)]
        if persons:
            yield told.breach(4, "no_document" if decisions else "no_decision", *persons)


def _detained(told: Told, person: str) -> bool:
    kinds = ("detention", "arrest")
    return any(one.person_id == person and one.measure in kinds for one in told.state.measures.values())


def returns(told: Told) -> Iterator[Planted]:
    """8: a third return, a resubmission after a month, a return in the last three days of the review."""
    sent_back = [one for one in told.state.handovers.values() if one.purpose in SUPPLEMENTS]
    for number, one in enumerate(sent_back, 1):
        if number > 2:
            yield told.breach(8, "third_return", one.handover_id)
        if one.is_accepted and _resubmitted_late(told, one):
            yield told.breach(8, "late_resubmission", one.handover_id)
        if _in_last_days(told, one):
            yield told.breach(8, "last_days", one.handover_id)


def _resubmitted_late(told: Told, returned: Handover) -> bool:
    last = told.last_day(months_after(day(returned.received_at), 1), returned.person_ids)
    following = [
        one.offered_at
        for one in told.state.handovers.values()
        if one.purpose == "prosecution_review" and one.offered_at > (returned.answered_at or "")
    ]
    return (day(following[0]) if following else told.today) > last


def _in_last_days(told: Told, returned: Handover) -> bool:
    """The review runs from the latest receipt; that of a commission's case is longer by the decision on measures."""
    received = [
        one.received_at for one in told.accepted("prosecution_review") if (one.answered_at or "") < returned.offered_at
    ]
    last = told.last_day(months_after(day(received[-1]), 1), returned.person_ids)
    return 0 <= (last - day(returned.offered_at)).days < 3


def execution(told: Told) -> Iterator[Planted]:
    """9: papers later than ten days after the judgment took effect, none at all, or no receipt of them."""
    sent = [one for one in told.state.handovers.values() if one.purpose in TO_EXECUTION]
    for one in told.state.decisions.values():
        if one.kind == "judgment_effective":
            last = told.last_day(day(one.effective_at or one.decided_at) + 10 * DAY, one.person_ids)
            if (day(sent[0].offered_at) if sent else told.today) > last:
                yield told.breach(9, "papers_late" if sent else "papers_missing", *one.person_ids)
    for offered in sent:
        if offered.is_open and (told.today - day(offered.offered_at)).days > 10:
            yield told.breach(9, "no_intake", offered.handover_id)


def custody_changes(told: Told) -> Iterator[Planted]:
    """10: days after the new organ received who is in custody, the detention house does not keep him for it."""
    for step, body in told.saying(handover.HandoverAccepted):
        made = step.after.handovers[body.handover_id]
        if not changes_custody(step.after, made, BOOK):
            continue
        for person in made.person_ids:
            if in_custody(step.after, person) and step.after.persons[person].kept_for != made.to_agency:
                ended = _kept_from(told, step, person)
                late = (day(ended) if ended else told.today) > day(made.received_at) + SERVED * DAY
                if late:
                    yield told.breach(10, "not_served", made.handover_id, person)


def _kept_from(told: Told, accepted: Step, person: str) -> str | None:
    """When, after the acceptance, the person was kept for the receiver, free, or passed on; None while neither is."""
    receiver = accepted.after.persons[person].responsible
    for step in told.steps[accepted.entry.payload.sequence + 1 :]:
        now = step.after.persons[person]
        if now.kept_for in (receiver, None):
            body = step.entry.payload.body
            if isinstance(body, case.CustodyChangeServed):
                return body.served_at
            return step.entry.payload.occurred_at
        if now.responsible != receiver:
            return step.entry.payload.occurred_at
    return None


def kept_for_former(told: Told) -> Iterator[Planted]:
    """10: to this day kept for an organ that has passed the person on."""
    for person in told.state.persons.values():
        passed = [one for one in _passed(told) if person.person_id in one.person_ids]
        if not passed or person.kept_for in (None, person.responsible):
            continue
        last = passed[-1]
        if changes_custody(told.state, last, BOOK) and told.today > day(last.answered_at) + 3 * DAY:
            yield told.breach(10, "kept_for", last.handover_id, person.person_id)


def old_clock(told: Told) -> Iterator[Planted]:
    """10: the case has gone to another organ, and a clock of the one before still runs."""
    for last in _passed(told)[-1:]:
        for clock in told.state.clocks.marked("running"):
            is_old = clock.agency == last.from_agency and clock.name in OF_STAGES and not clock.provisional
            if is_old and clock.subject in last.person_ids:
                yield told.breach(10, "old_holder", last.handover_id, clock.subject)


def _passed(told: Told) -> list[Handover]:
    """The handovers by which the case came to another organ."""
    return [one for one in told.state.handovers.values() if one.is_accepted and one.moves_case]
