"""Story 10 again, with a quorum of two of three witnesses: what the operator does alone, the contract refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.chain import contract
from ledger.chain.contract import ContractDomain, checkpoint_digest
from ledger.config.keys import LocalSigner
from ledger.core.log.notes import parse_note
from ledger.samples.operator import Operator
from ledger.samples.town import admin_of
from tests.e2e.stories.guarded import COURT, POLICE, QUORUM, GuardedTown
from tests.oracles.merkle_reference import mth

pytestmark = [pytest.mark.extended, pytest.mark.timeout(900)]  # five processes are started, and wait for one another


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardedTown]:
    """Yield a ledger of eight agencies, three of which witness; a phone was handed over, and everything is anchored."""
    with GuardedTown.founded(tmp_path_factory.mktemp("guarded")) as town:
        town.case("theft").open().register("phone", "knife").offer("phone", to="procuratorate-east").accept()
        town.anchored()
        yield town


def test_anchors_need_the_witnesses_and_proofs_carry_them(town: GuardedTown, tmp_path: Path) -> None:
    """Not for development: an auditor's bundle names the quorum and a time that is proven; /checkpoint has the
    co-signatures. The operator alone, with one witness's key, with one key twice, or with a key of his own, is refused
    by the contract in words; with two witnesses it would take the anchor."""
    event_id = json.loads(town.entries()[-1])["event_id"]
    bundle = town.vouched_proof(event_id, tmp_path / "bundle.json")
    done = town.at_the_terminal("auditor", "proof", "check", bundle)
    report = done.json()
    assert (done.status, report["verdict"], report["development"]) == (0, "intact", False), done.out
    steps = {step["name"]: step for step in report["steps"]}
    assert "the quorum founding_witnesses is reached by" in steps["witnesses"]["detail"]
    assert "by the quorum of witnesses" in steps["time"]["detail"]
    assert "its block note is signed by" in steps["block"]["detail"]
    assert len(parse_note(town.checkpoint()).signatures) >= 3
    assert town.at_the_terminal("auditor", "audit").json()["verdict"] == "intact"

    operator, entries = town.operator(), [*town.entries(), b"one more"]
    first, second = (town.witnesses[agency].signer for agency in (POLICE, COURT))
    first_signature, second_signature, own_signature = (
        cosign_by_hand(town, operator, signer, entries) for signer in (first, second, town.key("submitter"))
    )
    for cosignatures in ((), (first_signature,), (first_signature, first_signature)):
        refused = operator.anchor(entries, *cosignatures)
        assert refused is not None
        assert refused.error == "QuorumMissing"
        assert refused.hint == "Ask more witnesses to co-sign."
    refused = operator.anchor(entries, first_signature, own_signature)
    assert refused is not None
    assert refused.error == "NotWitness"
    assert operator.anchor(entries, first_signature, second_signature) is None


def cosign_by_hand(town: GuardedTown, operator: Operator, signer: LocalSigner, entries: list[bytes]) -> bytes:
    """Return what a witness would sign for the contract, by whoever has a key."""
    domain = ContractDomain(town.log_id, operator.chain["chain_id"], operator.chain["anchor"])
    return signer.sign(checkpoint_digest(domain, len(entries), mth(entries), operator.registry_hash()))


def test_a_forked_history_and_a_hidden_revocation_are_refused(town: GuardedTown) -> None:
    """With the log's and the submitter's keys he leaves a revocation out of the log and tells the witnesses another
    history. The contract refuses the old registry hash, and for the new one no witness signs: each has followed the
    true log."""
    operator = town.operator()
    before, old_hash = town.entries(), operator.registry_hash()
    town.ledger.relay(contract.revoke_key(town.keys.key_id("lab")), town.keys.signer(admin_of("lab-east")))
    town.until("the revocation is in the log", lambda: len(town.entries()) > len(before))
    town.anchored()
    true, new_hash = town.entries(), operator.registry_hash()
    assert new_hash != old_hash

    hiding = [*true[: len(before)], *(b"another entry %d" % number for number in range(9))]
    refused = operator.anchor(hiding)
    assert refused is not None
    assert refused.error == "Inconsistent"
    beyond = [*true, b"what nobody has followed"]
    refused = operator.anchor(beyond, registry_hash=old_hash)
    assert refused is not None
    assert refused.error == "RegistryHashStale"

    signatures = []
    for witness in town.witnesses.values():
        for history, registry_hash in ((hiding, new_hash), (beyond, new_hash), (true, old_hash)):
            answer = operator.ask(witness.url, history, registry_hash)
            assert answer.status_code in (409, 422), answer.text
        answer = operator.ask(witness.url, true, new_hash)
        if answer.is_success:  # a quorum has seen it, the third may have gone on at once
            signatures.append(bytes.fromhex(answer.json()["signature"][2:]))
    assert len(signatures) >= QUORUM, "the true history is signed for"
    refused = operator.anchor(beyond, *signatures[:1])
    assert refused is not None
    assert refused.error == "NotWitness", "a signature over another tree is nobody's"
