"""What of a data directory goes into a backup, and what a restored one is told."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from ledger.backup.chunks import public_of
from ledger.backup.generations import numbers_at
from ledger.backup.of_directory import (
    LastBackup,
    files_of,
    last_backups,
    machine_key,
    place_of,
    read_identity,
    remember,
    remembering_failure,
    settle,
    url_of,
    write_identity,
)
from ledger.config.installation import DataDirectory
from ledger.config.secret_files import SecretRefused
from ledger.config.settings import read_settings
from ledger.core.errors import Conflict, MalformedInput, Unavailable
from ledger.storage.objects import STAGED, Objects
from ledger.store import backup as rows
from ledger.store.tables import CHECKPOINTS, META, SPLITS


def test_keys_are_in_no_backup(tmp_path: Path) -> None:
    """Nor what is made again: caches, and the database itself, of which the rows are."""
    where = DataDirectory(tmp_path)
    kept = ("installation.json", "trust.json", "settings.env", "procedures/0.json")
    left = ("keys/log.pem", "keys/passphrase", "tallystick.db", "tallystick.db-wal", "chain/dump", "trails/0")
    left += ("supervision/views.duckdb", "service.lock", "backup.json", "procedures/.0.json.ab12")
    for name in (*kept, *left):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    assert set(files_of(where)) == set(kept)


def test_a_restored_directory_names_its_own_database(tmp_path: Path) -> None:
    """Not the one of the machine that was backed up, whose database may still be there; its standbys become a comment,
    and all other settings stay."""
    before = (
        "export TALLYSTICK_DATABASE_URL=postgresql+psycopg://old/ledger\nTALLYSTICK_PORT=9000\n"
        " tallystick_replica_urls='postgresql+psycopg://old/\n'\n# TALLYSTICK_HOST=here"
    )
    for name, url in (("file", None), ("server", "postgresql+psycopg://me:a b #c'@new/ledger")):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "settings.env").write_text(before)
        assert settle(folder, url) == ("TALLYSTICK_REPLICA_URLS",)
        settings = read_settings(folder)
        assert (settings.database_url, settings.port, settings.replica_urls) == (url, 9000, "")
        assert "#  tallystick_replica_urls='postgresql+psycopg://old/\n# '\n" in (folder / "settings.env").read_text()
        assert stat.S_IMODE((folder / "settings.env").stat().st_mode) == 0o600
    settle(tmp_path, None)
    assert not (tmp_path / "settings.env").exists()


def test_a_restored_directory_leaves_the_old_services_stores_alone(tmp_path: Path) -> None:
    """And its backups, and sends no mail: what names them stands as comments, each name is told, and all else is as it
    was."""
    (tmp_path / "settings.env").write_text(
        "TALLYSTICK_EVIDENCE_STORE=file:///mnt/evidence\nexport TALLYSTICK_SMTP_HOST='mail.test'\n"
        "TALLYSTICK_PORT=9000\nTALLYSTICK_MAIL_FROM=ledger@mail.test\nTALLYSTICK_TILE_STORE_URL=https://tiles.test\n"
        "TALLYSTICK_BACKUP_STORE=file:///mnt/backup\n"
    )
    names = settle(tmp_path, None)
    settings = read_settings(tmp_path)
    assert (settings.evidence_store, settings.tile_store_url, settings.sends_mail) == (None, None, False)
    assert settings.backup_store is None, "a timer would write among the backups of the old service"
    assert settings.port == 9000
    lines = (tmp_path / "settings.env").read_text().splitlines()
    assert [f"# export {names[1]}='mail.test'" in lines, len(names), len(lines)] == [True, 5, 6]
    assert names[0] == "TALLYSTICK_EVIDENCE_STORE"
    assert settle(tmp_path, None) == ()


def test_the_machine_has_a_key_of_its_own(tmp_path: Path) -> None:
    """Made once, of mode 0600; a file that others may read is no secret."""
    where = DataDirectory(tmp_path)
    key = machine_key(where)
    assert machine_key(where) == key
    public = write_identity(tmp_path / "identity")
    assert public_of(read_identity(tmp_path / "identity")) == public
    with pytest.raises(SecretRefused):
        write_identity(tmp_path / "identity")
    (tmp_path / "identity").chmod(0o644)
    with pytest.raises(SecretRefused):
        read_identity(tmp_path / "identity")
    (tmp_path / "letter").touch(0o600)
    with pytest.raises(MalformedInput):
        read_identity(tmp_path / "letter")


def test_the_last_backup_of_each_place_is_remembered(tmp_path: Path) -> None:
    """Each place by itself; a file that is no memory is said to be none."""
    where = DataDirectory(tmp_path)
    assert last_backups(where) == {}
    remember(where, "here", LastBackup(1, "blake3:00", 5))
    remember(where, "there", LastBackup(7, "blake3:11", 6))
    remember(where, "here", LastBackup(2, "blake3:22", 8))
    assert last_backups(where) == {"here": LastBackup(2, "blake3:22", 8), "there": LastBackup(7, "blake3:11", 6)}
    where.backups.write_text("{")
    with pytest.raises(MalformedInput):
        last_backups(where)


def test_a_run_that_fails_is_remembered_until_one_is_made(tmp_path: Path) -> None:
    """Beside the last generation of the place, if one was made."""
    where = DataDirectory(tmp_path)
    for before, after in (
        (None, LastBackup(0, "", 0, failed=9)),
        (LastBackup(2, "blake3:22", 8), LastBackup(2, "blake3:22", 8, failed=9)),
    ):
        if before is not None:
            remember(where, "here", before)
        with pytest.raises(OSError, match="disk"), remembering_failure(where, "here", lambda: 9):
            raise OSError("disk")
        assert last_backups(where) == {"here": after}
    with remembering_failure(where, "here", lambda: 11):
        remember(where, "here", LastBackup(3, "blake3:33", 10))
    assert last_backups(where) == {"here": LastBackup(3, "blake3:33", 10)}


def test_rows_of_another_version_fit_its_tables() -> None:
    """A column that came since is empty, and facts of what is made anew are left out. One that is not known here is of
    a later version, and is not lost in silence."""
    (checkpoint,) = rows.kept_rows_of(CHECKPOINTS, ("size", "note"), [(1, "a note")])
    assert (checkpoint["shown"], checkpoint["published_at"]) == (False, None)
    (row,) = rows.kept_rows_of(SPLITS, ("case_id",), [("case-1",)])
    assert row == dict.fromkeys(SPLITS.columns.keys()) | {"case_id": "case-1"}
    facts = rows.kept_rows_of(
        META, ("name", "value"), [("head_map", "0"), ("word_parts_up_to", "0"), ("deployment", "x")]
    )
    assert facts == [{"name": "deployment", "value": "x"}]
    with pytest.raises(rows.NewerBackup):
        rows.kept_rows_of(SPLITS, ("case_id", "later"), [("case-1", "x")])


def place_at(where: str, data_dir: Path) -> Objects:
    """Return the place as a command opens it."""
    return place_of(read_settings(data_dir, backup_store=url_of(where)))


def test_a_place_that_does_not_work_says_so(tmp_path: Path) -> None:
    """A file in the place of the folder, an address of another kind, no address, and a folder in the data directory."""
    (tmp_path / "file").write_text("mine")
    place = place_at(str(tmp_path / "file"), tmp_path / "data")
    with pytest.raises(Unavailable):
        place.put("chunks/00/00", b"x")
    for where in ("ftp://host/folder", (tmp_path / "data" / "place").as_uri()):
        with pytest.raises(MalformedInput):
            place_at(where, tmp_path / "data")
    with pytest.raises(MalformedInput):
        place_of(read_settings(tmp_path / "data"))
    assert [*place_at((tmp_path / "place").as_uri(), tmp_path / "data").list("chunks")] == []


def test_a_run_that_was_killed_leaves_no_generation(tmp_path: Path) -> None:
    """What it had half written is none; and one that is there is not written a second time by who wants to be first."""
    place = place_at(str(tmp_path / "place"), tmp_path / "data")
    place.create("generations/00000001", b"first")
    with pytest.raises(Conflict):
        place.create("generations/00000001", b"second")
    assert place.read("generations/00000001", 5) == b"first"
    (tmp_path / "place" / "generations" / f"00000002.0{STAGED}").write_bytes(b"half")
    assert numbers_at(place) == [1]
    place.put("generations/00000001", b"third")
    assert place.read("generations/00000001", 5) == b"third"
    assert len([*place.list("generations")]) == 2
    place.delete(["generations/00000001", "generations/00000002"])
    assert place.read("generations/00000001", 5) is None
