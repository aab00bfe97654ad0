"""Signed notes (C2SP signed-note) with Ed25519 and ML-DSA-44 keys: text, signature lines, verifier keys.

A note is text that ends in a newline, an empty line, and signature lines. Do not rely on its text before a signature
by a trusted key has been verified.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64encode
from collections.abc import Iterable
from enum import IntEnum
from hashlib import sha256
from typing import Protocol

from msgspec import Struct
from nacl.bindings import crypto_sign, crypto_sign_open, crypto_sign_seed_keypair
from nacl.exceptions import BadSignatureError

from ledger.core.errors import MalformedInput, SignatureRefused
from ledger.core.messages import Message

MAX_NOTE_LENGTH = 262_144  # bytes, room for 64 witnesses that sign with both kinds of keys
MAX_KEY_NAME_LENGTH = 255  # bytes: signatures of ML-DSA-44 state it in one
KEY_ID_LENGTH = 4  # bytes
SEED_LENGTH = 32  # bytes
ED25519_SIGNATURE_LENGTH = 64  # bytes
ML_DSA_44_SIGNATURE_LENGTH = 2420  # bytes

_KEY_NAME = re.compile(r"[^\s+\x00-\x1f\ud800-\udfff]+")  # \s is any Unicode space
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_VKEY = re.compile(r"([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)")
_LINE_START = "\u2014 "  # em dash, space


class SignatureType(IntEnum):
    """The signature type identifier bytes that this ledger uses.

    A witness co-signs with Ed25519 (``COSIGNATURE_V1``) or with ML-DSA-44 (``SUBTREE_V1``); both are named after the
    first line of what they sign (C2SP tlog-cosignature).
    """

    ED25519 = 0x01
    COSIGNATURE_V1 = 0x04
    SUBTREE_V1 = 0x06


COSIGNING = (SignatureType.COSIGNATURE_V1, SignatureType.SUBTREE_V1)
_KEY_LENGTHS = {SignatureType.ED25519: 32, SignatureType.COSIGNATURE_V1: 32, SignatureType.SUBTREE_V1: 1312}  # bytes


class VerifyingKey(Struct, frozen=True):
    """A public key with its name and the one signature type that it may be used for.

    It is of Ed25519 (32 bytes, RFC 8032) or, for ``SUBTREE_V1``, of ML-DSA-44 (1312 bytes, FIPS 204).
    """

    name: str
    signature_type: SignatureType
    public_key: bytes

    def __post_init__(self) -> None:
        if not _KEY_NAME.fullmatch(self.name):
            raise MalformedInput("{name!r} is not a key name: no spaces, no plus", name=self.name[:100], field="name")
        expected = _KEY_LENGTHS[self.signature_type]
        if len(self.public_key) != expected:
            text = Message("expected {expected} bytes, not {count}", expected=expected, count=len(self.public_key))
            raise MalformedInput(text, field="public_key")
        if len(self.name.encode()) > MAX_KEY_NAME_LENGTH:
            raise MalformedInput("expected a name of at most {limit} bytes", limit=MAX_KEY_NAME_LENGTH, field="name")

    @property
    def is_ml_dsa_44(self) -> bool:
        """Tell whether the key is of ML-DSA-44; else it is of Ed25519."""
        return self.signature_type is SignatureType.SUBTREE_V1

    @property
    def signature_length(self) -> int:
        """Return the length of a bare signature in bytes."""
        return ML_DSA_44_SIGNATURE_LENGTH if self.is_ml_dsa_44 else ED25519_SIGNATURE_LENGTH

    @property
    def key_id(self) -> bytes:
        """Compute SHA-256(name, newline, type, public key)[:4]."""
        named = self.name.encode() + b"\n" + bytes([self.signature_type]) + self.public_key
        return sha256(named).digest()[:KEY_ID_LENGTH]

    def is_alike(self, key: VerifyingKey) -> bool:
        """Tell whether both keys are one, whatever name and type they have, or a signature line could be by both."""
        return self.public_key == key.public_key or (self.name, self.key_id) == (key.name, key.key_id)

    def vkey(self) -> str:
        """Return the key as text: ``<name>+<key id in hex>+<base64 of type and public key>``."""
        encoded = b64encode(bytes([self.signature_type]) + self.public_key).decode()
        return f"{self.name}+{self.key_id.hex()}+{encoded}"

    def verify(self, message: bytes, signature: bytes) -> None:
        """Accept a bare signature of ``signature_length``. Raises SignatureRefused."""
        holds = _ml_dsa_44_holds if self.is_ml_dsa_44 else _ed25519_holds
        # libsodium takes both in one buffer: another length would move bytes of the message into the signature.
        if len(signature) != self.signature_length or not holds(self.public_key, message, signature):
            raise SignatureRefused("the signature of {key.name} does not hold", key=self, field="signature")


def _ed25519_holds(public_key: bytes, message: bytes, signature: bytes) -> bool:
    try:
        crypto_sign_open(signature + message, public_key)
    except BadSignatureError:
        return False
    return True


def _ml_dsa_44_holds(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Verify by FIPS 204, algorithm 3, with an empty context."""
    # Loaded with the first such signature: most commands verify none.
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey  # noqa: PLC0415

    try:
        MLDSA44PublicKey.from_public_bytes(public_key).verify(signature, message)
    except InvalidSignature:
        return False
    return True


class NoteSigner(Protocol):
    """A holder of the key ``verifying_key``. ``sign`` returns a bare signature that the key verifies."""

    @property
    def verifying_key(self) -> VerifyingKey: ...

    def sign(self, message: bytes, /) -> bytes: ...


class SeedSigner(Struct, frozen=True):
    """A ``NoteSigner`` that holds an Ed25519 key in memory."""

    verifying_key: VerifyingKey
    _secret_key: bytes  # the seed and the public key

    @classmethod
    def from_seed(cls, name: str, seed: bytes, signature_type: SignatureType = SignatureType.ED25519) -> SeedSigner:
        """Make the signer of a 32-byte seed (RFC 8032 5.1.5)."""
        if len(seed) != SEED_LENGTH:
            raise MalformedInput("expected 32 bytes, not {count}", count=len(seed), field="seed")
        public_key, secret_key = crypto_sign_seed_keypair(seed)
        return cls(VerifyingKey(name, signature_type, public_key), secret_key)

    def __repr__(self) -> str:
        return f"SeedSigner({self.verifying_key!r})"

    def sign(self, message: bytes, /) -> bytes:
        """Sign the message: 64 bytes of Ed25519 (RFC 8032)."""
        return crypto_sign(message, self._secret_key)[:ED25519_SIGNATURE_LENGTH]


class NoteSignature(Struct, frozen=True):
    """One signature line; ``signature`` is the part after the key id, whose form depends on the key's type."""

    name: str
    key_id: bytes
    signature: bytes

    def line(self) -> str:
        """Return the line with its newline."""
        return f"{_LINE_START}{self.name} {b64encode(self.key_id + self.signature).decode()}\n"


class SignedNote(Struct, frozen=True):
    """The parts of a note, none of them verified; ``text`` ends in a newline."""

    text: str
    signatures: tuple[NoteSignature, ...]

    def __str__(self) -> str:
        return f"{self.text}\n{''.join(signature.line() for signature in self.signatures)}"

    def signature_by(self, key: VerifyingKey) -> bytes | None:
        """Return the signature that claims to be by ``key``, or None. Raises SignatureRefused if there are two."""
        signatures = [line.signature for line in self.signatures if (line.name, line.key_id) == (key.name, key.key_id)]
        # Of two lines by one key, readers could verify different ones.
        if len(signatures) > 1:
            raise SignatureRefused("more than one signature is by the key {key.name}", key=key, field="signatures")
        return signatures[0] if signatures else None

    def with_signatures(self, more: Iterable[NoteSignature]) -> SignedNote:
        """Return the note with these signature lines after its own."""
        return SignedNote(self.text, (*self.signatures, *more))


def sign_note(text: str, signer: NoteSigner) -> SignedNote:
    """Make a note with one Ed25519 signature. Requires text that ends in a newline and a signer of type ED25519."""
    key = signer.verifying_key
    require_type(key, SignatureType.ED25519)
    return SignedNote(text, (NoteSignature(key.name, key.key_id, signer.sign(text.encode())),))


def verify_note(note: SignedNote, key: VerifyingKey) -> None:
    """Accept the text as signed by ``key``, which must be of type ED25519. Raises SignatureRefused."""
    require_type(key, SignatureType.ED25519)
    signature = note.signature_by(key)
    if signature is None:
        raise SignatureRefused(
            "no signature is by {vkey}",
            vkey=key.vkey(),
            field="signatures",
            hint="compare the key in your trust file with the one the note names",
        )
    key.verify(note.text.encode(), signature)


def parse_note(note: str) -> SignedNote:
    """Parse a note. Raises MalformedInput if it is not of the form of C2SP signed-note, or over 256 KiB."""
    try:
        length = len(note.encode())
    except UnicodeEncodeError as error:
        raise MalformedInput("the note is not Unicode text", field="note") from error
    if length > MAX_NOTE_LENGTH:
        raise MalformedInput("expected at most {limit} bytes", limit=MAX_NOTE_LENGTH, field="note")
    if _CONTROL.search(note):
        raise MalformedInput("the note has control characters other than newline", field="note")
    # The last empty line separates: the text itself may contain empty lines.
    text, separator, lines = note.rpartition("\n\n")
    if not separator:
        raise MalformedInput("a note is text, an empty line and signature lines", field="note")
    return SignedNote(text + "\n", parse_signature_lines(lines))


def parse_signature_lines(lines: str) -> tuple[NoteSignature, ...]:
    """Parse one or more signature lines, each with its newline. Raises MalformedInput."""
    *whole, rest = lines.split("\n")
    if rest or not whole:
        raise MalformedInput("signature lines are missing, or the last one does not end in a newline", field="note")
    return tuple(_parse_line(line) for line in whole)


def parse_vkey(text: str) -> VerifyingKey:
    """Parse a vkey: the type must be known, and the key id must follow from the rest. Raises MalformedInput."""
    match = _VKEY.fullmatch(text)
    if match is None:
        raise MalformedInput(
            "{text!r} is not a verifier key",
            text=text[:100],
            field="vkey",
            hint="A verifier key is <name>+<key id>+<base64>.",
        )
    material = decode_base64(match[3], "vkey")
    if material[0] not in tuple(SignatureType):
        raise MalformedInput("signature type {material:#04x} is not known here", material=material[0], field="vkey")
    key = VerifyingKey(match[1], SignatureType(material[0]), material[1:])
    # The id is a check sum of the other parts: one that differs means a key that was mistyped or exchanged.
    if key.key_id.hex() != match[2]:
        raise MalformedInput("expected the key id {key_id}", key_id=key.key_id.hex(), field="vkey")
    return key


def require_type(key: VerifyingKey, *expected: SignatureType) -> None:
    """Refuse a key that is known for other signatures. Raises SignatureRefused."""
    if key.signature_type not in expected:
        names = " or ".join(kind.name for kind in expected)
        raise SignatureRefused("{key.name} is no key for {names}", key=key, names=names, field="key")


def decode_base64(text: str, name: str) -> bytes:
    """Decode standard base64 (RFC 4648 4) in its one canonical spelling.

    ``name`` is the field that the MalformedInput names.
    """
    try:
        decoded = binascii.a2b_base64(text, strict_mode=True)
    except ValueError as error:
        raise MalformedInput("{name} is not base64", name=name, field=name) from error
    # strict_mode accepts non-zero padding bits, which would give one value several spellings.
    if binascii.b2a_base64(decoded, newline=False) != text.encode():
        raise MalformedInput("{name} is not in canonical base64", name=name, field=name)
    return decoded


def _parse_line(line: str) -> NoteSignature:
    name, _, encoded = line.removeprefix(_LINE_START).partition(" ")
    if not line.startswith(_LINE_START) or not _KEY_NAME.fullmatch(name):
        raise MalformedInput("{line!r} is not a signature line", line=line[:100], field="note")
    signature = decode_base64(encoded, "signature")
    if len(signature) <= KEY_ID_LENGTH:
        raise MalformedInput("a signature is a key id of 4 bytes and at least one byte more", field="signature")
    return NoteSignature(name, signature[:KEY_ID_LENGTH], signature[KEY_ID_LENGTH:])
