"""``ledger.core.verification.receipts``: what a receipt shows of an entry, and what it leaves open."""

from __future__ import annotations

import json
from typing import Any

import pytest
import scitt_cose
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from msgspec.structs import replace

from ledger.core.errors import MalformedInput
from ledger.core.log.cose_receipts import parse_receipt, sign_receipt
from ledger.core.log.merkle import Hash
from ledger.core.log.notes import SeedSigner
from ledger.core.trust.trust_file import EarlierLogKey, Trust, parse_trust
from ledger.core.verification.receipts import STEPS, verify_receipt
from ledger.core.verification.report import ProofReport
from tests.oracles import merkle_reference as reference
from tests.testkit.bundles import LOG_SIGNER, ORIGIN, TWO_OF_THREE, trust
from tests.testkit.changed_bundles import LOG, NOTE, REGISTERED
from tests.testkit.published_vectors import EXAMPLES

ENTRY = LOG.events[REGISTERED].entry
NEW_LOG = SeedSigner.from_seed(ORIGIN, bytes([42]) * 32)
WITNESSED = trust(TWO_OF_THREE, development=False)
NAMES = [name for name, _ in STEPS]


def receipt(index: int = REGISTERED, signer: SeedSigner = LOG_SIGNER) -> bytes:
    entries = LOG.entries()
    hashes = [Hash(node) for node in reference.inclusion_proof(index, entries)]
    return sign_receipt(entries[index], index, LOG.checkpoint(), hashes, signer).encode()


VECTORS = json.loads((EXAMPLES / "receipts.json").read_bytes())
# A receipt says more here than RFC 9942 asks for: the foreign verifier passes over what it does not know.
PASSED_BY_OTHERS = {
    "as it is",
    "another stream as subject",
    "another origin as issuer",
    "another key id",
    "no tree size in the protected header",
    "another tree size than in the proof",
    "another protected header",
    "another claim",
    "no subject",
    "headers in another order",
    "another unprotected header",
    "the proof twice",
}


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["name"] for vector in VECTORS])
def test_published_vectors(vector: dict[str, Any]) -> None:
    """Each step has the status that the vector names; a foreign verifier passes no receipt of another entry."""
    entry = (EXAMPLES / "log.jsonl").read_bytes().splitlines()[vector["entry"]]
    trusted = parse_trust((EXAMPLES / "trust.json").read_bytes())
    data = bytes.fromhex(vector["receipt"])
    report = verify_receipt(data, entry, trusted)
    assert [step.result for step in report.steps] == vector["steps"]
    assert report.verdict == vector["verdict"]
    public = Ed25519PublicKey.from_public_bytes(trusted.log_key.public_key)
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    others = scitt_cose.verify_receipt(data, leaf_entry_hex=entry.hex(), log_public_key_pem=pem)
    assert others.ok == (vector["name"] in PASSED_BY_OTHERS), others.errors


def results(report: ProofReport) -> list[str]:
    assert [step.name for step in report.steps] == NAMES
    return [step.result for step in report.steps[:3]]


def test_inclusion_is_shown_and_the_rest_is_named() -> None:
    """The entry and its place hold; payload, witnesses, grant and anchor are each not checked, with the reason."""
    report = verify_receipt(receipt(), ENTRY, WITNESSED)
    assert results(report) == ["checked"] * 3
    head = LOG.checkpoint()
    assert (report.subject.envelope.event_id, report.subject.index) == (
        LOG.events[REGISTERED].envelope.event_id,
        REGISTERED,
    )
    assert (report.subject.size, report.subject.root) == (head.size, head.root.hex())
    assert (
        report.steps[2].detail
        == f"entry {REGISTERED} of {head.size}, under the root {head.root.hex()} that the log signed"
    )
    assert {step.name: step.verdict for step in report.steps[3:]} == {
        "payload": "unverifiable",
        "witnesses": "unverifiable",
        "authority": "unverifiable",
        "block": "not_yet_anchored",
    }
    assert {step.result for step in report.steps[3:]} == {"not_checked"}
    assert report.verdict == "unverifiable"
    assert (report.proven_time, report.block, report.development) == (None, None, False)


def test_a_development_ledger_asks_for_no_witness() -> None:
    """The step says so, as that of a bundle does; the verdict stays below intact."""
    report = verify_receipt(receipt(), ENTRY, trust())
    assert (report.steps[4].result, report.steps[4].verdict, report.verdict) == (
        "not_checked",
        "intact",
        "unverifiable",
    )


def test_the_step_that_does_not_hold_fails() -> None:
    """The entry of another event or ledger, an index that Python writes out for nobody, a receipt of another form."""
    of_other_entry = verify_receipt(receipt(), LOG.events[REGISTERED - 1].entry, WITNESSED)
    assert (results(of_other_entry), of_other_entry.verdict, of_other_entry.subject.index) == (
        ["checked", "checked", "failed"],
        "tampered",
        None,
    )
    long = replace(parse_receipt(receipt()), index=10**4400, hashes=(), signature=bytes(64))
    report = verify_receipt(long.encode(), ENTRY, WITNESSED)
    assert (results(report), report.verdict) == (["failed", "checked", "not_checked"], "tampered")
    report = verify_receipt(b"\xd2" + NOTE.encode(), ENTRY, WITNESSED)
    assert (results(report), report.verdict) == (["failed", "checked", "not_checked"], "tampered")
    report = verify_receipt(receipt(), ENTRY, replace(WITNESSED, log_id_text="0x" + "00" * 32))
    assert (results(report), report.verdict) == (["checked", "failed", "checked"], "tampered")


def test_what_is_no_entry_is_refused() -> None:
    """Without the canonical bytes of an envelope there is nothing that the receipt could be of."""
    for data in (NOTE.encode(), json.dumps(json.loads(ENTRY), indent=2).encode()):
        with pytest.raises(MalformedInput):
            verify_receipt(receipt(), data, WITNESSED)


def after(until: int) -> Trust:
    """Return the trust file after the log's key was replaced at a size."""
    earlier = (EarlierLogKey(LOG_SIGNER.verifying_key.vkey(), until),)
    return replace(WITNESSED, log_vkey=NEW_LOG.verifying_key.vkey(), earlier_log_keys=earlier)


@pytest.mark.parametrize(
    ("signer", "trusted", "shown"),
    [
        (LOG_SIGNER, after(len(LOG.events)), "checked"),
        (LOG_SIGNER, after(len(LOG.events) - 1), "not_checked"),
        (LOG_SIGNER, replace(after(0), earlier_log_keys=()), "not_checked"),
        (NEW_LOG, after(len(LOG.events)), "checked"),
        (NEW_LOG, after(1), "checked"),
        (NEW_LOG, WITNESSED, "not_checked"),
    ],
    ids=["old key", "old key, larger tree", "old key, forgotten", "new key", "new key, small tree", "old trust file"],
)
def test_each_key_of_the_log_counts_for_its_time(signer: SeedSigner, trusted: Trust, shown: str) -> None:
    """An earlier key signs receipts of trees up to its last, the present one of any; another is not known, not false.

    The step then names the key that it asks for, and how the trust file is renewed.
    """
    report = verify_receipt(receipt(signer=signer), ENTRY, trusted)
    assert (results(report)[2], report.verdict) == (shown, "unverifiable")
    if shown == "not_checked":
        assert trusted.log_vkey in str(report.steps[2].detail)
        assert "tally trust accept" in str(report.steps[2].detail)
