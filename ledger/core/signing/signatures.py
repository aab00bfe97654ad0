"""Signatures over envelopes, by suites; suite 1, the only one, is secp256k1 over EIP-712.

The struct of EIP-712 carries the envelope's fields and a ``summary`` built from them alone, so that a wallet shows what
is signed and nothing of the payload can be guessed from it. The domain is salted with the ledger's id and names neither
chain nor contract: a signature outlives a redeployment and does not replay on another ledger.
Sources: EIP-712; ``docs/protocol/signature.md``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Protocol

from coincurve import PublicKey

from ledger.core.encoding.digests import keccak256
from ledger.core.errors import SignatureRefused
from ledger.core.events import SUITE_SECP256K1_EIP712, Envelope

DOMAIN_NAME = "Tallystick"
DOMAIN_VERSION = str(SUITE_SECP256K1_EIP712)
EARLIEST = 24 * 3600  # seconds before now that signed_at may lie at first submission
LATEST = 5 * 60  # seconds after now

CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141  # SEC 2, 2.4.1
_HALF_ORDER = CURVE_ORDER // 2

EVENT_FIELDS = (
    ("summary", "string"),
    ("eventId", "string"),
    ("eventType", "string"),
    ("streamKind", "string"),
    ("streamId", "string"),
    ("sequence", "uint64"),
    ("previous", "bytes32"),
    ("agency", "string"),
    ("payloadBlake3", "bytes32"),
    ("signedAt", "uint64"),
    ("signer", "address"),
)
DOMAIN_FIELDS = (("name", "string"), ("version", "string"), ("salt", "bytes32"))


class TransactionSigner(Protocol):
    """A secp256k1 key, possibly remote: a keystore file, a KMS, a token."""

    @property
    def key_id(self) -> str:
        """Return the key's address, 0x and lower-case hex."""

    def sign(self, digest: bytes, /) -> bytes:
        """Sign the 32 bytes: r || s || v, 65 bytes, low s, v 27 or 28."""


@lru_cache(maxsize=1024)
def _word_hash(word: str) -> bytes:
    """Hash a string that many envelopes share, and remember the hash."""
    return keccak256(word.encode())


def _type_hash(name: str, fields: tuple[tuple[str, str], ...]) -> bytes:
    return keccak256(f"{name}({','.join(f'{kind} {field}' for field, kind in fields)})".encode())


_EVENT_TYPE_HASH = _type_hash("Event", EVENT_FIELDS)
_DOMAIN_TYPE_HASH = _type_hash("EIP712Domain", DOMAIN_FIELDS)
_NAME_AND_VERSION = keccak256(DOMAIN_NAME.encode()) + keccak256(DOMAIN_VERSION.encode())
_NO_PREVIOUS = bytes(32)
_BLAKE3 = "blake3:"


@lru_cache(maxsize=16)
def domain_separator(log_id: bytes) -> bytes:
    """Compute the domain's hash. Requires ``len(log_id) == 32``."""
    if len(log_id) != 32:
        raise ValueError(f"a log id has 32 bytes, not {len(log_id)}")
    return keccak256(_DOMAIN_TYPE_HASH + _NAME_AND_VERSION + log_id)


def summary(envelope: Envelope) -> str:
    """Return the line that a wallet shows, at most 200 bytes of ASCII."""
    return (
        f"{envelope.event_type} as entry {envelope.sequence} of {envelope.stream.kind} {envelope.stream.id} "
        f"for {envelope.agency}"
    )


def signing_hash(envelope: Envelope, log_id: bytes) -> bytes:
    """Compute the 32 bytes that are signed: all of the envelope but ``signature``.

    A null ``previous`` counts as 32 zero bytes.
    """
    stream = envelope.stream
    struct = b"".join(
        (
            _EVENT_TYPE_HASH,
            keccak256(summary(envelope).encode()),
            keccak256(envelope.event_id.encode()),
            _word_hash(envelope.event_type),
            _word_hash(stream.kind),
            keccak256(stream.id.encode()),
            envelope.sequence.to_bytes(32, "big"),
            _digest_bytes(envelope.previous),
            _word_hash(envelope.agency),
            _digest_bytes(envelope.payload_digest),
            envelope.signed_at.to_bytes(32, "big"),
            bytes(12),  # an address is left-padded to a word
            bytes.fromhex(envelope.key_id[2:]),
        )
    )
    return keccak256(b"\x19\x01" + domain_separator(log_id) + keccak256(struct))


def typed_data(envelope: Envelope, log_id: bytes) -> dict[str, object]:
    """Return the data of ``signing_hash`` as a document for ``eth_signTypedData_v4``; bytes are 0x-hex."""
    return {
        "types": {
            "EIP712Domain": [{"name": field, "type": kind} for field, kind in DOMAIN_FIELDS],
            "Event": [{"name": field, "type": kind} for field, kind in EVENT_FIELDS],
        },
        "primaryType": "Event",
        "domain": {"name": DOMAIN_NAME, "version": DOMAIN_VERSION, "salt": "0x" + log_id.hex()},
        "message": {
            "summary": summary(envelope),
            "eventId": envelope.event_id,
            "eventType": envelope.event_type,
            "streamKind": envelope.stream.kind,
            "streamId": envelope.stream.id,
            "sequence": envelope.sequence,
            "previous": "0x" + _digest_bytes(envelope.previous).hex(),
            "agency": envelope.agency,
            "payloadBlake3": "0x" + _digest_bytes(envelope.payload_digest).hex(),
            "signedAt": envelope.signed_at,
            "signer": envelope.key_id,
        },
    }


def address_of(public_key: PublicKey) -> str:
    """Return the key id of a public key: the last 20 bytes of its Keccak hash, as 0x and lower-case hex."""
    return _address(public_key.format(compressed=False))


@lru_cache(maxsize=1024)
def _address(point: bytes) -> str:
    return "0x" + keccak256(point[1:])[12:].hex()


def recover(digest: bytes, signature: bytes, *, field: str = "envelope.signature") -> str:
    """Recover the id of the key that signed ``digest`` (32 bytes).

    Requires r || s || v with 65 bytes, ``0 < r, s < n``, low s (EIP-2), v 27 or 28. Raises SignatureRefused.
    """
    if len(signature) != 65:
        raise SignatureRefused("a signature has 65 bytes, not {count}", count=len(signature), field=field)
    r, s, v = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big"), signature[64]
    if not 0 < r < CURVE_ORDER or not 0 < s < CURVE_ORDER:
        raise SignatureRefused("r and s lie between 1 and the order of the curve", field=field)
    # (r, s) and (r, n - s) verify alike: only one of them is accepted, so that signed bytes cannot be varied.
    if s > _HALF_ORDER:
        raise SignatureRefused("s lies in the upper half of the curve's order (EIP-2 asks for the lower)", field=field)
    # 0 and 1 spell the same parity: accepting them would give each signature a second spelling.
    if v not in (27, 28):
        raise SignatureRefused("v is 27 or 28, not {recovery}", recovery=v, field=field)
    try:
        key = PublicKey.from_signature_and_message(signature[:64] + bytes((v - 27,)), digest, hasher=None)
    except ValueError as error:
        raise SignatureRefused("r is no point of the curve", field=field) from error
    return address_of(key)


def verify_envelope(envelope: Envelope, log_id: bytes) -> None:
    """Accept an envelope that ``envelope.key_id`` signed for this ledger, by its suite.

    Whether the ledger takes the suite is a matter of its authority. Raises SignatureRefused; SuiteUnknown for a suite
    that this program has not.
    """
    verify = SUITES.get(envelope.suite)
    if verify is None:
        raise SuiteUnknown(
            "this program does not verify signatures of suite {envelope.suite}",
            envelope=envelope,
            field="envelope.suite",
            hint="Take a newer version of it.",
        )
    verify(envelope, log_id)


class SuiteUnknown(SignatureRefused):
    """A signature of a suite that this program has not: nobody can say here whether it holds."""

    code = "suite_unknown"


def _verify_secp256k1(envelope: Envelope, log_id: bytes) -> None:
    # The key is recovered, not given: a signature over other fields recovers to some other address.
    signer = recover(signing_hash(envelope, log_id), bytes.fromhex(envelope.signature[2:]))
    if signer != envelope.key_id:
        raise SignatureRefused(
            "the signature is not of {envelope.key_id} for this ledger (it recovers to {signer})",
            envelope=envelope,
            signer=signer,
            field="envelope.signature",
            hint="Sign again with the key that key_id names, over exactly these fields, for this log_id.",
        )


# How each suite verifies; docs/protocol/suites.md says what another one has to lay down.
SUITES: dict[int, Callable[[Envelope, bytes], None]] = {SUITE_SECP256K1_EIP712: _verify_secp256k1}


def require_window(envelope: Envelope, now: int) -> None:
    """Accept an envelope with ``now - 24 h <= signed_at <= now + 5 min``; ``now`` is in unix seconds.

    Raises SignatureRefused.
    """
    if not now - EARLIEST <= envelope.signed_at <= now + LATEST:
        raise SignatureRefused(
            "expected a time between {earliest} and {latest} (unix seconds)",
            earliest=now - EARLIEST,
            latest=now + LATEST,
            field="envelope.signed_at",
            code="signed_at_out_of_window",
            hint="Compare this computer's clock, and the ledger's, with one that is right; then sign again.",
        )


def _digest_bytes(text: str | None) -> bytes:
    return _NO_PREVIOUS if text is None else bytes.fromhex(text[len(_BLAKE3) :])


def personal_digest(message: str) -> bytes:
    """Compute the 32 bytes that personal_sign signs (EIP-191, version 0x45)."""
    data = message.encode()
    return keccak256(b"\x19Ethereum Signed Message:\n" + str(len(data)).encode() + data)
