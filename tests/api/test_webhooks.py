"""Webhooks: an agency's own system is told everything it may see, in order, whatever its receiver does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from ledger.core.events.case import PersonNamed
from ledger.store import clocks, webhooks
from ledger.store.webhooks import MOST
from tests.api.conftest import deliverer_of
from tests.api.service import Served, name_confidentially, problem
from tests.testkit.builders import COURT, POLICE, Officer, section, supervisor
from tests.testkit.casework import Case, person_id
from tests.unit.webhooks.receiver import Receiver, receiving


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Return a receiver of the test's own."""
    with receiving() as endpoint:
        yield endpoint


def add(served: Served, by: Officer, url: str, **fields: str) -> Any:
    body = msgspec.json.encode({"url": url, **fields})
    return served.post("/api/v1/webhooks", body, **served.token(by))


def listed(served: Served, by: Officer) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = served.get("/api/v1/webhooks", by).json()["webhooks"]
    return rows


def test_an_agency_is_told_what_is_new(served: Served, receiver: Receiver) -> None:
    """The body is a page of the feed, signed; what comes later comes later, and nothing twice."""
    case = served.record(Case().open().register("phone"))
    added = add(served, supervisor(POLICE), receiver.url).json()
    page = served.get("/api/v1/events", supervisor(POLICE)).content
    deliverer_of(served.parts).step()
    assert receiver.bodies == [page]
    served.record(case.register("knife"))
    deliverer_of(served.parts).step()
    deliverer_of(served.parts).step()
    assert receiver.events() == [("case-1", 0), ("case-1", 1), ("case-1", 2)]
    assert [message["next"] for message in receiver.checked(added["secret"])]
    assert len({headers["webhook-id"] for headers in receiver.request_headers}) == 2


def test_the_feed_is_sent_from_a_cursor_on(served: Served, receiver: Receiver) -> None:
    """A system that has read the feed up to ``after`` gets only what comes behind it."""
    case = served.record(Case().open())
    after = served.get("/api/v1/events", supervisor(POLICE)).json()["next"]
    add(served, supervisor(POLICE), receiver.url, after=after)
    served.record(case.register("phone"))
    deliverer_of(served.parts).step()
    assert receiver.events() == [("case-1", 1)]


def test_sections_go_to_who_may_read_them(served: Served, receiver: Receiver) -> None:
    """The system of who is being offered the case learns who comes by the offer, and the name of nobody else."""
    case = name_confidentially(Case().open()).register("phone")
    victim = PersonNamed(person_id=person_id("wang"), role="victim", section="person:1")
    case.act(victim, sections={"person:1": section("person", name="another one")})
    case.offer("phone", to=COURT, purpose="jurisdiction_transfer", persons=("li",))
    served.record(case)
    with receiving() as second_inbox:
        add(served, supervisor(POLICE), receiver.url)
        add(served, supervisor(COURT), second_inbox.url)
        deliverer_of(served.parts).step()
        assert b"a name" in receiver.bodies[0]
        assert b"another one" in receiver.bodies[0]
        assert len(second_inbox.events()) == 5
        assert b"a name" in second_inbox.bodies[0]
        assert b"another one" not in second_inbox.bodies[0]


def test_what_fails_is_sent_again_after_a_pause(served: Served, receiver: Receiver) -> None:
    """In order, with the same id, after pauses that grow; the state is there to be looked at."""
    case = served.record(Case().open())
    add(served, supervisor(POLICE), receiver.url)
    receiver.status = 500
    pauses = []
    for failures in (1, 2, 3):
        deliverer_of(served.parts).step()
        (state,) = listed(served, supervisor(POLICE))
        assert (state["failures"], state["last_error"]) == (failures, "the receiver answered 500, not 2xx")
        pauses.append((state["next_try_at"] - served.ledger.clock()) // 1000)
        deliverer_of(served.parts).step()
        assert len(receiver.bodies) == failures
        served.ledger.clock.forward(pauses[-1])
    assert pauses == [5, 10, 20]
    receiver.status = 200
    deliverer_of(served.parts).step()
    assert len({headers["webhook-id"] for headers in receiver.request_headers}) == 1
    served.record(case.register("phone"))
    deliverer_of(served.parts).step()
    (state,) = listed(served, supervisor(POLICE))
    assert (state["failures"], state["last_error"], state["delivered_at"]) == (0, None, served.ledger.clock())
    assert receiver.events()[-2:] == [("case-1", 0), ("case-1", 1)]


def test_a_page_that_grew_before_it_was_taken_is_another_message(served: Served, receiver: Receiver) -> None:
    """A receiver that knows messages by their id drops nothing that is new."""
    case = served.record(Case().open())
    add(served, supervisor(POLICE), receiver.url)
    receiver.status = 503
    deliverer_of(served.parts).step()
    served.record(case.register("phone"))
    served.ledger.clock.forward(5)
    deliverer_of(served.parts).step()
    assert len({headers["webhook-id"] for headers in receiver.request_headers}) == 2


def test_nothing_is_sent_on_a_key_that_was_revoked(served: Served, receiver: Receiver) -> None:
    """Whoever stole it gets no more than he had."""
    served.record(Case().open())
    add(served, supervisor(POLICE), receiver.url)
    served.mirror(served.ledger.changes.revoke(supervisor(POLICE)).bodies[-1])
    deliverer_of(served.parts).step()
    assert receiver.bodies == []
    with served.ledger.database.read() as connection:
        assert "was revoked" in str(webhooks.listed(connection, POLICE)[0].last_error)


def test_nothing_is_sent_that_cannot_be_recorded(served: Served, receiver: Receiver) -> None:
    """The log of reads is away: the webhook waits."""
    served.record(Case().open())
    add(served, supervisor(POLICE), receiver.url)
    with served.ledger.database.access.begin() as connection:
        connection.exec_driver_sql("DROP TABLE access_log")
    deliverer_of(served.parts).step()
    assert receiver.bodies == []


def test_warnings_go_the_same_way(served: Served, receiver: Receiver) -> None:
    """Behind the events, with a number of their own to go on from."""
    served.record(Case().open())
    add(served, supervisor(POLICE), receiver.url)
    deliverer_of(served.parts).step()
    fields = {"case_id": "case-1", "deadline_id": "d", "clock": "c", "subject": "s", "agency": POLICE, "handler": None}
    with served.ledger.database.write() as connection:
        rows = [{**fields, "due_at": "2026-03-05T00:00:00Z", "at_end": "late", "days": days} for days in (7, 3)]
        clocks.store_warnings(connection, rows, served.ledger.clock())
    deliverer_of(served.parts).step()
    deliverer_of(served.parts).step()
    second = msgspec.json.decode(receiver.bodies[1])
    assert [(warning["number"], warning["days"]) for warning in second["warnings"]] == [(1, 7), (2, 3)]
    assert len(receiver.bodies) == 2
    assert listed(served, supervisor(POLICE))[0]["warnings_after"] == 2


# -- adding, looking, removing -----------------------------------------------------------------------------------------


def test_the_secret_is_told_once_and_kept_nowhere(served: Served, receiver: Receiver) -> None:
    """Neither the list nor the database has it."""
    secret = add(served, supervisor(POLICE), receiver.url).json()["secret"]
    assert secret.startswith("whsec_")
    assert secret not in served.get("/api/v1/webhooks", supervisor(POLICE)).text
    folder = served.ledger.database.log.url.database
    assert folder is not None
    for suffix in ("", "-wal"):
        with open(folder + suffix, "rb") as file:  # noqa: PTH123
            assert secret.removeprefix("whsec_").encode() not in file.read()


def test_a_url_is_added_once(served: Served) -> None:
    """A request that is sent again makes no second webhook."""
    assert add(served, supervisor(POLICE), "https://receiver.example/hook").status_code == 201
    problem(add(served, supervisor(POLICE), "https://receiver.example/hook"), 409, "webhook_exists", "url")
    for number in range(MOST - 1):
        assert add(served, supervisor(POLICE), f"https://receiver.example/{number}").status_code == 201
    problem(add(served, supervisor(POLICE), "https://receiver.example/more"), 409, "too_many_webhooks")


def test_a_webhook_can_be_tried(served: Served, receiver: Receiver) -> None:
    """An empty page, signed; what the receiver makes of it is told, and the webhook stands where it stood."""
    added = add(served, supervisor(POLICE), receiver.url).json()
    path = f"/api/v1/webhooks/{added['webhook_id']}/test"
    token = served.token(supervisor(POLICE))
    assert served.post(path, b"", **token).json()["delivered"] is True
    (standing,) = listed(served, supervisor(POLICE))
    assert receiver.checked(added["secret"]) == [{"events": [], "next": standing["events_after"]}]
    receiver.status = 404
    tried = served.post(path, b"", **token).json()
    assert (tried["delivered"], tried["error"]) == (False, "the receiver answered 404, not 2xx")
    assert listed(served, supervisor(POLICE))[0]["failures"] == 0
