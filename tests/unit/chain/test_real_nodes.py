"""Hardhat's node, and Anvil under each hard fork: headers, proofs, and the contracts at one address of any chain."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ledger.chain import deploy as deploying
from ledger.chain.contract import ContractAbi
from ledger.chain.deploy import MAKER, deploy, has_factory, other_contracts, require_deployment
from ledger.chain.errors import CallReverted, ChainMismatch, ChainUnavailable, RpcRefused, WrongChain
from ledger.chain.eth import BlockRef
from ledger.chain.journal import ChainFingerprint, Purpose, WriteState
from ledger.chain.remote import RemoteChain
from ledger.chain.transaction import sign
from ledger.core.encoding.digests import keccak256
from ledger.core.ethereum import trie
from ledger.core.ethereum.block_headers import read_header
from tests.testkit.builders import refused
from tests.unit.chain.builders import EmbeddedBench, Key, make_older
from tests.unit.chain.external import ExternalNode, running_anvil, running_hardhat
from tests.unit.chain.memory_journal import MemoryJournal
from tests.unit.chain.world import POLICE, World, found, founding, granted_by, remote_world

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
    nodes = {keccak256(node): node for path in (to_account, *to_slots) for node in path}
    account = trie.walk(header.state_root, bytes.fromhex(ACCOUNT[2:]), nodes.__getitem__)
    assert account is not None
    fields = trie.decode_rlp(account)
    assert isinstance(fields, tuple)
    storage_root = fields[2]
    assert isinstance(storage_root, bytes)
    held = [trie.walk(storage_root, slot, nodes.__getitem__) for slot in SLOTS]
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
            assert remote.anchor.now().head().number == number
        states = {remote.writer.settle(write, timeout_seconds=30, poll_seconds=0.05).state for write in writes}
        assert states == {WriteState.CONFIRMED}
        final = remote.chain.final_block()
        assert final is not None
        changes = remote.anchor.at(final).changes(after=0, registry_hash=remote.founding.log_id, first_block=0)
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
    genesis = eth.rpc.call("eth_getBlockByNumber", "0x0", False)
    eth.rpc.call = lambda *_, **__: genesis  # type: ignore[method-assign]
    with refused("chain_header", error=ChainUnavailable):
        eth.header(at)


# -- the contracts on them ---------------------------------------------------------------------------------------------


def test_contracts_of_another_release_are_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """By name and address: the same code from another compiler is another version."""
    abi = ContractAbi("LogAnchor")
    make_older(abi)
    monkeypatch.setattr(deploying, "ANCHOR", abi)
    assert other_contracts(world.chain.eth, world.deployment) == {"LogAnchor": world.deployment.anchor}
    assert other_contracts(world.chain.eth, replace(world.deployment, anchor=world.deployment.registry)) == {
        "LogAnchor": world.deployment.registry
    }


def test_what_is_deployed_is_found_again(world: World) -> None:
    """A second run sends nothing and gives the same deployment, whose identity is the block of the last write."""
    before = list(world.journal.writes())
    assert deploy(world.writer, world.founding) == world.deployment
    assert list(world.journal.writes()) == before
    require_deployment(world.chain.eth, world.deployment)
    last = before[-1]
    assert last.purpose is Purpose.DEPLOYMENT
    assert world.deployment.identity == ChainFingerprint(last.chain_id, last.block_number or 0, last.block_hash or b"")


def test_an_interrupted_deployment_goes_on(world: World, bench: EmbeddedBench, tmp_path: Path) -> None:
    """Killed after the registry's transaction was journaled: the next run sends no second one."""
    first = next(iter(bench.journal.writes()))
    interrupted = MemoryJournal([replace(first, state=WriteState.SIGNED, block_number=None, block_hash=None)])
    again = found(bench.start(journal=interrupted, directory=tmp_path / "again"), interrupted)
    assert again.deployment == world.deployment
    assert list(interrupted.writes()) == list(bench.journal.writes())


def test_a_founding_that_the_contract_refuses_is_not_signed(world: World) -> None:
    """Quorum 0 outside development: the constructor's own error, by name, and an empty journal."""
    before = world.journal.last()
    with pytest.raises(CallReverted) as refused:
        deploy(world.writer, replace(founding(), development=False))
    assert refused.value.error == "QuorumZero"
    assert world.journal.last() == before


def test_the_factory_is_made_where_it_is_missing(journal: MemoryJournal) -> None:
    """Its maker gets what the pre-signed transaction costs; the addresses are the usual ones."""
    with running_anvil("--disable-default-create2-deployer") as node:
        assert not has_factory(node.eth)
        world = remote_world(node, journal)
        assert has_factory(node.eth)
        assert node.eth.nonce(MAKER, "latest") == 1
        assert [write.purpose for write in journal.writes()] == [Purpose.FACTORY, *[Purpose.DEPLOYMENT] * 2]
        require_deployment(node.eth, world.deployment)


def test_without_a_factory_the_contracts_are_created_plainly(journal: MemoryJournal) -> None:
    """A submitter without coins for the factory: plain creations, and found again in the journal."""
    flags = ("--disable-default-create2-deployer", "--base-fee", "0", "--gas-price", "0", "--disable-min-priority-fee")
    with running_anvil(*flags) as node:
        chain = RemoteChain(eth=node.eth, chain_id=31337, journal=journal, finality=0)
        world = found(chain, journal)
        assert not has_factory(node.eth)
        assert deploy(world.writer, world.founding) == world.deployment
        assert [write.nonce for write in journal.writes()] == [0, 1]


def test_another_chain_or_other_code_is_told(world: World, anvil: ExternalNode) -> None:
    """Wrong chain id, the same id without the deployment's block, and edited code are three different errors."""
    deployment = world.deployment
    with pytest.raises(WrongChain):
        require_deployment(anvil.eth, replace(deployment, identity=replace(deployment.identity, chain_id=1)))
    with pytest.raises(ChainMismatch, match="not the one of the deployment"):
        require_deployment(anvil.eth, deployment)
    world.chain.eth.rpc.call("anvil_setCode", deployment.anchor, "0x00")
    with pytest.raises(ChainMismatch, match="expected code"):
        require_deployment(world.chain.eth, deployment)
