"""Anchors: what the contract takes, what the client reads back, and a database that forgot one."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from ledger.chain.contract import ContractDomain, checkpoint_digest, contract_abi, read
from ledger.chain.contract_clients import AnchorClient
from ledger.chain.deploy import deploy
from ledger.chain.errors import CallReverted, ChainAhead, ChainMismatch
from ledger.chain.journal import Purpose, WriteState
from ledger.chain.transaction import sign
from ledger.core.encoding.digests import keccak256
from ledger.core.errors import NotFound
from tests.unit.chain.builders import Key
from tests.unit.chain.file_journal import FileJournal
from tests.unit.chain.world import POLICE, World, founding, granted_by


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
        assert world.anchor.record(number, "latest") == record


def test_record_zero_is_the_empty_log(world: World) -> None:
    """Before the first anchor the head is size 0 with the root of nothing."""
    record = world.anchor.head("latest")
    assert (record.number, record.size, record.root) == (0, 0, sha256(b"").digest())


def test_there_is_no_record_above_the_last(world: World) -> None:
    """A record that is not there is NotFound."""
    with pytest.raises(NotFound, match="up to 0, not 1"):
        world.anchor.record(1, "latest")


def test_what_the_contract_refuses_is_not_signed(world: World) -> None:
    """Another head, a proof that does not fit, a stale registry hash: the contract's error, and nothing journaled."""
    world.anchor_more()
    before = world.journal.last()
    request = world.next_anchor()
    refusals = {
        "HeadMoved": replace(request, previous_size=1),
        "Inconsistent": replace(request, proof=[bytes(32)]),
        "RegistryHashStale": replace(request, head=replace(request.head, registry_hash=bytes(32))),
    }
    for error, refused in refusals.items():
        with pytest.raises(CallReverted) as raised:
            world.anchor.submit(refused)
        assert raised.value.error == error
        assert raised.value.arguments
    assert world.journal.last() == before


def test_a_change_of_the_registry_blocks_anchoring_until_it_is_mirrored(world: World) -> None:
    """An anchor under the registry hash from before a grant is refused; under the new one it goes through."""
    request = world.next_anchor()
    call = granted_by(world, POLICE, Key("clerk"))
    world.registry.relay(sign(world.registry.prepare(POLICE.key_id, call), POLICE).raw)
    with pytest.raises(CallReverted) as refused:
        world.anchor.submit(request)
    assert refused.value.error == "RegistryHashStale"
    current = world.registry.state("latest").registry_hash
    assert world.anchor.submit(replace(request, head=replace(request.head, registry_hash=current)))


def test_a_quorum_of_witnesses_is_counted_by_the_contract(world: World) -> None:
    """With quorum 1 an anchor without the witness's EIP-712 co-signature is refused, and with it taken."""
    witness = Key("police witness")
    quorate = replace(
        founding(b"\x02" * 32),
        agencies=tuple(
            replace(agency, witness=witness.key_id if agency.agency_id == "psb-east" else None)
            for agency in founding().agencies
        ),
        quorum=1,
        development=False,
    )
    other = replace(world, founding=quorate, deployment=deploy(world.writer, quorate))
    request = other.next_anchor()
    with pytest.raises(CallReverted) as refused:
        other.anchor.submit(request)
    assert refused.value.error == "QuorumMissing"
    domain = ContractDomain(quorate.log_id, world.chain.chain_id, other.deployment.anchor)
    digest = checkpoint_digest(domain, request.head.size, request.head.root, request.head.registry_hash)
    anchored = other.anchor.submit(replace(request, cosignatures=[witness.sign(digest)]))
    assert anchored.state is WriteState.CONFIRMED


def test_a_database_that_forgot_an_anchor_is_refused(world: World, tmp_path: Path) -> None:
    """The chain has an anchor, or another root of its size, that the journal does not: ChainAhead, ChainMismatch."""
    world.anchor_more()
    world.anchor.require_not_ahead()
    write = world.anchor_more()
    assert write.anchored is not None
    forgetful, lying = FileJournal(tmp_path / "older.jsonl"), FileJournal(tmp_path / "lying.jsonl")
    for kept in world.journal.writes():
        if kept.number < write.number:
            forgetful.append(kept)
        root = keccak256(b"another")
        lying.append(kept if kept.number < write.number else replace(kept, anchored=replace(write.anchored, root=root)))
    with pytest.raises(ChainAhead, match=f"size {write.anchored.size}"):
        AnchorClient(address=world.deployment.anchor, writer=world.writer, journal=forgetful).require_not_ahead()
    with pytest.raises(ChainMismatch, match="another root"):
        AnchorClient(address=world.deployment.anchor, writer=world.writer, journal=lying).require_not_ahead()


def test_no_contract_at_an_address_is_told(world: World) -> None:
    """An address without code is a mismatch, not an empty record."""
    nowhere = AnchorClient(address="0x" + "12" * 20, writer=world.writer, journal=world.journal)
    with pytest.raises(ChainMismatch, match="there is no LogAnchor"):
        nowhere.head("latest")


CHECKPOINT = b"Checkpoint(uint64 size,bytes32 root,bytes32 registryHash)"
ROOT, HASH = b"\x01" * 32, b"\x02" * 32


def test_the_digest_of_a_checkpoint_is_in_the_contracts_domain(world: World) -> None:
    """The separator that witnesses sign under is the one that the contract computes."""
    domain = ContractDomain(world.founding.log_id, world.chain.chain_id, world.deployment.anchor)
    abi = contract_abi("LogAnchor")
    separator = read(world.chain.eth, abi, world.deployment.anchor, "latest", "domainSeparator")
    struct = keccak256(b"".join((keccak256(CHECKPOINT), (9).to_bytes(32), ROOT, HASH)))
    assert checkpoint_digest(domain, 9, ROOT, HASH) == keccak256(b"\x19\x01" + separator + struct)
