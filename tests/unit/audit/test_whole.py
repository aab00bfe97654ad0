"""What an audit of the whole log tells, and that it is the same however the work is shared."""

from __future__ import annotations

from contextlib import nullcontext
from itertools import pairwise
from pathlib import Path

import pytest

from ledger.audit import audit_log, findings
from ledger.audit.chain import NoContracts
from ledger.store import audit as rows
from ledger.store import log as stored_log
from tests.testkit.builders import LOG_ID
from tests.testkit.ledgers import open_ledger, sqlite_url
from tests.unit.audit.stand import BOOK, TRUST, Stand, contracts, found, in_full


def test_sound_ledger(stand: Stand) -> None:
    """Nothing is found where nothing was changed; the report says of each step what it compared."""
    report = stand.audit(look=contracts(stand))
    assert report.findings == ()
    assert report.verdict == "intact"
    assert [step.number for step in report.steps] == list(range(1, 17))
    assert {step.result for step in report.steps} == {"checked"}
    assert (report.scope, report.size, report.development) == ("log", stand.size, True)
    with stand.database.read() as connection:
        assert report.root == stored_log.tree(connection).root.hex()


def test_new_ledger(tmp_path: Path) -> None:
    """An empty log is sound, and nothing of it is anchored."""
    with open_ledger(sqlite_url(tmp_path)) as ledger:
        report = audit_log(ledger.database, TRUST, BOOK, look=lambda: nullcontext(NoContracts(LOG_ID)))
    assert (report.findings, report.verdict, report.size) == ((), "not_yet_anchored", 0)


def test_postgresql(postgres_url: str) -> None:
    """The same on PostgreSQL, sound and edited."""
    with open_ledger(postgres_url) as ledger:
        stand = Stand(ledger)
        stand.fill()
        assert stand.audit().findings == ()
        stand.change("UPDATE entries SET signed_at = signed_at + 1 WHERE log_index = 9")
        assert found(stand.audit()) == {("entries", 9)}


def test_several_processes(stand: Stand) -> None:
    """Processes that share the work find what one finds."""
    stand.change("DELETE FROM entries WHERE log_index = 10")
    assert stand.audit(processes=2) == stand.audit(processes=1)


def test_progress(stand: Stand) -> None:
    """Progress is told in entries, each counted twice, and ends at the whole."""
    steps: list[tuple[int, int]] = []
    stand.audit(progress=lambda done, total: steps.append((done, total)))
    assert steps == sorted(steps)
    assert steps[-1] == (2 * stand.size, 2 * stand.size)


def test_sound_large_log(large: Stand) -> None:
    """Several ranges, several tiles, an upper tile."""
    assert (large.size, large.audit().findings) == (550, ())


@pytest.mark.parametrize("index", [256, *in_full(0, 255, 400, 549)])
def test_large_log_edited(large: Stand, index: int) -> None:
    """The index of a fault is the log's, not the range's."""
    large.change(f"UPDATE entries SET payload = x'7b7d' WHERE log_index = {index}")
    assert {finding.index for finding in large.audit().findings} == {index}


@pytest.mark.parametrize(("start", "end"), [(100, 300), *in_full((255, 257), (256, 550))])
def test_many_rows_deleted(large: Stand, start: int, end: int) -> None:
    """Each missing entry is named, also where whole ranges are."""
    large.change(f"DELETE FROM entries WHERE log_index >= {start} AND log_index < {end}")
    assert {finding.index for finding in large.audit().findings} == set(range(start, end))


def test_upper_tile_edited(large: Stand) -> None:
    """A hash above the leaves is named by the first entry below it."""
    tile: bytes = large.value("SELECT hashes FROM tiles WHERE level = 1")
    large.change("UPDATE tiles SET hashes = :value WHERE level = 1", value=tile[:32] + bytes(32))
    report = large.audit()
    assert found(report) == {("tree", 256)}
    assert report.findings[0].what == "tile/1/000.p/2: hash of tile/0/001"


def test_findings_are_counted_above_a_limit(large: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    """An audit of a ruined log stays small: findings above the limit are counted."""
    monkeypatch.setattr(findings, "MAX_FINDINGS", 10)
    large.change("UPDATE entries SET signed_at = 0")
    report = large.audit()
    assert (len(report.findings), report.left_out) == (10, 540)


@pytest.mark.parametrize("each", [1, 100, *in_full(2, 1000)])
def test_parts_cover_all_streams_once(large: Stand, each: int) -> None:
    """However the streams are cut into parts, each entry is in one of them."""
    with large.database.read() as connection:
        bounds = [None, *rows.stream_bounds(connection, "case", each), None]
        parts = [
            entry.log_index
            for first, last in pairwise(bounds)
            for entry in rows.by_stream(connection, "case", first, last, size=large.size)
        ]
    cases = large.value("SELECT count(*) FROM entries WHERE stream_kind = 'case'")
    assert (len(parts), len(set(parts))) == (cases, cases)
