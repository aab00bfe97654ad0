"""Digests of files: the right ones, in one pass, of a file that stood still."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from blake3 import blake3

from ledger.core.digest import Algorithm
from ledger.core.errors import IntegrityBroken, MalformedInput
from ledger.evidence.hashing import CHUNK, hash_file


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK])
def test_digests_are_those_of_the_bytes(tmp_path: Path, size: int) -> None:
    """BLAKE3 and SHA-256 of the whole file, in this order, whatever its size."""
    data = (b"evidence" * (size // 8 + 1))[:size]
    path = tmp_path / "file"
    path.write_bytes(data)
    assert [str(digest) for digest in hash_file(path)] == [
        f"blake3:{blake3(data).hexdigest()}",
        f"sha256:{hashlib.sha256(data).hexdigest()}",
    ]


def test_algorithms_are_chosen(tmp_path: Path) -> None:
    """Any of the known algorithms, in the order they were asked for."""
    path = tmp_path / "file"
    path.write_bytes(b"x")
    chosen = (Algorithm.SM3, Algorithm.BLAKE3)
    assert tuple(digest.algorithm for digest in hash_file(path, chosen)) == chosen


def test_progress_adds_up_to_the_size(tmp_path: Path) -> None:
    """The bytes that progress is told of are all bytes, chunk by chunk."""
    path = tmp_path / "file"
    path.write_bytes(bytes(CHUNK + 5))
    told: list[int] = []
    hash_file(path, progress=told.append)
    assert told == [CHUNK, 5]


def test_file_that_changes_meanwhile_is_refused(tmp_path: Path) -> None:
    """A file that grows while it is read has no digest."""
    path = tmp_path / "file"
    path.write_bytes(b"before")

    def grow(_size: int) -> None:
        with path.open("ab") as file:
            file.write(b"more")
            path.touch()

    with pytest.raises(IntegrityBroken, match="changed while it was read"):
        hash_file(path, progress=lambda size: grow(size) if path.stat().st_size == 6 else None)


@pytest.mark.parametrize("name", ["absent", "."])
def test_what_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    """An absent file and a folder are refused by their path."""
    with pytest.raises(MalformedInput, match=name):
        hash_file(tmp_path / name)
