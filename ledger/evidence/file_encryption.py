"""The encryption of files in the evidence store, and the names of their objects.

A file is cut into segments of 8 MiB. Each is an object of its own, encrypted by AES-256-GCM under the file's own random
key; the nonce is the number of the segment and whether it is the last one (the construction STREAM: Hoang,
Reyhanitabar, Rogaway, Vizar 2015), so that segments that are changed, missing, exchanged or cut off do not decrypt, and
any of them is read by itself. The file's key is encrypted under the key of the store, bound to all that the database
says of the file: whoever has the database alone can change none of it unseen. Objects have names that follow from
digest and file key, so who knows a file does not see whether it is here.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Final

from blake3 import blake3
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Struct
from msgspec.structs import asdict, replace

from ledger.config.keys import keystore_key_id, keystore_secret
from ledger.core.encoding import canonical
from ledger.core.errors import IntegrityBroken
from ledger.core.messages import Message
from ledger.store.evidence_files import StoredFile

SEGMENT: Final = 8 * 1024 * 1024  # bytes of a file in one object
TAG: Final = 16  # bytes that encryption adds to a segment
KEY: Final = 32
NONCE: Final = 12
FOLDER = "files"  # below it are the objects
_WRAPPING = "tallystick evidence store v1: key of the store"
_NAMING = "tallystick evidence store v1: name of a file"
CHECK = Message("Tell the operator: tally evidence store check finds what is wrong.")  # a hint


class StoreKey(Struct, frozen=True):
    """The key of the store, which encrypts the keys of its files; ``key_id`` names it and tells nothing of it."""

    key_id: str
    _secret: bytes

    def __repr__(self) -> str:
        return f"StoreKey({self.key_id})"

    def seal(self, file_key: bytes, stored: StoredFile) -> StoredFile:
        """Return the row of a file with its key, encrypted and bound to the rest of the row."""
        nonce = secrets.token_bytes(NONCE)
        sealed = nonce + AESGCM(self._wrapping()).encrypt(nonce, file_key, _rest_of(stored))
        return replace(stored, sealed_key=sealed, key_id=self.key_id)

    def open(self, stored: StoredFile) -> bytes:
        """Return the key of a file. Raises IntegrityBroken if it was not encrypted by this key for this very row."""
        nonce, sealed = stored.sealed_key[:NONCE], stored.sealed_key[NONCE:]
        try:
            return AESGCM(self._wrapping()).decrypt(nonce, sealed, _rest_of(stored))
        except (InvalidTag, ValueError) as error:
            raise IntegrityBroken(
                "the key of the file {digest} does not open: its row in the database is not as the service wrote it",
                digest=stored.digest,
                code="file_unverifiable",
                hint=CHECK,
            ) from error

    def _wrapping(self) -> bytes:
        return blake3(self._secret, derive_key_context=_WRAPPING).digest()


def _rest_of(stored: StoredFile) -> bytes:
    row = asdict(stored)
    return canonical.encode({name: row[name] for name in row.keys() - {"sealed_key", "key_id"}})


def open_store_key(path: Path, passphrase: str) -> StoreKey:
    """Return the key in a keystore file. Raises SecretRefused or KeyRefused."""
    return StoreKey(keystore_key_id(path), keystore_secret(path, passphrase))


def segment_count(size: int) -> int:
    """Return of how many segments a file of ``size`` bytes is; an empty file has one."""
    return max(1, -(-size // SEGMENT))


def seal_segment(file_key: bytes, number: int, segment: bytes | memoryview, *, is_last: bool) -> bytes:
    """Encrypt a segment. A file key is used for one file, and each of its segments is encrypted once."""
    return AESGCM(file_key).encrypt(_nonce(number, is_last=is_last), segment, None)


def open_segment(file_key: bytes, number: int, sealed: bytes, *, is_last: bool) -> bytes | None:
    """Return a segment, or None if these bytes are not this one."""
    try:
        return AESGCM(file_key).decrypt(_nonce(number, is_last=is_last), sealed, None)
    except (InvalidTag, ValueError):
        return None


def _nonce(number: int, *, is_last: bool) -> bytes:
    return bytes(NONCE - 5) + number.to_bytes(4) + bytes((is_last,))


def folder_of(file_key: bytes, digest: str) -> str:
    """Return the name of the folder of a file's objects, which tells nothing to who has no file key."""
    key = blake3(file_key, derive_key_context=_NAMING).digest()
    return blake3(digest.encode(), key=key).hexdigest()


def object_of(name: str, number: int) -> str:
    """Return the name of a segment's object."""
    return f"{place_of(name)}/{number:08x}"


def place_of(name: str) -> str:
    """Return the folder of the objects of a file of this name."""
    return f"{FOLDER}/{name[:2]}/{name}"
