"""What is unlawful or unusual is recorded and flagged, with its article; it is never refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone

from msgspec import Struct

from ledger.core.custody import clock_flags, item_flags
from ledger.core.custody.discrepancies import digests_conflict
from ledger.core.custody.state import Act, CaseState, Handover
from ledger.core.event import case, handover, item, record
from ledger.core.rulebook import FlagName, FlagRule

SHANGHAI = timezone(timedelta(hours=8))


class Flag(Struct, frozen=True):
    """A rule that the event runs against: its name, its article, and what about."""

    name: str
    article: str
    detail: str


# What is noted of a record that rests is no act in the case.
_NOTES = (record.AuditRecorded, record.DisclosureMade, record.ImportRecorded, record.SectionErased)

Watch = Callable[[CaseState | None, Act, CaseState, FlagRule], str | None]


def flags(before: CaseState | None, act: Act, after: CaseState) -> tuple[Flag, ...]:
    """The flags that the step from ``before`` to ``after`` raises, under the rules in force on its day."""
    return tuple(_raise(before, act, after))


def _raise(before: CaseState | None, act: Act, after: CaseState) -> Iterator[Flag]:
    day = instant(act.payload.occurred_at).astimezone(SHANGHAI).date().isoformat()
    in_force = act.book.in_force(day)
    for name, watch in WATCHES.items():
        rule = in_force.get(name)
        detail = watch(before, act, after, rule) if rule else None
        if rule and detail:
            yield Flag(name, rule.article, detail)


def instant(text: str) -> datetime:
    """The moment of an RFC 3339 text in UTC."""
    return datetime.fromisoformat(text)


def _third_return(before: CaseState | None, act: Act, after: CaseState, rule: FlagRule) -> str | None:
    body = act.payload.body
    if not isinstance(body, handover.HandoverReturned) or not _is_supplement(after.handovers[body.handover_id]):
        return None
    returns = sum(_is_supplement(h) for h in after.handovers.marked("returned"))
    return f"return no. {returns} for supplementary investigation" if returns > rule.limit else None


def _is_supplement(h: Handover) -> bool:
    stands = h.status not in ("recalled", "refused")
    return stands and h.purpose == "supplementary_investigation" and h.returns is not None


def _remedy_overdue(before: CaseState | None, act: Act, after: CaseState, rule: FlagRule) -> str | None:
    followed = _followed(act, after)
    return _overdue(followed, act) if followed and followed.status == "refused" else None


def _resubmission_overdue(before: CaseState | None, act: Act, after: CaseState, rule: FlagRule) -> str | None:
    followed = _followed(act, after)
    return _overdue(followed, act) if followed and followed.returns is not None and followed.is_accepted else None


def _followed(act: Act, after: CaseState) -> Handover | None:
    body = act.payload.body
    if not isinstance(body, handover.HandoverOffered) or body.follows is None:
        return None
    return after.handovers[body.follows]


def _overdue(followed: Handover, act: Act) -> str | None:
    due = followed.due_at
    return f"handover {followed.handover_id} set {due}" if due and act.payload.occurred_at > due else None


def _same_officer(before: CaseState | None, act: Act, after: CaseState, rule: FlagRule) -> str | None:
    body = act.payload.body
    if not isinstance(body, handover.HandoverAccepted):
        return None
    sender = after.handovers[body.handover_id].offered_by
    return f"{sender} released and received" if sender == act.officer else None


def _backdated(before: CaseState | None, act: Act, after: CaseState, rule: FlagRule) -> str | None:
    if before is None or act.payload.occurred_at >= before.last_occurred_at:
        return None
    return f"{act.payload.occurred_at}, after an act of {before.last_occurred_at}"


def _late_entry(before: CaseState | None, act: Act, after: CaseState, rule: FlagRule) -> str | None:
    late = act.signed_at - int(instant(act.payload.occurred_at).timestamp())
    return f"signed {late // 3600} hours after it happened" if late > rule.limit else None


def _in_future(before: CaseState | None, act: Act, after: CaseState, rule: FlagRule) -> str | None:
    early = int(instant(act.payload.occurred_at).timestamp()) - act.signed_at
    if early <= rule.limit:
        return None
    return f"signed at {datetime.fromtimestamp(act.signed_at, UTC).isoformat()}"


def _property_undisposed(before: CaseState | None, act: Act, after: CaseState, rule: FlagRule) -> str | None:
    if not isinstance(act.payload.body, case.CaseClosed):
        return None
    left = [i.item_id for i in after.items.values() if i.kind == "property" and i.is_live]
    return ", ".join(left) or None


def _disposal_without_decision(before: CaseState | None, act: Act, after: CaseState, rule: FlagRule) -> str | None:
    body = act.payload.body
    if not isinstance(body, item.ItemDisposed) or before is None:
        return None
    proposal = before.proposals[body.cites.payload_digest]
    return ", ".join(proposal.item_ids) if proposal.decision_id is None else None


def _after_closing(before: CaseState | None, act: Act, after: CaseState, rule: FlagRule) -> str | None:
    if before is None or isinstance(act.payload.body, _NOTES):
        return None
    return "the case was closed" if before.closed else None


def _examination_differs(before: CaseState | None, act: Act, after: CaseState, rule: FlagRule) -> str | None:
    body = act.payload.body
    if not isinstance(body, item.ItemExamined) or before is None:
        return None
    recorded = before.items[body.item_id]
    if body.quantity is not None and body.quantity != recorded.quantity:
        return f"item {body.item_id}: quantity {body.quantity.value}, recorded {recorded.quantity.value}"
    if body.match_result == "mismatch" or digests_conflict(recorded.digests, body.digests):
        return f"item {body.item_id}: {' '.join(body.digests) or body.finding or 'differs'}"
    return None


WATCHES: dict[FlagName, Watch] = {
    "third_return": _third_return,
    "remedy_overdue": _remedy_overdue,
    "resubmission_overdue": _resubmission_overdue,
    "same_officer_both_sides": _same_officer,
    "backdated": _backdated,
    "late_entry": _late_entry,
    "occurred_in_future": _in_future,
    "property_undisposed": _property_undisposed,
    "disposal_without_decision": _disposal_without_decision,
    "act_after_closing": _after_closing,
    "examination_differs": _examination_differs,
    "receipt_differs": item_flags.receipt_differs,
    "list_differs": item_flags.list_differs,
    "loan_overdue": item_flags.loan_overdue,
    "frozen_twice": item_flags.frozen_twice,
    "freeze_lapsed": item_flags.freeze_lapsed,
    "moved_while_frozen": item_flags.moved_while_frozen,
    "judgment_silent": item_flags.judgment_silent,
    "disposal_against_decision": item_flags.disposal_against_decision,
    "extension_without_basis": clock_flags.extension_without_basis,
    "extension_without_ground": clock_flags.extension_without_ground,
    "term_beyond_law": clock_flags.term_beyond_law,
    "custody_not_changed": clock_flags.custody_not_changed,
}
