"""The contracts stand at one address on any chain, and are found again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ledger.chain import deploy as deploying
from ledger.chain.contract import ContractAbi
from ledger.chain.deploy import MAKER, deploy, has_factory, other_contracts, require_deployment
from ledger.chain.errors import CallReverted, ChainMismatch, WrongChain
from ledger.chain.journal import ChainFingerprint, Purpose, WriteState
from ledger.chain.remote import RemoteChain
from tests.unit.chain.builders import EmbeddedBench, make_older
from tests.unit.chain.external import ExternalNode, running_anvil
from tests.unit.chain.memory_journal import MemoryJournal
from tests.unit.chain.world import World, found, founding, remote_world


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
