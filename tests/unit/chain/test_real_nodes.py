"""Hardhat's node, and Anvil under each hard fork: headers hash to the block's hash, and proofs lead to what is held."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ledger.chain.deploy import other_contracts
from ledger.chain.errors import ChainUnavailable, RpcRefused
from ledger.chain.eth import BlockRef
from ledger.chain.journal import WriteState
from ledger.chain.transaction import sign
from ledger.core.ethereum import trie
from ledger.core.ethereum.block_headers import read_header
from ledger.core.ethereum.trie import verify_path
from tests.testkit.builders import refused
from tests.unit.chain.builders import Key
from tests.unit.chain.external import ExternalNode, running_anvil, running_hardhat
from tests.unit.chain.memory_journal import MemoryJournal
from tests.unit.chain.world import POLICE, World, granted_by, remote_world

ACCOUNT = "0x" + "cd" * 20
SLOTS = [number.to_bytes(32, "big") for number in range(4)]
WORD = 7


def written(node: ExternalNode) -> BlockRef:
    """A block in whose state slot 1 of the account holds a word, and others nothing."""
    for slot in (1, 9):
        word = "0x" + WORD.to_bytes(32, "big").hex()
        node.eth.rpc.call(f"{node.client}_setStorageAt", ACCOUNT, hex(slot), word)
    node.fund(ACCOUNT)
    node.mine()
    return node.eth.head().ref


def require_proven(node: ExternalNode, at: BlockRef) -> None:
    header = read_header(node.eth.header(at))
    assert (header.number, header.hash) == (at.number, at.hash)
    to_account, *to_slots = node.eth.proof(ACCOUNT, SLOTS, at).paths
    account = verify_path(header.state_root, bytes.fromhex(ACCOUNT[2:]), to_account)
    assert account is not None
    fields = trie.decode_rlp(account)
    assert isinstance(fields, tuple)
    storage_root = fields[2]
    assert isinstance(storage_root, bytes)
    held = [verify_path(storage_root, slot, path) for slot, path in zip(SLOTS, to_slots, strict=True)]
    assert held == [None, bytes([WORD]), None, None]


def test_hardhat_is_a_chain_like_any_other(world: World, tmp_path: Path) -> None:
    """It refuses garbage and knows no block far ahead; states are proven by its headers. One founding has the addresses
    and code hashes of the embedded chain, which this release knows again whatever the constructors have fixed in the
    code; an admin's grant and anchors are taken."""
    with running_hardhat(tmp_path) as node:
        with pytest.raises(RpcRefused):
            node.eth.send(b"\x12\x34")
        assert (node.eth.block(10**9), node.eth.block(b"\x12" * 32), node.eth.receipt(b"\x12" * 32)) == (None,) * 3
        require_proven(node, written(node))

        remote = remote_world(node, MemoryJournal())
        assert replace(remote.deployment, identity=world.deployment.identity) == world.deployment
        assert other_contracts(remote.chain.eth, remote.deployment) == {}
        node.fund(POLICE.key_id)
        prepared = remote.registry.prepare(POLICE.key_id, granted_by(remote, POLICE, Key("clerk")))
        writes = [remote.registry.relay(sign(prepared, POLICE).raw)]
        for number in (1, 2):
            writes.append(remote.writer.settle(remote.anchor_more(), timeout_seconds=30, poll_seconds=0.05))
            assert remote.anchor.head(node.eth.head().hash).number == number
        states = {remote.writer.settle(write, timeout_seconds=30, poll_seconds=0.05).state for write in writes}
        assert states == {WriteState.CONFIRMED}
        final = remote.chain.final_block()
        assert final is not None
        changes = remote.registry.changes(after=0, registry_hash=remote.founding.log_id, first_block=0, final=final)
        assert len(changes) == len(remote.founding.changes()) + 1


@pytest.mark.parametrize("fork", ["london", "cancun", "prague"])
def test_anvil_under_each_hard_fork(fork: str) -> None:
    """The header of each hard fork is put together from what the node tells."""
    with running_anvil(hardfork=fork) as node:
        require_proven(node, written(node))


def test_header_that_does_not_hash(anvil: ExternalNode) -> None:
    """A node that tells another block under this hash, as chains with seals in the header seem to, is not believed."""
    at = written(anvil)
    eth = anvil.eth
    other = eth.rpc.call("eth_getBlockByNumber", "0x0", False)
    eth.rpc.call = lambda *_, **__: other  # type: ignore[method-assign]
    with refused("chain_header", error=ChainUnavailable):
        eth.header(at)
