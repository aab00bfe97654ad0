"""The Merkle tree of RFC 6962 2.1 over SHA-256: hashing, growth, proofs and their verification.

Node (level, index) is the hash over leaves index * 2**level up to (index + 1) * 2**level, the last excluded. It is
complete when the tree has all of them; where the tree ends earlier it is the hash over those that exist, so every tree
of n leaves has ceil(n / 2**level) nodes on a level, and its root is the one node of the lowest level that has just one.
Storage is left to others: proofs are made from the nodes that a ``NodeReader`` reads.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import NamedTuple, NewType, Protocol

from msgspec import Struct

from ledger.core.encoding import digests
from ledger.core.errors import MalformedInput, ProofRefused
from ledger.core.messages import Message

Hash = NewType("Hash", bytes)

HASH_LENGTH = 32  # bytes
SIZE_LIMIT = 1 << 63  # leaves; every size is below it
MAX_PROOF_LENGTH = 63  # hashes; no path is longer at a size below SIZE_LIMIT
EMPTY_ROOT = Hash(sha256(b"").digest())


class RootMismatch(ProofRefused):
    """A proof that leads to the root ``calculated`` although ``expected`` was claimed; both are 32 bytes."""

    expected: bytes
    calculated: bytes

    def __init__(self, *, expected: bytes, calculated: bytes, field: str):
        super().__init__(
            f"the proof leads to {field} {calculated.hex()}, but {expected.hex()} is claimed",
            field=field,
            hint="take root and size from one verified checkpoint, and a proof made for exactly that size",
        )
        self.expected = expected
        self.calculated = calculated


class NodeReader(Protocol):
    """Reads the hash of a complete node; it is never asked for a node that is not complete in the tree."""

    def __call__(self, level: int, index: int, /) -> Hash: ...


class NodeRow(NamedTuple):
    """Neighbouring nodes of one level, from index ``first`` to the right edge of the tree."""

    first: int
    nodes: list[Hash]


def leaf_hash(data: bytes) -> Hash:
    """Hash a log entry (RFC 6962 2.1)."""
    return Hash(digests.leaf_hash(data))


def node_hash(left: Hash, right: Hash) -> Hash:
    """Hash an inner node (RFC 6962 2.1)."""
    return Hash(sha256(b"\x01" + left + right).digest())


def as_hash(value: bytes, field: str) -> Hash:
    """Return ``value`` as a hash. Raises MalformedInput unless it is 32 bytes long."""
    if len(value) != HASH_LENGTH:
        raise MalformedInput("expected 32 bytes, not {count}", count=len(value), field=field)
    return Hash(value)


class Frontier(Struct, frozen=True):
    """The right edge of a tree: enough to append to it and to compute its root.

    ``roots`` are the complete subtrees, largest first, one for each set bit of ``size``.
    """

    size: int = 0
    roots: tuple[Hash, ...] = ()

    def root(self) -> Hash:
        """Compute the Merkle Tree Hash, SHA-256 of nothing if size is 0."""
        return _fold(self.roots) if self.roots else EMPTY_ROOT

    def append(self, leaf_hashes: Sequence[Hash]) -> Frontier:
        """Return the frontier after appending leaves. Requires size + len(leaf_hashes) < 2**63."""
        return grow(self, leaf_hashes).frontier()


EMPTY_TREE = Frontier()


class Growth(Struct, frozen=True):
    """The nodes that were added or changed when ``added`` leaves made a tree ``size`` leaves large.

    ``rows[level]`` begins with an even index: the old node with which the first new one is hashed is included.
    """

    size: int
    added: int
    rows: list[NodeRow]

    def root(self) -> Hash:
        """Return the Merkle Tree Hash of the grown tree."""
        return self.rows[-1].nodes[0] if self.size else EMPTY_ROOT

    def frontier(self) -> Frontier:
        """Return the right edge of the grown tree."""
        subtrees = ((self.rows[level], index) for level, index in _complete_subtrees(self.size))
        return Frontier(self.size, tuple(row.nodes[index - row.first] for row, index in subtrees))

    def inclusion_proofs(self) -> list[tuple[Hash, ...]]:
        """Return the inclusion proof of each added leaf in the grown tree, in their order (RFC 6962 2.1.1).

        Paths are built from the root down, so that what leaves share of their paths is built once.
        """
        paths: list[tuple[Hash, ...]] = [()]
        for parents, row in zip(self.rows[:0:-1], self.rows[-2::-1], strict=True):
            paths = _paths_below(paths[(row.first >> 1) - parents.first :], row.nodes)
        return paths[len(paths) - self.added :] if self.added else []


def grow(frontier: Frontier, leaf_hashes: Sequence[Hash]) -> Growth:
    """Append leaves to a tree. Requires frontier.size + len(leaf_hashes) < 2**63."""
    size = frontier.size + len(leaf_hashes)
    # Above it a path could be longer than the 63 hashes that readers accept.
    if size >= SIZE_LIMIT:
        raise MalformedInput("a tree of {size} leaves is over the limit of 2^63 - 1", size=size, field="size")
    # Taken from the smallest subtree up: one for each level at which the new nodes begin with a right child.
    left_of = list(frontier.roots)
    rows = [_row(frontier.size, list(leaf_hashes), left_of)]
    # Up to the row that is the root alone; a row that begins further right has a left neighbour yet.
    while rows[-1].first or len(rows[-1].nodes) > 1:
        rows.append(_row(rows[-1].first >> 1, _parents(rows[-1].nodes), left_of))
    return Growth(size, len(leaf_hashes), rows)


def root_of(leaf_hashes: Sequence[Hash]) -> Hash:
    """Compute the Merkle Tree Hash over leaf hashes (RFC 6962 2.1)."""
    return grow(EMPTY_TREE, leaf_hashes).root()


def frontier_at(size: int, node: NodeReader) -> Frontier:
    """Return the right edge of the tree as it was at ``size``. Requires 0 <= size <= the size of ``node``'s tree."""
    return Frontier(size, tuple(node(level, index) for level, index in _complete_subtrees(size)))


def inclusion_proof(index: int, size: int, node: NodeReader) -> tuple[Hash, ...]:
    """Make PATH(index, D[size]), leaf's sibling first (RFC 6962 2.1.1). Requires 0 <= index < size < 2**63."""
    if not 0 <= index < size < SIZE_LIMIT:
        raise MalformedInput(
            Message("there is no inclusion proof for leaf {index} at size {size}", index=index, size=size),
            field="index",
            hint="ask for an index that is not negative and below the size of the tree",
        )
    return tuple(_path(0, index, size, node))


def consistency_proof(first_size: int, second_size: int, node: NodeReader) -> tuple[Hash, ...]:
    """Make PROOF(first_size, D[second_size]) (RFC 6962 2.1.2); it is empty if the sizes are equal or the first is 0.

    Requires 0 <= first_size <= second_size < 2**63.
    """
    if not 0 <= first_size <= second_size < SIZE_LIMIT:
        raise MalformedInput(
            "there is no consistency proof from size {first_size} to {second_size}",
            first_size=first_size,
            second_size=second_size,
            field="first_size",
            hint="ask with the smaller size first, both of them sizes that the tree has had",
        )
    if first_size in (0, second_size):
        return ()
    level = _trailing_zeros(first_size)
    index = (first_size >> level) - 1
    seed = [node(level, index)] if index else []  # the first tree is itself a node where its size is a power of two
    return tuple(seed + _path(level, index, second_size, node))


def path_nodes(index: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield level and index of the nodes that an inclusion proof is made of, in its order.

    Requires 0 <= index < size < 2**63.
    """
    level, last = 0, size - 1
    while last:
        # The last node of a level may have no sibling: it is then its own parent.
        if index ^ 1 <= last:
            yield level, index ^ 1
        level, index, last = level + 1, index >> 1, last >> 1


def verify_inclusion(leaf: Hash, index: int, size: int, proof: Sequence[Hash], root: Hash) -> None:
    """Accept that ``leaf`` is the leaf at ``index`` of the tree with this size and root (RFC 6962 2.1.1).

    Requires 0 <= index < size < 2**63, a root and leaf of 32 bytes, and exactly as many hashes as index and size need.
    Raises ProofRefused; RootMismatch if the proof leads to another root.
    """
    calculated = included_root(leaf, index, size, proof)
    _require_hashes({"root": root}, ())
    _require_root_for(size, root, "root")
    # The only comparison that proves anything: all before it is about form.
    if calculated != root:
        raise RootMismatch(expected=root, calculated=calculated, field="root")


def included_root(leaf: Hash, index: int, size: int, proof: Sequence[Hash]) -> Hash:
    """Compute the root of the tree of ``size`` leaves that has ``leaf`` at ``index``, from its inclusion proof.

    It proves nothing until it is compared, or a signature over it is verified. Requires and raises as
    ``verify_inclusion``.
    """
    if not 0 <= index < size < SIZE_LIMIT:
        raise ProofRefused("index {index} is not within a tree of {size} leaves", index=index, size=size, field="index")
    _require_hashes({"leaf": leaf}, proof)
    inner = (index ^ (size - 1)).bit_length()
    _require_length(proof, inner + (index >> inner).bit_count())
    # The upper siblings are all on the left: above `inner` the path runs along the right edge of the tree.
    return Hash(_climb(leaf, index, proof, inner))


def verify_consistency(
    first_size: int, first_root: Hash, second_size: int, second_root: Hash, proof: Sequence[Hash]
) -> None:
    """Accept that the second tree begins with all leaves of the first one (RFC 6962 2.1.2).

    Requires 0 <= first_size <= second_size < 2**63, roots of 32 bytes, and exactly as many hashes as the sizes need:
    none from size 0, whose root is SHA-256 of nothing, and none between equal sizes, whose roots are equal.
    Raises ProofRefused; RootMismatch if the proof leads to another first or second root.
    """
    if not 0 <= first_size <= second_size < SIZE_LIMIT:
        raise ProofRefused(
            "a tree does not grow from {first_size} to {second_size} leaves",
            first_size=first_size,
            second_size=second_size,
            field="first_size",
        )
    _require_hashes({"first_root": first_root, "second_root": second_root}, proof)
    _require_root_for(first_size, first_root, "first_root")
    _require_root_for(second_size, second_root, "second_root")
    if first_size in (0, second_size):
        _require_length(proof, 0)
        if first_size and first_root != second_root:
            raise RootMismatch(expected=second_root, calculated=first_root, field="second_root")
        return
    level = _trailing_zeros(first_size)
    index = (first_size >> level) - 1  # of the last complete subtree of the first tree, which both trees share
    inner = (index ^ ((second_size - 1) >> level)).bit_length()
    _require_length(proof, (1 if index else 0) + inner + (index >> inner).bit_count())
    seed, path = (proof[0], proof[1:]) if index else (first_root, proof)
    # Siblings left of the seed belong to both trees, those on its right only to the second.
    left_only = [sibling for position, sibling in enumerate(path) if position >= inner or index >> position & 1]
    first = _climb(seed, 0, left_only, 0)
    if first != first_root:
        raise RootMismatch(expected=first_root, calculated=first, field="first_root")
    second = _climb(seed, index, path, inner)
    if second != second_root:
        raise RootMismatch(expected=second_root, calculated=second, field="second_root")


def _climb(node: bytes, index: int, path: Sequence[Hash], inner: int) -> bytes:
    """Compute the root above a node from its siblings, lowest first.

    The bits of ``index`` give the side of the ``inner`` lower siblings; all others are on the left.
    """
    for sibling in path[:inner]:
        node = sha256(b"\x01" + sibling + node if index & 1 else b"\x01" + node + sibling).digest()
        index >>= 1
    for sibling in path[inner:]:
        node = sha256(b"\x01" + sibling + node).digest()
    return node


def _path(level: int, index: int, size: int, node: NodeReader) -> list[Hash]:
    """Return the siblings between a complete node and the root of the tree of ``size`` leaves, lowest first."""
    path: list[Hash] = []
    last = (size - 1) >> level
    while last:
        sibling = index ^ 1
        if sibling == last and size & ((1 << level) - 1):
            path.append(_fold([node(*subtree) for subtree in _complete_subtrees(size, level)]))
        elif sibling <= last:
            path.append(node(level, sibling))
        level, index, last = level + 1, index >> 1, last >> 1
    return path


def _complete_subtrees(size: int, below: int = 63) -> Iterator[tuple[int, int]]:
    """Yield (level, index) of the subtrees that make up the last size % 2**below leaves, largest first."""
    for level in reversed(range(min(below, size.bit_length()))):
        if size >> level & 1:
            yield level, (size >> level) - 1


def _fold(roots: Sequence[Hash]) -> Hash:
    """Compute one hash over neighbouring complete subtrees, largest first. Requires at least one."""
    folded = roots[-1]
    for left in roots[-2::-1]:
        folded = node_hash(left, folded)
    return folded


def _row(first: int, nodes: list[Hash], left_of: list[Hash]) -> NodeRow:
    """Make a row that begins with an even index; if it is odd, its left neighbour is taken from ``left_of``."""
    if first & 1:
        nodes.insert(0, left_of.pop())
        first -= 1
    return NodeRow(first, nodes)


def _parents(nodes: list[Hash]) -> list[Hash]:
    parents = [
        Hash(sha256(b"\x01" + left + right).digest()) for left, right in zip(nodes[::2], nodes[1::2], strict=False)
    ]
    if len(nodes) & 1:
        parents.append(nodes[-1])
    return parents


def _paths_below(paths: list[tuple[Hash, ...]], nodes: list[Hash]) -> list[tuple[Hash, ...]]:
    """Return the paths of ``nodes``, which begin with a left child, from those of their parents."""
    below: list[tuple[Hash, ...]] = []
    for path, left, right in zip(paths, nodes[::2], nodes[1::2], strict=False):
        below.append((right, *path))
        below.append((left, *path))
    if len(nodes) & 1:
        below.append(paths[-1])
    return below


def _trailing_zeros(number: int) -> int:
    return (number & -number).bit_length() - 1


def _require_hashes(roots: dict[str, Hash], proof: Sequence[Hash]) -> None:
    for number, value in enumerate((*roots.values(), *proof)):
        if len(value) != HASH_LENGTH:
            field = [*roots, *(f"proof[{place}]" for place in range(len(proof)))][number]
            raise ProofRefused("expected 32 bytes, not {count}", count=len(value), field=field)


def _require_root_for(size: int, root: Hash, field: str) -> None:
    if (size == 0) != (root == EMPTY_ROOT):
        raise ProofRefused("no tree of {size} leaves has this root", size=size, field=field)


# An exact length leaves no unused hashes in a proof, and no choice of how to read it.
def _require_length(proof: Sequence[Hash], expected: int) -> None:
    if len(proof) != expected:
        raise ProofRefused(
            "expected {count} hashes in the proof",
            count=expected,
            field="proof",
            hint="fetch a proof made for exactly these sizes",
        )
