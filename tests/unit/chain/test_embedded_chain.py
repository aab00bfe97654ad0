"""The embedded chain as a backend: killed again and again while several threads write."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from ledger.chain import node as nodes
from ledger.chain.errors import ChainUnavailable
from ledger.chain.journal import Purpose, WriteState
from ledger.chain.node import ChainIncident, EmbeddedNode, IncidentKind, replayed
from ledger.chain.transaction import sign
from tests.unit.chain.builders import Key
from tests.unit.chain.memory_journal import MemoryJournal
from tests.unit.chain.world import ADMINS, World, embedded_world, granted_by

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
    start_node: Callable[..., EmbeddedNode],
    journal: MemoryJournal,
    incidents: list[ChainIncident],
    anvil_binary: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Three admins grant keys while the node is killed again and again: each grant once, and the journal replays."""
    monkeypatch.setattr(nodes, "DUMP_EVERY", 5)
    node = start_node()
    world = embedded_world(node, journal)
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
    assert IncidentKind.NODE_EDITED not in {incident.kind for incident in incidents}
    times = [write.timestamp for write in journal.writes()]
    assert times == sorted(set(times))
    with replayed(binary=anvil_binary, journal=journal) as replay:
        replay.require_same(node.eth, world.deployment)
        assert replay.head == node.final_block()


def test_a_read_brings_a_killed_node_back(start_node: Callable[..., EmbeddedNode], journal: MemoryJournal) -> None:
    """Whoever reads next finds the chain as it was."""
    node = start_node()
    world = embedded_world(node, journal)
    before = world.registry.state("latest")
    pid = node.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    while node.runs():
        pass
    assert world.registry.state("latest") == before


def test_a_node_that_cannot_come_back_leaves_the_write_signed(
    start_node: Callable[..., EmbeddedNode], journal: MemoryJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Journaled, and the node gone for good: the write comes back signed, and is mined when there is a node again."""
    node = start_node()
    world = embedded_world(node, journal)
    request = world.next_anchor()
    append = journal.append

    def append_and_kill(write: object) -> None:
        append(write)  # type: ignore[arg-type]
        monkeypatch.setattr(node, "binary", Path("/nowhere/anvil"))
        assert node.pid is not None
        os.kill(node.pid, signal.SIGKILL)
        while node.runs():
            pass

    monkeypatch.setattr(journal, "append", append_and_kill)
    assert world.anchor.submit(request).state is WriteState.SIGNED
    with pytest.raises(ChainUnavailable):
        world.anchor.refresh()
    monkeypatch.undo()
    world.anchor.refresh()
    assert [write.state for write in journal.writes()][-1] is WriteState.CONFIRMED
