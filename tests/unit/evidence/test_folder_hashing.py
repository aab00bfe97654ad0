"""Listings of folders, and their files hashed by processes: the same digests and refusals as one by one."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.core.encoding.digests import Algorithm
from ledger.core.errors import MalformedInput
from ledger.evidence import folder_hashing, names
from ledger.evidence.folder import Folder
from ledger.evidence.folder_hashing import HashedPath, hash_each, hash_folder
from ledger.evidence.hashing import BOTH, SILENT, Hashed, hash_file
from ledger.evidence.small_files_child import BUFFER
from tests.unit.evidence.material import RecordedProgress, write

MANY = {f"{number % 7}/{number:04}": bytes([number % 256]) * number for number in range(700)}
OTHERS = {
    "empty": b"",
    "long": b"x" * (2 * BUFFER),
    "longer": b"y" * (BUFFER + 1),
    "a/b/c/d": b"deep",
    "7/with\nbreak": b"z",
}


@pytest.fixture(autouse=True)
def _processes_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_hashing, "WORTH", 1)


def hashes(folder: Path, paths: list[str], algorithms: tuple[Algorithm, ...] = BOTH) -> list[HashedPath]:
    with Folder(folder) as opened:
        return list(hash_each(opened, paths, algorithms, SILENT))


@pytest.mark.parametrize("algorithms", [BOTH, (Algorithm.BLAKE3,), (Algorithm.SHA256, Algorithm.BLAKE3)])
def test_digests_are_those_of_each_file(tmp_path: Path, algorithms: tuple[Algorithm, ...]) -> None:
    """Of empty, short and long files of whatever name, in the order that was asked for."""
    folder = write(tmp_path / "folder", MANY | OTHERS)
    (folder / os.fsdecode(b"\xff")).write_bytes(b"2")
    paths = [*OTHERS, os.fsdecode(b"\xff"), *MANY]
    assert hashes(folder, paths, algorithms) == [(path, hash_file(folder / path, algorithms)) for path in paths]


@pytest.mark.parametrize(("limit", "program"), [(300, sys.executable), (folder_hashing.LIMIT, "/bin/false")])
def test_what_a_process_leaves_alone_is_hashed_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int, program: str
) -> None:
    """Files above the limit come in their places among the others, and a process that dies loses nothing."""
    monkeypatch.setattr(folder_hashing, "LIMIT", limit)
    monkeypatch.setattr(sys, "executable", program)
    folder = write(tmp_path / "folder", MANY)
    assert hashes(folder, [*MANY]) == [(path, hash_file(folder / path)) for path in MANY]


def test_what_is_no_file_is_refused_as_ever(tmp_path: Path) -> None:
    """A link, a pipe, a folder that is a link, and what is not there: each by its name, the others unharmed."""
    folder = write(tmp_path / "folder", {"file": b"1", "real/file": b"2"})
    (folder / "link").symlink_to(folder / "file")
    (folder / "other").symlink_to(folder / "real")
    os.mkfifo(folder / "pipe")
    wrong = ["link", "pipe", "other/file", "absent", "real"]
    outcomes = dict(hashes(folder, ["file", *wrong, "real/file"]))
    assert all(isinstance(outcomes[name], MalformedInput) for name in wrong)
    assert all(name.partition("/")[0] in str(outcomes[name]) for name in wrong)
    assert [outcomes["file"], outcomes["real/file"]] == [hash_file(folder / "file"), hash_file(folder / "real/file")]


def test_progress_is_told_of_every_file(tmp_path: Path) -> None:
    """Each file and its bytes count once, whichever process hashed it."""
    folder, progress = write(tmp_path / "folder", MANY), RecordedProgress()
    hashed = dict(hash_folder(folder, progress=progress))
    assert (progress.done, sum(progress.sizes)) == (len(MANY), sum(map(len, MANY.values())))
    assert all(isinstance(outcome, Hashed) for outcome in hashed.values())


def test_whoever_stops_asking_waits_for_nobody(tmp_path: Path) -> None:
    """The processes end with the first answers that nobody wants more of."""
    folder = write(tmp_path / "folder", MANY)
    with Folder(folder) as opened:
        outcomes = hash_each(opened, [*MANY], BOTH, SILENT)
        path, hashed = next(outcomes)
        outcomes.close()
    assert hashed == hash_file(folder / path)


# -- listings, and sorting that does not ask for memory ----------------------------------------------------------------


def test_names_of_any_bytes_are_listed(tmp_path: Path) -> None:
    """A listing carries nothing away, so it takes names that no bag does."""
    folder = write(tmp_path / "folder", {"a\nb": b"1"})
    (folder / os.fsdecode(b"\xff")).write_bytes(b"2")
    assert [name for name, _ in hash_folder(folder)] == ["a\nb", "\udcff"]


def test_a_walk_is_in_the_order_of_paths(tmp_path: Path) -> None:
    """A folder stands where its slash puts it, behind `-` and `.` and before letters; runs that are sorted in files
    change nothing."""
    listed = ["B", "a-b", "a.c/d", "a/b/c", "a/b0", "a/x", "a0", "a%/1", "ä", *(f"m/{number}" for number in range(20))]
    with (
        pytest.MonkeyPatch.context() as patch,
        Folder(write(tmp_path / "folder", dict.fromkeys(listed, b""))) as folder,
    ):
        patch.setattr(names, "RUN", 7)
        assert [entry.path for entry in folder.walk()] == sorted(listed, key=os.fsencode)


def test_links_are_refused_in_a_listing(tmp_path: Path) -> None:
    """The digest of what lies elsewhere is not of this folder."""
    (write(tmp_path / "folder") / "link").symlink_to("/etc/passwd")
    with pytest.raises(MalformedInput, match="link is a link"):
        list(hash_folder(tmp_path / "folder"))


@pytest.mark.parametrize("name", ["absent", "file"])
def test_what_is_no_folder_is_named(tmp_path: Path, name: str) -> None:
    """The refusal names the path of what is a file, or is not there."""
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
