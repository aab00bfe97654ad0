"""A case as the reference looks at it: its steps, and plain arithmetic of days."""

from __future__ import annotations

import calendar
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import combinations
from typing import NamedTuple, TypeVar

from ledger.core.custody import CaseState, Handover, Item
from ledger.core.custody.discrepancies import differences
from ledger.core.custody.due_dates import deadlines
from ledger.core.custody.triggers import CUSTODY, changes_custody, in_custody
from ledger.core.events import Body, case, handover, item, record
from ledger.core.procedure.legal_days import DAY, legal_day
from scripts.histories.history import History, payments, pension_list
from scripts.histories.simulation import BOOK, CALENDAR, Life, Planted, Step

B = TypeVar("B", bound=Body)
KNOWN_YEARS = CALENDAR.years


class Told:
    """One life, looked at from the moment ``as_of``."""

    def __init__(self, life: Life, as_of: datetime) -> None:
        self.case_id = life.case_id
        self.steps = life.steps
        self.state = life.state
        self.as_of = as_of
        self.today = legal_day(as_of)

    def breach(self, rule: int, part: str, *subjects: str | None) -> Planted:
        """A breach in this case."""
        return Planted(rule, part, self.case_id, tuple(one for one in subjects if one))

    def saying(self, body: type[B]) -> Iterator[tuple[Step, B]]:
        """The steps whose events are of this type."""
        for step in self.steps:
            if isinstance(step.entry.payload.body, body):
                yield step, step.entry.payload.body

    def accepted(self, *purposes: str) -> list[Handover]:
        """The handovers for these purposes that were accepted, in their order."""
        return [one for one in self.state.handovers.values() if one.is_accepted and one.purpose in purposes]

    def is_locked_up(self, person: str, moment: str) -> bool:
        """Whether a measure kept the person in custody at that moment."""
        return any(
            one.person_id == person and one.measure in CUSTODY and one.started_at <= moment < (one.ended_at or "9")
            for one in self.state.measures.values()
        )

    def last_day(self, first: date, persons: tuple[str, ...]) -> date:
        """``first``, or the next working day for those at liberty; unknown holidays are taken as none."""
        if any(self.is_locked_up(person, f"{first.isoformat()}T15:59:59Z") for person in persons):
            return first
        while first.year in KNOWN_YEARS and CALENDAR.is_day_off(first):
            first += DAY
        return first


def day(moment: str | None) -> date:
    """The legal day of an instant. Requires that there is one."""
    assert moment is not None
    return legal_day(datetime.fromisoformat(moment))


def months_after(first: date, months: int) -> date:
    """The same day so many months later, or the last one of that month."""
    year, month = divmod(first.month - 1 + months, 12)
    year, month = first.year + year, month + 1
    return date(year, month, min(first.day, calendar.monthrange(year, month)[1]))


def utc(moment: str) -> datetime:
    """An instant as an aware time."""
    return datetime.fromisoformat(moment).astimezone(UTC)


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


LOANS = ("loan", "forensic_examination", "defence_access", "property_transfer")
DAYS_TO_RAISE = 3  # for a discrepancy after an examination
DAYS_TO_DISPOSE = 10  # after non-prosecution


def left_off(told: Told) -> Iterator[Planted]:
    """5 and 6: what the sender answered for was not on the list of the transfer, or of the indictment, nor after it."""
    for step, body in told.saying(handover.HandoverOffered):
        assert step.before is not None
        sent = step.after.handovers[body.handover_id]
        if not told.state.handovers[body.handover_id].is_accepted:
            continue
        for one in step.before.items.values():
            if not one.is_live or one.responsible != sent.from_agency or _listed(told, one.item_id, body.purpose):
                continue
            if body.purpose == "prosecution_review" and one.seizure is not None:
                yield told.breach(5, "not_listed", one.item_id)
            if body.purpose == "public_prosecution" and one.kind == "property":
                yield told.breach(6, "indicted", one.item_id)


def _listed(told: Told, item_id: str, purpose: str) -> bool:
    return any(one.purpose == purpose and item_id in one.items for one in told.state.handovers.values())


def undisposed(told: Told) -> Iterator[Planted]:
    """6: not prosecuted, and days later property is still there."""
    dropped = [one for one in told.state.decisions.values() if one.kind == "not_prosecuted"]
    if dropped and told.today > day(dropped[0].decided_at) + DAYS_TO_DISPOSE * DAY:
        for one in told.state.items.values():
            if one.kind == "property" and one.is_live:
                yield told.breach(6, "not_prosecuted", one.item_id)


def silent(told: Told) -> Iterator[Planted]:
    """7: property was before the court when it judged, and no judgment speaks of it."""
    named = {
        line.item_id
        for one in told.state.decisions.values()
        if one.kind in ("judgment", "ruling")
        for line in one.items
    }
    judged = [step.before for step, body in told.saying(case.DecisionRecorded) if body.kind == "judgment"]
    for before in judged[:1]:
        assert before is not None
        for one in before.items.values():
            if one.kind == "property" and one.is_live and one.item_id not in named and _before_court(before, one):
                yield told.breach(7, "silent", one.item_id)


def _before_court(state: CaseState, one: Item) -> bool:
    came = [made for made in state.handovers.values() if made.purpose == "public_prosecution" and made.is_accepted]
    return any(one.item_id in made.accepted_items for made in came)


def lists(told: Told) -> Iterator[Planted]:
    """11: an accepted list names another seal than the record had, and no discrepancy was opened."""
    for step in told.steps:
        for change in step.after.handovers.changes(step.before.handovers if step.before else None):
            made = change.after and told.state.handovers[change.key]
            if change.before is not None or made is None or not made.is_accepted:
                continue
            for line in made.items.values():
                recorded = step.after.items[line.item_id].seal_number
                if line.seal_number not in (None, recorded) and not _opened(told, made, line.item_id):
                    yield told.breach(11, "list", made.handover_id, line.item_id)


def receipts(told: Told) -> Iterator[Planted]:
    """11: what was received of an item was corrected afterwards, and no discrepancy was opened."""
    halves = {step.entry.digest: body for step, body in told.saying(handover.HandoverAccepted)}
    for _, body in told.saying(record.RecordCorrected):
        half = halves.get(body.corrects.payload_digest)
        for one in body.corrections if half else ():
            assert half is not None
            made = told.state.handovers[half.handover_id]
            for number, line in enumerate(half.received):
                if one.field.startswith(f"received[{number}].quantity") and not _opened(told, made, line.item_id):
                    yield told.breach(11, "receipt", made.handover_id, line.item_id)


def _opened(told: Told, made: Handover, item_id: str) -> bool:
    found = told.state.discrepancies.values()
    return any((one.handover_id, one.item_id) == (made.handover_id, item_id) for one in found)


def examinations(told: Told) -> Iterator[Planted]:
    """11: an examination or a check-in finds something else, and nobody raises a discrepancy within days."""
    for step, body in told.saying(item.ItemExamined):
        assert step.before is not None
        known = step.before.items[body.item_id]
        other = body.quantity is not None and body.quantity != known.quantity
        digest = bool(body.digests) and not set(body.digests) & set(known.digests)
        differs = other or digest or body.match_result == "mismatch"
        if differs and not _raised(told, body.item_id, step.entry.payload.occurred_at):
            yield told.breach(11, "examination", body.item_id)
    for step, back in told.saying(item.ItemCheckedIn):
        assert step.before is not None
        found = differences(step.before.items[back.item_id], back)
        if found and not _raised(told, back.item_id, step.entry.payload.occurred_at):
            yield told.breach(11, "checked_in_short", back.item_id)


def _raised(told: Told, item_id: str, moment: str) -> bool:
    """In time, or not yet."""
    last = day(moment) + DAYS_TO_RAISE * DAY
    raised = [step for step, body in told.saying(handover.DiscrepancyRaised) if body.item_id == item_id]
    return told.today <= last or any(day(step.entry.payload.occurred_at) <= last for step in raised)


def check_outs(told: Told) -> Iterator[Planted]:
    """11: what an officer took along is back late, or not at all."""
    for step, body in told.saying(item.ItemCheckedOut):
        sequence = step.entry.payload.sequence
        back = [
            other.entry.payload.occurred_at
            for other, found in told.saying(item.ItemCheckedIn)
            if found.item_id == body.item_id and other.entry.payload.sequence > sequence
        ]
        if body.due_at and _ended(told, back) > utc(body.due_at):
            yield told.breach(11, "checked_in_late", body.item_id)


def loans(told: Told) -> Iterator[Planted]:
    """11: what was lent to another agency is back late, or not at all; or less comes back than was lent."""
    for lent in told.state.handovers.values():
        if not (lent.is_accepted and lent.returns is None):
            continue
        returned = [one for one in told.state.handovers.values() if one.returns == lent.handover_id and one.is_accepted]
        for item_id in lent.accepted_items:
            back = [one for one in returned if item_id in one.accepted_items]
            if lent.due_at and _ended(told, [one.received_at or "" for one in back]) > utc(lent.due_at):
                yield told.breach(11, "loan_overdue", item_id)
            if lent.purpose in LOANS and back and _is_short(told, lent, back[0], item_id):
                yield told.breach(11, "loan_short", back[0].handover_id, item_id)


def _ended(told: Told, moments: list[str]) -> datetime:
    return utc(moments[0]) if moments else told.as_of


def _is_short(told: Told, lent: Handover, back: Handover, item_id: str) -> bool:
    """Less than was lent, and nobody says so."""
    return _amount(told, back, item_id) < _amount(told, lent, item_id) and not _opened(told, back, item_id)


def _amount(told: Told, made: Handover, item_id: str) -> Decimal:
    """How much there was of it after the acceptance."""
    steps = (step for step, body in told.saying(handover.HandoverAccepted) if body.handover_id == made.handover_id)
    return Decimal(next(steps).after.items[item_id].quantity.value)


def freezes(told: Told) -> Iterator[Planted]:
    """16: a freeze ran out before it was renewed or the thing disposed of."""
    for item_id in told.state.items:
        last: date | None = None
        for step in told.steps:
            moment, after = step.entry.payload.occurred_at, step.after.items.get(item_id)
            if after is None:
                continue
            until = date.fromisoformat(after.frozen_until) if after.frozen_until else None
            if last and until != last and day(moment) > last:
                yield told.breach(16, "renewed_late", item_id)
            if last and not after.is_live:
                if day(moment) > last:
                    yield told.breach(16, "lapsed", item_id)
                last = None
                break
            last = until
        if last and told.today > last:
            yield told.breach(16, "lapsed", item_id)


GAP = timedelta(hours=72)
LATE = timedelta(hours=24)  # of an anchor after the deadline
MINUTE = timedelta(minutes=1)  # within which claims say nothing of the order
UNANSWERED = 7  # days


def deliveries(told: Told) -> Iterator[Planted]:
    """12: nobody, or two at a time, had what was handed over; or one officer released and received it."""
    for step in told.steps:
        for change in step.after.handovers.changes(step.before.handovers if step.before else None):
            made = change.after
            if made is None or not made.is_accepted or made.received_at is None:
                continue
            if made.items and utc(made.received_at) - utc(made.offered_at) > GAP:
                yield told.breach(12, "gap", made.handover_id)
            if utc(made.offered_at) - utc(made.received_at) > MINUTE:
                yield told.breach(12, "overlap", made.handover_id)
            if made.offered_by == step.entry.payload.officer:
                yield told.breach(12, "same_officer", made.handover_id, made.offered_by)


def backdated(told: Told) -> Iterator[Planted]:
    """12: an event claims to lie before one that was recorded before it."""
    latest = ""
    for step in told.steps:
        claimed = step.entry.payload.occurred_at
        if claimed < latest:
            yield told.breach(12, "backdated", step.entry.payload.event_id, claimed)
        latest = max(latest, claimed)


def unanswered(told: Told) -> Iterator[Planted]:
    """13: an offer that stands open for more than a week; papers of execution are rule 9's."""
    for one in told.state.handovers.values():
        if one.is_open and one.purpose not in TO_EXECUTION and (told.today - day(one.offered_at)).days > UNANSWERED:
            yield told.breach(13, "unanswered", one.handover_id)


class Anchoring:
    """When the log's events were anchored."""

    def __init__(self, history: History) -> None:
        self._index = {entry.digest: index for index, entry in enumerate(history.entries)}
        self._anchors = [*history.anchors()]
        self._sizes = [size for size, _ in self._anchors]

    def at(self, digest: str) -> datetime:
        """The block time of the first anchor over the event."""
        return datetime.fromtimestamp(self._anchors[bisect_right(self._sizes, self._index[digest])][1], UTC)

    def late(self, told: Told) -> Iterator[Planted]:
        """12: an act claims to have met a deadline, and was anchored more than a day after it."""
        by_digest = {step.entry.digest: step.entry.payload for step in told.steps}
        for one in deadlines(told.state, BOOK, CALENDAR, told.as_of):
            if one.status != "met" or one.due_at is None:
                continue
            for ref in one.events:
                met = by_digest[ref.payload_digest].occurred_at == one.stopped_at
                if met and self.at(ref.payload_digest) >= one.due_at + LATE:
                    yield told.breach(12, "anchored_late", ref.event_id, one.deadline_id)


class Unusual(NamedTuple):
    """From so many handovers of a quarter on, with so large a share, so many times that of the others."""

    handovers: int = 20
    share: float = 0.1
    times: float = 2.0


USUAL = Unusual()  # as the shipped model has them


def shared(tolds: list[Told]) -> Iterator[Planted]:
    """15: a seal or digest in two cases that are not linked; entered for both."""
    holders: dict[tuple[str, str], list[Told]] = defaultdict(list)
    for told in tolds:
        for mark in _marks(told):
            holders[mark].append(told)
    for (part, value), found in holders.items():
        for one, other in combinations(found, 2):
            if other.case_id not in one.state.links and one.case_id not in other.state.links:
                yield one.breach(15, part, value)
                yield other.breach(15, part, value)


def _marks(told: Told) -> set[tuple[str, str]]:
    """Seals and digests that the case's things have, or were found with."""
    found = {("seal", one.seal_number) for step in told.steps for one in _changed(step) if one.seal_number}
    found |= {("digest", digest) for step in told.steps for one in _changed(step) for digest in one.digests}
    found |= {("digest", digest) for _, body in told.saying(item.ItemExamined) for digest in body.digests}
    return found


def _changed(step: Step) -> list[Item]:
    changes = step.after.items.changes(step.before.items if step.before else None)
    return [change.after for change in changes if change.after is not None]


def unusual(tolds: list[Told], limits: Unusual) -> Iterator[Planted]:
    """14: an agency's handovers of a quarter with many more discrepancies or corrections than those of others."""
    all_, wrong = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for told in tolds:
        spoilt = _spoilt(told)
        for made in told.state.handovers.values():
            quarter = _quarter(made.offered_at)
            if quarter < _quarter(told.as_of.isoformat()):
                all_[quarter, made.from_agency] += 1
                wrong[quarter, made.from_agency] += made.handover_id in spoilt
    for (quarter, agency), count in sorted(all_.items()):
        others = [key for key in all_ if key[0] == quarter and key[1] != agency]
        rest, rest_wrong = sum(all_[key] for key in others), sum(wrong[key] for key in others)
        bad = wrong[quarter, agency]
        is_large = count >= limits.handovers and rest > 0 and bad >= limits.share * count
        if is_large and bad * rest >= limits.times * rest_wrong * count:
            yield Planted(14, "share", "", (agency, quarter))


def _spoilt(told: Told) -> set[str]:
    """The handovers that a discrepancy or a correction is about."""
    found = {one.handover_id for one in told.state.discrepancies.values()}
    by_digest = {step.entry.digest: step.entry.payload.body for step in told.steps}
    for _, body in told.saying(record.RecordCorrected):
        found.add(getattr(by_digest[body.corrects.payload_digest], "handover_id", ""))
    return found


def _quarter(moment: str) -> str:
    on = day(moment)
    return f"{on.year}-Q{(on.month + 2) // 3}"


def _convicts(told: Told) -> set[str]:
    """Whom a prison took in."""
    return {person for made in told.accepted("execution") for person in made.person_ids}


def pensions(tolds: list[Told], table: bytes) -> Iterator[Planted]:
    """17: paid while the person was in execution in prison."""
    paid = payments(table)
    for told in tolds:
        began = ended = ""
        for step in told.steps:
            if step.after.stage == "execution" and not began:
                began = step.entry.payload.occurred_at
            if step.after.closed and began:
                ended = step.entry.payload.occurred_at
        for person in _convicts(told) if began else ():
            if any(day(began) <= on and (not ended or on < day(ended)) for on in paid.get(person, ())):
                yield told.breach(17, "pension", person)


OF_A_CASE = (
    detention,
    bail,
    not_transferred,
    ended_without_decision,
    returns,
    execution,
    custody_changes,
    kept_for_former,
    old_clock,
    left_off,
    undisposed,
    silent,
    lists,
    receipts,
    examinations,
    check_outs,
    loans,
    freezes,
    deliveries,
    backdated,
    unanswered,
)


def broken(history: History, limits: Unusual = USUAL) -> tuple[Planted, ...]:
    """Every breach of the seventeen rules, each once, sorted."""
    tolds = [Told(life, history.ends) for life in history.lives]
    anchoring = Anchoring(history)
    found = {breach for told in tolds for look in (*OF_A_CASE, anchoring.late) for breach in look(told)}
    found |= {*shared(tolds), *unusual(tolds, limits), *pensions(tolds, pension_list(history))}
    return tuple(sorted(found))
