"""Secrets and data directories are their owner's alone, whatever the umask and whatever lay there before."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.config.secret_files import (
    SecretRefused,
    make_private,
    make_private_folder,
    open_to_others,
    private_umask,
    write_secret,
)
from ledger.core.errors import TallystickError, Unavailable
from ledger.procedures import shipped_procedures
from ledger.store.opening import open_database, open_witness_engine
from ledger.supervision.views.snapshot import Views
from ledger.supervision.views.sources import BundleViewSource
from tests.unit.evidence.material import as_nobody

PROCEDURES = shipped_procedures()


@pytest.fixture(autouse=True)
def _careless_umask() -> Iterator[None]:
    """Set the umask of a machine on which every new file may be read, and changed, by everybody."""
    before = os.umask(0)
    yield
    os.umask(before)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_folders_of_secrets_are_private_from_the_first_that_is_made(tmp_path: Path) -> None:
    """Not the innermost folder alone: whoever may enter an outer one could rename what lies in it."""
    write_secret(tmp_path / "ledger" / "keys" / "token.key", b"seed", field="key")
    folders = [tmp_path / "ledger", tmp_path / "ledger" / "keys"]
    assert [mode_of(folder) for folder in folders] == [0o700, 0o700]
    make_private_folder(tmp_path / "ledger")
    assert mode_of(tmp_path / "ledger" / "keys" / "token.key") == 0o600


def test_new_files_are_private_while_a_service_runs(tmp_path: Path) -> None:
    """Files that libraries and children make fall under the umask, which is as before afterwards."""
    with private_umask():
        (tmp_path / "inside").write_text("")
    (tmp_path / "outside").write_text("")
    assert (mode_of(tmp_path / "inside"), mode_of(tmp_path / "outside")) == (0o600, 0o666)


def test_what_was_open_is_repaired_and_told(tmp_path: Path) -> None:
    """Folders and files lose what group and others may do, and nothing else; a second look finds nothing."""
    where = tmp_path / "ledger"
    (where / "supervision").mkdir(parents=True)
    (where / "supervision" / "views.duckdb").write_text("")
    (where / "trust.json").write_text("")
    (where / "nowhere").symlink_to("nothing")
    (where / "run").write_text("")
    (where / "run").chmod(0o755)
    open_paths = {where, *(where / name for name in ("supervision", "supervision/views.duckdb", "trust.json", "run"))}
    assert set(open_to_others(where)) == open_paths
    assert set(make_private(where, keys=where / "keys")) == open_paths
    assert list(open_to_others(where)) == []
    assert (mode_of(where), mode_of(where / "trust.json"), mode_of(where / "run")) == (0o700, 0o600, 0o700)


def test_an_open_key_is_not_made_private_in_silence(tmp_path: Path) -> None:
    """Who read it before knows it: it stays as it is, and whoever opens it refuses it."""
    key = tmp_path / "keys" / "development" / "token.key"
    write_secret(key, b"seed", field="key")
    key.chmod(0o640)
    key.parent.chmod(0o750)
    assert set(make_private(tmp_path, keys=tmp_path / "keys")) == {key.parent}
    assert mode_of(key) == 0o640


@pytest.mark.parametrize("umask", [0, 0o777])
def test_databases_are_private_from_their_first_byte(tmp_path: Path, umask: int) -> None:
    """The files of log, reads and witness, their write-ahead logs and shared memory, by whatever umask."""
    os.umask(umask)
    try:
        database = open_database(f"sqlite:///{tmp_path}/ledger.db")
        engine = open_witness_engine(tmp_path / "witness.db")
        with database.read(), engine.connect():
            files = sorted(tmp_path.iterdir())
            assert len(files) == 9
            assert {mode_of(file) for file in files} == {0o600 & ~umask}
    except TallystickError:
        assert umask == 0o777, "only a user who may not read his own files fails"
        assert os.getuid() != 0
    else:
        database.close()
        engine.dispose()


def test_views_of_models_are_private(tmp_path: Path) -> None:
    """The file that models ask and its log, and what is exported for a run: they name persons. Their folder is
    closed to others by whatever umask; the files are, too, under that of a service."""
    path = tmp_path / "supervision" / "views.duckdb"
    views = Views(path, BundleViewSource([], PROCEDURES))
    with private_umask():
        views.refresh()
        with views.export() as export:
            exported = list(Path(export.folder).iterdir())
            assert Path(export.folder).parent == path.parent
            assert {mode_of(file) for file in exported} == {0o600}
            assert mode_of(Path(export.folder)) == 0o700
            assert {file.name for file in path.parent.iterdir() if file.is_file()} == {path.name, f"{path.name}.wal"}
            assert {mode_of(file) for file in path.parent.iterdir() if file.is_file()} == {0o600}
        views.close()
    path.unlink()
    path.parent.rmdir()
    views = Views(path, BundleViewSource([], PROCEDURES))
    views.refresh()
    views.close()
    assert mode_of(path.parent) == 0o700


def test_a_database_that_was_open_to_others_is_made_private(tmp_path: Path) -> None:
    """One that was restored with another mode, or made by an earlier release, wherever it lies."""
    url = f"sqlite:///{tmp_path}/ledger.db"
    open_database(url).close()
    for file in tmp_path.iterdir():
        file.chmod(0o644)
    database = open_database(url)
    with database.read():
        assert {mode_of(file) for file in tmp_path.iterdir()} == {0o600}
    database.close()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can make files that are another user's")
def test_what_belongs_to_another_user_is_refused(tmp_path: Path) -> None:
    """Whoever owns a file can open it again: neither a directory nor a database of somebody else's is used."""
    open_database(f"sqlite:///{tmp_path}/ledger.db").close()
    for path in (tmp_path, *tmp_path.iterdir()):
        path.chmod(0o777)
    with as_nobody(tmp_path):
        with pytest.raises(SecretRefused, match=r"others may use \., and it cannot be made private") as folder:
            make_private(Path(), keys=Path("keys"))
        with pytest.raises(Unavailable, match=r"others may read the database ledger\.db") as database:
            open_database("sqlite:///ledger.db")
    assert (folder.value.field, database.value.field) == ("data_dir", "database_url")
    assert database.value.code == "database_open_to_others"
