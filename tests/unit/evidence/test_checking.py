"""Checking: each file that is missing, extra or changed is named, and the record has the last word."""

from __future__ import annotations

import os
import shutil
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from ledger.core.encoding.digests import Algorithm
from ledger.evidence import folder, names
from ledger.evidence.bag import FileFinding
from ledger.evidence.checking import RecordedDigests, check_bag, check_file
from ledger.evidence.hashing import BOTH, hash_file
from tests.unit.evidence.material import BINDING, FILES, Told, as_nobody, check, results, rewrite, sealed, write


@pytest.mark.parametrize("algorithms", [BOTH, (*BOTH, Algorithm.SM3)])
def test_sealed_folder_is_intact(tmp_path: Path, algorithms: tuple[Algorithm, ...]) -> None:
    """Nothing is found, and the digests are those that sealing gave; without a record step 4 says so."""
    made = sealed(write(tmp_path / "source"), tmp_path / "bag", algorithms=algorithms)
    checked, findings = check(tmp_path / "bag")
    assert (checked.verdict, findings) == ("intact", set())
    assert results(checked) == ["checked", "checked", "checked", "not_checked"]
    assert set(checked.digests) == {str(digest) for digest in made.digests}
    assert (checked.files, checked.size, checked.binding) == (made.files, made.size, BINDING)


def remove(bag: Path) -> None:
    (bag / "data/笔录/讯问.txt").unlink()


def add(bag: Path) -> None:
    write(bag, {"data/笔录/planted": b""})


def change(bag: Path) -> None:
    (bag / "data/empty").chmod(0o600)
    (bag / "data/empty").write_bytes(b"x")


def change_one_bit(bag: Path) -> None:
    data = bytearray((bag / "data/disk.img").read_bytes())
    data[-1] ^= 1
    (bag / "data/disk.img").chmod(0o600)
    (bag / "data/disk.img").write_bytes(data)


def rename(bag: Path) -> None:
    (bag / "data/empty").rename(bag / "data/vacant")


def link(bag: Path) -> None:
    (bag / "data/empty").unlink()
    (bag / "data/empty").symlink_to("/dev/null")


def link_of_a_folder(bag: Path) -> None:
    shutil.move(bag / "data/笔录", bag.parent / "elsewhere")
    (bag / "data/笔录").symlink_to(bag.parent / "elsewhere")


def pipe(bag: Path) -> None:
    os.mkfifo(bag / "data/pipe")


def everything(bag: Path) -> None:
    shutil.rmtree(bag / "data")


@pytest.mark.parametrize(
    ("harm", "expected"),
    [
        (remove, {("missing", "data/笔录/讯问.txt")}),
        (add, {("extra", "data/笔录/planted")}),
        (change, {("changed", "data/empty")}),
        (change_one_bit, {("changed", "data/disk.img")}),
        (rename, {("missing", "data/empty"), ("extra", "data/vacant")}),
        (link, {("no_file", "data/empty")}),
        (
            link_of_a_folder,
            {("missing", "data/笔录/讯问.txt"), ("missing", "data/笔录/签名 1.png"), ("no_file", "data/笔录")},
        ),
        (pipe, {("no_file", "data/pipe")}),
        (everything, {("missing", f"data/{name}") for name in FILES}),
    ],
)
def test_each_file_that_is_not_as_listed_is_named(
    bag: Path, harm: Callable[[Path], None], expected: set[tuple[str, str]]
) -> None:
    """Missing, extra and changed files, and what is no file, by name; the other files are not blamed."""
    harm(bag)
    checked, findings = check(bag)
    assert (checked.verdict, findings) == ("tampered", expected)
    assert results(checked)[:3] == ["checked", "checked", "failed"]


def test_name_on_a_finding_gives_a_terminal_no_orders(bag: Path) -> None:
    """Control characters, bytes that are no UTF-8 and signs that turn the writing are escaped."""
    for name in ("a\x1b[2J", "a\nb", "gpj.\u202eexe", os.fsdecode(b"\xff")):
        (bag / "data" / name).touch()
    _, findings = check(bag)
    assert findings == {
        ("extra", "data/a\\x1b[2J"),
        ("extra", "data/a\\nb"),
        ("extra", "data/gpj.\\u202eexe"),
        ("extra", "data/\\udcff"),
    }


def other_item(bag: Path) -> None:
    rewrite(bag / "bag-info.txt", "item-1", "item-2")


def other_listing(bag: Path) -> None:
    change(bag)
    for algorithm in BOTH:
        listed = next(
            line for line in (bag / f"manifest-{algorithm}.txt").read_text().splitlines() if line.endswith("data/empty")
        )
        digest = hash_file(bag / "data/empty", (algorithm,)).digests[0].value.hex()
        rewrite(bag / f"manifest-{algorithm}.txt", listed, f"{digest}  data/empty")


def one_manifest_less(bag: Path) -> None:
    (bag / "manifest-blake3.txt").unlink()
    (bag / "tagmanifest-blake3.txt").unlink()


def tag_file_more(bag: Path) -> None:
    write(bag, {"note.txt": b"", "metadata/more.xml": b""})


@pytest.mark.parametrize(
    ("harm", "expected"),
    [
        (other_item, {("changed", "bag-info.txt")}),
        (other_listing, {("changed", "manifest-blake3.txt"), ("changed", "manifest-sha256.txt")}),
        (one_manifest_less, {("missing", "manifest-blake3.txt")}),
        (tag_file_more, {("extra", "note.txt"), ("extra", "metadata/more.xml")}),
    ],
)
def test_tag_files_are_covered(bag: Path, harm: Callable[[Path], None], expected: set[tuple[str, str]]) -> None:
    """Whoever names another item, lists other bytes, drops a manifest or adds a file beside the payload is found."""
    harm(bag)
    checked, findings = check(bag)
    assert (checked.verdict, findings) == ("tampered", expected)
    assert results(checked)[1] == "failed"


def written(bag: Path) -> None:
    (bag / "data/disk.img").chmod(0o600)
    with (bag / "data/disk.img").open("ab") as file:
        file.write(b"more")


def swapped_for_a_link(bag: Path) -> None:
    (bag / "data/笔录/讯问.txt").unlink()
    (bag / "data/笔录/讯问.txt").symlink_to("/etc/passwd")


@pytest.mark.parametrize(
    ("meanwhile", "expected"),
    [(written, ("changed", "data/disk.img")), (swapped_for_a_link, ("no_file", "data/笔录/讯问.txt"))],
)
def test_what_happens_during_the_check_is_found(
    bag: Path, monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[Path], None], expected: tuple[str, str]
) -> None:
    """A file that is written to while it is read, and a link in the place of a file that was just listed."""
    monkeypatch.setattr(folder, "BATCH", 1)
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    told = Told()
    findings: list[FileFinding] = []

    def when_large(size: int) -> None:
        if size > 1_000_000 and not told.sizes:
            told.sizes.append(size)
            meanwhile(bag)

    monkeypatch.setattr(told, "advance", when_large)
    check_bag(bag, None, report=findings.append, progress=told)
    assert [(finding.fault, finding.path) for finding in findings] == [expected]


def test_tag_manifest_that_is_gone_is_named(bag: Path) -> None:
    """A sealed folder has one for each manifest."""
    (bag / "tagmanifest-blake3.txt").unlink()
    checked, _ = check(bag)
    assert (checked.verdict, checked.steps[0].detail) == ("tampered", "tagmanifest-blake3.txt: the file is missing")


def resealed(bag: Path) -> RecordedDigests:
    """Another bag, whole in itself, at the same place; gives what the record has of the first one."""
    first, _ = check(bag)
    shutil.rmtree(bag)
    sealed(write(bag.parent / "source", {"empty": b"not any more"}), bag)
    return RecordedDigests("item item-1", first.digests, item_id="item-1", log_id=BINDING.log_id)


def test_forged_bag_agrees_with_itself_and_not_with_the_record(bag: Path) -> None:
    """Who seals other evidence anew passes every step but the last."""
    record = resealed(bag)
    assert check(bag)[0].verdict == "intact"
    checked, findings = check(bag, record)
    assert (checked.verdict, findings) == ("tampered", set())
    assert results(checked) == ["checked", "checked", "checked", "failed"]


def test_record_that_agrees_is_told(bag: Path) -> None:
    """With the algorithms that were compared."""
    record = RecordedDigests("item item-1", check(bag)[0].digests, item_id="item-1", log_id=BINDING.log_id)
    checked, _ = check(bag, record)
    assert (checked.verdict, checked.steps[3].detail) == ("intact", "blake3, sha256 as item item-1 says")


@pytest.mark.parametrize(
    ("changes", "verdict", "said"),
    [
        ({"item_id": "item-2"}, "tampered", "item_id: the bag is of item-1, the record of item-2"),
        ({"log_id": "0x" + "00" * 32}, "tampered", "log_id: the bag is of 0x5a"),
        ({"digests": ()}, "unverifiable", "has no digest to compare with"),
        ({"digests": ("sm3:" + "00" * 32,)}, "unverifiable", "has no digest to compare with"),
        ({"digests": ("sha256:" + "00" * 32,)}, "tampered", "is not among the digests"),
        ({"verdict": "tampered"}, "tampered", "is itself tampered"),
        ({"verdict": "unverifiable"}, "unverifiable", "which is itself no more"),
        ({"verdict": "not_yet_anchored"}, "not_yet_anchored", "which is itself no more"),
    ],
)
def test_bag_is_no_better_than_its_record(bag: Path, changes: dict[str, object], verdict: str, said: str) -> None:
    """A record of another item or ledger, with other digests, with none, or itself in doubt gives its own verdict."""
    given: dict[str, object] = {"said_by": "the record", "digests": check(bag)[0].digests} | changes
    checked, _ = check(bag, RecordedDigests(**given))  # type: ignore[arg-type]
    assert (checked.verdict, said in checked.steps[3].detail) == (verdict, True)


def test_unreadable_file_makes_unverifiable(tmp_path: Path) -> None:
    """What may not be read is neither intact nor tampered with, and is named."""
    sealed(write(tmp_path / "source"), tmp_path / "bag")
    (tmp_path / "bag/data/empty").chmod(0)
    with as_nobody(tmp_path):
        checked, findings = check(Path("bag"))
    assert (checked.verdict, findings) == ("unverifiable", {("unreadable", "data/empty")})


def test_unreadable_folder_makes_unverifiable(tmp_path: Path) -> None:
    """Nor is a folder that may not be entered evidence of anything."""
    sealed(write(tmp_path / "source"), tmp_path / "bag")
    (tmp_path / "bag/data/笔录").chmod(0)
    with as_nobody(tmp_path):
        checked, _ = check(Path("bag"))
    (tmp_path / "bag/data/笔录").chmod(0o755)
    assert (checked.verdict, results(checked)[2]) == ("unverifiable", "not_checked")


def test_single_file_is_held_against_the_record(tmp_path: Path) -> None:
    """By the algorithms that the record has; SM3 too."""
    file = write(tmp_path, {"file": b"evidence"}) / "file"
    digests = tuple(str(digest) for digest in hash_file(file, (Algorithm.SM3, Algorithm.SHA256)).digests)
    record = RecordedDigests("item item-1", digests)
    assert check_file(file, record).verdict == "intact"
    file.write_bytes(b"Evidence")
    assert check_file(file, record).verdict == "tampered"
    assert check_file(file, RecordedDigests("item item-1", ())).verdict == "unverifiable"


def test_progress_knows_all_that_is_read(bag: Path) -> None:
    """Bytes expected are bytes done, tag files among them."""
    told = Told()
    check_bag(bag, None, progress=told)
    assert told.expected == [told.done, sum(told.sizes)]


@pytest.mark.extended
def test_memory_does_not_grow_with_the_number_of_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four times the files, sorted in runs that wait on the disk, take less than twice the memory."""
    monkeypatch.setattr(names, "RUN", 100)
    # The least of three: what threads of other tests take meanwhile is counted too.
    few, many = (min(_peak(tmp_path / f"{count}-{turn}", count) for turn in range(3)) for count in (1000, 4000))
    assert many < 2 * few


def _peak(folder: Path, count: int) -> int:
    """Bytes that were held at most while so many files were sealed and checked."""
    source = write(folder / "source", {f"{'long name ' * 10}{number:05}": b"" for number in range(count)})
    tracemalloc.start()
    try:
        sealed(source, folder / "bag")
        assert check(folder / "bag")[0].files == count
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
