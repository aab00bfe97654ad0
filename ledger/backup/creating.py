"""Creating a backup while the service runs.

Full ranges of rows that never change are read first, each in a short transaction of its own. Then one snapshot gives
the rest as of one moment: what has come since, ranges of which a section was erased, and the tables that are kept
whole. What is put is read from the database before; no snapshot waits for the place, unless so much is new in it that
it would fill the memory.

The log of reads is another store. It is read up to the last record that knows no more bindings than the snapshot has:
whatever the log has sealed of it lies before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import msgspec
from msgspec import Struct

from ledger.backup.chunks import FOLDER, MOST_CONTENT, ChunkRef, Vault, packed_file, packed_rows, path_of
from ledger.backup.generations import (
    FORMAT,
    NONE,
    Generation,
    Manifest,
    counts_of,
    numbers_at,
    read_generation,
    read_manifest,
    write_generation,
)
from ledger.core.encoding.digests import blake3_text
from ledger.core.errors import Conflict, IntegrityBroken, Unavailable
from ledger.core.log.notes import NoteSigner
from ledger.core.messages import Message, Progress
from ledger.core.trust.trust_file import Trust
from ledger.storage.objects import Objects, StoredObject
from ledger.store import backup as rows
from ledger.store import bindings, checkpoints, log
from ledger.store.backup import LOG, NUMBERED, READS, Numbered
from ledger.store.database import Connection, Database, Table
from ledger.store.log import TreeState

YOUNG_S = 12 * 3600  # seconds for which what no generation names is taken over from a run that was cut off
MOST_WAITING = 1 << 26  # bytes of sealed chunks that wait in memory, about
FILE_PART = 1 << 26  # bytes of a file in one chunk


class BackupAhead(IntegrityBroken):
    """The newest backup has what this database lacks: it was rolled back, or is another one."""

    code = "backup_ahead"


class Before(NamedTuple):
    """The newest generation that was there, and what it consists of."""

    generation: Generation
    manifest: Manifest


def is_for_others(before: Before | None, vault: Vault) -> bool:
    """Tell whether the generation before is encrypted to other recipients, who can open no chunk of the next."""
    return before is not None and before.manifest.name_key != vault.name_key


class Created(Struct, frozen=True):
    """What a run has made: a generation, the chunks that it wrote, and their bytes."""

    generation: Generation
    chunks: int
    stored: int


class _Task(NamedTuple):
    """A range that is to be read."""

    series: Numbered
    number: int
    end: int

    @property
    def start(self) -> int:
        """Return the number of its first row."""
        return self.number * rows.EACH


def newest_of(
    place: Objects, trust: Trust, identities: Sequence[str], remembered: tuple[int, str] | None
) -> Before | None:
    """Return the newest generation with its manifest, None if there is none.

    ``remembered`` are number and digest of the last one that was made from here. Raises IntegrityBroken if the place
    has it no more.
    """
    numbers = numbers_at(place)
    if remembered is not None and (not numbers or numbers[-1] < remembered[0]):
        raise IntegrityBroken(
            "the place had generation {number}, and has it no more",
            number=remembered[0],
            code="backup_rolled_back",
            hint="Somebody removed it or put back an older copy of the place. Find it, or name another place.",
        )
    if not numbers:
        return None
    generation = read_generation(place, numbers[-1], trust)
    if remembered is not None and generation.number == remembered[0] and generation.digest != remembered[1]:
        raise IntegrityBroken(
            "generation {number} is another one than was made here", number=remembered[0], code="backup_rolled_back"
        )
    return Before(generation, read_manifest(place, generation, identities))


def create(
    database: Database,
    place: Objects,
    vault: Vault,
    signer: NoteSigner,
    *,
    before: Before | None,
    files: Callable[[], Mapping[str, Path]],
    log_id: bytes,
    now: Callable[[], int],
    progress: Progress = lambda _done, _total: None,
) -> Created:
    """Write a generation with all that the database holds, and the files by their paths below the data directory.

    ``now`` gives unix seconds, ``progress`` counts entries. Only chunks that are not there are written. If the
    generation ``before`` is encrypted to other recipients, everything is: those of this one must be able to open it
    all.

    Raises BackupAhead if the database lacks what the generation ``before`` has, Conflict if another run has written a
    generation meanwhile, and Unavailable.
    """
    return _Creating(database, place, vault, before, progress, now()).run(signer, files, log_id)


@dataclass(eq=False, repr=False)
class _Creating:
    """One run. ``now`` is when it began, in unix seconds."""

    database: Database
    place: Objects
    vault: Vault
    before: Before | None
    progress: Progress
    now: int

    def __post_init__(self) -> None:
        self._there = self._usable(self.place.list(FOLDER))
        self._ranges = {series.name: self._full_before(series) for series in NUMBERED}
        self._waiting: dict[str, bytes] = {}  # chunks that are sealed and not at the place yet
        self._written: dict[str, int] = {}

    def run(self, signer: NoteSigner, files: Callable[[], Mapping[str, Path]], log_id: bytes) -> Created:
        with self.database.read() as connection:
            begun = log.tree(connection)
            self._require_continued(connection, begun)
            bound = bindings.head(connection)
        reads = rows.reads_within(self.database, bound)
        for task in self._missing(counts_of(begun.size, bound, reads)):
            with self.database.read() as connection:
                self._read(connection, task)
            self._write()
            if task.series is LOG:
                self.progress(task.end, begun.size)
        manifest, tree = self._rest(begun, files)
        self._write()
        self.progress(tree.size, tree.size)
        self._require_all(manifest)
        content = msgspec.json.encode(manifest)
        previous = self.before.generation if self.before else None
        generation = Generation(
            log_id="0x" + log_id.hex(),
            number=previous.number + 1 if previous else 1,
            made_at=self.now,
            size=tree.size,
            root=tree.root.hex(),
            previous=previous.digest if previous else NONE,
            manifest=blake3_text(content),
            packed=len(content),
        )
        if not write_generation(self.place, generation, content, self.vault, signer):
            raise Conflict(
                "another run has made generation {generation.number} meanwhile",
                generation=generation,
                code="backup_overtaken",
                hint="Nothing is lost: what this one wrote is taken over by the next.",
            )
        return Created(generation, len(self._written), sum(self._written.values()))

    # -- what is there -------------------------------------------------------------------------------------------------

    def _usable(self, listed: Iterable[StoredObject]) -> dict[str, int]:
        """Return the bytes of the chunks that may be named again: those of the generation before, and young ones.

        Others are left behind, and ``prune`` may delete them at any moment.
        """
        named = {ref.path: ref.stored for ref in self.before.manifest.chunks()} if self.before else {}
        return {
            each.name: each.size
            for each in listed
            if named.get(each.name) == each.size or (each.name not in named and self.now - each.written_at < YOUNG_S)
        }

    def _full_before(self, series: Numbered) -> dict[int, tuple[ChunkRef, ...]]:
        """Return the full ranges of the generation before whose chunks are still there."""
        if self.before is None or is_for_others(self.before, self.vault):
            return {}
        ranges = self.before.manifest.numbered.get(series.name, ())
        count = self.before.manifest.counts(self.before.generation.size)[series.name]
        return {
            number: refs
            for number, refs in enumerate(ranges)
            if (number + 1) * rows.EACH <= count and all(self._there.get(ref.path) == ref.stored for ref in refs)
        }

    def _require_continued(self, connection: Connection, tree: TreeState) -> None:
        if self.before is None:
            return
        generation, manifest = self.before
        if generation.log_id != "0x" + tree.log_id.hex():
            raise Conflict("the place has backups of another ledger", code="backup_refused", hint="Name another place.")
        is_prefix = log.root_at(connection, generation.size) == bytes.fromhex(generation.root)
        has_bindings = rows.has_bindings(connection, manifest.bindings)
        if not is_prefix or not has_bindings or not rows.has_reads(self.database, manifest.reads):
            raise BackupAhead(
                "the newest backup has {generation.size} entries, and the database does not continue them",
                generation=generation,
                hint="The database was rolled back, or restored from an older backup. Restore the newest one; if that "
                "cannot be, name another place for the backups of this database.",
            )

    # -- reading and writing -------------------------------------------------------------------------------------------

    def _missing(self, counts: Mapping[str, int]) -> Iterator[_Task]:
        """Yield the full ranges that no chunk has yet."""
        for series in NUMBERED:
            for number in range(counts[series.name] // rows.EACH):
                if number not in self._ranges[series.name]:
                    yield _Task(series, number, (number + 1) * rows.EACH)

    def _read(self, connection: Connection, task: _Task) -> None:
        """Read a range and name its chunks."""
        if task.series is READS:
            parts = rows.read_reads(self.database, task.start, task.end)
        else:
            parts = rows.read_range(connection, task.series, task.start, task.end)
        refs: list[ChunkRef] = []
        for part in parts:
            named = {str(table.name): (rows.columns_of(table), values) for table, values in part.by_table.items()}
            refs.append(self._named(packed_rows(task.series.name, part.start, named), part.numbers))
        self._ranges[task.series.name][task.number] = tuple(refs)

    def _rest(self, begun: TreeState, files: Callable[[], Mapping[str, Path]]) -> tuple[Manifest, TreeState]:
        """Read the rest as of one moment; return the manifest and the tree of that moment."""
        since = self.before.generation.size if self.before else begun.size
        tables: dict[str, tuple[ChunkRef, ...]] = {}
        with self.database.read() as connection:
            tree = log.tree(connection)
            bound = bindings.head(connection)
            published = checkpoints.last_published(connection)
            reads = rows.reads_within(self.database, bound)
            counts = counts_of(tree.size, bound, reads)
            for index in rows.erased_since(connection, min(since, begun.size), tree.size):
                self._ranges[LOG.name].pop(index // rows.EACH, None)
            for task in (*self._missing(counts), *_begun_ranges(counts)):
                self._read(connection, task)
            for table in rows.whole_tables():
                tables[str(table.name)] = tuple(self._named_parts(connection, table))
        manifest = Manifest(
            format=FORMAT,
            program=version("tallystick"),
            name_key=self.vault.name_key,
            checkpoint=published.note if published else "",
            bindings=bound,
            reads=reads,
            numbered={name: tuple(refs[number] for number in sorted(refs)) for name, refs in self._ranges.items()},
            tables=tables,
            files={name: tuple(self._named_file(name, path)) for name, path in files().items()},
        )
        return manifest, tree

    def _named_parts(self, connection: Connection, table: Table) -> Iterator[ChunkRef]:
        name, columns = str(table.name), rows.columns_of(table)
        for place, part in enumerate(rows.read_parts(connection, table)):
            yield self._named(packed_rows(name, place, {name: (columns, part)}), len(part))

    def _named_file(self, name: str, path: Path) -> Iterator[ChunkRef]:
        with path.open("rb") as file:
            while True:
                data = file.read(FILE_PART)
                yield self._named(packed_file(name, data))
                self._write()
                if len(data) < FILE_PART:
                    return

    def _named(self, content: bytes, count: int = 0) -> ChunkRef:
        """Return the reference of a chunk, which is written next unless it is there."""
        if len(content) > MOST_CONTENT:
            raise IntegrityBroken("a chunk of {size} bytes is too large for a backup", size=len(content))
        name = self.vault.name_of(content)
        path = path_of(name)
        if path not in self._there:
            self._waiting[path] = self.vault.seal(content)
            self._there[path] = len(self._waiting[path])
            if sum(map(len, self._waiting.values())) > MOST_WAITING:
                self._write()
        return ChunkRef(name, len(content), self._there[path], count)

    def _write(self) -> None:
        """Write the chunks that wait."""
        while self._waiting:
            path, sealed = self._waiting.popitem()
            self.place.put(path, sealed)
            self._written[path] = len(sealed)

    def _require_all(self, manifest: Manifest) -> None:
        """Require that the place lists every chunk, before a generation names them."""
        listed = {each.name: each.size for each in self.place.list(FOLDER)}
        lacking = [ref for ref in manifest.chunks() if listed.get(ref.path) != ref.stored]
        if lacking:
            raise Unavailable(
                "the place lacks {count} chunks that were written",
                count=len(lacking),
                code="store_unavailable",
                hint=Message("Was it emptied meanwhile? Run the command again: it writes what is missing."),
            )


def _begun_ranges(counts: Mapping[str, int]) -> Iterator[_Task]:
    """Yield the last range of each series, if it is not full."""
    for series in NUMBERED:
        if counts[series.name] % rows.EACH:
            yield _Task(series, counts[series.name] // rows.EACH, counts[series.name])
