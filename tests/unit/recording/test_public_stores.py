"""``recording.public_store``: the folder or bucket that a log is uploaded to."""

from __future__ import annotations

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ledger.config.secret_files import SecretRefused, private_umask
from ledger.config.settings import Settings
from ledger.core.errors import MalformedInput, Unavailable
from ledger.core.log import merkle
from ledger.core.log.tiles import BundleName, TileName
from ledger.core.log.tlog_proofs import parse_tlog_proof
from ledger.recording.public_store import FolderStore, public_store_of
from ledger.storage.objects import objects_at, storage_of
from ledger.store import log
from tests.testkit.builders import POLICE, clerk
from tests.testkit.ledgers import LOG_SIGNER, Ledger
from tests.testkit.machine import program
from tests.testkit.object_storage import ObjectStorage
from tests.unit.recording.uploads import bucket_of, folder_at, grow_to, uploader_to

OFFICERS = (clerk(POLICE),)


def test_a_wrong_secret_is_told_without_the_stores_own_words(
    ledger: Ledger, storage: ObjectStorage, tmp_path: Path
) -> None:
    """Who may not write is told that; what the store says besides goes to the operator's log alone."""
    grow_to(ledger, 20)
    uploader = uploader_to(ledger, storage.store(tmp_path.name, "wrong-secret"))
    with pytest.raises(Unavailable) as refused:
        uploader.step()
    assert refused.value.message == "the public store refuses the key"
    assert refused.value.notes
    uploader.try_step()
    assert storage.endpoint not in f"{uploader.state}"


def test_a_bucket_that_is_not_there_is_no_empty_one(ledger: Ledger, storage: ObjectStorage) -> None:
    """Its name may be mistyped: that is told."""
    settings = storage.settings("x") | {"tile_store": "s3://mistyped/x"}
    store = public_store_of(Settings(**settings))  # type: ignore[arg-type]
    assert store is not None
    grow_to(ledger, 20)
    with pytest.raises(Unavailable, match="no such bucket") as missing:
        uploader_to(ledger, store).step()
    assert "Make the bucket" in str(missing.value.hint)
    named = storage.named("backup_store", "x") | {"backup_store": "s3://mistyped/x"}
    address = storage_of(Settings(**named), "backup_store")  # type: ignore[arg-type]
    assert address is not None
    with pytest.raises(Unavailable, match="no such bucket"):  # backups begin with a list
        list(objects_at(address).list("x/"))


def test_a_folder_is_readable_for_the_web_server(long_ledger: Ledger, tmp_path: Path) -> None:
    """Under the service's own umask, by which nobody else reads what it writes, folders and files are open."""
    with private_umask():
        assert uploader_to(long_ledger, folder_at(tmp_path / "public").store).step()
    modes = {path.is_dir(): set() for path in (tmp_path, tmp_path / "public" / "checkpoint")}
    for path in (tmp_path / "public", *(tmp_path / "public").rglob("[!.]*")):
        modes[path.is_dir()].add(path.stat().st_mode & 0o777)
    assert modes == {True: {0o755}, False: {0o644}}


def test_processes_may_write_the_same_tile_to_a_folder(tmp_path: Path) -> None:
    """Whoever comes last, the file is whole at every moment: none writes into what another has begun."""
    tiles = {f"tile/0/{number:03}": bytes([number]) * 8192 for number in range(20)}

    def write() -> None:
        store = FolderStore(tmp_path)
        for _ in range(10):
            store.put(tiles)

    with ThreadPoolExecutor(2) as pool:
        writing = [pool.submit(write) for _ in range(2)]
        while not all(future.done() for future in writing):
            files = {name: (tmp_path / name).read_bytes() for name in tiles if (tmp_path / name).exists()}
            assert files.items() <= tiles.items()
    for future in writing:
        future.result()
    assert sorted(path.name for path in (tmp_path / "tile/0").iterdir()) == [name[-3:] for name in tiles]


def test_what_a_killed_process_left_half_written_is_deleted(ledger: Ledger, tmp_path: Path) -> None:
    """By the next process, once nobody can be writing it; nothing is left of what the disk did not take."""
    old, new = (tmp_path / f"tile/0/000.{name}.new" for name in ("old", "new"))
    old.parent.mkdir(parents=True)
    for file in (old, new):
        file.write_bytes(b"half")
    os.utime(old, (0, 0))
    grow_to(ledger, 20)
    assert uploader_to(ledger, folder_at(tmp_path).store).step()
    assert [*tmp_path.rglob("*.new")] == [new]
    (tmp_path / "tile/0/001").mkdir()
    with pytest.raises(Unavailable):
        folder_at(tmp_path).store.put({"tile/0/001": b"in the way"})
    assert [*tmp_path.rglob("*.new")] == [new]


def test_a_folder_that_cannot_be_made_is_told(ledger: Ledger, tmp_path: Path) -> None:
    """A file stands where the folder should be."""
    (tmp_path / "public").touch()
    grow_to(ledger, 20)
    with pytest.raises(Unavailable, match="folder of the public store"):
        uploader_to(ledger, folder_at(tmp_path / "public").store).step()


def test_settings_that_do_not_go_together_are_refused(storage: ObjectStorage, tmp_path: Path) -> None:
    """A key id without its secret, a certificate that is none or not there, a secret that others may read, a folder
    that nobody may read; where no store is named there is none."""
    settings = storage.settings("x")
    del settings["tile_store_secret_file"]
    with pytest.raises(MalformedInput) as refused:
        public_store_of(Settings(**settings))  # type: ignore[arg-type]
    assert refused.value.field == "tile_store_key_id"
    assert public_store_of(Settings()) is None
    pem = tmp_path / "roots.pem"
    pem.write_text("no certificate")
    opened = tmp_path / "opened.secret"
    opened.write_text("secret")
    opened.chmod(0o644)
    data = tmp_path / "data"
    wrong: list[tuple[str, dict[str, str]]] = [
        ("tile_store_roots", {"tile_store_roots": str(pem)}),
        ("tile_store_roots", {"tile_store_roots": str(tmp_path / "none.pem")}),
        ("tile_store_secret_file", {"tile_store_secret_file": str(opened)}),
        ("tile_store", {"tile_store": (data / "public").as_uri(), "data_dir": str(data)}),
    ]
    for field, changes in wrong:
        with pytest.raises((MalformedInput, SecretRefused)) as refused:
            public_store_of(Settings(**storage.settings("x") | changes))  # type: ignore[arg-type]
        assert refused.value.field == field


def test_a_foreign_client_makes_the_same_proof_from_the_bucket(
    long_ledger: Ledger, storage: ObjectStorage, tmp_path: Path
) -> None:
    """``tlog-scales`` reads checkpoint and tiles of the bucket alone; its proof holds under the log's key."""
    place = bucket_of(storage, f"foreign/{tmp_path.name}")
    assert uploader_to(long_ledger, place.store).step()
    for index in (5, 255, 260):
        command = [program("tlog-scales", "tlog-tiles"), "gen-proof", place.settings["tile_store_url"], str(index)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, (index, done.stderr)
        with long_ledger.database.read() as connection:
            leaf = merkle.leaf_hash(log.entry(connection, index).envelope)
        proof = parse_tlog_proof(done.stdout)
        assert proof.index == index
        assert proof.verify(leaf, LOG_SIGNER.verifying_key).size == 300


@pytest.mark.parametrize(
    "url", ["s3:/bucket", "/srv/tiles", "https://tiles.example", "file://host/x", "s3://B/x", "s3://b/x?y"]
)
def test_a_store_is_named_by_a_url(url: str) -> None:
    """Of a folder or a bucket, nothing else."""
    with pytest.raises(ValueError, match="file:///FOLDER or s3://BUCKET/PREFIX"):
        Settings(tile_store=url)


def test_only_full_tiles_are_redirected(long_ledger: Ledger, tmp_path: Path) -> None:
    """Those under the store's checkpoint, if readers can reach the store."""
    uploader = uploader_to(long_ledger, folder_at(tmp_path / "public").store, public_url="https://tiles.example/log")
    assert uploader.redirect(TileName(0, 0)) is None
    assert uploader.step()
    assert uploader.redirect(TileName(0, 0)) == "https://tiles.example/log/tile/0/000"
    assert uploader.redirect(BundleName(0)) == "https://tiles.example/log/tile/entries/000"
    for name in (
        TileName(0, 1),
        TileName(0, 1, 44),
        TileName(0, 0, 7),
        TileName(1, 0),
        TileName(1, 0, 1),
        BundleName(1),
    ):
        assert uploader.redirect(name) is None
    assert uploader_to(long_ledger, folder_at(tmp_path / "public").store).redirect(TileName(0, 0)) is None
