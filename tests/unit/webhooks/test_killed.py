"""A service that is killed in the middle of a delivery loses nothing and keeps the order."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import msgspec
import pytest

from ledger.interchange.webhooks import deliverer
from tests.api.conftest import serving
from tests.api.service import Served
from tests.testkit import machine
from tests.testkit.builders import COURT, POLICE, supervisor
from tests.testkit.casework import Case
from tests.testkit.ledgers import open_ledger, sqlite_url
from tests.unit.webhooks import sender
from tests.unit.webhooks.receiver import Receiver, receiving


@contextmanager
def killed(url: str, ahead_s: int = 0) -> Iterator[None]:
    """Start a process that delivers; kill it with SIGKILL when the block is left."""
    command = [sys.executable, "-m", "tests.unit.webhooks.sender", url, str(ahead_s)]
    process = subprocess.Popen(command, cwd=machine.REPOSITORY)
    try:
        yield
    finally:
        process.kill()
        process.wait()


@contextmanager
def delivering(url: str, ahead_s: int = 0) -> Iterator[None]:
    """Deliver in a thread until the block is left."""
    stop = Event()
    with open_ledger(url) as ledger:
        thread = Thread(target=sender.deliver, args=(ledger, stop, ahead_s))
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """Yield a service on a database that other processes deliver from."""
    with serving(tmp_path) as service:
        yield service


def add(served: Served, receiver: Receiver, agency: str = POLICE) -> None:
    token = served.token(supervisor(agency))
    assert served.post("/api/v1/webhooks", msgspec.json.encode({"url": receiver.url}), **token).status_code == 201


def test_what_was_under_way_is_sent_again(served: Served, tmp_path: Path) -> None:
    """The receiver had the first page, its answer came to nobody: it gets the page again, then the rest."""
    served.ledger.post_all(Case(step=1).open().register(*(f"item-{number}" for number in range(150))).events)
    with receiving() as receiver:
        receiver.gate.clear()
        add(served, receiver)
        with killed(sqlite_url(tmp_path)):
            machine.wait_until(lambda: len(receiver.bodies) == 1)
        receiver.gate.set()
        with delivering(sqlite_url(tmp_path), deliverer.CLAIM_MS // 1000):
            machine.wait_until(lambda: len(receiver.bodies) == 3)
        assert receiver.events() == [("case-1", n) for n in [*range(100), *range(151)]]
        ids = [given["webhook-id"] for given in receiver.given]
        assert ids[0] == ids[1] != ids[2]


def test_of_two_services_one_sends(served: Served, tmp_path: Path) -> None:
    """Both look at the same database: nothing comes twice or out of order while both live."""
    case = Case(step=1).open().register(*(f"item-{number}" for number in range(350)))
    with receiving() as receiver:
        add(served, receiver)
        with delivering(sqlite_url(tmp_path)), delivering(sqlite_url(tmp_path)):
            for start in range(0, 351, 50):
                served.ledger.post_all(case.events[start : start + 50])
            machine.wait_until(lambda: len(receiver.events()) >= 351)
        assert receiver.events() == [("case-1", n) for n in range(351)]


def test_a_dead_receiver_holds_up_nobody(served: Served, tmp_path: Path) -> None:
    """While one receiver says nothing, events come in and another agency is told of its own."""
    with receiving() as dead, receiving() as alive:
        dead.gate.clear()
        add(served, dead)
        add(served, alive, COURT)
        case = Case(step=1).open().register("phone")
        served.record(case)
        with delivering(sqlite_url(tmp_path)):
            machine.wait_until(lambda: len(dead.bodies) == 1)
            served.record(case.offer("phone", to=COURT, purpose="jurisdiction_transfer"))
            machine.wait_until(lambda: len(alive.events()) == 3)
        assert len(dead.bodies) == 1
