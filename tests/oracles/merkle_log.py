"""A log of 300 entries, its hashes and the proofs that the reference gives for it."""

from __future__ import annotations

from ledger.core.log.merkle import Hash, leaf_hash
from tests.oracles import merkle_reference as reference

LARGEST = 300
NOTABLE_SIZES = [1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 31, 32, 33]
ENTRIES = [b"entry %d" % number for number in range(LARGEST)]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]
ROOTS = [Hash(reference.mth(ENTRIES[:size])) for size in range(LARGEST + 1)]


def inclusion(index: int, size: int) -> list[Hash]:
    return [Hash(sibling) for sibling in reference.inclusion_proof(index, ENTRIES[:size])]


def consistency(first: int, second: int) -> list[Hash]:
    return [Hash(sibling) for sibling in reference.consistency_proof(first, ENTRIES[:second])]


def other(value: bytes) -> Hash:
    """The same hash with one bit changed."""
    return Hash(bytes([value[0] ^ 1]) + value[1:])
