"""An audit mines the whole journal again and holds the live node against it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ledger.chain.errors import ChainMismatch
from ledger.chain.replay import replay_check
from tests.chain.file_journal import FileJournal
from tests.chain.world import World


def check(world: World, binary: Path, journal: FileJournal | None = None) -> int:
    live = world.chain.eth
    return replay_check(
        binary=binary, journal=journal or world.journal, chain_id=world.chain.chain_id, live=live
    ).blocks


def test_an_honest_chain_is_the_replay_of_its_journal(world: World, anvil_binary: Path) -> None:
    """Every block has its hash again, and the live node stands on the last with the same state."""
    for _ in range(5):
        world.anchor_more()
    assert check(world, anvil_binary) == 7


def test_an_edited_anchor_record_is_found(world: World, anvil_binary: Path) -> None:
    """One slot of the anchor contract set by hand: the live state is not what the journal makes."""
    world.anchor_more()
    slot = "0x" + "00" * 32  # recordCount
    world.chain.eth.rpc.call("anvil_setStorageAt", world.deployment.anchor, slot, "0x" + "00" * 31 + "07")
    assert world.anchor.record_count("latest") == 7
    with pytest.raises(ChainMismatch, match="state") as found:
        check(world, anvil_binary)
    assert found.value.block_number == 3


def test_an_edited_journal_is_found_at_its_block(world: World, anvil_binary: Path, tmp_path: Path) -> None:
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
        journal = FileJournal(tmp_path / f"{name}.jsonl")
        for write in edited:
            journal.append(write)
        with pytest.raises(ChainMismatch) as found:
            check(world, anvil_binary, journal)
        assert found.value.block_number == 4, name


def test_a_journal_cut_short_is_found(world: World, anvil_binary: Path, tmp_path: Path) -> None:
    """The last write deleted: the live node is a block further than what the journal makes."""
    world.anchor_more()
    shorter = FileJournal(tmp_path / "shorter.jsonl")
    for write in list(world.journal.writes())[:-1]:
        shorter.append(write)
    with pytest.raises(ChainMismatch, match="stands at block 3"):
        check(world, anvil_binary, shorter)
