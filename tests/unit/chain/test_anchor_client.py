"""Anchors: what the contract takes, what the client reads back, and a database that forgot one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ledger.chain.contract_clients import AnchorClient
from ledger.chain.errors import CallReverted, ChainAhead, ChainMismatch
from ledger.chain.journal import Purpose, WriteState
from ledger.core.encoding.digests import keccak256
from tests.unit.chain.memory_journal import MemoryJournal
from tests.unit.chain.world import World


def test_anchors_follow_one_another(world: World) -> None:
    """Each anchor is confirmed with its block, and is the record that the contract then has."""
    for number in (1, 2, 3):
        write = world.anchor_more(new_leaves=number * 5)
        assert (write.state, write.purpose) == (WriteState.CONFIRMED, Purpose.ANCHOR)
        assert write.anchored is not None
        assert write.block_hash is not None
        record = world.anchor.head(write.block_hash)
        assert (record.number, record.size, record.root) == (number, len(world.leaves), write.anchored.root)
        assert (record.block_number, record.timestamp) == (write.block_number, write.timestamp)


def test_what_the_contract_refuses_is_not_signed(world: World) -> None:
    """The contract's error, and nothing journaled."""
    before = world.journal.last()
    with pytest.raises(CallReverted) as raised:
        world.anchor.submit(replace(world.next_anchor(), previous_size=1))
    assert raised.value.error == "HeadMoved"
    assert raised.value.arguments
    assert world.journal.last() == before


def test_a_database_that_forgot_an_anchor_is_refused(world: World) -> None:
    """The chain has an anchor, or another root of its size, that the journal does not: ChainAhead, ChainMismatch."""
    world.anchor_more()
    world.anchor.require_not_ahead()
    write = world.anchor_more()
    assert write.anchored is not None
    *earlier, last = world.journal.writes()
    lying = replace(last, anchored=replace(write.anchored, root=keccak256(b"another")))
    with pytest.raises(ChainAhead, match=f"size {write.anchored.size}"):
        anchors_of(world, MemoryJournal(earlier)).require_not_ahead()
    with pytest.raises(ChainMismatch, match="another root"):
        anchors_of(world, MemoryJournal([*earlier, lying])).require_not_ahead()


def anchors_of(world: World, journal: MemoryJournal) -> AnchorClient:
    """The contract as another journal knows it."""
    return AnchorClient(address=world.deployment.anchor, writer=replace(world.writer, journal=journal))


def test_no_contract_at_an_address_is_told(world: World) -> None:
    """An address without code is a mismatch, not an empty record."""
    nowhere = AnchorClient(address="0x" + "12" * 20, writer=world.writer)
    with pytest.raises(ChainMismatch, match="there is no LogAnchor"):
        nowhere.head("latest")
