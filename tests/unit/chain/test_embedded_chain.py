"""The embedded chain, killed again and again, and mined again by an audit; its node is a cache of the journal."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ledger.chain import node as nodes
from ledger.chain.contract_clients import RegistryState
from ledger.chain.errors import ChainAhead, ChainMismatch, ChainUnavailable
from ledger.chain.journal import ChainWrite, Purpose, WriteState
from ledger.chain.node import replayed
from ledger.chain.transaction import sign
from ledger.core.encoding.digests import keccak256
from tests.unit.chain.builders import FIRST_TIME, REFUSED, REVERTING, SENDER, EmbeddedBench, Key, alive, append_creation
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
    assert world.anchor.now().registry_state().change_count == len(granted) + len(world.founding.changes())
    assert "node_edited" not in bench.kinds()
    times = [write.timestamp for write in journal.writes()]
    assert times == sorted(set(times))
    with replayed(binary=anvil_binary, journal=journal) as replay:
        replay.require_same(node.eth, world.deployment)
        assert replay.head == node.final_block()


def test_a_read_brings_a_killed_node_back(world: World, bench: EmbeddedBench) -> None:
    """Whoever reads next finds the chain as it was."""
    before = world.anchor.now().registry_state()
    bench.kill()
    assert world.anchor.now().registry_state() == before


def test_nobody_reads_a_node_that_is_being_brought_back(
    world: World, bench: EmbeddedBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One thread brings a killed node back, and another reads meanwhile: it waits for the chain as it was."""
    before, mine = world.anchor.now().registry_state(), nodes.mine
    mines, may_mine = threading.Event(), threading.Event()

    def mine_later(*args: Any) -> Any:
        mines.set()
        may_mine.wait()
        return mine(*args)

    monkeypatch.setattr(nodes, "mine", mine_later)
    bench.kill()
    states: list[RegistryState] = []
    threads = [
        threading.Thread(target=bench.node.catch_up),
        threading.Thread(target=lambda: states.append(world.anchor.now().registry_state())),
    ]
    threads[0].start()
    mines.wait()
    threads[1].start()
    threads[1].join(0.2)
    waits = threads[1].is_alive()
    may_mine.set()
    for thread in threads:
        thread.join()
    assert waits
    assert states == [before]


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
    assert world.anchor.now().head().number == 7
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


# -- the node ----------------------------------------------------------------------------------------------------------


def created(nonce: int) -> str:
    """The address of what SENDER created with its transaction ``nonce`` (1 to 127)."""
    return "0x" + keccak256(b"\xd6\x94" + bytes.fromhex(SENDER.key_id[2:]) + bytes([nonce]))[12:].hex()


def word(number: int) -> str:
    return f"0x{number:064x}"


def test_one_write_is_one_block_at_its_time(bench: EmbeddedBench) -> None:
    """Each write is alone in the next block, which has the write's timestamp; the journal has its number and hash."""
    node = bench.start()
    bench.grow(3)
    writes = list(bench.journal.writes())
    assert len(writes) == 3
    for write in writes:
        block = node.eth.block(write.number)
        assert block is not None
        assert block.timestamp == FIRST_TIME + write.number
        assert block.transactions == (write.transaction_hash,)
        assert (write.state, write.block_number, write.block_hash) == (WriteState.CONFIRMED, block.number, block.hash)


def test_a_write_that_reverts_or_is_refused_is_invalid(bench: EmbeddedBench) -> None:
    """A reverting transaction has its block, and a replay makes that again. What the node does not take has none, is
    not tried again by a replay, and leaves its nonce free."""
    node, journal = bench.start(), bench.journal
    append_creation(journal, data=REVERTING)
    node.catch_up()
    stray = append_creation(journal, data=b"stray")
    journal.update(replace(stray, state=WriteState.INVALID))
    append_creation(journal, data=REFUSED)
    node.catch_up()
    before = bench.grow(1)
    bench.kill()
    assert bench.hashes() == before
    node.stop()
    bench.start()
    assert bench.hashes() == before
    assert [(write.nonce, write.block_number, write.state.value) for write in journal.writes()] == [
        (0, 1, "invalid"),
        (1, None, "invalid"),
        (1, None, "invalid"),
        (1, 2, "confirmed"),
    ]


@pytest.mark.parametrize("damage", [b"{", b'{"accounts":{}}', None], ids=["torn", "another", "lost"])
def test_killed_with_a_damaged_dump_it_comes_back_the_same(
    bench: EmbeddedBench, damage: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """kill -9 and a torn, garbled or lost dump: the same block hashes again, and the chain goes on."""
    monkeypatch.setattr(nodes, "DUMP_EVERY", 2)
    bench.start()
    before = bench.grow(5)
    dump = bench.folder / "state.json"
    if damage is None:
        dump.unlink()
    else:
        dump.write_bytes(damage)
    bench.kill()
    bench.node.catch_up()
    assert bench.hashes() == before
    assert bench.kinds() == ["node_lost"] + ([] if damage is None else ["dump_unreadable"])
    assert bench.grow(1)[:-1] == before


def test_an_older_dump_is_caught_up_from_the_journal(bench: EmbeddedBench) -> None:
    """A sound dump of earlier blocks is loaded and the rest mined on it, with what was journaled and not sent: same
    hashes as without the dump."""
    bench.start()
    bench.grow(3)
    bench.node.dump()
    before = bench.grow(3)
    append_creation(bench.journal)
    bench.kill()
    again = bench.start()
    assert bench.hashes()[:-1] == before
    assert bench.journal.unsettled() == []
    assert again.eth.proven_state_root("latest") == again.eth.head().state_root
    assert bench.incidents == []


def test_a_block_that_the_journal_did_not_take_is_made_again(
    bench: EmbeddedBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the journal fails after the block was made, nobody hears of it; the write gets that same block later."""

    def failing_update(write: object) -> None:
        raise OSError("disk full")

    node, journal = bench.start(), bench.journal
    bench.grow(1)
    write = append_creation(journal)
    with monkeypatch.context() as patch:
        patch.setattr(journal, "update", failing_update)
        with pytest.raises(OSError, match="disk full"):
            node.catch_up()
    assert journal.last() == write
    node.catch_up()
    assert [(stored.state, stored.block_number) for stored in journal.writes()][1:] == [(WriteState.CONFIRMED, 2)]
    assert bench.incidents == []


STRANGERS_CALLS: list[tuple[str, *tuple[object, ...]]] = [
    ("anvil_setStorageAt", created(1), word(2), word(99)),
    ("anvil_setCode", created(1), "0x00"),
    ("evm_mine",),
    ("anvil_setCoinbase", "0x" + "11" * 20),
    ("evm_setBlockGasLimit", "0x1312d00"),
    ("evm_setBlockGasLimit", "0x5208"),  # below what the write asks for
    ("anvil_setNextBlockBaseFeePerGas", "0x7"),
    ("anvil_reorg", 1, []),
]


def test_whoever_uses_the_node_behind_the_journal_changes_no_block(bench: EmbeddedBench) -> None:
    """Storage, code, blocks, limits or a reorganisation of a stranger: the node is made anew before a block is built on
    it, and the chain goes on as the journal has it."""
    bench.start()
    before = bench.grow(2)
    for count, (method, *params) in enumerate(STRANGERS_CALLS, 1):
        bench.node.eth.rpc.call(method, *params)
        after = bench.grow(1)
        assert bench.kinds() == ["node_edited"] * count, method
        assert after[:-1] == before, method
        before = after
    bench.kill()
    assert bench.hashes() == before, "the blocks made after the edits are reproducible"


def edit_timestamp(state: Any, number: str) -> None:
    headers = {block["header"]["number"]: block["header"] for block in state["blocks"]}
    headers[number]["timestamp"] = "0x1"


DUMP_EDITS: dict[str, Callable[[Any], object]] = {
    "storage": lambda state: state["accounts"][created(1)]["storage"].update({word(2): word(99)}),
    "first timestamp": lambda state: edit_timestamp(state, "0x1"),
    "last timestamp": lambda state: edit_timestamp(state, "0x3"),
    "gas limit": lambda state: state["block"].update(gas_limit=20_000_000),
}


@pytest.mark.parametrize("edit", DUMP_EDITS.values(), ids=DUMP_EDITS)
def test_an_edited_dump_is_set_aside(bench: EmbeddedBench, edit: Callable[[Any], object]) -> None:
    """A dump whose state, header or environment was edited is not built on: same hashes, and an incident."""
    bench.start()
    before = bench.grow(3)
    bench.node.stop()
    dump = bench.folder / "state.json"
    state = msgspec.json.decode(dump.read_bytes())
    edit(state)
    dump.write_bytes(msgspec.json.encode(state))
    append_creation(bench.journal)
    again = bench.start()
    assert bench.hashes()[:-1] == before
    assert bench.kinds() == ["dump_edited"]
    assert again.eth.proven_state_root("latest") == again.eth.head().state_root


def test_a_dump_ahead_of_the_journal_is_refused(bench: EmbeddedBench) -> None:
    """An older database beside a newer dump is a rollback: no start, and the message says what to do."""
    bench.start()
    bench.grow(2)
    backup = MemoryJournal(bench.journal.writes())
    bench.grow(1)
    bench.node.stop()
    with pytest.raises(ChainAhead, match="3 blocks, the journal 2") as refused:
        bench.start(journal=backup)
    assert refused.value.hint is not None
    assert bench.node.pid is None, "a start that was refused leaves no process"


def test_a_mark_is_ahead_of_the_journal_where_no_dump_is(bench: EmbeddedBench, tmp_path: Path) -> None:
    """Killed, not stopped, the service leaves no newer dump; the mark of the last block shows the rollback all the
    same, and a history that was written on after it. A refusal leaves the mark as it is."""
    bench.start()
    bench.grow(2)
    rolled_back = MemoryJournal(bench.journal.writes())
    bench.grow(1)
    bench.kill()
    append_creation(rolled_back, data=REVERTING)  # signed, and in no block yet
    for _ in range(2):
        with pytest.raises(ChainAhead, match="3 blocks, the journal 2"):
            bench.start(journal=rolled_back)
    assert bench.start(journal=rolled_back, directory=tmp_path / "elsewhere").final_block().number == 3
    with pytest.raises(ChainMismatch) as refused:
        bench.start(journal=rolled_back)
    assert refused.value.block_number == 3


@pytest.mark.parametrize("damage", [b"seven 00", b"\xff" * 40])
def test_a_damaged_mark_proves_nothing(bench: EmbeddedBench, damage: bytes) -> None:
    """It is a witness and no part of the chain: without it the chain starts, and it is written anew."""
    bench.start()
    bench.grow(2)
    bench.kill()
    mark = bench.folder / "head"
    mark.write_bytes(damage)
    final = bench.start().final_block()
    assert mark.read_text() == f"2 {final.hash.hex()}\n"


def test_a_chain_whose_folder_is_gone_at_start_is_an_incident(bench: EmbeddedBench) -> None:
    """The journal makes the same blocks again, and it is told that they were lost; a first start has lost nothing."""
    bench.start()
    assert bench.incidents == []
    before = bench.grow(2)
    bench.node.stop()
    shutil.rmtree(bench.folder)
    bench.start()
    assert bench.hashes() == before
    assert bench.kinds() == ["node_lost"]


def test_a_journal_with_another_history_is_refused_at_its_block(bench: EmbeddedBench, tmp_path: Path) -> None:
    """Rolled back and written on, the dump still knows the other block 2; without a dump, a timestamp that was changed
    in the journal contradicts the replay. The error names the block."""
    bench.start()
    bench.grow(2)
    bench.node.stop()
    first, second = bench.journal.writes()
    shorter = MemoryJournal([first])
    append_creation(shorter, data=REVERTING)
    bench.start(journal=shorter, directory=tmp_path / "elsewhere")
    edited = MemoryJournal([first, replace(second, timestamp=FIRST_TIME + 1000)])
    (bench.folder / "head").unlink()
    for journal in (shorter, edited):
        with pytest.raises(ChainMismatch) as refused:
            bench.start(journal=journal)
        assert refused.value.block_number == 2
        (bench.folder / "state.json").unlink(missing_ok=True)


def test_without_anvil_it_says_so(bench: EmbeddedBench, tmp_path: Path) -> None:
    """A missing binary is Unavailable, with what to run."""
    with pytest.raises(ChainUnavailable, match="does not start") as refused:
        bench.start(binary=tmp_path / "no-anvil")
    assert refused.value.hint is not None


def test_the_node_dies_with_its_parent(anvil_binary: Path, tmp_path: Path) -> None:
    """kill -9 of the service leaves no Anvil behind."""
    program = (
        "import time; from pathlib import Path; from tests.unit.chain.builders import EmbeddedBench\n"
        f"bench = EmbeddedBench(Path({str(anvil_binary)!r}), Path({str(tmp_path)!r}) / 'chain')\n"
        "print(bench.start().pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert Path(f"/proc/{child}").exists()
    parent.kill()
    parent.wait()
    while alive(child):
        pass
