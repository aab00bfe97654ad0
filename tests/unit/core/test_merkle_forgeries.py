"""Everything that a forger may try with a proof of inclusion or consistency is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from ledger.core.errors import ProofRefused
from ledger.core.log import merkle
from tests.oracles import merkle_reference as reference
from tests.oracles.merkle_log import ENTRIES, LEAVES, NOTABLE_SIZES, ROOTS, consistency, inclusion, other


def _chained(leaf: merkle.Hash, siblings: Sequence[merkle.Hash]) -> merkle.Hash:
    for sibling in siblings:
        leaf = merkle.node_hash(leaf, sibling)
    return leaf


def spoiled(proof: Sequence[merkle.Hash]) -> Iterator[list[merkle.Hash]]:
    """The proof with one hash changed, missing or doubled, for each of its hashes."""
    for at, sibling in enumerate(proof):
        yield [*proof[:at], other(sibling), *proof[at + 1 :]]
        yield [*proof[:at], *proof[at + 1 :]]
        yield [*proof[:at], sibling, *proof[at:]]


def refused_by(verify: Callable[..., None], claim: dict[str, Any], changes: dict[str, Any]) -> ProofRefused:
    """The refusal of a claim that is changed; as it was, it holds."""
    verify(**claim)
    with pytest.raises(ProofRefused) as refused:
        verify(**claim | changes)
    return refused.value


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
        return refused_by(merkle.verify_inclusion, claim, changes)

    def test_another_leaf(self) -> None:
        """A leaf that is elsewhere in the tree; the refusal carries both roots."""
        refused = self.refuse(leaf=LEAVES[6])
        assert isinstance(refused, merkle.RootMismatch)
        assert refused.expected == ROOTS[self.SIZE]
        assert refused.calculated.hex() in str(refused)
        assert refused.expected.hex() in str(refused)
        assert refused.calculated not in (refused.expected, b"")
        assert (refused.field, refused.code) == ("root", "proof_refused")
        assert refused.hint

    @pytest.mark.parametrize("size", NOTABLE_SIZES)
    def test_every_other_index(self, size: int) -> None:
        """A leaf's own proof holds at no other index."""
        for index in range(size):
            for claimed in {*range(size)} - {index}:
                with pytest.raises(ProofRefused):
                    merkle.verify_inclusion(LEAVES[index], claimed, size, inclusion(index, size), ROOTS[size])

    @pytest.mark.parametrize("size", NOTABLE_SIZES)
    def test_each_changed_missing_doubled_or_added_hash(self, size: int) -> None:
        """A proof with any one hash changed, removed, repeated, or one too many at either end."""
        for index in range(size):
            proof = inclusion(index, size)
            forged = [[*proof, ROOTS[size]], [ROOTS[size], *proof], [*proof, LEAVES[index]], [LEAVES[index], *proof]]
            for wrong in [*forged, *spoiled(proof)]:
                with pytest.raises(ProofRefused):
                    merkle.verify_inclusion(LEAVES[index], index, size, wrong, ROOTS[size])

    @pytest.mark.parametrize("index", range(8))
    def test_inner_node_as_leaf(self, index: int) -> None:
        """The node over two leaves is no leaf of the tree, nor of the tree half as large that it would fit."""
        node, path = merkle.Hash(reference.mth(ENTRIES[index & 6 : (index & 6) + 2])), inclusion(index, 8)[1:]
        for claimed, size in ((index, 8), (index >> 1, 8)):
            with pytest.raises(ProofRefused):
                merkle.verify_inclusion(node, claimed, size, path, ROOTS[8])
        # At half the size the hashes do lead to this root: the size comes from the checkpoint, never from the proof.
        merkle.verify_inclusion(node, index >> 1, 4, path, ROOTS[8])

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
        assert "hashes in the proof" in str(refused)
        assert "expected 63 hashes" in str(refused)
        assert refused.hint

    def test_empty_root_of_a_tree_with_leaves(self) -> None:
        """SHA-256 of nothing is the root of no tree with a leaf, even where leaf and root would be equal."""
        assert self.refuse(root=merkle.EMPTY_ROOT).field == "root"
        assert self.refuse(leaf=merkle.EMPTY_ROOT, index=0, size=1, proof=[], root=merkle.EMPTY_ROOT).field == "root"


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
        return refused_by(merkle.verify_consistency, claim, changes)

    @pytest.mark.parametrize(("which", "size", "own"), [("first_root", 7, 6), ("second_root", 12, 11)])
    def test_another_root(self, which: str, size: int, own: int) -> None:
        """A first tree that the second does not begin with, and a second that does not grow from the first."""
        refused = self.refuse(**{which: ROOTS[size]})
        assert isinstance(refused, merkle.RootMismatch)
        assert (refused.field, refused.expected, refused.calculated) == (which, ROOTS[size], ROOTS[own])

    @pytest.mark.parametrize("first", [1, 2, 4, 8])
    def test_another_first_root_of_a_power_of_two(self, first: int) -> None:
        """Where the first tree is itself a node, its root is the start of the path and must lead to the second."""
        refused = self.refuse(first_size=first, first_root=other(ROOTS[first]), proof=consistency(first, 11))
        assert isinstance(refused, merkle.RootMismatch)
        assert refused.field == "second_root"

    @pytest.mark.parametrize("second", NOTABLE_SIZES)
    def test_each_changed_missing_doubled_or_added_hash(self, second: int) -> None:
        """A proof with any one hash changed, removed, repeated, or one too many at either end."""
        for first in range(1, second + 1):
            proof = consistency(first, second)
            forged = [[*proof, ROOTS[second]], [ROOTS[first], *proof]]
            for wrong in [*forged, *spoiled(proof)]:
                with pytest.raises(ProofRefused):
                    merkle.verify_consistency(first, ROOTS[first], second, ROOTS[second], wrong)

    @pytest.mark.parametrize("second", NOTABLE_SIZES)
    def test_every_other_first_size(self, second: int) -> None:
        """A proof holds for no other first size with the same first root."""
        for first in range(1, second + 1):
            for claimed in {*range(second + 1)} - {first}:
                with pytest.raises(ProofRefused):
                    merkle.verify_consistency(claimed, ROOTS[first], second, ROOTS[second], consistency(first, second))

    @pytest.mark.parametrize(("first", "second"), [(-1, 11), (12, 11), (6, 2**63), (6, 2**64), (2**64, 2**64)])
    def test_impossible_sizes(self, first: int, second: int) -> None:
        """Requires 0 <= first_size <= second_size < 2**63: a log does not shrink."""
        assert self.refuse(first_size=first, second_size=second).field == "first_size"

    def test_size_zero_with_a_root(self) -> None:
        """The root of no leaves is SHA-256 of nothing and no other, on either side."""
        assert self.refuse(first_size=0, proof=[]).field == "first_root"
        assert self.refuse(first_size=0, second_size=0, first_root=merkle.EMPTY_ROOT, proof=[]).field == "second_root"

    def test_empty_root_of_a_tree_with_leaves(self) -> None:
        """SHA-256 of nothing is the root of no tree with a leaf."""
        assert self.refuse(first_root=merkle.EMPTY_ROOT).field == "first_root"
        assert self.refuse(second_root=merkle.EMPTY_ROOT).field == "second_root"

    def test_size_zero_with_a_proof(self) -> None:
        """From size 0 the proof is empty."""
        assert self.refuse(first_size=0, first_root=merkle.EMPTY_ROOT).field == "proof"

    def test_same_size_other_root(self) -> None:
        """Two roots at one size are a fork, with or without hashes."""
        refused = self.refuse(first_size=11, first_root=ROOTS[6], proof=[])
        assert isinstance(refused, merkle.RootMismatch)
        assert (refused.field, refused.expected, refused.calculated) == ("second_root", ROOTS[11], ROOTS[6])
        assert self.refuse(first_size=11, first_root=ROOTS[11]).field == "proof"

    def test_cut_hash(self) -> None:
        """Each hash has exactly 32 bytes, the roots as well."""
        proof = consistency(self.FIRST, self.SECOND)
        assert self.refuse(proof=[proof[0], proof[1][:31], *proof[2:]]).field == "proof[1]"
        assert self.refuse(first_root=merkle.Hash(b"")).field == "first_root"
        assert self.refuse(second_root=merkle.Hash(ROOTS[11][:31])).field == "second_root"

    def test_more_than_63_hashes(self) -> None:
        """No pair of sizes makes a path of 64 hashes right after its seed."""
        assert (
            self.refuse(first_size=1, first_root=LEAVES[0], second_size=2**63 - 1, proof=LEAVES[:64]).field == "proof"
        )
