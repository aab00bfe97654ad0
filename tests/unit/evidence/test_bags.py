"""Bags that are of no form, lead out of their folder, or come from other software."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from ledger.core.errors import MalformedInput
from tests.unit.evidence.material import FILES, check, results, rewrite, write

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it asks pkg_resources for its version
    import bagit


def tag_file_for_a_link(bag: Path) -> None:
    (bag / "bag-info.txt").rename(bag.parent / "bag-info.txt")
    (bag / "bag-info.txt").symlink_to(bag.parent / "bag-info.txt")


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
