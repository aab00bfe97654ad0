"""COSE receipts (RFC 9942) of log entries: a COSE_Sign1 by the log's key over the root that entry and proof lead to.

SCITT (RFC 9943) asks a receipt for issuer and subject besides: they are the log's origin and the entry's stream. A
receipt has one encoding, the deterministic one of RFC 8949 4.2.1; what it is read from must come out byte for byte when
it is encoded again, so that no byte can be changed without notice.

The log's key signs notes too (``notes``). No message is both: what is signed here begins with the byte 0x84, a CBOR
array of four, with which no UTF-8 text can begin.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ledger.core.errors import MalformedInput, ProofRefused, SignatureRefused
from ledger.core.events import decode_envelope
from ledger.core.log.checkpoints import Checkpoint
from ledger.core.log.merkle import HASH_LENGTH, SIZE_LIMIT, Hash, included_root, leaf_hash, verify_inclusion
from ledger.core.log.notes import NoteSigner, SignatureType, VerifyingKey, require_type

RECEIPT_TYPE = "application/scitt-receipt+cose"  # the media type, RFC 9943 10.2
MAX_RECEIPT_LENGTH = 4096  # bytes: 63 hashes take 2,150
MAX_DEPTH = 6  # nested containers

_SIGN1 = 18  # CBOR tag of COSE_Sign1, RFC 9052 2
_EDDSA = -8  # RFC 9053 2.2; clients of receipts do not read the -19 of RFC 9864 yet (docs/decisions/0037)
_RFC9162_SHA256 = 1


class _Label:
    """Labels of header parameters (RFC 9052, 9597, 9942), of claims (RFC 8392) and of proofs (RFC 9942)."""

    ALGORITHM = 1
    KEY_ID = 4
    CLAIMS = 15
    STRUCTURE = 395
    PROOFS = 396
    # RFC 9942 signs the root alone, to which one path leads from several positions: entry 5 of 6 also as entry 6 of 7.
    TREE_SIZE = -70395  # ours, of the labels for private use (RFC 9052 11.1)
    ISSUER = 1
    SUBJECT = 2
    INCLUSION = -1


class CoseReceipt(Struct, frozen=True):
    """The parts of a receipt, none of them verified.

    ``issuer`` is an origin, ``subject`` a stream as ``kind/id``; ``key_id`` is of the log's key (``thumbprint``).
    """

    issuer: str
    subject: str
    key_id: bytes
    size: int
    index: int
    hashes: tuple[Hash, ...]
    signature: bytes

    def encode(self) -> bytes:
        """Return the contents of a ``.cose`` file."""
        proof = _encode([self.size, self.index, list(self.hashes)])
        unprotected = {_Label.PROOFS: {_Label.INCLUSION: [proof]}}
        import cbor2

        return _encode(cbor2.CBORTag(_SIGN1, [self._protected(), unprotected, None, self.signature]))

    def signed_message(self, root: Hash) -> bytes:
        """Return the Sig_structure (RFC 9052 4.4) whose payload is the root of the tree."""
        return _encode(["Signature1", self._protected(), b"", root])

    def verify(self, entry: bytes, log_key: VerifyingKey) -> Checkpoint:
        """Accept that the log has ``entry`` at ``index``; return the tree head that the log signed with it.

        Raises MalformedInput if the entry is not an envelope, else SignatureRefused or ProofRefused.
        """
        require_type(log_key, SignatureType.ED25519)
        if (self.issuer, self.key_id) != (log_key.name, thumbprint(log_key)):
            raise SignatureRefused(
                "the receipt is not by {vkey}, but by a key of {issuer}",
                vkey=log_key.vkey(),
                issuer=self.issuer,
                field="receipt",
            )
        subject = subject_of_entry(entry)
        if self.subject != subject:
            raise ProofRefused(
                "the receipt is of the stream {actual}, the entry of {expected}",
                actual=self.subject,
                expected=subject,
                field="receipt",
            )
        root = included_root(leaf_hash(entry), self.index, self.size, self.hashes)
        try:
            log_key.verify(self.signed_message(root), self.signature)
        except SignatureRefused as error:
            raise SignatureRefused(
                "the log did not sign the root {root}, to which entry and proof lead", root=root.hex(), field="receipt"
            ) from error
        return Checkpoint(self.issuer, self.size, root)

    def _protected(self) -> bytes:
        return _encode(
            {
                _Label.ALGORITHM: _EDDSA,
                _Label.KEY_ID: self.key_id,
                _Label.CLAIMS: {_Label.ISSUER: self.issuer, _Label.SUBJECT: self.subject},
                _Label.STRUCTURE: _RFC9162_SHA256,
                _Label.TREE_SIZE: self.size,
            }
        )


def sign_receipt(
    entry: bytes, index: int, checkpoint: Checkpoint, hashes: Sequence[Hash], signer: NoteSigner
) -> CoseReceipt:
    """Sign the receipt of the entry at ``index`` of the tree of ``checkpoint``, which the log must have signed before.

    Requires a signer of type ED25519. Raises ProofRefused, and signs nothing, if the proof does not lead to the root.
    """
    key = signer.verifying_key
    require_type(key, SignatureType.ED25519)
    verify_inclusion(leaf_hash(entry), index, checkpoint.size, hashes, checkpoint.root)
    unsigned = CoseReceipt(
        key.name, subject_of_entry(entry), thumbprint(key), checkpoint.size, index, tuple(hashes), b""
    )
    return replace(unsigned, signature=signer.sign(unsigned.signed_message(checkpoint.root)))


def parse_receipt(data: bytes) -> CoseReceipt:
    """Parse a receipt as this log makes them; nothing is verified. Raises MalformedInput for any other bytes."""
    import cbor2

    if len(data) > MAX_RECEIPT_LENGTH:
        raise MalformedInput("expected at most {limit} bytes", limit=MAX_RECEIPT_LENGTH, field="receipt")
    match _decode(data):
        case cbor2.CBORTag(
            value=[bytes(protected), {_Label.PROOFS: {_Label.INCLUSION: [bytes(proof)]}}, None, bytes(signature)]
        ):
            headers = _decode(protected), _decode(proof)
        case _:
            raise _malformed()
    match headers:
        case (
            {_Label.KEY_ID: bytes(key_id), _Label.CLAIMS: {_Label.ISSUER: str(issuer), _Label.SUBJECT: str(subject)}},
            [int(size), int(index), [*hashes]],
        ) if 0 <= index < SIZE_LIMIT > size >= 0 and all(
            isinstance(node, bytes) and len(node) == HASH_LENGTH for node in hashes
        ):
            # int() of a boolean is encoded otherwise, and so refused.
            receipt = CoseReceipt(issuer, subject, key_id, int(size), int(index), tuple(hashes), signature)
        case _:
            raise _malformed()
    # The one comparison that refuses further headers, other algorithms, and every other encoding.
    if receipt.encode() != data:
        raise _malformed()
    return receipt


def thumbprint(key: VerifyingKey) -> bytes:
    """Compute the COSE Key Thumbprint of an Ed25519 key (RFC 9679): SHA-256 of kty 1 (OKP), crv 6 (Ed25519) and x."""
    return sha256(_encode({1: 1, -1: 6, -2: key.public_key})).digest()


def subject_of_entry(entry: bytes) -> str:
    """Return the stream of an entry as ``kind/id``. Raises MalformedInput if the bytes are no envelope."""
    stream = decode_envelope(entry).stream
    return f"{stream.kind}/{stream.id}"


def _encode(value: object) -> bytes:
    import cbor2

    return cbor2.dumps(value, canonical=True)


def _decode(data: bytes) -> Any:
    import cbor2

    try:
        return cbor2.loads(data, max_depth=MAX_DEPTH, allow_indefinite=False, allow_duplicate_keys=False)
    except cbor2.CBORDecodeError as error:
        raise _malformed() from error


def _malformed() -> MalformedInput:
    return MalformedInput(
        "the receipt is not of the form in which this log gives receipts",
        field="receipt",
        hint="A receipt has one encoding: keep the file as it was given.",
    )
