"""Following the chain: each change of the registry is one entry, and whatever goes wrong at a step is told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from ledger.anchoring import worker
from ledger.anchoring.anchors import WaitReason
from ledger.anchoring.registry_mirror import RegistryMirror
from ledger.anchoring.worker import ChainConnection, ChainWorker, ChainWorkerState
from ledger.chain import chain_status
from ledger.chain.errors import ChainAhead
from ledger.chain.eth import Block, Eth
from ledger.chain.rpc import JsonRpc
from ledger.core.errors import Unavailable
from ledger.core.events.registry import RegistryChange
from ledger.store import activity, log
from tests.campaigns.faults.commits import database_error, failing_commits
from tests.testkit.builders import LOG_ID, POLICE, clerk
from tests.testkit.ledger_with_chain import AGENCIES, Linked, linked_ledger
from tests.testkit.ledgers import Ledger, assemble, open_ledger
from tests.testkit.machine import wait_until

PATIENCE = 30  # seconds


@pytest.fixture
def linked(tmp_path: Path) -> Iterator[Linked]:
    """A ledger beside its chain, which has nothing but its founding; nothing follows it yet."""
    with linked_ledger(tmp_path) as ledger:
        yield ledger


def chain_worker(linked: Linked, *faults: Exception) -> ChainWorker:
    """A worker that connects at last, after each of ``faults`` was raised once."""
    left = list(faults)

    def connect() -> ChainConnection:
        if left:
            raise left.pop(0)
        return linked.link

    return ChainWorker(connect, linked.ledger.sequencer.halt, linked.ledger.database.activity, 0.01)


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
    assert status.registry.change_count == linked.anchors.now().registry_state().change_count > 0
    assert (status.account, status.fee) == (linked.writer.account, 0)
    linked.chain.stop()
    assert worker.chain_status == status


def test_a_step_that_fails_is_told_and_the_next_one_connects(linked: Linked) -> None:
    """A chain that is away is a fault in its own words. What nobody foresaw is a defect: the log shows where, and the
    fault is told without the error's own text. Submissions go on."""
    worker = chain_worker(linked, Unavailable("the chain node does not answer"), KeyError("parentHash"))
    assert not worker.try_step()
    assert (worker.state.fault, worker.state.is_defect) == ("the chain node does not answer", False)
    with pytest.raises(Unavailable, match="does not answer"):
        _ = worker.link
    with capture_logs() as logged:
        assert not worker.try_step()
    assert worker.state == ChainWorkerState(False, None, "the chain cannot be followed (KeyError)", is_defect=True)
    assert [line["exc_info"] for line in logged] == [True]
    assert linked.ledger.sequencer.is_running
    assert worker.try_step()
    assert (worker.state.fault, worker.state.is_defect) == (None, False)


def test_a_chain_that_is_ahead_halts_the_writer(linked: Linked) -> None:
    """A database that was rolled back takes nothing more."""
    worker = chain_worker(linked, ChainAhead("the chain has an anchor that the journal does not know"))
    assert not worker.try_step()
    assert not linked.ledger.sequencer.is_running


def test_the_thread_outlives_every_fault(linked: Linked, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has looked once the first step is over, however that went, and connects at last."""
    monkeypatch.setattr(worker, "FIRST_PAUSE_S", 0.01)
    chain_thread = chain_worker(
        linked, KeyError("parentHash"), Unavailable("the chain node does not answer"), ZeroDivisionError()
    )
    stop = Event()
    thread = Thread(target=chain_thread.run, args=(stop,))
    thread.start()
    try:
        assert chain_thread.has_looked.wait(PATIENCE)
        wait_until(lambda: chain_thread.state.connected)
    finally:
        stop.set()
        thread.join(PATIENCE)
    assert not thread.is_alive()


def test_a_chain_with_the_same_head_is_asked_for_little(linked: Linked, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the registry holds and the account has is that of the block: it is read again once there is another one.
    Neither are the logs of changes read while the registry's hash is that of the log."""
    monkeypatch.setattr(chain_status, "LOOK_EVERY_S", 0.0)
    reader, mirror = linked.status_reader, linked.mirror
    reader.step()
    mirror.catch_up(linked.final)
    asked: list[str] = []
    call = JsonRpc.call

    def counted(rpc: JsonRpc, method: str, *params: object, **options: float) -> object:
        asked.append(method)
        return call(rpc, method, *params, **options)

    monkeypatch.setattr(JsonRpc, "call", counted)
    before = reader.last
    assert before is not None
    linked.clock.ms += 60_000
    reader.step()
    assert reader.last.seen_at >= before.seen_at + 60
    assert (replace(reader.last, seen_at=before.seen_at), asked) == (before, ["eth_getBlockByNumber"])
    assert mirror.catch_up(linked.final) == 0
    assert "eth_getLogs" not in asked
    linked.grant(clerk(POLICE))
    reader.step()
    assert reader.last.registry.change_count == before.registry.change_count + 1
    assert mirror.catch_up(linked.final) == 1


def test_it_rests_until_the_chain_has_another_block(linked: Linked, monkeypatch: pytest.MonkeyPatch) -> None:
    """With nothing to anchor and nothing written it takes no steps, until somebody else's transaction is mined."""
    monkeypatch.setattr(worker, "LONGEST_WAIT_S", 3600.0)
    monkeypatch.setattr(activity, "LIVELY_S", 0.0)
    monkeypatch.setattr(activity, "RESTED_S", 0.01)
    looks, steps, chain_thread = [0], [0], chain_worker(linked)
    look, step = Eth.head, chain_thread.step

    def counted_look(eth: Eth) -> Block:
        looks[0] += 1
        return look(eth)

    def counted_step() -> None:
        steps[0] += 1
        step()

    monkeypatch.setattr(Eth, "head", counted_look)
    monkeypatch.setattr(chain_thread, "step", counted_step)
    stop = Event()
    thread = Thread(target=chain_thread.run, args=(stop,))
    thread.start()
    try:
        wait_until(lambda: chain_thread.state.waits is WaitReason.NOTHING_NEW and looks[0] > 20)
        rested, looked = steps[0], looks[0]
        wait_until(lambda: looks[0] > looked + 5)
        assert steps[0] == rested
        linked.grant(clerk(POLICE))
        wait_until(lambda: steps[0] > rested)
    finally:
        stop.set()
        thread.join(PATIENCE)


# -- the mirror of the registry ----------------------------------------------------------------------------------------


def mirrored(ledger: Ledger) -> list[RegistryChange]:
    with ledger.database.read() as connection:
        bodies = [log.event_of(entry).body for entry in log.registry_entries(connection)]
    assert all(isinstance(body, RegistryChange) for body in bodies)
    return bodies  # type: ignore[return-value]


def all_changes(linked: Linked) -> list[RegistryChange]:
    return linked.anchors.at(linked.final).changes(after=0, registry_hash=LOG_ID, first_block=0)


def test_every_final_change_becomes_one_entry_in_order(linked: Linked) -> None:
    """The founding and what followed stand in the log as the contract has them, with number, hash and place; a change
    above the final block waits, and a mirror that is level writes nothing."""
    founded = linked.final
    linked.grant(clerk(POLICE))
    assert linked.mirror.catch_up(founded) == len(AGENCIES) + 1
    assert linked.mirror.catch_up(linked.final) == 1
    assert linked.mirror.catch_up(linked.final) == 0
    bodies = mirrored(linked.ledger)
    assert [body.number for body in bodies] == list(range(1, len(AGENCIES) + 3))
    assert bodies == all_changes(linked)
    assert bodies[-1].registry_hash == "0x" + linked.anchors.now().registry_hash().hex()
    assert bodies[-1].location.block_hash == "0x" + linked.final.hash.hex()


class FixedRegistry:
    """A registry with these changes, wherever it is."""

    def __init__(self, changes_made: Sequence[RegistryChange]):
        self.changes_made = changes_made
        self.asked: list[int] = []

    def changes(self, *, after: int, **_place: object) -> list[RegistryChange]:
        self.asked.append(after)
        return [change for change in self.changes_made if change.number > after]


def mirror_of(ledger: Ledger, source: Any) -> RegistryMirror:
    return RegistryMirror(ledger.database, ledger.registry, ledger.system, lambda _block: source, 0)


def test_a_mirror_that_was_interrupted_goes_on_where_it_stood(linked: Linked, tmp_path: Path) -> None:
    """A commit that failed between two entries: the next process writes the rest, and nothing twice."""
    changes = all_changes(linked)
    with open_ledger(f"sqlite:///{tmp_path}/other.db", clock=linked.clock) as ledger:
        source = FixedRegistry(changes)
        assert mirror_of(ledger, FixedRegistry(changes[:2])).catch_up(linked.final) == 2
        with failing_commits(ledger.database.log, "before", database_error()), pytest.raises(Unavailable):
            mirror_of(ledger, source).catch_up(linked.final)
        restarted = assemble(ledger.database, ledger.clock)
        restarted.sequencer.start()
        try:
            assert mirror_of(restarted, source).catch_up(linked.final) == len(changes) - 2
        finally:
            restarted.sequencer.stop()
        assert source.asked == [2, 2]
        assert mirrored(ledger) == changes


def test_two_processes_mirror_each_change_once(linked: Linked, tmp_path: Path) -> None:
    """One that was overtaken by another writes nothing twice, stops nothing, and is level the next time."""
    changes = all_changes(linked)
    url = f"sqlite:///{tmp_path}/other.db"
    with open_ledger(url, clock=linked.clock) as first, open_ledger(url, clock=linked.clock) as two:

        class Overtaken(FixedRegistry):
            """Answers, and meanwhile the other process mirrors all of it."""

            def changes(self, *, after: int, **others: object) -> list[RegistryChange]:
                answer = super().changes(after=after, **others)
                mirror_of(two, FixedRegistry(changes)).catch_up(linked.final)
                return answer

        overtaken = mirror_of(first, Overtaken(changes))
        assert overtaken.catch_up(linked.final) == 0
        assert overtaken.catch_up(linked.final) == 0
        assert mirrored(first) == changes
        assert (first.sequencer.failure, two.sequencer.failure) == (None, None)
