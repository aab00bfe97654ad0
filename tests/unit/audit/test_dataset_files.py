"""The files of data sets stand beside the database: an audit names each that is gone, changed or was put there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ledger.supervision.runs.datasets import DatasetFiles
from tests.testkit.supervision import dataset
from tests.unit.audit.stand import Stand

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
