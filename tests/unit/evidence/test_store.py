"""The store: files by their digest, whole and for good, whoever writes at the same time."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from blake3 import blake3

from ledger.core.encoding.digests import Algorithm
from ledger.core.errors import IntegrityBroken, MalformedInput
from ledger.evidence.hashing import NotWritten, hash_file
from ledger.evidence.store import EvidenceStore
from tests.unit.evidence.material import RecordedProgress, replace, sample, write


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a file of evidence."""
    return write(tmp_path, {"file": sample(5_000_000)}) / "file"


def kept(folder: Path) -> set[str]:
    """All files of a store, by their paths."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_file_is_kept_by_its_digest(tmp_path: Path, file: Path) -> None:
    """Under its BLAKE3 digest, with its bytes, read-only; the digests are those asked for."""
    hashed = EvidenceStore(tmp_path / "store").put(file, (Algorithm.SHA256,))
    assert hashed == hash_file(file, (Algorithm.SHA256,))
    digest = blake3(file.read_bytes()).hexdigest()
    assert kept(tmp_path / "store") == {f"blake3/{digest[:2]}/{digest}"}
    copy = EvidenceStore(tmp_path / "store").path(hash_file(file).digests[0])
    assert (copy.read_bytes(), copy.stat().st_mode & 0o777) == (file.read_bytes(), 0o444)


def test_same_file_is_kept_once(tmp_path: Path, file: Path) -> None:
    """The second time nothing is written to what is kept."""
    store = EvidenceStore(tmp_path / "store")
    store.put(file)
    before = store.path(hash_file(file).digests[0]).stat()
    store.put(file)
    after = store.path(hash_file(file).digests[0]).stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    assert len(kept(tmp_path / "store")) == 1


def test_writers_do_not_disturb_each_other(tmp_path: Path) -> None:
    """Sixteen writers of two files at once: both are kept whole, nothing else is left."""
    write(tmp_path, {"a": sample(3_000_000), "b": sample(2_000_000)})
    store = EvidenceStore(tmp_path / "store")
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(store.put, [tmp_path / "a", tmp_path / "b"] * 8))
    assert len(kept(tmp_path / "store")) == 2
    assert list(store.check()) == []


def test_other_bytes_under_a_digest_are_not_taken_for_the_file(tmp_path: Path, file: Path) -> None:
    """A store that was spoilt says so instead of claiming to hold the file, and keeps what it has."""
    store = EvidenceStore(tmp_path / "store")
    spoilt = store.path(hash_file(file).digests[0])
    spoilt.parent.mkdir(parents=True)
    spoilt.write_bytes(b"something else")
    with pytest.raises(IntegrityBroken, match="holds other bytes"):
        store.put(file)
    assert spoilt.read_bytes() == b"something else"


def test_store_that_cannot_be_written_is_named(tmp_path: Path, file: Path) -> None:
    """Such as one whose place is a file. A folder without blake3 in it is not an intact store; and of a file that
    changes meanwhile nothing is kept."""
    with pytest.raises(MalformedInput, match="blake3 cannot be read"):
        list(EvidenceStore(tmp_path).check())
    cut = RecordedProgress(when_advanced=lambda: os.truncate(file, 1))
    with pytest.raises(IntegrityBroken, match="changed"):
        EvidenceStore(tmp_path / "store").put(file, progress=cut)
    assert kept(tmp_path / "store") == set()
    with pytest.raises(NotWritten, match="the store cannot be written"):
        EvidenceStore(file).put(file)


def replace_by_a_link(kept_file: Path) -> None:
    kept_file.rename(kept_file.parents[3] / "moved")
    kept_file.symlink_to(kept_file.parents[3] / "moved")


@pytest.mark.parametrize(
    ("harm", "fault"),
    [
        (lambda file: replace(file, b"x"), "changed"),
        (lambda file: file.rename(file.with_name("f" * 64)), "changed"),
        (replace_by_a_link, "no_file"),
    ],
)
def test_file_that_is_not_what_its_name_says_is_found(
    tmp_path: Path, file: Path, harm: Callable[[Path], None], fault: str
) -> None:
    """Of two files one is spoilt, and only that one is told."""
    store = EvidenceStore(tmp_path / "store")
    store.put(file)
    store.put(write(tmp_path, {"other": b"o"}) / "other")
    assert list(store.check()) == []
    harm(store.path(hash_file(file).digests[0]))
    assert [finding.fault for finding in store.check()] == [fault]
