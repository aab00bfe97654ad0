"""Digests of files: the right ones, in one pass, of a file that stood still; and the store of files by digest."""

from __future__ import annotations

import errno
import hashlib
import os
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from blake3 import blake3

from ledger.core.encoding.digests import Algorithm
from ledger.core.errors import IntegrityBroken, MalformedInput
from ledger.evidence import hashing
from ledger.evidence.hashing import (
    BOTH,
    BUFFERS,
    CHUNK,
    HUGE,
    LARGE,
    SILENT,
    Hashed,
    HashingProgress,
    NotWritten,
    UnreadableFile,
    hash_file,
    hash_mapped,
    hash_open,
    opened,
)
from ledger.evidence.store import EvidenceStore
from tests.unit.evidence.material import RecordedProgress, as_nobody, replace, sample, write

SIZES = [0, 1, LARGE - 1, LARGE, CHUNK + 1, BUFFERS * CHUNK, (BUFFERS + 2) * CHUNK + 1]


def copied_to(target: int, path: Path, progress: HashingProgress = SILENT) -> Hashed:
    """Hash a file and copy it to a descriptor in the same pass, as the workshop of a bag and the store do."""
    with opened(path, path.name) as descriptor:
        return hash_open(descriptor, path.name, BOTH, copy_to=target, progress=progress)


@pytest.mark.parametrize("size", SIZES)
def test_digests_are_those_of_the_bytes(tmp_path: Path, size: int) -> None:
    """BLAKE3, SHA-256 and SM3 of the whole file, in the order that is asked for, whatever its size; what is copied in
    the same pass is what was hashed, and progress adds up to it."""
    data, path, copy, progress = sample(size), tmp_path / "file", tmp_path / "copy", RecordedProgress()
    path.write_bytes(data)
    with copy.open("wb") as file:
        hashed = copied_to(file.fileno(), path, progress)
    own = [f"blake3:{blake3(data).hexdigest()}", f"sha256:{hashlib.sha256(data).hexdigest()}"]
    assert (hashed.size, list(map(str, hashed.digests))) == (size, own)
    assert (copy.read_bytes(), sum(progress.sizes), progress.done) == (data, size, 1)
    turned = hash_file(path, (Algorithm.SM3, Algorithm.BLAKE3)).digests
    assert [str(digest) for digest in turned] == [f"sm3:{hashlib.new('sm3', data).hexdigest()}", own[0]]


def test_a_slow_copy_is_what_was_hashed(tmp_path: Path) -> None:
    """Nothing is read into a buffer that one of those who share it has not done with."""
    data, path = sample((BUFFERS + 2) * CHUNK), tmp_path / "file"
    path.write_bytes(data)
    source, target = os.pipe()  # it takes 64 KiB: the copy is always behind the digests

    def read_all() -> bytes:
        with os.fdopen(source, "rb") as file:
            return b"".join(iter(partial(file.read, CHUNK // 3), b""))

    with ThreadPoolExecutor(1) as reader:
        copied = reader.submit(read_all)
        hashed = copied_to(target, path)
        os.close(target)
    assert (copied.result(), hashed) == (data, hash_file(path))
    assert hashed.digests[0].value == blake3(data).digest()


@pytest.mark.parametrize("size", [5, CHUNK + 5])
def test_full_disk_is_named(tmp_path: Path, size: int) -> None:
    """A copy that the disk does not take is refused with the system's reason, by threads as without them."""
    path = tmp_path / "file"
    path.write_bytes(sample(size))
    with open("/dev/full", "wb") as full, pytest.raises(NotWritten, match=os.strerror(errno.ENOSPC)):  # noqa: PTH123
        copied_to(full.fileno(), path)


def appended(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def rewritten(path: Path) -> None:
    """With the time of its last change set back."""
    before = path.stat()
    path.write_bytes(b"other!"[: before.st_size].ljust(before.st_size, b"!"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("size", [6, 2 * CHUNK])
@pytest.mark.parametrize("change", [appended, lambda path: os.truncate(path, 1), rewritten])
def test_file_that_changes_meanwhile_is_refused(tmp_path: Path, size: int, change: Callable[[Path], None]) -> None:
    """A file that grows, shrinks or is written over while it is read has no digest, and kills nobody."""
    path = tmp_path / "file"
    path.write_bytes(sample(size))
    progress = RecordedProgress(when_advanced=lambda: change(path))
    with pytest.raises(IntegrityBroken, match="changed while it was read"):
        hash_file(path, progress=progress)


@pytest.mark.parametrize("name", ["absent", ".", "a\0b"])
def test_what_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    """An absent file, a folder and a name with NUL are refused by their path."""
    with pytest.raises(MalformedInput, match=r"absent|is not a file|no name has a NUL"):
        hash_file(tmp_path / name)


def test_unreadable_file_is_told_apart(tmp_path: Path) -> None:
    """A file that this user may not read is there all the same: UnreadableFile, not merely bad input."""
    path = tmp_path / "file"
    path.write_bytes(b"x")
    path.chmod(0)
    with as_nobody(tmp_path), pytest.raises(UnreadableFile, match="Permission denied"):
        hash_file(Path(path.name))


def unix_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path.name)


@pytest.mark.parametrize("make", [os.mkfifo, unix_socket, lambda path: path.symlink_to("/dev/zero")])
def test_pipes_sockets_and_devices_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], None]
) -> None:
    """Nothing waits for a pipe that nobody writes, or reads a device without end."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "thing"
    make(path)
    with pytest.raises(MalformedInput, match=r"thing (is not a file|cannot be read)"):
        hash_file(path)


PIECE = 1024 * 1024


@pytest.mark.parametrize("size", [1, PIECE, PIECE + 1, 3 * PIECE - 1])
def test_digest_is_that_of_the_bytes(tmp_path: Path, size: int) -> None:
    """However many pieces the mapping takes, the digest is of all bytes, and progress adds up to them."""
    path, progress = tmp_path / "file", RecordedProgress()
    path.write_bytes(sample(size))
    with path.open("rb") as file:
        assert hash_mapped(file.fileno(), size, progress, piece=PIECE) == blake3(sample(size)).digest()
    assert sum(progress.sizes) == size


def test_file_cut_short_kills_the_child_alone(tmp_path: Path) -> None:
    """No digest, no progress left standing, and this process lives to say so."""
    path, size = tmp_path / "file", 1024 * PIECE
    path.touch()
    os.truncate(path, size)
    progress = RecordedProgress(when_advanced=lambda: os.truncate(path, 1))
    with path.open("rb") as file:
        assert hash_mapped(file.fileno(), size, progress, piece=PIECE) is None
    assert sum(progress.sizes) == 0


def test_huge_file_has_the_digest_of_its_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is mapped has the digest that reading gives it beside another."""
    monkeypatch.setattr(hashing, "HUGE", size := 3 * PIECE)
    path = tmp_path / "file"
    path.touch()
    os.truncate(path, size + 1)
    mapped, read = hash_file(path, (Algorithm.BLAKE3,)), hash_file(path)
    assert mapped.size == read.size == size + 1
    assert mapped.digests == read.digests[:1]


def test_huge_file_cut_short_meanwhile_is_refused(tmp_path: Path) -> None:
    """It changed while it was read, as any other."""
    path = tmp_path / "file"
    path.touch()
    os.truncate(path, HUGE + 1)
    progress = RecordedProgress(when_advanced=lambda: os.truncate(path, 1))
    with pytest.raises(IntegrityBroken, match="changed while it was read"):
        hash_file(path, (Algorithm.BLAKE3,), progress=progress)


# -- the store of files ------------------------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a file of evidence."""
    return write(tmp_path, {"file": sample(5_000_000)}) / "file"


def kept(folder: Path) -> set[str]:
    """All files of a store, by their paths."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_file_is_kept_by_its_digest(tmp_path: Path, file: Path) -> None:
    """Under its BLAKE3 digest, with its bytes, read-only; the digests are those asked for. The second time nothing is
    written."""
    hashed = EvidenceStore(tmp_path / "store").put(file, (Algorithm.SHA256,))
    assert hashed == hash_file(file, (Algorithm.SHA256,))
    digest = blake3(file.read_bytes()).hexdigest()
    assert kept(tmp_path / "store") == {f"blake3/{digest[:2]}/{digest}"}
    copy = EvidenceStore(tmp_path / "store").path(hash_file(file).digests[0])
    assert (copy.read_bytes(), copy.stat().st_mode & 0o777) == (file.read_bytes(), 0o444)
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
