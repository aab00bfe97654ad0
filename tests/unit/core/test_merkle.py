"""The Merkle tree against RFC 6962's recursive definitions, published vectors, and everything a forger may try."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
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
    path_nodes,
    root_of,
    verify_consistency,
    verify_inclusion,
)
from tests.oracles import merkle_reference as reference
from tests.testkit.builders import refused_at

LARGEST = 300
NOTABLE_SIZES = [1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 31, 32, 33]
ENTRIES = [b"entry %d" % number for number in range(LARGEST)]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]
ROOTS = [Hash(reference.mth(ENTRIES[:size])) for size in range(LARGEST + 1)]
SIZES = st.integers(0, LARGEST)


def inclusion(index: int, size: int) -> list[Hash]:
    return [Hash(sibling) for sibling in reference.inclusion_proof(index, ENTRIES[:size])]


def consistency(first: int, second: int) -> list[Hash]:
    return [Hash(sibling) for sibling in reference.consistency_proof(first, ENTRIES[:second])]


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

    @pytest.mark.parametrize("size", [*range(66), 127, 128, 129, 255, 256, 257, LARGEST])
    def test_root_is_the_recursive_one(self, size: int) -> None:
        """Roots over leaf hashes at hand, and out of stored nodes, are the reference's; TestGrowth takes any size."""
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


@pytest.mark.parametrize("size", [*NOTABLE_SIZES, LARGEST])
def test_the_nodes_of_a_path_are_those_that_a_proof_is_made_of(size: int) -> None:
    """By level and index they name the subtrees whose hashes the recursive definition puts into the proof."""
    for index in {0, 1, size // 2, size - 2, size - 1} & set(range(size)):
        spans = [(place << level, min((place + 1) << level, size)) for level, place in path_nodes(index, size)]
        assert [reference.mth(ENTRIES[start:end]) for start, end in spans] == inclusion(index, size)


def test_published_inclusion_vectors(vectors: Path) -> None:
    """Each vector of transparency-dev/merkle is accepted or refused as it says."""
    for path in sorted((vectors / "rfc6962-inclusion").rglob("*.json")):
        vector = json.loads(path.read_bytes())
        leaf, root = (Hash(base64.b64decode(vector[name] or "")) for name in ("leafHash", "root"))
        proof = [Hash(base64.b64decode(sibling)) for sibling in vector["proof"] or []]
        with pytest.raises(ProofRefused) if vector["wantErr"] else nullcontext():
            verify_inclusion(leaf, vector["leafIdx"], vector["treeSize"], proof, root)


# -- what a forger may try ---------------------------------------------------------------------------------------------

PATH, GROWTH = inclusion(5, 11), consistency(6, 11)
INCLUSION: dict[str, Any] = {"leaf": LEAVES[5], "index": 5, "size": 11, "proof": PATH, "root": ROOTS[11]}
FIRST: dict[str, Any] = {"first_size": 6, "first_root": ROOTS[6]}
CONSISTENCY = FIRST | {"second_size": 11, "second_root": ROOTS[11], "proof": GROWTH}


def flipped(value: bytes) -> Hash:
    """The same hash with one bit changed."""
    return Hash(bytes([value[0] ^ 1]) + value[1:])


def spoiled(proof: Sequence[Hash]) -> Iterator[list[Hash]]:
    """The proof with one hash changed, missing or doubled, for each of its hashes."""
    for at, sibling in enumerate(proof):
        yield [*proof[:at], flipped(sibling), *proof[at + 1 :]]
        yield [*proof[:at], *proof[at + 1 :]]
        yield [*proof[:at], sibling, *proof[at:]]


def refused_by(verify: Callable[..., None], claim: dict[str, Any], changes: dict[str, Any]) -> ProofRefused:
    """The refusal of a claim that is changed; as it was, it holds."""
    verify(**claim)
    with pytest.raises(ProofRefused) as refused:
        verify(**claim | changes)
    return refused.value


FORGED_INCLUSIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "a cut hash": ("proof[0]", {"proof": [PATH[0][:31], *PATH[1:]]}),
    "a longer hash": ("proof[3]", {"proof": [*PATH[:3], PATH[3] + b"\0"]}),
    "a cut leaf": ("leaf", {"leaf": LEAVES[5][:31]}),
    "a longer root": ("root", {"root": ROOTS[11] + b"\0"}),
    "the root of no leaves": ("root", {"root": EMPTY_ROOT}),
    "the root of no leaves as the one leaf": (
        "root",
        {"leaf": EMPTY_ROOT, "index": 0, "size": 1, "proof": [], "root": EMPTY_ROOT},
    ),
    **{
        f"leaf {index} of {size}": ("index", {"index": index, "size": size})
        for index, size in ((-1, 11), (11, 11), (12, 11), (5, 0), (0, 0), (5, 2**63), (5, 2**64), (2**64, 2**64 + 1))
    },
}
FORGED_CONSISTENCIES: dict[str, tuple[str, dict[str, Any]]] = {
    "size 0 with a root": ("first_root", {"first_size": 0, "proof": []}),
    "size 0 twice with a root": (
        "second_root",
        {"first_size": 0, "second_size": 0, "first_root": EMPTY_ROOT, "proof": []},
    ),
    "size 0 with a proof": ("proof", {"first_size": 0, "first_root": EMPTY_ROOT}),
    "the root of no leaves first": ("first_root", {"first_root": EMPTY_ROOT}),
    "the root of no leaves second": ("second_root", {"second_root": EMPTY_ROOT}),
    "the same tree with a proof": ("proof", {"first_size": 11, "first_root": ROOTS[11]}),
    "a cut hash": ("proof[1]", {"proof": [GROWTH[0], GROWTH[1][:31], *GROWTH[2:]]}),
    "no first root": ("first_root", {"first_root": b""}),
    "a cut second root": ("second_root", {"second_root": ROOTS[11][:31]}),
    "64 hashes after the seed": (
        "proof",
        {"first_size": 1, "first_root": LEAVES[0], "second_size": 2**63 - 1, "proof": LEAVES[:64]},
    ),
    **{
        f"from {first} to {second}": ("first_size", {"first_size": first, "second_size": second})
        for first, second in ((-1, 11), (12, 11), (6, 2**63), (6, 2**64), (2**64, 2**64))
    },
}


class TestForgedInclusion:
    @pytest.mark.parametrize(("field", "changes"), FORGED_INCLUSIONS.values(), ids=FORGED_INCLUSIONS)
    def test_a_claim_that_cannot_be(self, field: str, changes: dict[str, Any]) -> None:
        """Hashes have 32 bytes, 0 <= index < size < 2**63, and no tree with a leaf has the root of none."""
        assert refused_by(verify_inclusion, INCLUSION, changes).field == field

    def test_another_leaf(self) -> None:
        """A leaf that is elsewhere in the tree; the refusal carries both roots."""
        refused = refused_by(verify_inclusion, INCLUSION, {"leaf": LEAVES[6]})
        assert isinstance(refused, RootMismatch)
        assert refused.expected == ROOTS[11]
        assert refused.calculated.hex() in str(refused)
        assert refused.expected.hex() in str(refused)
        assert refused.calculated not in (refused.expected, b"")
        assert (refused.field, refused.code) == ("root", "proof_refused")
        assert refused.hint

    @pytest.mark.parametrize("size", NOTABLE_SIZES)
    def test_any_other_index_or_proof(self, size: int) -> None:
        """A leaf's own proof at another index; with any one hash changed, missing, doubled, or added at either end."""
        for index in range(size):
            proof = inclusion(index, size)
            added = [[*proof, ROOTS[size]], [ROOTS[size], *proof], [*proof, LEAVES[index]], [LEAVES[index], *proof]]
            claims = [(claimed, proof) for claimed in range(size) if claimed != index]
            for claimed, wrong in [*claims, *((index, wrong) for wrong in (*added, *spoiled(proof)))]:
                with pytest.raises(ProofRefused):
                    verify_inclusion(LEAVES[index], claimed, size, wrong, ROOTS[size])

    @pytest.mark.parametrize("index", range(8))
    def test_inner_node_as_leaf(self, index: int) -> None:
        """The node over two leaves is no leaf of the tree, nor of the tree half as large that it would fit."""
        node, path = Hash(reference.mth(ENTRIES[index & 6 : (index & 6) + 2])), inclusion(index, 8)[1:]
        for claimed, size in ((index, 8), (index >> 1, 8)):
            with pytest.raises(ProofRefused):
                verify_inclusion(node, claimed, size, path, ROOTS[8])
        # At half the size the hashes do lead to this root: the size comes from the checkpoint, never from the proof.
        verify_inclusion(node, index >> 1, 4, path, ROOTS[8])

    def test_more_than_63_hashes(self) -> None:
        """No size makes a path of 64 hashes right."""
        root = LEAVES[5]
        for sibling in LEAVES[:64]:
            root = node_hash(root, sibling)
        changes = {"index": 0, "size": 2**63 - 1, "proof": LEAVES[:64], "root": root}
        refused = refused_by(verify_inclusion, INCLUSION, changes)
        assert refused.field == "proof"
        assert "hashes in the proof" in str(refused)
        assert "expected 63 hashes" in str(refused)
        assert refused.hint


class TestForgedConsistency:
    @pytest.mark.parametrize(("field", "changes"), FORGED_CONSISTENCIES.values(), ids=FORGED_CONSISTENCIES)
    def test_a_claim_that_cannot_be(self, field: str, changes: dict[str, Any]) -> None:
        """Hashes have 32 bytes, a log does not shrink, and size 0 has the root of no leaves and no proof."""
        assert refused_by(verify_consistency, CONSISTENCY, changes).field == field

    @pytest.mark.parametrize(
        ("changes", "field", "expected", "calculated"),
        [
            ({"first_root": ROOTS[7]}, "first_root", 7, 6),
            ({"second_root": ROOTS[12]}, "second_root", 12, 11),
            ({"first_size": 11, "proof": []}, "second_root", 11, 6),
        ],
        ids=["of the first tree", "of the second tree", "at one size"],
    )
    def test_another_root(self, changes: dict[str, Any], field: str, expected: int, calculated: int) -> None:
        """A first tree that the second does not begin with, one that does not grow from the first, and a fork."""
        refused = refused_by(verify_consistency, CONSISTENCY, changes)
        assert isinstance(refused, RootMismatch)
        assert (refused.field, refused.expected, refused.calculated) == (field, ROOTS[expected], ROOTS[calculated])

    @pytest.mark.parametrize("first", [1, 2, 4, 8])
    def test_another_first_root_of_a_power_of_two(self, first: int) -> None:
        """Where the first tree is itself a node, its root is the start of the path and must lead to the second."""
        changes = {"first_size": first, "first_root": flipped(ROOTS[first]), "proof": consistency(first, 11)}
        refused = refused_by(verify_consistency, CONSISTENCY, changes)
        assert isinstance(refused, RootMismatch)
        assert refused.field == "second_root"

    @pytest.mark.parametrize("second", NOTABLE_SIZES)
    def test_any_other_size_or_proof(self, second: int) -> None:
        """A proof for another first size of the same root; with any one hash changed, missing, doubled, or added."""
        for first in range(1, second + 1):
            proof = consistency(first, second)
            added = [[*proof, ROOTS[second]], [ROOTS[first], *proof]]
            claims = [(claimed, proof) for claimed in range(second + 1) if claimed != first]
            for claimed, wrong in [*claims, *((first, wrong) for wrong in (*added, *spoiled(proof)))]:
                with pytest.raises(ProofRefused):
                    verify_consistency(claimed, ROOTS[first], second, ROOTS[second], wrong)
