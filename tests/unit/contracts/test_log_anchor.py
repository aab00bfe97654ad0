"""LogAnchor: who may anchor, what an anchor must prove, what is kept of it, and how a successor goes on."""

from __future__ import annotations

from typing import Any
from unittest.mock import ANY

import pytest
from eth_abi.abi import encode
from eth_account.signers.local import LocalAccount
from web3 import Web3
from web3.contract import Contract
from web3.exceptions import ContractLogicError

from tests.oracles.merkle_reference import consistency_proof, inclusion_proof, leaf_hash, mth
from tests.unit.contracts.ledger import (
    CHAIN_ID,
    COURT,
    EMPTY_ROOT,
    LOG_ID,
    MAJORITY,
    NOBODY,
    POLICE,
    PROCURATORATE,
    STRANGER,
    SUBMITTER,
    SUCCESSION,
    WITNESS_SET,
    Ledger,
    change,
    deploy,
    person,
    refused,
    signed,
    submitting,
    with_high_s,
)

ENTRIES = [b"entry %d" % i for i in range(40)]
RECORD_SLOT = 1  # of the mapping, a constant of the protocol


def root(size: int) -> bytes:
    return mth(ENTRIES[:size])


def anchored(ledger: Ledger, *sizes: int) -> list[Any]:
    """The receipts of anchoring ENTRIES at these sizes, one after the other."""
    return [ledger.anchor_entries(size, ENTRIES) for size in sizes]


def require_refused(ledger: Ledger, error: tuple[Any, ...], *cosignatures: bytes) -> None:
    """An anchor of three entries with these co-signatures is refused by this error."""
    with refused(*error):
        ledger.send(SUBMITTER, ledger.anchoring(3, root(3), cosignatures=cosignatures))


def test_new_anchor_stands_on_the_empty_log(ledger: Ledger) -> None:
    """Record 0 is size 0 with SHA-256 of nothing, made at deployment; nothing precedes it."""
    calls = ledger.anchor.functions
    assert calls.recordCount().call() == 0
    assert calls.head().call() == calls.record(0).call()
    assert calls.head().call()[:2] == (EMPTY_ROOT, 0)
    assert calls.predecessor().call() == (0, NOBODY, 0, bytes(32))
    assert calls.logId().call() == LOG_ID
    assert calls.registry().call() == ledger.registry.address


def test_anchors_follow_one_another(ledger: Ledger) -> None:
    """Each consistent anchor is the next record with its block and time, and one event with the registry hash."""
    calls = ledger.anchor.functions
    sizes = [1, 2, 7, 8, 33, 40]
    for number, (size, receipt) in enumerate(zip(sizes, anchored(ledger, *sizes), strict=True), start=1):
        (event,) = ledger.anchor.events.Anchored().process_receipt(receipt)
        registry_hash = ledger.registry.functions.registryHash().call()
        assert dict(event["args"]) == {
            "number": number,
            "size": size,
            "root": root(size),
            "registryHash": registry_hash,
        }
        block = ledger.web3.eth.get_block(receipt["blockNumber"])
        assert calls.record(number).call() == (root(size), size, block["number"], block["timestamp"])
    assert calls.recordCount().call() == len(sizes)
    assert calls.head().call()[:2] == (root(40), 40)


def test_record_lies_in_the_slots_that_storage_proofs_read(ledger: Ledger) -> None:
    """Root, then size, block number and timestamp packed from the low bits, from keccak(number . 1).

    Slot 0 has the number and the size of the last record.
    """
    (receipt,) = anchored(ledger, 5)
    block = ledger.web3.eth.get_block(receipt["blockNumber"])
    base = int.from_bytes(Web3.keccak(encode(["uint256", "uint256"], [1, RECORD_SLOT])), "big")
    stored_root, packed = (ledger.web3.eth.get_storage_at(ledger.anchor.address, base + i) for i in range(2))
    assert stored_root == root(5)
    assert int.from_bytes(packed, "big") == 5 | block["number"] << 64 | block["timestamp"] << 128
    assert int.from_bytes(ledger.web3.eth.get_storage_at(ledger.anchor.address, 0), "big") == 1 | 5 << 64


def test_only_a_submitter_anchors(ledger: Ledger) -> None:
    """A stranger, an admin and a witness may not; nor a submitter whom a majority has removed."""
    for outsider in (STRANGER, POLICE.admin, POLICE.witness):
        with refused("NotSubmitter", outsider.address):
            ledger.send(outsider, ledger.anchoring(1, root(1)))
    ledger.decide(submitting(SUBMITTER, allowed=False), *MAJORITY)
    with refused("NotSubmitter", SUBMITTER.address):
        anchored(ledger, 1)


def test_anchor_on_another_head_is_refused(ledger: Ledger) -> None:
    """Size and root of the head are those the caller builds on; neither a smaller tree nor the same is recorded."""
    anchored(ledger, 4)
    for previous_size, previous_root in ((3, root(4)), (4, root(3)), (0, EMPTY_ROOT)):
        with refused("HeadMoved", 4, root(4), previous_size, previous_root):
            call = ledger.anchoring(9, root(9), previousSize=previous_size, previousRoot=previous_root)
            ledger.send(SUBMITTER, call)
    for size in (0, 3, 4):
        with refused("SizeNotGreater", 4, size):
            ledger.send(SUBMITTER, ledger.anchoring(size, root(size)))


def test_first_anchor_has_a_root_and_no_proof(ledger: Ledger) -> None:
    """From size 0 any root but zero is consistent, there is nothing to prove, and a proof that proves nothing is
    refused."""
    with refused("RootZero"):
        ledger.send(SUBMITTER, ledger.anchoring(1, bytes(32)))
    with refused("Inconsistent", 0, EMPTY_ROOT, 2, root(2)):
        ledger.send(SUBMITTER, ledger.anchoring(2, root(2), proof=[root(1)]))


def test_root_that_does_not_continue_the_head_is_refused(ledger: Ledger) -> None:
    """A rewritten log has no consistency proof, and the proof of another size is none."""
    anchored(ledger, 6)
    rewritten = [b"another", *ENTRIES[1:11]]
    honest = consistency_proof(6, ENTRIES[:11])
    for size, claimed, proof in (
        (11, mth(rewritten), consistency_proof(6, rewritten)),
        (11, mth(rewritten), honest),
        (11, root(11), honest[:-1]),
        (11, root(11), [*honest, honest[-1]]),
        (11, root(11), []),
        (11, root(11), consistency_proof(5, ENTRIES[:11])),
    ):
        with refused("Inconsistent", 6, root(6), size, claimed):
            ledger.send(SUBMITTER, ledger.anchoring(size, claimed, proof=proof))


def test_stale_registry_hash_blocks_anchoring(ledger: Ledger) -> None:
    """After a revocation nothing is anchored until the anchor names the registry hash that contains it."""
    key = person("officer key")
    ledger.grant(POLICE, key)
    stale = ledger.registry.functions.registryHash().call()
    ledger.send(POLICE.admin, ledger.registry.functions.revokeKey(key.address))
    current = ledger.registry.functions.registryHash().call()
    with refused("RegistryHashStale", current, stale):
        ledger.send(SUBMITTER, ledger.anchoring(1, root(1), registryHash=stale))
    anchored(ledger, 1)


def test_quorum_of_distinct_agencies_cosigns(witnessed: Ledger) -> None:
    """Two of four agencies suffice, in any order; more are welcome. None, one, one agency three times are no two."""
    first = witnessed.cosignature(POLICE.witness, 3, root(3))
    for cosignatures, counted in (([], 0), ([first], 1), ([first, first, first], 1)):
        require_refused(witnessed, ("QuorumMissing", 2, counted), *cosignatures)
    for size, witnesses in ((1, (POLICE, COURT)), (2, (COURT, POLICE)), (4, (POLICE, COURT, PROCURATORATE))):
        witnessed.anchor_entries(size, ENTRIES, *witnesses)
    assert witnessed.anchor.functions.recordCount().call() == 3


@pytest.mark.parametrize("outsider", [STRANGER, POLICE.admin, SUBMITTER])
def test_cosignature_by_no_witness_is_refused(witnessed: Ledger, outsider: LocalAccount) -> None:
    """Admins and submitters are no witnesses; the refusal names the account."""
    cosignatures = [witnessed.cosignature(signer, 3, root(3)) for signer in (POLICE.witness, outsider)]
    require_refused(witnessed, ("NotWitness", outsider.address), *cosignatures)


@pytest.mark.parametrize(
    "changes",
    [{"size": 4}, {"root": root(4)}, {"registryHash": LOG_ID}, {}],
    ids=["size", "root", "registry hash", "contract"],
)
def test_cosignature_over_another_checkpoint_is_refused(
    ledger: Ledger, witnessed: Ledger, changes: dict[str, Any]
) -> None:
    """What is co-signed is size, root and registry hash together, for one contract, which the domain names."""
    values = {"size": 3, "root": root(3), "registryHash": witnessed.registry.functions.registryHash().call()} | changes
    signing = witnessed if changes else ledger
    require_refused(witnessed, ("NotWitness", ANY), signing.cosignature(POLICE.witness, **values))


def test_malformed_cosignature_is_refused(witnessed: Ledger) -> None:
    """High s, a wrong v, a short form and bytes left over are refused, not passed over."""
    good = witnessed.cosignature(POLICE.witness, 3, root(3))
    for bad, error in (
        (with_high_s(good), ("ECDSAInvalidSignatureS", ANY)),
        (good[:64] + b"\x1d", ("ECDSAInvalidSignature",)),
        (good[:64], ("CosignaturesCut", 129)),
        (good + b"\x1b", ("CosignaturesCut", 131)),
    ):
        require_refused(witnessed, error, good, bad)


def test_removed_witness_no_longer_cosigns(witnessed: Ledger) -> None:
    """The registry's witnesses at the time of the anchor are the ones that count."""
    witnessed.decide(change(WITNESS_SET, agency=COURT.id), *MAJORITY)
    cosignatures = [witnessed.cosignature(party.witness, 3, root(3)) for party in (POLICE, COURT)]
    require_refused(witnessed, ("NotWitness", COURT.witness.address), *cosignatures)


def test_strangers_cosignature_is_refused_even_at_quorum_zero(ledger: Ledger) -> None:
    """What is given is checked."""
    require_refused(ledger, ("NotWitness", STRANGER.address), ledger.cosignature(STRANGER, 3, root(3)))


def test_inclusion_is_verified_at_every_record(ledger: Ledger) -> None:
    """Each leaf proves against each record that contains it, and against no other record or index."""
    anchored(ledger, 3, 7)
    verify = ledger.anchor.functions.verifyInclusion
    for number, size in ((1, 3), (2, 7)):
        for index in range(size):
            leaf, proof = leaf_hash(ENTRIES[index]), inclusion_proof(index, ENTRIES[:size])
            assert verify(leaf, index, proof, number).call() is True
            assert verify(leaf, (index + 1) % size, proof, number).call() is False
            assert verify(leaf, index, proof, 3 - number).call() is False
    assert verify(leaf_hash(b"entry"), 0, [], 0).call() is False


def test_unknown_record_is_refused(ledger: Ledger) -> None:
    """A record that does not exist yet is not an empty one."""
    anchored(ledger, 3)
    with refused("RecordUnknown", 1, 2):
        ledger.anchor.functions.record(2).call()
    with refused("RecordUnknown", 1, 2):
        ledger.anchor.functions.verifyInclusion(bytes(32), 0, [], 2).call()


# -- a successor contract ----------------------------------------------------------------------------------------------


OLD_CHAIN = CHAIN_ID + 1
OLD_ANCHOR = POLICE.admin.address  # any address does: the old contract may live on another chain
PREDECESSOR = (OLD_CHAIN, OLD_ANCHOR, 5, root(5))


def succession(signer: LocalAccount, registry: Contract, predecessor: tuple[Any, ...] = PREDECESSOR) -> bytes:
    return signed(signer, registry, "Succession", SUCCESSION, **dict(zip(SUCCESSION, predecessor, strict=True)))


def succeed(ledger: Ledger, cosignatures: list[bytes], predecessor: tuple[Any, ...] = PREDECESSOR) -> Contract:
    """A second anchor contract of the ledger, continuing `predecessor`."""
    return deploy(ledger.web3, "LogAnchor", ledger.registry.address, predecessor, b"".join(cosignatures))


def test_successor_continues_the_old_log(witnessed: Ledger) -> None:
    """With a witness quorum it starts at the old size and root, and its first anchor must be consistent with them."""
    cosignatures = [succession(party.witness, witnessed.registry) for party in (POLICE, COURT)]
    witnessed.anchor = succeed(witnessed, cosignatures)
    calls = witnessed.anchor.functions
    assert calls.predecessor().call() == PREDECESSOR
    assert calls.head().call()[:2] == (PREDECESSOR[3], 5)
    assert calls.verifyInclusion(leaf_hash(ENTRIES[2]), 2, inclusion_proof(2, ENTRIES[:5]), 0).call() is True

    rewritten = [b"another", *ENTRIES[1:]]
    with refused("Inconsistent", 5, PREDECESSOR[3], 12, mth(rewritten[:12])):
        witnessed.anchor_entries(12, rewritten, POLICE, COURT)
    witnessed.anchor_entries(12, ENTRIES, POLICE, COURT)
    assert calls.head().call()[:2] == (root(12), 12)


def test_successor_without_a_quorum_is_refused(witnessed: Ledger) -> None:
    """None, and one agency twice, cannot hand the log on."""
    first = succession(COURT.witness, witnessed.registry)
    for cosignatures, counted in (([], 0), ([first, first], 1)):
        with refused("QuorumMissing", 2, counted):
            succeed(witnessed, cosignatures)


def test_cosignature_of_another_succession_is_refused(witnessed: Ledger) -> None:
    """Chain, contract, size and root are all signed."""
    others = (
        (CHAIN_ID, *PREDECESSOR[1:]),
        (OLD_CHAIN, STRANGER.address, *PREDECESSOR[2:]),
        (*PREDECESSOR[:2], 6, PREDECESSOR[3]),
        (*PREDECESSOR[:3], root(6)),
    )
    for spoiled_one in others:
        cosignatures = [succession(party.witness, witnessed.registry, spoiled_one) for party in (POLICE, COURT)]
        with refused("NotWitness", ANY):
            succeed(witnessed, cosignatures)


@pytest.mark.parametrize("field", [0, 1, 2, 3])
def test_half_a_predecessor_is_refused(ledger: Ledger, field: int) -> None:
    """A predecessor is named in full or not at all."""
    nothing = (0, NOBODY, 0, bytes(32))
    lacking = (*PREDECESSOR[:field], nothing[field], *PREDECESSOR[field + 1 :])
    alone = (*nothing[:field], PREDECESSOR[field], *nothing[field + 1 :])
    for predecessor in (lacking, alone):
        with refused("PredecessorIncomplete"):
            succeed(ledger, [], predecessor)


def test_development_ledger_hands_on_without_witnesses(ledger: Ledger) -> None:
    """At quorum 0 the successor stands on nobody's word, as everything there does."""
    assert succeed(ledger, []).functions.predecessor().call() == PREDECESSOR


def test_anchor_of_no_registry_is_refused(web3: Web3) -> None:
    """The registry must be there and know its ledger."""
    with pytest.raises(ContractLogicError):
        deploy(web3, "LogAnchor", STRANGER.address, (0, NOBODY, 0, bytes(32)), b"")
