"""Following the chain: whatever goes wrong at a step is told, and the next step is taken all the same."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

import pytest
from structlog.testing import capture_logs

from ledger.anchoring import worker
from ledger.anchoring.worker import ChainConnection, ChainWorker, ChainWorkerState
from ledger.chain.errors import ChainAhead
from ledger.core.errors import Unavailable
from tests.testkit.builders import POLICE, clerk
from tests.testkit.ledger_with_chain import Linked, linked_ledger

PATIENCE = 30  # seconds


@pytest.fixture
def linked(tmp_path: Path) -> Iterator[Linked]:
    """A ledger beside its chain; nothing follows it yet."""
    with linked_ledger(tmp_path) as ledger:
        ledger.grant(clerk(POLICE))
        yield ledger


def chain_worker(linked: Linked, *faults: Exception) -> ChainWorker:
    """A worker that connects at last, after each of ``faults`` was raised once."""
    left = list(faults)

    def connect() -> ChainConnection:
        if left:
            raise left.pop(0)
        return linked.link

    return ChainWorker(connect, linked.ledger.sequencer.halt, 0.01)


def test_a_step_connects_mirrors_and_anchors(linked: Linked) -> None:
    """Afterwards the log has the registry's changes, the chain worker is connected, and knows head, final block,
    registry and balance, also once the chain is away."""
    worker = chain_worker(linked)
    assert worker.chain_status is None
    assert worker.try_step()
    assert (worker.state.connected, worker.state.fault, worker.state.is_defect) == (True, None, False)
    assert worker.link.deployment == linked.deployment
    assert linked.mirror.catch_up(linked.final) == 0
    status = worker.chain_status
    assert status is not None
    assert (status.head, status.final) == (linked.final.number, linked.final.number)
    assert status.registry.change_count == linked.registry.state(linked.final.hash).change_count > 0
    assert (status.account, status.fee) == (linked.writer.account, 0)
    linked.chain.stop()
    assert worker.chain_status == status


def test_a_chain_that_is_away_is_a_fault_and_no_defect(linked: Linked) -> None:
    """Its own words are the fault's; submissions go on, and the next step connects."""
    worker = chain_worker(linked, Unavailable("the chain node does not answer"))
    assert not worker.try_step()
    assert (worker.state.fault, worker.state.is_defect) == ("the chain node does not answer", False)
    with pytest.raises(Unavailable, match="does not answer"):
        _ = worker.link
    assert linked.ledger.sequencer.is_running
    assert worker.try_step()
    assert worker.state.fault is None


def test_a_chain_that_is_ahead_halts_the_writer(linked: Linked) -> None:
    """A database that was rolled back takes nothing more."""
    worker = chain_worker(linked, ChainAhead("the chain has an anchor that the journal does not know"))
    assert not worker.try_step()
    assert not linked.ledger.sequencer.is_running


def test_an_error_that_nobody_foresaw_is_a_defect(linked: Linked) -> None:
    """The log shows where it happened; the fault is told without the error's own text; nothing else stops."""
    worker = chain_worker(linked, KeyError("parentHash"))
    with capture_logs() as logged:
        assert not worker.try_step()
    assert worker.state == ChainWorkerState(False, None, "the chain cannot be followed (KeyError)", is_defect=True)
    assert [line["exc_info"] for line in logged] == [True]
    assert linked.ledger.sequencer.is_running
    assert worker.try_step()
    assert not worker.state.is_defect


def test_the_thread_outlives_every_fault(linked: Linked, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has looked once the first step is over, however that went, and connects at last."""
    monkeypatch.setattr(worker, "FIRST_PAUSE", 0.01)
    chain_thread = chain_worker(
        linked, KeyError("parentHash"), Unavailable("the chain node does not answer"), ZeroDivisionError()
    )
    stop = Event()
    thread = Thread(target=chain_thread.run, args=(stop,))
    thread.start()
    try:
        assert chain_thread.has_looked.wait(PATIENCE)
        deadline = time.monotonic() + PATIENCE
        while not chain_thread.state.connected and time.monotonic() < deadline:
            stop.wait(0.01)
        assert chain_thread.state.connected
    finally:
        stop.set()
        thread.join(PATIENCE)
    assert not thread.is_alive()
