"""Claimed times: what cannot be is refused, what does not fit is flagged, for every time of every event type."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from ledger.core.custody.claimed_times import AHEAD, HAPPENED, TOLERANCE, require_happened, times_of
from ledger.core.errors import RuleRefused
from ledger.core.event import EVENT_TYPES, Body, case, handover, item
from ledger.core.event.terms import Instant
from tests.builders import COURT, POLICE, PROCURATORATE, START, clerk, instant, payload_of, refused
from tests.casework import Case

DAY = 86_400
MIDNIGHT = START // DAY * DAY + 16 * 3600  # 0:00 in Shanghai, after START
FORM = msgspec.inspect.type_info(Instant)
PATHS = {(body, path) for fields in (HAPPENED, AHEAD) for body, paths in fields.items() for path in paths}


def instants_of(kind: type, path: str = "") -> Iterator[str]:
    """The paths of all fields of a struct, and of structs within it, that are instants."""
    for field in msgspec.structs.fields(kind):
        yield from _within(msgspec.inspect.type_info(field.type), f"{path}{field.name}")


def _within(told: Any, path: str) -> Iterator[str]:
    if isinstance(told, msgspec.inspect.UnionType):
        for part in told.types:
            yield from _within(part, path)
    elif isinstance(told, msgspec.inspect.StructType):
        yield from instants_of(told.cls, f"{path}.")
    elif isinstance(told, msgspec.inspect.CollectionType | msgspec.inspect.VarTupleType):
        yield from _within(told.item_type, f"{path}[]")
    elif told == FORM:
        yield path


def offered(**fields: Any) -> Case:
    """A case whose phone is offered to the procuratorate at START + 120."""
    return Case().open().register("phone").offer("phone", to=PROCURATORATE, **fields)


def odd(written: Case) -> list[str]:
    return [flag.detail for flag in written.flags if flag.name == "odd_time"]


def test_the_table_has_every_time_of_every_event_type() -> None:
    """A new event that claims a time is judged, or this fails: each instant has happened or may lie ahead, not both."""
    claimed = {(row.body, path) for row in EVENT_TYPES.values() for path in instants_of(row.body)}
    assert {(body.__name__, path) for body, path in claimed ^ PATHS} == set()
    assert not any(set(HAPPENED.get(body, ())) & set(AHEAD.get(body, ())) for body, _ in PATHS)


def at(kind: type[Body], path: str, moment: str) -> Body:
    """A body of the kind, of which nothing but this time is told."""
    fields: dict[str, Any] = {field.name: None for field in msgspec.structs.fields(kind)}
    first, _, within = path.partition(".")
    fields[first] = item.Seizure(document_number="S-7", seized_at=moment, officers=("a", "b")) if within else moment
    return kind(**fields)


@pytest.mark.parametrize(("kind", "path"), sorted(PATHS, key=str), ids=lambda part: getattr(part, "__name__", part))
def test_what_has_happened_was_not_after_the_signature(kind: type[Body], path: str) -> None:
    """Of every event type: what is to come is refused beyond what clocks differ by; what lies ahead may."""
    payload = payload_of(case.CaseNumbered(case_number="1"), clerk(POLICE))
    for late in (-DAY, TOLERANCE, TOLERANCE + 1, 365 * DAY):
        claim = msgspec.structs.replace(payload, body=at(kind, path, instant(START + late)))
        if late > TOLERANCE and path in HAPPENED.get(kind, ()):
            with refused("in_future", field=f"payload.body.{path}", error=RuleRefused):
                require_happened(claim, START)
        else:
            require_happened(claim, START)


@pytest.mark.parametrize("name", sorted(EVENT_TYPES))
def test_no_event_happened_after_its_signature(name: str) -> None:
    """``occurred_at`` of whatever event."""
    payload = payload_of(case.CaseNumbered(case_number="1"), clerk(POLICE), occurred_at=instant(START))
    kind = EVENT_TYPES[name].body
    silent = kind(**dict.fromkeys(field.name for field in msgspec.structs.fields(kind)))
    claim = msgspec.structs.replace(payload, body=silent)
    require_happened(claim, START - TOLERANCE)
    with refused("in_future", field="payload.occurred_at", error=RuleRefused):
        require_happened(claim, START - TOLERANCE - 1)


def test_fields_that_are_not_told_claim_nothing() -> None:
    """What is optional and left out is no time."""
    assert list(times_of(at(case.DecisionRecorded, "decided_at", "x"), HAPPENED)) == [("decided_at", "x")]
    assert list(times_of(at(handover.HandoverRecalled, "ground", "x"), HAPPENED)) == []


def test_a_case_is_not_opened_tomorrow() -> None:
    """The first event of a case is judged as the others are, and nothing of it is kept."""
    with refused("in_future", field="payload.occurred_at"):
        Case().open(occurred_at=instant(START + DAY), signed_at=START)


@pytest.mark.parametrize("answer", ["accept", "refuse"])
def test_a_receipt_next_year_starts_no_clock(answer: str) -> None:
    """The slip of a year is refused, with the field to look at; the handover stays open."""
    written = offered()
    with refused("in_future", field="payload.body.received_at"):
        getattr(written, answer)(received_at="2027-03-02T01:00:00Z", signed_at=written.now)
    assert written.state.handovers[written.open_handover().handover_id].is_open


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
    """Nobody could accept it."""
    for expires, made in ((120, True), (119, False)):
        written = Case().open().register("phone")
        given = {"to": PROCURATORATE, "occurred_at": instant(START + 120), "expires_at": instant(START + expires)}
        if made:
            written.offer("phone", **given)
        else:
            with refused("before_its_start", field="payload.body.expires_at"):
                written.offer("phone", **given)


@pytest.mark.parametrize("answer", ["accept", "refuse"])
@pytest.mark.parametrize(
    ("received", "told"),
    [
        (-61, ["received at 2026-03-02T01:08:59Z, before it was offered at 2026-03-02T01:10:00Z"]),
        (-60, []),
        (0, []),
        (660, []),
        (661, ["answered at 2026-03-02T01:20:00Z, before it was received at 2026-03-02T01:21:01Z"]),
    ],
)
def test_a_receipt_that_does_not_fit_is_flagged(answer: str, received: int, told: list[str]) -> None:
    """Earlier than the offer on the same day, or later than the answer that tells of it, by more than a minute."""
    written = offered(occurred_at=instant(START + 600))
    moment = {"received_at": instant(START + 600 + received), "occurred_at": instant(START + 1200)}
    assert odd(getattr(written, answer)(**moment, signed_at=START + 1300)) == told


def test_a_refusal_need_not_say_when_it_was_received() -> None:
    """Nothing came."""
    assert odd(offered().refuse(received_at=None)) == []


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"served_at": instant(START + 7200)}, []),
        ({"served_at": instant(START + 3600)}, []),
        (
            {"served_at": instant(START)},
            ["served at 2026-03-02T01:00:00Z, before it was decided at 2026-03-02T02:00:00Z"],
        ),
        (
            {"effective_at": instant(START - DAY)},
            ["in effect at 2026-03-01T01:00:00Z, before it was decided at 2026-03-02T02:00:00Z"],
        ),
        ({"effective_at": instant(START + 30 * DAY)}, []),
    ],
)
def test_a_decision_that_does_not_fit_is_flagged(fields: dict[str, str], told: list[str]) -> None:
    """Served, or in effect, before it was made; it may take effect later."""
    decision: dict[str, Any] = {
        "decision_id": "d-1",
        "kind": "judgment",
        "number": "7",
        "decided_at": instant(START + 3600),
    }
    written = Case().open().say(case.DecisionRecorded, occurred_at=instant(START + 7200), **(decision | fields))
    assert odd(written) == told


def test_a_decision_is_not_served_on_a_day_before_it() -> None:
    """The periods for appeal run from the service."""
    decision = {"decision_id": "d-1", "kind": "judgment", "number": "7", "decided_at": instant(MIDNIGHT + 60)}
    with refused("before_its_start", field="payload.body.served_at"):
        Case().open().say(case.DecisionRecorded, served_at=instant(MIDNIGHT - 60), **decision)


def test_a_day_that_was_over_when_it_was_set_is_flagged() -> None:
    """What is due, was lent or is to be mended by a time that has passed."""
    early, late = instant(START), instant(START + 600)
    told = [f"due at {early}, before it was set at {late}"]
    written = Case().open().register("phone")
    assert odd(written.offer("phone", to=COURT, purpose="loan", due_at=early, occurred_at=late)) == told
    assert odd(written.refuse(due_at=early, received_at=None, occurred_at=late)) == told
    out = {"item_id": "phone", "to_officer": "p-9", "ground": "a look", "due_at": early}
    assert odd(written.say(item.ItemCheckedOut, occurred_at=late, **out)) == told
