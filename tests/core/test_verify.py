"""``ledger.core.verify``: a bundle is intact only where every part of it is what was signed, sequenced and anchored.

Faults are made on the bundle as a tree of plain values, each named by what it does, and must be found by their step.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from ledger.core.bundle import MAX_BUNDLE_LENGTH, AuthorityEvidence, Bundle, encode_bundle, raw
from ledger.core.checkpoint import Checkpoint, sign_checkpoint, verify_checkpoint
from ledger.core.errors import MalformedInput
from ledger.core.event import Authority, record, registry
from ledger.core.merkle import Hash
from ledger.core.note import SeedSigner
from ledger.core.proof import parse_tlog_proof
from ledger.core.report import Report
from ledger.core.trust import Trust
from ledger.core.verify import STEPS, verify_bundle, verify_event
from tests.builders import (
    COURT,
    POLICE,
    PROCURATORATE,
    SERVICE,
    START,
    Event,
    Writer,
    auditor,
    clerk,
    event_of,
    section,
    signed,
    supervisor,
)
from tests.bundles import (
    CHAIN,
    LOG_SIGNER,
    ORIGIN,
    TWO_OF_THREE,
    WITNESSES,
    Log,
    anchor_of,
    founded,
    log_with,
    tree,
    trust,
)
from tests.casework import Case, registration

Tree = dict[str, Any]
TRUST = trust()
CASE = (
    Case()
    .open()
    .act(registration("phone"), sections={"narrative": section(), "description": section("description")})
    .offer("phone", to=PROCURATORATE)
    .accept()
)
LOG = log_with(CASE, POLICE, PROCURATORATE)
FOUNDING = 6  # entries before the case's first
REGISTERED = FOUNDING + 1
NOTE = LOG.note()
GOOD = LOG.bundle(REGISTERED, NOTE)
EVIDENCE = AuthorityEvidence(agency=LOG.evidence(0, NOTE), grant=LOG.evidence(1, NOTE))


def verdict_of(bundle: Bundle | Tree, using: Trust = TRUST) -> Report:
    data = json.dumps(bundle).encode() if isinstance(bundle, dict) else encode_bundle(bundle)
    return verify_bundle(data, using)


def results(report: Report) -> dict[str, str]:
    return {step.name: step.result for step in report.steps}


def faults(report: Report) -> list[str]:
    return [step.name for step in report.faults]


# -- what holds --------------------------------------------------------------------------------------------------------


def test_good_bundle() -> None:
    """A complete bundle is intact; only what an unproven anchor leaves open is not checked."""
    report = verdict_of(GOOD)
    assert report.verdict == "intact"
    assert report.development
    assert {name for name, result in results(report).items() if result != "checked"} == {
        "witnesses",
        "revocation",
        "storage",
        "block",
        "time",
    }
    assert [step.number for step in report.steps] == list(range(1, len(STEPS) + 1))


def test_subject_says_what_was_verified() -> None:
    """The report names the event, its place, and the tree head that it was proven under."""
    subject = verdict_of(GOOD).subject
    event = CASE.events[1]
    assert (subject.event_id, subject.payload_digest) == (event.envelope.event_id, event.digest)
    assert (subject.index, subject.size, subject.root) == (REGISTERED, 10, LOG.checkpoint().root.hex())
    assert (subject.officer, subject.occurred_at) == (event.payload.officer, event.payload.occurred_at)


@pytest.mark.parametrize("index", range(len(LOG.events)))
def test_every_entry_has_a_good_bundle(index: int) -> None:
    """Events of the case and mirror entries of the ledger itself verify alike."""
    assert verdict_of(LOG.bundle(index, NOTE)).verdict == "intact"


@pytest.mark.parametrize("size", range(REGISTERED + 1, len(LOG.events) + 1))
def test_every_later_tree_head_proves_the_entry(size: int) -> None:
    """A proof may be issued again at any size above the index."""
    report = verdict_of(LOG.bundle(REGISTERED, LOG.note(size)))
    assert (report.verdict, report.subject.size) == ("intact", size)


def test_spelling_of_the_file_is_free() -> None:
    """Signed parts count by their canonical bytes: an indented file with other key order proves the same."""
    turned = {key: tree(GOOD)[key] for key in sorted(tree(GOOD), reverse=True)}
    data = json.dumps(turned, indent=1, ensure_ascii=True).encode()
    assert verify_bundle(data, TRUST) == verdict_of(GOOD)


def test_checkpoint_is_asked_for_once() -> None:
    """A caller may remember accepted checkpoints; the verdict is the same."""
    remembered = lru_cache(verify_checkpoint)
    for _ in range(3):
        assert verify_bundle(encode_bundle(GOOD), TRUST, check_note=remembered).verdict == "intact"
    assert remembered.cache_info().misses == 1


def test_parts_that_were_accepted() -> None:
    """``verify_event`` hands on what was accepted, and nothing else."""
    good = verify_event(encode_bundle(GOOD), TRUST)
    assert (good.payload, good.checkpoint) == (CASE.events[1].payload, LOG.checkpoint())
    other = replace(GOOD, payload=LOG.bundle(FOUNDING, NOTE).payload, proof=GOOD.proof.replace(ORIGIN, "other"))
    bad = verify_event(encode_bundle(other), TRUST)
    assert (bad.payload, bad.checkpoint) == (None, None)


# -- what is not there -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("left_out", "verdict", "step"),
    [
        ({"payload": UNSET, "sections": {}}, "unverifiable", "payload"),
        ({"payload": UNSET}, "unverifiable", "payload"),
        ({"sections": {}}, "intact", "sections"),
        ({"authority": UNSET}, "unverifiable", "authority"),
        ({"anchors": UNSET}, "not_yet_anchored", "anchor"),
        ({"anchors": raw([]), "authority": UNSET}, "unverifiable", "authority"),
    ],
)
def test_left_out(left_out: Tree, verdict: str, step: str) -> None:
    """What is withheld is not checked, and the verdict says what that means."""
    report = verdict_of(replace(GOOD, **left_out))
    assert report.verdict == verdict
    assert results(report)[step] == "not_checked"
    assert not report.faults


def test_withheld_section_is_named() -> None:
    """The label of a section that is not shown is told, the others are checked."""
    shown = {label: part for label, part in GOOD.sections.items() if label != "narrative"}
    step = verdict_of(replace(GOOD, sections=shown)).steps[7]
    assert (step.name, step.result, step.detail) == ("sections", "not_checked", "narrative withheld")


def test_anchor_of_an_unknown_contract() -> None:
    """An anchor that the trust file does not know proves nothing to its holder, and does not disturb one that does."""
    stranger = anchor_of(LOG.checkpoint(), contract=CHAIN.registry, root="0x" + "00" * 32)
    assert verdict_of(replace(GOOD, anchors=raw([stranger]))).verdict == "unverifiable"
    assert verdict_of(replace(GOOD, anchors=raw([stranger, anchor_of(LOG.checkpoint())]))).verdict == "intact"


def test_storage_proof_is_not_taken_for_checked() -> None:
    """A storage proof is read strictly, and the report says that this version does not check it."""
    anchors = tree(GOOD)["anchors"]
    anchors[0]["proven_at"] = {"header_rlp": "0xc0", "account_proof": ["0x"], "storage_proofs": []}
    report = verdict_of(tree(GOOD) | {"anchors": anchors})
    assert (report.verdict, results(report)["storage"]) == ("intact", "not_checked")
    anchors[0]["proven_at"]["header_rlp"] = "0xc"
    report = verdict_of(tree(GOOD) | {"anchors": anchors})
    assert faults(report) == ["anchor"]
    assert "bytes in lower-case hex" in report.faults[0].detail


# -- witnesses and time ------------------------------------------------------------------------------------------------


def cosigned(*times: tuple[int, int]) -> Bundle:
    return LOG.bundle(REGISTERED, LOG.note(witnesses=[(WITNESSES[number], time) for number, time in times]))


def test_quorum_and_earliest_time() -> None:
    """A quorum of the policy is checked; the earliest co-signature proves the time."""
    using = trust(TWO_OF_THREE, development=False)
    report = verdict_of(cosigned((0, START + 90), (2, START + 80)), using)
    assert (report.verdict, results(report)["witnesses"]) == ("intact", "checked")
    assert report.proven_time == START + 80
    assert not report.development


def test_quorum_not_reached() -> None:
    """Too few co-signatures: unverifiable, and not tampered with."""
    report = verdict_of(cosigned((0, START)), trust(TWO_OF_THREE))
    assert (report.verdict, results(report)["witnesses"]) == ("unverifiable", "not_checked")


def test_witnesses_that_the_policy_does_not_know() -> None:
    """They count for nothing, neither for the quorum nor for the time."""
    report = verdict_of(cosigned((0, START), (1, START)))
    assert (report.verdict, report.proven_time) == ("intact", None)


def test_cosignature_that_does_not_hold() -> None:
    """A known witness's signature on another text fails its step."""
    good = cosigned((0, START), (1, START))
    line = LOG.note(5, witnesses=[(WITNESSES[0], START)]).splitlines()[-1]
    bad = "\n".join(line if "w1 " in old else old for old in good.proof.split("\n"))
    report = verdict_of(replace(good, proof=bad), trust(TWO_OF_THREE))
    assert faults(report)[0] == "witnesses"
    assert report.proven_time is None


def test_time_far_away() -> None:
    """A co-signature may name any second below 2^63; it is told in seconds where the calendar ends."""
    report = verdict_of(cosigned((0, 2**62), (1, 2**62)), trust(TWO_OF_THREE))
    assert report.proven_time == 2**62
    assert str(2**62) in report.steps[13].detail


# -- faults in what is signed and sequenced ----------------------------------------------------------------------------

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


@pytest.mark.parametrize("field", ENVELOPE_FAULTS)
def test_envelope_field_changed(field: str) -> None:
    """Every field of the envelope is signed and is part of the leaf."""
    bad = tree(GOOD)
    bad["envelope"][field] = ENVELOPE_FAULTS[field]
    report = verdict_of(bad)
    assert report.verdict == "tampered"
    assert {"signature", "inclusion"} <= set(faults(report))


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


PAYLOAD_FAULTS: Tree = {
    "event_id": "01940000-0000-7000-8000-000000000000",
    "stream": {"kind": "case", "id": "case-2"},
    "sequence": 2,
    "previous": OTHER_DIGEST,
    "agency": COURT,
    "officer": "somebody-else",
    "occurred_at": "2026-03-02T01:00:01Z",
    "salt": "00" * 16,
    "authority": {"authorization_type": "warrant", "authorization_identifier": "1"},
    "confidential": {"narrative": OTHER_DIGEST},
}


@pytest.mark.parametrize("field", PAYLOAD_FAULTS)
def test_payload_field_changed(field: str) -> None:
    """No field of the payload can change without its digest."""
    bad = tree(GOOD)
    bad["payload"][field] = PAYLOAD_FAULTS[field]
    assert "payload" in faults(verdict_of(bad))


@pytest.mark.parametrize("field", tree(GOOD)["payload"]["body"])
def test_body_field_changed_or_removed(field: str) -> None:
    """Nor can what is said: a changed body fails by digest, a maimed one by its form."""
    bad = tree(GOOD)
    value = bad["payload"]["body"].pop(field)
    assert verdict_of(bad).verdict == "tampered"
    bad["payload"]["body"][field] = "other" if isinstance(value, str) else {"value": "2", "unit": "piece"}
    assert verdict_of(bad).verdict == "tampered"


def _set(*path: str | int, to: Any) -> Callable[[Tree], None]:
    def change(bundle: Tree) -> None:
        at: Any = bundle
        for key in path[:-1]:
            at = at[key]
        at[path[-1]] = to(at[path[-1]]) if callable(to) else to

    return change


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


OTHER_SIGNER = SeedSigner.from_seed(ORIGIN, bytes([77]) * 32)
OTHER_LOG = Log(LOG.events, log_signer=SeedSigner.from_seed("other.example", bytes([1]) * 32))
OTHER_CASE = log_with(Case("case-9").open().register("knife"), POLICE, PROCURATORATE)
LATER = founded(POLICE)
LATER.add(*CASE.events[:2])

FAULTS: dict[str, tuple[Callable[[Tree], None], str]] = {
    "signature flipped": (_set("envelope", "signature", to=lambda s: "0x" + _flipped(s[2:130]) + s[130:]), "signature"),
    "signature with v 0": (_set("envelope", "signature", to=lambda s: s[:-2] + "00"), "signature"),
    "signature of zeros": (_set("envelope", "signature", to="0x" + "00" * 65), "signature"),
    "bundle of another ledger": (_set("log_id", to="0x" + "01" * 32), "ledger"),
    "payload of another event": (
        _set("payload", to=json.loads(CASE.events[0].payload_bytes)),
        "payload",
    ),
    "payload of a type that does not exist": (_set("payload", "event_type", to="item.stolen"), "form"),
    "payload without its body": (_set("payload", to=lambda p: {k: v for k, v in p.items() if k != "body"}), "form"),
    "payload with one field more": (_set("payload", "more", to=1), "form"),
    "payload not in NFC": (_set("payload", "body", "description", to="e\u0301"), "form"),
    "payload that is no object": (_set("payload", to=[1]), "form"),
    "section's text changed": (_set("sections", "narrative", "fields", "text", to="another story"), "sections"),
    "section's salt changed": (_set("sections", "narrative", "salt", to="00" * 16), "sections"),
    "sections swapped": (lambda b: b["sections"].update(narrative=b["sections"]["description"]), "sections"),
    "section that nobody committed to": (
        lambda b: b["sections"].update({"person:1": b["sections"]["narrative"]}),
        "sections",
    ),
    "section without fields": (_set("sections", "narrative", "fields", to={}), "form"),
    "index of the entry before": (_proof(index=lambda i: i - 1), "inclusion"),
    "index of the entry after": (_proof(index=lambda i: i + 1), "inclusion"),
    "index at the size": (_proof(index=10), "inclusion"),
    "proof one hash short": (_proof(hashes=lambda h: h[:-1]), "inclusion"),
    "proof one hash long": (_proof(hashes=lambda h: (*h, h[-1])), "inclusion"),
    "proof without hashes": (_proof(hashes=()), "inclusion"),
    "proof with hashes swapped": (_proof(hashes=lambda h: (h[1], h[0], *h[2:])), "inclusion"),
    "proof with a hash changed": (_proof(hashes=lambda h: (Hash(bytes(32)), *h[1:])), "inclusion"),
    "proof with a cut hash": (_proof(hashes=lambda h: (Hash(h[0][:31]), *h[1:])), "form"),
    "proof with 64 hashes": (_proof(hashes=lambda h: h * 16), "form"),
    "proof with an index of 2^64": (_set("proof", to=lambda p: p.replace("index 7", f"index {2**64}")), "form"),
    "proof with an index 07": (_set("proof", to=lambda p: p.replace("index 7", "index 07")), "form"),
    "proof that is no proof": (_set("proof", to="c2sp.org/tlog-proof@v1\n"), "form"),
    "checkpoint of a tree without the entry": (_proof(checkpoint=LOG.note(6)), "inclusion"),
    "checkpoint of another size": (_proof(checkpoint=LOG.note(9)), "inclusion"),
    "checkpoint of another tree": (_proof(checkpoint=OTHER_CASE.note()), "inclusion"),
    "checkpoint of another log": (_proof(checkpoint=OTHER_LOG.note()), "checkpoint"),
    "checkpoint signed with another key": (
        _proof(checkpoint=sign_checkpoint(LOG.checkpoint(), OTHER_SIGNER)),
        "checkpoint",
    ),
    "checkpoint's root changed under its signature": (
        _proof(checkpoint=NOTE.replace("\n10\n", "\n9\n")),
        "checkpoint",
    ),
    "checkpoint without a signature": (_proof(checkpoint=NOTE.rsplit("\n\n", 1)[0] + "\n\n"), "checkpoint"),
    "checkpoint with an extension line": (_proof(checkpoint=NOTE.replace("\n\n", "\nmore\n\n", 1)), "checkpoint"),
    "checkpoint of an empty tree": (
        _proof(checkpoint=sign_checkpoint(Checkpoint(ORIGIN, 0, Log().checkpoint().root), LOG_SIGNER)),
        "inclusion",
    ),
    "size as text": (_set("anchors", 0, "size", to="10"), "anchor"),
    "size as a float": (_set("anchors", 0, "size", to=10.0), "anchor"),
    "size of 2^53": (_set("anchors", 0, "size", to=2**53), "anchor"),
    "root that is cut": (_set("anchors", 0, "root", to=lambda r: r[:-2]), "anchor"),
    "anchor without a block": (lambda b: b["anchors"][0].pop("anchored_in"), "anchor"),
    "grant without a proof": (lambda b: b["authority"]["grant"].pop("proof"), "authority"),
    "evidence that is none": (_set("authority", to=None), "authority"),
    "anchors that are none": (_set("anchors", to={}), "anchor"),
    "anchor of another size": (_set("anchors", 0, "size", to=9), "anchor"),
    "anchor of another root": (_set("anchors", 0, "root", to=_flipped), "anchor"),
    "anchor before the contract": (_set("anchors", 0, "anchored_in", "block_number", to=2), "anchor"),
    "anchor without a number": (_set("anchors", 0, "number", to=0), "anchor"),
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
    ("change", "verdict"),
    [
        (_set("anchors", 0, "contract", to=CHAIN.registry), "unverifiable"),
        (_set("anchors", 0, "chain", "chain_id", to=1), "unverifiable"),
        (_set("anchors", 0, "chain", "deployment_block_number", to=4), "unverifiable"),
        (_set("anchors", 0, "chain", "deployment_block_hash", to=_flipped), "unverifiable"),
    ],
)
def test_anchor_on_another_chain(change: Callable[[Tree], None], verdict: str) -> None:
    """Chain and contract are what the trust file names, or the anchor counts for nothing."""
    bad = tree(GOOD)
    change(bad)
    assert verdict_of(bad).verdict == verdict


# -- authority ---------------------------------------------------------------------------------------------------------


def authority(**changes: Any) -> Report:
    """The verdict with other evidence: entries of LOG by index."""
    parts = {name: LOG.evidence(index, NOTE) for name, index in changes.items()}
    return verdict_of(replace(GOOD, authority=raw(replace(EVIDENCE, **parts))))


@pytest.mark.parametrize(
    "changes",
    [
        {"grant": 2},
        {"grant": 4},
        {"agency": 3},
        {"grant": 4, "agency": 3},
        {"grant": 0},
        {"agency": 1},
        {"agency": REGISTERED},
        {"grant": REGISTERED},
    ],
)
def test_evidence_swapped(changes: dict[str, int]) -> None:
    """Only the grant of this very key, of this agency, proves the right to sign."""
    report = authority(**changes)
    assert (report.verdict, faults(report)) == ("tampered", ["authority"])


EVIDENCE_FAULTS: dict[str, Callable[[Tree], None]] = {
    "body changed": lambda e: e["payload"]["body"].update(officer="somebody-else"),
    "envelope changed": lambda e: e["envelope"].update(signed_at=1),
    "payload of the other entry": lambda e: e.update(payload=tree(GOOD)["authority"]["agency"]["payload"]),
    "proof of the other entry": lambda e: e.update(proof=tree(GOOD)["authority"]["agency"]["proof"]),
    "proof under another checkpoint": lambda e: e.update(proof=LOG.proof(1, LOG.note(9))),
    "proof that is none": lambda e: e.update(proof=""),
    "envelope that is none": lambda e: e.update(envelope=[]),
    "payload that is none": lambda e: e.update(payload=None),
}


@pytest.mark.parametrize("name", EVIDENCE_FAULTS)
def test_evidence_changed(name: str) -> None:
    """Evidence is verified like the entry itself: signature, digest, inclusion in the same tree head."""
    bad = tree(GOOD)
    EVIDENCE_FAULTS[name](bad["authority"]["grant"])
    report = verdict_of(bad)
    assert faults(report) == ["authority"]
    assert report.faults[0].detail.startswith("authority.grant: ")


def test_mirror_entry_that_the_service_did_not_sign() -> None:
    """A grant that an officer wrote himself is none, though it stands in the log."""
    log = Log()
    log.registry.admit(POLICE)
    log.mirror()
    log.registry.grant(clerk(POLICE))
    log.mirror(by=clerk(POLICE))
    index = log.add(*Case().open().events)
    assert faults(verdict_of(log.bundle(index))) == ["authority"]


def test_grant_at_a_higher_index() -> None:
    """A key that is granted only after the entry was not good for it."""
    log = founded(PROCURATORATE)
    log.registry.admit(POLICE)
    log.mirror()
    index = log.add(*Case().open().events)
    log.registry.grant(clerk(POLICE))
    log.mirror()
    assert faults(verdict_of(log.bundle(index))) == ["authority"]


def test_agency_admitted_after_the_grant() -> None:
    """Admission comes before the grant."""
    log = Log()
    log.registry.admit(POLICE).grant(clerk(POLICE))
    log.mirror()
    log.events.reverse()
    index = log.add(*Case().open().events)
    assert faults(verdict_of(log.bundle(index))) == ["authority"]


@pytest.mark.parametrize(
    "terms",
    [
        {"roles": ("auditor",)},
        {"officer": "somebody-else"},
        {"suite": 2},
        {"valid_from": START + 31},
        {"valid_until": START + 30},
        {"agency": PROCURATORATE},
    ],
)
def test_grant_that_does_not_cover_the_act(terms: Tree) -> None:
    """Role, officer, suite, time and agency of the grant must cover what was signed."""
    log = Log()
    log.registry.admit(POLICE, PROCURATORATE).grant(clerk(POLICE), **terms)
    log.mirror()
    index = log.add(*Case().open().events)
    assert faults(verdict_of(log.bundle(index))) == ["authority"]


def test_role_counts_also_without_the_payload() -> None:
    """A withheld payload hides the officer, not the agency, the role or the time."""
    log = Log()
    log.registry.admit(POLICE).grant(auditor(POLICE))
    log.mirror()
    index = log.add(*Case().open(auditor(POLICE)).events)
    assert faults(verdict_of(log.bundle(index, payload=UNSET))) == ["authority"]


def test_service_key_signs_for_no_agency() -> None:
    """The ledger's own key opens no case, and an officer's key writes no mirror entry."""
    log = founded(POLICE)
    case = log.add(event_of(CASE.events[0].payload.body, SERVICE))
    report = verdict_of(log.bundle(case, authority=GOOD.authority))
    assert "authority" in faults(report)
    system = Log()
    system.registry.admit(POLICE)
    mirror = system.mirror(by=clerk(POLICE))
    assert faults(verdict_of(system.bundle(mirror, authority=UNSET))) == ["authority"]


def test_service_entry_brings_no_grant() -> None:
    """Evidence where none belongs is refused."""
    report = verdict_of(LOG.bundle(0, NOTE, authority=GOOD.authority))
    assert faults(report) == ["authority"]


# -- revocation --------------------------------------------------------------------------------------------------------


def revoked_log(*, before: bool) -> tuple[Log, int]:
    log = founded(POLICE)
    if before:
        log.registry.revoke(clerk(POLICE))
        log.mirror()
    index = log.add(*Case().open().events)
    if not before:
        log.registry.revoke(clerk(POLICE))
        log.mirror()
    return log, index


def test_key_revoked_afterwards() -> None:
    """A later revocation leaves what was signed before it as it is."""
    log, index = revoked_log(before=False)
    report = verdict_of(log.bundle(index))
    assert (report.verdict, results(report)["revocation"]) == ("intact", "checked")


def test_key_revoked_before() -> None:
    """An entry above the revocation was signed with a key that was good no more."""
    log, index = revoked_log(before=True)
    assert faults(verdict_of(log.bundle(index))) == ["revocation"]


def test_revocation_of_another_key() -> None:
    """It says nothing of this one, and is not passed over."""
    log = founded(POLICE)
    index = log.add(*Case().open().events)
    log.registry.revoke(supervisor(POLICE))
    revocation = log.mirror()
    note = log.note()
    evidence = log.authority(log.events[index], note)
    assert evidence is not None
    bad = log.bundle(index, note, authority=raw(replace(evidence, revocation=log.evidence(revocation, note))))
    assert faults(verdict_of(bad)) == ["revocation"]


def test_revocation_without_grant() -> None:
    """Where the grant is refused the revocation is not looked at."""
    log, index = revoked_log(before=True)
    note = log.note()
    evidence = log.authority(log.events[index], note)
    assert evidence is not None
    report = verdict_of(log.bundle(index, note, authority=raw(replace(evidence, grant=evidence.agency))))
    assert (faults(report), results(report)["revocation"]) == (["authority"], "not_checked")


# -- erasure -----------------------------------------------------------------------------------------------------------


def erased_log(**concerns: Any) -> tuple[Log, int]:
    """LOG with an erasure of the registered item's narrative, or of what ``concerns`` says."""
    log = Log(list(LOG.events), registry=LOG.registry)
    body = record.SectionErased(concerns=CASE.events[1].ref, label="narrative", ground="court order 12")
    writer = Writer("case", concerns.pop("case_id", "case-1"), start=START + 900)
    order = Authority(authorization_type="court order", authorization_identifier="12")
    return log, log.add(writer.write(replace(body, **concerns), supervisor(POLICE), authority=order))


def with_erasure(log: Log, erasure: int, label: str = "narrative") -> Report:
    note = log.note()
    shown = {name: part for name, part in GOOD.sections.items() if name != "narrative"}
    bundle = log.bundle(REGISTERED, note, sections=shown, erased=(log.erasure(label, erasure, note),))
    return verdict_of(bundle)


def test_erased_section() -> None:
    """An erased section leaves the verdict intact; the step names the entry that erased it."""
    log, erasure = erased_log()
    report = with_erasure(log, erasure)
    assert report.verdict == "intact"
    assert (report.steps[7].result, report.steps[7].detail) == ("not_checked", f"narrative erased by entry {erasure}")


@pytest.mark.parametrize(
    "concerns",
    [{"label": "description"}, {"concerns": CASE.events[0].ref}, {"case_id": "case-2"}],
)
def test_erasure_of_something_else(concerns: Tree) -> None:
    """An erasure of another label, event or case proves nothing here."""
    log, erasure = erased_log(**concerns)
    assert faults(with_erasure(log, erasure)) == ["sections"]


def test_erasure_that_is_none() -> None:
    """Another entry is no erasure, and one that is not in the log is none either."""
    log, erasure = erased_log()
    assert faults(with_erasure(log, REGISTERED)) == ["sections"]
    assert faults(with_erasure(log, erasure, label="description")) == ["sections"]


# -- what is no bundle -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "field"),
    [
        (b"", "bundle"),
        (b"{", "bundle"),
        (b"[]", "bundle"),
        (b"\xef\xbb\xbf{}", "bundle"),
        (b"\xff", "bundle"),
        (b'{"format":"tallystick/bundle@v2"}', "bundle.format"),
        (b"[" * 100_000, "bundle"),
        (b" " * (MAX_BUNDLE_LENGTH + 1), "bundle"),
    ],
)
def test_no_bundle(data: bytes, field: str) -> None:
    """Bytes that are no bundle are malformed, and nothing else is ever raised."""
    with pytest.raises(MalformedInput) as caught:
        verify_bundle(data, TRUST)
    assert caught.value.field == field


MALFORMED: dict[str, Callable[[Tree], None]] = {
    "unknown field": _set("more", to=1),
    "digest labelled SHA-256": _set("envelope", "payload_digest", to=lambda d: d.replace("blake3:", "sha256:")),
    "unsigned envelope": lambda b: b["envelope"].pop("signature"),
    "EIP-2098 signature": _set("envelope", "signature", to=lambda s: s[:-2]),
    "version 2": _set("envelope", "version", to=2),
    "envelope that is text": _set("envelope", to="text"),
    "label of another alphabet": lambda b: b["sections"].update({"narr\u0430tive": {}}),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed(name: str) -> None:
    """What breaks the frame of the file or the form of its envelope is malformed and names its field."""
    bad = tree(GOOD)
    MALFORMED[name](bad)
    with pytest.raises(MalformedInput) as caught:
        verdict_of(bad)
    assert caught.value.field


def doubled(part: bytes) -> bytes:
    """The JSON object with its first key standing twice, first with another value."""
    key = part[1 : part.index(b":")]
    return b"{" + key + b':"x",' + part[1:]


def test_key_that_stands_twice_in_frame_or_envelope() -> None:
    """Two readers would see two different bundles: malformed."""
    data, envelope = encode_bundle(GOOD), CASE.events[1].entry
    for twice in (data[:-1] + b',"proof":"x"}', data.replace(envelope, doubled(envelope))):
        with pytest.raises(MalformedInput):
            verify_bundle(twice, TRUST)
    same = data[:-1] + b',"log_id":' + json.dumps(GOOD.log_id).encode() + b"}"
    with pytest.raises(MalformedInput, match="twice"):
        verify_bundle(same, TRUST)


@pytest.mark.parametrize(
    ("part", "step"), [(CASE.events[1].payload_bytes, "form"), (LOG.events[1].payload_bytes, "authority")]
)
def test_key_that_stands_twice_in_a_signed_part(part: bytes, step: str) -> None:
    """The same within payload and evidence: their step fails, whichever of the values was signed."""
    key = part[: part.index(b",")]
    for twice in (doubled(part), key + b"," + part[1:]):
        report = verify_bundle(encode_bundle(GOOD).replace(part, twice), TRUST)
        assert faults(report) == [step]


def test_registry_of_the_fixtures_is_true() -> None:
    """The mirror entries of the tests are what the authority folds."""
    bodies = [event.payload.body for event in LOG.events[:FOUNDING]]
    assert all(isinstance(body, registry.RegistryChange) for body in bodies)
    assert LOG.registry.authority.changes == FOUNDING
