"""Tiles, roots, checkpoints and commits are held against the entries."""

from __future__ import annotations

from array import array

import pytest

from ledger.audit import audit_log, left_out
from ledger.audit.whole import check_commits
from tests.testkit.bundles import TWO_OF_THREE, trust
from tests.testkit.ledgers import LOG_SIGNER
from tests.unit.audit.stand import FOUNDING, PROCEDURES, Stand, found


@pytest.mark.parametrize("index", [0, 5, FOUNDING + 3])
def test_tile_edited(stand: Stand, index: int) -> None:
    """A leaf hash in a tile: the entry is sound, the tile is named at its place."""
    tile: bytes = stand.value("SELECT hashes FROM tiles WHERE level = 0")
    stand.change("UPDATE tiles SET hashes = :value", value=tile[: 32 * index] + bytes(32) + tile[32 * index + 32 :])
    report = stand.audit()
    assert found(report) == {("tree", index)}
    assert report.findings[0].what.startswith("tile/0/000")


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM tiles",
        "UPDATE tiles SET hashes = substr(hashes, 1, 320)",
        "UPDATE tiles SET hashes = CAST(hashes || x'00' AS BLOB)",
        "INSERT INTO tiles (level, tile_index, hashes) VALUES (1, 0, x'00')",
    ],
)
def test_tiles_of_another_form(stand: Stand, statement: str) -> None:
    """A tile missing, cut, longer, or too many."""
    stand.change(statement)
    assert {finding.step for finding in stand.audit().findings} == {"tree"}


def test_stored_root_edited(stand: Stand) -> None:
    """The root that the next commit would build on. Above the last checkpoint nothing decides between entry and tile;
    the index is named all the same."""
    stand.change("UPDATE tree SET root = :value", value=bytes(32))
    assert found(stand.audit()) == {("tree", None)}
    stand.change("UPDATE tree SET root = :value", value=bytes(32))
    stand.change("UPDATE entries SET envelope = x'7b7d' WHERE log_index = 19")
    assert ("tree", 19) in found(stand.audit())


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE checkpoints SET size = size + 1 WHERE size < 15",
        "UPDATE checkpoints SET note = replace(note, 'ledger.test', 'other.test') WHERE size < 15",
        "UPDATE checkpoints SET published_at = published_at + 100000000 WHERE size < 15",
    ],
)
def test_checkpoint_edited(stand: Stand, statement: str) -> None:
    """A published note is signed, of its size, and after the one before."""
    stand.change(statement)
    assert {finding.step for finding in stand.audit().findings} == {"checkpoints"}


def test_checkpoint_of_another_tree(stand: Stand) -> None:
    """The log signed another root once: a split view, told even where everything else fits."""
    stand.claim(stand.size, bytes(32))
    assert found(stand.audit()) == {("checkpoints", None)}


def test_checkpoint_above_the_log(stand: Stand) -> None:
    """A checkpoint that is larger than the log: the database was rolled back."""
    stand.claim(99, bytes(32))
    assert stand.audit().findings[0].found == "the log is smaller"


def test_cosignature_that_does_not_hold(stand: Stand) -> None:
    """A note under which a known witness is said to have signed what he did not."""
    line = "— witness.example/w1 " + "3xwKNQ" + "A" * 90 + "\n"
    stand.change("UPDATE checkpoints SET note = note || :line WHERE size < 15", line=line)
    report = audit_log(stand.database, trust(TWO_OF_THREE, log_key=LOG_SIGNER.verifying_key), PROCEDURES, look=left_out)
    assert {finding.step for finding in report.findings} <= {"checkpoints"}


def batches(*pairs: tuple[int, int]) -> array[int]:
    """Commits of batches, each of so many entries at such a time."""
    commits, size = array("q"), 0
    for count, at in pairs:
        size += count
        commits.extend((size, at) * count)
    return commits


@pytest.mark.parametrize(
    ("position", "value", "index"),
    [
        *((2, 9, 1), (2, 2, 1), (4, 3, 2), (3, 99, 1), (5, 1, 2), (6, 5, 3)),
        *((8, 99, 4), (9, 5, 4), (9, 999, 4), (11, 5, 5), (6, 2, 3)),
    ],
)
def test_commits_edited(position: int, value: int, index: int) -> None:
    """The size or time of an entry's commit that does not fit its batch, or the order of batches."""
    commits = batches((4, 10), (1, 20), (3, 30))
    assert list(check_commits(commits, 8)) == []
    commits[position] = value
    assert [finding.index for finding in check_commits(commits, 8)] == [index]


def test_commits_of_missing_entries() -> None:
    """Entries that are missing say nothing of their batch."""
    commits = batches((4, 10), (1, 20), (3, 30))
    for position in (0, 1, 8, 9, 14, 15):
        commits[position] = 0
    assert list(check_commits(commits, 8)) == []


def test_times_out_of_order(stand: Stand) -> None:
    """A commit before the one that it follows."""
    stand.change("UPDATE entries SET recorded_at = 1 WHERE log_index = 14")
    assert found(stand.audit()) == {("entries", 14)}
