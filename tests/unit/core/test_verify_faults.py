"""``ledger.core.verification.bundle``: each fault in what is signed and sequenced is found by its step."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from ledger.core.log.checkpoints import Checkpoint, sign_checkpoint
from ledger.core.log.merkle import Hash
from ledger.core.log.notes import SeedSigner
from ledger.core.log.tlog_proofs import parse_tlog_proof
from tests.testkit.builders import COURT, POLICE, PROCURATORATE, START, Event, clerk, signed
from tests.testkit.bundles import CHAIN, LOG_SIGNER, ORIGIN, Log, founded, log_with, tree
from tests.testkit.casework import Case
from tests.testkit.changed_bundles import CASE, GOOD, LOG, NOTE, Tree, faults, put, verdict_of

OTHER_DIGEST = "blake3:" + "7e" * 32
ENVELOPE_FAULTS: Tree = {
    "event_id": "01940000-0000-7000-8000-000000000000",
    "event_type": "case.closed",
    "stream": {"kind": "case", "id": "case-2"},
    "sequence": 2,
    "previous": OTHER_DIGEST,
    "agency": COURT,
    "payload_digest": OTHER_DIGEST,
    "signed_at": START + 31,
    "key_id": clerk(COURT).key_id,
}


@pytest.mark.parametrize("field", sorted(ENVELOPE_FAULTS.keys() - {"key_id"}))
def test_envelope_signed_again(field: str) -> None:
    """The officer signs other words than the log has: only the tree shows it, and it does."""
    envelope = replace(CASE.events[1].envelope, **{field: value_for(field)})
    event = Event(signed(envelope, clerk(POLICE)), CASE.events[1].payload)
    bad = tree(GOOD) | {"envelope": json.loads(event.entry)}
    report = verdict_of(bad)
    assert "signature" not in faults(report)
    assert "inclusion" in faults(report)


def value_for(field: str) -> Any:
    changed = ENVELOPE_FAULTS[field]
    return type(CASE.events[1].envelope.stream)(**changed) if field == "stream" else changed


@pytest.mark.parametrize("field", tree(GOOD)["payload"]["body"])
def test_body_field_changed_or_removed(field: str) -> None:
    """Nor can what is said: a changed body fails by digest, a maimed one by its form."""
    bad = tree(GOOD)
    value = bad["payload"]["body"].pop(field)
    assert verdict_of(bad).verdict == "tampered"
    bad["payload"]["body"][field] = "other" if isinstance(value, str) else {"value": "2", "unit": "piece"}
    assert verdict_of(bad).verdict == "tampered"


def _proof(**changes: Any) -> Callable[[Tree], None]:
    """Another proof text: the parts of a TlogProof, replaced by value or by a function of the old one."""

    def change(bundle: Tree) -> None:
        proof = parse_tlog_proof(bundle["proof"])
        parts = {name: value(getattr(proof, name)) if callable(value) else value for name, value in changes.items()}
        bundle["proof"] = type(proof)(
            parts.get("index", proof.index),
            parts.get("hashes", proof.hashes),
            parts.get("checkpoint", proof.checkpoint),
        ).to_text()

    return change


def _flipped(hex_text: str) -> str:
    return hex_text[:-1] + ("0" if hex_text[-1] != "0" else "1")


OTHER_LOG = Log(LOG.events, log_signer=SeedSigner.from_seed("other.example", bytes([1]) * 32))
OTHER_CASE = log_with(Case("case-9").open().register("knife"), POLICE, PROCURATORATE)
LATER = founded(POLICE)
LATER.add(*CASE.events[:2])

FAULTS: dict[str, tuple[Callable[[Tree], None], str]] = {
    "signature flipped": (put("envelope", "signature", to=lambda s: "0x" + _flipped(s[2:130]) + s[130:]), "signature"),
    "bundle of another ledger": (put("log_id", to="0x" + "01" * 32), "ledger"),
    "payload of another event": (put("payload", to=json.loads(CASE.events[0].payload_bytes)), "payload"),
    "payload of a type that does not exist": (put("payload", "event_type", to="item.stolen"), "form"),
    "payload with one field more": (put("payload", "more", to=1), "form"),
    "payload not in NFC": (put("payload", "body", "description", to="e\u0301"), "form"),
    "section's text changed": (put("sections", "narrative", "fields", "text", to="another story"), "sections"),
    "section's salt changed": (put("sections", "narrative", "salt", to="00" * 16), "sections"),
    "sections swapped": (lambda b: b["sections"].update(narrative=b["sections"]["description"]), "sections"),
    "section that nobody committed to": (
        lambda b: b["sections"].update({"person:1": b["sections"]["narrative"]}),
        "sections",
    ),
    "index of the entry before": (_proof(index=lambda i: i - 1), "inclusion"),
    "proof with a hash changed": (_proof(hashes=lambda h: (Hash(bytes(32)), *h[1:])), "inclusion"),
    "proof that is no proof": (put("proof", to="c2sp.org/tlog-proof@v1\n"), "form"),
    "checkpoint of another size": (_proof(checkpoint=LOG.note(9)), "inclusion"),
    "checkpoint of another tree": (_proof(checkpoint=OTHER_CASE.note()), "inclusion"),
    "checkpoint of another log": (_proof(checkpoint=OTHER_LOG.note()), "checkpoint"),
    "checkpoint's root changed under its signature": (_proof(checkpoint=NOTE.replace("\n10\n", "\n9\n")), "checkpoint"),
    "checkpoint of an empty tree": (
        _proof(checkpoint=sign_checkpoint(Checkpoint(ORIGIN, 0, Log().checkpoint().root), LOG_SIGNER)),
        "inclusion",
    ),
    "number as text": (put("anchor", "number", to="1"), "block"),
    "contract that is cut": (put("anchor", "contract", to=lambda address: address[:-2]), "block"),
    "anchor without a header": (lambda b: b["anchor"].pop("header_rlp"), "block"),
    "anchor with a claim": (put("anchor", "size", to=10), "block"),
    "grant without a proof": (lambda b: b["authority"]["grant"].pop("proof"), "authority"),
    "evidence that is none": (put("authority", to=None), "authority"),
    "anchor that is none": (put("anchor", to=[]), "block"),
    "header that is none": (put("anchor", "header_rlp", to="0xc0"), "block"),
    "number of another record": (put("anchor", "number", to=2), "anchor"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_fault_is_found_by_its_step(name: str) -> None:
    """The fault makes the bundle tampered with, and the step that is there for it says so."""
    change, step = FAULTS[name]
    bad = tree(GOOD)
    change(bad)
    report = verdict_of(bad)
    assert report.verdict == "tampered"
    assert faults(report)[0] == step


@pytest.mark.parametrize(
    "change",
    [
        put("anchor", "contract", to=CHAIN.registry),
        put("anchor", "chain", "chain_id", to=1),
        put("anchor", "chain", "deployment_block_number", to=4),
        put("anchor", "chain", "deployment_block_hash", to=_flipped),
    ],
)
def test_anchor_on_another_chain(change: Callable[[Tree], None]) -> None:
    """Chain and contract are what the trust file names, or the anchor counts for nothing."""
    bad = tree(GOOD)
    change(bad)
    assert verdict_of(bad).verdict == "not_yet_anchored"
