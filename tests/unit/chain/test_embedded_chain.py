"""The embedded chain as a backend: killed again and again while several threads write."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from ledger.chain import node as nodes
from ledger.chain.errors import ChainUnavailable
from ledger.chain.journal import ChainWrite, Purpose, WriteState
from ledger.chain.node import replayed
from ledger.chain.transaction import sign
from tests.unit.chain.builders import EmbeddedBench, Key
from tests.unit.chain.world import ADMINS, World, found, granted_by

GRANTS = 4  # of each admin


def grant_keys(world: World, admin: Key) -> None:
    """Signs each grant once it can be prepared, and hands in the same bytes until they are in the journal."""
    for number in range(GRANTS):
        call = granted_by(world, admin, Key(f"{admin.name} {number}"), officer=f"p-{number}")
        raw = None
        while raw is None:
            with suppress(ChainUnavailable):
                raw = sign(world.registry.prepare(admin.key_id, call), admin).raw
        write = None
        while write is None:
            with suppress(ChainUnavailable):
                write = world.registry.relay(raw)


def test_nothing_is_lost_or_doubled_when_the_node_is_killed_under_load(
    bench: EmbeddedBench, anvil_binary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three admins grant keys while the node is killed again and again: each grant once, and the journal replays."""
    monkeypatch.setattr(nodes, "DUMP_EVERY", 5)
    node, journal = bench.start(), bench.journal
    world = found(node, journal)
    threads = [threading.Thread(target=grant_keys, args=(world, admin)) for admin in ADMINS.values()]
    for thread in threads:
        thread.start()
    for _ in range(10):
        pid = node.pid
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        threads[0].join(0.05)
    for thread in threads:
        thread.join()
    world.writer.refresh()

    granted = [write for write in journal.writes() if write.purpose is Purpose.REGISTRY]
    assert [write.state for write in granted] == [WriteState.CONFIRMED] * (GRANTS * len(ADMINS))
    assert world.registry.state("latest").change_count == len(granted) + len(world.founding.changes())
    assert "node_edited" not in bench.kinds()
    times = [write.timestamp for write in journal.writes()]
    assert times == sorted(set(times))
    with replayed(binary=anvil_binary, journal=journal) as replay:
        replay.require_same(node.eth, world.deployment)
        assert replay.head == node.final_block()


def test_a_read_brings_a_killed_node_back(world: World, bench: EmbeddedBench) -> None:
    """Whoever reads next finds the chain as it was."""
    before = world.registry.state("latest")
    bench.kill()
    assert world.registry.state("latest") == before


def test_a_node_that_cannot_come_back_leaves_the_write_signed(
    world: World, bench: EmbeddedBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Journaled, and the node gone for good: the write comes back signed, and is mined when there is a node again."""
    request, append = world.next_anchor(), bench.journal.append

    def append_and_kill(write: ChainWrite) -> None:
        append(write)
        monkeypatch.setattr(bench.node, "binary", Path("/nowhere/anvil"))
        bench.kill()

    monkeypatch.setattr(bench.journal, "append", append_and_kill)
    assert world.anchor.submit(request).state is WriteState.SIGNED
    with pytest.raises(ChainUnavailable):
        world.anchor.refresh()
    monkeypatch.undo()
    world.anchor.refresh()
    assert [write.state for write in bench.journal.writes()][-1] is WriteState.CONFIRMED
