"""The embedded chain as a backend: killed again and again while threads write, and mined again by an audit."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from ledger.chain import node as nodes
from ledger.chain.errors import ChainMismatch, ChainUnavailable
from ledger.chain.journal import ChainWrite, Purpose, WriteState
from ledger.chain.node import replayed
from ledger.chain.transaction import sign
from ledger.core.encoding.digests import keccak256
from tests.unit.chain.builders import EmbeddedBench, Key
from tests.unit.chain.memory_journal import MemoryJournal
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


# -- an audit mines the journal again ----------------------------------------------------------------------------------


RECORD_COUNT, RECORDS = 0, 1  # slots of the anchor contract: the number of records, and the mapping of them


def check(world: World, binary: Path, journal: MemoryJournal | None = None) -> int:
    """The blocks that came out the same."""
    with replayed(binary=binary, journal=journal or world.journal) as replay:
        replay.require_same(world.chain.eth, world.deployment)
        return replay.head.number


def set_slot(world: World, contract: str, slot: int, value: str) -> None:
    """What somebody at the node can do."""
    world.chain.eth.rpc.call("anvil_setStorageAt", contract, f"0x{slot:064x}", "0x" + value.rjust(64, "0"))


def test_records_that_were_added_by_hand_are_found(world: World, anvil_binary: Path) -> None:
    """The count of records set by hand: the live node has more of them than the journal makes."""
    world.anchor_more()
    set_slot(world, world.deployment.anchor, RECORD_COUNT, "07")
    assert world.anchor.head("latest").number == 7
    with pytest.raises(ChainMismatch, match=r"the number of anchor records was edited .* makes 1, the node has 7"):
        check(world, anvil_binary)


def test_an_edited_state_is_found_and_a_record_named(
    world: World, anvil_binary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any slot set by hand: the live state is not what the journal makes. The root of the second of three records: it
    is that record which differs."""
    monkeypatch.setattr(nodes, "LOOKS", 1)
    for _ in range(3):
        world.anchor_more()
    set_slot(world, world.deployment.registry, 1000, "07")
    with pytest.raises(ChainMismatch, match="state") as raised:
        check(world, anvil_binary)
    assert raised.value.block_number == 5
    slot = keccak256((2).to_bytes(32, "big") + RECORDS.to_bytes(32, "big"))
    set_slot(world, world.deployment.anchor, int.from_bytes(slot, "big"), "66" * 32)
    with pytest.raises(ChainMismatch, match=f"record 2 of the anchor contract was edited .*{'66' * 32}"):
        check(world, anvil_binary)


def test_a_node_that_has_moved_on_is_followed(world: World, anvil_binary: Path) -> None:
    """An anchor that comes while the journal is replayed is mined, too, before the two are compared."""
    with replayed(binary=anvil_binary, journal=world.journal) as replay:
        world.anchor_more()
        replay.require_same(world.chain.eth, world.deployment)
        assert replay.head == world.chain.final_block()


def test_an_edited_journal_is_found_at_its_block(world: World, anvil_binary: Path) -> None:
    """A write exchanged, re-timed or with another hash: the first block that differs is named."""
    for _ in range(3):
        world.anchor_more()
    writes = list(world.journal.writes())
    edits = {
        "timestamp": [*writes[:3], replace(writes[3], timestamp=writes[3].timestamp - 1), *writes[4:]],
        "hash": [*writes[:3], replace(writes[3], block_hash=bytes(32)), *writes[4:]],
        "exchanged": [*writes[:3], replace(writes[4], number=4, block_number=4), *writes[4:4]],
    }
    for name, edited in edits.items():
        with pytest.raises(ChainMismatch) as raised:
            check(world, anvil_binary, MemoryJournal(edited))
        assert raised.value.block_number == 4, name


def test_a_journal_cut_short_is_found(world: World, anvil_binary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last write deleted: the live node is a block further than what the journal makes."""
    monkeypatch.setattr(nodes, "LOOKS", 1)
    world.anchor_more()
    shorter = MemoryJournal(list(world.journal.writes())[:-1])
    with pytest.raises(ChainMismatch, match="stands at block 3"):
        check(world, anvil_binary, shorter)
