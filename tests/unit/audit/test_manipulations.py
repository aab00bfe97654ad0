"""Rows that no event causes are as they were bound, and so are the files of data sets that stand beside them.

``tests/campaigns/manipulations`` tries every table and column.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ledger.audit import audit_log, left_out
from ledger.recording.system_stream import AccessLogSealer
from ledger.store import audit, checkpoints
from ledger.store.access import AccessLog
from ledger.store.audit import KeptAudit
from ledger.supervision.runs.datasets import DatasetFiles
from tests.testkit.builders import POLICE
from tests.testkit.supervision import dataset
from tests.unit.audit.stand import PROCEDURES, TRUST, Stand


def fill(stand: Stand) -> None:
    """Audits that people kept, which no event causes, and a seal over them."""
    now = stand.ledger.clock()
    for number in range(8):
        with stand.database.write() as connection:
            audit.keep(connection, KeptAudit(f"audit-{number}", None, POLICE, "o-1", now, now, "intact", None, b"{}"))
    AccessLogSealer(stand.database, AccessLog(stand.database), stand.ledger.system).before_anchor(stand.size)


def test_records_of_bindings_are_chained_and_sealed(stand: Stand) -> None:
    """One that was changed is named; a chain that was made anew is another than the log of reads knows of."""
    fill(stand)
    stand.change("UPDATE bindings SET digest = 'blake3:00' WHERE number = 5")
    assert [finding.what for finding in stand.audit().findings] == ["record 5 of the bindings"]
    last = stand.value("SELECT max(number) FROM bindings")
    stand.change(f"DELETE FROM bindings WHERE number >= {min(5, last)}")
    assert "as the log of reads has it" in " ".join(finding.what for finding in stand.audit().findings)


def test_checkpoint_that_was_kept_elsewhere(stand: Stand) -> None:
    """A database that was put back contradicts nothing that it holds, but a tree head that is out of its reach."""
    with stand.database.read() as connection:
        notes = [row.note for row in checkpoints.all_published(connection)]
    whole = audit_log(stand.database, TRUST, PROCEDURES, look=left_out, checkpoints=notes)
    assert whole.findings == ()
    larger = stand.ledger.publisher.checkpoint(stand.size + 3, bytes(32))
    report = audit_log(stand.database, TRUST, PROCEDURES, look=left_out, checkpoints=[larger])
    assert [(finding.step, finding.found) for finding in report.findings] == [("checkpoints", "the log is smaller")]


# -- files of data sets ------------------------------------------------------------------------------------------------


LIST = b"person_id,paid_on\np-1,2026-02-15\n"
OTHER = b"person_id,paid_on\np-2,2026-02-15\n"


@pytest.fixture
def files(stand: Stand, tmp_path: Path) -> DatasetFiles:
    """The files of a ledger that keeps one, of which an audit finds nothing."""
    kept = DatasetFiles(tmp_path / "datasets", stand.database)
    for _ in range(2):  # the same file may come again
        kept.keep(dataset(LIST), LIST)
    assert differences(stand, kept) == []
    return kept


def differences(stand: Stand, files: DatasetFiles) -> list[tuple[str, str | None, str | None]]:
    """The step of each finding, what it expected and what it found."""
    findings = stand.audit(files=files.digests).findings
    return [(fault.step, fault.expected, fault.found) for fault in findings]


def remove(file: Path) -> None:
    file.unlink()


def change(file: Path) -> None:
    file.write_bytes(OTHER)


@pytest.mark.parametrize(
    ("manipulate", "expected", "present"),
    [(remove, "a file", "no such file"), (change, dataset(LIST).digest, dataset(OTHER).digest)],
)
def test_a_file_that_is_gone_or_changed_is_named(
    stand: Stand, files: DatasetFiles, manipulate: Callable[[Path], None], expected: str, present: str
) -> None:
    """With its digest; nothing is named any more once the file was given again."""
    manipulate(files.path(dataset(LIST).digest))
    assert differences(stand, files) == [("bindings", expected, present)]
    assert dataset(LIST).digest in stand.audit(files=files.digests).findings[0].what
    files.keep(dataset(LIST), LIST)
    assert differences(stand, files) == []


def test_a_file_that_nobody_gave_is_named(stand: Stand, files: DatasetFiles) -> None:
    """Though its bytes are those that were registered: models would ask what its agency has not given."""
    DatasetFiles(files.path(dataset(OTHER).digest).parent.parent).keep(dataset(OTHER), OTHER)
    assert differences(stand, files) == [("bindings", "no such file", "a file")]


def test_a_file_that_comes_during_an_audit_is_no_finding(stand: Stand, files: DatasetFiles) -> None:
    """It was not there when the audit began to look, and is bound when the bindings are read."""
    answers = [{}, files.digests()]
    assert stand.audit(files=lambda: answers.pop(0)).findings == ()
