"""Checking: each file that is missing, extra or changed is named, and the record has the last word."""

from __future__ import annotations

import os
import shutil
import tracemalloc
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from ledger.core.digest import Algorithm
from ledger.core.errors import MalformedInput
from ledger.evidence import folder, spool
from ledger.evidence.checking import Checked, Record, check_bag, check_file
from ledger.evidence.comparison import Finding
from ledger.evidence.hashing import BOTH, hash_file
from tests.evidence.material import BINDING, FILES, Told, as_nobody, sealed, write

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it asks pkg_resources for its version
    import bagit


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    """A sealed folder."""
    sealed(write(tmp_path / "source"), tmp_path / "bag")
    return tmp_path / "bag"


def check(bag: Path, record: Record | None = None) -> tuple[Checked, set[tuple[str, str]]]:
    """What the check came to, and fault and path of each finding."""
    findings: list[Finding] = []
    checked = check_bag(bag, record, report=findings.append)
    return checked, {(finding.fault, finding.path) for finding in findings}


def results(checked: Checked) -> list[str]:
    """The results of the steps."""
    return [step.result for step in checked.steps]


def rewrite(path: Path, old: str, new: str) -> None:
    """Changes a file that was sealed."""
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.unlink()
    path.write_text(text.replace(old, new), encoding="utf-8")


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


def tag_file_for_a_link(bag: Path) -> None:
    (bag / "bag-info.txt").rename(bag.parent / "bag-info.txt")
    (bag / "bag-info.txt").symlink_to(bag.parent / "bag-info.txt")


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


def test_link_in_the_place_of_a_tag_file_fails_the_form(bag: Path) -> None:
    """It is not followed, also where what it points at is right."""
    tag_file_for_a_link(bag)
    checked, _ = check(bag)
    assert (checked.verdict, results(checked)[0]) == ("tampered", "failed")


def test_bag_info_that_is_no_text_fails_the_form(bag: Path) -> None:
    """Which item it names cannot be read."""
    (bag / "bag-info.txt").unlink()
    write(bag, {"bag-info.txt": b"\xff"})
    checked, _ = check(bag)
    assert (checked.verdict, checked.steps[0].detail) == ("tampered", "bag-info.txt: expected UTF-8")


def test_item_that_stands_twice_is_no_item(bag: Path) -> None:
    """Readers differ on which one counts, so none does."""
    rewrite(bag / "bag-info.txt", "External-Identifier: item-1\n", "External-Identifier: a\nExternal-Identifier: b\n")
    checked, findings = check(bag)
    assert (checked.binding, findings) == (None, {("changed", "bag-info.txt")})


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
    findings: list[Finding] = []

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


def resealed(bag: Path) -> Record:
    """Another bag, whole in itself, at the same place; gives what the record has of the first one."""
    first, _ = check(bag)
    shutil.rmtree(bag)
    sealed(write(bag.parent / "source", {"empty": b"not any more"}), bag)
    return Record("item item-1", first.digests, item_id="item-1", log_id=BINDING.log_id)


def test_forged_bag_agrees_with_itself_and_not_with_the_record(bag: Path) -> None:
    """Who seals other evidence anew passes every step but the last."""
    record = resealed(bag)
    assert check(bag)[0].verdict == "intact"
    checked, findings = check(bag, record)
    assert (checked.verdict, findings) == ("tampered", set())
    assert results(checked) == ["checked", "checked", "checked", "failed"]


def test_record_that_agrees_is_told(bag: Path) -> None:
    """With the algorithms that were compared."""
    record = Record("item item-1", check(bag)[0].digests, item_id="item-1", log_id=BINDING.log_id)
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
    checked, _ = check(bag, Record(**given))  # type: ignore[arg-type]
    assert (checked.verdict, said in checked.steps[3].detail) == (verdict, True)


@pytest.mark.parametrize(
    ("line", "said"),
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
def test_line_of_a_manifest_that_leads_out_is_refused(bag: Path, line: str, said: str) -> None:
    """By file and line number; nothing outside of the bag is opened."""
    manifest = bag / "manifest-sha256.txt"
    manifest.chmod(0o600)
    manifest.write_text(line + "\n", encoding="utf-8")
    checked, _ = check(bag)
    assert checked.verdict == "tampered"
    assert checked.steps[2].detail.startswith("manifest-sha256.txt: line ")
    assert said in checked.steps[2].detail


def test_file_that_a_manifest_leaves_out_or_names_twice_is_named(bag: Path) -> None:
    """Each manifest lists every file once."""
    empty = next(line for line in (bag / "manifest-sha256.txt").read_text().splitlines() if line.endswith("/empty"))
    disk = next(line for line in (bag / "manifest-sha256.txt").read_text().splitlines() if line.endswith("/disk.img"))
    rewrite(bag / "manifest-sha256.txt", f"{empty}\n", "")
    rewrite(bag / "manifest-sha256.txt", f"{disk}\n", f"{disk}\n{disk}\n")
    _, findings = check(bag)
    assert {("not_listed", "data/empty"), ("listed_twice", "data/disk.img")} <= findings


def test_bag_that_fetches_is_refused(bag: Path) -> None:
    """Files that lie elsewhere are not evidence in hand, and nothing is fetched."""
    write(bag, {"fetch.txt": b"https://example.org/x 1 data/x\n"})
    checked, _ = check(bag)
    assert (checked.verdict, checked.steps[0].detail.startswith("fetch.txt: ")) == ("tampered", True)


def test_bag_of_other_software_is_checked_as_far_as_it_goes(tmp_path: Path) -> None:
    """A bag by BagIt's own library names no item and has no BLAKE3: it is intact by SHA-256."""
    bag = write(tmp_path / "bag", {name: data for name, data in FILES.items() if "%" not in name})
    bagit.make_bag(str(bag), checksums=["md5", "sha256"])
    checked, findings = check(bag)
    assert (checked.verdict, checked.binding, findings) == ("intact", None, set())
    (bag / "data/empty").write_bytes(b"x")
    assert check(bag)[1] == {("changed", "data/empty")}


def test_bag_of_unknown_algorithms_is_unverifiable(tmp_path: Path) -> None:
    """MD5 alone shows nothing."""
    bag = write(tmp_path / "bag", {"a": b"1"})
    bagit.make_bag(str(bag), checksums=["md5"])
    assert check(bag)[0].verdict == "unverifiable"


@pytest.mark.parametrize("declared", [None, b"", b"BagIt-Version: 2.0\nTag-File-Character-Encoding: UTF-8\n", b"\xff"])
def test_what_is_no_bag_is_refused(bag: Path, declared: bytes | None) -> None:
    """A folder without bagit.txt, or of a version that is not known."""
    (bag / "bagit.txt").unlink()
    if declared is not None:
        write(bag, {"bagit.txt": declared})
    with pytest.raises(MalformedInput, match=r"no sealed folder|expected BagIt version"):
        check(bag)


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
    record = Record("item item-1", digests)
    assert check_file(file, record).verdict == "intact"
    file.write_bytes(b"Evidence")
    assert check_file(file, record).verdict == "tampered"
    assert check_file(file, Record("item item-1", ())).verdict == "unverifiable"


def test_progress_knows_all_that_is_read(bag: Path) -> None:
    """Bytes expected are bytes done, tag files among them."""
    told = Told()
    check_bag(bag, None, progress=told)
    assert told.expected == [told.done, sum(told.sizes)]


def test_memory_does_not_grow_with_the_number_of_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four times the files, sorted in runs that wait on the disk, take less than twice the memory."""
    monkeypatch.setattr(spool, "RUN", 100)
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
