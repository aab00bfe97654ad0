"""The tree over the stored entries, compared with its tiles and with every root that it is claimed to have had."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from ledger.audit.entries import NO_LEAF
from ledger.audit.findings import AuditFinding, finding
from ledger.core.log.merkle import EMPTY_TREE, HASH_LENGTH, Frontier, root_of
from ledger.core.log.tiles import TILE_LENGTH, TILE_WIDTH, TileName, hashes_in, width_at
from ledger.store import audit as rows
from ledger.store.database import Connection

TILE_FAULTS = ("tile_leaf", "tile_length", "tile_hash")  # words of findings where the tile is at fault


class Claimant(Struct, frozen=True):
    """The source of a claim: a word of the catalogues, and a number."""

    word: str
    number: int | None = None

    @property
    def slots(self) -> dict[str, int | str | None]:
        """Return the slots that findings name the claimant by."""
        return {"by": self.word, "number": self.number}


class RootClaim(Struct, frozen=True):
    """The claim that the tree had this root at this size; ``step`` is the audit's step that it belongs to.

    ``until`` is the latest time at which it had this size, in unix milliseconds, or None if that is unknown.
    """

    size: int
    root: bytes
    step: str
    by: Claimant
    until: int | None = None


class TreeAudit:
    """Grows two trees, over the entries and over the leaf hashes in the tiles, and compares claims with them.

    If the two differ, the next claim that one of them meets decides: if the tiles meet it, the entry was changed; if
    the entries do, the tile was. A claim that neither meets is wrong itself, unless no later one is met either. Claims
    are passed in the order of their sizes, leaves in their order.
    """

    def __init__(self, claims: Sequence[RootClaim]):
        self._claims = list(reversed(claims))
        self._stored = self._from_tiles = EMPTY_TREE
        self._differing: list[tuple[int, bytes, bytes]] = []
        self._unmet: list[AuditFinding] = []
        self._sound = 0  # the largest size with a claim that was met

    def feed(self, leaves: bytes, tiles: bytes) -> Iterator[AuditFinding]:
        """Append the next leaves: of the entries, and of the tiles, 32 bytes each."""
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

    def finish(self) -> Iterator[AuditFinding]:
        """Yield what no claim has decided, and claims of sizes that the log does not have."""
        yield from self._unmet[:1]
        for index, leaf, tile_leaf in self._differing:
            yield finding("tree", index, "tile_differs", tile_leaf.hex(), leaf.hex(), tile=_leaf_tile(index))
        for claim in reversed(self._claims):
            slots = {"size": claim.size, **claim.by.slots}
            yield finding(claim.step, None, "size", claim.root.hex(), "the log is smaller", **slots)

    def _grow(self, leaves: bytes, tiles: bytes) -> None:
        size, same = self._stored.size, self._stored == self._from_tiles
        pairs = list(zip(hashes_in(leaves), hashes_in(tiles), strict=True)) if leaves != tiles else []
        # A missing leaf is a finding already: it is filled from the tile.
        filled = [tile_leaf if leaf == NO_LEAF else leaf for leaf, tile_leaf in pairs] or hashes_in(leaves)
        self._stored = self._stored.append(filled)
        if same and leaves == tiles:
            self._from_tiles = self._stored
            return
        self._from_tiles = self._from_tiles.append(hashes_in(tiles))
        for index, (leaf, tile_leaf) in enumerate(pairs, size):
            if leaf not in (tile_leaf, NO_LEAF):
                self._differing.append((index, leaf, tile_leaf))

    def _decide(self, claim: RootClaim) -> Iterator[AuditFinding]:
        if claim.root == self._from_tiles.root():
            yield from self._unmet
            for index, leaf, tile_leaf in self._differing:
                yield finding("tree", index, "other_entry", tile_leaf.hex(), leaf.hex())
            self._settle(self._from_tiles)
        elif claim.root == self._stored.root():
            yield from self._unmet
            for index, leaf, tile_leaf in self._differing:
                yield finding("tree", index, "tile_leaf", leaf.hex(), tile_leaf.hex(), tile=_leaf_tile(index))
            self._settle(self._stored)
        else:
            slots = {"size": claim.size, "sound": self._sound, **claim.by.slots}
            root = self._stored.root().hex()
            self._unmet.append(finding(claim.step, None, "root_unmet", claim.root.hex(), root, **slots))

    def _settle(self, tree: Frontier) -> None:
        self._stored = self._from_tiles = tree
        self._sound = tree.size
        self._differing.clear()
        self._unmet.clear()


def of_a_tile(fault: AuditFinding) -> bool:
    """Return whether a tile is faulty, and the entry at its index is not."""
    return fault.word in TILE_FAULTS


def check_tiles(connection: Connection, size: int) -> Iterator[AuditFinding]:
    """Check that each tile above the leaves holds the roots of those below, and that no tile is left over."""
    expected = 0
    level = 0
    while size >> 8 * level:
        count = -(-(size >> 8 * level) // TILE_WIDTH)
        expected += count
        for index in range(count):
            yield from _check_tile(connection, size, level, index)
        level += 1
    stored = rows.count_tiles(connection)
    if stored != expected:
        yield finding("tree", None, "tiles", expected, stored)


def read_leaf_tiles(connection: Connection, start: int, end: int) -> bytes:
    """Return the leaf hashes ``start <= i < end`` of the tiles."""
    parts = []
    for index in range(start // TILE_WIDTH, -(-end // TILE_WIDTH)):
        width = min(TILE_WIDTH, end - index * TILE_WIDTH) * HASH_LENGTH
        parts.append((rows.tile(connection, 0, index) or b"")[:width].ljust(width, b"\0"))
    return b"".join(parts)[start % TILE_WIDTH * HASH_LENGTH :]


def _check_tile(connection: Connection, size: int, level: int, index: int) -> Iterator[AuditFinding]:
    """Check a tile's length, and that each of its hashes is the root of the tile below."""
    width = width_at(size, level, index)
    name, stored = TileName(level, index, width).path(), rows.tile(connection, level, index)
    first = index * TILE_WIDTH ** (level + 1)
    if stored is None or len(stored) != width * HASH_LENGTH:
        actual = "no such tile" if stored is None else len(stored)
        yield finding("tree", first, "tile_length", width * HASH_LENGTH, actual, tile=name)
        return
    if level == 0:
        return
    for number, stored_root in enumerate(hashes_in(stored), index * TILE_WIDTH):
        below = rows.tile(connection, level - 1, number)
        root = root_of(hashes_in(below)) if below is not None and len(below) == TILE_LENGTH else stored_root
        if root != stored_root:
            first, path = number * TILE_WIDTH**level, TileName(level - 1, number).path()
            yield finding("tree", first, "tile_hash", root.hex(), stored_root.hex(), tile=name, below=path)


def _leaf_tile(index: int) -> str:
    return TileName(0, index // TILE_WIDTH).path()
