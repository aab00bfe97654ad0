"""What is proven is read while the chain is away, and while its node takes questions and never answers."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from threading import Thread
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from api.routes import chain
from ledger.chain.rpc import JsonRpc
from tests.api.conftest import Trusted, serving_ledger
from tests.api.service import Served, problem
from tests.testkit.builders import POLICE, auditor, clerk
from tests.testkit.casework import Case
from tests.testkit.ledger_with_chain import Linked, linked_ledger

AT_ONCE_S = 8  # a node is given ten seconds to answer

READER = auditor(POLICE)


class Town:
    """A service with a case that is final on its chain, and what is read of it."""

    def __init__(self, linked: Linked, served: Served) -> None:
        self.linked = linked
        self.served = served
        for officer in (clerk(POLICE), READER):
            linked.grant(officer)
        served.parts.chain_worker.step()
        self.case = served.record(Case(start=linked.clock.seconds - 600).open().register("phone"))
        linked.clock.forward(2 * linked.interval_s)
        served.publish()
        served.parts.chain_worker.step()
        chains = (linked.deployment.trusted_chain(0),)
        served.parts.trust.trust = replace(Trusted.trust, chains=chains)  # type: ignore[misc]

    def read(self) -> dict[str, Any]:
        """Read a timeline, an event and a picture as pages, a bundle, a certificate."""
        case_id, event_id = self.case.state.case_id, self.case.events[1].envelope.event_id
        event, page = f"/api/v1/events/{event_id}", f"/console/cases/{case_id}"
        answers = {
            "timeline": self._got(f"/api/v1/cases/{case_id}/timeline").json(),
            "bundle": self._got(f"{event}/proof").json(),
            "certificate": self._got(f"{event}/certificate").content[:4],
        }
        for path in (f"{page}/timeline", f"{page}/events/{event_id}", f"{page}/picture"):
            self._got(path)
        return answers

    def _got(self, path: str) -> Any:
        headers = self.served.cookie(READER) | self.served.token(READER)  # as a browser asks, or a program
        answer = self.served.request("GET", path, headers=headers)
        assert answer.status_code == 200, (path, answer.text)
        return answer


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    folder = tmp_path_factory.mktemp("town")
    with linked_ledger(folder) as linked, serving_ledger(linked.ledger, lambda: linked.link) as served:
        yield Town(linked, served)


@pytest.fixture
def town(standing: Town) -> Iterator[Town]:
    """Return the town, whose node goes on after the test."""
    try:
        yield standing
    finally:
        resumed(standing)


def stopped(town: Town) -> None:
    """Stop the node: its port still takes connections, and nobody answers."""
    assert town.linked.chain.pid is not None
    os.kill(town.linked.chain.pid, signal.SIGSTOP)


def resumed(town: Town) -> None:
    """Let the node go on: one that stands still does not hear that it shall end, and is waited for."""
    assert town.linked.chain.pid is not None
    os.kill(town.linked.chain.pid, signal.SIGCONT)


def test_reading_what_is_proven_asks_no_chain(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every answer is the one of before, times included; the node is not asked even once."""
    before = town.read()
    block = town.linked.chain.eth.head()
    steps = before["timeline"]["events"]
    assert [(step["state"], step["proven_at"]) for step in steps] == [("confirmed", block.timestamp)] * len(steps)
    assert before["bundle"]["anchor"]["number"] == 1
    asked: list[str] = []
    exchange = JsonRpc._exchange

    def counted(rpc: JsonRpc, message: Any, timeout_seconds: float | None) -> Any:
        asked.append(str(message))
        return exchange(rpc, message, timeout_seconds)

    monkeypatch.setattr(JsonRpc, "_exchange", counted)
    stopped(town)
    assert town.read() == before
    assert asked == []


def test_a_node_that_hangs_is_told_by_its_age_and_holds_no_request(town: Town) -> None:
    """While a step waits for the node, `/chain` and `/readyz` answer as it was last seen, with how long ago that was,
    and as many as ask; of what must ask the node, few requests wait at once and the others are told to come again."""
    before = town.served.get("/api/v1/chain").json()
    stopped(town)
    town.served.parts.chain_worker.link.status_reader.expire()
    step = Thread(target=town.served.parts.chain_worker.try_step, daemon=True)
    step.start()
    town.linked.clock.forward(90)
    began = time.monotonic()
    for _ in range(60):  # more than there are threads for requests
        now = town.served.get("/api/v1/chain").json()
        assert now | {"age_s": 0} == before | {"age_s": 0}
        assert now["age_s"] >= before["age_s"] + 90
    ready = town.served.get("/readyz")
    assert ready.status_code == 200
    assert ready.json()["chain_seen_s"] >= before["age_s"] + 90
    assert time.monotonic() - began < AT_ONCE_S
    assert step.is_alive()
    resumed(town)
    step.join()


def test_few_requests_wait_for_a_node_that_hangs(town: Town) -> None:
    """Beyond those, a transaction and a trust file that is to name a block are refused at once with 503, and everything
    else is answered."""
    stopped(town)
    asked = {"sender": "0x" + "11" * 20, "call": "0x00"}
    for _ in range(chain.MAX_ASKING):
        assert chain._asking.acquire(blocking=False)
    try:
        began = time.monotonic()
        answer = town.served.post("/api/v1/chain/transactions/prepare", msgspec.json.encode(asked))
        problem(answer, 503, "busy")
        problem(town.served.get("/api/v1/log/trust?block=latest-final"), 503, "busy")
        assert town.served.get("/api/v1/log/trust").status_code == 200
        assert time.monotonic() - began < AT_ONCE_S
    finally:
        for _ in range(chain.MAX_ASKING):
            chain._asking.release()
