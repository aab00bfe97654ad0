"""The registry's changes and the acts of admins; anchors, and a database that forgot one."""

from __future__ import annotations

from dataclasses import replace

import pytest
from eth_account.messages import encode_typed_data
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from ledger.chain import contract
from ledger.chain.contract import (
    REGISTRY,
    ContractDomain,
    change_tuple,
    checkpoint_digest,
    decision_digest,
    grant_key,
    key_request_digest,
    key_request_document,
    request_key,
    revoke_key,
)
from ledger.chain.contract_clients import AnchorClient
from ledger.chain.errors import CallReverted, ChainAhead, ChainMismatch, ChainUnavailable
from ledger.chain.eth import Log
from ledger.chain.journal import ChainWrite, Purpose, WriteState
from ledger.chain.transaction import sign
from ledger.core.encoding.digests import keccak256
from ledger.core.errors import Conflict, MalformedInput, RuleRefused
from ledger.core.ethereum.contract_changes import ContractChange, contract_change
from ledger.core.events.registry import ChangeLocation, RegistryChange
from tests.unit.chain.builders import EmbeddedBench, Key
from tests.unit.chain.memory_journal import MemoryJournal
from tests.unit.chain.world import ADMINS, NOW, POLICE, World

CLERK = Key("clerk")


def a_grant(world: World) -> bytes:
    """The police grant the clerk's key, who asked for it."""
    request = request_key(CLERK, world.registry.domain(world.founding.log_id), agency="psb-east", officer="p-0417")
    return grant_key(request, roles=5, valid_from=NOW, valid_until=NOW + 86400)


def as_admin(world: World, admin: Key, call: bytes) -> ChainWrite:
    return world.registry.relay(sign(world.registry.prepare(admin.key_id, call), admin).raw)


def read_changes(world: World, *, after: int = 0, registry_hash: bytes | None = None) -> list[RegistryChange]:
    final = world.chain.final_block()
    assert final is not None
    previous = registry_hash or world.founding.log_id
    return world.anchor.at(final).changes(after=after, registry_hash=previous, first_block=0)


def all_changes(world: World, *, after: int = 0, registry_hash: bytes | None = None) -> list[ContractChange]:
    return [contract_change(change) for change in read_changes(world, after=after, registry_hash=registry_hash)]


@given(
    st.builds(ContractDomain, st.binary(min_size=32, max_size=32), st.integers(0, 2**64), st.just("0x" + "ab" * 20)),
    st.builds(
        ContractChange,
        kind=st.integers(0, 255),
        agency=st.from_regex(r"[a-z0-9-]{1,31}", fullmatch=True),
        agency_kind=st.just("psb"),
        account=st.integers(0, 2**160 - 1),
        officer=st.just("p-0417"),
        roles=st.integers(0, 2**32 - 1),
        suite=st.integers(0, 255),
        valid_from=st.just(0),
        valid_until=st.integers(0, 2**64 - 1),
        quorum=st.integers(0, 2**16 - 1),
        procedure=st.integers(0, 2**256 - 1),
        profile=st.text().map(str.encode),
    ),
)
def test_digests_are_those_of_wallets(domain: ContractDomain, change: ContractChange) -> None:
    """What is signed for the contracts is what eth-account makes of the same document by EIP-712."""
    account = f"0x{change.account:040x}"
    for document, digest in (
        (domain.document("Decision", contract._DECISION, 7, *change_tuple(change)), decision_digest(domain, 7, change)),
        (
            key_request_document(domain, agency=change.agency, officer="p-0417", key_id=account),
            key_request_digest(domain, agency=change.agency, officer="p-0417", key_id=account),
        ),
        (
            domain.document("Checkpoint", contract._CHECKPOINT, change.valid_until, domain.log_id, bytes(32)),
            checkpoint_digest(domain, change.valid_until, domain.log_id, bytes(32)),
        ),
    ):
        message = encode_typed_data(full_message=document)
        assert digest == keccak256(b"\x19" + message.version + message.header + message.body)


def test_the_founding_is_read_back(world: World) -> None:
    """Agencies, submitter and procedure come as changes 1 to 5, with what was founded: ids, kinds, admins, digest."""
    assert all_changes(world) == world.founding.changes()
    state = world.anchor.now().registry_state()
    assert (state.change_count, state.agency_count, state.quorum, state.development) == (5, 3, 0, True)


def test_an_admin_grants_and_revokes_through_the_service(world: World) -> None:
    """Signed by the admin, journaled and mined by the service; both changes follow in the chain of hashes, and name
    their block and transaction."""
    before = world.anchor.now().registry_state()
    write = as_admin(world, POLICE, a_grant(world))
    assert (write.purpose, write.sender, write.state) == (Purpose.REGISTRY, POLICE.key_id, WriteState.CONFIRMED)
    as_admin(world, POLICE, revoke_key(CLERK.key_id))
    granted, revoked = all_changes(world, after=5, registry_hash=before.registry_hash)
    assert granted == ContractChange(
        3,
        "psb-east",
        account=int(CLERK.key_id, 16),
        officer="p-0417",
        roles=5,
        suite=1,
        valid_from=NOW,
        valid_until=NOW + 86400,
    )
    assert revoked == ContractChange(4, "psb-east", account=int(CLERK.key_id, 16))
    place = read_changes(world, after=5, registry_hash=before.registry_hash)[0].location
    hashes = ("0x" + value.hex() for value in (write.block_hash or b"", write.transaction_hash))
    assert place == ChangeLocation(write.block_number or 0, *hashes)


def test_the_same_bytes_again_are_the_same_write(world: World) -> None:
    """A relayed transaction may be handed in twice."""
    raw = sign(world.registry.prepare(POLICE.key_id, a_grant(world)), POLICE).raw
    assert world.registry.relay(raw) == world.registry.relay(raw)


def test_what_is_no_call_of_this_registry_is_refused(world: World) -> None:
    """Another contract, a view, coins sent along, another chain, a nonce ahead, little gas: each its own refusal."""
    prepared = world.registry.prepare(POLICE.key_id, a_grant(world))
    refusals = {
        "not_a_registry_call": [
            replace(prepared, to=world.deployment.anchor),
            replace(prepared, to=None),
            replace(prepared, data=prepared.data[:3]),
            replace(prepared, value=1),
        ],
        "wrong_chain": [replace(prepared, chain_id=1)],
        "wrong_nonce": [replace(prepared, nonce=prepared.nonce + 1)],
        "gas_too_low": [replace(prepared, gas=30_000)],
    }
    before = world.journal.last()
    for code, transactions in refusals.items():
        for transaction in transactions:
            with pytest.raises((RuleRefused, Conflict)) as refused:
                world.registry.relay(sign(transaction, POLICE).raw)
            assert refused.value.code == code
    with pytest.raises(MalformedInput):
        world.registry.relay(b"\x02\xc0")
    assert world.journal.last() == before


def test_what_the_contract_refuses_is_not_journaled(world: World) -> None:
    """A stranger's grant reverts with the contract's error before anything is kept."""
    stranger = Key("stranger")
    honest = world.registry.prepare(POLICE.key_id, a_grant(world))
    before = world.journal.last()
    with pytest.raises(CallReverted) as refused:
        world.registry.relay(sign(replace(honest, nonce=0), stranger).raw)
    assert (refused.value.error, refused.value.arguments) == ("NotAdmin", {"account": stranger.key_id})
    assert world.journal.last() == before


def test_a_node_that_hides_or_forges_changes_is_found(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer, more or other changes than the contract's state says do not pass for the registry."""
    as_admin(world, POLICE, a_grant(world))
    eth = world.chain.eth
    honest = eth.logs
    last = honest(world.deployment.registry, REGISTRY.topic("Changed"), 0, 100)[-1]
    forged = structs.replace(last, data=last.data.replace(b"p-0417", b"p-0418"))

    def answering(*logs: Log) -> None:
        monkeypatch.setattr(type(eth), "logs", lambda *_: [*honest_before, *logs])

    honest_before = honest(world.deployment.registry, last.topics[0], 0, 100)[:-1]
    answering()
    with pytest.raises(ChainUnavailable, match="leaves out"):
        all_changes(world)
    answering(forged)
    with pytest.raises(ChainMismatch, match="change 6"):
        all_changes(world)
    answering(last, last)
    with pytest.raises(ChainMismatch, match="change 7"):
        all_changes(world)
    answering(structs.replace(last, data=b""))
    with pytest.raises(ChainUnavailable, match="not a log"):
        all_changes(world)


def test_a_log_that_mirrors_what_the_contract_never_did_is_told_apart_from_a_node_that_is_behind(world: World) -> None:
    """More changes than there are, or others, are a forgery; a node that has yet to reach their block proves none."""
    state = world.anchor.now().registry_state()
    assert all_changes(world, after=5, registry_hash=state.registry_hash) == []
    with pytest.raises(ChainMismatch, match="mirrors 6 changes"):
        all_changes(world, after=6, registry_hash=b"\x05" * 32)
    with pytest.raises(ChainMismatch, match="mirrors 5 changes"):
        all_changes(world, after=5, registry_hash=b"\x05" * 32)
    final = world.chain.final_block()
    assert final is not None
    with pytest.raises(ChainUnavailable, match="has come to block"):
        world.anchor.at(final).changes(after=6, registry_hash=b"\x05" * 32, first_block=final.number + 1)


def test_changes_survive_a_restart(world: World, bench: EmbeddedBench) -> None:
    """The logs are there again after the node was loaded from its dump."""
    as_admin(world, POLICE, a_grant(world))
    before = all_changes(world)
    bench.node.stop()
    bench.node.start()
    assert all_changes(world) == before
    assert len(before) == len(ADMINS) + 3


# -- anchors -----------------------------------------------------------------------------------------------------------


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
    return AnchorClient(deployment=world.deployment, writer=replace(world.writer, journal=journal))


def test_no_contract_at_an_address_is_told(world: World) -> None:
    """An address without code is a mismatch, not an empty record."""
    nowhere = AnchorClient(deployment=replace(world.deployment, anchor="0x" + "12" * 20), writer=world.writer)
    with pytest.raises(ChainMismatch, match="there is no LogAnchor"):
        nowhere.now().head()
