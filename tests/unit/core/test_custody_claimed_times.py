"""Claimed times: what cannot be is refused, what does not fit is flagged, for every time of every event type."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from ledger.core.custody import claimed_times
from ledger.core.errors import RuleRefused
from ledger.core.events import (
    EVENT_TYPES,
    Body,
    case,
    handover,
    hold,
    item,
    letter,
    record,
    retention,
    supervision,
)
from ledger.core.events.item import Collection, Seizure
from ledger.core.events.supervision import Figures, PeriodCount
from ledger.core.events.terms import Date, Instant
from ledger.core.messages import Message
from ledger.procedures import shipped_rulebook
from tests.testkit.builders import COURT, DETENTION, POLICE, PROCURATORATE, START, clerk, event_of, instant, refused
from tests.testkit.casework import Case, detained, dispose, holding, person_id

ZONE = shipped_rulebook().zone

DAY = 86_400
MIDNIGHT = START // DAY * DAY + 16 * 3600  # 0:00 in Shanghai, after START
FORMS = [msgspec.inspect.type_info(form) for form in (Instant, Date)]
# By the struct that a body has within it, its fields beside the times.
WITHIN: dict[str, tuple[type, dict[str, Any]]] = {
    "seizure": (Seizure, {"document_number": "S-7", "officers": ("a", "b")}),
    "collection": (Collection, {"collectors": ("a", "b"), "tool": "archiver", "method": "online extraction"}),
    "figures": (Figures, {"cases": 1, "planted": 1, "found": 1, "false_leads": 0}),
    "before": (PeriodCount, {"count": 0, "tree_size": 1}),
    "after": (PeriodCount, {"count": 0, "tree_size": 1}),
}
# What may lie in the future; all else that an event claims has happened.
AHEAD: dict[type[Body], tuple[str, ...]] = {
    case.CaseTakenOver: ("measures[].until", "deadlines[].until"),
    case.DecisionRecorded: ("effective_at",),
    case.MeasureImposed: ("until",),
    case.MeasureChanged: ("until",),
    case.MeasureExtended: ("until",),
    case.CustodyChangeRequested: ("period_from", "until"),
    case.CustodyPeriodNotified: ("until",),
    case.DeadlineExtended: ("until",),
    letter.LetterSent: ("due_at",),
    hold.HoldPlaced: ("review_on",),
    retention.RetentionSet: ("until",),
    handover.HandoverOffered: ("expires_at", "due_at"),
    handover.HandoverReturned: ("due_at",),
    handover.HandoverRefused: ("due_at",),
    item.ItemCheckedOut: ("due_at",),
    item.ItemFrozen: ("frozen_until",),
    item.ItemFreezeRenewed: ("frozen_until",),
    record.DatasetRegistered: ("period_until",),
    supervision.RecommendationRechecked: ("after.period_until",),
}


def instants_of(kind: type, path: str = "") -> Iterator[str]:
    """The paths of all fields of a struct, and of structs within it, that are times or days."""
    for field in msgspec.structs.fields(kind):
        yield from _within(msgspec.inspect.type_info(field.type), f"{path}{field.name}")


def _within(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, msgspec.inspect.UnionType):
        for part in value.types:
            yield from _within(part, path)
    elif isinstance(value, msgspec.inspect.StructType):
        yield from instants_of(value.cls, f"{path}.")
    elif isinstance(value, msgspec.inspect.CollectionType | msgspec.inspect.VarTupleType):
        yield from _within(value.item_type, f"{path}[]")
    elif value in FORMS:
        yield path


PATHS = {(row.body, path) for row in EVENT_TYPES.values() for path in instants_of(row.body)}


def offered(**fields: Any) -> Case:
    """A case whose phone is offered to the procuratorate at START + 120."""
    return Case().open().register("phone").offer("phone", to=PROCURATORATE, **fields)


def odd(written: Case) -> list[str]:
    """Return the contradictions that the last act is flagged for, each of which can be translated."""
    details = [flag.detail for flag in written.flags if flag.name == "odd_time"]
    assert all(isinstance(detail, Message) for detail in details)
    return details


def test_every_time_of_every_event_type_has_happened_or_may_lie_ahead() -> None:
    """A new event that claims a time or a day is judged; what may lie ahead stands in the table, or this fails."""
    claims = {
        (row.body, path) for row in EVENT_TYPES.values() for path in claimed_times.claims_of(row.body, ahead=False)
    }
    ahead = {(row.body, path) for row in EVENT_TYPES.values() for path in claimed_times.claims_of(row.body, ahead=True)}
    assert ahead == {(body, path) for body, paths in AHEAD.items() for path in paths}
    assert claims == PATHS - ahead
    ordered = {(body, path) for body, pairs in claimed_times.ORDERED.items() for pair in pairs for path in pair}
    assert ordered <= PATHS


def at(kind: type[Body], **claims: str) -> Body:
    """A body of the kind, of which nothing but these times is told; ``__`` stands between the parts of a path."""
    fields: dict[str, Any] = {field.name: None for field in msgspec.structs.fields(kind)}
    for path, claim in claims.items():
        first, _, name = path.partition("__")
        if first.endswith("[]"):
            fields[first[:-2]] = (SimpleNamespace(**{name: claim}),)
        elif name:
            struct, beside = WITHIN[first]
            empty = struct(**dict.fromkeys(field.name for field in msgspec.structs.fields(struct)))
            fields[first] = msgspec.structs.replace(fields[first] or empty, **beside, **{name: claim})
        else:
            fields[first] = claim
    return kind(**fields)


def told_at(kind: type[Body], path: str, moment: int) -> Body:
    """A body that tells of this path alone: as an instant, or as the day that it falls on."""
    field = path.replace(".", "__")
    return at(kind, **{field: str(ZONE.day_of_text(instant(moment))) if is_day(path) else instant(moment)})


def is_day(path: str) -> bool:
    return not path.endswith(("_at", "as_of"))


@pytest.mark.parametrize(("kind", "path"), sorted(PATHS, key=str), ids=lambda part: getattr(part, "__name__", part))
def test_what_has_happened_was_not_after_the_signature(kind: type[Body], path: str) -> None:
    """Of every event type: what is to come is refused beyond what clocks differ by; what lies ahead may."""
    event = event_of(case.CaseNumbered(case_number="1"), clerk(POLICE)).event
    for late in (-DAY, claimed_times.TOLERANCE, claimed_times.TOLERANCE + 1, 365 * DAY):
        claim = replace(event, body=told_at(kind, path, START + late), signed_at=START)
        tolerated = (
            DAY - claimed_times.TOLERANCE if is_day(path) else claimed_times.TOLERANCE
        )  # of a day, what is left of today
        if late > tolerated and path not in AHEAD.get(kind, ()):
            with refused("in_future", field=f"payload.body.{path.replace('[]', '[0]')}", error=RuleRefused):
                claimed_times.require_consistent(claim, ZONE)
        else:
            claimed_times.require_consistent(claim, ZONE)


def test_no_event_happened_after_its_signature() -> None:
    """``occurred_at`` of any event is refused beyond the tolerance of the clocks."""
    event = event_of(case.CaseNumbered(case_number="1"), clerk(POLICE), occurred_at=instant(START)).event
    for row in EVENT_TYPES.values():
        claim = replace(event, body=at(row.body), signed_at=START - claimed_times.TOLERANCE)
        claimed_times.require_consistent(claim, ZONE)
        with refused("in_future", field="payload.occurred_at", error=RuleRefused):
            claimed_times.require_consistent(replace(claim, signed_at=claim.signed_at - 1))


def test_fields_that_are_not_told_claim_nothing() -> None:
    """What is optional and left out is no time."""
    assert list(claimed_times.times_of(at(case.DecisionRecorded, decided_at="x"))) == [("decided_at", "x")]
    assert list(claimed_times.times_of(at(handover.HandoverRecalled, ground="x"))) == []


def test_a_case_is_not_opened_tomorrow() -> None:
    """The first event of a case is judged as the others are, and nothing of it is kept."""
    with refused("in_future", field="payload.occurred_at"):
        Case().open(occurred_at=instant(START + DAY), signed_at=START)


@pytest.mark.parametrize("answer", ["accept", "refuse"])
def test_nothing_is_received_on_a_day_before_its_offer(answer: str) -> None:
    """The day from which a clock would run; a minute around midnight says nothing."""
    written = offered(occurred_at=instant(MIDNIGHT + 30))
    with refused("before_its_start", field="payload.body.received_at"):
        getattr(written, answer)(received_at=instant(MIDNIGHT - 31), occurred_at=instant(MIDNIGHT + 60))
    getattr(written, answer)(received_at=instant(MIDNIGHT - 30), occurred_at=instant(MIDNIGHT + 60))


@pytest.mark.parametrize("answer", ["check", "accept", "refuse"])
def test_nothing_is_answered_on_a_day_before_its_offer(answer: str) -> None:
    """Clocks run from the answer, too."""
    written = offered(occurred_at=instant(MIDNIGHT + 600))
    received = {} if answer == "check" else {"received_at": instant(MIDNIGHT + 600)}
    with refused("before_its_start", field="payload.occurred_at"):
        getattr(written, answer)(occurred_at=instant(MIDNIGHT - 600), signed_at=MIDNIGHT + 900, **received)


def test_an_offer_that_ends_before_it_is_made_is_refused() -> None:
    """Its end may be the moment of the offer, but not before: nobody could accept it."""
    for expires, offered_at in ((120, True), (119, False)):
        written = Case().open().register("phone")
        terms = {"to": PROCURATORATE, "occurred_at": instant(START + 120), "expires_at": instant(START + expires)}
        if offered_at:
            written.offer("phone", **terms)
        else:
            with refused("before_its_start", field="payload.body.expires_at"):
                written.offer("phone", **terms)


@pytest.mark.parametrize("answer", ["accept", "refuse"])
@pytest.mark.parametrize(
    ("received", "details"),
    [
        (-61, ["received at 2026-03-02T01:08:59Z, before it was offered at 2026-03-02T01:10:00Z"]),
        (-60, []),
        (0, []),
        (660, []),
        (661, ["answered at 2026-03-02T01:20:00Z, before it was received at 2026-03-02T01:21:01Z"]),
    ],
)
def test_a_receipt_that_does_not_fit_is_flagged(answer: str, received: int, details: list[str]) -> None:
    """Earlier than the offer on the same day, or later than the answer that tells of it, by more than a minute."""
    written = offered(occurred_at=instant(START + 600))
    moment = {"received_at": instant(START + 600 + received), "occurred_at": instant(START + 1200)}
    assert odd(getattr(written, answer)(**moment, signed_at=START + 1300)) == details


def test_a_refusal_need_not_say_when_it_was_received() -> None:
    """A refusal without ``received_at`` has no flag: nothing came."""
    assert odd(offered().refuse(received_at=None)) == []


@pytest.mark.parametrize(
    ("field", "moment", "detail"),
    [
        ("served_at", START + 7200, None),
        ("served_at", START + 3600, None),
        ("served_at", START, "served at 2026-03-02T01:00:00Z"),
        ("effective_at", START - DAY, "in effect at 2026-03-01T01:00:00Z"),
        ("effective_at", START + 30 * DAY, None),
    ],
)
def test_a_decision_that_does_not_fit_is_flagged(field: str, moment: int, detail: str | None) -> None:
    """Served, or in effect, before it was made; it may take effect later."""
    decision: dict[str, Any] = {"decision_id": "d-1", "kind": "judgment", "decided_at": instant(START + 3600)}
    decision |= {field: instant(moment), "occurred_at": instant(START + 7200)}
    assert odd(Case().open().say(case.DecisionRecorded, **decision)) == (
        [f"{detail}, before it was decided at 2026-03-02T02:00:00Z"] if detail else []
    )


def test_a_decision_is_not_served_on_a_day_before_it() -> None:
    """The periods for appeal run from the service."""
    decision = {"decision_id": "d-1", "kind": "judgment", "number": "7", "decided_at": instant(MIDNIGHT + 60)}
    with refused("before_its_start", field="payload.body.served_at"):
        Case().open().say(case.DecisionRecorded, served_at=instant(MIDNIGHT - 60), **decision)


def test_a_day_that_was_over_when_it_was_set_is_flagged() -> None:
    """What is due, was lent or is to be mended by a time that has passed."""
    early, late = instant(START), instant(START + 600)
    details = [f"due at {early}, before it was set at {late}"]
    written = Case().open().register("phone")
    assert odd(written.offer("phone", to=COURT, purpose="loan", due_at=early, occurred_at=late)) == details
    assert odd(written.refuse(due_at=early, received_at=None, occurred_at=late)) == details
    out = {"item_id": "phone", "to_officer": "p-9", "ground": "a look", "due_at": early}
    assert odd(written.say(item.ItemCheckedOut, occurred_at=late, **out)) == details


@pytest.mark.parametrize(
    ("kind", "later", "earlier"),
    [(kind, *pair) for kind, pairs in claimed_times.ORDERED.items() for pair in pairs],
    ids=lambda part: getattr(part, "__name__", part),
)
def test_what_a_body_tells_of_stands_in_its_order(kind: type[Body], later: str, earlier: str) -> None:
    """The last day of something is no day before its first, nor a service one before the decision."""
    event = event_of(case.CaseNumbered(case_number="1"), clerk(POLICE)).event
    for days in (-1, 0, 1):
        claims = {later: START + days * DAY, earlier: START}
        times = {
            path.replace(".", "__"): str(ZONE.day_of_text(instant(moment))) if is_day(path) else instant(moment)
            for path, moment in claims.items()
        }
        claim = replace(event, body=at(kind, **times), signed_at=START + 2 * DAY)
        if days < 0:
            with refused("before_its_start", field=f"payload.body.{later}", error=RuleRefused):
                claimed_times.require_consistent(claim, ZONE)
        else:
            claimed_times.require_consistent(claim, ZONE)


def test_a_day_begins_in_beijing() -> None:
    """Whatever zone the machine is set to."""
    assert claimed_times.begins_at("2026-03-02", ZONE) == claimed_times.begins_at("2026-03-01T16:00:00Z", ZONE)


def served(at: int, requested_at: int = MIDNIGHT + 60) -> Case:
    """A change of custody that was requested and served then."""
    written = detained("li").offer(to=PROCURATORATE, persons=("li",)).accept()
    asked = {"custody_change_id": "change-1", "handover_id": "handover-1", "person_id": person_id("li")}
    asked |= {"keeper": DETENTION, "number": "11", "occurred_at": instant(requested_at)}
    written.say(case.CustodyChangeRequested, clerk(PROCURATORATE), **asked, signed_at=MIDNIGHT + DAY)
    fields = {"custody_change_id": "change-1", "served_at": instant(at), "occurred_at": instant(MIDNIGHT + 7200)}
    return written.say(case.CustodyChangeServed, clerk(DETENTION), **fields, signed_at=MIDNIGHT + DAY)


def disposed(at: int, proposed_at: int = MIDNIGHT + 60, decided_at: int | None = None) -> Case:
    """A phone that was proposed to be destroyed, under a decision where one was made, and destroyed then."""
    written = holding("phone", kind="property")
    ordered = None
    if decided_at is not None:
        ordered = "d-1"
        paper = {"decision_id": ordered, "kind": "other", "number": "7", "decided_at": instant(decided_at)}
        written.say(case.DecisionRecorded, **paper, signed_at=MIDNIGHT + DAY)
    proposal = {"item_ids": ("phone",), "disposal": "destroyed", "ground": "spoiled", "decision_id": ordered}
    happened = {"occurred_at": instant(proposed_at), "signed_at": MIDNIGHT + DAY}
    written.say(item.ItemDisposalProposed, **proposal, **happened)
    return dispose(written, disposed_at=instant(at), occurred_at=instant(MIDNIGHT + 7200), signed_at=MIDNIGHT + DAY)


def test_no_change_of_custody_is_served_on_a_day_before_it_was_requested() -> None:
    """The detention house keeps the person for another organ from then on; within a day it is flagged."""
    with refused("before_its_start", field="payload.body.served_at"):
        served(MIDNIGHT - 60)
    assert odd(served(MIDNIGHT)) == []
    assert odd(served(MIDNIGHT + 60, requested_at=MIDNIGHT + 3600)) == [
        f"served at {instant(MIDNIGHT + 60)}, before it was requested at {instant(MIDNIGHT + 3600)}"
    ]


def test_nothing_is_disposed_of_on_a_day_before_it_was_proposed_or_decided() -> None:
    """What is gone cannot be got back: two signatures and a paper come first, within a day in whatever order."""
    with refused("before_its_start", field="payload.body.disposed_at"):
        disposed(MIDNIGHT - 60)
    with refused("before_its_start", field="payload.body.disposed_at"):
        disposed(MIDNIGHT - 60, proposed_at=MIDNIGHT - 7200, decided_at=MIDNIGHT + 60)
    assert odd(disposed(MIDNIGHT + 60)) == []
    late = instant(MIDNIGHT + 3600)
    assert odd(disposed(MIDNIGHT + 60, proposed_at=MIDNIGHT + 3600, decided_at=MIDNIGHT + 3600)) == [
        f"disposed at {instant(MIDNIGHT + 60)}, before it was proposed at {late}, "
        f"disposed at {instant(MIDNIGHT + 60)}, before it was decided at {late}"
    ]


@pytest.mark.parametrize("kind", [case.MeasureExtended, case.CustodyPeriodNotified, case.DeadlineExtended])
def test_no_period_ends_on_a_day_before_it_began(kind: type[Body]) -> None:
    """The last day that a paper sets for a measure or a clock is none before its first; one that is over is flagged."""
    for until in ("2026-03-01", "2026-03-02"):
        written = detained("li")
        fields: dict[str, Any] = {"until": until}
        if kind is case.DeadlineExtended:
            fields |= {"deadline_id": written.clock("arrest_request").deadline_id, "extension": "special_circumstances"}
        else:
            fields["measure_id"] = "detention-li"
        fields |= {"occurred_at": instant(START + 2 * DAY), "signed_at": START + 2 * DAY}
        if until < "2026-03-02":
            with refused("before_its_start", field="payload.body.until"):
                written.say(kind, **fields)
        else:
            assert f"until {until}, before it was set at {instant(START + 2 * DAY)}" in odd(written.say(kind, **fields))


def test_a_freeze_that_was_over_when_it_was_set_is_flagged() -> None:
    """Its last day has passed; today is in time."""
    for until, detail in (
        ("2026-03-01", ["until 2026-03-01, before it was set at 2026-03-02T01:04:00Z"]),
        ("2026-03-02", []),
    ):
        written = holding("account", kind="property")
        assert odd(written.say(item.ItemFrozen, item_id="account", frozen_until=until)) == detail
