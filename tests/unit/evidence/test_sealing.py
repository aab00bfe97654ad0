"""Sealing: a valid bag of the very bytes, bound to its item, whole or not there at all."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import signal
import subprocess
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from blake3 import blake3

from ledger.core.encoding.digests import Algorithm
from ledger.core.errors import Conflict, IntegrityBroken, MalformedInput
from ledger.evidence.hashing import BOTH, NotWritten, UnreadableFile
from tests.unit.evidence.material import BINDING, FILES, RecordedProgress, as_nobody, sample, sealed, write

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it asks pkg_resources for its version
    import bagit


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return a folder of evidence."""
    return write(tmp_path / "source")


def payload(bag: Path) -> dict[str, bytes]:
    """Return the files of the bag's payload by their paths."""
    return {
        str(file.relative_to(bag / "data")): file.read_bytes() for file in (bag / "data").rglob("*") if file.is_file()
    }


@pytest.mark.parametrize("algorithms", [BOTH, (*BOTH, Algorithm.SM3)])
def test_sealed_folder_is_a_valid_bag(tmp_path: Path, algorithms: tuple[Algorithm, ...]) -> None:
    """BagIt's own library takes the bag for whole and its files for those listed, with SM3 beside them too; case, item
    and ledger stand in bag-info.txt. An empty folder is a bag, too."""
    files = {name: data for name, data in FILES.items() if "%" not in name}
    sealed(write(tmp_path / "source", files), tmp_path / "bag", algorithms=algorithms)
    bag = bagit.Bag(str(tmp_path / "bag"))
    assert bag.validate()
    assert set(bag.payload_entries()) == {f"data/{name}" for name in files}
    assert bag.info == {
        "Bag-Group-Identifier": BINDING.case_id,
        "Bag-Software-Agent": "tallystick test",
        "Bagging-Date": "2026-03-01",
        "External-Identifier": BINDING.item_id,
        "Payload-Oxum": f"{sum(map(len, files.values()))}.{len(files)}",
        "Tallystick-Log-Id": BINDING.log_id,
    }
    (tmp_path / "nothing").mkdir()
    sealed(tmp_path / "nothing", tmp_path / "empty", algorithms=algorithms)
    assert bagit.Bag(str(tmp_path / "empty")).validate()


def test_payload_is_the_evidence(tmp_path: Path, source: Path) -> None:
    """Every file is there with its bytes and the time of its last change, and cannot be written to by chance. Manifests
    spell it as RFC 8493, 2.1.3, says: two fields, slashes, a percent sign as %25. Progress knows all from the start."""
    os.utime(source / "disk.img", ns=(1, 1_234_567_890_123_456_789))
    progress = RecordedProgress()
    sealing = sealed(source, tmp_path / "bag", progress=progress)
    assert payload(tmp_path / "bag") == FILES
    assert (sealing.files, sealing.size) == (len(FILES), sum(map(len, FILES.values())))
    assert (progress.done, sum(progress.sizes)) == (sealing.files, sealing.size)
    assert progress.expected == [sealing.files, sealing.size]
    copy = (tmp_path / "bag/data/disk.img").stat()
    assert (copy.st_mtime_ns, copy.st_mode & 0o777) == (1_234_567_890_123_456_789, 0o444)
    lines = (tmp_path / "bag/manifest-sha256.txt").read_text(encoding="utf-8").splitlines()
    digests = {name.replace("%", "%25"): hashlib.sha256(data).hexdigest() for name, data in FILES.items()}
    assert {line[66:]: line[:64] for line in lines} == {f"data/{name}": digest for name, digest in digests.items()}
    sealed(source / "disk.img", tmp_path / "alone")
    assert payload(tmp_path / "alone") == {"disk.img": FILES["disk.img"]}


def test_manifests_are_checked_by_sha256sum(tmp_path: Path) -> None:
    """Whoever has nothing else has coreutils, and they find what was changed."""
    files = {name: data for name, data in FILES.items() if "%" not in name}
    sealed(write(tmp_path / "source", files), tmp_path / "bag")

    def checks(manifest: str) -> bool:
        command = ["sha256sum", "--check", "--strict", "--quiet", manifest]
        return subprocess.run(command, cwd=tmp_path / "bag", capture_output=True).returncode == 0

    assert checks("tagmanifest-sha256.txt")
    assert checks("manifest-sha256.txt")
    (tmp_path / "bag/data/empty").unlink()
    write(tmp_path / "bag", {"data/empty": b"x"})
    assert not checks("manifest-sha256.txt")


def test_digests_of_a_bag_are_those_of_its_tag_manifests(tmp_path: Path, source: Path) -> None:
    """Anybody can compute them with b3sum and sha256sum, and they cover every other tag file."""
    sealing = sealed(source, tmp_path / "bag")
    tags = {name: (tmp_path / "bag" / f"tagmanifest-{name}.txt").read_bytes() for name in BOTH}
    assert [str(digest) for digest in sealing.digests] == [
        f"blake3:{blake3(tags[Algorithm.BLAKE3]).hexdigest()}",
        f"sha256:{hashlib.sha256(tags[Algorithm.SHA256]).hexdigest()}",
    ]
    for text in tags.values():
        assert [line.split("  ")[1] for line in text.decode().splitlines()] == [
            "bag-info.txt",
            "bagit.txt",
            "manifest-blake3.txt",
            "manifest-sha256.txt",
        ]


def test_same_evidence_gives_the_same_bag_but_not_for_another_item(tmp_path: Path, source: Path) -> None:
    """The digests depend on bytes, names, item and day alone; the same files as another item are another bag."""
    first, again = sealed(source, tmp_path / "bag-1"), sealed(source, tmp_path / "bag-2")
    assert first == again
    second_item = msgspec.structs.replace(BINDING, item_id="item-2")
    assert sealed(source, tmp_path / "bag-3", binding=second_item).digests != first.digests


def device(folder: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root makes devices")
    os.mknod(folder / "device", 0o600 | 0o020000, os.makedev(1, 5))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / "link").symlink_to("/etc/passwd"), "link is a link, a pipe or a device"),
        (lambda folder: (folder / "link").symlink_to("/etc", target_is_directory=True), "link is a link"),
        (lambda folder: (folder / "link").symlink_to(folder / "empty"), "link is a link, a pipe or a device"),
        (lambda folder: os.mkfifo(folder / "pipe"), "pipe is a link, a pipe or a device"),
        (device, "device is a link, a pipe or a device"),
        (lambda folder: (folder / os.fsdecode(b"\xff.txt")).write_bytes(b"x"), r"\\udcff\.txt is not UTF-8"),
        (lambda folder: write(folder, {"a\nb": b"x"}), r"a\\nb holds a control character"),
        (lambda folder: write(folder, {"a\x1b[2Jb": b"x"}), r"a\\x1b\[2Jb holds a control character"),
        (lambda folder: write(folder, {"a\u3000": b"x"}), "ends with a space"),
        (
            lambda folder: write(folder, {"caf\u00e9/x": b"1", "cafe\u0301/y": b"2"}),
            r"caf\\xe9' and 'cafe\\u0301' differ",
        ),
        (lambda folder: write(folder, {"README": b"1", "ReadMe": b"2"}), "'README' and 'ReadMe' differ"),
        (
            lambda folder: write(folder, {"a/1": b"", "A-b": b"", "A/2": b"", "a.b": b""}),
            "'A' and 'a' differ|'a' and 'A' differ",
        ),
        (lambda folder: write(folder, {"d/" * 140 + "x": b""}), "lies deeper than 128 folders"),
    ],
    ids=[
        *("link out", "link to a folder", "link within", "pipe", "device", "not UTF-8", "line break", "escape"),
        *("trailing space", "Unicode forms", "cases", "cases far apart", "too deep"),
    ],
)
def test_what_cannot_be_sealed_is_named_and_nothing_is_left(
    tmp_path: Path, source: Path, spoil: Callable[[Path], None], message: str
) -> None:
    """Links, pipes, devices and names that do not travel are refused; neither bag nor half a bag stays."""
    spoil(source)
    with pytest.raises(MalformedInput, match=message):
        sealed(source, tmp_path / "bag")
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_unreadable_file_is_named_and_nothing_is_left(tmp_path: Path) -> None:
    """A file that may not be read keeps the folder from being sealed."""
    write(tmp_path, {"source/a": b"1", "source/b": b"2"})
    (tmp_path / "source/b").chmod(0)
    (tmp_path / "made").mkdir()
    (tmp_path / "made").chmod(0o777)
    with as_nobody(tmp_path), pytest.raises(UnreadableFile, match="b cannot be read: Permission denied"):
        sealed(Path("source"), Path("made/bag"))
    assert list((tmp_path / "made").iterdir()) == []


def test_file_that_changes_meanwhile_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    """What was hashed would be neither the old evidence nor the new."""
    source = write(tmp_path / "source", {"log": sample(9_000_000)})
    progress = RecordedProgress(when_advanced=lambda: os.truncate(source / "log", 5_000_000))
    with pytest.raises(IntegrityBroken, match="log changed while it was read"):
        sealed(source, tmp_path / "bag", progress=progress)
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


@pytest.mark.parametrize("swapped", ["file", "folder"])
def test_what_is_swapped_for_a_link_leads_nowhere(tmp_path: Path, swapped: str) -> None:
    """A link that takes the place of a file, or of a folder above it, after the walk is not followed."""
    files = {f"a/{number:03}": b"x" for number in range(200)} | {"b/last": b"x"}  # more than are opened ahead
    source = write(tmp_path / "source", files)
    secrets = write(tmp_path / "secrets", {"last": b"secret"})
    path, target = (source / "b/last", secrets / "last") if swapped == "file" else (source / "b", secrets)

    def swap() -> None:
        path.rename(tmp_path / "moved")
        path.symlink_to(target)

    with pytest.raises(MalformedInput, match=f"{path.name} cannot be read"):
        sealed(source, tmp_path / "bag", progress=RecordedProgress(when_advanced=swap))
    assert not (tmp_path / "bag").exists()


@pytest.mark.parametrize("taken", ["folder", "file", "link"])
def test_what_is_there_is_never_written_over(tmp_path: Path, source: Path, taken: str) -> None:
    """Whatever stands at the bag's place stays, and is refused."""
    target = tmp_path / "bag"
    {"folder": target.mkdir, "file": target.touch, "link": lambda: target.symlink_to("nowhere")}[taken]()
    with pytest.raises(Conflict, match="is there already"):
        sealed(source, target)
    assert {path.name for path in tmp_path.iterdir()} == {"source", "bag"}


def test_place_taken_meanwhile_is_left_alone(tmp_path: Path, source: Path) -> None:
    """Who comes second at the rename is refused, and the first one's bag stays as it is."""
    progress = RecordedProgress(when_advanced=lambda: write(tmp_path / "bag", {"first": b"1"}))
    with pytest.raises(Conflict, match="meanwhile"):
        sealed(source, tmp_path / "bag", progress=progress)
    assert [path.name for path in (tmp_path / "bag").iterdir()] == ["first"]


@pytest.mark.parametrize("target", ["bag", "deeper/bag", "."])
def test_bag_does_not_hold_itself(source: Path, target: str) -> None:
    """A place within what is to be sealed is refused, and so is one whose folder is not there."""
    with pytest.raises(NotWritten, match="bag cannot be written"):
        sealed(source / "empty", source.parent / "absent/bag")
    with pytest.raises((MalformedInput, Conflict), match=r"lies within|is there already"):
        sealed(source, source / target)


def _seal_and_hang(source: Path, target: Path, ready: Any) -> None:
    def hang() -> None:
        ready.set()
        time.sleep(600)

    sealed(source, target, progress=RecordedProgress(when_advanced=hang))


def test_what_a_killed_run_left_goes_with_the_next(tmp_path: Path, source: Path) -> None:
    """After a kill there is no bag; sealing again sweeps what is left and succeeds."""
    spawn = multiprocessing.get_context("fork")
    ready = spawn.Event()
    process = spawn.Process(target=_seal_and_hang, args=(source, tmp_path / "bag", ready))
    process.start()
    assert ready.wait(60)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join(60)
    left = [path.name for path in tmp_path.iterdir() if path.name != "source"]
    assert len(left) == 1
    assert left[0].startswith(".bag.sealing-")
    sealed(source, tmp_path / "bag")
    assert {path.name for path in tmp_path.iterdir()} == {"source", "bag"}


def test_run_that_is_under_way_is_not_swept(tmp_path: Path, source: Path) -> None:
    """Somebody else's half-made bag for the same place stays while its maker lives: who comes first has the place."""
    progress = RecordedProgress(when_advanced=lambda: sealed(source / "empty", tmp_path / "bag"))
    with pytest.raises(Conflict, match="meanwhile"):
        sealed(source, tmp_path / "bag", progress=progress)
    assert payload(tmp_path / "bag") == {"empty": b""}
    assert {path.name for path in tmp_path.iterdir()} == {"source", "bag"}
