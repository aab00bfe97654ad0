"""A timestamp authority of fixed keys (RFC 3161), whose responses are the same bytes each time.

Its chain is root, intermediate, signer; a response brings the last two.
"""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

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
    length = (
        bytes([size])
        if size < 128
        else (n := size.to_bytes((size.bit_length() + 7) // 8, "big")) and bytes([128 + len(n)]) + n
    )
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
        """The TimeStampResp of a text at a time; its certificates in DER's order of a SET, or the other way round."""
        at = datetime.fromtimestamp(time, UTC).strftime("%Y%m%d%H%M%SZ").encode()
        imprint = der(SEQUENCE, ALGORITHM, der(OCTETS, sha256(text.encode()).digest()))
        accuracy = der(SEQUENCE, number(1))
        token = der(SEQUENCE, number(1), der(OID, POLICY), imprint, number(7), der(TIME, at), accuracy)
        certificates = sorted((one.public_bytes(Encoding.DER) for one in self.brought), reverse=not in_order)
        signer = self.brought[-1]
        issuer = der(SEQUENCE, signer.issuer.public_bytes(), number(signer.serial_number))
        known = der(SEQUENCE, der(SEQUENCE, der(SEQUENCE, der(OCTETS, signer.fingerprint(hashes.SHA256())))))
        attributes = b"".join(
            sorted(
                der(SEQUENCE, der(OID, kind), der(SET, value))
                for kind, value in (
                    (CONTENT_TYPE, der(OID, TST_INFO)),
                    (MESSAGE_DIGEST, der(OCTETS, sha256(token).digest())),
                    (SIGNING_CERTIFICATE, known),
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
    subject, by = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, one)]) for one in (name, issuer))
    usage = dict.fromkeys(
        (
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "crl_sign",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by)
        .public_key(key.public_key())
        .serial_number(depth + 1)
        .not_valid_before(FROM)
        .not_valid_after(UNTIL)
        .add_extension(x509.BasicConstraints(ca=not is_signer, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(digital_signature=is_signer, key_cert_sign=not is_signer, **usage), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
    if is_signer:
        made = made.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
    return made.sign(issuer_key, hashes.SHA256(), ecdsa_deterministic=True)
