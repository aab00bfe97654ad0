"""``tally backup create`` where nobody watches: what refuses it is remembered, and the service's metrics tell it."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from ledger.backup.of_directory import LastBackup, last_backups, url_of
from ledger.cli.errors import Exit
from ledger.config.installation import DataDirectory, load
from ledger.config.secret_files import write_secret
from ledger.store.log import initialise
from ledger.store.opening import open_database
from tests.testkit.ledgers import lay_tables
from tests.testkit.tally import Tally


@pytest.fixture
def data(tally: Tally, tmp_path: Path) -> Path:
    """Found a ledger, with the database that its service makes when it starts."""
    where = DataDirectory(tally.found(tmp_path / "data"))
    url = f"sqlite:///{where.database}"
    lay_tables(url)
    with closing(open_database(url)) as database:
        initialise(database, load(where).log_id_bytes)
    return where.path


def failed(data: Path, place: str) -> LastBackup:
    """Return what is remembered of the place, of which a run has failed."""
    last = last_backups(DataDirectory(data))[place]
    assert last.failed is not None
    return last


def test_what_refuses_a_run_before_it_reads_anything_is_remembered(tally: Tally, data: Path, tmp_path: Path) -> None:
    """No recipient, none that is one, a passphrase that does not open the keys, a setting of the place."""
    recipient = tally.ok("backup", "key", tmp_path / "identity")["public_key"]
    write_secret(tmp_path / "wrong", b"of another service\n", field="passphrase")
    own, wrong = (("--passphrase-file", file) for file in (tally.passphrase_file, tmp_path / "wrong"))
    runs = {
        "none": own,
        "no-key": (*own, "--recipient", "age1nothing"),
        "locked": (*wrong, "--recipient", recipient),
        "s3://bucket/prefix": (*own, "--recipient", recipient),
    }
    for place, words in runs.items():
        to = place if "://" in place else str(tmp_path / place)
        done = tally("backup", "create", "--data-dir", data, "--to", to, *words)
        assert done.status not in (Exit.OK, Exit.FAULT), done.err
        assert failed(data, url_of(to)).number == 0
    tally.refuses(Exit.USAGE, "place of backups", "backup", "create", "--data-dir", data, *own)
    assert len(last_backups(DataDirectory(data))) == len(runs)


def test_old_generations_that_stay_are_remembered(tally: Tally, data: Path, tmp_path: Path) -> None:
    """The backup is made, and counts as the last one; that nothing older was deleted is a failure all the same."""
    recipient = tally.ok("backup", "key", tmp_path / "identity")["public_key"]
    place = tmp_path / "place"
    words = ("--data-dir", data, "--to", place, "--recipient", recipient, "--passphrase-file", tally.passphrase_file)
    tally.ok("backup", "create", *words)
    assert last_backups(DataDirectory(data))[place.as_uri()].failed is None
    oldest, *_ = sorted(path for path in (place / "generations").rglob("*") if path.is_file())
    tally.ok("backup", "create", *words)
    oldest.write_bytes(b"changed")
    assert "fault" in tally.ok("backup", "create", *words, "--keep", "3")
    assert failed(data, place.as_uri()).number == 3
