"""The reference: what is broken in a history, found without views and queries by looking at every step of every case.

It knows nothing of what was planted. Its limits are those that the shipped models have by default. The numbers are
those of the rules of supervision.
"""

from __future__ import annotations

import calendar
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import combinations
from typing import Any, Literal, NamedTuple, TypeVar

from ledger.core.custody import Handover
from ledger.core.custody.discrepancies import differences
from ledger.core.custody.due_dates import deadlines
from ledger.core.custody.triggers import in_custody, purpose_rule
from ledger.core.events import Body, case, handover, item, record
from ledger.core.procedure.legal_days import DAY
from scripts.histories.history import GeneratedHistory, payments, pension_list
from scripts.histories.simulation import BOOK, ENDS, Breach, SimulatedCase, SimulatedStep

B = TypeVar("B", bound=Body)
TODAY = BOOK.zone.day_of(ENDS)
SERVED = 6  # days: the rules only say promptly
LIMITS = {"bail": 12, "residential_surveillance": 6}  # months
ENDING = ("case_withdrawn", "not_prosecuted", "proceedings_terminated", "judgment", "ruling", "judgment_effective")
SUPPLEMENTS = ("supplementary_investigation", "supplementary_inquiry")
TO_EXECUTION = ("execution", "community_correction")
OF_STAGES = ("arrest_decision", "prosecution_review", "prosecution_review_anew", "first_instance", "second_instance")
LOANS = ("loan", "forensic_examination", "defence_access", "property_transfer")
DAYS_TO_RAISE = 3  # for a discrepancy after an examination
DAYS_TO_DISPOSE = 10  # after non-prosecution
GAP = timedelta(hours=72)
LATE = timedelta(hours=24)  # of an anchor after the deadline
MINUTE = timedelta(minutes=1)  # within which claims say nothing of the order


class ExaminedCase:
    """One case, looked at from the end of the history, with plain arithmetic of days."""

    def __init__(self, simulated: SimulatedCase) -> None:
        self.case_id = simulated.case_id
        self.steps = simulated.steps
        self.state = simulated.state

    def breach(self, rule: int, part: str, *subjects: str | None) -> Breach:
        """Make a breach in this case."""
        return Breach(rule, part, self.case_id, tuple(subject for subject in subjects if subject))

    def saying(self, body: type[B]) -> Iterator[tuple[SimulatedStep, B]]:
        """Yield the steps whose events are of this type, with their bodies."""
        for step in self.steps:
            if isinstance(step.event.body, body):
                yield step, step.event.body

    def changed(self, kind: Literal["handovers", "items"]) -> Iterator[tuple[SimulatedStep, Any, Any]]:
        """Yield what each step wrote of the case's handovers or items, before, if it was there, and after."""
        for step in self.steps:
            before = getattr(step.before, kind) if step.before else None
            for change in getattr(step.after, kind).changes(before):
                if change.after is not None:
                    yield step, change.before, change.after

    def accepted(self, *purposes: str) -> list[Handover]:
        """Return the handovers for these purposes, or for any, that were accepted, in their order."""
        accepted = (sent for sent in self.state.handovers.values() if sent.is_accepted)
        return [sent for sent in accepted if not purposes or sent.purpose in purposes]

    def is_locked_up(self, person: str, moment: str) -> bool:
        """Return whether a measure kept the person in custody at that moment."""
        return any(
            measure.person_id == person
            and measure.locks_up
            and measure.started_at <= moment < (measure.ended_at or "9")
            for measure in self.state.measures.values()
        )

    def last_day(self, first: date, persons: tuple[str, ...]) -> date:
        """Return ``first``, or the next working day for those at liberty; unknown holidays are taken as none."""
        if any(self.is_locked_up(person, f"{first.isoformat()}T15:59:59Z") for person in persons):
            return first
        while first.year in BOOK.calendar.years and BOOK.calendar.is_day_off(first):
            first += DAY
        return first


def day(moment: str | None) -> date:
    """Return the legal day of an instant. Requires that there is one."""
    assert moment is not None
    return BOOK.zone.day_of(datetime.fromisoformat(moment))


def months_after(first: date, months: int) -> date:
    """Return the same day so many months later, or the last one of that month."""
    year, month = divmod(first.month - 1 + months, 12)
    year, month = first.year + year, month + 1
    return date(year, month, min(first.day, calendar.monthrange(year, month)[1]))


def utc(moment: str) -> datetime:
    """Return an instant as an aware time."""
    return datetime.fromisoformat(moment).astimezone(UTC)


WEEK, GROUNDS = 7, ("roaming", "repeated", "gang")


def detention(examined: ExaminedCase) -> Iterator[Breach]:
    """Yield rule 1: extended beyond a week without a ground, or when it was over."""
    for step, body in examined.saying(case.MeasureExtended):
        assert step.before is not None
        before = step.before.measures[body.measure_id]
        if before.measure != "detention":
            continue
        days = (date.fromisoformat(body.until) - day(before.started_at)).days
        if days > WEEK and body.qualifying_ground not in GROUNDS:
            yield examined.breach(1, "no_ground", body.measure_id)
        if before.until and day(step.event.occurred_at) > date.fromisoformat(before.until):
            yield examined.breach(1, "after_expiry", body.measure_id)


def bail(examined: ExaminedCase) -> Iterator[Breach]:
    """Yield rule 2: bail or surveillance beyond its limit."""
    for measure in examined.state.measures.values():
        if measure.measure in LIMITS:
            last = months_after(day(measure.started_at), LIMITS[measure.measure])
            if (day(measure.ended_at) if measure.ended_at else TODAY) > last:
                part = "bail" if measure.measure == "bail" else "surveillance"
                yield examined.breach(2, part, measure.measure_id, measure.person_id)


def not_transferred(examined: ExaminedCase) -> Iterator[Breach]:
    """Yield rule 3: two years after detention neither transferred nor ended."""
    ended = [event for event in examined.state.decisions.values() if event.kind in (*ENDING, "prosecuted")]
    if examined.state.closed or ended or examined.accepted("prosecution_review"):
        return
    for person in examined.state.persons:
        began = [event.started_at for event in examined.state.measures.values() if event.person_id == person]
        if began and months_after(day(min(began)), 24) < TODAY and _detained(examined, person):
            yield examined.breach(3, "not_transferred", person)


def ended_without_decision(examined: ExaminedCase) -> Iterator[Breach]:
    """Yield rule 4: ended after detention without a decision, or with one that has no document."""
    decisions = [decision for decision in examined.state.decisions.values() if decision.kind in ENDING]
    is_over = examined.state.closed or any(decision.kind == "case_withdrawn" for decision in decisions)
    if is_over and not any(decision.digests for decision in decisions):
        persons = [person for person in examined.state.persons if _detained(examined, person)]
        if persons:
            yield examined.breach(4, "no_document" if decisions else "no_decision", *persons)


def _detained(examined: ExaminedCase, person: str) -> bool:
    kinds = ("detention", "arrest")
    return any(measure.person_id == person and measure.measure in kinds for measure in examined.state.measures.values())


def returns(examined: ExaminedCase) -> Iterator[Breach]:
    """Yield rule 8: a third return, a resubmission after a month, a return in the last three days of the review."""
    sent_back = [returned for returned in examined.state.handovers.values() if returned.purpose in SUPPLEMENTS]
    for number, returned in enumerate(sent_back, 1):
        if number > 2:
            yield examined.breach(8, "returned_too_often", returned.handover_id)
        if returned.is_accepted and _resubmitted_late(examined, returned):
            yield examined.breach(8, "late_resubmission", returned.handover_id)
        if _in_last_days(examined, returned):
            yield examined.breach(8, "last_days", returned.handover_id)


def _resubmitted_late(examined: ExaminedCase, returned: Handover) -> bool:
    last = examined.last_day(months_after(day(returned.received_at), 1), returned.person_ids)
    following = [
        sent.offered_at
        for sent in examined.state.handovers.values()
        if sent.purpose == "prosecution_review" and sent.offered_at > (returned.answered_at or "")
    ]
    return (day(following[0]) if following else TODAY) > last


def _in_last_days(examined: ExaminedCase, returned: Handover) -> bool:
    """Return whether the case went back in the last three days of its review, which runs from the latest receipt."""
    received = [
        sent.received_at
        for sent in examined.accepted("prosecution_review")
        if (sent.answered_at or "") < returned.offered_at
    ]
    last = examined.last_day(months_after(day(received[-1]), 1), returned.person_ids)
    return 0 <= (last - day(returned.offered_at)).days < 3


def execution(examined: ExaminedCase) -> Iterator[Breach]:
    """Yield rule 9: papers later than ten days after the judgment took effect, or none at all."""
    sent = [decision for decision in examined.state.handovers.values() if decision.purpose in TO_EXECUTION]
    for decision in examined.state.decisions.values():
        if decision.kind == "judgment_effective":
            last = examined.last_day(day(decision.effective_at or decision.decided_at) + 10 * DAY, decision.person_ids)
            if (day(sent[0].offered_at) if sent else TODAY) > last:
                yield examined.breach(9, "papers_late" if sent else "papers_missing", *decision.person_ids)


def custody_changes(examined: ExaminedCase) -> Iterator[Breach]:
    """Yield rule 10: days after the receipt of a person in custody, the detention house keeps him for another organ."""
    for step, body in examined.saying(handover.HandoverAccepted):
        accepted = step.after.handovers[body.handover_id]
        if not purpose_rule(step.after, accepted, BOOK).custody_change:
            continue
        for person in accepted.person_ids:
            if in_custody(step.after, person) and step.after.persons[person].kept_for != accepted.to_agency:
                ended = _kept_from(examined, step, person)
                if (day(ended) if ended else TODAY) > day(accepted.received_at) + SERVED * DAY:
                    yield examined.breach(10, "not_served", accepted.handover_id, person)


def _kept_from(examined: ExaminedCase, accepted: SimulatedStep, person: str) -> str | None:
    """Return when, after the acceptance, the person was kept for the receiver, free, or passed on; None if never."""
    receiver = accepted.after.persons[person].responsible
    for step in examined.steps[accepted.event.sequence + 1 :]:
        now = step.after.persons[person]
        if now.kept_for in (receiver, None):
            body = step.event.body
            if isinstance(body, case.CustodyChangeServed):
                return body.served_at
            return step.event.occurred_at
        if now.responsible != receiver:
            return step.event.occurred_at
    return None


def kept_for_former(examined: ExaminedCase) -> Iterator[Breach]:
    """Yield rule 10: to this day kept for an organ that has passed the person on."""
    for person in examined.state.persons.values():
        passed = [handover for handover in _passed(examined) if person.person_id in handover.person_ids]
        if not passed or person.kept_for in (None, person.responsible):
            continue
        last = passed[-1]
        if purpose_rule(examined.state, last, BOOK).custody_change and day(last.answered_at) + 3 * DAY < TODAY:
            yield examined.breach(10, "kept_for", last.handover_id, person.person_id)


def old_clock(examined: ExaminedCase) -> Iterator[Breach]:
    """Yield rule 10: the case has gone to another organ, and a clock of the one before still runs."""
    for last in _passed(examined)[-1:]:
        for clock in examined.state.clocks.marked("running"):
            is_old = clock.agency == last.from_agency and clock.name in OF_STAGES and not clock.provisional
            if is_old and clock.subject in last.person_ids:
                yield examined.breach(10, "old_holder", last.handover_id, clock.subject)


def _passed(examined: ExaminedCase) -> list[Handover]:
    """Return the handovers by which the case came to another organ."""
    return [sent for sent in examined.accepted() if sent.moves_case]


def left_off(examined: ExaminedCase) -> Iterator[Breach]:
    """Yield rules 5 and 6: an item missing on the list of the transfer, or of the indictment, and on those after it."""
    handovers = examined.state.handovers
    for step, body in examined.saying(handover.HandoverOffered):
        assert step.before is not None
        sent = step.after.handovers[body.handover_id]
        if not handovers[body.handover_id].is_accepted:
            continue
        listed = {
            item_id
            for sent_before in handovers.values()
            if sent_before.purpose == body.purpose
            for item_id in sent_before.items
        }
        for thing in step.before.items.values():
            if not thing.is_live or thing.responsible != sent.from_agency or thing.item_id in listed:
                continue
            if body.purpose == "prosecution_review" and thing.seizure is not None:
                yield examined.breach(5, "not_listed", thing.item_id)
            if body.purpose == "public_prosecution" and thing.kind == "property":
                yield examined.breach(6, "indicted", thing.item_id)


def undisposed(examined: ExaminedCase) -> Iterator[Breach]:
    """Yield rule 6: not prosecuted, and days later property is still there."""
    dropped = [event for event in examined.state.decisions.values() if event.kind == "not_prosecuted"]
    if dropped and day(dropped[0].decided_at) + DAYS_TO_DISPOSE * DAY < TODAY:
        for event in examined.state.items.values():
            if event.kind == "property" and event.is_live:
                yield examined.breach(6, "not_prosecuted", event.item_id)


def silent(examined: ExaminedCase) -> Iterator[Breach]:
    """Yield rule 7: property was before the court when it judged, and no judgment speaks of it."""
    named = {
        line.item_id
        for decision in examined.state.decisions.values()
        if decision.kind in ("judgment", "ruling")
        for line in decision.items
    }
    judged = [step.before for step, body in examined.saying(case.DecisionRecorded) if body.kind == "judgment"]
    for before in judged[:1]:
        assert before is not None
        indicted = (sent for sent in before.handovers.values() if sent.purpose == "public_prosecution")
        before_court = {item_id for sent in indicted if sent.is_accepted for item_id in sent.accepted_items}
        for thing in before.items.values():
            if thing.kind == "property" and thing.is_live and thing.item_id in before_court - named:
                yield examined.breach(7, "silent", thing.item_id)


def lists(examined: ExaminedCase) -> Iterator[Breach]:
    """Yield rule 11: an accepted list names another seal than the record had, and no discrepancy was opened."""
    for step, before, offered in examined.changed("handovers"):
        sent = examined.state.handovers[offered.handover_id]
        for line in sent.items.values() if before is None and sent.is_accepted else ():
            recorded = step.after.items[line.item_id].seal_number
            if line.seal_number not in (None, recorded) and not _opened(examined, sent, line.item_id):
                yield examined.breach(11, "list", sent.handover_id, line.item_id)


def receipts(examined: ExaminedCase) -> Iterator[Breach]:
    """Yield rule 11: what was received of an item was corrected afterwards, and no discrepancy was opened."""
    halves = {step.event.payload_digest: body for step, body in examined.saying(handover.HandoverAccepted)}
    for _, body in examined.saying(record.RecordCorrected):
        half = halves.get(body.corrects.payload_digest)
        for correction in body.corrections if half else ():
            assert half is not None
            sent = examined.state.handovers[half.handover_id]
            for number, line in enumerate(half.received):
                is_counted = correction.field.startswith(f"received[{number}].quantity")
                if is_counted and not _opened(examined, sent, line.item_id):
                    yield examined.breach(11, "receipt", sent.handover_id, line.item_id)


def _opened(examined: ExaminedCase, sent: Handover, item_id: str) -> bool:
    opened = {(discrepancy.handover_id, discrepancy.item_id) for discrepancy in examined.state.discrepancies.values()}
    return (sent.handover_id, item_id) in opened


def examinations(examined: ExaminedCase) -> Iterator[Breach]:
    """Yield rule 11: an examination or a check-in differs, and nobody raises a discrepancy within days."""
    for step, body in examined.saying(item.ItemExamined):
        assert step.before is not None
        recorded = step.before.items[body.item_id]
        quantity = body.quantity not in (None, recorded.quantity)
        digest = bool(body.digests) and not set(body.digests) & set(recorded.digests)
        differs = quantity or digest or body.match_result == "mismatch"
        if differs and not _raised(examined, body.item_id, step.event.occurred_at):
            yield examined.breach(11, "examination", body.item_id)
    for step, back in examined.saying(item.ItemCheckedIn):
        assert step.before is not None
        differing = differences(step.before.items[back.item_id], back)
        if differing and not _raised(examined, back.item_id, step.event.occurred_at):
            yield examined.breach(11, "checked_in_short", back.item_id)


def _raised(examined: ExaminedCase, item_id: str, moment: str) -> bool:
    """Return whether a discrepancy was raised in time, or may still be."""
    last = day(moment) + DAYS_TO_RAISE * DAY
    raised = [step for step, body in examined.saying(handover.DiscrepancyRaised) if body.item_id == item_id]
    return last >= TODAY or any(day(step.event.occurred_at) <= last for step in raised)


def check_outs(examined: ExaminedCase) -> Iterator[Breach]:
    """Yield rule 11: what an officer took along is back late, or not at all."""
    for step, body in examined.saying(item.ItemCheckedOut):
        sequence = step.event.sequence
        back = [
            check_in.event.occurred_at
            for check_in, returned in examined.saying(item.ItemCheckedIn)
            if returned.item_id == body.item_id and check_in.event.sequence > sequence
        ]
        if body.due_at and _ended(back) > utc(body.due_at):
            yield examined.breach(11, "checked_in_late", body.item_id)


def loans(examined: ExaminedCase) -> Iterator[Breach]:
    """Yield rule 11: what was lent to another agency is back late, or not at all; or less comes back than was lent."""
    accepted = examined.accepted()
    for lent in accepted:
        for item_id in lent.accepted_items if lent.returns is None else ():
            back = [sent for sent in accepted if sent.returns == lent.handover_id and item_id in sent.accepted_items]
            if lent.due_at and _ended([sent.received_at or "" for sent in back]) > utc(lent.due_at):
                yield examined.breach(11, "loan_overdue", item_id)
            if lent.purpose not in LOANS or not back or _opened(examined, back[0], item_id):
                continue
            if _amount(examined, back[0], item_id) < _amount(examined, lent, item_id):
                yield examined.breach(11, "loan_short", back[0].handover_id, item_id)


def _ended(moments: list[str]) -> datetime:
    return utc(moments[0]) if moments else ENDS


def _amount(examined: ExaminedCase, accepted: Handover, item_id: str) -> Decimal:
    """Return how much there was of the item after the acceptance."""
    halves = {body.handover_id: step for step, body in examined.saying(handover.HandoverAccepted)}
    return Decimal(halves[accepted.handover_id].after.items[item_id].quantity.value)


def freezes(examined: ExaminedCase) -> Iterator[Breach]:
    """Yield rule 16: a freeze ran out before it was renewed or the item disposed of."""
    for item_id in examined.state.items:
        last: date | None = None
        for step in examined.steps:
            moment, after = step.event.occurred_at, step.after.items.get(item_id)
            if after is None:
                continue
            until = date.fromisoformat(after.frozen_until) if after.frozen_until else None
            is_over = last is not None and day(moment) > last
            if is_over and until != last:
                yield examined.breach(16, "renewed_late", item_id)
            if is_over and not after.is_live:
                yield examined.breach(16, "lapsed", item_id)
            if last and not after.is_live:
                last = None
                break
            last = until
        if last and last < TODAY:
            yield examined.breach(16, "lapsed", item_id)


def deliveries(examined: ExaminedCase) -> Iterator[Breach]:
    """Yield rule 12: nobody, or two at a time, had what was handed over; or one officer released and received it."""
    for step, _, sent in examined.changed("handovers"):
        if not sent.is_accepted or sent.received_at is None:
            continue
        if sent.items and utc(sent.received_at) - utc(sent.offered_at) > GAP:
            yield examined.breach(12, "gap", sent.handover_id)
        if utc(sent.offered_at) - utc(sent.received_at) > MINUTE:
            yield examined.breach(12, "overlap", sent.handover_id)
        if sent.offered_by == step.event.officer:
            yield examined.breach(12, "same_officer", sent.handover_id, sent.offered_by)


def backdated(examined: ExaminedCase) -> Iterator[Breach]:
    """Yield rule 12: an event claims to lie before one that was recorded before it."""
    latest = ""
    for step in examined.steps:
        claimed = step.event.occurred_at
        if claimed < latest:
            yield examined.breach(12, "backdated", step.event.event_id, claimed)
        latest = max(latest, claimed)


def unanswered(examined: ExaminedCase) -> Iterator[Breach]:
    """Yield rules 9 and 13: papers of execution open for more than ten days, another offer for more than a week."""
    for sent in examined.state.handovers.values():
        rule, part, days = (9, "no_intake", 10) if sent.purpose in TO_EXECUTION else (13, "unanswered", 7)
        if sent.is_open and (TODAY - day(sent.offered_at)).days > days:
            yield examined.breach(rule, part, sent.handover_id)


def anchored_late(history: GeneratedHistory, cases: list[ExaminedCase]) -> Iterator[Breach]:
    """Yield rule 12: an act claims to have met a deadline, and was anchored more than a day after it."""
    index = {event.payload_digest: index for index, event in enumerate(history.events)}
    sizes, moments = zip(*history.anchors(), strict=True)
    for examined in cases:
        by_digest = {step.event.payload_digest: step.event for step in examined.steps}
        for deadline in deadlines(examined.state, BOOK, ENDS):
            if deadline.status != "met" or deadline.due_at is None:
                continue
            for ref in deadline.events:
                met = by_digest[ref.payload_digest].occurred_at == deadline.stopped_at
                # The block time of the first anchor over the event.
                anchored = moments[bisect_right(sizes, index[ref.payload_digest])]
                if met and anchored >= (deadline.due_at + LATE).timestamp():
                    yield examined.breach(12, "anchored_late", ref.event_id, deadline.deadline_id)


class UnusualLimits(NamedTuple):
    """From so many handovers of a quarter on, with so large a share, so many times that of the others."""

    handovers: int = 20
    share: float = 0.1
    times: float = 2.0


USUAL = UnusualLimits()  # as the shipped model has them


def shared(cases: list[ExaminedCase]) -> Iterator[Breach]:
    """Yield rule 15: a seal or digest in two cases that are not linked; entered for both."""
    holders: dict[tuple[str, str], list[ExaminedCase]] = defaultdict(list)
    for examined in cases:
        # Seals and digests that the case's items have, or were found with.
        marks = {("digest", digest) for _, body in examined.saying(item.ItemExamined) for digest in body.digests}
        for _, _, thing in examined.changed("items"):
            marks |= {("digest", digest) for digest in thing.digests}
            marks |= {("seal", thing.seal_number)} if thing.seal_number else set()
        for mark in marks:
            holders[mark].append(examined)
    for (part, value), holding in holders.items():
        for first, second in combinations(holding, 2):
            if second.case_id not in first.state.links and first.case_id not in second.state.links:
                yield first.breach(15, part, value)
                yield second.breach(15, part, value)


def unusual(cases: list[ExaminedCase], limits: UnusualLimits) -> Iterator[Breach]:
    """Yield rule 14: an agency's handovers of a quarter with many more discrepancies or corrections than others'."""
    all_, wrong = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for examined in cases:
        # The handovers that a discrepancy or a correction is about.
        spoilt = {discrepancy.handover_id for discrepancy in examined.state.discrepancies.values()}
        by_digest = {step.event.payload_digest: step.event.body for step in examined.steps}
        for _, body in examined.saying(record.RecordCorrected):
            spoilt.add(getattr(by_digest[body.corrects.payload_digest], "handover_id", ""))
        for sent in examined.state.handovers.values():
            quarter = _quarter(sent.offered_at)
            if quarter < _quarter(ENDS.isoformat()):
                all_[quarter, sent.from_agency] += 1
                wrong[quarter, sent.from_agency] += sent.handover_id in spoilt
    for (quarter, agency), count in sorted(all_.items()):
        others = [key for key in all_ if key[0] == quarter and key[1] != agency]
        rest, rest_wrong = sum(all_[key] for key in others), sum(wrong[key] for key in others)
        bad = wrong[quarter, agency]
        is_large = count >= limits.handovers and rest > 0 and bad >= limits.share * count
        if is_large and bad * rest >= limits.times * rest_wrong * count:
            yield Breach(14, "share", "", (agency, quarter))


def _quarter(moment: str) -> str:
    on = day(moment)
    return f"{on.year}-Q{(on.month + 2) // 3}"


def pensions(history: GeneratedHistory, cases: list[ExaminedCase]) -> Iterator[Breach]:
    """Yield rule 17: paid while the person was in execution in prison."""
    paid = payments(pension_list(history))
    for examined in cases:
        began = ended = ""
        for step in examined.steps:
            if step.after.stage == "execution" and not began:
                began = step.event.occurred_at
            if step.after.closed and began:
                ended = step.event.occurred_at
        convicts = {person for sent in examined.accepted("execution") for person in sent.person_ids}
        for person in convicts if began else ():
            if any(day(began) <= on and (not ended or on < day(ended)) for on in paid.get(person, ())):
                yield examined.breach(17, "pension", person)


OF_A_CASE = (
    *(detention, bail, not_transferred, ended_without_decision, returns, execution, custody_changes, kept_for_former),
    *(old_clock, left_off, undisposed, silent, lists, receipts, examinations, check_outs, loans, freezes, deliveries),
    *(backdated, unanswered),
)


def broken(history: GeneratedHistory, limits: UnusualLimits = USUAL) -> tuple[Breach, ...]:
    """Return every breach of the seventeen rules, each once, sorted."""
    cases = [ExaminedCase(simulated) for simulated in history.cases]
    breaches = {breach for examined in cases for look in OF_A_CASE for breach in look(examined)}
    breaches |= {*anchored_late(history, cases), *shared(cases), *unusual(cases, limits), *pensions(history, cases)}
    return tuple(sorted(breaches))
