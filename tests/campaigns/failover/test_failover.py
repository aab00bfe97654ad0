"""A cluster that fails over loses nothing: a short history on a real one; and its checker notices what it must."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace
from sqlalchemy import text

from ledger.core.log.checkpoints import Checkpoint, sign_checkpoint
from ledger.core.log.merkle import Hash
from ledger.recording.publisher import Receipt
from ledger.store.opening import open_database
from scripts.campaigns.casework import LOG_SIGNER, Casework, recording_into
from scripts.campaigns.targets import ROOT
from scripts.campaigns.writer import answer_of
from tests.campaigns.failover.checker import Checker
from tests.campaigns.failover.ledger import Acknowledged
from tests.testkit.ledgers import sqlite_url

EVENTS = 6
Recorded = tuple[str, list[Acknowledged]]  # a database and what was acknowledged of it


@pytest.mark.extended
@pytest.mark.timeout(900)
def test_a_failover_loses_nothing_acknowledged() -> None:
    """The primary's machine goes off under load: the standby takes over, and the log has what was acknowledged."""
    command = ["-m", "tests.campaigns.failover", "--histories", "1", "--seconds", "12", "--fault", "machine-off"]
    done = subprocess.run([sys.executable, *command], cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """Give a small log and what was acknowledged of it."""
    url, casework = sqlite_url(tmp_path_factory.mktemp("log")), Casework("checked")
    acknowledged = []
    with recording_into(url) as recording:
        for _ in range(EVENTS):
            signed = casework.next(int(time.time()))
            receipt = answer_of(recording, signed.submission)
            assert isinstance(receipt, Receipt)
            casework.acknowledged(signed)
            acknowledged.append(Acknowledged(0, signed.envelope.event_id, receipt))
    return url, acknowledged


def test_a_kept_log_is_in_order(recorded: Recorded) -> None:
    """Receipts of the log that is there are neither lost nor of another log."""
    url, acknowledged = recorded
    verdict = Checker(LOG_SIGNER.verifying_key).check(url, acknowledged, [])
    assert verdict.faults == []
    assert verdict.entries >= EVENTS


def test_a_changed_receipt_is_noticed(recorded: Recorded) -> None:
    """A receipt of another leaf does not verify, and what it promises is not there."""
    url, acknowledged = recorded
    last = acknowledged[-1]
    changed = last._replace(receipt=replace(last.receipt, leaf_hash="sha256:" + "00" * 32))
    verdict = Checker(LOG_SIGNER.verifying_key).check(url, [changed], [])
    assert (len(verdict.lost), len(verdict.unverified)) == (1, 1)


def test_another_log_is_noticed(recorded: Recorded) -> None:
    """A checkpoint of another log, of this size or of one that was never reached, is a fork."""
    url, _ = recorded
    notes = [
        sign_checkpoint(Checkpoint(LOG_SIGNER.verifying_key.name, size, Hash(b"\1" * 32)), LOG_SIGNER)
        for size in (3, 999)
    ]
    assert len(Checker(LOG_SIGNER.verifying_key).check(url, [], notes).forks) == len(notes)


def test_a_lost_entry_is_noticed(recorded: Recorded, tmp_path: Path) -> None:
    """Without its last entry a log has lost what was acknowledged, and signs no tree of its own."""
    url, acknowledged = recorded
    copy = tmp_path / "ledger.db"
    with closing(open_database(url)) as database:
        database.empty_write_ahead_log()
        copy.write_bytes(Path(database.log.url.database or "").read_bytes())
    with closing(open_database(f"sqlite:///{copy}")) as database, database.write() as connection:
        connection.execute(text("DELETE FROM entries WHERE log_index = (SELECT max(log_index) FROM entries)"))
    verdict = Checker(LOG_SIGNER.verifying_key).check(f"sqlite:///{copy}", acknowledged, [])
    assert verdict.lost
    assert verdict.forks
