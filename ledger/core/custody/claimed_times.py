"""Claimed times: what an event says of when things happened, and whether that can be.

``occurred_at`` and many bodies claim times, and statutory clocks run from these claims. One that cannot be is refused:

- what happened lies no later than the signature that says so, but for what clocks of machines differ by;
- what follows something lies on no earlier day: a receipt follows its offer, and an offer ends after it is made.

One that can be and does not fit is flagged (``odd_time``). ``HAPPENED`` and ``AHEAD`` have every time of every body.
"""

from __future__ import annotations

from collections.abc import Iterator

from ledger.core.custody.state import Act, CaseState
from ledger.core.errors import refuse
from ledger.core.event import Body, Payload, case, custody_change, deadline, handover, item, record, supervision
from ledger.core.instant import instant_text, is_surely_before, unix_seconds
from ledger.core.legal_day import legal_day_of
from ledger.core.rulebook import FlagRule

_ANSWERS = (handover.HandoverChecked, handover.HandoverAccepted, handover.HandoverRefused)

TOLERANCE = 300  # seconds that a signer's clock may be behind

# By body, the fields that tell of what has happened, and those that may tell of what is to come.
HAPPENED: dict[type[Body], tuple[str, ...]] = {
    case.MeasureImposed: ("started_at",),
    case.MeasureChanged: ("started_at",),
    case.MeasureLifted: ("ended_at",),
    case.DecisionRecorded: ("decided_at", "served_at"),
    custody_change.CustodyChangeServed: ("served_at",),
    deadline.DeadlineSuspended: ("suspended_at",),
    deadline.DeadlineResumed: ("resumed_at",),
    deadline.DeadlineReset: ("reset_at",),
    handover.HandoverAccepted: ("received_at",),
    handover.HandoverRefused: ("received_at",),
    item.ItemRegistered: ("seizure.seized_at",),
    item.ItemDisposed: ("disposed_at",),
    record.RecordLate: ("happened_at",),
    supervision.LeadRaised: ("as_of",),
}
AHEAD: dict[type[Body], tuple[str, ...]] = {
    case.DecisionRecorded: ("effective_at",),
    handover.HandoverOffered: ("expires_at", "due_at"),
    handover.HandoverReturned: ("due_at",),
    handover.HandoverRefused: ("due_at",),
    item.ItemCheckedOut: ("due_at",),
}


def times_of(body: Body, fields: dict[type[Body], tuple[str, ...]]) -> Iterator[tuple[str, str]]:
    """Yield the times that the body has in these fields, each with its path."""
    for path in fields.get(type(body), ()):
        value: object = body
        for name in path.split("."):
            value = getattr(value, name, None)
        if isinstance(value, str):
            yield path, value


def require_happened(payload: Payload, signed_at: int) -> None:
    """Refuse (in_future) an event that says of something that it happened after the signature (unix seconds)."""
    claims = [("occurred_at", payload.occurred_at)]
    claims += [(f"body.{path}", at) for path, at in times_of(payload.body, HAPPENED)]
    for field, at in claims:
        if unix_seconds(at) - signed_at > TOLERANCE:
            refuse(
                "in_future",
                f"expected {instant_text(signed_at)} or earlier, when it is signed, not {at}",
                field=field,
                hint="What is to come is signed when it has happened. Look at the day, the year and the time zone.",
            )


def require_possible(before: CaseState | None, act: Act) -> None:
    """Refuse (in_future, before_its_start) an event of a case that claims a time that cannot be.

    What follows something may lie before it on the same day: within a day papers are often written after the fact. That
    is flagged, not refused. An offer, though, that ends before it is made could not be accepted by anybody.
    """
    require_happened(act.payload, act.signed_at)
    for field, at, earliest in _followed(before, act.payload):
        if legal_day_of(at) < legal_day_of(earliest) and is_surely_before(at, earliest):
            _refuse_before(field, at, earliest)
    body = act.payload.body
    if isinstance(body, handover.HandoverOffered) and body.expires_at and body.expires_at < act.payload.occurred_at:
        _refuse_before("body.expires_at", body.expires_at, act.payload.occurred_at)


def _refuse_before(field: str, at: str, earliest: str) -> None:
    refuse(
        "before_its_start",
        f"expected {earliest} or later, not {at}",
        field=field,
        hint="Look at the day, the year and the time zone.",
    )


def _followed(before: CaseState | None, payload: Payload) -> Iterator[tuple[str, str, str]]:
    """Yield the claims that follow something: field, time, and the time of what comes first."""
    body = payload.body
    if before is not None and isinstance(body, _ANSWERS):
        offered_at = before.handovers[body.handover_id].offered_at
        yield "occurred_at", payload.occurred_at, offered_at
        if not isinstance(body, handover.HandoverChecked) and body.received_at is not None:
            yield "body.received_at", body.received_at, offered_at
    if isinstance(body, case.DecisionRecorded) and body.served_at is not None:
        yield "body.served_at", body.served_at, body.decided_at


def odd_time(before: CaseState | None, act: Act, after: CaseState, rule: FlagRule) -> str | None:
    """Say which claimed times contradict each other, by more than the minute that papers and people are near to."""
    return ", ".join(_odd(act.payload, after)) or None


def _odd(payload: Payload, after: CaseState) -> Iterator[str]:
    body, occurred_at = payload.body, payload.occurred_at
    if isinstance(body, handover.HandoverAccepted | handover.HandoverRefused) and body.received_at is not None:
        yield from odd_receipt(body.received_at, after.handovers[body.handover_id].offered_at)
        if is_surely_before(occurred_at, body.received_at):
            yield f"answered at {occurred_at}, before it was received at {body.received_at}"
    if isinstance(body, case.DecisionRecorded):
        later = (("served", body.served_at), ("in effect", body.effective_at))
        for what, at in later:
            if at is not None and is_surely_before(at, body.decided_at):
                yield f"{what} at {at}, before it was decided at {body.decided_at}"
    for path, at in times_of(body, AHEAD):
        if path == "due_at" and is_surely_before(at, occurred_at):
            yield f"due at {at}, before it was set at {occurred_at}"


def odd_receipt(received_at: str, offered_at: str) -> Iterator[str]:
    """Say that something is said to have been received before it was offered."""
    if is_surely_before(received_at, offered_at):
        yield f"received at {received_at}, before it was offered at {offered_at}"
