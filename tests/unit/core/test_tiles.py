"""Tiles against the recursive reference and the published log; bundles in their one spelling."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.core.errors import IntegrityBroken, MalformedInput
from ledger.core.log import merkle
from ledger.core.log.tiles import (
    BundleName,
    RightEdge,
    TileContents,
    TileName,
    TileNodes,
    changed_tiles,
    completed_tiles,
    decode_entry_bundle,
    encode_entry_bundle,
    moved_tile,
    width_at,
)
from tests.oracles import merkle_reference as reference
from tests.testkit.builders import refused_at

LARGEST = 700
ENTRIES = [b"entry %d" % number for number in range(LARGEST)]
LEAVES = [merkle.leaf_hash(entry) for entry in ENTRIES]
HUGE = 256**2 + 2 * 256 + 3
HUGE_LEAVES = [merkle.leaf_hash(b"%d" % number) for number in range(HUGE)]


class MemoryTiles:
    """A ``TileReader`` over rows kept in a dictionary; remembers what was read."""

    def __init__(self) -> None:
        self.rows: dict[tuple[int, int], bytes] = {}
        self.reads: list[tuple[int, int, int]] = []

    def __call__(self, level: int, index: int, width: int, /) -> bytes:
        assert 1 <= width <= 256
        self.reads.append((level, index, width))
        return self.rows[level, index][: 32 * width]

    def put(self, rows: tuple[TileContents, ...]) -> None:
        """Stores rows as a store would, and holds them to what a row promises."""
        for row in rows:
            stored = self.rows.get((row.level, row.index), b"")
            assert row.hashes.startswith(stored)
            assert len(stored) < len(row.hashes) <= 8192
            self.rows[row.level, row.index] = row.hashes


def grown(size: int, batch: int = 100) -> MemoryTiles:
    """The stored tiles of a tree that was appended to in batches."""
    tiles, edge = MemoryTiles(), RightEdge()
    for start in range(0, size, batch):
        appended = edge.append(LEAVES[start : min(start + batch, size)])
        tiles.put(appended.tiles)
        edge = appended.edge
    return tiles


def expected_rows(size: int) -> dict[tuple[int, int], bytes]:
    """Every tile of a tree of ``size`` leaves by the formula of C2SP tlog-tiles: each hash an MTH over 256**level."""
    rows: dict[tuple[int, int], bytes] = {}
    for level in range(3):
        span = 256**level
        for position in range(size // span):
            node = reference.mth(ENTRIES[position * span : (position + 1) * span])
            key = (level, position // 256)
            rows[key] = rows.get(key, b"") + node
    return rows


class TestAppend:
    @given(st.lists(st.integers(0, 300), max_size=8))
    def test_any_batches_give_the_tiles_of_the_formula(self, batches: list[int]) -> None:
        """However the leaves are cut into batches, tiles, root, proofs and next right edge are those of the size."""
        tiles, edge, size = MemoryTiles(), RightEdge(), 0
        for batch in batches:
            leaves = LEAVES[size : size + batch]
            appended = edge.append(leaves)
            tiles.put(appended.tiles)
            size, edge = size + len(leaves), appended.edge
            assert appended.size == edge.size == size
            assert appended.root == edge.frontier.root() == reference.mth(ENTRIES[:size])
            assert RightEdge.read(size, tiles) == edge
            for index, proof in enumerate(appended.inclusion_proofs(), size - len(leaves)):
                merkle.verify_inclusion(LEAVES[index], index, size, proof, appended.root)
        assert tiles.rows == expected_rows(size)

    @pytest.mark.parametrize("size", [1, 255, 256, 257, 511, 512, 513])
    @pytest.mark.parametrize("batch", [1, 255, 256, 257])
    def test_at_the_borders_of_a_tile(self, size: int, batch: int) -> None:
        """One leaf before, at and after a full tile, in batches as awkward."""
        tiles = grown(size, batch)
        assert tiles.rows == expected_rows(size)
        assert RightEdge.read(size, tiles).append([]).root == reference.mth(ENTRIES[:size])

    def test_only_what_changed_is_given(self) -> None:
        """A batch that completes a tile gives it, the one begun behind it and the one above, and no others."""
        tiles = grown(254)
        appended = RightEdge.read(254, tiles).append(LEAVES[254:260])
        changed = [(row.level, row.index, len(row.hashes) // 32) for row in appended.tiles]
        assert changed == [(0, 0, 256), (0, 1, 4), (1, 0, 1)]
        assert [(row.level, row.index) for row in appended.edge.append(LEAVES[260:261]).tiles] == [(0, 1)]

    def test_three_levels(self) -> None:
        """A tree of more than 256**2 leaves has a third level, appended to and read as the others."""
        at_once = RightEdge().append(HUGE_LEAVES)
        first = RightEdge().append(HUGE_LEAVES[: 256**2 - 1])
        tiles = MemoryTiles()
        tiles.put(first.tiles)
        edge = first.edge
        for start in range(256**2 - 1, HUGE, 300):
            appended = edge.append(HUGE_LEAVES[start : start + 300])
            tiles.put(appended.tiles)
            edge = appended.edge
        assert tiles.rows == {(row.level, row.index): row.hashes for row in at_once.tiles}
        assert len(tiles.rows[2, 0]) == 32
        assert (tiles.rows[2, 0], at_once.root) == (merkle.root_of(HUGE_LEAVES[: 256**2]), merkle.root_of(HUGE_LEAVES))
        tiles.reads.clear()
        assert RightEdge.read(HUGE, tiles) == edge == at_once.edge
        assert tiles.reads == [(0, 258, 3), (1, 1, 2), (2, 0, 1)]


class TestRightEdge:
    def test_empty_tree_reads_nothing(self) -> None:
        """There is no tile at size 0."""
        tiles = MemoryTiles()
        assert RightEdge.read(0, tiles) == RightEdge()
        assert tiles.reads == []
        assert RightEdge().size == 0

    def test_full_tiles_are_not_read(self) -> None:
        """Of a level that ends with a full tile nothing is needed."""
        tiles = grown(512)
        assert RightEdge.read(512, tiles).partials == (b"", tiles.rows[1, 0])
        assert tiles.reads == [(1, 0, 2)]

    def test_older_size_is_read_from_the_tiles_of_a_newer_one(self) -> None:
        """The right edge at any earlier size stands in the tiles that grew since."""
        tiles = grown(700)
        for size in (1, 255, 256, 300, 513):
            assert RightEdge.read(size, tiles).frontier.root() == reference.mth(ENTRIES[:size])

    def test_tile_of_another_length_is_broken_integrity(self) -> None:
        """A tile that is too short for its size is named, with the first leaf that it concerns."""
        tiles = grown(600)
        tiles.rows[0, 2] = tiles.rows[0, 2][:-1]
        with pytest.raises(IntegrityBroken, match="the tile is not 88 hashes long") as broken:
            RightEdge.read(600, tiles)
        assert (broken.value.index, broken.value.field) == (512, "tile/0/002.p/88")
        assert broken.value.hint
        tiles.rows[1, 0] = b""
        with pytest.raises(IntegrityBroken) as broken:
            TileNodes(600, tiles)(8, 0)
        assert broken.value.index == 0


class TestTileNodes:
    @given(st.integers(1, LARGEST), st.data())
    def test_roots_and_proofs_at_any_earlier_size(self, size: int, data: st.DataObject) -> None:
        """From the tiles of one size come root, inclusion and consistency proofs of each smaller one."""
        nodes = TileNodes(size, grown(size, batch=LARGEST))
        second = data.draw(st.integers(1, size))
        first, index = data.draw(st.integers(1, second)), data.draw(st.integers(0, second - 1))
        root = merkle.frontier_at(second, nodes).root()
        assert root == reference.mth(ENTRIES[:second])
        path = merkle.inclusion_proof(index, second, nodes)
        assert list(path) == reference.inclusion_proof(index, ENTRIES[:second])
        growth = merkle.consistency_proof(first, second, nodes)
        assert list(growth) == reference.consistency_proof(first, ENTRIES[:second])
        merkle.verify_consistency(first, merkle.Hash(reference.mth(ENTRIES[:first])), second, root, growth)

    def test_each_tile_is_read_once(self) -> None:
        """Proofs of all leaves of a tree need each of its tiles one time, at the width that its size gives."""
        tiles = grown(600)
        nodes = TileNodes(600, tiles)
        for index in range(600):
            merkle.inclusion_proof(index, 600, nodes)
        assert sorted(tiles.reads) == [(0, 0, 256), (0, 1, 256), (0, 2, 88), (1, 0, 2)]

    def test_one_proof_reads_few_tiles(self) -> None:
        """A path through a tree of three tile levels reads one tile a level, and those at the right edge."""
        tiles = MemoryTiles()
        tiles.put(RightEdge().append(HUGE_LEAVES).tiles)
        proof = merkle.inclusion_proof(1000, HUGE, TileNodes(HUGE, tiles))
        merkle.verify_inclusion(HUGE_LEAVES[1000], 1000, HUGE, proof, merkle.root_of(HUGE_LEAVES))
        assert sorted(tiles.reads) == [(0, 3, 256), (0, 258, 3), (1, 0, 256), (1, 1, 2)]

    def test_edited_tile_is_seen_by_the_next_reader(self) -> None:
        """What is kept between readers is kept by content: a tile that changed is hashed anew."""
        tiles = grown(300)
        before = merkle.frontier_at(300, TileNodes(300, tiles)).root()
        tiles.rows[0, 1] = bytes(32) + tiles.rows[0, 1][32:]
        assert merkle.frontier_at(300, TileNodes(300, tiles)).root() != before


class TestWidths:
    def test_example_of_the_specification(self) -> None:
        """The tree of 70,000 leaves of C2SP tlog-tiles."""
        assert [width_at(70_000, 0, index) for index in (0, 272, 273, 274)] == [256, 256, 112, 0]
        assert [width_at(70_000, 1, index) for index in (0, 1, 2)] == [256, 17, 0]
        assert [width_at(70_000, 2, index) for index in (0, 1)] == [1, 0]
        assert width_at(70_000, 3, 0) == 0


def tiles_of(size: int) -> set[TileName]:
    """Name every tile of a tree, by the widths of the specification."""
    names = set()
    for level in range(4):
        for index in range(-(-size // 256)):
            if width := width_at(size, level, index):
                names.add(TileName(level, index, width))
    return names


SIZES = st.integers(0, 1200) | st.integers(256**2 - 300, 256**2 + 300)


class TestGrowth:
    @given(SIZES, SIZES)
    def test_what_a_grown_tree_has_more(self, first: int, second: int) -> None:
        """Exactly the tiles that the smaller tree lacks, each once; those that became full are named with it."""
        old, new = sorted((first, second))
        names = list(changed_tiles(old, new))
        assert len(names) == len({*names})
        assert {*names} == tiles_of(new) - tiles_of(old)
        full = {(tile.level, tile.index) for tile in tiles_of(new) if tile.width == 256}
        partial = {(tile.level, tile.index) for tile in tiles_of(old) if tile.width < 256}
        completed = list(completed_tiles(old, new))
        assert {(tile.level, tile.index) for tile in completed} == full & partial
        assert all(tile.width == 256 for tile in completed)


@pytest.mark.parametrize(
    ("path", "location", "is_followed"),
    [
        ("tile/0/000", "https://tiles.example/log/tile/0/000", True),
        ("tile/entries/x001/000", "http://127.0.0.1:8/tile/entries/x001/000", True),
        ("tile/0/000", "https://tiles.example/tile/0/001", False),
        ("tile/0/000", "https://tiles.example/nottile/0/000", False),
        ("tile/0/000", "https://tiles.example/x?/tile/0/000", False),
        ("tile/0/000", "http://inside/admin/reset#/tile/0/000", False),
        ("tile/0/000", "http://inside\\@tiles.example/tile/0/000", False),
        ("tile/0/000", "http://user@tiles.example/tile/0/000", False),
        ("tile/0/000", "http://tiles.example/a b/tile/0/000", False),
        ("tile/0/000", "http://[::1]:8000/log/tile/0/000", True),
        ("tile/0/000", "file:///etc/tile/0/000", False),
        ("tile/0/000", "/tile/0/000", False),
        ("tile/0/000", "", False),
        ("api/v1/log", "https://tiles.example/api/v1/log", False),
    ],
)
def test_a_log_may_move_its_tiles_and_nothing_else(path: str, location: str, is_followed: bool) -> None:
    """To a URL that ends with the same name: no log makes its readers ask for anything else, anywhere."""
    assert moved_tile(path, location) == (location if is_followed else None)


class TestBundles:
    @given(st.lists(st.binary(max_size=300), max_size=20))
    def test_entries_go_both_ways(self, entries: list[bytes]) -> None:
        """A bundle gives back the entries it was made of, and only at their number."""
        bundle = encode_entry_bundle(entries)
        assert decode_entry_bundle(bundle, len(entries)) == entries
        with pytest.raises(MalformedInput):
            decode_entry_bundle(bundle, len(entries) + 1)
        if entries:
            with pytest.raises(MalformedInput):
                decode_entry_bundle(bundle, len(entries) - 1)

    def test_length_is_two_bytes_high_byte_first(self) -> None:
        """An entry stands behind its length of two bytes, as in C2SP tlog-tiles."""
        assert encode_entry_bundle([b"a" * 258, b""]) == b"\x01\x02" + b"a" * 258 + b"\0\0"

    def test_largest_entry(self) -> None:
        """65,535 bytes are an entry, one more are refused."""
        largest = bytes(65_535)
        assert decode_entry_bundle(encode_entry_bundle([largest]), 1) == [largest]
        with refused_at("entry", match="at most 65535 bytes"):
            encode_entry_bundle([largest + b"\0"])

    @pytest.mark.parametrize("bundle", [b"", b"\0", b"\0\x01", b"\0\x02a", b"\0\x01a\0", b"\0\x01a\0\x01"])
    def test_bundle_that_ends_early(self, bundle: bytes) -> None:
        """A cut within a length or an entry is found and named."""
        with refused_at("bundle", match=r"ends within entry \d"):
            decode_entry_bundle(bundle, 2)

    def test_bytes_after_the_last_entry(self) -> None:
        """A bundle with bytes behind its last entry is refused."""
        with refused_at("bundle", match="1 bytes follow the bundle"):
            decode_entry_bundle(b"\0\x01a\0", 1)


class TestPublishedLog:
    """The sizes 0 to 15 of transparency-dev/tessera's test log."""

    def test_every_tile_bundle_and_root_is_derived_again(self, vectors: Path) -> None:
        """From the published entries come the published tiles, bundles and roots at every size."""
        log = vectors / "tessera-log"
        largest = 15
        entries = decode_entry_bundle((log / BundleName(0, largest).path()).read_bytes(), largest)
        edge = RightEdge()
        for size in range(1, largest + 1):
            appended = edge.append([merkle.leaf_hash(entries[size - 1])])
            edge = appended.edge
            [row] = appended.tiles
            assert row.hashes == (log / TileName(0, 0, size).path()).read_bytes()
            assert encode_entry_bundle(entries[:size]) == (log / BundleName(0, size).path()).read_bytes()
            root_line = (log / f"checkpoint.{size}").read_text().split("\n")[2]
            assert appended.root == base64.b64decode(root_line)
