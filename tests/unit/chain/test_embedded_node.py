"""The embedded node is a cache of the journal, whatever happens to the one or the other."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from ledger.chain import node as nodes
from ledger.chain.errors import ChainAhead, ChainMismatch, ChainUnavailable
from ledger.chain.journal import WriteState
from ledger.chain.node import ChainIncident, EmbeddedNode, IncidentKind
from ledger.core.encoding.digests import keccak256
from tests.unit.chain.builders import FIRST_TIME, REFUSED, REVERTING, SENDER, append_creation
from tests.unit.chain.memory_journal import MemoryJournal

StartNode = Callable[..., EmbeddedNode]


def grow(node: EmbeddedNode, journal: MemoryJournal, blocks: int) -> None:
    for _ in range(blocks):
        append_creation(journal)
        node.catch_up()


def hashes(node: EmbeddedNode) -> list[bytes]:
    return [block.hash for block in node.eth.blocks(range(node.final_block().number + 1))]


def kill(node: EmbeddedNode) -> None:
    """kill -9, and wait until the node is gone."""
    pid = node.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    while alive(pid):
        pass


def created(nonce: int) -> str:
    """The address of what SENDER created with its transaction ``nonce`` (1 to 127)."""
    return "0x" + keccak256(b"\xd6\x94" + bytes.fromhex(SENDER.key_id[2:]) + bytes([nonce]))[12:].hex()


def test_one_write_is_one_block_at_its_time(start_node: StartNode, journal: MemoryJournal) -> None:
    """Each write is alone in the next block, which has the write's timestamp; the journal has its number and hash."""
    node = start_node()
    grow(node, journal, 3)
    for write in journal.writes():
        block = node.eth.block(write.number)
        assert block is not None
        assert block.timestamp == FIRST_TIME + write.number
        assert block.transactions == (write.transaction_hash,)
        assert (write.state, write.block_number, write.block_hash) == (WriteState.CONFIRMED, block.number, block.hash)


def test_a_revert_is_invalid_and_stays_in_the_chain(start_node: StartNode, journal: MemoryJournal) -> None:
    """A reverting transaction has its block; the write is invalid with it, and a replay makes the block again."""
    node = start_node()
    write = append_creation(journal, data=REVERTING)
    node.catch_up()
    stored = journal.find(write.transaction_hash)
    assert stored is not None
    assert (stored.state, stored.block_number) == (WriteState.INVALID, 1)
    grow(node, journal, 1)
    before = hashes(node)
    kill(node)
    node.catch_up()
    assert hashes(node) == before


def test_a_refused_write_is_invalid_without_a_block(start_node: StartNode, journal: MemoryJournal) -> None:
    """What the node does not take is invalid, takes no block, and is not tried again by a replay."""
    node = start_node()
    grow(node, journal, 1)
    stray = append_creation(journal, data=b"stray")
    journal.update(replace(stray, state=WriteState.INVALID))
    append_creation(journal, data=REFUSED)  # its nonce is free again
    node.catch_up()
    grow(node, journal, 1)
    before = hashes(node)
    node.stop()
    assert hashes(start_node()) == before
    assert [(write.nonce, write.block_number) for write in journal.writes()] == [(0, 1), (1, None), (1, None), (1, 2)]


@pytest.mark.parametrize("damage", [b"{", b'{"accounts":{}}', None], ids=["torn", "another", "lost"])
def test_killed_with_a_damaged_dump_it_comes_back_the_same(
    start_node: StartNode,
    journal: MemoryJournal,
    incidents: list[ChainIncident],
    tmp_path: Path,
    damage: bytes | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """kill -9 and a torn, garbled or lost dump: the same block hashes again, and the chain goes on."""
    monkeypatch.setattr(nodes, "DUMP_EVERY", 2)
    node = start_node()
    grow(node, journal, 5)
    before = hashes(node)
    dump = tmp_path / "chain" / "state.json"
    if damage is None:
        dump.unlink()
    else:
        dump.write_bytes(damage)
    kill(node)
    node.catch_up()
    assert hashes(node) == before
    kinds = [incident.kind for incident in incidents]
    assert kinds == [IncidentKind.NODE_LOST] + ([] if damage is None else [IncidentKind.DUMP_UNREADABLE])
    grow(node, journal, 1)
    assert hashes(node)[:-1] == before


def test_an_older_dump_is_caught_up_from_the_journal(
    start_node: StartNode, journal: MemoryJournal, incidents: list[ChainIncident]
) -> None:
    """A sound dump of earlier blocks is loaded and the rest mined on it: same hashes as without the dump."""
    node = start_node()
    grow(node, journal, 3)
    node.dump()
    grow(node, journal, 3)
    before = hashes(node)
    kill(node)
    again = start_node()
    assert hashes(again) == before
    assert again.eth.proven_state_root("latest") == again.eth.head().state_root
    assert incidents == []


def test_a_write_that_was_not_sent_is_mined_at_start(start_node: StartNode, journal: MemoryJournal) -> None:
    """Killed between the journal's commit and the send: the next start mines the write."""
    node = start_node()
    grow(node, journal, 1)
    node.stop()
    append_creation(journal)
    assert start_node().final_block().number == 2
    assert journal.unsettled() == []


def test_a_block_that_the_journal_did_not_take_is_made_again(
    start_node: StartNode, journal: MemoryJournal, monkeypatch: pytest.MonkeyPatch, incidents: list[ChainIncident]
) -> None:
    """Where the journal fails after the block was made, nobody hears of it; the write gets that same block later."""
    node = start_node()
    grow(node, journal, 1)
    write = append_creation(journal)
    monkeypatch.setattr(journal, "update", failing_update)
    with pytest.raises(OSError, match="disk full"):
        node.catch_up()
    monkeypatch.undo()
    assert journal.find(write.transaction_hash) == write
    node.catch_up()
    stored = journal.find(write.transaction_hash)
    assert stored is not None
    assert (stored.state, stored.block_number) == (WriteState.CONFIRMED, 2)
    assert incidents == []


def failing_update(write: object) -> None:
    raise OSError("disk full")


STRANGERS_CALLS: list[tuple[str, *tuple[object, ...]]] = [
    ("anvil_setStorageAt", created(1), f"0x{2:064x}", f"0x{99:064x}"),
    ("anvil_setCode", created(1), "0x00"),
    ("evm_mine",),
    ("anvil_setCoinbase", "0x" + "11" * 20),
    ("evm_setBlockGasLimit", "0x1312d00"),
    ("evm_setBlockGasLimit", "0x5208"),  # below what the write asks for
    ("anvil_setNextBlockBaseFeePerGas", "0x7"),
    ("anvil_reorg", 1, []),
]


def test_whoever_uses_the_node_behind_the_journal_changes_no_block(
    start_node: StartNode, journal: MemoryJournal, incidents: list[ChainIncident]
) -> None:
    """Storage, code, blocks, limits or a reorganisation of a stranger: the node is made anew before a block is built on
    it, and the chain goes on as the journal has it."""
    node = start_node()
    grow(node, journal, 2)
    for count, (method, *params) in enumerate(STRANGERS_CALLS, 1):
        before = hashes(node)
        node.eth.rpc.call(method, *params)
        grow(node, journal, 1)
        assert [incident.kind for incident in incidents] == [IncidentKind.NODE_EDITED] * count, method
        assert hashes(node)[:-1] == before, method
    before = hashes(node)
    kill(node)
    node.catch_up()
    assert hashes(node) == before, "the blocks made after the edits are reproducible"


@pytest.mark.parametrize("field", ["storage", "first timestamp", "last timestamp", "gas_limit"])
def test_an_edited_dump_is_set_aside(
    start_node: StartNode, journal: MemoryJournal, incidents: list[ChainIncident], tmp_path: Path, field: str
) -> None:
    """A dump whose state, header or environment was edited is not built on: same hashes, and an incident."""
    node = start_node()
    grow(node, journal, 3)
    before = hashes(node)
    node.stop()
    dump = tmp_path / "chain" / "state.json"
    state = msgspec.json.decode(dump.read_bytes())
    if field == "storage":
        state["accounts"][created(1)]["storage"]["0x" + "00" * 31 + "02"] = "0x" + "00" * 31 + "63"
    elif field == "gas_limit":
        state["block"]["gas_limit"] = 20_000_000
        append_creation(journal)
    else:
        headers = {block["header"]["number"]: block["header"] for block in state["blocks"]}
        headers["0x1" if field == "first timestamp" else "0x3"]["timestamp"] = "0x1"
    dump.write_bytes(msgspec.json.encode(state))
    again = start_node()
    assert hashes(again)[:4] == before
    assert [incident.kind for incident in incidents] == [IncidentKind.DUMP_EDITED]
    assert again.eth.proven_state_root("latest") == again.eth.head().state_root


def test_a_dump_ahead_of_the_journal_is_refused(
    start_node: StartNode, journal: MemoryJournal, tmp_path: Path, anvil_binary: Path
) -> None:
    """An older database beside a newer dump is a rollback: no start, and the message says what to do."""
    node = start_node()
    grow(node, journal, 2)
    backup = MemoryJournal(journal.writes())
    grow(node, journal, 1)
    node.stop()
    again = EmbeddedNode(binary=anvil_binary, directory=tmp_path / "chain", journal=backup)
    with pytest.raises(ChainAhead, match="3 blocks, the journal 2") as refused:
        again.start()
    assert refused.value.hint is not None
    assert again.pid is None, "a start that was refused leaves no process"


def test_a_mark_is_ahead_of_the_journal_where_no_dump_is(
    start_node: StartNode, journal: MemoryJournal, tmp_path: Path
) -> None:
    """Killed, not stopped, the service leaves no newer dump; the mark of the last block shows the rollback all the
    same, and a history that was written on after it. A refusal leaves the mark as it is."""
    node = start_node()
    grow(node, journal, 2)
    rolled_back = MemoryJournal(journal.writes())
    grow(node, journal, 1)
    kill(node)
    append_creation(rolled_back, data=REVERTING)  # signed, and in no block yet
    for _ in range(2):
        with pytest.raises(ChainAhead, match="3 blocks, the journal 2"):
            start_node(journal=rolled_back)
    elsewhere = start_node(journal=rolled_back, directory=tmp_path / "elsewhere")
    assert elsewhere.final_block().number == 3
    with pytest.raises(ChainMismatch) as refused:
        start_node(journal=rolled_back)
    assert refused.value.block_number == 3


@pytest.mark.parametrize("damage", [b"seven 00", b"\xff" * 40])
def test_a_damaged_mark_proves_nothing(
    start_node: StartNode, journal: MemoryJournal, tmp_path: Path, damage: bytes
) -> None:
    """It is a witness and no part of the chain: without it the chain starts, and it is written anew."""
    node = start_node()
    grow(node, journal, 2)
    kill(node)
    mark = tmp_path / "chain" / "head"
    mark.write_bytes(damage)
    again = start_node()
    assert mark.read_text() == f"2 {again.final_block().hash.hex()}\n"


def test_a_chain_whose_folder_is_gone_at_start_is_an_incident(
    start_node: StartNode, journal: MemoryJournal, incidents: list[ChainIncident], tmp_path: Path
) -> None:
    """The journal makes the same blocks again, and it is told that they were lost; a first start has lost nothing."""
    node = start_node()
    assert incidents == []
    grow(node, journal, 2)
    before = hashes(node)
    node.stop()
    shutil.rmtree(tmp_path / "chain")
    assert hashes(start_node()) == before
    assert [incident.kind for incident in incidents] == [IncidentKind.NODE_LOST]


def test_a_journal_with_another_history_than_the_dump_is_refused(
    start_node: StartNode, journal: MemoryJournal, tmp_path: Path
) -> None:
    """Rolled back and written on: the dump still knows the other block 2, and the error names it."""
    node = start_node()
    grow(node, journal, 2)
    node.stop()
    other = MemoryJournal()
    rewritten = start_node(journal=other, directory=tmp_path / "elsewhere")
    grow(rewritten, other, 1)
    append_creation(other, data=REVERTING)
    rewritten.catch_up()
    with pytest.raises(ChainMismatch) as refused:
        start_node(journal=other)
    assert refused.value.block_number == 2


def test_an_edited_journal_is_refused(start_node: StartNode, journal: MemoryJournal, tmp_path: Path) -> None:
    """A timestamp, or a block hash, changed in the journal contradicts the replay from that block on."""
    node = start_node()
    grow(node, journal, 3)
    node.stop()
    (tmp_path / "chain" / "state.json").unlink()
    *earlier, last = journal.writes()
    edited = MemoryJournal([*earlier, replace(last, timestamp=FIRST_TIME + 1000)])
    with pytest.raises(ChainMismatch) as refused:
        start_node(journal=edited)
    assert refused.value.block_number == 3


def test_without_anvil_it_says_so(start_node: StartNode, tmp_path: Path) -> None:
    """A missing binary is Unavailable, with what to run."""
    with pytest.raises(ChainUnavailable, match="does not start") as refused:
        start_node(binary=tmp_path / "no-anvil")
    assert refused.value.hint is not None


def test_the_node_dies_with_its_parent(anvil_binary: Path, tmp_path: Path) -> None:
    """kill -9 of the service leaves no Anvil behind."""
    program = (
        "import sys, time; from pathlib import Path\n"
        "from ledger.chain.node import EmbeddedNode; from tests.unit.chain.memory_journal import MemoryJournal\n"
        f"node = EmbeddedNode(binary=Path({str(anvil_binary)!r}), directory=Path({str(tmp_path)!r}) / 'chain',"
        " journal=MemoryJournal())\n"
        "node.start(); print(node.pid, flush=True); time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert Path(f"/proc/{child}").exists()
    parent.kill()
    parent.wait()
    while alive(child):
        pass


def alive(pid: int) -> bool:
    """Whether the process is there and no zombie."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
