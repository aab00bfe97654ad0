"""Taking events in: one each, in bulk, and at the addresses of handovers."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from typing import Any

import msgspec
import pytest

from api.services.submission import AT_A_TIME, SubmissionResult, SubmissionService
from ledger.core.errors import MalformedInput, TallystickError
from ledger.core.events import Event
from ledger.recording import validation
from ledger.recording.publisher import Receipt
from ledger.store import append
from ledger.store.database import Database
from ledger.store.log import StoredEntry
from tests.api.service import Served, problem
from tests.testkit.builders import POLICE, PROCURATORATE, clerk, event_id
from tests.testkit.casework import Case, registration
from tests.testkit.ledgers import verified

EVENTS = "/api/v1/events"


def batch(served: Served, *lines: bytes) -> list[dict[str, Any]]:
    answer = served.post_lines(*lines)
    assert answer.status_code == 200, answer.text
    results: list[dict[str, Any]] = answer.json()["results"]
    return results


def test_a_new_event_gets_a_receipt_whose_proof_leads_to_the_log_key(served: Served) -> None:
    """201, and the receipt is an oath that anybody can check; again it is 200, the same byte for byte, and nothing is
    added."""
    event = Case().open().last
    answer = served.submit(event)
    assert answer.status_code == 201
    size = served.size()
    assert verified(msgspec.json.decode(answer.content, type=Receipt), event).size == size
    again = served.submit(event)
    assert (again.status_code, again.content, served.size()) == (200, answer.content, size)


def beside_second(case: Case) -> bytes:
    """Return an event of the police in the place of the case's second one."""
    place = {"sequence": 1, "previous": case.events[0].event.leaf_hash, "event_id": event_id("beside")}
    return case.draft(registration("coat"), clerk(POLICE), **place).submission


def test_an_event_beside_the_head_is_told_where_the_head_is(served: Served) -> None:
    """409 names the head and the next sequence number, so that the client signs again."""
    case = served.record(Case().open().register("phone"))
    refusal = problem(served.submit(beside_second(case)), 409, "not_on_head", "envelope.previous")
    assert (refusal["head"], refusal["sequence"]) == (case.last.event.leaf_hash, 2)


# -- at the same time --------------------------------------------------------------------------------------------------


def outcomes_of(served: Served, bodies: list[bytes]) -> list[str | type[BaseException]]:
    """Submit all in one turn of an event loop; return of each the event of its receipt, or the code of its refusal."""

    async def all_at_once() -> list[SubmissionResult | BaseException]:
        service = SubmissionService(served.parts)
        return await asyncio.gather(*map(service.submit, bodies), return_exceptions=True)

    def outcome(result: SubmissionResult | BaseException) -> str | type[BaseException]:
        if isinstance(result, SubmissionResult):
            return result.receipt.event_id
        return result.code if isinstance(result, TallystickError) else type(result)

    return [outcome(result) for result in asyncio.run(all_at_once())]


def test_what_comes_at_the_same_time_is_answered_one_by_one(served: Served) -> None:
    """Each gets its own receipt or refusal, and an event may follow one that came just before it."""
    case = Case("case-a").open().register("phone").offer("phone", to=PROCURATORATE).accept()
    others = [Case(f"case-{number}").open().last for number in range(2 * AT_A_TIME)]
    stranger = case.draft(registration("knife"), clerk("nobody"))
    good = [*case.events[:2], others[0], *case.events[2:], *others[1:]]
    bodies = [event.submission for event in good]
    bodies[1:1], bodies[9:9] = [b"{}", stranger.submission], [beside_second(case), good[0].submission]
    expected = [event.envelope.event_id for event in good]
    expected[1:1], expected[9:9] = ["malformed_input", "key_unknown"], ["not_on_head", good[0].envelope.event_id]
    served.record(Case("case-first").open())  # from here on the service knows the registry
    size = served.size()
    assert outcomes_of(served, bodies) == expected
    assert served.size() == size + len(good)


class Panic(BaseException):
    """What is no Exception, as the error of a library in Rust."""


@pytest.mark.parametrize("error", [ZeroDivisionError, StopIteration, Panic])
def test_a_failure_is_that_of_one_submission(
    served: Served, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    """What comes at the same time as one that meets an error of ours is recorded, or answered at least."""
    served.record(Case("case-first").open())
    first, second, third = (Case(f"case-{number}").open().last for number in range(3))

    def rows_of(event: Event, *states: Any) -> Any:
        if event.event_id == second.envelope.event_id:
            raise error
        return append.rows_of(event, *states)

    monkeypatch.setattr(validation, "rows_of", rows_of)
    before, failed, after = outcomes_of(served, [event.submission for event in (first, second, third)])
    if error is Panic:
        assert (before, failed, after) == (RuntimeError,) * 3
    else:
        assert (before, after) == (first.envelope.event_id, third.envelope.event_id)
        assert failed in (ZeroDivisionError, RuntimeError)


def test_what_was_refused_does_not_stay_in_memory(served: Served) -> None:
    """Not even until the collector of garbage comes by: anybody could fill the memory with it, without a key."""
    bodies = [b'{"envelope":{},"x":"%d%s"}' % (number, b"a" * 500_000) for number in range(20)]

    async def refused_one_by_one() -> None:
        service = SubmissionService(served.parts)
        for body in bodies:
            with pytest.raises(MalformedInput):
                await service.submit(body + b" ")

    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        asyncio.run(refused_one_by_one())
        assert tracemalloc.get_traced_memory()[0] < len(bodies[0])
    finally:
        tracemalloc.stop()
        gc.enable()


# -- bulk --------------------------------------------------------------------------------------------------------------


def test_each_line_of_a_bulk_request_is_answered_on_its_own(served: Served) -> None:
    """A refused line does not touch its neighbours, and the answers stand in the order of the lines. Those of one case
    may follow each other, such as a whole handover."""
    good, twin, last = Case().open().last, Case("case-2").open().last, Case("case-3").open().last
    results = batch(served, good.submission, b"{}", twin.submission, good.submission, last.submission)
    statuses = [result["status"] for result in results]
    assert statuses[:3] + statuses[4:] == [201, 400, 201, 201]
    assert results[0]["receipt"]["event_id"] == results[3]["receipt"]["event_id"] == good.envelope.event_id
    assert results[1]["problem"]["code"] == "malformed_input"
    case = Case("case-4").open().register("phone").offer("phone", to=PROCURATORATE).accept()
    results = batch(served, *(event.submission for event in case.events))
    assert [result["status"] for result in results] == [201] * 4
    for event, result in zip(case.events, results, strict=True):
        verified(msgspec.convert(result["receipt"], Receipt), event)


def test_a_bulk_request_may_be_recorded_all_or_not_at_all(served: Served) -> None:
    """201 with every receipt, and the same again with 200, also where only a part of the lines is new."""
    case = Case().open().register("phone", "knife").offer("phone", "knife", to=PROCURATORATE)
    lines = [event.submission for event in case.events]
    answer = served.post_together(*lines)
    assert answer.status_code == 201, answer.text
    results = answer.json()["results"]
    assert [result["status"] for result in results] == [201] * 4
    for event, result in zip(case.events, results, strict=True):
        verified(msgspec.convert(result["receipt"], Receipt), event)
    again = served.post_together(*lines)
    assert (again.status_code, [result["status"] for result in again.json()["results"]]) == (200, [200] * 4)
    assert [result["receipt"] for result in again.json()["results"]] == [result["receipt"] for result in results]
    more = served.post_together(*lines[2:], case.accept().last.submission)
    assert (more.status_code, [result["status"] for result in more.json()["results"]]) == (201, [200, 200, 201])


def test_the_first_refused_line_refuses_all(served: Served) -> None:
    """The problem names the line, what is wrong with it and where the stream stands; nothing is recorded."""
    case = served.record(Case().open())
    second_case, size = Case("case-2").open().register("knife"), served.size()
    good = [event.submission for event in second_case.events]
    refused = problem(served.post_together(*good, b"{}", good[0]), 400, "malformed_input", "envelope")
    assert refused["line"] == 3
    served.record(case.register("phone"))
    refused = problem(served.post_together(*good, beside_second(case)), 409, "not_on_head", "envelope.previous")
    assert (refused["line"], refused["sequence"], served.size()) == (3, 2, size + 1)
    stranger = Case("case-3").open(by=clerk("nobody")).last
    refused = problem(served.post_together(stranger.submission, *good), 403, "key_unknown", "envelope.key_id")
    assert (refused["line"], served.size()) == (1, size + 1)


@pytest.mark.parametrize("failing", [{1}, {0, 1, 2}])
def test_a_failure_of_one_line_is_no_answer_with_fewer_lines(
    served: Served, monkeypatch: pytest.MonkeyPatch, failing: set[int]
) -> None:
    """If the receipt of one line cannot be made, the request fails: receipts are known by their place alone."""
    events = served.record(Case().open().register("phone", "knife")).events
    publisher, broken = served.parts.publisher, {events[number].envelope.event_id for number in failing}
    stored = publisher.stored_receipt

    def receipt(database: Database, entry: StoredEntry) -> Receipt:
        if entry.event_id in broken:
            raise ZeroDivisionError
        return stored(database, entry)

    monkeypatch.setattr(publisher, "stored_receipt", receipt)
    served.may_fail = True
    problem(served.post_together(*(event.submission for event in events)), 500, "internal_error")
    served.may_fail = False
    broken.clear()
    assert served.post_together(*(event.submission for event in events)).status_code == 200


def test_a_bulk_request_is_bounded(served: Served) -> None:
    """413 above a thousand lines, and together above what one transaction takes; another value of the parameter than
    true or false is refused."""
    problem(served.post_lines(*[b"{}"] * 1001), 413, "too_many_events")
    problem(served.post_together(*[b"{}"] * 513), 413, "too_many_events")
    problem(served.post_lines(b"{}", query="?all_or_none=maybe"), 400, "malformed_input", "all_or_none")


def test_a_misspelled_parameter_records_nothing(served: Served) -> None:
    """Where it is misspelled or asks for both, lines that belong together would be recorded in part."""
    lines, size = [event.submission for event in Case().open().register("phone").events], served.size()
    for query in ("all_or_nothing=true", "all-or-none=true", "allOrNone=true", "All_Or_None=true"):
        name = query.removesuffix("=true")
        refused = problem(served.post_lines(*lines, b"{}", query=f"?{query}"), 400, "malformed_input", name)
        assert refused["detail"] == f"there is no parameter '{name}' here, expected all_or_none"
    for query in ("all_or_none=true&all_or_none=false", "all_or_none="):
        problem(served.post_lines(*lines, query=f"?{query}"), 400, "malformed_input", "all_or_none")
    for path in ("/api/v1/events", "/api/v1/handovers", "/api/v1/cases/case-1/handovers/handover-1/accept"):
        problem(served.post(f"{path}?lang=en", lines[0]), 400, "malformed_input", "lang")
    assert served.size() == size


# -- the addresses of handovers ----------------------------------------------------------------------------------------


def test_an_event_must_fit_the_address_that_it_is_posted_to(served: Served) -> None:
    """Another type, case or handover than the address names is refused, and nothing is recorded; an event that is in
    the log already is no key to another address."""
    case = served.record(Case().open().register("phone").offer("phone", to=PROCURATORATE))
    case.accept()
    size = served.size()
    for path, field in (
        ("/api/v1/cases/case-1/handovers/handover-1/refuse", "envelope.event_type"),
        ("/api/v1/cases/case-2/handovers/handover-1/accept", "envelope.stream.id"),
        ("/api/v1/cases/case-1/handovers/handover-2/accept", "payload.body.handover_id"),
        ("/api/v1/handovers", "envelope.event_type"),
    ):
        problem(served.submit(case.last, path), 400, "wrong_address", field)
    problem(served.submit(case.events[0], "/api/v1/handovers"), 400, "wrong_address", "envelope.event_type")
    assert served.size() == size


def test_offers_and_all_answers_have_an_address(served: Served) -> None:
    """Offer, acceptance, refusal, recall and return are taken where they belong, and recorded like anywhere else."""
    case = served.record(Case().open().register("phone"))
    for number, word in enumerate(("refuse", "recall", "accept"), 1):
        case.offer("phone", to=PROCURATORATE)
        assert served.submit(case.last, "/api/v1/handovers").status_code == 201
        getattr(case, word)()
        address = f"/api/v1/cases/case-1/handovers/handover-{number}"
        assert served.submit(case.last, f"{address}/{word}").status_code == 201
    case.give_back("phone")
    assert served.submit(case.last, f"{address}/return").status_code == 201
