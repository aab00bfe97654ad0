"""LogAnchor: a successor contract commits to the old one and continues its log."""

from __future__ import annotations

from typing import Any
from unittest.mock import ANY

import pytest
from eth_account.signers.local import LocalAccount
from web3 import Web3
from web3.contract import Contract
from web3.exceptions import ContractLogicError

from tests.oracles.merkle_reference import inclusion_proof, leaf_hash, mth
from tests.unit.contracts.ledger import (
    CHAIN_ID,
    COURT,
    NOBODY,
    POLICE,
    STRANGER,
    SUCCESSION,
    Ledger,
    deploy,
    refused,
    signed,
)

ENTRIES = [b"entry %d" % i for i in range(12)]
OLD_CHAIN = CHAIN_ID + 1
OLD_ANCHOR = POLICE.admin.address  # any address does: the old contract may live on another chain
PREDECESSOR = (OLD_CHAIN, OLD_ANCHOR, 5, mth(ENTRIES[:5]))


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
    with refused(witnessed.anchor, "Inconsistent", 5, PREDECESSOR[3], 12, mth(rewritten)):
        witnessed.anchor_entries(12, rewritten, POLICE, COURT)
    witnessed.anchor_entries(12, ENTRIES, POLICE, COURT)
    assert calls.head().call()[:2] == (mth(ENTRIES), 12)


def test_successor_without_a_quorum_is_refused(witnessed: Ledger) -> None:
    """None, and one agency twice, cannot hand the log on."""
    first = succession(COURT.witness, witnessed.registry)
    for cosignatures, counted in (([], 0), ([first, first], 1)):
        with refused(witnessed.anchor, "QuorumMissing", 2, counted):
            succeed(witnessed, cosignatures)


def test_cosignature_of_another_succession_is_refused(witnessed: Ledger) -> None:
    """Chain, contract, size and root are all signed."""
    others = (
        (CHAIN_ID, *PREDECESSOR[1:]),
        (OLD_CHAIN, STRANGER.address, *PREDECESSOR[2:]),
        (*PREDECESSOR[:2], 6, PREDECESSOR[3]),
        (*PREDECESSOR[:3], mth(ENTRIES[:6])),
    )
    for other in others:
        cosignatures = [succession(party.witness, witnessed.registry, other) for party in (POLICE, COURT)]
        with refused(witnessed.anchor, "NotWitness", ANY):
            succeed(witnessed, cosignatures)


@pytest.mark.parametrize("field", [0, 1, 2, 3])
def test_half_a_predecessor_is_refused(ledger: Ledger, field: int) -> None:
    """A predecessor is named in full or not at all."""
    nothing = (0, NOBODY, 0, bytes(32))
    lacking = (*PREDECESSOR[:field], nothing[field], *PREDECESSOR[field + 1 :])
    alone = (*nothing[:field], PREDECESSOR[field], *nothing[field + 1 :])
    for predecessor in (lacking, alone):
        with refused(ledger.anchor, "PredecessorIncomplete"):
            succeed(ledger, [], predecessor)


def test_development_ledger_hands_on_without_witnesses(ledger: Ledger) -> None:
    """At quorum 0 the successor stands on nobody's word, as everything there does."""
    assert succeed(ledger, []).functions.predecessor().call() == PREDECESSOR


def test_anchor_of_no_registry_is_refused(web3: Web3) -> None:
    """The registry must be there and know its ledger."""
    with pytest.raises(ContractLogicError):
        deploy(web3, "LogAnchor", STRANGER.address, (0, NOBODY, 0, bytes(32)), b"")
