"""Rows that no event causes are as they were bound, and so are the files of data sets.

``tests/campaigns/manipulations`` tries every table and column.
"""

from __future__ import annotations

import pytest

from ledger.audit import audit_log, left_out
from ledger.recording.access_log_sealing import AccessLogSealer
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
def files(stand: Stand) -> DatasetFiles:
    """The files of a ledger that keeps one, of which an audit finds nothing."""
    kept = DatasetFiles(stand.database)
    for _ in range(2):  # the same file may come again
        kept.keep(dataset(LIST), LIST)
    assert differences(stand) == []
    return kept


def differences(stand: Stand) -> list[tuple[str, str | None, str | None]]:
    """The step of each finding, what it expected and what it found."""
    return [(fault.step, fault.expected, fault.found) for fault in stand.audit().findings]


@pytest.mark.parametrize("manipulation", ["DELETE FROM dataset_files", "UPDATE dataset_files SET data = :data"])
def test_a_file_that_is_gone_or_changed_is_named(stand: Stand, files: DatasetFiles, manipulation: str) -> None:
    """With its digest; nothing is named any more once the file was given again."""
    stand.change(manipulation, **({"data": OTHER} if ":data" in manipulation else {}))
    (fault,) = stand.audit().findings
    assert dataset(LIST).digest in fault.what
    files.keep(dataset(LIST), LIST)
    assert differences(stand) == []


@pytest.mark.usefixtures("files")
def test_a_file_that_nobody_gave_is_named(stand: Stand) -> None:
    """Models would ask what its agency has not given."""
    stand.change("INSERT INTO dataset_files VALUES (:digest, 0, :data)", digest=dataset(OTHER).digest, data=OTHER)
    assert differences(stand) == [("bindings", "no such row", "a row")]
    DatasetFiles(stand.database).keep(dataset(OTHER), OTHER)
    assert differences(stand) == []
