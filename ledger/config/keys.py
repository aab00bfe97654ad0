"""Keys: secp256k1 for officers, admins and chain accounts, Ed25519 and ML-DSA-44 for logs and witnesses.

A secp256k1 key is a Web3 keystore v3 file (``<name>.json``). A note key is PKCS #8 in encrypted PEM under its vkey
(``<name>.pem``): the line before the PEM (RFC 7468 2) says under which name it signs which kind of note. Both are of
mode 0600 and open with a passphrase only, which scrypt stretches alike for both.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import pbkdf2_hmac, scrypt
from hmac import compare_digest
from pathlib import Path
from typing import Literal
from uuid import uuid4

import coincurve
from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from msgspec import Struct, ValidationError

from ledger.config.secret_files import read_secret, write_secret
from ledger.core.encoding.decoding import convert
from ledger.core.encoding.digests import keccak256
from ledger.core.errors import MalformedInput, TallystickError
from ledger.core.log.notes import SEED_LENGTH, NoteSigner, SeedSigner, SignatureType, VerifyingKey, parse_vkey
from ledger.core.signing.signatures import address_of

FULL_WORK = 262_144  # scrypt N, with r 8 and p 1: about a second and 256 MB for each guess
LIGHT_WORK = 4096
MOST_MEMORY = 2**31 - 1  # bytes for a guess; one key opens at a time

# DER of the object identifiers in an encrypted PKCS #8 key: RFC 8018 A.4, RFC 7914 7, RFC 3565 4.1
_PBES2 = bytes.fromhex("06092a864886f70d01050d")
_SCRYPT = bytes.fromhex("06092b06010401da47040b")
_AES256_CBC = bytes.fromhex("060960864801650304012a")

DOES_NOT_OPEN = "{path} does not open: wrong passphrase, or damaged"
REMEMBER = "Give the one that was chosen when the key was made; no one can look it up."

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")


class KeyRefused(TallystickError):
    """A key file that does not open or is of another form."""

    code = "key_refused"


@dataclass(frozen=True, slots=True)
class LocalSigner:
    """A ``TransactionSigner`` that holds its key in memory."""

    key_id: str
    _private_key: coincurve.PrivateKey = field(repr=False)

    @classmethod
    def from_private_key(cls, private_key: bytes) -> LocalSigner:
        """Return the signer of a 32-byte private key. Raises ValueError outside the order of the curve."""
        key = coincurve.PrivateKey(private_key)
        return cls(address_of(key.public_key), key)

    def sign(self, digest: bytes, /) -> bytes:
        if len(digest) != 32:
            raise ValueError(f"a digest has 32 bytes, not {len(digest)}")
        signature = self._private_key.sign_recoverable(digest, hasher=None)
        return signature[:64] + bytes((27 + signature[64],))


def create_keystore(path: Path, passphrase: str, *, private_key: bytes | None = None, light: bool = False) -> str:
    """Write a keystore with a new key, or with ``private_key``, and return the key id.

    ``light`` derives its key with little work: for tests and demonstrations. Raises SecretRefused if the file exists.
    """
    private_key = private_key or coincurve.PrivateKey().secret
    signer = LocalSigner.from_private_key(private_key)
    write_secret(path, _keystore_file(private_key, passphrase, light=light), field="key")
    return signer.key_id


def _keystore_file(private_key: bytes, passphrase: str, *, light: bool) -> bytes:
    salt, iv, work = secrets.token_bytes(16), secrets.token_bytes(16), _work(light=light)
    derived = _scrypt(passphrase, salt, work)
    ciphertext = _aes_128_ctr(derived, iv, private_key)
    keystore = {
        "address": LocalSigner.from_private_key(private_key).key_id.removeprefix("0x"),
        "crypto": {
            "cipher": "aes-128-ctr",
            "cipherparams": {"iv": iv.hex()},
            "ciphertext": ciphertext.hex(),
            "kdf": "scrypt",
            "kdfparams": {"dklen": 32, "n": work, "r": 8, "p": 1, "salt": salt.hex()},
            "mac": _mac(derived, ciphertext).hex(),
        },
        "id": str(uuid4()),
        "version": 3,
    }
    return json.dumps(keystore, indent=2).encode() + b"\n"


def keystore_key_id(path: Path) -> str:
    """Return the key id that a keystore names; only opening the file proves it."""
    address = _parsed_keystore(path).get("address")
    if not isinstance(address, str) or not re.fullmatch(r"(?:0x)?[0-9a-fA-F]{40}", address):
        raise KeyRefused("{path} is a keystore that names no address", path=path, field="key")
    return "0x" + address.removeprefix("0x").lower()


def open_keystore(path: Path, passphrase: str) -> LocalSigner:
    """Return the signer of a keystore v3 file. Raises SecretRefused or KeyRefused."""
    return LocalSigner.from_private_key(keystore_secret(path, passphrase))


def keystore_secret(path: Path, passphrase: str) -> bytes:
    """Return the 32 bytes that a keystore v3 file holds. Raises SecretRefused or KeyRefused."""
    keystore = _parsed_keystore(path)
    try:
        crypto = convert(keystore.get("crypto") or keystore["Crypto"], _KeystoreCrypto)  # older ones of geth: Crypto
        derived = _derived(crypto, passphrase)
        ciphertext = bytes.fromhex(crypto.ciphertext)
        if not compare_digest(_mac(derived, ciphertext), bytes.fromhex(crypto.mac)):
            raise KeyRefused(DOES_NOT_OPEN, path=path, field="passphrase", hint=REMEMBER)
        private_key = _aes_128_ctr(derived, bytes.fromhex(crypto.cipherparams.iv), ciphertext)
        signer = LocalSigner.from_private_key(private_key)
    except (ValidationError, ValueError, TypeError, KeyError, MemoryError) as error:
        raise KeyRefused(
            "{path} does not open: {why}", path=path, why=error, field="passphrase", hint=REMEMBER
        ) from error
    if signer.key_id != keystore_key_id(path):
        raise KeyRefused(
            "{path} names {keystore_key_id} but holds the key {signer.key_id}",
            path=path,
            keystore_key_id=keystore_key_id(path),
            signer=signer,
            field="key",
        )
    return private_key


class _CipherParams(Struct, frozen=True):
    iv: str


class _KeystoreCrypto(Struct, frozen=True):
    """What a keystore of version 3 says of its encryption (Web3 Secret Storage Definition); bytes are hex."""

    cipher: Literal["aes-128-ctr"]
    cipherparams: _CipherParams
    ciphertext: str
    kdf: Literal["scrypt", "pbkdf2"]
    kdfparams: dict[str, int | str]
    mac: str


class _ScryptParams(Struct, frozen=True):
    salt: str
    n: int
    r: int
    p: int
    dklen: Literal[32]


class _Pbkdf2Params(Struct, frozen=True):
    salt: str
    c: int
    prf: Literal["hmac-sha256"]
    dklen: Literal[32]


def _derived(crypto: _KeystoreCrypto, passphrase: str) -> bytes:
    """Stretch the passphrase as the keystore says. Raises ValidationError, ValueError, MemoryError."""
    if crypto.kdf == "scrypt":
        kdf = convert(crypto.kdfparams, _ScryptParams)
        return _scrypt(passphrase, bytes.fromhex(kdf.salt), kdf.n, r=kdf.r, p=kdf.p)
    params = convert(crypto.kdfparams, _Pbkdf2Params)
    return pbkdf2_hmac("sha256", passphrase.encode(), bytes.fromhex(params.salt), params.c)


def _scrypt(passphrase: str, salt: bytes, work: int, *, r: int = 8, p: int = 1) -> bytes:
    """Derive 32 bytes (RFC 7914). Raises ValueError for parameters that are none, or that take too much memory."""
    return scrypt(passphrase.encode(), salt=salt, n=work, r=r, p=p, maxmem=MOST_MEMORY, dklen=32)


def _mac(derived: bytes, ciphertext: bytes) -> bytes:
    return keccak256(derived[16:] + ciphertext)


def _aes_128_ctr(derived: bytes, iv: bytes, data: bytes) -> bytes:
    """Encrypt, or decrypt, under the first half of the derived key."""
    return Cipher(algorithms.AES(derived[:16]), modes.CTR(iv)).encryptor().update(data)


class MlDsaSigner(Struct, frozen=True):
    """A ``NoteSigner`` that holds an ML-DSA-44 key in memory. Two signatures of one message differ (FIPS 204 3.4)."""

    verifying_key: VerifyingKey
    _private_key: MLDSA44PrivateKey

    @classmethod
    def from_seed(cls, name: str, seed: bytes) -> MlDsaSigner:
        """Make the signer of a 32-byte seed (FIPS 204 5.1)."""
        private_key = MLDSA44PrivateKey.from_seed_bytes(seed)
        public_key = private_key.public_key().public_bytes_raw()
        return cls(VerifyingKey(name, SignatureType.SUBTREE_V1, public_key), private_key)

    def __repr__(self) -> str:
        return f"MlDsaSigner({self.verifying_key!r})"

    def sign(self, message: bytes, /) -> bytes:
        """Sign the message: 2420 bytes of ML-DSA-44 with an empty context."""
        return self._private_key.sign(message)


def note_signer(name: str, seed: bytes, signature_type: SignatureType) -> NoteSigner:
    """Make the signer of a 32-byte seed, of the algorithm that the signature type has."""
    if signature_type is SignatureType.SUBTREE_V1:
        return MlDsaSigner.from_seed(name, seed)
    return SeedSigner.from_seed(name, seed, signature_type)


def create_note_key(
    path: Path,
    name: str,
    passphrase: str,
    signature_type: SignatureType = SignatureType.ED25519,
    *,
    seed: bytes | None = None,
    light: bool,
) -> VerifyingKey:
    """Write an encrypted key that signs notes as ``name``, and return its public part.

    ``light`` is as for a keystore. Raises SecretRefused if the file exists, MalformedInput for a name that notes cannot
    carry.
    """
    seed = seed or secrets.token_bytes(SEED_LENGTH)
    public = note_signer(name, seed, signature_type).verifying_key
    write_secret(path, _note_key_file(public, seed, passphrase, light=light), field="key")
    return public


def _note_key_file(public: VerifyingKey, seed: bytes, passphrase: str, *, light: bool) -> bytes:
    kind = MLDSA44PrivateKey.from_seed_bytes if public.is_ml_dsa_44 else Ed25519PrivateKey.from_private_bytes
    return public.vkey().encode() + b"\n" + _encrypted_pem(kind(seed), passphrase, work=_work(light=light))


def _work(*, light: bool) -> int:
    return LIGHT_WORK if light else FULL_WORK


def _encrypted_pem(key: Ed25519PrivateKey | MLDSA44PrivateKey, passphrase: str, *, work: int) -> bytes:
    """Encrypt a key as PKCS #8 under scrypt (RFC 7914 7), with 256-bit AES in CBC mode.

    ``cryptography`` reads this form, but writes PBKDF2 with 2,048 rounds alone: a graphics card tries millions of
    passphrases a second on that.
    """
    salt, iv = secrets.token_bytes(16), secrets.token_bytes(16)
    secret = _scrypt(passphrase, salt, work)
    padder, encryptor = padding.PKCS7(128).padder(), Cipher(algorithms.AES(secret), modes.CBC(iv)).encryptor()
    padded = padder.update(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())) + padder.finalize()
    ciphertext = encryptor.update(padded) + encryptor.finalize()
    derivation = _sequence(_SCRYPT, _sequence(_octets(salt), _integer(work), _integer(8), _integer(1)))
    scheme = _sequence(_PBES2, _sequence(derivation, _sequence(_AES256_CBC, _octets(iv))))
    text = base64.b64encode(_sequence(scheme, _octets(ciphertext))).decode()
    lines = (text[start : start + 64] for start in range(0, len(text), 64))
    label = "ENCRYPTED PRIVATE KEY"
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""]).encode()


def _sequence(*parts: bytes) -> bytes:
    return _der(0x30, b"".join(parts))


def _octets(data: bytes) -> bytes:
    return _der(0x04, data)


def _integer(number: int) -> bytes:
    return _der(0x02, number.to_bytes(number.bit_length() // 8 + 1))


def _der(tag: int, content: bytes) -> bytes:
    """Encode an element of at most 255 bytes, which every part of such a key is."""
    length = bytes((len(content),)) if len(content) < 0x80 else bytes((0x81, len(content)))
    return bytes((tag,)) + length + content


def note_key(path: Path) -> VerifyingKey:
    """Return the public part that a note key's file names; only opening the file proves it."""
    return _parsed_note_key(path)[0]


def public_key(path: Path) -> str:
    """Return what names the key of a file to others: the verifier key of a note key, the id of another."""
    return note_key(path).vkey() if path.suffix == ".pem" else keystore_key_id(path)


def open_note_key(path: Path, passphrase: str) -> NoteSigner:
    """Return the signer of a note key's file. Raises SecretRefused or KeyRefused."""
    public, seed = _note_key_secret(path, passphrase)
    return note_signer(public.name, seed, public.signature_type)


def _note_key_secret(path: Path, passphrase: str) -> tuple[VerifyingKey, bytes]:
    public, pem = _parsed_note_key(path)
    try:
        private_key = load_pem_private_key(pem, passphrase.encode())
    except (ValueError, TypeError) as error:
        raise KeyRefused(DOES_NOT_OPEN, path=path, field="passphrase", hint=REMEMBER) from error
    algorithm = MLDSA44PrivateKey if public.is_ml_dsa_44 else Ed25519PrivateKey
    if not isinstance(private_key, algorithm):
        name = "ML-DSA-44" if public.is_ml_dsa_44 else "Ed25519"
        raise KeyRefused("{path} holds no {name} key", path=path, name=name, field="key")
    seed = private_key.private_bytes_raw()
    held = note_signer(public.name, seed, public.signature_type).verifying_key
    if held != public:
        raise KeyRefused(
            "{path} names {expected} but holds the key {actual}",
            path=path,
            expected=public.vkey(),
            actual=held.vkey(),
            field="key",
        )
    return public, seed


def change_passphrase(paths: Sequence[Path], current: str, new: str, *, light: bool = False) -> None:
    """Re-encrypt all these keys under ``new``; write nothing if one does not open with ``current``.

    After an interruption the same call continues: keys that ``new`` opens already are left as they are.
    Raises SecretRefused or KeyRefused, naming the key.
    """
    files: dict[Path, bytes] = {}
    for path in paths:
        try:
            if path.suffix == ".pem":
                files[path] = _note_key_file(*_note_key_secret(path, current), new, light=light)
            else:
                files[path] = _keystore_file(keystore_secret(path, current), new, light=light)
        except KeyRefused as refusal:
            if refusal.field != "passphrase" or not opens(path, new):
                raise
    for path, data in files.items():
        write_secret(path, data, field="key", replace=True)


def opens(path: Path, passphrase: str) -> bool:
    """Return whether the passphrase opens the key. Raises SecretRefused."""
    try:
        _note_key_secret(path, passphrase) if path.suffix == ".pem" else keystore_secret(path, passphrase)
    except KeyRefused:
        return False
    return True


class KeyDirectory(Struct, frozen=True):
    """Key files by name. Names are lower-case letters, digits, dot, dash and underscore, at most 64."""

    path: Path

    def keystore(self, name: str) -> Path:
        """Return the path of the secp256k1 key ``name``."""
        return self.path / f"{_require_name(name)}.json"

    def note_key(self, name: str) -> Path:
        """Return the path of the note key ``name``."""
        return self.path / f"{_require_name(name)}.pem"

    def files(self) -> Iterator[Path]:
        """Return all key files, by name."""
        return (path for path in sorted(self.path.glob("*")) if path.suffix in (".json", ".pem"))


def _require_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise MalformedInput(
            "expected lower-case letters, digits, '.', '-' or '_', not {name!r}", name=name[:100], field="name"
        )
    return name


def _parsed_keystore(path: Path) -> dict[str, object]:
    data = read_secret(path, field="key")
    try:
        keystore = json.loads(data)
    except ValueError as error:
        raise KeyRefused("{path} is not JSON", path=path, field="key") from error
    if not isinstance(keystore, dict) or keystore.get("version") != 3:
        raise KeyRefused("{path} is not a Web3 keystore of version 3", path=path, field="key")
    return keystore


def _parsed_note_key(path: Path) -> tuple[VerifyingKey, bytes]:
    first, _, pem = read_secret(path, field="key").partition(b"\n")
    try:
        return parse_vkey(first.decode()), pem
    except (MalformedInput, UnicodeDecodeError) as error:
        raise KeyRefused("the first line of {path} is no verifier key", path=path, field="key") from error
