"""Spoil the trust file, and make RFC 3161 timestamps, good and not, which only the time of step 13 tells apart."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ledger.core.log.notes import SeedSigner, SignatureType
from scripts.docs import example
from scripts.docs.example import COSIGNED_AT, REGISTERED, SIGNED_AT, WITNESS_LINES
from scripts.docs.vector import (
    Patch,
    Vector,
    distrusted,
    ledger,
    plain,
    policy,
    put,
    quorum_of_none,
    without,
)

ONE = WITNESS_LINES.splitlines()[0]
HIMSELF = SeedSigner.from_seed("himself.example", b"\x01" * 32, SignatureType.COSIGNATURE_V1)
OWN_LINE = f"witness w4 {HIMSELF.verifying_key.vkey()}\n"
NONE = policy(f"{WITNESS_LINES}quorum none\n")


def vectors() -> list[Vector]:
    changes = {
        "no witness asked for by a production ledger": NONE,
        "K: the log's key as a witness's": policy(f"{WITNESS_LINES}{OWN_LINE}group g 2 w1 w4\nquorum g\n"),
        "K: a witness's key in two lines": policy(f"{ONE}\n{ONE.replace('w1', 'w2', 1)}\nquorum w1\n"),
        "K: one address as anchor and registry": put("/chains/0/anchor", example.CHAIN.registry),
        "K: the ledger's own key as a contract": put("/service_key_id", example.CHAIN.anchor),
        "one chain twice, with the same anchor": put("/chains/-", plain(example.CHAIN)),
        "a threshold that is no word of a policy": policy(f"{WITNESS_LINES}group g constructor w1 w2 w3\nquorum g\n"),
        "a threshold of a name that objects inherit": policy(f"{WITNESS_LINES}group g __proto__ w1 w2 w3\nquorum g\n"),
        "a member of two groups": policy(f"{ONE}\ngroup a any w1\ngroup b any w1\nquorum a\n"),
        "a name used above its line": policy(f"quorum w1\n{ONE}\n"),
        "a carriage return in the policy": policy(f"{ONE}\r\nquorum w1\r\n"),
        "no quorum line": policy(f"{ONE}\n"),
        "a policy of another log": policy(
            f"log {SeedSigner.from_seed('x.example', b'9' * 32).verifying_key.vkey()}\n{ONE}\nquorum w1\n"
        ),
        "another origin": put("/origin", "another.example"),
        "no chains": without("/chains"),
        "development as a number": put("/development", 1),
    }
    return [
        *(distrusted(name, trust=change) for name, change in changes.items()),
        Vector("an empty list of trusted blocks", trust=put("/chains/0/trusted_blocks", [])),
        Vector(
            "a comment, tabs and blanks",
            trust=policy("# whom we trust\n\n  " + WITNESS_LINES + "group two\t2 w1  w2 w3\nquorum\ttwo\n"),
        ),
        quorum_of_none(
            "no witness asked for by a development ledger",
            trust=(*NONE, *put("/development", True)),
        ),
    ]


SEQUENCE, SET, INTEGER, OCTETS, OID, TIME = 0x30, 0x31, 0x02, 0x04, 0x06, 0x18
SIGNED_DATA = bytes.fromhex("2a864886f70d010702")
TST_INFO = bytes.fromhex("2a864886f70d0109100104")
CONTENT_TYPE = bytes.fromhex("2a864886f70d010903")
MESSAGE_DIGEST = bytes.fromhex("2a864886f70d010904")
SIGNING_CERTIFICATE = bytes.fromhex("2a864886f70d010910022f")
SHA256 = bytes.fromhex("608648016503040201")
ECDSA_SHA256 = bytes.fromhex("2a8648ce3d040302")
POLICY = bytes.fromhex("2a030401")  # 1.2.3.4.1
FROM, UNTIL = datetime(2025, 1, 1, tzinfo=UTC), datetime(2035, 1, 1, tzinfo=UTC)


def der(tag: int, *parts: bytes) -> bytes:
    """One value in DER."""
    content = b"".join(parts)
    size = len(content)
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    length = bytes([size]) if size < 128 else bytes([128 + len(octets)]) + octets
    return bytes([tag]) + length + content


def number(value: int) -> bytes:
    return der(INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))


ALGORITHM = der(SEQUENCE, der(OID, SHA256))


class Authority:
    """An authority whose root is called ``name`` Root."""

    def __init__(self, name: str, seed: int) -> None:
        keys = [ec.derive_private_key(seed + step, ec.SECP256R1()) for step in range(3)]
        names = [f"{name} Root", f"{name} Intermediate", f"{name} Timestamping"]
        issuers = [0, 0, 1]
        self.key = keys[2]
        self.root, *self.brought = (
            _certificate(names[at], keys[at], names[issuer], keys[issuer], at) for at, issuer in enumerate(issuers)
        )

    def stamp(self, text: str, time: int, *, in_order: bool = True) -> bytes:
        """Return the TimeStampResp of a text at a time, its certificates in DER's order of a SET or not."""
        at = datetime.fromtimestamp(time, UTC).strftime("%Y%m%d%H%M%SZ").encode()
        imprint = der(SEQUENCE, ALGORITHM, der(OCTETS, sha256(text.encode()).digest()))
        accuracy = der(SEQUENCE, number(1))
        token = der(SEQUENCE, number(1), der(OID, POLICY), imprint, number(7), der(TIME, at), accuracy)
        certificates = sorted(
            (certificate.public_bytes(Encoding.DER) for certificate in self.brought), reverse=not in_order
        )
        signer = self.brought[-1]
        issuer = der(SEQUENCE, signer.issuer.public_bytes(), number(signer.serial_number))
        signing_certificate = der(
            SEQUENCE, der(SEQUENCE, der(SEQUENCE, der(OCTETS, signer.fingerprint(hashes.SHA256()))))
        )
        attributes = b"".join(
            sorted(
                der(SEQUENCE, der(OID, kind), der(SET, value))
                for kind, value in (
                    (CONTENT_TYPE, der(OID, TST_INFO)),
                    (MESSAGE_DIGEST, der(OCTETS, sha256(token).digest())),
                    (SIGNING_CERTIFICATE, signing_certificate),
                )
            )
        )
        signature = self.key.sign(der(SET, attributes), ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
        signed_by = der(
            SEQUENCE,
            number(1),
            issuer,
            ALGORITHM,
            der(0xA0, attributes),
            der(SEQUENCE, der(OID, ECDSA_SHA256)),
            der(OCTETS, signature),
        )
        content = der(SEQUENCE, der(OID, TST_INFO), der(0xA0, der(OCTETS, token)))
        signed = der(SEQUENCE, number(3), der(SET, ALGORITHM), content, der(0xA0, *certificates), der(SET, signed_by))
        status = der(SEQUENCE, number(0))
        return der(SEQUENCE, status, der(SEQUENCE, der(OID, SIGNED_DATA), der(0xA0, signed)))


def _certificate(
    name: str, key: ec.EllipticCurvePrivateKey, issuer: str, issuer_key: ec.EllipticCurvePrivateKey, depth: int
) -> x509.Certificate:
    is_signer = depth == 2
    subject, by = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)]) for common_name in (name, issuer))
    # In the order of RFC 5280, 4.2.1.3: digitalSignature is bit 0, keyCertSign bit 5.
    usage = x509.KeyUsage(*(bit == (0 if is_signer else 5) for bit in range(9)))
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by)
        .public_key(key.public_key())
        .serial_number(depth + 1)
        .not_valid_before(FROM)
        .not_valid_after(UNTIL)
        .add_extension(x509.BasicConstraints(ca=not is_signer, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
    if is_signer:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
    return builder.sign(issuer_key, hashes.SHA256(), ecdsa_deterministic=True)


TRUSTED, STRANGER = Authority("Example", 1000), Authority("Stranger", 2000)
STAMPED_AT = SIGNED_AT + 10
BY_STAMP = STAMPED_AT + 2  # the second after, and one of accuracy
BY_QUORUM = COSIGNED_AT + 6


def timestamp_vectors() -> list[Vector]:
    text, proof = ledger().checkpoint.text(), example.bundle().proof
    good = TRUSTED.stamp(text, STAMPED_AT)
    longer = example.Ledger([*ledger().entries, *ledger().entries[-1:]])
    # The time that was proven first stays with the entry.
    smaller = example.Ledger(ledger().entries[: REGISTERED + 1])
    earlier = TRUSTED.stamp(smaller.checkpoint.text(), STAMPED_AT)

    def stamped(response: bytes, of: str = proof) -> tuple[Patch]:
        return put("/timestamps", [{"proof": of, "response": b64encode(response).decode()}])

    def vector(
        name: str, file: tuple[Patch, ...], time: int = BY_QUORUM, root: x509.Certificate | None = None
    ) -> Vector:
        trusted = b64encode((root or TRUSTED.root).public_bytes(Encoding.DER)).decode()
        return Vector(f"timestamp: {name}", file, trust=put("/timestamp_roots", [trusted]), time=time)

    spoiled = good[:-1] + bytes([good[-1] ^ 1])
    nothing: list[Any] = [7]
    return [
        vector("of a known authority", stamped(good), BY_STAMP),
        vector("its certificates in another order", stamped(TRUSTED.stamp(text, STAMPED_AT, in_order=False)), BY_STAMP),
        vector("of a smaller tree", stamped(earlier, smaller.proof(REGISTERED)), BY_STAMP),
        vector("later than the quorum", stamped(TRUSTED.stamp(text, COSIGNED_AT + 60))),
        vector(
            "earlier than the entry was signed, which is told",
            stamped(TRUSTED.stamp(text, SIGNED_AT - 400)),
            SIGNED_AT - 398,
        ),
        vector("of an authority that the trust file does not name", stamped(STRANGER.stamp(text, STAMPED_AT))),
        vector("of a root that signs something else", stamped(good), root=STRANGER.root),
        vector("C: a signature that does not hold", stamped(spoiled)),
        vector("C: of another text", stamped(TRUSTED.stamp(longer.checkpoint.text(), STAMPED_AT))),
        vector("C: of another log's checkpoint", stamped(good, longer.proof(REGISTERED))),
        vector("C: of nothing", stamped(b"")),
        vector("C: of no form", put("/timestamps", nothing)),
        Vector("timestamp: where no root is trusted", stamped(good), time=BY_QUORUM),
    ]
