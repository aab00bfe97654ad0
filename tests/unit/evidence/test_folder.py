"""Listings of folders, and sorting that does not ask for memory."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.core.errors import MalformedInput
from ledger.evidence import names
from ledger.evidence.folder_hashing import hash_folder
from tests.unit.evidence.material import write


def test_names_of_any_bytes_are_listed(tmp_path: Path) -> None:
    """A listing carries nothing away, so it takes names that no bag does."""
    folder = write(tmp_path / "folder", {"a\nb": b"1"})
    (folder / os.fsdecode(b"\xff")).write_bytes(b"2")
    assert [name for name, _ in hash_folder(folder)] == ["a\nb", "\udcff"]


def test_links_are_refused_in_a_listing(tmp_path: Path) -> None:
    """The digest of what lies elsewhere is not of this folder."""
    (write(tmp_path / "folder") / "link").symlink_to("/etc/passwd")
    with pytest.raises(MalformedInput, match="link is a link"):
        list(hash_folder(tmp_path / "folder"))


@pytest.mark.parametrize("name", ["absent", "file"])
def test_what_is_no_folder_is_named(tmp_path: Path, name: str) -> None:
    """By its path."""
    write(tmp_path, {"file": b""})
    with pytest.raises(MalformedInput, match=f"{name} cannot be read"):
        list(hash_folder(tmp_path / name))


@settings(max_examples=30)
@given(st.lists(st.binary(max_size=4).map(lambda line: line.replace(b"\n", b"") + b"\n"), max_size=60))
def test_lines_are_sorted_whatever_fits_in_memory(lines: list[bytes]) -> None:
    """In runs of seven as all at once; none is lost or doubled."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(names, "RUN", 7)
        assert list(names.sort_lines(iter(lines))) == sorted(lines)
