"""What is unlawful or unusual is recorded and flagged, with its article; it is never refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from functools import cache, lru_cache
from typing import NamedTuple

from msgspec import Struct

from ledger.core.custody import claimed_times, clock_flags, item_flags
from ledger.core.custody.discrepancies import digests_conflict
from ledger.core.custody.state import Act, CaseState, Handover
from ledger.core.event import Body, case, deadline, handover, item, record
from ledger.core.legal_day import legal_day
from ledger.core.rulebook import FlagName, FlagRule

MOMENTS_KEPT = 256  # that of an event is asked for several times


class Flag(Struct, frozen=True):
    """A rule that the event runs against: its name, its article, and what about."""

    name: str
    article: str
    detail: str


# What is noted of a record that rests is no act in the case.
_NOTES = (record.AuditRecorded, record.DisclosureMade, record.ImportRecorded, record.SectionErased)

Look = Callable[[CaseState | None, Act, CaseState, FlagRule], str | None]


class Watch(NamedTuple):
    """Who looks whether a flag is to be raised, and at which events: at all where none are named."""

    look: Look
    bodies: tuple[type[Body], ...] = ()


def flags(before: CaseState | None, act: Act, after: CaseState) -> tuple[Flag, ...]:
    """The flags that the step from ``before`` to ``after`` raises, under the rules in force on its day."""
    return tuple(_raise(before, act, after))


def _raise(before: CaseState | None, act: Act, after: CaseState) -> Iterator[Flag]:
    _, day = _seconds_and_day(act.payload.occurred_at)
    in_force = act.book.in_force(day)
    for name, look in _looks_at(type(act.payload.body)):
        rule = in_force.get(name)
        detail = look(before, act, after, rule) if rule else None
        if rule and detail:
            yield Flag(name, rule.article, detail)


@cache
def _looks_at(body: type[Body]) -> tuple[tuple[FlagName, Look], ...]:
    return tuple((name, watch.look) for name, watch in WATCHES.items() if not watch.bodies or body in watch.bodies)


@lru_cache(maxsize=MOMENTS_KEPT)
def _seconds_and_day(text: str) -> tuple[int, str]:
    """Of an RFC 3339 text: unix seconds and the legal day."""
    moment = datetime.fromisoformat(text)
    return int(moment.timestamp()), legal_day(moment).isoformat()


def _third_return(before: CaseState | None, act: Act, after: CaseState, rule: FlagRule) -> str | None:
    """At each stage it is counted anew: the review and the trial have their own two."""
    body = act.payload.body
    assert isinstance(body, handover.Offer)
    made = after.handovers[body.handover_id]
    supplements = [purpose for purpose, row in act.book.purposes.items() if row.supplements]
    if made.purpose not in supplements:
        return None
    alike = [h for purpose in supplements for h in after.handovers.marked(f"purpose/{purpose}")]
    returns = sum(h.stage == made.stage and h.status not in ("recalled", "refused") for h in alike)
    return f"return no. {returns} for supplementary investigation" if returns > rule.limit else None


def _remedy_overdue(before: CaseState | None, act: Act, after: CaseState, rule: FlagRule) -> str | None:
    followed = _followed(act, after)
    return _overdue(followed, act) if followed and followed.status == "refused" else None


def _resubmission_overdue(before: CaseState | None, act: Act, after: CaseState, rule: FlagRule) -> str | None:
    followed = _followed(act, after)
    return _overdue(followed, act) if followed and followed.returns is not None and followed.is_accepted else None


def _followed(act: Act, after: CaseState) -> Handover | None:
    body = act.payload.body
    assert isinstance(body, handover.HandoverOffered)
    return None if body.follows is None else after.handovers[body.follows]


def _overdue(followed: Handover, act: Act) -> str | None:
    due = followed.due_at
    return f"handover {followed.handover_id} set {due}" if due and act.payload.occurred_at > due else None


def _same_officer(before: CaseState | None, act: Act, after: CaseState, rule: FlagRule) -> str | None:
    body = act.payload.body
    assert isinstance(body, handover.HandoverAccepted)
    sender = after.handovers[body.handover_id].offered_by
    return f"{sender} released and received" if sender == act.officer else None


def _backdated(before: CaseState | None, act: Act, after: CaseState, rule: FlagRule) -> str | None:
    if before is None or act.payload.occurred_at >= before.last_occurred_at:
        return None
    happened, _ = _seconds_and_day(act.payload.occurred_at)
    last, _ = _seconds_and_day(before.last_occurred_at)
    if last - happened <= rule.limit:
        return None
    return f"{act.payload.occurred_at}, after an act of {before.last_occurred_at}"


def _late_entry(before: CaseState | None, act: Act, after: CaseState, rule: FlagRule) -> str | None:
    happened, _ = _seconds_and_day(act.payload.occurred_at)
    late = act.signed_at - happened
    return f"signed {late // 3600} hours after it happened" if late > rule.limit else None


def _property_undisposed(before: CaseState | None, act: Act, after: CaseState, rule: FlagRule) -> str | None:
    return ", ".join(item_flags.property_left(after)) or None


def _disposal_without_decision(before: CaseState | None, act: Act, after: CaseState, rule: FlagRule) -> str | None:
    body = act.payload.body
    assert before is not None
    assert isinstance(body, item.ItemDisposed)
    proposal = before.proposals[body.cites.payload_digest]
    return ", ".join(proposal.item_ids) if proposal.decision_id is None else None


def _after_closing(before: CaseState | None, act: Act, after: CaseState, rule: FlagRule) -> str | None:
    if before is None or isinstance(act.payload.body, _NOTES):
        return None
    return "the case was closed" if before.closed else None


def _examination_differs(before: CaseState | None, act: Act, after: CaseState, rule: FlagRule) -> str | None:
    body = act.payload.body
    assert before is not None
    assert isinstance(body, item.ItemExamined)
    recorded = before.items[body.item_id]
    if body.quantity is not None and body.quantity != recorded.quantity:
        return f"item {body.item_id}: quantity {body.quantity.value}, recorded {recorded.quantity.value}"
    if body.match_result == "mismatch" or digests_conflict(recorded.digests, body.digests):
        return f"item {body.item_id}: {' '.join(body.digests) or body.finding or 'differs'}"
    return None


_EXTENSIONS = (deadline.DeadlineExtended, case.MeasureExtended)

WATCHES: dict[FlagName, Watch] = {
    "third_return": Watch(_third_return, handover.OFFERS),
    "remedy_overdue": Watch(_remedy_overdue, (handover.HandoverOffered,)),
    "resubmission_overdue": Watch(_resubmission_overdue, (handover.HandoverOffered,)),
    "same_officer_both_sides": Watch(_same_officer, (handover.HandoverAccepted,)),
    "backdated": Watch(_backdated),
    "late_entry": Watch(_late_entry),
    "odd_time": Watch(claimed_times.odd_time),
    "property_undisposed": Watch(_property_undisposed, (case.CaseClosed,)),
    "disposal_without_decision": Watch(_disposal_without_decision, (item.ItemDisposed,)),
    "act_after_closing": Watch(_after_closing),
    "examination_differs": Watch(_examination_differs, (item.ItemExamined,)),
    "receipt_differs": Watch(item_flags.receipt_differs, (item.ItemCheckedIn, handover.HandoverAccepted)),
    "list_differs": Watch(item_flags.list_differs, handover.OFFERS),
    "loan_overdue": Watch(item_flags.loan_overdue, (item.ItemCheckedIn, handover.HandoverAccepted)),
    "frozen_twice": Watch(item_flags.frozen_twice, (item.ItemFrozen,)),
    "freeze_lapsed": Watch(item_flags.freeze_lapsed, (item.ItemFreezeRenewed,)),
    "moved_while_frozen": Watch(item_flags.moved_while_frozen, (item.ItemDisposed, handover.HandoverAccepted)),
    "judgment_silent": Watch(item_flags.judgment_silent, (case.DecisionRecorded,)),
    "disposal_against_decision": Watch(item_flags.disposal_against_decision, (item.ItemDisposed,)),
    "extension_without_basis": Watch(clock_flags.extension_without_basis, _EXTENSIONS),
    "extension_without_ground": Watch(clock_flags.extension_without_ground, _EXTENSIONS),
    "term_beyond_law": Watch(clock_flags.term_beyond_law),
    "custody_not_changed": Watch(clock_flags.custody_not_changed, handover.OFFERS),
}
