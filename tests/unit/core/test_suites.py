"""A second suite of signatures: a few lines of its own, and no change of the log, the bundle or the contract.

The toy is Ed25519, laid down as docs/protocol/suites.md asks of suites from 2 on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec.structs import replace

from ledger.core.encoding import canonical
from ledger.core.encoding.digests import keccak256
from ledger.core.errors import SignatureRefused, Unauthorized
from ledger.core.events import Body, Envelope, case, registry
from ledger.core.log import replay
from ledger.core.log.cose_receipts import sign_receipt
from ledger.core.log.merkle import Hash
from ledger.core.signing import authority as authorities
from ledger.core.signing import signatures
from ledger.core.signing.authority import ServiceKeys
from ledger.core.verification.bundle import encode_bundle
from ledger.core.verification.evidence import require_signed
from ledger.core.verification.receipts import verify_receipt
from ledger.core.verification.report import CheckedStep, ProofReport
from ledger.core.verification.verify import verify_event
from tests.testkit.builders import LOG_ID, POLICE, SERVICE, Officer, SignedEvent, clerk, event_of, refused
from tests.testkit.bundles import Log, naming

TOY = 7
KEY_BYTES = 32


def toy_key_id(agency: str, public_key: bytes) -> str:
    """keccak256(abi.encode(uint8 suite, bytes32 agency, keccak256(public key))), its last 20 bytes."""
    words = TOY.to_bytes(32, "big") + agency.encode().ljust(32, b"\0") + keccak256(public_key)
    return "0x" + keccak256(words)[12:].hex()


def toy_message(envelope: Envelope, log_id: bytes) -> bytes:
    """What suites from 2 on sign: the envelope without its signature, for one ledger."""
    fields = {name: getattr(envelope, name) for name in envelope.__struct_fields__ if name != "signature"}
    return b"tallystick/event\n" + log_id + canonical.encode(fields)


def verify_toy(envelope: Envelope, log_id: bytes) -> None:
    data = bytes.fromhex(envelope.signature[2:])
    public_key, signature = data[:KEY_BYTES], data[KEY_BYTES:]
    if toy_key_id(envelope.agency, public_key) != envelope.key_id:
        raise SignatureRefused("another key", field="envelope.signature")
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, toy_message(envelope, log_id))
    except (InvalidSignature, ValueError) as error:
        raise SignatureRefused("a bad signature", field="envelope.signature") from error


class ToyOfficer(Officer):
    """A clerk with a key of the toy."""

    toy = Ed25519PrivateKey.from_private_bytes(b"\x07" * 32)

    @property
    def public_key(self) -> bytes:
        return self.toy.public_key().public_bytes_raw()

    @property
    def key_id(self) -> str:
        return toy_key_id(self.agency, self.public_key)


OFFICER = ToyOfficer("li-ming", POLICE)


def toy_event(**fields: Any) -> SignedEvent:
    """Return the event that opens a case, by the officer with the toy's key."""
    draft = event_of(OPENING, OFFICER, suite=TOY, **fields)
    signature = OFFICER.toy.sign(toy_message(draft.envelope, LOG_ID))
    return replace_envelope(draft, signature="0x" + (OFFICER.public_key + signature).hex())


def replace_envelope(event: SignedEvent, **fields: Any) -> SignedEvent:
    return SignedEvent(replace(event.envelope, **fields), event.payload)


OPENING = case.CaseOpened(
    case_number="7", case_type="theft", business_line="criminal", procedure="cn-criminal", stage="investigation"
)


def log_of(event: SignedEvent, suite: int = TOY) -> Log:
    """Return a log that has the grant of the officer's key for a suite, and then the event."""
    log = Log()
    log.registry.admit(POLICE).grant(OFFICER, suite=suite)
    log.mirror()
    log.add(event)
    return log


def report_on(event: SignedEvent, *, suites: tuple[int, ...] = (1, TOY), granted: int = TOY) -> ProofReport:
    """Return the report on the event, with the grant in the log and in the contract, by a ledger of these suites."""
    log = log_of(event, granted)
    bundle = log.bundle(len(log.events) - 1)
    return verify_event(encode_bundle(bundle), naming(bundle, suites=suites)).report


@pytest.fixture
def with_toy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make this program one that has the toy."""
    monkeypatch.setitem(signatures.SUITES, TOY, verify_toy)


@pytest.mark.usefixtures("with_toy")
def test_an_event_of_another_suite_is_proven_like_any_other() -> None:
    """Log, grant in the mirror and in the contract, inclusion, anchor and time are checked as always."""
    report = report_on(toy_event())
    assert report.verdict == "intact"
    assert {step.result for step in report.steps} <= {"checked", "not_checked"}
    assert report.steps[5].result == "checked", "the signature"


@pytest.mark.usefixtures("with_toy")
def test_the_log_is_followed_with_entries_of_another_suite() -> None:
    """Witnesses and audits replay them by the authority of a ledger that takes the suite."""
    log = log_of(toy_event())
    followed = replay.empty_log(LOG_ID, ServiceKeys(SERVICE.key_id, suites=(1, TOY)))
    entries = log.entries()
    mirror = {index: event.payload_bytes for index, event in enumerate(log.events[:-1])}
    frontier = replay.append_entries(followed.frontier, entries)
    envelopes = replay.decode_entries(entries, 0)
    step = replay.replay_entries(followed, envelopes, frontier, replay.PriorEntries(), mirror)
    assert step.followed.size == len(entries)


def test_who_has_not_the_suite_says_nothing_of_its_signature() -> None:
    """Neither that it holds nor that it does not: the verdict is unverifiable."""
    report = report_on(toy_event())
    assert (report.verdict, report.steps[5].result) == ("unverifiable", "not_checked")


@pytest.mark.parametrize("change", [registry.AgencyAdmitted, registry.KeyGranted, registry.KeyRevoked])
def test_evidence_by_a_suite_that_is_not_here_is_neither_signed_nor_left_out(
    change: type[Body], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it matters whether it is signed, the step is not checked, and names the suite; nothing else changes."""
    log, officer = Log(), clerk(POLICE)
    log.registry.admit(POLICE).grant(officer)
    log.mirror()
    subject = log.add(event_of(OPENING, officer))
    log.registry.revoke(officer)
    log.mirror()
    (index,) = log.find(change)
    log.events[index] = replace_envelope(log.events[index], suite=TOY)
    bundle = log.bundle(subject)

    def steps_with(verify: Callable[[Envelope, bytes], None] | None) -> tuple[CheckedStep, ...]:
        if verify:
            monkeypatch.setitem(signatures.SUITES, TOY, verify)
        else:
            monkeypatch.delitem(signatures.SUITES, TOY)
        require_signed.cache_clear()
        return verify_event(encode_bundle(bundle), naming(bundle, suites=(1, TOY))).report.steps

    if_signed, if_not, not_here = steps_with(lambda *_: None), steps_with(refusing), steps_with(None)
    assert [step.result for step in if_signed[5:11]] == ["checked"] * 6
    undecided = [here for here, a, b in zip(not_here, if_signed, if_not, strict=True) if a.result != b.result]
    assert undecided
    assert {(step.result, step.verdict, "suite 7" in step.detail) for step in undecided} == {
        ("not_checked", "unverifiable", True)
    }
    assert all(step.result != "failed" for step in not_here)


def refusing(*_: object) -> None:
    raise SignatureRefused("a bad signature", field="envelope.signature")


def test_a_receipt_of_a_suite_that_is_not_here_is_no_tampering() -> None:
    """Whether its entry is signed is not checked, as in a bundle."""
    log = log_of(toy_event())
    index, entries = len(log.events) - 1, log.entries()
    hashes = [Hash(node) for node in log.path(index, len(entries))]
    receipt = sign_receipt(entries[index], index, log.checkpoint(), hashes, log.log_signer).encode()
    report = verify_receipt(receipt, entries[index], naming(log.bundle(index)))
    assert [step.result for step in report.steps[:3]] == ["checked", "not_checked", "checked"]
    assert report.verdict == "unverifiable"


@pytest.mark.usefixtures("with_toy")
@pytest.mark.parametrize(
    "changed", [{"signed_at": 1_767_225_541}, {"signature": "0x" + "11" * 96}, {"signature": "0x11"}]
)
def test_a_bad_signature_of_another_suite_is_tampering(changed: dict[str, Any]) -> None:
    """Over other fields, by another key, or of another form."""
    assert report_on(replace_envelope(toy_event(), **changed)).steps[5].result == "failed"


@pytest.mark.usefixtures("with_toy")
def test_a_ledger_takes_only_the_suites_of_its_founding() -> None:
    """The trust file says which: an entry of another is none of the ledger's, whatever its key was granted for."""
    report = report_on(toy_event(), suites=(1,))
    assert (report.verdict, report.steps[9].result) == ("tampered", "failed")
    authority = log_of(toy_event()).registry.authority
    with refused("suite_not_taken", field="envelope.suite", error=Unauthorized):
        authorities.require_key(authority, toy_event().envelope, 5)


@pytest.mark.usefixtures("with_toy")
def test_a_key_signs_by_the_suite_that_it_was_granted_for() -> None:
    """Else a weaker suite could stand in for the one that the agency chose."""
    assert report_on(toy_event(), granted=1).steps[9].result == "failed"
    authority = replace(log_of(toy_event(), 1).registry.authority, service=ServiceKeys(SERVICE.key_id, suites=(1, TOY)))
    with refused("wrong_suite", field="envelope.suite", error=Unauthorized):
        authorities.require_key(authority, toy_event().envelope, 5)
