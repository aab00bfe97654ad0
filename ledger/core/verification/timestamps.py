"""Time from a third party: RFC 3161 timestamps of tree heads, verified against roots that the verifier trusts.

Stamped is the SHA-256 of a checkpoint's note text, its three lines with their newlines, without any signature. The
library that reads the CMS structures is imported when the first timestamp is verified. It takes the time of
verification from the timestamp, and certificates only from its arguments.
"""

# ruff: noqa: PLC0415

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING

from msgspec import Struct

from ledger.core.errors import MalformedInput, ProofRefused, SignatureRefused

if TYPE_CHECKING:
    from rfc3161_client import TimeStampTokenInfo

MAX_RESPONSE_LENGTH = 65_536  # bytes
RESPONSES_KEPT = 512  # verified responses in the cache: many bundles share one

WHERE = "timestamps"  # the field of a bundle
_SHA256 = "2.16.840.1.101.3.4.2.1"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)
_CERTIFICATES = 0xA0  # tag of the certificates in SignedData


class Timestamp(Struct, frozen=True):
    """A verified statement by ``authority`` (subject of its certificate) that the text existed at ``time``.

    ``time`` is in unix seconds: the second after the token's, and its accuracy in whole seconds, rounded up.
    """

    time: int
    authority: str


@lru_cache(maxsize=RESPONSES_KEPT)
def verify_timestamp(response: bytes, text: str, roots: tuple[bytes, ...]) -> Timestamp | None:
    """Verify a TimeStampResp (DER) over the text; None if its authority is under none of the roots.

    A root that is no certificate (DER) vouches for nothing. An authority counts as under a root if a certificate in the
    response, or that of its signer, names the root's subject as issuer. Raises MalformedInput if it is no timestamp,
    ProofRefused if it is one of something else, SignatureRefused if it names a root's authority that did not sign.
    """
    from cryptography.x509 import load_der_x509_certificate
    from rfc3161_client import VerifierBuilder, decode_timestamp_response

    if len(response) > MAX_RESPONSE_LENGTH:
        raise MalformedInput("a timestamp has at most {limit} bytes", limit=MAX_RESPONSE_LENGTH, field=WHERE)
    try:
        read = decode_timestamp_response(_in_set_order(response))
        # Certificates are known by issuer and serial number.
        signers = [(signer.issuer, signer.serial_number) for signer in read.signed_data.signer_infos]
        included = [load_der_x509_certificate(der) for der in read.signed_data.certificates]
        subjects = {(cert.issuer, cert.serial_number): cert.subject.rfc4514_string() for cert in included}
        if len(subjects) < len(set(read.signed_data.certificates)):
            raise ValueError("of two certificates of one issuer and number, either could be the signer's")
        imprint, time = read.tst_info.message_imprint, _time(read.tst_info)
    except _refusals() as error:
        raise MalformedInput("this is no timestamp in the form of RFC 3161", field=WHERE) from error
    stamped, expected = (imprint.hash_algorithm.dotted_string, imprint.message), sha256(text.encode()).digest()
    # The digest is fixed: a proof must not choose a weaker one.
    if stamped != (_SHA256, expected):
        raise ProofRefused("expected a timestamp of the SHA-256 {digest}", digest=expected.hex(), field=WHERE)
    trusted = []
    authorities = set()
    for root in roots:
        with suppress(*_refusals()):
            certificate = load_der_x509_certificate(root)
            authorities.add(certificate.subject)  # which is parsed only now
            trusted.append(certificate)
    if authorities.isdisjoint(issuer for issuer, _ in (*signers, *subjects)):
        return None
    try:
        VerifierBuilder(roots=trusted).build().verify(read, expected)
    except _refusals() as error:
        raise SignatureRefused("the timestamp does not hold: {error}", error=str(error)[:120], field=WHERE) from error
    (signer,) = signers
    return Timestamp(time, subjects[signer])


def _in_set_order(response: bytes) -> bytes:
    """Return the response with its certificates in the order of a DER SET (X.690, 11.6), which the library requires.

    Authorities write them in the order of the chain, and RFC 5652 has readers accept any order; no signature covers it.
    Bytes that are no such response are returned unchanged.
    """
    content = response
    try:
        for place in (0, 1, 1, 0):  # of the response, its token, the token's content, and SignedData in it
            _, content = _der_values(content)[place]
        (certificates,) = [inside for whole, inside in _der_values(content) if whole[0] == _CERTIFICATES]
        ordered = b"".join(sorted(whole for whole, _ in _der_values(certificates)))
    except (IndexError, ValueError):
        return response
    return response.replace(certificates, ordered, 1)


def _der_values(data: bytes) -> list[tuple[bytes, bytes]]:
    """Split DER values that follow each other: each whole, and its content. Raises IndexError."""
    values, at = list[tuple[bytes, bytes]](), 0
    while at < len(data):
        length, begin = data[at + 1], at + 2
        if length >= 128:
            begin += length - 128
            length = int.from_bytes(data[at + 2 : begin], "big")
        values.append((data[at : begin + length], data[begin : begin + length]))
        at = begin + length
    return values


def _refusals() -> tuple[type[Exception], ...]:
    """Return the exceptions of the library, and of those below it, for unreadable or refused input."""
    from cryptography import exceptions, x509
    from rfc3161_client import VerificationError

    # KeyError is what cryptography says of a name whose text is of a kind that it does not know.
    of_certificates = (KeyError, x509.InvalidVersion, x509.DuplicateExtension, x509.UnsupportedGeneralNameType)
    return (ValueError, TypeError, OverflowError, VerificationError, exceptions.UnsupportedAlgorithm, *of_certificates)


def _time(token: TimeStampTokenInfo) -> int:
    """Return the time by which the text certainly existed.

    A second is added for the fraction, which the library drops.
    """
    accuracy, late = token.accuracy, timedelta()
    if accuracy is not None:
        late = timedelta(
            seconds=accuracy.seconds or 0, milliseconds=accuracy.millis or 0, microseconds=accuracy.micros or 0
        )
    return (token.gen_time - _EPOCH) // _SECOND + 1 - (-late // _SECOND)
