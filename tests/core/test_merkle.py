"""The Merkle tree against RFC 6962's recursive definitions, published vectors, and everything a forger may try."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.core import merkle
from ledger.core.errors import MalformedInput, ProofRefused
from ledger.core.merkle import (
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
from tests import machine
from tests import merkle_reference as reference

LARGEST = 300
ENTRIES = [b"entry %d" % number for number in range(LARGEST)]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]
ROOTS = [Hash(reference.mth(ENTRIES[:size])) for size in range(LARGEST + 1)]
SIZES = st.integers(0, LARGEST)
NOTABLE_SIZES = [1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 31, 32, 33]


def reference_nodes(size: int) -> NodeReader:
    """Complete nodes by the recursive definition; fails the test when a node is asked for that is not complete."""

    def node(level: int, index: int) -> Hash:
        start, end = index << level, (index + 1) << level
        assert 0 <= start < end <= size, f"node ({level}, {index}) is not complete at size {size}"
        return Hash(reference.mth(ENTRIES[start:end]))

    return node


def inclusion(index: int, size: int) -> list[Hash]:
    return [Hash(sibling) for sibling in reference.inclusion_proof(index, ENTRIES[:size])]


def consistency(first: int, second: int) -> list[Hash]:
    return [Hash(sibling) for sibling in reference.consistency_proof(first, ENTRIES[:second])]


def other(value: bytes) -> Hash:
    """The same hash with one bit changed."""
    return Hash(bytes([value[0] ^ 1]) + value[1:])


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
        with pytest.raises(MalformedInput, match="root is") as refused:
            merkle.as_hash(bytes(length), "root")
        assert refused.value.field == "root"
        assert merkle.as_hash(bytes(32), "root") == bytes(32)


class TestGrowth:
    @given(SIZES, SIZES)
    def test_appending_is_the_same_as_building_at_once(self, one: int, two: int) -> None:
        """Whatever the cut between two batches, frontier and root are those of the whole."""
        before, after = sorted((one, two))
        frontier = EMPTY_TREE.append(LEAVES[:before]).append(LEAVES[before:after])
        assert frontier == frontier_at(after, reference_nodes(after))
        assert frontier.root() == ROOTS[after]

    @given(SIZES, SIZES)
    def test_batch_gives_the_inclusion_proof_of_each_of_its_leaves(self, one: int, two: int) -> None:
        """The proofs of a batch are the reference's for these leaves at the new size, and no others."""
        before, after = sorted((one, two))
        growth = grow(EMPTY_TREE.append(LEAVES[:before]), LEAVES[before:after])
        assert growth.root() == ROOTS[after]
        assert (growth.size, growth.added) == (after, after - before)
        expected = [tuple(inclusion(index, after)) for index in range(before, after)]
        assert growth.inclusion_proofs() == expected

    def test_no_leaves_change_nothing(self) -> None:
        """An empty batch keeps the tree and proves nothing."""
        for size in (0, 1, 2, 7, 8):
            frontier = EMPTY_TREE.append(LEAVES[:size])
            growth = grow(frontier, [])
            assert growth.frontier() == frontier
            assert growth.root() == ROOTS[size]
            assert growth.inclusion_proofs() == []

    def test_batch_does_not_change_what_it_was_given(self) -> None:
        """The caller's list of leaf hashes is left as it was."""
        batch = LEAVES[3:6]
        grow(EMPTY_TREE.append(LEAVES[:3]), batch)
        assert batch == LEAVES[3:6]

    def test_tree_ends_below_two_to_the_63(self) -> None:
        """2^63 - 1 leaves are a tree, one more are refused."""
        almost = merkle.Frontier(2**63 - 2, tuple(LEAVES[:62]))
        assert almost.append(LEAVES[:1]).size == 2**63 - 1
        with pytest.raises(MalformedInput, match="over the limit") as refused:
            almost.append(LEAVES[:2])
        assert refused.value.field == "size"


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

    @given(st.integers(1, LARGEST), st.data())
    def test_larger_trees_agree_too(self, size: int, data: st.DataObject) -> None:
        """Sizes up to 300, an older size and an index drawn within."""
        index, first = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
        path = inclusion_proof(index, size, reference_nodes(size))
        assert list(path) == inclusion(index, size)
        verify_inclusion(LEAVES[index], index, size, path, ROOTS[size])
        growth = consistency_proof(first, size, reference_nodes(size))
        assert list(growth) == consistency(first, size)
        verify_consistency(first, ROOTS[first], size, ROOTS[size], growth)

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


def _chained(leaf: Hash, siblings: Sequence[Hash]) -> Hash:
    for sibling in siblings:
        leaf = node_hash(leaf, sibling)
    return leaf


class TestForgedInclusion:
    """All of these are refused, whatever else about them is right."""

    INDEX, SIZE = 5, 11

    def refuse(self, **changes: Any) -> ProofRefused:
        claim: dict[str, Any] = {
            "leaf": LEAVES[self.INDEX],
            "index": self.INDEX,
            "size": self.SIZE,
            "proof": inclusion(self.INDEX, self.SIZE),
            "root": ROOTS[self.SIZE],
        }
        verify_inclusion(**claim)
        with pytest.raises(ProofRefused) as refused:
            verify_inclusion(**claim | changes)
        return refused.value

    def test_another_leaf(self) -> None:
        """A leaf that is elsewhere in the tree; the refusal carries both roots."""
        refused = self.refuse(leaf=LEAVES[6])
        assert isinstance(refused, RootMismatch)
        assert refused.expected == ROOTS[self.SIZE]
        assert refused.calculated.hex() in str(refused)
        assert refused.expected.hex() in str(refused)
        assert refused.calculated not in (refused.expected, b"")
        assert (refused.field, refused.code) == ("root", "proof_refused")
        assert refused.hint

    def test_another_root(self) -> None:
        """Same size, other root."""
        assert isinstance(self.refuse(root=ROOTS[12]), RootMismatch)

    @pytest.mark.parametrize("size", NOTABLE_SIZES)
    def test_every_other_index(self, size: int) -> None:
        """A leaf's own proof holds at no other index."""
        for index in range(size):
            for claimed in {*range(size)} - {index}:
                with pytest.raises(ProofRefused):
                    verify_inclusion(LEAVES[index], claimed, size, inclusion(index, size), ROOTS[size])

    @pytest.mark.parametrize("size", NOTABLE_SIZES)
    def test_each_changed_missing_doubled_or_added_hash(self, size: int) -> None:
        """A proof with any one hash changed, removed, repeated, or one too many at either end."""
        for index in range(size):
            proof = inclusion(index, size)
            forged = [[*proof, ROOTS[size]], [ROOTS[size], *proof], [*proof, LEAVES[index]], [LEAVES[index], *proof]]
            for at, sibling in enumerate(proof):
                forged += [
                    [*proof[:at], other(sibling), *proof[at + 1 :]],
                    [*proof[:at], *proof[at + 1 :]],
                    [*proof[:at], sibling, *proof[at:]],
                ]
            for wrong in forged:
                with pytest.raises(ProofRefused):
                    verify_inclusion(LEAVES[index], index, size, wrong, ROOTS[size])

    @pytest.mark.parametrize("index", range(8))
    def test_inner_node_as_leaf(self, index: int) -> None:
        """The node over two leaves is no leaf of the tree, nor of the tree half as large that it would fit."""
        node, path = Hash(reference.mth(ENTRIES[index & 6 : (index & 6) + 2])), inclusion(index, 8)[1:]
        for claimed, size in ((index, 8), (index >> 1, 8)):
            with pytest.raises(ProofRefused):
                verify_inclusion(node, claimed, size, path, ROOTS[8])
        # At half the size the hashes do lead to this root: the size comes from the checkpoint, never from the proof.
        verify_inclusion(node, index >> 1, 4, path, ROOTS[8])

    def test_last_leaf_doubled(self) -> None:
        """An odd tree is not the even one with its last leaf twice."""
        doubled = root_of([*LEAVES[:7], LEAVES[6]])
        assert doubled != ROOTS[7]
        with pytest.raises(ProofRefused):
            verify_inclusion(LEAVES[6], 7, 8, [LEAVES[6], *inclusion(6, 7)], ROOTS[7])

    def test_cut_hash(self) -> None:
        """Each hash has exactly 32 bytes, the roots and leaf as well."""
        proof = inclusion(self.INDEX, self.SIZE)
        assert self.refuse(proof=[proof[0][:31], *proof[1:]]).field == "proof[0]"
        assert self.refuse(proof=[*proof[:3], proof[3] + b"\0"]).field == "proof[3]"
        assert self.refuse(leaf=LEAVES[self.INDEX][:31]).field == "leaf"
        assert self.refuse(root=ROOTS[self.SIZE] + b"\0").field == "root"

    @pytest.mark.parametrize(
        ("index", "size"), [(-1, 11), (11, 11), (12, 11), (5, 0), (0, 0), (5, 2**63), (5, 2**64), (2**64, 2**64 + 1)]
    )
    def test_index_outside_of_the_tree(self, index: int, size: int) -> None:
        """Requires 0 <= index < size < 2**63."""
        assert self.refuse(index=index, size=size).field == "index"

    def test_more_than_63_hashes(self) -> None:
        """No size makes a path of 64 hashes right."""
        path = LEAVES[:64]
        refused = self.refuse(index=0, size=2**63 - 1, proof=path, root=_chained(LEAVES[self.INDEX], path))
        assert refused.field == "proof"
        assert "64 hashes" in str(refused)
        assert "ask for 63" in str(refused)
        assert refused.hint

    def test_empty_root_of_a_tree_with_leaves(self) -> None:
        """SHA-256 of nothing is the root of no tree with a leaf, even where leaf and root would be equal."""
        assert self.refuse(root=EMPTY_ROOT).field == "root"
        assert self.refuse(leaf=EMPTY_ROOT, index=0, size=1, proof=[], root=EMPTY_ROOT).field == "root"

    def test_proof_of_another_size(self) -> None:
        """A proof for a size that the tree also had does not serve at this one."""
        assert self.refuse(size=12, root=ROOTS[12])
        assert self.refuse(proof=inclusion(self.INDEX, 7)).field == "proof"


class TestForgedConsistency:
    """All of these are refused, whatever else about them is right."""

    FIRST, SECOND = 6, 11

    def refuse(self, **changes: Any) -> ProofRefused:
        claim: dict[str, Any] = {
            "first_size": self.FIRST,
            "first_root": ROOTS[self.FIRST],
            "second_size": self.SECOND,
            "second_root": ROOTS[self.SECOND],
            "proof": consistency(self.FIRST, self.SECOND),
        }
        verify_consistency(**claim)
        with pytest.raises(ProofRefused) as refused:
            verify_consistency(**claim | changes)
        return refused.value

    def test_another_first_root(self) -> None:
        """A first tree that the second does not begin with."""
        refused = self.refuse(first_root=ROOTS[7])
        assert isinstance(refused, RootMismatch)
        assert (refused.field, refused.expected) == ("first_root", ROOTS[7])
        assert refused.calculated == ROOTS[self.FIRST]

    def test_another_second_root(self) -> None:
        """A second tree that does not grow from the first."""
        refused = self.refuse(second_root=ROOTS[12])
        assert isinstance(refused, RootMismatch)
        assert (refused.field, refused.expected) == ("second_root", ROOTS[12])
        assert refused.calculated == ROOTS[self.SECOND]

    @pytest.mark.parametrize("first", [1, 2, 4, 8])
    def test_another_first_root_of_a_power_of_two(self, first: int) -> None:
        """Where the first tree is itself a node, its root is the start of the path and must lead to the second."""
        refused = self.refuse(first_size=first, first_root=other(ROOTS[first]), proof=consistency(first, 11))
        assert isinstance(refused, RootMismatch)
        assert refused.field == "second_root"

    @pytest.mark.parametrize("second", NOTABLE_SIZES)
    def test_each_changed_missing_doubled_or_added_hash(self, second: int) -> None:
        """A proof with any one hash changed, removed, repeated, or one too many at either end."""
        for first in range(1, second + 1):
            proof = consistency(first, second)
            forged = [[*proof, ROOTS[second]], [ROOTS[first], *proof]]
            for at, sibling in enumerate(proof):
                forged += [
                    [*proof[:at], other(sibling), *proof[at + 1 :]],
                    [*proof[:at], *proof[at + 1 :]],
                    [*proof[:at], sibling, *proof[at:]],
                ]
            for wrong in forged:
                with pytest.raises(ProofRefused):
                    verify_consistency(first, ROOTS[first], second, ROOTS[second], wrong)

    @pytest.mark.parametrize("second", NOTABLE_SIZES)
    def test_every_other_first_size(self, second: int) -> None:
        """A proof holds for no other first size with the same first root."""
        for first in range(1, second + 1):
            for claimed in {*range(second + 1)} - {first}:
                with pytest.raises(ProofRefused):
                    verify_consistency(claimed, ROOTS[first], second, ROOTS[second], consistency(first, second))

    @pytest.mark.parametrize(("first", "second"), [(-1, 11), (12, 11), (6, 2**63), (6, 2**64), (2**64, 2**64)])
    def test_impossible_sizes(self, first: int, second: int) -> None:
        """Requires 0 <= first_size <= second_size < 2**63: a log does not shrink."""
        assert self.refuse(first_size=first, second_size=second).field == "first_size"

    def test_size_zero_with_a_root(self) -> None:
        """The root of no leaves is SHA-256 of nothing and no other, on either side."""
        assert self.refuse(first_size=0, proof=[]).field == "first_root"
        assert self.refuse(first_size=0, second_size=0, first_root=EMPTY_ROOT, proof=[]).field == "second_root"

    def test_empty_root_of_a_tree_with_leaves(self) -> None:
        """SHA-256 of nothing is the root of no tree with a leaf."""
        assert self.refuse(first_root=EMPTY_ROOT).field == "first_root"
        assert self.refuse(second_root=EMPTY_ROOT).field == "second_root"

    def test_size_zero_with_a_proof(self) -> None:
        """From size 0 the proof is empty."""
        assert self.refuse(first_size=0, first_root=EMPTY_ROOT).field == "proof"

    def test_same_size_other_root(self) -> None:
        """Two roots at one size are a fork, with or without hashes."""
        refused = self.refuse(first_size=11, first_root=ROOTS[6], proof=[])
        assert isinstance(refused, RootMismatch)
        assert (refused.field, refused.expected, refused.calculated) == ("second_root", ROOTS[11], ROOTS[6])
        assert self.refuse(first_size=11, first_root=ROOTS[11]).field == "proof"

    def test_cut_hash(self) -> None:
        """Each hash has exactly 32 bytes, the roots as well."""
        proof = consistency(self.FIRST, self.SECOND)
        assert self.refuse(proof=[proof[0], proof[1][:31], *proof[2:]]).field == "proof[1]"
        assert self.refuse(first_root=Hash(b"")).field == "first_root"
        assert self.refuse(second_root=Hash(ROOTS[11][:31])).field == "second_root"

    def test_more_than_63_hashes(self) -> None:
        """No pair of sizes makes a path of 64 hashes right after its seed."""
        assert (
            self.refuse(first_size=1, first_root=LEAVES[0], second_size=2**63 - 1, proof=LEAVES[:64]).field == "proof"
        )


def inclusion_vectors() -> list[Any]:
    """Each published vector under its folder, file and description; one skip where they are not laid out."""
    folder = machine.vectors_folder()
    if folder is None:
        return [pytest.param(Path(), id="no shared vectors", marks=pytest.mark.skip("no shared vectors here"))]
    root = folder / "rfc6962-inclusion"
    return [
        pytest.param(path, id=f"{path.relative_to(root).with_suffix('')}: {json.loads(path.read_bytes())['desc']}")
        for path in sorted(root.rglob("*.json"))
    ]


@pytest.mark.parametrize("path", inclusion_vectors())
def test_published_inclusion_vector(path: Path) -> None:
    """Each vector of transparency-dev/merkle is accepted or refused as it says."""
    vector = json.loads(path.read_bytes())

    def decoded(name: str) -> Hash:
        return Hash(base64.b64decode(vector[name] or ""))

    def verify() -> None:
        proof = [Hash(base64.b64decode(sibling)) for sibling in vector["proof"] or []]
        verify_inclusion(decoded("leafHash"), vector["leafIdx"], vector["treeSize"], proof, decoded("root"))

    _expect(verify, refused=vector["wantErr"])


def _expect(act: Callable[[], None], *, refused: bool) -> None:
    if refused:
        with pytest.raises(ProofRefused):
            act()
    else:
        act()
