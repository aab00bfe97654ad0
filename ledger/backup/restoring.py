"""Restoring a backup into an empty place: all of it or nothing.

Files and a SQLite database come into a folder beside the new data directory, which gets its name once all is there. A
database on a server is marked until then, so that no service takes it for its ledger. A run that was cut off leaves
what the next one throws away.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from msgspec import Struct

from ledger.audit.findings import AuditFinding
from ledger.backup.chunks import ChunkRef, Damaged, unpacked_file, unpacked_rows
from ledger.backup.generations import Generation
from ledger.backup.of_directory import settle
from ledger.backup.rebuilding import rebuild
from ledger.backup.verifying import OpenBackup
from ledger.config.secret_files import OWNER_ONLY, make_private_folder, sync_folder
from ledger.core.errors import Conflict, IntegrityBroken, MalformedInput
from ledger.core.log.merkle import leaf_hash
from ledger.core.log.tiles import RightEdge
from ledger.core.messages import Message, Progress
from ledger.core.procedure.adoption import Procedures
from ledger.core.trust.trust_file import Trust, parse_trust
from ledger.store import backup as rows
from ledger.store.backup import LOG, NUMBERED, kept_rows_of
from ledger.store.database import Database, Row, Table
from ledger.store.opening import open_database
from ledger.store.tables import ENTRIES, TILES, TREE

TRUST_FILE = "trust.json"
UNFINISHED = ".restoring"  # in a directory whose database is elsewhere, until that is whole


class Restored(Struct, frozen=True):
    """What was restored: a generation, and what is wrong with its streams, as an audit says it.

    ``set_aside`` are the settings that name stores and mail of the old service.
    """

    generation: Generation
    files: tuple[str, ...]
    findings: tuple[AuditFinding, ...]
    set_aside: tuple[str, ...]


def restore(
    backup: OpenBackup,
    target: Path,
    database_url: str | None,
    trust: Trust | None,
    *,
    procedures: Procedures | None = None,
    progress: Progress = lambda _done, _total: None,
) -> Restored:
    """Restore a generation into a data directory that is empty or not there.

    The database is a file in it, unless ``database_url`` names an empty one elsewhere. Without ``trust`` the trust file
    in the backup says by whose keys its entries count. ``procedures`` are in force before the log adopts any.
    ``progress`` counts entries, each twice: as it is put back, and as what follows from it is made.

    Raises Conflict if something is there, Damaged for a chunk that is not what was backed up, IntegrityBroken if the
    entries do not lead to the signed root, KeyMismatch and Unavailable. Nothing is left then that a service would take
    for a ledger.
    """
    size = backup.generation.size

    def read(done: int, total: int) -> None:
        progress(size * done // total, 2 * size)

    def rebuilt(done: int, total: int) -> None:
        progress(total + done, 2 * total)

    target = target.absolute()
    with _staged(target) as staging:
        files = _put_files(backup, staging)
        if trust is None:
            if not (staging / TRUST_FILE).is_file():
                raise MalformedInput("the backup has no trust file", field="trust", hint="Name it by --trust FILE.")
            trust = parse_trust((staging / TRUST_FILE).read_bytes())
        with closing(open_database(database_url or f"sqlite:///{staging / 'tallystick.db'}")) as database:
            tree = _of_table(backup, TREE.name, 0, TREE)[0]
            try:
                rows.begin_restoring(database, tree)
            except Conflict as error:
                if _is_cut_off(target):  # after the database was whole
                    raise error.amended(
                        hint=Message("If the restore before was cut off at its end, it is whole: tally audit")
                    ) from error
                raise
            _put_all(backup, database, read)
            findings = rebuild(database, trust, procedures or Procedures(), size, rebuilt)
            set_aside = settle(staging, database_url)
            if database_url is not None:
                # The database is the last to say that it is whole: until then the directory may be thrown away.
                (staging / UNFINISHED).touch()
                _publish(staging, target)
            rows.end_restoring(database, tree)
        if database_url is None:
            _publish(staging, target)
        else:
            (target / UNFINISHED).unlink()
    return Restored(backup.generation, tuple(files), tuple(findings), set_aside)


@contextmanager
def _staged(target: Path) -> Iterator[Path]:
    """Yield an empty folder beside ``target``, to be published by the block; what the block leaves of it is removed."""
    if target.exists() and not _is_cut_off(target) and (not target.is_dir() or any(target.iterdir())):
        raise Conflict(
            "{target} is not empty",
            target=target,
            field="data_dir",
            code="not_empty",
            hint="Name a directory that is empty or not there yet; nothing is written over.",
        )
    make_private_folder(target.parent)
    staging = target.with_name(f".{target.name}.restoring")
    with target.with_name(f".{target.name}.lock").open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Conflict("another restore into {target} is running", target=target, code="busy") from error
        try:
            shutil.rmtree(staging, ignore_errors=True)
            make_private_folder(staging)
            yield staging
        finally:
            shutil.rmtree(staging, ignore_errors=True)
            Path(lock.name).unlink(missing_ok=True)


def _is_cut_off(target: Path) -> bool:
    """Tell whether a restore was cut off when its directory had its name, and its database was not whole yet."""
    return (target / UNFINISHED).is_file()


def _publish(staging: Path, target: Path) -> None:
    """Give the folder its name, in the place of what a restore that was cut off left there."""
    sync_folder(staging)
    if _is_cut_off(target):
        shutil.rmtree(target)
    staging.rename(target)
    sync_folder(target.parent)


def _put_files(backup: OpenBackup, folder: Path) -> list[str]:
    for name, refs in backup.manifest.files.items():
        path = folder / name
        if not path.resolve().is_relative_to(folder.resolve()):
            raise Damaged("file {name} would not lie in the data directory", name=name)
        make_private_folder(path.parent)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY), "wb") as file:
            for ref in refs:
                try:
                    file.write(unpacked_file(backup.content(ref), name))
                except Damaged as error:
                    raise _damaged(Message("file {name}", name=name), error) from error
            file.flush()
            os.fsync(file.fileno())
    return sorted(backup.manifest.files)


def _put_all(backup: OpenBackup, database: Database, progress: Progress) -> None:
    """Put every row that was kept into the database but that of the tree, and the tree's tiles."""
    manifest, done, total = backup.manifest, 0, sum(1 for _ in backup.manifest.chunks())
    edge = RightEdge()
    for series in NUMBERED:
        for start, ref in backup.starts(series.name):
            by_table = _of_range(backup, series.name, start, ref)
            if series is LOG:
                appended = edge.append([leaf_hash(row["envelope"]) for row in by_table[ENTRIES]])
                edge = appended.edge
                tiles = [
                    {"level": tile.level, "tile_index": tile.index, "hashes": tile.hashes} for tile in appended.tiles
                ]
                rows.put_latest(database, {TILES: tiles})
            rows.put_rows(database, by_table)
            progress(done := done + 1, total)
    if edge.frontier.root().hex() != backup.generation.root:
        raise IntegrityBroken(
            "the entries of the backup do not lead to the root of its note",
            hint="Restore an older generation, and find out what happened to this one: tally backup verify",
        )
    for name, refs in manifest.tables.items():
        table = _table(name)
        for place in range(len(refs)):
            if table is not TREE:
                rows.put_rows(database, {table: _of_table(backup, name, place, table)})
            progress(done := done + 1, total)


def _of_range(backup: OpenBackup, name: str, start: int, ref: ChunkRef) -> dict[Table, list[Row]]:
    try:
        chunk = backup.rows_at(name, start, ref)
    except Damaged as error:
        where = Message("{name} {start} to {last}", name=name, start=start, last=start + ref.rows - 1)
        raise _damaged(where, error) from error
    tables = ((_table(part.table), part) for part in chunk.parts)
    return {table: kept_rows_of(table, part.columns, part.rows) for table, part in tables}


def _table(name: str) -> Table:
    table = rows.table_named(name)
    if table is None:
        raise rows.newer(name)
    return table


def _of_table(backup: OpenBackup, name: str, place: int, table: Table) -> list[Row]:
    try:
        chunk = unpacked_rows(backup.content(backup.manifest.tables[name][place]), name, place)
    except Damaged as error:
        where = Message("table {name}, part {place}", name=name, place=place)
        raise _damaged(where, error) from error
    return [row for part in chunk.parts for row in kept_rows_of(table, part.columns, part.rows)]


def _damaged(where: Message, error: Damaged) -> Damaged:
    return Damaged(
        "{where}: {error}",
        where=where,
        error=error,
        hint="Nothing was restored. tally backup verify names all that is damaged; restore another generation.",
    )
