"""The Merkle tree against RFC 6962's recursive definitions, published vectors, and everything a forger may try."""

from __future__ import annotations

import base64
import json
from contextlib import nullcontext
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.core.errors import MalformedInput, ProofRefused
from ledger.core.log import merkle
from ledger.core.log.merkle import (
    EMPTY_ROOT,
    EMPTY_TREE,
    Hash,
    NodeReader,
    RootMismatch,
    consistency_proof,
    frontier_at,
    grow,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)
from tests.oracles import merkle_reference as reference
from tests.oracles.merkle_log import ENTRIES, LARGEST, LEAVES, ROOTS, consistency, inclusion
from tests.testkit.builders import refused_at

SIZES = st.integers(0, LARGEST)


def reference_nodes(size: int) -> NodeReader:
    """Complete nodes by the recursive definition; fails the test when a node is asked for that is not complete."""

    def node(level: int, index: int) -> Hash:
        start, end = index << level, (index + 1) << level
        assert 0 <= start < end <= size, f"node ({level}, {index}) is not complete at size {size}"
        return Hash(reference.mth(ENTRIES[start:end]))

    return node


class TestRoots:
    def test_root_of_no_leaves_is_sha256_of_nothing(self) -> None:
        """The empty tree's root is the constant of RFC 6962 2.1."""
        assert base64.b64encode(EMPTY_ROOT) == b"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
        assert root_of([]) == EMPTY_TREE.root() == EMPTY_ROOT

    def test_leaf_and_node_hashes_are_prefixed_apart(self) -> None:
        """A leaf that holds two hashes is not the node over them."""
        left, right = LEAVES[:2]
        assert node_hash(left, right) == reference.mth(ENTRIES[:2])
        assert leaf_hash(left + right) != node_hash(left, right)

    @pytest.mark.parametrize("size", range(LARGEST + 1))
    def test_root_is_the_recursive_one(self, size: int) -> None:
        """Roots over leaf hashes at hand, and out of stored nodes, are the reference's at every size."""
        assert root_of(LEAVES[:size]) == ROOTS[size]
        assert frontier_at(size, reference_nodes(size)).root() == ROOTS[size]

    @pytest.mark.parametrize("length", [0, 31, 33])
    def test_hash_of_another_length_is_refused(self, length: int) -> None:
        """Only 32 bytes become a hash."""
        with refused_at("root", match="expected 32 bytes"):
            merkle.as_hash(bytes(length), "root")
        assert merkle.as_hash(bytes(32), "root") == bytes(32)


class TestGrowth:
    @given(SIZES, SIZES)
    def test_appending_is_the_same_as_building_at_once(self, first: int, two: int) -> None:
        """Whatever the cut between two batches, frontier and root are those of the whole."""
        before, after = sorted((first, two))
        frontier = EMPTY_TREE.append(LEAVES[:before]).append(LEAVES[before:after])
        assert frontier == frontier_at(after, reference_nodes(after))
        assert frontier.root() == ROOTS[after]

    @settings(max_examples=30)
    @given(SIZES, SIZES)
    def test_batch_gives_the_inclusion_proof_of_each_of_its_leaves(self, first: int, two: int) -> None:
        """The proofs of a batch are the reference's for these leaves at the new size, and no others."""
        before, after = sorted((first, two))
        growth = grow(EMPTY_TREE.append(LEAVES[:before]), LEAVES[before:after])
        assert growth.root() == ROOTS[after]
        assert (growth.size, growth.added) == (after, after - before)
        expected = [tuple(inclusion(index, after)) for index in range(before, after)]
        assert growth.inclusion_proofs() == expected

    def test_tree_ends_below_two_to_the_63(self) -> None:
        """2^63 - 1 leaves are a tree, one more are refused."""
        almost = merkle.Frontier(2**63 - 2, tuple(LEAVES[:62]))
        assert almost.append(LEAVES[:1]).size == 2**63 - 1
        with refused_at("size", match="over the limit"):
            almost.append(LEAVES[:2])


class TestProofs:
    @pytest.mark.parametrize("size", range(1, 66))
    def test_inclusion_proofs_are_the_recursive_ones_and_hold(self, size: int) -> None:
        """PATH(m, D[n]) for every leaf of the smaller trees."""
        for index in range(size):
            proof = inclusion_proof(index, size, reference_nodes(size))
            assert list(proof) == inclusion(index, size)
            verify_inclusion(LEAVES[index], index, size, proof, ROOTS[size])

    @pytest.mark.parametrize("second", range(1, 66))
    def test_consistency_proofs_are_the_recursive_ones_and_hold(self, second: int) -> None:
        """PROOF(m, D[n]) for every pair of the smaller trees."""
        for first in range(1, second + 1):
            proof = consistency_proof(first, second, reference_nodes(second))
            assert list(proof) == consistency(first, second)
            verify_consistency(first, ROOTS[first], second, ROOTS[second], proof)

    def test_every_tree_grows_from_nothing_with_an_empty_proof(self) -> None:
        """From size 0 there is nothing to prove but that the first root is that of no leaves."""
        for second in (0, 1, 7, 8):
            assert consistency_proof(0, second, reference_nodes(second)) == ()
            verify_consistency(0, EMPTY_ROOT, second, ROOTS[second], ())

    @pytest.mark.parametrize(("index", "size"), [(-1, 3), (0, 0), (3, 3), (4, 3), (0, 2**63), (2**64, 2**64 + 1)])
    def test_inclusion_proof_of_what_is_not_there_is_refused(self, index: int, size: int) -> None:
        """Requires 0 <= index < size < 2**63."""
        with pytest.raises(MalformedInput, match=f"leaf {index} at size {size}") as refused:
            inclusion_proof(index, size, reference_nodes(LARGEST))
        assert refused.value.field == "index"
        assert refused.value.hint

    @pytest.mark.parametrize(("first", "second"), [(-1, 3), (4, 3), (1, 2**63), (2**64, 2**64)])
    def test_consistency_proof_between_impossible_sizes_is_refused(self, first: int, second: int) -> None:
        """Requires 0 <= first_size <= second_size < 2**63."""
        with pytest.raises(MalformedInput, match=f"from size {first} to {second}") as refused:
            consistency_proof(first, second, reference_nodes(LARGEST))
        assert refused.value.field == "first_size"
        assert refused.value.hint

    def test_largest_size_is_provable(self) -> None:
        """At 2^63 - 1 leaves paths have at most 63 hashes, and they verify."""
        size = 2**63 - 1
        calls: list[tuple[int, int]] = []

        def node(level: int, index: int) -> Hash:
            calls.append((level, index))
            return LEAVES[level]

        proof = inclusion_proof(0, size, node)
        assert len(proof) == merkle.MAX_PROOF_LENGTH
        assert all((index + 1) << level <= size for level, index in calls)
        with pytest.raises(RootMismatch):
            verify_inclusion(LEAVES[0], 0, size, proof, ROOTS[1])


def test_published_inclusion_vectors(vectors: Path) -> None:
    """Each vector of transparency-dev/merkle is accepted or refused as it says."""
    for path in sorted((vectors / "rfc6962-inclusion").rglob("*.json")):
        vector = json.loads(path.read_bytes())
        leaf, root = (Hash(base64.b64decode(vector[name] or "")) for name in ("leafHash", "root"))
        proof = [Hash(base64.b64decode(sibling)) for sibling in vector["proof"] or []]
        with pytest.raises(ProofRefused) if vector["wantErr"] else nullcontext():
            verify_inclusion(leaf, vector["leafIdx"], vector["treeSize"], proof, root)
