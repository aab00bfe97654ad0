"""Stocktakes over the API: a room is opened and scanned, and what differs is signed and recorded as a whole."""

from __future__ import annotations

from typing import Any

import httpx
import msgspec
import pytest
from sqlalchemy import delete, event, update

from ledger.audit.bindings import check_bound, read_bound
from ledger.config.keys import LocalSigner
from ledger.core.encoding.decoding import convert
from ledger.core.events import EVENT_TYPES, Stream
from ledger.core.events.item import ItemMoved, ItemSealed, ItemSplit, ItemUnsealed
from ledger.recording.event_signing import Actor, Signed, Sources, StreamPosition, sign_event
from ledger.store import audit, log, stocktake_tables, stocktakes
from ledger.store.stocktake_tables import OPEN_STOCKTAKES, STOCKTAKE_EXPECTED, STOCKTAKE_SCANS
from tests.api.noticing import noticed
from tests.api.service import Served, problem
from tests.testkit.builders import COURT, LAB, LOG_ID, POLICE, PROCURATORATE, Officer, auditor, clerk, supervisor
from tests.testkit.casework import Case, part
from tests.unit.interchange.test_typeset import text_of

STOCKTAKES = "/api/v1/stocktakes"
ROOM = "Room 3"


def ask(served: Served, method: str, path: str, by: Officer, body: Any = None) -> httpx.Response:
    content = {} if body is None else {"json": body}
    return served.request(method, STOCKTAKES + path, headers=served.token(by), **content)


def opened(served: Served, room: str = ROOM, by: Officer | None = None) -> str:
    answer = ask(served, "POST", "", by or clerk(POLICE), {"storage_location": room})
    assert answer.status_code == 201, answer.text
    stocktake_id: str = answer.json()["stocktake_id"]
    return stocktake_id


def scan(served: Served, stocktake_id: str, *codes: str | dict[str, str], by: Officer | None = None) -> list[Any]:
    scans = [code if isinstance(code, dict) else {"code": code} for code in codes]
    answer = ask(served, "POST", f"/{stocktake_id}/scans", by or clerk(POLICE), {"scans": scans})
    assert answer.status_code == 200, answer.text
    answers: list[Any] = answer.json()["scans"]
    return answers


def view_of(served: Served, stocktake_id: str) -> dict[str, Any]:
    view: dict[str, Any] = ask(served, "GET", f"/{stocktake_id}", clerk(POLICE)).json()
    return view


def ids(lines: list[Any]) -> list[str]:
    """Return items, or counts of items, as case/item."""
    items = [line.get("item", line) for line in lines]
    return sorted(f"{item['case_id']}/{item['item_id']}" for item in items)


def acts_of(served: Served, stocktake_id: str, by: Officer, **stated: Any) -> list[dict[str, Any]]:
    answer = ask(served, "POST", f"/{stocktake_id}/acts", by, stated)
    assert answer.status_code == 200, answer.text
    acts: list[dict[str, Any]] = answer.json()["acts"]
    return acts


def signed(served: Served, acts: list[dict[str, Any]], by: Officer) -> list[bytes]:
    """Sign what is to be signed as a client does, each behind the one before it of its stream."""
    actor = Actor(by.agency, by.officer_id, LocalSigner.from_private_key(by.key.secret))
    sources = Sources(now=lambda: served.ledger.clock.seconds)
    following: dict[Stream, StreamPosition] = {}
    submissions: list[bytes] = []
    for act in acts:
        stream = convert(act["stream"], Stream)
        place = following.get(stream) or StreamPosition(stream, act["sequence"], act["previous"])
        body = msgspec.convert(act["body"], EVENT_TYPES[act["event_type"]].body)
        step: Signed = sign_event(body, place, actor, LOG_ID, sources=sources)
        following[stream] = step.following
        submissions.append(step.submission)
    return submissions


def close(served: Served, stocktake_id: str, by: Officer, **stated: Any) -> httpx.Response:
    return served.post_together(*signed(served, acts_of(served, stocktake_id, by, **stated), by))


def stocked(served: Served) -> dict[str, Case]:
    """Record two cases with things in rooms of the police, of which some have gone on."""
    first = Case("case-1").open(case_number="2026-1").register("knife", "coat", storage_location="Room 3, shelf 1")
    first.register("phone", storage_location="Room 30", seal_number="S-7")
    first.register("lamp", storage_location="Room 3")
    first.offer("lamp", to=LAB, purpose="forensic_examination").accept()
    second = Case("case-2").open(case_number="2026-2").register("coat", "bike", storage_location="Room 3, yard")
    return {"case-1": served.record(first), "case-2": served.record(second)}


@pytest.fixture
def store_room(served: Served) -> Served:
    """Return a service whose police have two cases in their rooms."""
    stocked(served)
    served.ledger.clock.forward(100_000)
    served.forget_tokens()
    return served


def test_each_scan_is_answered_at_once(store_room: Served) -> None:
    """In place, elsewhere, surplus, unknown or scanned before; and a seal that is not the recorded one is told."""
    stocktake_id = opened(store_room)
    answers = scan(store_room, stocktake_id, "KNIFE", "case-2/coat", "S-7", "lamp", "x-17", "knife")
    assert [each["result"] for each in answers] == ["present", "present", "elsewhere", "surplus", "unknown", "again"]
    assert answers[2]["differences"] == [
        {"kind": "location", "recorded_as": "placed", "expected": "Room 30", "found": ROOM}
    ]
    assert answers[3]["differences"] == [
        {"kind": "surplus", "recorded_as": "held_elsewhere", "expected": LAB, "found": ROOM}
    ]
    (sealed,) = scan(store_room, stocktake_id, {"code": "bike", "seal_number": "S-9"}, by=supervisor(POLICE))
    assert sealed["differences"] == [{"kind": "seal", "recorded_as": "unsealed", "expected": None, "found": "S-9"}]
    view = ask(store_room, "GET", f"/{stocktake_id}", clerk(POLICE)).json()
    assert sorted((item["case_id"], item["item_id"]) for item in view["expected"]) == [
        ("case-1", "coat"),
        ("case-1", "knife"),
        ("case-2", "bike"),
        ("case-2", "coat"),
    ]
    assert view["counters"] == [clerk(POLICE).officer_id, supervisor(POLICE).officer_id]
    missing = [each for each in view["comparison"]["differing"] if each["differences"][0]["kind"] == "missing"]
    assert [(each["item"]["case_id"], each["item"]["item_id"]) for each in missing] == [("case-1", "coat")]


def test_a_code_stands_for_what_lies_in_the_room(served: Served) -> None:
    """Exhibit 1 of another room changes nothing here, even if it was recorded later; each is found in its own room."""
    cases = {"case-3": ROOM, "case-4": "Room 9"}
    for case_id, place in cases.items():
        written = Case(case_id).open(case_number=case_id).register("bag", storage_location=place, exhibit_number="1")
        served.record(written)
    served.ledger.clock.forward(100_000)
    served.forget_tokens()
    for case_id, place in cases.items():
        stocktake_id = opened(served, place)
        for code in ("1", "bag"):
            (answer,) = scan(served, stocktake_id, code)
            assert (answer["item"]["case_id"], answer["differences"]) == (case_id, [])


def test_the_exhibit_number_of_a_split_thing_stands_for_its_parts(served: Served) -> None:
    """They bear it: with one of them here it is that one, with several none is guessed, and it is no surplus."""
    written = Case("case-3").open(case_number="3")
    for number in ("E-6", "E-7"):
        written.register(name := f"sheets-{number[-1]}", quantity=2, storage_location=ROOM, exhibit_number=number)
        written.say(ItemSplit, item_id=name, parts=(part(f"{name}-a", 1), part(f"{name}-b", 1)))
    served.record(written.say(ItemMoved, item_id="sheets-6-b", storage_location="Room 9"))
    served.ledger.clock.forward(100_000)
    served.forget_tokens()
    one_here, both_here = scan(served, opened(served), "E-6", "E-7")
    assert (one_here["result"], one_here["item"]["item_id"]) == ("present", "sheets-6-a")
    assert (both_here["result"], {each["item_id"] for each in both_here["among"]}) == (
        "ambiguous",
        {"sheets-7-a", "sheets-7-b"},
    )


def test_a_code_of_several_things_is_no_guess(store_room: Served) -> None:
    """Two cases have a coat here: nothing is kept of the bare code, and both are told; by case and item each counts."""
    stocktake_id = opened(store_room)
    (answer,) = scan(store_room, stocktake_id, "coat")
    assert (answer["result"], answer["item"]) == ("ambiguous", None)
    assert {each["case_id"] for each in answer["among"]} == {"case-1", "case-2"}
    view = ask(store_room, "GET", f"/{stocktake_id}", clerk(POLICE)).json()
    assert (view["counts"]["scanned"], view["comparison"]["unknown_codes"]) == (0, [])
    answers = scan(store_room, stocktake_id, "case-1/coat", "case-2/coat", "case-2/coat")
    assert [each["result"] for each in answers] == ["present", "present", "again"]


def test_what_differs_becomes_discrepancies_in_the_cases(store_room: Served) -> None:
    """The stocktake stands in the agency's stream, each difference in its case; a second officer resolves it."""
    stocktake_id = opened(store_room)
    scan(store_room, stocktake_id, "knife", "case-2/coat", "bike", "phone", "x-17")
    acts = acts_of(store_room, stocktake_id, clerk(POLICE), counters=["p-0099"], remark="the yard was dark")
    assert [act["event_type"] for act in acts] == ["discrepancy.raised", "discrepancy.raised", "stocktake.recorded"]
    answer = store_room.post_together(*signed(store_room, acts, clerk(POLICE)))
    assert answer.status_code == 201, answer.text
    state = store_room.parts.validator.states.of_listed_case("case-1")
    raised = {each.item_id: (each.kinds, each.expected, each.found) for each in state.discrepancies.values()}
    assert raised == {
        "phone": (("location",), "Room 30", ROOM),
        "coat": (("missing",), "Room 3, shelf 1", None),
    }
    assert not store_room.parts.validator.states.of_listed_case("case-2").discrepancies
    noticed(store_room)
    notices = store_room.get("/api/v1/notices", supervisor(POLICE)).json()["notices"]
    counted = [notice for notice in notices if notice["kind"] == "discrepancy.counted"]
    assert [notice["page"] for notice in counted] == ["/cases/case-1/acts/resolve"] * 2
    body = ask(store_room, "GET", f"/{stocktake_id}/recorded", supervisor(POLICE)).json()["stocktake"]
    assert body["counters"] == [clerk(POLICE).officer_id, "p-0099"]
    assert sorted(line["item_id"] for line in body["present"]) == ["bike", "coat", "knife"]
    assert body["unknown_codes"] == ["x-17"]
    assert {line["discrepancy_id"] for line in body["differences"]} == state.discrepancies.keys()
    (row,) = ask(store_room, "GET", "/recorded", clerk(POLICE)).json()["stocktakes"]
    assert (row["present"], row["differences"], row["unknown_codes"]) == (3, 2, 1)
    assert ask(store_room, "GET", "", clerk(POLICE)).json()["stocktakes"] == []
    problem(ask(store_room, "GET", f"/{stocktake_id}", clerk(POLICE)), 409, "already_recorded")
    stocktakes.forget(store_room.parts.database, 0)
    with store_room.parts.database.read() as connection:
        assert connection.execute(STOCKTAKE_SCANS.select()).all() == []


def test_a_difference_that_is_open_is_raised_once(store_room: Served) -> None:
    """The next stocktake names the discrepancy of the one before, and raises no second one."""
    for expected in (2, 1):
        stocktake_id = opened(store_room)
        scan(store_room, stocktake_id, "knife", "case-2/coat", "bike")
        acts = acts_of(store_room, stocktake_id, clerk(POLICE))
        assert len(acts) == expected
        assert store_room.post_together(*signed(store_room, acts, clerk(POLICE))).status_code == 201
        assert len(acts[-1]["body"]["differences"]) == 1


def move(served: Served, item_id: str, place: str) -> None:
    """Move a thing of the first case, by an act of its own."""
    state = served.parts.validator.states.of_listed_case("case-1")
    stream = {"kind": "case", "id": "case-1"}
    body = {"item_id": item_id, "storage_location": place}
    act = {"event_type": "item.moved", "stream": stream, "sequence": state.sequence + 1, "previous": state.head}
    (submission,) = signed(served, [{**act, "body": body}], clerk(POLICE))
    assert served.submit(submission).status_code == 201


def test_it_is_compared_with_the_record_as_of_the_end(store_room: Served) -> None:
    """What was in place when it was scanned and left then is told as changed, and no difference; nothing is recorded
    by halves."""
    stocktake_id = opened(store_room)
    scan(store_room, stocktake_id, "knife", "case-1/coat", "case-2/coat", "bike", "S-7")
    assert [act["body"].get("item_id") for act in acts_of(store_room, stocktake_id, clerk(POLICE))] == ["phone", None]
    move(store_room, "knife", "Room 5")
    view = view_of(store_room, stocktake_id)
    assert view["changed"] == [{"code": "knife", "first_result": "present", "result": "elsewhere"}]
    assert "case-1/knife" in ids(view["comparison"]["present"])
    acts = acts_of(store_room, stocktake_id, clerk(POLICE))
    assert [act["body"].get("item_id") for act in acts] == ["phone", None]
    assert view["started_size"] == acts[-1]["body"]["started_size"] < acts[-1]["body"]["tree_size"]
    move(store_room, "knife", "Room 6")
    refused = store_room.post_together(*signed(store_room, acts, clerk(POLICE)))
    problem(refused, 409, "not_on_head", "envelope.previous")
    assert ask(store_room, "GET", "/recorded", clerk(POLICE)).json()["stocktakes"] == []


def test_a_scan_after_the_drafts_is_not_lost(store_room: Served) -> None:
    """What was compared without it is refused as a whole, and so if a scan was taken back since; compared anew, it is
    recorded with the thing in place."""
    stocktake_id = opened(store_room)
    scan(store_room, stocktake_id, "knife", "case-2/coat", "bike")
    acts = acts_of(store_room, stocktake_id, clerk(POLICE))
    assert [act["body"].get("kind") for act in acts] == ["missing", None]
    (answer,) = scan(store_room, stocktake_id, "case-1/coat", by=supervisor(POLICE))
    assert answer["result"] == "present"
    refused = store_room.post_together(*signed(store_room, acts, clerk(POLICE)))
    problem(refused, 409, "count_moved_on", "payload.body.scans")
    assert not store_room.parts.validator.states.of_listed_case("case-1").discrepancies
    (act,) = acts_of(store_room, stocktake_id, clerk(POLICE))
    assert ask(store_room, "DELETE", f"/{stocktake_id}/scans/4", supervisor(POLICE)).status_code == 200
    problem(store_room.submit(*signed(store_room, [act], clerk(POLICE))), 409, "count_moved_on", "payload.body.scans")
    scan(store_room, stocktake_id, "case-1/coat")
    (act,) = acts_of(store_room, stocktake_id, clerk(POLICE))
    assert (act["body"]["scans"], act["body"]["scans_taken_back"]) == (5, 1)
    assert {"case_id": "case-1", "item_id": "coat"} in act["body"]["present"]
    assert store_room.submit(*signed(store_room, [act], clerk(POLICE))).status_code == 201


def test_what_comes_in_during_the_count_is_not_missing(store_room: Served) -> None:
    """It stands in a list of its own, and becomes a discrepancy only if who counts says so; scanned, it is in place."""
    stocktake_id = opened(store_room)
    scan(store_room, stocktake_id, "knife", "case-1/coat", "case-2/coat", "bike")
    move(store_room, "phone", "Room 3, shelf 9")
    comparison = view_of(store_room, stocktake_id)["comparison"]
    assert (ids(comparison["changed_since"]), comparison["differing"]) == (["case-1/phone"], [])
    (recorded,) = acts_of(store_room, stocktake_id, clerk(POLICE))
    assert recorded["body"]["changed_since"] == [{"case_id": "case-1", "item_id": "phone", "change": "came"}]
    phone = {"case_id": "case-1", "item_id": "phone"}
    acts = acts_of(store_room, stocktake_id, clerk(POLICE), missing=[phone])
    assert [(act["body"].get("item_id"), act["body"].get("kind")) for act in acts] == [
        ("phone", "missing"),
        (None,) * 2,
    ]
    (answer,) = scan(store_room, stocktake_id, "phone")
    assert answer["result"] == "present"
    answer = ask(store_room, "POST", f"/{stocktake_id}/acts", clerk(POLICE), {"missing": [phone]})
    problem(answer, 400, "not_changed", "missing")
    (recorded,) = acts_of(store_room, stocktake_id, clerk(POLICE))
    assert phone in recorded["body"]["present"]
    assert "changed_since" not in recorded["body"]


def test_what_leaves_the_room_unscanned_is_told(store_room: Served) -> None:
    """By the record it is gone since the count began; what moved within the room and is not scanned is missing."""
    stocktake_id = opened(store_room)
    scan(store_room, stocktake_id, "case-2/coat", "bike")
    move(store_room, "knife", "Room 5")
    move(store_room, "coat", "Room 3, shelf 2")
    comparison = view_of(store_room, stocktake_id)["comparison"]
    assert [(each["item"]["item_id"], each["change"]) for each in comparison["changed_since"]] == [("knife", "gone")]
    assert ids(comparison["differing"]) == ["case-1/coat"]
    *_, recorded = acts_of(store_room, stocktake_id, clerk(POLICE))
    assert recorded["body"]["changed_since"] == [{"case_id": "case-1", "item_id": "knife", "change": "gone"}]
    assert close(store_room, stocktake_id, clerk(POLICE)).status_code == 201
    stocktakes.forget(store_room.parts.database, 0)
    with store_room.parts.database.read() as connection:
        assert connection.execute(STOCKTAKE_EXPECTED.select()).all() == []


def test_a_wrong_seal_is_told_although_the_thing_was_handed_over(served: Served) -> None:
    """It was read before: the difference stands in the stocktake and in the case, between both agencies."""
    written = stocked(served)["case-1"]
    stocktake_id = opened(served, "Room 30")
    scan(served, stocktake_id, {"code": "phone", "seal_number": "S-9"})
    served.record(written.offer("phone", to=COURT).accept())
    assert close(served, stocktake_id, clerk(POLICE)).status_code == 201
    (line,) = ask(served, "GET", f"/{stocktake_id}/recorded", clerk(POLICE)).json()["stocktake"]["differences"]
    discrepancy = served.parts.validator.states.of_listed_case("case-1").discrepancies[line["discrepancy_id"]]
    assert (discrepancy.kinds, discrepancy.parties) == (("seal",), (POLICE, COURT))
    assert (discrepancy.expected, discrepancy.found) == ("S-7", "S-9")


def test_what_was_in_the_room_before_and_is_not_scanned_is_missing(store_room: Served) -> None:
    """A thing whose record changed before the count began gets no excuse from it."""
    move(store_room, "phone", "Room 3, shelf 9")
    stocktake_id = opened(store_room)
    scan(store_room, stocktake_id, "knife", "case-1/coat", "case-2/coat", "bike")
    comparison = view_of(store_room, stocktake_id)["comparison"]
    assert (comparison["changed_since"], ids(comparison["differing"])) == ([], ["case-1/phone"])


def test_a_scan_reads_and_records_no_more_than_its_thing(served: Served) -> None:
    """Behind the scan of one thing stand one access record, of its case, and as many statements in a full room."""
    halls = {"Small hall": 1, "Great hall": 12}
    for room, cases_there in halls.items():
        for number in range(cases_there):
            written = Case(f"case-{cases_there}-{number}").open(case_number=f"{cases_there}-{number}")
            served.record(written.register("bag", "box", storage_location=room))
    served.ledger.clock.forward(100_000)
    served.forget_tokens()
    statements: list[str] = []

    def note(*execution: Any) -> None:
        statements.append(execution[2])

    costs: list[tuple[int, int]] = []
    for room, cases_there in halls.items():
        stocktake_id = opened(served, room)
        scan(served, stocktake_id, f"case-{cases_there}-0/box")  # all that is kept is in its place
        reads = served.reads()
        event.listen(served.ledger.database.log, "before_cursor_execute", note)
        scan(served, stocktake_id, f"case-{cases_there}-0/bag")
        event.remove(served.ledger.database.log, "before_cursor_execute", note)
        costs.append((served.reads() - reads, len(statements)))
        statements.clear()
    assert costs[0] == costs[1]
    assert costs[0][0] == 1


@pytest.mark.parametrize(
    "change",
    [
        update(STOCKTAKE_SCANS).where(STOCKTAKE_SCANS.c.code == "knife").values(taken_back_by="p-0418"),
        delete(STOCKTAKE_SCANS).where(STOCKTAKE_SCANS.c.code == "knife"),
        update(STOCKTAKE_EXPECTED).where(STOCKTAKE_EXPECTED.c.item_id == "bike").values(item_id="phone"),
        delete(STOCKTAKE_EXPECTED).where(STOCKTAKE_EXPECTED.c.item_id == "bike"),
        update(OPEN_STOCKTAKES).values(opened_at=1),
    ],
    ids=["scan", "no scan", "expected", "not expected", "opening"],
)
def test_nothing_is_signed_of_a_count_that_somebody_changed(store_room: Served, change: Any) -> None:
    """What is counted is bound: neither are events drafted from it nor is it forgotten, and an audit names the row."""
    stocktake_id = opened(store_room)
    scan(store_room, stocktake_id, "knife", "case-2/coat")
    assert changed_rows(store_room) == []
    with store_room.parts.database.lock() as connection:
        connection.execute(change)
    table = change.table.name
    refusal = ask(store_room, "POST", f"/{stocktake_id}/acts", clerk(POLICE), {})
    problem(refusal, 500, "integrity_broken", table)
    stocktakes.forget(store_room.parts.database, 2)  # of what was opened so long ago, nothing else is left to be
    stocktakes.forget(store_room.parts.database, 2**40)  # nor what nobody closes
    assert all(stocktake_id in row for row in changed_rows(store_room))
    assert changed_rows(store_room)


def changed_rows(served: Served) -> list[str]:
    """Return the rows of stocktakes that an audit names."""
    with served.parts.database.read() as connection:
        findings = list(check_bound(connection, read_bound(connection, []), []))
    return [each.slots["row"] for each in findings]


def test_what_was_counted_is_bound_until_it_is_forgotten(store_room: Served) -> None:
    """Scans, those that were taken back too; of a stocktake that was abandoned nothing is left or named."""
    stocktake_id = opened(store_room)
    scan(store_room, stocktake_id, "knife", "knife", "x-17")
    assert ask(store_room, "DELETE", f"/{stocktake_id}/scans/1", clerk(POLICE)).status_code == 200
    assert changed_rows(store_room) == []
    with store_room.parts.database.lock() as connection:
        connection.execute(update(STOCKTAKE_SCANS).where(STOCKTAKE_SCANS.c.number == 2).values(code="coat"))
    refusal = ask(store_room, "DELETE", f"/{stocktake_id}/scans/2", clerk(POLICE))
    problem(refusal, 500, "integrity_broken", "stocktake_scans")
    assert ask(store_room, "DELETE", f"/{stocktake_id}", clerk(POLICE)).status_code == 200
    assert changed_rows(store_room) == []


def test_a_wrong_scan_is_taken_back(store_room: Served) -> None:
    """It counts no more and stays in the list; where the thing was scanned again, that scan counts in its place."""
    stocktake_id = opened(store_room)
    answers = scan(store_room, stocktake_id, "knife", "knife", "x-17")
    assert [each["number"] for each in answers] == [1, 2, 3]
    taken_back = ask(store_room, "DELETE", f"/{stocktake_id}/scans/3", supervisor(POLICE)).json()
    assert taken_back["scan"]["taken_back_by"] == supervisor(POLICE).officer_id
    assert (taken_back["counts"]["scanned"], taken_back["counts"]["unknown"]) == (2, 0)
    counts = ask(store_room, "DELETE", f"/{stocktake_id}/scans/1", clerk(POLICE)).json()["counts"]
    assert (counts["scanned"], counts["present"], counts["again"]) == (1, 1, 0)
    view = view_of(store_room, stocktake_id)
    assert (ids(view["comparison"]["present"]), view["comparison"]["unknown_codes"]) == (["case-1/knife"], [])
    ask(store_room, "DELETE", f"/{stocktake_id}/scans/2", clerk(POLICE))
    view = view_of(store_room, stocktake_id)
    assert (view["comparison"]["present"], view["counts"]["scanned"], view["counters"]) == ([], 0, [])
    assert [scan["taken_back_by"] is None for scan in view["scans"]] == [False] * 3
    problem(ask(store_room, "DELETE", f"/{stocktake_id}/scans/2", clerk(POLICE)), 409, "taken_back", "number")
    problem(ask(store_room, "DELETE", f"/{stocktake_id}/scans/9", clerk(POLICE)), 404, "not_found", "number")
    problem(ask(store_room, "DELETE", f"/{stocktake_id}/scans/1", clerk(COURT)), 404, "not_found", "stocktake_id")
    (answer,) = scan(store_room, stocktake_id, "knife")
    assert (answer["result"], answer["number"]) == ("present", 4)


def test_a_second_event_takes_nobodys_id(store_room: Served) -> None:
    """An id of a recorded stocktake is refused, and so are two of one batch; another agency may have the same."""
    stocktake_id = opened(store_room)
    scan(store_room, stocktake_id, "knife", "case-1/coat", "case-2/coat", "bike")
    (act,) = acts_of(store_room, stocktake_id, clerk(POLICE))
    again = {**act, "body": {**act["body"], "present": []}}
    answer = store_room.post_together(*signed(store_room, [act, again], clerk(POLICE)))
    problem(answer, 422, "duplicate_id", "payload.body.stocktake_id")
    assert store_room.submit(*signed(store_room, [act], clerk(POLICE))).status_code == 201
    with store_room.parts.database.read() as connection:
        head = log.heads(connection, [("agency", POLICE)])["agency", POLICE]
    again |= {"sequence": head.sequence + 1, "previous": head.head}
    answer = store_room.submit(*signed(store_room, [again], clerk(POLICE)))
    problem(answer, 422, "duplicate_id", "payload.body.stocktake_id")
    (row,) = ask(store_room, "GET", "/recorded", clerk(POLICE)).json()["stocktakes"]
    assert row["present"] == 4
    others = {**act, "stream": {"kind": "agency", "id": COURT}, "sequence": 0, "previous": None}
    assert store_room.submit(*signed(store_room, [others], clerk(COURT))).status_code == 201


def test_a_seal_that_fitted_is_no_difference_once_the_thing_is_resealed(served: Served) -> None:
    """Nobody has read the new one; a seal that was wrong then, and is another one now, stays a difference."""
    written = stocked(served)["case-1"]
    stocktake_id = opened(served, "Room 30")
    scan(served, stocktake_id, {"code": "phone", "seal_number": "S-7"})
    written.say(ItemUnsealed, item_id="phone", seal_number="S-7", ground="looked at")
    served.record(written.say(ItemSealed, item_id="phone", seal_number="S-8"))
    differing = ask(served, "GET", f"/{stocktake_id}", clerk(POLICE)).json()["comparison"]["differing"]
    assert differing == []
    scan(served, stocktake_id, {"code": "phone", "seal_number": "S-9"}, "phone")
    (phone,) = ask(served, "GET", f"/{stocktake_id}", clerk(POLICE)).json()["comparison"]["differing"]
    assert [(each["expected"], each["found"]) for each in phone["differences"]] == [("S-8", "S-9")]
    scan(served, stocktake_id, {"code": "phone", "seal_number": "S-8"})
    served.record(written.say(ItemUnsealed, item_id="phone", seal_number="S-8", ground="looked at"))
    assert ask(served, "GET", f"/{stocktake_id}", clerk(POLICE)).json()["comparison"]["differing"] == []


def test_a_wrong_seal_is_told_although_the_thing_was_scanned_again_and_sealed_since(served: Served) -> None:
    """A scan in which nobody looked for a seal fits nothing."""
    stocked(served)
    stocktake_id = opened(served, "Room 30")
    bike = Case("case-7").open(case_number="2026-7").register("bell", storage_location="Room 30")
    served.record(bike)
    scan(served, stocktake_id, {"code": "bell", "seal_number": "S-9"}, "bell")
    served.record(bike.say(ItemSealed, item_id="bell", seal_number="S-8"))
    differing = ask(served, "GET", f"/{stocktake_id}", clerk(POLICE)).json()["comparison"]["differing"]
    (bell,) = (each for each in differing if each["item"]["item_id"] == "bell")
    assert [(each["expected"], each["found"]) for each in bell["differences"]] == [("S-8", "S-9")]


def test_what_the_agency_never_held_gets_no_discrepancy(served: Served) -> None:
    """The court holds a seal that the police never had: the stocktake tells it as surplus, and its case stays as it
    was; of a lamp that the police once held there is a discrepancy, which they take back alone."""
    stocked(served)
    written = Case("case-5").open(case_number="2026-5").register("file", kind="dossier")
    written.offer("file", to=COURT).accept()
    written.register("stamp", by=clerk(COURT))
    served.record(written)
    served.ledger.clock.forward(100_000)
    served.forget_tokens()
    stocktake_id = opened(served)
    answers = scan(served, stocktake_id, "stamp", "lamp", "knife", "case-1/coat", "case-2/coat", "bike")
    assert [each["result"] for each in answers][:2] == ["surplus", "surplus"]
    assert close(served, stocktake_id, clerk(POLICE)).status_code == 201
    lines = ask(served, "GET", f"/{stocktake_id}/recorded", clerk(POLICE)).json()["stocktake"]["differences"]
    assert {line["item_id"]: "discrepancy_id" in line for line in lines} == {"stamp": False, "lamp": True}
    assert not served.parts.validator.states.of_listed_case("case-5").discrepancies
    (surplus,) = served.parts.validator.states.of_listed_case("case-1").discrepancies.values()
    assert surplus.parties == (POLICE, LAB)
    noticed(served)
    pages = {each["kind"]: each["page"] for each in served.get("/api/v1/notices", clerk(LAB)).json()["notices"]}
    assert (pages["discrepancy.claimed"], "discrepancy.counted" in pages) == ("/cases/case-1", False)


def test_a_recorded_stocktake_tells_which_discrepancies_do_not_exist(store_room: Served) -> None:
    """One that was signed by hand and by halves names discrepancies that nobody raised, and cases that are none."""
    stocktake_id = opened(store_room)
    scan(store_room, stocktake_id, "knife", "case-2/coat", "bike")
    *_, act = acts_of(store_room, stocktake_id, clerk(POLICE))
    (line,) = act["body"]["differences"]
    act["body"]["differences"].append({**line, "case_id": "case-9"})
    assert store_room.submit(*signed(store_room, [act], clerk(POLICE))).status_code == 201
    recorded = ask(store_room, "GET", f"/{stocktake_id}/recorded", clerk(POLICE)).json()
    discrepancy_id = line["discrepancy_id"]
    assert recorded["nonexistent"] == [
        {"case_id": case_id, "discrepancy_id": discrepancy_id} for case_id in ("case-1", "case-9")
    ]
    paper = ask(store_room, "GET", f"/{stocktake_id}/paper?lang=en", clerk(POLICE)).content
    assert text_of(paper).replace("\n", "").replace(" ", "").count("hasnone") == 2


def test_a_recorded_stocktake_tells_nothing_of_others_cases(
    store_room: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A court that signs by hand the case and the discrepancy of others learns nothing of them: whatever there is, the
    answer is the same, no case is folded for it, and nobody is told that it read that case."""
    stocktake_id = opened(store_room)
    scan(store_room, stocktake_id, "knife", "case-2/coat", "bike")
    acts = acts_of(store_room, stocktake_id, clerk(POLICE))
    assert store_room.post_together(*signed(store_room, acts, clerk(POLICE))).status_code == 201
    *_, act = acts
    (line,) = act["body"]["differences"]
    assert ask(store_room, "GET", f"/{stocktake_id}/recorded", clerk(POLICE)).json()["nonexistent"] == []
    lines = [line, {**line, "discrepancy_id": "count-none"}, {**line, "case_id": "case-9"}]
    body = {**act["body"], "differences": lines}
    theirs = {**act, "stream": {"kind": "agency", "id": COURT}, "sequence": 0, "previous": None, "body": body}
    assert store_room.submit(*signed(store_room, [theirs], clerk(COURT))).status_code == 201
    monkeypatch.setattr(type(store_room.parts.validator.states), "of_case", None)
    reads = len(store_room.parts.access.since(-1, 100, case_id="case-1"))
    answer = ask(store_room, "GET", f"/{stocktake_id}/recorded", clerk(COURT)).json()
    assert {(each["case_id"], each["discrepancy_id"]) for each in answer["nonexistent"]} == {
        (each["case_id"], each["discrepancy_id"]) for each in lines
    }
    assert len(store_room.parts.access.since(-1, 100, case_id="case-1")) == reads > 0


def test_a_recorded_stocktake_prints(store_room: Served) -> None:
    """Its report is a PDF in the language that was asked for; of an open one there is none, and for others none."""
    stocktake_id = opened(store_room)
    problem(ask(store_room, "GET", f"/{stocktake_id}/paper", clerk(POLICE)), 404, "not_found", "stocktake_id")
    scan(store_room, stocktake_id, "knife", "case-2/coat", "bike")
    assert close(store_room, stocktake_id, clerk(POLICE)).status_code == 201
    answer = ask(store_room, "GET", f"/{stocktake_id}/paper?lang=both", supervisor(POLICE))
    assert answer.headers["content-type"] == "application/pdf"
    text = text_of(answer.content).replace(" ", "")
    for word in ("盘库报告", "Reportofastocktake", "theknife", "2026-1", "notthere"):
        assert word in text, word
    problem(ask(store_room, "GET", f"/{stocktake_id}/paper", clerk(COURT)), 404, "not_found", "stocktake_id")


def test_another_agency_learns_nothing(store_room: Served) -> None:
    """Its rooms, its open stocktakes and what it recorded are the agency's own; a code of others' is unknown."""
    stocktake_id = opened(store_room)
    for path in ("", "/recorded"):
        problem(ask(store_room, "GET", f"/{stocktake_id}{path}", clerk(COURT)), 404, "not_found", "stocktake_id")
    problem(ask(store_room, "DELETE", f"/{stocktake_id}", clerk(COURT)), 404, "not_found", "stocktake_id")
    own = opened(store_room, by=clerk(COURT))
    (answers,) = scan(store_room, own, "knife", by=clerk(COURT))
    assert answers == {"code": "knife", "result": "unknown", "number": 1, "item": None, "differences": [], "among": []}
    assert ask(store_room, "GET", f"/{own}", clerk(COURT)).json()["expected"] == []
    scan(store_room, stocktake_id, "knife")
    assert close(store_room, stocktake_id, clerk(POLICE)).status_code == 201
    event_id = ask(store_room, "GET", "/recorded", clerk(POLICE)).json()["stocktakes"][0]["event_id"]
    problem(store_room.get(f"/api/v1/events/{event_id}", clerk(PROCURATORATE)), 404, "not_found", "event_id")


@pytest.mark.parametrize(
    "call",
    [
        "GET ",
        "GET /recorded",
        "POST ",
        "GET /s-1",
        "POST /s-1/scans",
        "DELETE /s-1/scans/1",
        "POST /s-1/acts",
        "GET /s-1/paper",
        "DELETE /s-1",
    ],
)
def test_it_takes_who_handles_items(store_room: Served, call: str) -> None:
    """An auditor, who signs no stocktake, opens and reads none."""
    method, _, path = call.partition(" ")
    bodies = {"POST ": {"storage_location": ROOM}, "POST /s-1/scans": {"scans": [{"code": "x"}]}, "POST /s-1/acts": {}}
    problem(ask(store_room, method, path, auditor(POLICE), bodies.get(call)), 403, "role_missing")


def test_what_cannot_be_counted_is_refused(store_room: Served) -> None:
    """A place is counted once at a time; nothing is recorded of nothing; an abandoned stocktake is gone."""
    stocktake_id = opened(store_room)
    answer = ask(store_room, "POST", "", supervisor(POLICE), {"storage_location": ROOM})
    problem(answer, 409, "already_open", "storage_location")
    answer = ask(store_room, "POST", f"/{stocktake_id}/acts", clerk(POLICE), {})
    problem(answer, 400, "nothing_counted", "stocktake_id")
    assert ask(store_room, "DELETE", f"/{stocktake_id}", clerk(POLICE)).status_code == 200
    problem(ask(store_room, "GET", f"/{stocktake_id}", clerk(POLICE)), 404, "not_found", "stocktake_id")


def test_limits_hold(store_room: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than one stocktake takes is counted by shelves; scans, open stocktakes and differences have limits."""
    monkeypatch.setattr("api.services.stocktakes.MAX_ACTS", 2)
    stocktake_id = opened(store_room)
    scan(store_room, stocktake_id, "knife")
    problem(ask(store_room, "POST", f"/{stocktake_id}/acts", clerk(POLICE), {}), 409, "too_many_differences")
    monkeypatch.setattr(stocktakes, "MOST_SCANS", 1)
    answer = ask(store_room, "POST", f"/{stocktake_id}/scans", clerk(POLICE), {"scans": [{"code": "x"}]})
    problem(answer, 409, "too_many_scans")
    monkeypatch.setattr(stocktakes, "MOST_OPEN", 1)
    problem(ask(store_room, "POST", "", clerk(POLICE), {"storage_location": "Room 4"}), 409, "too_many_open")
    monkeypatch.setattr("api.services.stocktakes.MOST_COUNTED", 3)
    answer = ask(store_room, "GET", f"/{stocktake_id}", clerk(POLICE))
    problem(answer, 409, "too_much_to_count", "storage_location")


def test_the_list_of_a_room_is_read_by_its_index(store_room: Served) -> None:
    """However long the log: only what lies there is looked at, and what was recorded is found by its agency."""
    with store_room.parts.database.read() as connection:
        items = stocktakes.items_in(connection, POLICE, ROOM)
        assert [item.item_id for item in items] == ["coat", "knife", "bike", "coat"]
        plan = connection.exec_driver_sql(
            "EXPLAIN QUERY PLAN SELECT item_id FROM items WHERE holder = 'a' AND storage_location >= 'b'"
            " AND storage_location < 'c'"
        )
        assert any("ix_items_place" in row[-1] for row in plan)


def test_an_audit_holds_the_list_against_the_log(store_room: Served) -> None:
    """The read model of what was recorded follows from the agency's stream: a changed row is found."""
    stocktake_id = opened(store_room)
    scan(store_room, stocktake_id, "knife")
    assert close(store_room, stocktake_id, clerk(POLICE)).status_code == 201
    (row,) = ask(store_room, "GET", "/recorded", clerk(POLICE)).json()["stocktakes"]
    event_id = row["event_id"]
    with store_room.parts.database.read() as connection:
        models = audit.stored_models(connection, audit.StreamRange("agency", 0))
    table = stocktake_tables.STOCKTAKES
    assert [key for key in models[POLICE] if key[0] is table] == [(table, event_id)]
