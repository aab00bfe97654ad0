"""Claimed times: the times that an event states, and whether they are possible.

``occurred_at`` and many bodies claim times, and statutory clocks run from these claims. An impossible one is refused:

- a past event lies no later than the signature over it, apart from the difference between clocks of machines;
- an event that follows another lies on no earlier day: a receipt follows its offer, a service the request, a disposal
  its proposal and decision, and the last day of a period its first.

A possible one that does not fit is flagged (``odd_time``). Times that leave a gap in the handling chain, overlap, or
contradict the order of the record are ``Break``s: they are shown in the timeline.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from functools import cache
from typing import Literal, NamedTuple, NoReturn, get_args

from msgspec import Struct

from ledger.core.custody.state import Act, CaseState
from ledger.core.encoding import instants
from ledger.core.errors import refuse
from ledger.core.events import Body, Event, case, handover, item, letter, record, supervision
from ledger.core.events.fields import fields_of
from ledger.core.messages import Message, slot_names
from ledger.core.procedure.rulebook import Level
from ledger.core.procedure.zones import Zone

TOLERANCE = 300  # seconds that the clock of the signer may be behind

# Fields whose time or day may lie in the future; those of all others have happened.
_AHEAD = ("until", "frozen_until", "period_until", "due_at", "expires_at", "effective_at", "review_on")
_OTHERWISE = {
    (case.CustodyChangeRequested, "period_from"),  # a period may begin on the next day
    (supervision.RecommendationRechecked, "before.period_until"),  # that after it ends on the day of the count
}
# By body, pairs of its fields of which the first may not lie on an earlier day than the second.
ORDERED: dict[type[Body], tuple[tuple[str, str], ...]] = {
    case.MeasureImposed: (("until", "started_at"),),
    case.MeasureChanged: (("until", "started_at"),),
    case.DecisionRecorded: (("served_at", "decided_at"),),
    case.CustodyChangeRequested: (("until", "period_from"),),
    record.DatasetRegistered: (("period_until", "period_from"),),
    supervision.RecommendationRechecked: (
        ("before.period_until", "before.period_from"),
        ("after.period_from", "before.period_until"),
        ("after.period_until", "after.period_from"),
    ),
}


@cache
def claims_of(body: type[Body], *, ahead: bool) -> tuple[str, ...]:
    """Return the paths of the times and days that bodies of this type claim: those that must be past, or may lie ahead.

    An element of a list has the path ``measures[].until``.
    """
    paths = _time_fields(body)
    return tuple(path for path in paths if ahead == ((path.split(".")[-1] in _AHEAD) != ((body, path) in _OTHERWISE)))


def _time_fields(struct: type[Struct], within: str = "") -> Iterator[str]:
    for field in fields_of(struct):
        path = f"{within}{field.name}{'[]' if field.is_list else ''}"
        if field.type.kind in ("moment", "day"):
            yield path
        elif field.type.part is not None:
            yield from _time_fields(field.type.part, f"{path}.")


def times_of(body: Body, *, ahead: bool = False) -> Iterator[tuple[str, str]]:
    """Yield the times and days that the body claims to be past, or that may lie ahead, each with its path."""
    for path in claims_of(type(body), ahead=ahead):
        group, _, field = path.partition("[].")
        claims = [(path, _claim(body, path))]
        if field:
            parts = enumerate(getattr(body, group) or ())
            claims = [(f"{group}[{n}].{field}", _claim(part, field)) for n, part in parts]
        for place, claim in claims:
            if claim is not None:
                yield place, claim


def _claim(body: Struct, path: str) -> str | None:
    value: object = body
    for name in path.split("."):
        value = getattr(value, name, None)
    return value if isinstance(value, str) else None


def begins_at(claim: str, zone: Zone) -> int:
    """Return the unix seconds of a time, or of the first instant of a day."""
    return instants.unix_seconds(claim) if "T" in claim else int(zone.start_of(date.fromisoformat(claim)).timestamp())


# Where days begin first on earth: without a procedure, only what is in the future everywhere is impossible.
_FIRST_ON_EARTH = Zone("Etc/GMT-14", {"1970-01-01T00:00:00Z": "+14:00"})


def require_consistent(event: Event, zone: Zone | None = None) -> None:
    """Refuse an event whose claims are impossible by themselves, whatever came before it.

    in_future: something past lies after the signature. before_its_start: of two claims of the body, one
    lies on a day before the other, which it follows. Without a ``zone``, where the procedure is not known, days are
    compared with days alone.
    """
    anywhere = zone or _FIRST_ON_EARTH
    claims = [("occurred_at", event.occurred_at)]
    claims += [(f"body.{path}", at) for path, at in times_of(event.body)]
    for field, at in claims:
        # A clock that starts in the future would give time that nobody has.
        if begins_at(at, anywhere) - event.signed_at > TOLERANCE:
            refuse(
                "in_future",
                "expected {signed_at} or earlier, when it is signed, not {at}",
                signed_at=instants.instant_text(event.signed_at),
                at=at,
                field=field,
                hint="What is to come is signed when it has happened. Look at the day, the year and the time zone.",
            )
    for path, earlier_path in ORDERED.get(type(event.body), ()):
        later, earlier = _claim(event.body, path), _claim(event.body, earlier_path)
        if later is None or earlier is None:
            continue
        if zone is not None or not ("T" in later or "T" in earlier):
            require_no_earlier_day(f"body.{path}", later, earlier, anywhere)


def require_possible(before: CaseState | None, act: Act) -> None:
    """Refuse (in_future, before_its_start) an event of a case that claims an impossible time.

    Within one day, an order that does not fit is flagged, not refused: papers are often written after the fact. But an
    offer that expires before it is made is refused, because nobody could accept it.
    """
    require_consistent(act.event, act.book.zone)
    for claim in _claims_after(before, act.event):
        require_no_earlier_day(claim.field, claim.at, claim.earliest, act.book.zone)
    body = act.event.body
    if isinstance(body, handover.HandoverOffered) and body.expires_at and body.expires_at < act.event.occurred_at:
        refuse_before("body.expires_at", body.expires_at, act.event.occurred_at)


def require_no_earlier_day(field: str, at: str, earliest: str, zone: Zone) -> None:
    """Refuse (before_its_start) a time on a day before ``earliest``, which it follows."""
    if _day(at, zone) >= _day(earliest, zone):
        return
    # Times a minute apart across midnight may be one moment on two clocks.
    if begins_at(earliest, zone) - begins_at(at, zone) > instants.CLAIMED_WITHIN:
        refuse_before(field, at, earliest)


def _day(claim: str, zone: Zone) -> date:
    return zone.day_of_text(claim) if "T" in claim else date.fromisoformat(claim)


def refuse_before(field: str, at: str, earliest: str) -> NoReturn:
    """Refuse (before_its_start) a time that is too early."""
    refuse(
        "before_its_start",
        "expected {earliest} or later, not {at}",
        earliest=earliest,
        at=at,
        field=field,
        hint="Look at the day, the year and the time zone.",
    )


class Follows(NamedTuple):
    """A time or day claimed in ``field`` that follows another; ``text`` tells of the opposite, with slots for the two.

    Without ``text``, the order within a day does not matter, or another flag reports it.
    """

    field: str
    at: str
    earliest: str
    text: str = ""

    def contradictions(self) -> Iterator[str]:
        """Yield the text if the claim lies more than a minute before the act that it follows."""
        if self.text and instants.is_surely_before(self.at, self.earliest):
            yield Message(self.text, **dict(zip(slot_names(self.text), (self.at, self.earliest), strict=True)))


RECEIVED_BEFORE_OFFERED = Message("received at {received_at}, before it was offered at {offered_at}")
ANSWERED_BEFORE_RECEIVED = Message("answered at {occurred_at}, before it was received at {received_at}")
SERVED_BEFORE_REQUESTED = Message("served at {served_at}, before it was requested at {requested_at}")
SERVED_BEFORE_DECIDED = Message("served at {served_at}, before it was decided at {decided_at}")
DISPOSED_BEFORE_PROPOSED = Message("disposed at {disposed_at}, before it was proposed at {proposed_at}")
DISPOSED_BEFORE_DECIDED = Message("disposed at {disposed_at}, before it was decided at {decided_at}")
IN_EFFECT_BEFORE_DECIDED = Message("in effect at {effective_at}, before it was decided at {decided_at}")
DUE_BEFORE_SET = Message("due at {due_at}, before it was set at {occurred_at}")
ENDED_BEFORE_SET = Message("until {until}, before it was set at {occurred_at}")


def receipt(received_at: str, offered_at: str) -> Follows:
    """Return the claim that something was received at a time, after it was offered."""
    return Follows("body.received_at", received_at, offered_at, RECEIVED_BEFORE_OFFERED)


def _claims_after(before: CaseState | None, event: Event) -> Iterator[Follows]:
    """Yield the claims that follow something that the case has recorded."""
    if before is None:
        return
    body = event.body
    match body:
        case handover.HandoverChecked() | handover.HandoverAccepted() | handover.HandoverRefused():
            offered_at = before.handovers[body.handover_id].offered_at
            yield Follows("occurred_at", event.occurred_at, offered_at)
            received_at = _claim(body, "received_at")
            if received_at is not None:
                yield receipt(received_at, offered_at)
        case case.CustodyChangeServed():
            requested_at = before.custody_changes[body.custody_change_id].requested_at
            yield Follows("body.served_at", body.served_at, requested_at, SERVED_BEFORE_REQUESTED)
        case letter.LetterReceived():
            sent_at = before.letters[body.letter_id].sent_at
            assert sent_at is not None, "a letter that was filed has its receipt"
            yield receipt(body.received_at, sent_at)
        case item.ItemDisposed():
            proposal = before.proposals[body.cites.event_id]
            yield Follows("body.disposed_at", body.disposed_at, proposal.proposed_at, DISPOSED_BEFORE_PROPOSED)
            if proposal.decision_id is not None:
                decided_at = before.decisions[proposal.decision_id].decided_at
                yield Follows("body.disposed_at", body.disposed_at, decided_at, DISPOSED_BEFORE_DECIDED)
        case case.MeasureExtended() | case.CustodyPeriodNotified():
            yield Follows("body.until", body.until, before.measures[body.measure_id].started_at)
        case case.DeadlineExtended() if body.until is not None:
            yield Follows("body.until", body.until, before.clocks[body.deadline_id].started_at)


def contradictions(before: CaseState | None, event: Event, zone: Zone) -> Iterator[str]:
    """Yield which claimed times contradict each other by more than a minute."""
    body, occurred_at = event.body, event.occurred_at
    claims = list(_claims_after(before, event))
    received_at = _claim(body, "received_at")
    if received_at is not None:
        claims.append(Follows("occurred_at", occurred_at, received_at, ANSWERED_BEFORE_RECEIVED))
    if isinstance(body, case.DecisionRecorded):
        if body.served_at is not None:
            claims.append(Follows("body.served_at", body.served_at, body.decided_at, SERVED_BEFORE_DECIDED))
        if body.effective_at is not None:
            claims.append(Follows("body.effective_at", body.effective_at, body.decided_at, IN_EFFECT_BEFORE_DECIDED))
    # Not refused: a paper may set a day that has passed by the time it is recorded.
    ahead = list(times_of(body, ahead=True))
    claims += [Follows(path, at, occurred_at, DUE_BEFORE_SET) for path, at in ahead if path == "due_at"]
    for claim in claims:
        yield from claim.contradictions()
    for path, at in ahead:
        if path in ("until", "frozen_until") and _day(at, zone) < zone.day_of_text(occurred_at):
            yield Message(ENDED_BEFORE_SET, until=at, occurred_at=occurred_at)


BreakKind = Literal["gap", "transit", "overlap", "unrecorded", "backdated"]
BREAK_KINDS: tuple[BreakKind, ...] = get_args(BreakKind)
IN_TRANSIT = 3600  # seconds: what is carried across a town is under way for some minutes, and not lost
RECORDED_WITHIN = 86400  # seconds: a seizure is recorded once its list is written, as acts are, within a day


class Break(Struct, frozen=True):
    """A stretch of claimed time, from ``since`` until ``until``, in which custody is not accounted for or disputed.

    It is longer than a minute, because claims are no more precise than that. The kinds:

    ``gap``: the sender had given it away, the receiver had not yet received it; ``transit`` if that took an hour at
    most. ``overlap``: both claim to have had it.
    ``unrecorded``: seized, but not yet in the record. ``backdated``: the event claims a time before an event that was
    recorded earlier.
    """

    kind: BreakKind
    since: str
    until: str
    item_ids: tuple[str, ...] = ()
    person_ids: tuple[str, ...] = ()

    @property
    def level(self) -> Level:
        """Return how much it matters: what is usual is only noted."""
        is_soon = _lasts(self.since, self.until) <= RECORDED_WITHIN
        return "noted" if self.kind == "transit" or (self.kind == "unrecorded" and is_soon) else "look"


def _lasts(since: str, until: str) -> int:
    return instants.unix_seconds(until) - instants.unix_seconds(since)


def breaks(before: CaseState | None, event: Event, after: CaseState) -> Iterator[Break]:
    """Yield the breaks that the event, which led from ``before`` to ``after``, opens."""
    body = event.body
    if before is not None and instants.is_surely_before(event.occurred_at, before.last_occurred_at):
        yield Break("backdated", event.occurred_at, before.last_occurred_at)
    if isinstance(body, item.ItemRegistered) and body.seizure:
        seized_at = body.seizure.seized_at
        if instants.is_surely_before(seized_at, event.occurred_at):
            yield Break("unrecorded", seized_at, event.occurred_at, item_ids=(body.item_id,))
    if isinstance(body, handover.HandoverAccepted):
        offer = after.handovers[body.handover_id]
        # Between offer and receipt only what is carried over can be out of hand: what stays is not carried.
        moved = tuple(item_id for item_id in offer.accepted_items if not offer.items[item_id].stays)
        present = tuple(person for person in offer.person_ids if person not in body.absent_person_ids)
        if (moved or present) and instants.is_surely_before(offer.offered_at, body.received_at):
            kind: BreakKind = "transit" if _lasts(offer.offered_at, body.received_at) <= IN_TRANSIT else "gap"
            yield Break(kind, offer.offered_at, body.received_at, moved, present)
        if (moved or present) and instants.is_surely_before(body.received_at, offer.offered_at):
            yield Break("overlap", body.received_at, offer.offered_at, moved, present)
