"""Keys of the chain tests."""

from __future__ import annotations

from dataclasses import dataclass

from coincurve import PrivateKey

from ledger.core.encoding.digests import keccak256
from ledger.core.signing.signatures import address_of


@dataclass(frozen=True)
class Key:
    """A secp256k1 key named by a word; the same word gives the same key."""

    name: str

    @property
    def secret(self) -> bytes:
        return keccak256(self.name.encode())

    @property
    def key_id(self) -> str:
        return address_of(PrivateKey(self.secret).public_key)

    def sign(self, digest: bytes) -> bytes:
        signature = PrivateKey(self.secret).sign_recoverable(digest, hasher=None)
        return signature[:64] + bytes([27 + signature[64]])
