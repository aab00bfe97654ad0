"""Tiles of the tree and bundles of its entries (C2SP tlog-tiles): names, encoding, and what a growing tree changes.

A tile holds up to 256 neighbouring hashes of every eighth level; the levels between are computed from them. Storage
and transport are left to others: tiles are read by a ``TileReader`` and returned as ``TileContents`` values.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Protocol

from msgspec import Struct

from ledger.core.errors import IntegrityBroken, MalformedInput
from ledger.core.events import MAX_ENTRY_BYTES
from ledger.core.log.merkle import EMPTY_TREE, HASH_LENGTH, Frontier, Growth, Hash, NodeRow, grow

TILE_HEIGHT = 8  # tree levels
TILE_WIDTH = 1 << TILE_HEIGHT  # hashes, or entries of a bundle
TILE_LENGTH = TILE_WIDTH * HASH_LENGTH  # bytes of a full tile
LENGTH_PREFIX = 2  # bytes before each entry of a bundle
EXPANDED_TILES_KEPT = 256  # about 45 kB each

_NAME = re.compile(r"tile/(entries|[0-9]{1,2})/((?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/([0-9]{1,3}))?")
# A host and its path in characters that no reader takes for the begin of something else.
_PLAIN_URL = re.compile(r"https?://[\w.:\[\]-]+(/[\w.~%+-]+)+", re.ASCII)


class TileReader(Protocol):
    """Reads the first ``width`` hashes of a tile as 32 * width bytes; it is asked only for hashes that the tree has."""

    def __call__(self, level: int, index: int, width: int, /) -> bytes: ...


class TileName(Struct, frozen=True):
    """A tile of hashes. 0 <= level <= 63, 0 <= index, 1 <= width <= 256."""

    level: int
    index: int
    width: int = TILE_WIDTH

    def path(self) -> str:
        """Return a path like ``tile/0/x001/x234/067.p/8``, without a leading slash."""
        return f"tile/{self.level}/{_index_and_width(self.index, self.width)}"


class BundleName(Struct, frozen=True):
    """A bundle of log entries. 0 <= index, 1 <= width <= 256."""

    index: int
    width: int = TILE_WIDTH

    def path(self) -> str:
        """Return a path like ``tile/entries/x001/x234/067.p/8``, without a leading slash."""
        return f"tile/entries/{_index_and_width(self.index, self.width)}"


class TileContents(Struct, frozen=True):
    """The current contents of a tile, which replace the stored ones under (level, index), a prefix of them.

    ``hashes`` are 32 * width bytes, 1 <= width <= 256.
    """

    level: int
    index: int
    hashes: bytes


def parse_name(path: str) -> TileName | BundleName:
    """Parse the path of a tile or bundle in its one spelling. Raises MalformedInput."""
    match = _NAME.fullmatch(path)
    if match is None:
        raise _no_name(path)
    kind, groups, partial = match.groups()
    index = int(groups.replace("/", "").replace("x", ""))
    width = int(partial) if partial is not None else TILE_WIDTH
    name = BundleName(index, width) if kind == "entries" else TileName(int(kind), index, width)
    # Comparing with the path made anew refuses every second spelling, such as surplus zeros.
    if name.path() != path or not 1 <= width <= TILE_WIDTH or (isinstance(name, TileName) and name.level > 63):
        raise _no_name(path)
    return name


def width_at(size: int, level: int, index: int) -> int:
    """Return how many hashes tile (level, index) has in a tree of ``size`` leaves, 0 if it does not exist.

    An entry bundle is as wide as the tile of level 0 with the same index.
    """
    return max(0, min(TILE_WIDTH, (size >> TILE_HEIGHT * level) - index * TILE_WIDTH))


def changed_tiles(old: int, new: int) -> Iterator[TileName]:
    """Yield the tiles of a tree of ``new`` leaves of which it has more than at ``old`` leaves, by level and index.

    The entry bundles that are new are as those of level 0. Requires 0 <= old <= new.
    """
    level = 0
    # What no node was completed on has no new node above it.
    while (count := new >> TILE_HEIGHT * level) > (before := old >> TILE_HEIGHT * level):
        for index in range(before // TILE_WIDTH, (count - 1) // TILE_WIDTH + 1):
            yield TileName(level, index, width_at(new, level, index))
        level += 1


def completed_tiles(old: int, new: int) -> Iterator[TileName]:
    """Yield the tiles that are partial in a tree of ``old`` leaves and full in one of ``new``, by level."""
    level = 0
    while count := old >> TILE_HEIGHT * level:
        index, width = divmod(count, TILE_WIDTH)
        if width and width_at(new, level, index) == TILE_WIDTH:
            yield TileName(level, index)
        level += 1


def moved_tile(path: str, location: str) -> str | None:
    """Return the URL to which a log redirects a reader of ``path``, or None if that must not be followed.

    A log may name another place for its tiles, and nothing else: the URL is http(s), its path ends with the same one,
    and it has neither user, query nor fragment.
    """
    is_tile = path.startswith("tile/") and location.endswith(f"/{path}")
    return location if is_tile and _PLAIN_URL.fullmatch(location) else None


def encode_entry_bundle(entries: Iterable[bytes]) -> bytes:
    """Concatenate entries, each after its length as two bytes, high byte first."""
    parts: list[bytes] = []
    for entry in entries:
        if len(entry) > MAX_ENTRY_BYTES:
            raise MalformedInput("expected at most {limit} bytes", limit=MAX_ENTRY_BYTES, field="entry")
        parts += (len(entry).to_bytes(LENGTH_PREFIX, "big"), entry)
    return b"".join(parts)


def decode_entry_bundle(bundle: bytes, width: int) -> list[bytes]:
    """Split a bundle that must hold exactly ``width`` entries. Raises MalformedInput."""
    entries: list[bytes] = []
    start = 0
    for _ in range(width):
        begin = start + LENGTH_PREFIX
        start = begin + int.from_bytes(bundle[start:begin], "big")
        entries.append(bundle[begin:start])
        # Slices of bytes end silently where the bytes end, so the length is checked.
        if begin > len(bundle) or start > len(bundle):
            raise MalformedInput("the bundle ends within entry {number}", number=len(entries) - 1, field="bundle")
    if start != len(bundle):
        raise MalformedInput("{count} bytes follow the bundle's entries", count=len(bundle) - start, field="bundle")
    return entries


class RightEdge(Struct, frozen=True):
    """The partial tiles at the right edge of a tree, to which the next leaves are appended.

    ``partials[level]`` are the hashes of the partial tile, empty if the last tile of the level is full.
    """

    partials: tuple[bytes, ...] = ()
    frontier: Frontier = EMPTY_TREE

    @property
    def size(self) -> int:
        """Return the number of leaves."""
        return self.frontier.size

    @classmethod
    def read(cls, size: int, read_tile: TileReader) -> RightEdge:
        """Read the right edge at ``size``: at most one tile per tile level, so at most log256(size) + 1 tiles."""
        partials: list[bytes] = []
        while count := size >> TILE_HEIGHT * len(partials):
            index, width = divmod(count, TILE_WIDTH)
            partials.append(_read(read_tile, len(partials), index, width) if width else b"")
        # A tile is itself a tree over its hashes, so the frontiers of the partial tiles make up that of the whole.
        frontiers = [EMPTY_TREE.append(hashes_in(hashes)) for hashes in reversed(partials)]
        return cls(tuple(partials), Frontier(size, tuple(root for frontier in frontiers for root in frontier.roots)))

    def append(self, leaf_hashes: Sequence[Hash]) -> Appended:
        """Grow the tree by these leaves. Requires size + len(leaf_hashes) < 2**63."""
        growth = grow(self.frontier, leaf_hashes)
        partials = list(self.partials)
        tiles: list[TileContents] = []
        for level, row in enumerate(growth.rows[::TILE_HEIGHT]):
            old, new = self.size >> TILE_HEIGHT * level, growth.size >> TILE_HEIGHT * level
            # No node was completed on this level, hence none above it.
            if old == new:
                break
            if level == len(partials):
                partials.append(b"")
            hashes = partials[level] + b"".join(row.nodes[old - row.first : new - row.first])
            cut = [hashes[start : start + TILE_LENGTH] for start in range(0, len(hashes), TILE_LENGTH)]
            tiles += (TileContents(level, old // TILE_WIDTH + offset, part) for offset, part in enumerate(cut))
            partials[level] = cut[-1] if len(cut[-1]) < TILE_LENGTH else b""
        return Appended(RightEdge(tuple(partials), growth.frontier()), tuple(tiles), growth)


class Appended(Struct, frozen=True):
    """The changes by one batch of leaves: the new right edge and each tile that was begun, extended or completed."""

    edge: RightEdge
    tiles: tuple[TileContents, ...]
    growth: Growth

    @property
    def size(self) -> int:
        """Return the number of leaves after the batch."""
        return self.growth.size

    @property
    def root(self) -> Hash:
        """Return the root after the batch."""
        return self.growth.root()

    def inclusion_proofs(self) -> list[tuple[Hash, ...]]:
        """Return the inclusion proof of each appended leaf at the new size, in their order."""
        return self.growth.inclusion_proofs()


class TileNodes:
    """A ``NodeReader`` over the tiles of a tree of ``size`` leaves, for proofs at sizes up to it.

    It may be kept as long as the tiles stay readable: it caches the last 256 tiles used, and a cached tile is not read
    again. Raises IntegrityBroken if the length of a tile does not follow from the size.
    """

    def __init__(self, size: int, read_tile: TileReader):
        self._size = size
        self._read_tile = read_tile
        self._rows = lru_cache(maxsize=EXPANDED_TILES_KEPT)(self._read_rows)

    def __call__(self, level: int, index: int, /) -> Hash:
        tile_level, depth = divmod(level, TILE_HEIGHT)
        tile_index, offset = divmod(index << depth, TILE_WIDTH)
        return self._rows(tile_level, tile_index)[depth].nodes[offset >> depth]

    def _read_rows(self, level: int, index: int) -> list[NodeRow]:
        return _expand(_read(self._read_tile, level, index, width_at(self._size, level, index)))


def hashes_in(hashes: bytes) -> list[Hash]:
    """Split bytes, such as a tile, into the hashes that they concatenate."""
    return [Hash(hashes[start : start + HASH_LENGTH]) for start in range(0, len(hashes), HASH_LENGTH)]


@lru_cache(maxsize=EXPANDED_TILES_KEPT)
def _expand(hashes: bytes) -> list[NodeRow]:
    """Compute all rows of the tree over a tile's hashes, cached by content so that a changed tile is never stale."""
    return grow(EMPTY_TREE, hashes_in(hashes)).rows


def _read(read_tile: TileReader, level: int, index: int, width: int) -> bytes:
    hashes = read_tile(level, index, width)
    # A longer tile is refused too: its first hashes could be those of another tree.
    if len(hashes) != width * HASH_LENGTH:
        name = TileName(level, index, width).path()
        raise IntegrityBroken(
            "the tile is not {width} hashes long",
            width=width,
            index=index * TILE_WIDTH ** (level + 1),
            field=name,
            hint="rebuild the tiles from the stored entries, then run the audit",
        )
    return hashes


def _index_and_width(index: int, width: int) -> str:
    groups = [f"{index % 1000:03d}"]
    while index := index // 1000:
        groups.append(f"x{index % 1000:03d}")
    suffix = "" if width == TILE_WIDTH else f".p/{width}"
    return "/".join(reversed(groups)) + suffix


def _no_name(path: str) -> MalformedInput:
    return MalformedInput(
        "{path!r} names no tile",
        path=path[:100],
        field="tile",
        hint="ask for tile/<level>/<index>[.p/<width>] or tile/entries/<index>[.p/<width>] as in C2SP tlog-tiles",
    )
