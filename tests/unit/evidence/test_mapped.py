"""BLAKE3 out of a mapping: the same digest as read, and a file cut short kills none but the process that mapped it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from blake3 import blake3

from ledger.core.encoding.digests import Algorithm
from ledger.core.errors import IntegrityBroken
from ledger.evidence.hashing import HUGE, hash_file, hash_mapped
from tests.unit.evidence.material import Told, sample

PIECE = 1024 * 1024


@pytest.mark.parametrize("size", [1, PIECE, PIECE + 1, 3 * PIECE - 1])
def test_digest_is_that_of_the_bytes(tmp_path: Path, size: int) -> None:
    """However many pieces the mapping takes, the digest is of all bytes, and progress adds up to them."""
    path, told = tmp_path / "file", Told()
    path.write_bytes(sample(size))
    with path.open("rb") as file:
        assert hash_mapped(file.fileno(), size, told, piece=PIECE) == blake3(sample(size)).digest()
    assert sum(told.sizes) == size


def test_file_cut_short_kills_the_child_alone(tmp_path: Path) -> None:
    """No digest, no progress left standing, and this process lives to say so."""
    path, size = tmp_path / "file", 1024 * PIECE
    path.touch()
    os.truncate(path, size)
    told = Told(when_advanced=lambda: os.truncate(path, 1))
    with path.open("rb") as file:
        assert hash_mapped(file.fileno(), size, told, piece=PIECE) is None
    assert sum(told.sizes) == 0


def test_huge_file_has_the_digest_of_its_bytes(tmp_path: Path) -> None:
    """A file that is mapped has the digest that reading gives it beside another."""
    path = tmp_path / "file"
    path.touch()
    os.truncate(path, HUGE + 1)
    mapped, read = hash_file(path, (Algorithm.BLAKE3,)), hash_file(path)
    assert mapped.size == read.size == HUGE + 1
    assert mapped.digests == read.digests[:1]


def test_huge_file_cut_short_meanwhile_is_refused(tmp_path: Path) -> None:
    """It changed while it was read, as any other."""
    path = tmp_path / "file"
    path.touch()
    os.truncate(path, HUGE + 1)
    told = Told(when_advanced=lambda: os.truncate(path, 1))
    with pytest.raises(IntegrityBroken, match="changed while it was read"):
        hash_file(path, (Algorithm.BLAKE3,), progress=told)
