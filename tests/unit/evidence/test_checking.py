"""Checking: each file that is missing, extra or changed is named, and the record has the last word."""

from __future__ import annotations

import os
import shutil
import tracemalloc
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from ledger.core.encoding.digests import Algorithm
from ledger.core.errors import MalformedInput
from ledger.evidence import folder, names
from ledger.evidence.bag import FileFinding
from ledger.evidence.checking import RecordedDigests, check_bag, check_file
from ledger.evidence.hashing import BOTH, hash_file
from ledger.i18n import translate
from tests.unit.evidence.material import (
    BINDING,
    FILES,
    RecordedProgress,
    as_nobody,
    check,
    link,
    replace,
    results,
    rewrite,
    sealed,
    write,
)


@pytest.mark.parametrize("algorithms", [BOTH, (*BOTH, Algorithm.SM3)])
def test_sealed_folder_agrees_with_itself(tmp_path: Path, algorithms: tuple[Algorithm, ...]) -> None:
    """Nothing is found, and the digests are those that sealing gave; without a record that is no proof, as step 4 says:
    only with one is it intact."""
    sealing = sealed(write(tmp_path / "source"), tmp_path / "bag", algorithms=algorithms)
    checked, findings = check(tmp_path / "bag")
    assert (checked.verdict, findings) == ("unverifiable", set())
    assert results(checked) == ["checked", "checked", "checked", "not_checked"]
    assert check(tmp_path / "bag", RecordedDigests("the record", checked.digests))[0].verdict == "intact"
    assert set(checked.digests) == {str(digest) for digest in sealing.digests}
    assert (checked.files, checked.size, checked.binding) == (sealing.files, sealing.size, BINDING)


def flip(file: Path) -> None:
    """Change the last bit of a file."""
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    replace(file, data)


def link_of_a_folder(bag: Path) -> None:
    shutil.move(bag / "data/笔录", bag.parent / "elsewhere")
    (bag / "data/笔录").symlink_to(bag.parent / "elsewhere")


@pytest.mark.parametrize(
    ("harm", "expected"),
    [
        (lambda bag: (bag / "data/笔录/讯问.txt").unlink(), {("missing", "data/笔录/讯问.txt")}),
        (lambda bag: write(bag, {"data/笔录/planted": b""}), {("extra", "data/笔录/planted")}),
        (lambda bag: replace(bag / "data/empty", b"x"), {("changed", "data/empty")}),
        (lambda bag: flip(bag / "data/disk.img"), {("changed", "data/disk.img")}),
        (
            lambda bag: (bag / "data/empty").rename(bag / "data/vacant"),
            {("missing", "data/empty"), ("extra", "data/vacant")},
        ),
        (lambda bag: link(bag / "data/empty", "/dev/null"), {("no_file", "data/empty")}),
        (
            link_of_a_folder,
            {("missing", "data/笔录/讯问.txt"), ("missing", "data/笔录/签名 1.png"), ("no_file", "data/笔录")},
        ),
        (lambda bag: os.mkfifo(bag / "data/pipe"), {("no_file", "data/pipe")}),
        (lambda bag: shutil.rmtree(bag / "data"), {("missing", f"data/{name}") for name in FILES}),
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
    in_chinese = translate(checked.steps[2].detail, "zh-CN")
    assert not [letter for letter in in_chinese if letter.isascii() and letter.isalpha()]


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


def other_listing(bag: Path) -> None:
    replace(bag / "data/empty", b"x")
    for algorithm in BOTH:
        listed = next(
            line for line in (bag / f"manifest-{algorithm}.txt").read_text().splitlines() if line.endswith("data/empty")
        )
        digest = hash_file(bag / "data/empty", (algorithm,)).digests[0].value.hex()
        rewrite(bag / f"manifest-{algorithm}.txt", listed, f"{digest}  data/empty")


def one_manifest_less(bag: Path) -> None:
    (bag / "manifest-blake3.txt").unlink()
    (bag / "tagmanifest-blake3.txt").unlink()


@pytest.mark.parametrize(
    ("harm", "expected"),
    [
        (lambda bag: rewrite(bag / "bag-info.txt", "item-1", "item-2"), {("changed", "bag-info.txt")}),
        (other_listing, {("changed", "manifest-blake3.txt"), ("changed", "manifest-sha256.txt")}),
        (one_manifest_less, {("missing", "manifest-blake3.txt")}),
        (
            lambda bag: write(bag, {"note.txt": b"", "metadata/more.xml": b""}),
            {("extra", "note.txt"), ("extra", "metadata/more.xml")},
        ),
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


@pytest.mark.parametrize(
    ("meanwhile", "expected"),
    [
        (written, ("changed", "data/disk.img")),
        (lambda bag: link(bag / "data/笔录/讯问.txt", "/etc/passwd"), ("no_file", "data/笔录/讯问.txt")),
    ],
)
def test_what_happens_during_the_check_is_found(
    bag: Path, monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[Path], None], expected: tuple[str, str]
) -> None:
    """A file that is written to while it is read, and a link in the place of a file that was just listed."""
    monkeypatch.setattr(folder, "BATCH", 1)
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    findings: list[FileFinding] = []
    progress = RecordedProgress(when_advanced=lambda: meanwhile(bag), least=1_000_000)
    check_bag(bag, None, report=findings.append, progress=progress)
    assert [(finding.fault, finding.path) for finding in findings] == [expected]


def resealed(bag: Path) -> RecordedDigests:
    """Another bag, whole in itself, at the same place; gives what the record has of the first one."""
    first, _ = check(bag)
    shutil.rmtree(bag)
    sealed(write(bag.parent / "source", {"empty": b"not any more"}), bag)
    return RecordedDigests("item item-1", first.digests, item_id="item-1", log_id=BINDING.log_id)


def test_forged_bag_agrees_with_itself_and_not_with_the_record(bag: Path) -> None:
    """Who seals other evidence anew passes every step but the last."""
    record = resealed(bag)
    assert results(check(bag)[0]) == ["checked", "checked", "checked", "not_checked"]
    checked, findings = check(bag, record)
    assert (checked.verdict, findings) == ("tampered", set())
    assert results(checked) == ["checked", "checked", "checked", "failed"]


@pytest.mark.parametrize(
    ("changes", "verdict", "message"),
    [
        ({"item_id": "item-1", "log_id": BINDING.log_id}, "intact", "blake3, sha256 as the record says"),
        ({"item_id": "item-2"}, "tampered", "item_id: the bag is of item-1, the record of item-2"),
        ({"log_id": "0x" + "00" * 32}, "tampered", "log_id: the bag is of 0x5a"),
        ({"digests": ()}, "unverifiable", "has no digest to compare with"),
        ({"digests": ("sm3:" + "00" * 32,)}, "unverifiable", "has no digest to compare with"),
        ({"digests": ("sha256:" + "00" * 32,)}, "tampered", "is not among the digests"),
        ({"verdict": "tampered"}, "tampered", "is itself tampered"),
        ({"verdict": "other_ledger"}, "other_ledger", "is of another ledger than the trust file"),
        ({"verdict": "unverifiable"}, "unverifiable", "of which the verdict is itself: "),
        ({"verdict": "not_yet_anchored"}, "not_yet_anchored", "of which the verdict is itself: "),
    ],
)
def test_bag_is_no_better_than_its_record(bag: Path, changes: dict[str, object], verdict: str, message: str) -> None:
    """A record of another item or ledger, with other digests, with none, or itself in doubt gives its own verdict."""
    fields: dict[str, object] = {"said_by": "the record", "digests": check(bag)[0].digests} | changes
    checked, _ = check(bag, RecordedDigests(**fields))  # type: ignore[arg-type]
    assert (checked.verdict, message in checked.steps[3].detail) == (verdict, True)


@pytest.mark.parametrize(
    ("path", "findings"), [("empty", {("unreadable", "data/empty")}), ("笔录", set())], ids=["file", "folder"]
)
def test_what_may_not_be_read_makes_unverifiable(tmp_path: Path, path: str, findings: set[tuple[str, str]]) -> None:
    """It is neither intact nor tampered with; a file is named, a folder keeps the step from being checked."""
    sealed(write(tmp_path / "source"), tmp_path / "bag")
    (tmp_path / "bag/data" / path).chmod(0)
    with as_nobody(tmp_path):
        checked, found_in_bag = check(Path("bag"))
    (tmp_path / "bag/data" / path).chmod(0o755)
    assert (checked.verdict, results(checked)[2], found_in_bag) == ("unverifiable", "not_checked", findings)


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
    progress = RecordedProgress()
    check_bag(bag, None, progress=progress)
    assert progress.expected == [progress.done, sum(progress.sizes)]


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


with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it asks pkg_resources for its version
    import bagit


def test_item_that_stands_twice_is_no_item(bag: Path) -> None:
    """Readers differ on which one counts, so none does."""
    rewrite(bag / "bag-info.txt", "External-Identifier: item-1\n", "External-Identifier: a\nExternal-Identifier: b\n")
    checked, findings = check(bag)
    assert (checked.binding, findings) == (None, {("changed", "bag-info.txt")})


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0" * 64 + "  data/../../etc/passwd", "not a path within the bag"),
        ("0" * 64 + "  /etc/passwd", "not a path within the bag"),
        ("0" * 64 + "  data//empty", "not a path within the bag"),
        ("0" * 64 + "  data/a\0b", "not a path within the bag"),
        ("0" * 64 + "  etc/passwd", "begins with data/"),
        ("0" * 64, "expected a digest of 64 hex digits and a path"),
        ("0" * 63 + "  data/empty", "expected a digest of 64 hex digits and a path"),
        ("0" * 64 + "  data/" + "x" * 20_000, "expected a digest of 64 hex digits and a path"),
    ],
)
def test_line_of_a_manifest_that_leads_out_is_refused(bag: Path, line: str, message: str) -> None:
    """By file and line number; nothing outside of the bag is opened."""
    manifest = bag / "manifest-sha256.txt"
    manifest.chmod(0o600)
    manifest.write_text(line + "\n", encoding="utf-8")
    checked, _ = check(bag)
    assert checked.verdict == "tampered"
    assert checked.steps[2].detail.startswith("manifest-sha256.txt: line ")
    assert message in checked.steps[2].detail


def test_file_that_a_manifest_leaves_out_or_names_twice_is_named(bag: Path) -> None:
    """Each manifest lists every file once."""
    empty = next(line for line in (bag / "manifest-sha256.txt").read_text().splitlines() if line.endswith("/empty"))
    disk = next(line for line in (bag / "manifest-sha256.txt").read_text().splitlines() if line.endswith("/disk.img"))
    rewrite(bag / "manifest-sha256.txt", f"{empty}\n", "")
    rewrite(bag / "manifest-sha256.txt", f"{disk}\n", f"{disk}\n{disk}\n")
    _, findings = check(bag)
    assert {("not_listed", "data/empty"), ("listed_twice", "data/disk.img")} <= findings


def link_of_a_tag_file(bag: Path) -> None:
    (bag / "bag-info.txt").rename(bag.parent / "bag-info.txt")
    (bag / "bag-info.txt").symlink_to(bag.parent / "bag-info.txt")


@pytest.mark.parametrize(
    ("harm", "detail"),
    [
        (lambda bag: write(bag, {"fetch.txt": b"https://example.org/x 1 data/x\n"}), "fetch.txt: "),
        (lambda bag: (bag / "tagmanifest-blake3.txt").unlink(), "tagmanifest-blake3.txt: the file is missing"),
        (lambda bag: replace(bag / "bag-info.txt", b"\xff"), "bag-info.txt: expected UTF-8"),
        (link_of_a_tag_file, ""),
    ],
    ids=["files to fetch", "no tag manifest", "no text", "a link"],
)
def test_bag_of_another_form_is_refused(bag: Path, harm: Callable[[Path], None], detail: str) -> None:
    """Nothing is fetched, and no link is followed, also where what it points at is right."""
    harm(bag)
    checked, _ = check(bag)
    assert (checked.verdict, results(checked)[0]) == ("tampered", "failed")
    assert checked.steps[0].detail.startswith(detail)


def test_bag_of_other_software_is_checked_as_far_as_it_goes(tmp_path: Path) -> None:
    """A bag by BagIt's own library names no item and has no BLAKE3: it is checked by SHA-256."""
    bag = write(tmp_path / "bag", {name: data for name, data in FILES.items() if "%" not in name})
    bagit.make_bag(str(bag), checksums=["md5", "sha256"])
    checked, findings = check(bag)
    assert (results(checked)[:3], checked.binding, findings) == (["checked"] * 3, None, set())
    (bag / "data/empty").write_bytes(b"x")
    assert check(bag)[1] == {("changed", "data/empty")}
    (bag / "manifest-sha256.txt").unlink()
    (bag / "tagmanifest-sha256.txt").unlink()
    assert results(check(bag)[0])[:3] == ["not_checked"] * 3, "MD5 alone shows nothing"


@pytest.mark.parametrize("declared", [None, b"", b"BagIt-Version: 2.0\nTag-File-Character-Encoding: UTF-8\n", b"\xff"])
def test_what_is_no_bag_is_refused(bag: Path, declared: bytes | None) -> None:
    """A folder without bagit.txt, or of a version that is not known."""
    (bag / "bagit.txt").unlink()
    if declared is not None:
        write(bag, {"bagit.txt": declared})
    with pytest.raises(MalformedInput, match=r"no sealed folder|expected BagIt version"):
        check(bag)
