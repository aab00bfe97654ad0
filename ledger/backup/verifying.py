"""Verifying a backup: every chunk is opened, and what it has must lead to what the signed note says.

The root of the tree is computed from the entries, and compared with the note and with the checkpoint that the log
published; each payload with the digest in its entry's row; the two chains of records, each record with the one before.
An audit of what was restored checks all the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from itertools import chain, count
from typing import Literal

from msgspec import Struct

from ledger.backup.chunks import ChunkRef, Damaged, RowChunk, Vault, stored_at, unpacked_file, unpacked_rows
from ledger.backup.generations import Generation, Manifest
from ledger.core.encoding.digests import blake3_text
from ledger.core.errors import TallystickError
from ledger.core.log.checkpoints import verify_checkpoint
from ledger.core.log.merkle import EMPTY_TREE, Frontier, leaf_hash
from ledger.core.messages import Message, Progress
from ledger.core.trust.trust_file import Trust
from ledger.storage.objects import Objects
from ledger.store import backup as rows
from ledger.store.backup import BOUND, LOG, READS, columns_of
from ledger.store.bindings import FIRST
from ledger.store.tables import ENTRIES

MOST_FAULTS = 100  # that are named


class Verified(Struct, frozen=True):
    """What a verification came to; ``findings`` say what is wrong, ``not_checked`` what could not be looked at.

    ``made_at`` is in unix seconds, 0 where the note does not hold.
    """

    verdict: Literal["intact", "tampered", "unverifiable"]
    generation: int
    made_at: int
    size: int
    root: str
    chunks: int
    stored: int
    findings: tuple[str, ...]
    not_checked: tuple[str, ...]


class OpenBackup(Struct, frozen=True, dict=True):
    """A generation whose manifest is opened."""

    place: Objects
    generation: Generation
    manifest: Manifest
    identities: tuple[str, ...]

    @cached_property
    def _vault(self) -> Vault:
        """Return what opens its chunks."""
        return Vault((), self.identities, self.manifest.name_key)

    def content(self, ref: ChunkRef) -> bytes:
        """Return the content of a chunk. Raises Damaged, KeyMismatch, Unavailable."""
        return self._vault.content_of(ref, stored_at(self.place, ref.path, ref.most))

    def starts(self, name: str) -> Iterator[tuple[int, ChunkRef]]:
        """Yield each chunk of a numbered series with the number of its first row.

        Raises Damaged if they do not have as many rows as there are.
        """
        total, start = self.manifest.counts(self.generation.size)[name], 0
        for number, refs in enumerate(self.manifest.numbered.get(name, ())):
            if sum(ref.rows for ref in refs) != min(rows.EACH, max(0, total - number * rows.EACH)):
                raise Damaged("{name} from {start} on are not in the manifest", name=name, start=start)
            for ref in refs:
                yield start, ref
                start += ref.rows
        if start != total:
            raise Damaged("{name} from {start} on are not in the manifest", name=name, start=start)

    def rows_at(self, name: str, start: int, ref: ChunkRef) -> RowChunk:
        """Return the rows of a chunk. Raises Damaged if they are not those of its place."""
        chunk = unpacked_rows(self.content(ref), name, start)
        if not chunk.parts or len(chunk.parts[0].rows) != ref.rows:
            raise Damaged("it has not the {ref.rows} rows of its place", ref=ref)
        return chunk


def verify(backup: OpenBackup, trust: Trust | None, progress: Progress = lambda _done, _total: None) -> Verified:
    """Verify a generation whose note and manifest hold. Without ``trust`` no signature is checked.

    ``progress`` counts chunks that were opened. Raises KeyMismatch and Unavailable.
    """
    refs = [*backup.manifest.chunks()]
    numbers = count(1)

    def looked() -> None:
        progress(next(numbers), len(refs))

    manifest, generation = backup.manifest, backup.generation
    findings: list[Message] = []
    for fault in chain(
        _of_entries(backup, trust, looked),
        _of_chain(backup, BOUND.name, (manifest.bindings.count, manifest.bindings.digest), looked),
        _of_chain(backup, READS.name, (manifest.reads.count, manifest.reads.digest), looked),
        _of_tables(backup, looked),
        _of_files(backup, looked),
    ):
        if len(findings) < MOST_FAULTS:
            findings.append(fault)
    not_checked = [] if trust else [Message("no signature was checked: no trust file was named")]
    return Verified(
        verdict="tampered" if findings else "unverifiable" if not_checked else "intact",
        generation=generation.number,
        made_at=generation.made_at,
        size=generation.size,
        root=generation.root,
        chunks=len(refs),
        stored=sum(ref.stored for ref in refs),
        findings=tuple(findings),
        not_checked=tuple(not_checked),
    )


def refused(number: int, error: TallystickError) -> Verified:
    """Return what a verification came to of a generation whose note or manifest does not hold."""
    return Verified("tampered", number, 0, 0, "", 0, 0, (error.text,), ())


def _opened(
    backup: OpenBackup, name: str, looked: Callable[[], None], faults: list[Message]
) -> Iterator[tuple[int, RowChunk | None]]:
    """Yield each chunk by its first number, None in the place of one that is not what was backed up.

    Here and below ``looked`` is called at each chunk.
    """
    try:
        for start, ref in backup.starts(name):
            chunk: RowChunk | None = None
            try:
                chunk = backup.rows_at(name, start, ref)
            except Damaged as error:
                where = Message("{name} {start} to {last}", name=name, start=start, last=start + ref.rows - 1)
                faults.append(_damage_of(where, error, ref))
            looked()
            yield start, chunk
    except Damaged as error:
        faults.append(error.text)
        yield -1, None


def _damage_of(where: Message, error: TallystickError, ref: ChunkRef) -> Message:
    """Say what is wrong with a chunk, and where it is kept."""
    return Message("{where}: {error}: {ref.path}", where=where, error=error, ref=ref)


def _of_entries(backup: OpenBackup, trust: Trust | None, looked: Callable[[], None]) -> Iterator[Message]:
    """Yield what is wrong with the entries and the tree over them."""
    faults: list[Message] = []
    generation, note = backup.generation, backup.manifest.checkpoint
    names = columns_of(ENTRIES)
    index_at, envelope_at = names.index("log_index"), names.index("envelope")
    payload_at, digest_at = names.index("payload"), names.index("payload_digest")
    tree: Frontier | None = EMPTY_TREE
    published, root_then = _published_size(note), b""
    for start, chunk in _opened(backup, LOG.name, looked, faults):
        if chunk is None or chunk.parts[0].columns != names:
            if chunk is not None:
                faults.append(Message("entries {start} and following have other columns", start=start))
            tree = None
            continue
        entries = chunk.parts[0].rows
        for offset, row in enumerate(entries):
            if row[index_at] != start + offset:
                faults.append(Message("entry {index} is not in its place", index=start + offset))
            elif blake3_text(row[payload_at]) != row[digest_at]:
                faults.append(Message("the payload of entry {index} is another one", index=start + offset))
        if tree is not None:
            leaves = [leaf_hash(row[envelope_at]) for row in entries]
            cut = published - start
            if 0 < cut <= len(leaves):
                root_then = tree.append(leaves[:cut]).root()
            tree = tree.append(leaves)
    if tree is not None:
        if tree.root().hex() != generation.root:
            faults.append(
                Message("the entries lead to the root {root}, not to that of the note", root=tree.root().hex())
            )
        elif note:
            faults += _of_checkpoint(note, trust, published, root_then)
    yield from faults


def _published_size(note: str) -> int:
    """Return the size of a checkpoint's note, -1 if it has none."""
    size = note.split("\n", 2)[1] if note.count("\n") > 1 else ""
    return int(size) if size.isdecimal() and len(size) < 17 else -1


def _of_checkpoint(note: str, trust: Trust | None, size: int, root: bytes) -> Iterator[Message]:
    if trust is None:
        return
    try:
        checkpoint = verify_checkpoint(note, trust.log_key_of(note))
    except TallystickError as error:
        yield Message("{where}: {error}", where=Message("the checkpoint"), error=error)
        return
    if checkpoint.size and (checkpoint.size, bytes(checkpoint.root)) != (size, root):
        yield Message("the entries do not lead to the checkpoint of size {size}", size=checkpoint.size)


def _of_chain(backup: OpenBackup, name: str, head: tuple[int, str], looked: Callable[[], None]) -> Iterator[Message]:
    """Yield what is wrong with a chain of records, each of which has the digest of the one before."""
    faults: list[Message] = []
    end, digest = 0, FIRST
    whole = True
    for start, chunk in _opened(backup, name, looked, faults):
        if chunk is None:
            whole = False
            continue
        part = chunk.parts[0]
        at = {column: part.columns.index(column) for column in ("number", "record", "digest")}
        for offset, row in enumerate(part.rows):
            if row[at["number"]] != start + offset or blake3_text(row[at["record"]]) != row[at["digest"]]:
                faults.append(Message("record {number} of {name} is another one", number=start + offset, name=name))
            end, digest = start + offset + 1, row[at["digest"]]
    if whole and (end, digest) != head:
        faults.append(Message("the records of {name} do not lead to the head of the backup", name=name))
    yield from faults


def _of_tables(backup: OpenBackup, looked: Callable[[], None]) -> Iterator[Message]:
    for name, refs in backup.manifest.tables.items():
        for place, ref in enumerate(refs):
            try:
                chunk = unpacked_rows(backup.content(ref), name, place)
                if sum(len(part.rows) for part in chunk.parts) != ref.rows:
                    raise Damaged("it has not the {ref.rows} rows of its place", ref=ref)
            except Damaged as error:
                yield _damage_of(Message("table {name}, part {place}", name=name, place=place), error, ref)
            looked()


def _of_files(backup: OpenBackup, looked: Callable[[], None]) -> Iterator[Message]:
    for path, refs in backup.manifest.files.items():
        for ref in refs:
            try:
                unpacked_file(backup.content(ref), path)
            except Damaged as error:
                yield _damage_of(Message("file {path}", path=path), error, ref)
            looked()
