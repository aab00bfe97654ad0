"""RFC 6962 2.1 written down as the recursive definitions it gives: slow, and therefore easy to believe.

Leaves are the unhashed entry bytes. Everything else that computes over the tree is held against this module.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256


def mth(leaves: Sequence[bytes]) -> bytes:
    """Merkle Tree Hash, 32 bytes (RFC 6962 2.1)."""
    return _mth(tuple(leaves))


@lru_cache(5000)  # a tree of 300 leaves, and each that it has grown out of
def _mth(leaves: tuple[bytes, ...]) -> bytes:
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaf_hash(leaves[0])
    k = split(len(leaves))
    return sha256(b"\x01" + _mth(leaves[:k]) + _mth(leaves[k:])).digest()


def leaf_hash(leaf: bytes) -> bytes:
    """The hash of a one-leaf tree, 32 bytes (RFC 6962 2.1)."""
    return sha256(b"\x00" + leaf).digest()


def inclusion_proof(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """PATH(m, D[n]) (RFC 6962 2.1.1). Requires 0 <= index < len(leaves)."""
    if not 0 <= index < len(leaves):
        raise ValueError(f"index {index} is not below size {len(leaves)}")
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if index < k:
        return [*inclusion_proof(index, leaves[:k]), mth(leaves[k:])]
    return [*inclusion_proof(index - k, leaves[k:]), mth(leaves[:k])]


def consistency_proof(first: int, leaves: Sequence[bytes]) -> list[bytes]:
    """PROOF(m, D[n]) (RFC 6962 2.1.2). Requires 0 < first <= len(leaves); empty for equal sizes."""
    if not 0 < first <= len(leaves):
        raise ValueError(f"first size {first} is not within 1..{len(leaves)}")
    return _subproof(first, leaves, whole=True)


def split(size: int) -> int:
    """The largest power of two smaller than `size`. Requires size > 1."""
    return 1 << ((size - 1).bit_length() - 1)


def _subproof(first: int, leaves: Sequence[bytes], *, whole: bool) -> list[bytes]:
    size = len(leaves)
    if first == size:
        return [] if whole else [mth(leaves)]
    k = split(size)
    if first <= k:
        return [*_subproof(first, leaves[:k], whole=whole), mth(leaves[k:])]
    return [*_subproof(first - k, leaves[k:], whole=False), mth(leaves[:k])]
