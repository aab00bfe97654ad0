"""Names of tiles and bundles: one spelling each."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.core.errors import MalformedInput
from ledger.core.log.tiles import BundleName, TileName, parse_name

OTHER_NAMES = (
    """
    tile tile/0 tile/0/ tile/0/0 tile/0/0000 tile/00/000 tile/01/000 tile/64/000 tile/100/000 tile/-1/000 tile/+3/000
    tile/3_0/000 tile/0/+03 tile/0/x000/001 tile/0/001/234 tile/0/x001 tile/0/X001/234 tile/0/x1/234
    tile/0/000.p tile/0/000.p/ tile/0/000.p/0 tile/0/000.p/03 tile/0/000.p/+3 tile/0/000.p/256 tile/0/000.p/1000
    tile/0/000.P/3 tile/0/000/p/3 tile/0/000.p/3/ tile/0/00\u0663 tile/\u0663/000 tile/entries tile/entries/0
    tile/entries/000.p/0 tile/entries/000.p/256 tile/Entries/000 tile/data/000 /tile/0/000 tile//000 tile/0/../0/000
"""
    + f"tile/0/{'x999/' * 7}999 tile/0/{'x999/' * 100_000}999"
)


class TestNames:
    @pytest.mark.parametrize(
        ("path", "name"),
        [
            ("tile/0/000", TileName(0, 0)),
            ("tile/0/000.p/1", TileName(0, 0, 1)),
            ("tile/1/255.p/255", TileName(1, 255, 255)),
            ("tile/0/999", TileName(0, 999)),
            ("tile/0/x001/000", TileName(0, 1000)),
            ("tile/10/x001/x234/067.p/8", TileName(10, 1_234_067, 8)),
            ("tile/63/x036/x028/x797/x018/x963/967", TileName(63, 36_028_797_018_963_967)),
            ("tile/entries/000", BundleName(0)),
            ("tile/entries/x001/x234/067", BundleName(1_234_067)),
            ("tile/entries/x020/000.p/10", BundleName(20_000, 10)),
        ],
    )
    def test_name_and_path(self, path: str, name: TileName | BundleName) -> None:
        """A name spells its path, and the path names it."""
        assert parse_name(path) == name
        assert name.path() == path

    @pytest.mark.parametrize("path", [*OTHER_NAMES.split(), "", "tile/ 3/000", "tile/0/000\n", "tile/0/000.p/3\n"])
    def test_any_other_spelling_is_refused(self, path: str) -> None:
        """Sizes like 03, +3 or 3_0, a width of 0 or 256, and every other second spelling name nothing."""
        with pytest.raises(MalformedInput, match="names no tile") as refused:
            parse_name(path)
        assert refused.value.field == "tile"
        assert refused.value.hint
        assert len(str(refused.value)) < 200

    @given(st.integers(0, 63), st.integers(0, 2**55 - 1), st.integers(1, 256))
    def test_every_name_goes_both_ways(self, level: int, index: int, width: int) -> None:
        """All tiles and bundles below 2^63 leaves have a name that parses back."""
        for name in (TileName(level, index, width), BundleName(index, width)):
            assert parse_name(name.path()) == name
