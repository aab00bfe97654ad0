"""A backup of a long ledger, one more after new entries, its verification, and a restore.

python -m scripts.bench.backup [--entries N] [--new N] [--folder DIRECTORY] [--json FILE]

The entries are true ones, each signed: a restore folds their cases. Nobody judges them before, and no list has them
until they are restored. A ledger that is in ``--folder`` from an earlier run is filled up; an entry takes 2 KB there,
and the restored one 3 KB.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import shutil
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from ledger.audit import audit_log, left_out
from ledger.backup.chunks import new_identity, public_of, vault_of_machine
from ledger.backup.creating import create, newest_of
from ledger.backup.generations import numbers_at, read_generation, read_manifest
from ledger.backup.restoring import restore
from ledger.backup.verifying import OpenBackup, verify
from ledger.core.events import Submitted, decode_submission
from ledger.core.log.merkle import leaf_hash
from ledger.core.log.tiles import RightEdge
from ledger.procedures import shipped_procedures
from ledger.recording.clock import now_ms
from ledger.storage.objects import FolderObjects
from ledger.store import log
from ledger.store.append import NewEntry, ValidatedSubmission, write_batch
from ledger.store.database import attach
from ledger.store.log import TreeState
from scripts.bench.audit import apart, fill
from scripts.bench.events import submissions
from scripts.bench.figures import Figure, options, show
from scripts.campaigns.casework import LOG_ID, LOG_SIGNER, TRUST, recording_into

PIECE = 4_000  # entries that are signed, and written, at a time
MEMORY_MB = 700


class Cost(NamedTuple):
    """What a step took: seconds, those of the processors, the largest process, and the bytes that it wrote."""

    wall: float
    cpu: float
    memory_mb: float
    written: int = 0


def main() -> None:
    """Measures and shows."""
    args = options(__doc__, entries=1_000_000, new=1_000, folder=tempfile.gettempdir())
    folder = Path(args.folder) / "tallystick-bench-backup"
    folder.mkdir(parents=True, exist_ok=True)
    url = f"sqlite:///{folder}/ledger.db"
    size = apart(lay, url, args.entries)
    for name in ("place", "restored"):
        shutil.rmtree(folder / name, ignore_errors=True)
    secret, machine = new_identity()[0], new_identity()[0]
    copied = apart(copy, folder)
    first = apart(create_one, folder, secret, machine)
    apart(fill, url, size + args.new, size)
    second = apart(create_one, folder, secret, machine)
    checked = apart(verify_newest, folder, secret)
    restored = apart(restore_newest, folder, secret)
    audited = apart(audit_restored, folder)
    database = (folder / "ledger.db").stat().st_size
    of = f"of {size:,} entries"
    figures = [
        Figure(f"first backup {of}", first.wall, "copy of the file", copied.wall, "s", "<= 30"),
        Figure("bytes of it", first.written, "database", database, "bytes", "<= 0.4"),
        Figure(f"backup of {args.new:,} more", second.wall, "first backup", first.wall, "s", "<= 0.1"),
        Figure("bytes of it", second.written, "first backup", first.written, "bytes", "<= 0.05"),
        Figure("verification", checked.wall, "first backup", first.wall, "s", "<= 2"),
        Figure("restore", restored.wall, "audit of what is restored", audited.wall, "s", "<= 2"),
        Figure("memory of the largest process", max(map(memory_of, (first, second, checked, restored))), "limit",
               MEMORY_MB, "MB", "<= 1"),
    ]  # fmt: skip
    show("Backup", figures, args.json)
    for name, cost in (("create", first), ("create again", second), ("verify", checked), ("restore", restored)):
        print(f"{name}: {cost.wall:.1f} s, {cost.cpu:.1f} s of the processors, {cost.memory_mb:.0f} MB")


def memory_of(cost: Cost) -> float:
    return cost.memory_mb


def lay(url: str, entries: int) -> int:
    """Bring the log to about so many entries that nobody has judged, and return how many it has."""
    with recording_into(url) as recording:
        database = recording.database
        with database.read() as connection:
            tree = log.tree(connection)
            edge = RightEdge.read(tree.size, log.tile_reader(connection))
        pieces = range(tree.size, entries, PIECE)
        with ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("spawn")) as executor:
            for start, bodies in zip(pieces, executor.map(signed, pieces), strict=True):
                submitted = [decode_submission(body) for body in bodies]
                grown = edge.append([leaf_hash(each.envelope_bytes) for each in submitted])
                placed = [
                    NewEntry(edge.size + offset, ValidatedSubmission(**in_fields(each), registry_changes=0))
                    for offset, each in enumerate(submitted)
                ]
                new = TreeState(tree.log_id, grown.size, grown.root, tree.registry_changes, now_ms())
                with database.write() as connection:
                    write_batch(connection, database, placed, grown.tiles, new)
                edge = grown.edge
                if start % 100_000 < PIECE:
                    print(f"{edge.size:,} entries", flush=True)
        recording.publisher.publish(database, now_ms())
    return edge.size


def in_fields(each: Submitted) -> dict[str, Any]:
    return {name: getattr(each, name) for name in Submitted.__struct_fields__}


def signed(start: int) -> list[bytes]:
    """The submissions of a piece."""
    return submissions(PIECE, f"{start}")


def costs(began: tuple[float, float], written: int = 0) -> Cost:
    """Return what it took since, in this process and those that it started."""
    wall, cpu = began
    memory = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return Cost(time.perf_counter() - wall, processors() - cpu, memory / 1024, written)


def processors() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def begin() -> tuple[float, float]:
    return time.perf_counter(), processors()


def copy(folder: Path) -> Cost:
    """The file of the database, copied."""
    began = begin()
    shutil.copyfile(folder / "ledger.db", folder / "copy.db")
    cost = costs(began)
    (folder / "copy.db").unlink()
    return cost


def create_one(folder: Path, secret: str, machine: str) -> Cost:
    """A generation more."""
    began, place = begin(), FolderObjects(folder / "place", is_made=True)
    database = attach(f"sqlite:///{folder}/ledger.db")
    created = create(
        database,
        place,
        vault_of_machine([public_of(secret)], machine),
        LOG_SIGNER,
        before=newest_of(place, TRUST, [machine], None),
        files=dict,
        log_id=LOG_ID,
        now=lambda: int(time.time()),
    )
    database.close()
    return costs(began, created.stored)


def opened(folder: Path, secret: str) -> OpenBackup:
    """The newest generation."""
    place = FolderObjects(folder / "place", is_made=True)
    generation = read_generation(place, numbers_at(place)[-1], TRUST)
    return OpenBackup(place, generation, read_manifest(place, generation, [secret]), (secret,))


def verify_newest(folder: Path, secret: str) -> Cost:
    """All of it."""
    began = begin()
    report = verify(opened(folder, secret), TRUST)
    if report.verdict != "intact":
        raise SystemExit(f"the verification found {report.findings[:3]}")
    return costs(began)


def restore_newest(folder: Path, secret: str) -> Cost:
    """Into a new folder."""
    began = begin()
    done = restore(opened(folder, secret), folder / "restored", None, TRUST, procedures=shipped_procedures())
    if done.findings:
        raise SystemExit(f"the restore found {done.findings[:3]}")
    return costs(began)


def audit_restored(folder: Path) -> Cost:
    """What was restored, but for a chain, which such a ledger has none of."""
    began: Any = begin()
    database = attach(f"sqlite:///{folder}/restored/tallystick.db")
    report = audit_log(database, TRUST, shipped_procedures(), look=left_out)
    database.close()
    if report.findings:
        raise SystemExit(f"the audit found {report.findings[:3]}")
    return costs(began)


if __name__ == "__main__":
    main()
