"""The tree over the stored entries, against its tiles and against every root that somebody said it had."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from ledger.audit.entries import NO_LEAF
from ledger.audit.findings import Finding, finding
from ledger.core.log.merkle import EMPTY_TREE, HASH_LENGTH, Frontier, root_of
from ledger.core.log.tiles import TILE_LENGTH, TILE_WIDTH, TileName, hashes_in, width_at
from ledger.store import audit as rows
from ledger.store.database import Connection

TILE_FAULTS = ("tile_leaf", "tile_length", "tile_hash")  # words of findings where the tile is at fault


class Claimant(Struct, frozen=True):
    """Who says what root the tree had: a word of the catalogues, and which of them."""

    word: str
    number: int | None = None

    @property
    def slots(self) -> dict[str, int | str | None]:
        """As findings tell it."""
        return {"by": self.word, "number": self.number}


class RootClaim(Struct, frozen=True):
    """That the tree had this root at this size; ``step`` is the audit's step that it belongs to, ``by`` who says so.

    ``until`` is when it had come to this size at the latest, in unix milliseconds; None where that is not said.
    """

    size: int
    root: bytes
    step: str
    by: Claimant
    until: int | None = None


class TreeAudit:
    """Grows two trees, one over the entries and one over the leaf hashes in the tiles, and holds claims against them.

    Where the two differ the next claim that either meets decides: if the tiles do, the entry was changed, if the
    entries do, the tile was. A claim that neither meets is wrong itself, unless no later one is met either. Claims are
    given in the order of their sizes, leaves in their order.
    """

    def __init__(self, claims: Sequence[RootClaim]):
        self._claims = list(reversed(claims))
        self._stored = self._said = EMPTY_TREE
        self._differing: list[tuple[int, bytes, bytes]] = []
        self._unmet: list[Finding] = []
        self._sound = 0  # the largest size at which a claim was met

    def feed(self, leaves: bytes, tiles: bytes) -> Iterator[Finding]:
        """Takes the next leaves, over the entries and as the tiles have them, 32 bytes each."""
        start = done = self._stored.size
        end = start + len(leaves) // HASH_LENGTH
        while True:
            stop = min(end, self._claims[-1].size) if self._claims else end
            piece = slice(HASH_LENGTH * (done - start), HASH_LENGTH * (stop - start))
            self._grow(leaves[piece], tiles[piece])
            done = stop
            while self._claims and self._claims[-1].size == done:
                yield from self._decide(self._claims.pop())
            if done == end:
                return

    def finish(self) -> Iterator[Finding]:
        """What no claim has decided, and claims of sizes that the log does not have."""
        yield from self._unmet[:1]
        for index, leaf, said in self._differing:
            yield finding("tree", index, "tile_differs", said.hex(), leaf.hex(), tile=_leaf_tile(index))
        for claim in reversed(self._claims):
            told = {"size": claim.size, **claim.by.slots}
            yield finding(claim.step, None, "size", claim.root.hex(), "the log is smaller", **told)

    def _grow(self, leaves: bytes, tiles: bytes) -> None:
        size, same = self._stored.size, self._stored == self._said
        self._stored = self._stored.append(hashes_in(_filled(leaves, tiles)))
        if same and leaves == tiles:
            self._said = self._stored
            return
        self._said = self._said.append(hashes_in(tiles))
        for index, (leaf, said) in enumerate(zip(hashes_in(leaves), hashes_in(tiles), strict=True), size):
            if leaf not in (said, NO_LEAF):
                self._differing.append((index, leaf, said))

    def _decide(self, claim: RootClaim) -> Iterator[Finding]:
        if claim.root == self._said.root():
            yield from self._unmet
            for index, leaf, said in self._differing:
                yield finding("tree", index, "other_entry", said.hex(), leaf.hex())
            self._settle(self._said)
        elif claim.root == self._stored.root():
            yield from self._unmet
            for index, leaf, said in self._differing:
                yield finding("tree", index, "tile_leaf", leaf.hex(), said.hex(), tile=_leaf_tile(index))
            self._settle(self._stored)
        else:
            told = {"size": claim.size, "sound": self._sound, **claim.by.slots}
            root = self._stored.root().hex()
            self._unmet.append(finding(claim.step, None, "root_unmet", claim.root.hex(), root, **told))

    def _settle(self, tree: Frontier) -> None:
        self._stored = self._said = tree
        self._sound = tree.size
        self._differing.clear()
        self._unmet.clear()


def of_a_tile(found: Finding) -> bool:
    """Whether a tile is at fault, and the entry at its index is not."""
    return found.word in TILE_FAULTS


def check_tiles(connection: Connection, size: int) -> Iterator[Finding]:
    """Each tile above the leaves holds the roots of those below it, and there is no tile too many."""
    expected = 0
    level = 0
    while size >> 8 * level:
        count = -(-(size >> 8 * level) // TILE_WIDTH)
        expected += count
        for index in range(count):
            yield from _check_tile(connection, size, level, index)
        level += 1
    found = rows.count_tiles(connection)
    if found != expected:
        yield finding("tree", None, "tiles", expected, found)


def read_leaf_tiles(connection: Connection, start: int, end: int) -> bytes:
    """The leaf hashes ``start <= i < end`` as the tiles have them. Requires ``start`` to be a multiple of 256."""
    parts = []
    for index in range(start // TILE_WIDTH, -(-end // TILE_WIDTH)):
        width = min(TILE_WIDTH, end - index * TILE_WIDTH) * HASH_LENGTH
        parts.append((rows.tile(connection, 0, index) or b"")[:width].ljust(width, b"\0"))
    return b"".join(parts)


def _check_tile(connection: Connection, size: int, level: int, index: int) -> Iterator[Finding]:
    """Its length, and that each of its hashes is the root of the tile below."""
    width = width_at(size, level, index)
    name, stored = TileName(level, index, width).path(), rows.tile(connection, level, index)
    first = index * TILE_WIDTH ** (level + 1)
    if stored is None or len(stored) != width * HASH_LENGTH:
        found = "no such tile" if stored is None else len(stored)
        yield finding("tree", first, "tile_length", width * HASH_LENGTH, found, tile=name)
        return
    if level == 0:
        return
    for number, said in enumerate(hashes_in(stored), index * TILE_WIDTH):
        below = rows.tile(connection, level - 1, number)
        root = root_of(hashes_in(below)) if below is not None and len(below) == TILE_LENGTH else said
        if root != said:
            first, path = number * TILE_WIDTH**level, TileName(level - 1, number).path()
            yield finding("tree", first, "tile_hash", root.hex(), said.hex(), tile=name, below=path)


def claims_in_order(*claims: Sequence[RootClaim]) -> list[RootClaim]:
    """All claims by size."""
    return sorted((claim for some in claims for claim in some), key=lambda claim: claim.size)


def _filled(leaves: bytes, tiles: bytes) -> bytes:
    """The leaves, those that are missing taken from the tiles: that they are missing is a finding already."""
    if NO_LEAF not in leaves:
        return leaves
    pairs = zip(hashes_in(leaves), hashes_in(tiles), strict=True)
    return b"".join(said if leaf == NO_LEAF else leaf for leaf, said in pairs)


def _leaf_tile(index: int) -> str:
    return TileName(0, index // TILE_WIDTH).path()
