"""Self-describing digests of payloads and files: ``blake3:<hex>``, ``sha256:<hex>``, ``sm3:<hex>``.

Each is 32 bytes, written as 64 lower-case hex digits behind the name of its algorithm, in one spelling only. Reading
files is not handled here.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from enum import StrEnum
from typing import Protocol

import sha3
from blake3 import blake3
from msgspec import Struct

from ledger.core.errors import MalformedInput

_TEXT = re.compile(r"(blake3|sha256|sm3):([0-9a-f]{64})")


class Algorithm(StrEnum):
    """``blake3`` is BLAKE3-256, ``sm3`` is GB/T 32905."""

    BLAKE3 = "blake3"
    SHA256 = "sha256"
    SM3 = "sm3"


class Hasher(Protocol):
    """The interface that hashlib and blake3 objects share."""

    def update(self, data: bytes | bytearray | memoryview, /) -> object: ...

    def digest(self) -> bytes: ...


class Digest(Struct, frozen=True):
    """32 bytes and the algorithm that gave them; two digests are equal only if both are."""

    algorithm: Algorithm
    value: bytes

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.value.hex()}"


def parse_digest(text: str) -> Digest:
    """Parse a digest from its text. Raises MalformedInput for any second spelling and for an unknown algorithm."""
    match = _TEXT.fullmatch(text)
    if match is None:
        raise MalformedInput(
            "{text!r} is not a digest",
            text=text[:100],
            field="digest",
            hint="write blake3:, sha256: or sm3: and 64 lower-case hex digits",
        )
    return Digest(Algorithm(match[1]), bytes.fromhex(match[2]))


def blake3_text(data: bytes) -> str:
    """Compute the BLAKE3-256 digest of ``data``, as text."""
    return "blake3:" + blake3(data).hexdigest()


def digest_by(algorithm: Algorithm, data: bytes) -> Digest:
    """Compute the digest of ``data`` under one algorithm."""
    hasher = new_hasher(algorithm)
    hasher.update(data)
    return Digest(algorithm, hasher.digest())


def new_hasher(algorithm: Algorithm) -> Hasher:
    """Return a fresh hasher: call update() for each piece of data, then digest()."""
    return _HASHERS[algorithm]()


_HASHERS: dict[Algorithm, Callable[[], Hasher]] = {
    Algorithm.BLAKE3: blake3,
    Algorithm.SHA256: hashlib.sha256,
    # hashlib names SM3 only where OpenSSL has it, so it is asked for when it is used.
    Algorithm.SM3: lambda: hashlib.new("sm3"),
}


# The prefix 0x00 of RFC 6962 keeps an entry apart from an inner node of the tree, which has 0x01.
def leaf_hash(entry: bytes) -> bytes:
    """Hash an entry of a log, as RFC 6962 2.1 does."""
    return hashlib.sha256(b"\x00" + entry).digest()


def keccak256(data: bytes) -> bytes:
    """Compute Keccak-256 as Ethereum uses it (not SHA3-256)."""
    digest: bytes = sha3.keccak_256(data).digest()
    return digest
