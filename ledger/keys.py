"""Keys: secp256k1 for officers, admins and chain accounts, Ed25519 for logs and witnesses.

A secp256k1 key is a Web3 keystore v3 file (``<name>.json``). An Ed25519 key is PKCS #8 in encrypted PEM under its vkey
(``<name>.pem``): the line before the PEM (RFC 7468 2) says under which name it signs which kind of note. Both are of
mode 0600 and open with a passphrase only.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import coincurve
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from ledger.core.errors import MalformedInput, TallystickError
from ledger.core.note import SeedSigner, SignatureType, VerifyingKey, parse_vkey
from ledger.core.signature import address_of
from ledger.secret_files import read_secret, write_secret

LIGHT_WORK = 4096  # scrypt N; a standard keystore takes 262,144, about a second to open

REMEMBER = "Give the one that was chosen when the key was made; no one can look it up."

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")


class KeyRefused(TallystickError):
    """A key file that does not open or is of another form."""

    code = "key_refused"


class Signer(Protocol):
    """A secp256k1 key that may be far away: a keystore file, a KMS, a PKCS #11 token."""

    @property
    def key_id(self) -> str:
        """The key's address, 0x and lower-case hex."""

    def sign(self, digest: bytes, /) -> bytes:
        """r || s || v over the 32 bytes: 65 bytes, low s, v 27 or 28."""


@dataclass(frozen=True, slots=True)
class LocalSigner:
    """A ``Signer`` that holds its key in memory."""

    key_id: str
    _private_key: coincurve.PrivateKey = field(repr=False)

    @classmethod
    def from_private_key(cls, private_key: bytes) -> LocalSigner:
        """The signer of a 32-byte private key. Raises ValueError outside the order of the curve."""
        key = coincurve.PrivateKey(private_key)
        return cls(address_of(key.public_key), key)

    def sign(self, digest: bytes, /) -> bytes:
        if len(digest) != 32:
            raise ValueError(f"a digest has 32 bytes, not {len(digest)}")
        signature = self._private_key.sign_recoverable(digest, hasher=None)
        return signature[:64] + bytes((27 + signature[64],))


def create_keystore(path: Path, passphrase: str, *, private_key: bytes | None = None, light: bool = False) -> str:
    """Writes a keystore with a new key, or with ``private_key``; gives the key id.

    ``light`` derives its key with little work: for tests and demonstrations. Raises SecretRefused where the file is
    there already.
    """
    from eth_account import Account  # noqa: PLC0415 - it takes longer to import than most commands to run

    private_key = private_key or coincurve.PrivateKey().secret
    signer = LocalSigner.from_private_key(private_key)
    keystore = Account.encrypt(private_key, passphrase, kdf="scrypt", iterations=LIGHT_WORK if light else None)
    write_secret(path, json.dumps(keystore, indent=2).encode() + b"\n", field="key")
    return signer.key_id


def keystore_key_id(path: Path) -> str:
    """The key id that a keystore names; only opening the file proves it."""
    address = _parsed_keystore(path).get("address")
    if not isinstance(address, str) or not re.fullmatch(r"(?:0x)?[0-9a-fA-F]{40}", address):
        raise KeyRefused(f"{path} is a keystore that names no address", field="key")
    return "0x" + address.removeprefix("0x").lower()


def open_keystore(path: Path, passphrase: str) -> LocalSigner:
    """The signer of a keystore v3 file. Raises SecretRefused or KeyRefused."""
    from eth_account import Account  # noqa: PLC0415

    keystore = _parsed_keystore(path)
    try:
        private_key = bytes(Account.decrypt(keystore, passphrase))
    except (ValueError, TypeError, KeyError, NotImplementedError) as error:
        why = "wrong passphrase, or damaged" if str(error) == "MAC mismatch" else error
        raise KeyRefused(f"{path} does not open: {why}", field="passphrase", hint=REMEMBER) from error
    signer = LocalSigner.from_private_key(private_key)
    if signer.key_id != keystore_key_id(path):
        raise KeyRefused(f"{path} names {keystore_key_id(path)} but holds the key {signer.key_id}", field="key")
    return signer


def create_note_key(
    path: Path, name: str, passphrase: str, *, cosigner: bool = False, seed: bytes | None = None
) -> VerifyingKey:
    """Writes an encrypted Ed25519 key that signs notes as ``name``; gives its public part.

    A ``cosigner`` signs with a timestamp, as witnesses do (C2SP tlog-cosignature).
    Raises SecretRefused where the file is there already, MalformedInput for a name that notes cannot carry.
    """
    signature_type = SignatureType.COSIGNATURE_V1 if cosigner else SignatureType.ED25519
    seed = seed or secrets.token_bytes(32)
    public = SeedSigner.from_seed(name, seed, signature_type).verifying_key
    pem = Ed25519PrivateKey.from_private_bytes(seed).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(passphrase.encode())
    )
    write_secret(path, public.vkey().encode() + b"\n" + pem, field="key")
    return public


def note_key(path: Path) -> VerifyingKey:
    """The public part that a note key's file names; only opening the file proves it."""
    return _parsed_note_key(path)[0]


def open_note_key(path: Path, passphrase: str) -> SeedSigner:
    """The signer of an Ed25519 key file. Raises SecretRefused or KeyRefused."""
    public, pem = _parsed_note_key(path)
    try:
        private_key = load_pem_private_key(pem, passphrase.encode())
    except (ValueError, TypeError) as error:
        raise KeyRefused(
            f"{path} does not open: wrong passphrase, or damaged", field="passphrase", hint=REMEMBER
        ) from error
    if not isinstance(private_key, Ed25519PrivateKey):
        raise KeyRefused(f"{path} holds no Ed25519 key", field="key")
    signer = SeedSigner.from_seed(public.name, private_key.private_bytes_raw(), public.signature_type)
    if signer.verifying_key != public:
        raise KeyRefused(f"{path} names {public.vkey()} but holds the key {signer.verifying_key.vkey()}", field="key")
    return signer


@dataclass(frozen=True, slots=True)
class KeyDirectory:
    """Key files by name. Names are lower-case letters, digits, dot, dash and underscore, at most 64."""

    path: Path

    def keystore(self, name: str) -> Path:
        """Where the secp256k1 key ``name`` lies, or would."""
        return self.path / f"{_require_name(name)}.json"

    def note_key(self, name: str) -> Path:
        """Where the Ed25519 key ``name`` lies, or would."""
        return self.path / f"{_require_name(name)}.pem"

    def files(self) -> Iterator[Path]:
        """All key files, by name."""
        return (path for path in sorted(self.path.glob("*")) if path.suffix in (".json", ".pem"))


def _require_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise MalformedInput(f"expected lower-case letters, digits, '.', '-' or '_', not {name[:100]!r}", field="name")
    return name


def _parsed_keystore(path: Path) -> dict[str, object]:
    data = read_secret(path, field="key")
    try:
        keystore = json.loads(data)
    except ValueError as error:
        raise KeyRefused(f"{path} is not JSON", field="key") from error
    if not isinstance(keystore, dict) or keystore.get("version") != 3:
        raise KeyRefused(f"{path} is not a Web3 keystore of version 3", field="key")
    return keystore


def _parsed_note_key(path: Path) -> tuple[VerifyingKey, bytes]:
    first, _, pem = read_secret(path, field="key").partition(b"\n")
    try:
        return parse_vkey(first.decode()), pem
    except (MalformedInput, UnicodeDecodeError) as error:
        raise KeyRefused(f"the first line of {path} is no verifier key", field="key") from error
