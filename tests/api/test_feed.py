"""The feed over HTTP: what an agency may see when it asks, recorded, with a cursor to come back with."""

from __future__ import annotations

from threading import Timer
from typing import Any

import pytest

from tests.api.service import Served, problem
from tests.testkit.builders import COURT, DETENTION, LAB, POLICE, Officer, auditor, clerk, instant, section
from tests.testkit.casework import Case, registration


def feed(served: Served, by: Officer, after: str | None = None, **query: Any) -> dict[str, Any]:
    begin = {} if after is None else {"after": after}
    answer: dict[str, Any] = served.get("/api/v1/events", by, **begin, **query).json()
    return answer


def got(page: dict[str, Any]) -> list[tuple[str, int]]:
    return [(event["envelope"]["stream"]["id"], event["envelope"]["sequence"]) for event in page["events"]]


def test_a_feed_goes_on_where_it_was_left(served: Served) -> None:
    """The last page has a cursor, too; what comes later comes behind it, and nothing twice."""
    case = served.record(Case().open().register("phone"))
    first = feed(served, clerk(POLICE))
    assert got(first) == [("case-1", 0), ("case-1", 1)]
    assert feed(served, clerk(POLICE), first["next"]) == {"events": [], "next": first["next"]}
    served.record(case.register("knife"))
    assert got(feed(served, clerk(POLICE), first["next"])) == [("case-1", 2)]


def test_an_expired_offer_hides_the_case(served: Served) -> None:
    """Only the offer is left."""
    case = Case().open().register("phone")
    expiry = instant(served.ledger.clock.seconds + 60)
    served.record(case.offer("phone", to=LAB, purpose="forensic_examination", expires_at=expiry))
    assert len(feed(served, clerk(LAB))["events"]) == 3
    served.ledger.clock.forward(61)
    assert got(feed(served, clerk(LAB))) == [("case-1", 2)]


def test_whoever_accepts_a_case_gets_its_sections(served: Served) -> None:
    """While it was offered they were not his to read: with the acceptance the earlier events come again, with them."""
    case = Case().open().act(registration("phone"), sections={"narrative": section(text="seized at home")})
    served.record(case.offer("phone", to=COURT, purpose="jurisdiction_transfer"))
    offered = feed(served, clerk(COURT))
    assert [event.get("sections") for event in offered["events"]] == [None] * 3
    served.record(case.accept())
    accepted = feed(served, clerk(COURT), offered["next"])
    assert got(accepted) == [("case-1", number) for number in range(4)]
    assert accepted["events"][1]["sections"]["narrative"]["fields"] == {"text": "seized at home"}


def test_a_feed_takes_no_cursor_of_another_agency(served: Served) -> None:
    """It stands behind what that agency got, and would skip what this one did not get."""
    served.record(Case().open())
    cursor = feed(served, clerk(POLICE))["next"]
    problem(served.get("/api/v1/events", clerk(COURT), after=cursor), 400, "cursor_refused", "after")


def test_a_feed_is_recorded_for_each_case_and_only_if_something_is_shown(served: Served) -> None:
    """A poll that finds nothing leaves nothing in the log of reads."""
    served.record(Case("case-1").open().register("phone"))
    served.record(Case("case-2").open())
    before = served.reads()
    page = feed(served, clerk(POLICE))
    assert served.reads() - before == 2
    feed(served, clerk(POLICE), page["next"])
    assert feed(served, clerk(DETENTION))["events"] == []
    assert served.reads() - before == 2


def test_a_feed_waits_for_what_is_new(served: Served) -> None:
    """The answer comes once there is something, not at the end of the time."""
    case = served.record(Case().open())
    after = feed(served, auditor(POLICE))["next"]
    event = case.register("phone").last
    timer = Timer(0.3, lambda: served.ledger.post(event))
    timer.start()
    page = feed(served, auditor(POLICE), after, wait=20)
    timer.join()
    assert got(page) == [("case-1", 1)]


def test_a_page_has_few_bytes_however_long_its_events_are(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Confidential sections count, in the feed and in the events of a case; all events come, each once."""
    case, long = Case().open(), section(text="x" * 4000)
    for name in ("phone", "knife", "book"):
        case.act(registration(name), sections={"narrative": long})
    served.record(case)
    monkeypatch.setattr("api.services.feed.MAX_BYTES", 4000)
    by, expected = clerk(POLICE), [[0], [1], [2], [3]]
    for query in ({}, {"case_id": "case-1"}):
        pages = [feed(served, by, limit=4, **query)]
        while pages[-1]["events"] and "next" in pages[-1]:
            pages.append(feed(served, by, pages[-1]["next"], limit=4, **query))
        assert [sequences for page in pages if (sequences := [number for _, number in got(page)])] == expected, query
        assert [*pages[-1]] == (["events"] if query else ["events", "next"])
    described = served.get("/api/v1/openapi.json").json()["paths"]["/api/v1/events"]["get"]["responses"]["200"]
    assert described["content"]["application/json"]["schema"]["required"] == ["events"]


def test_only_the_feed_waits(served: Served) -> None:
    """The events of a case are answered at once: whoever would wait for them is not left to think that he did."""
    served.record(Case().open())
    answer = served.get("/api/v1/events", clerk(POLICE), case_id="case-1", wait=1)
    assert "feed" in problem(answer, 422, "rule_refused", "wait")["detail"]
    assert feed(served, clerk(POLICE), case_id="case-1", wait=0)["events"]
