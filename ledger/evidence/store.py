"""The evidence store: files by their BLAKE3 digest, ``blake3/<first two digits>/<all 64 digits>``.

A file is written without a name, made durable and only then linked to its name, once. So any number of writers and
readers may share a store, and a killed writer leaves nothing. The file system must support unnamed files (O_TMPFILE).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from ledger.config.secret_files import sync_folder
from ledger.core.encoding.digests import Algorithm, Digest
from ledger.core.errors import IntegrityBroken, TallystickError
from ledger.core.messages import Message
from ledger.evidence.bag import FileFinding
from ledger.evidence.folder import Folder
from ledger.evidence.hashing import (
    BOTH,
    SILENT,
    Hashed,
    HashingProgress,
    NotWritten,
    UnreadableFile,
    hash_file,
    hash_open,
    opened,
)
from ledger.evidence.names import printable

READ_ONLY = 0o444


class EvidenceStore:
    """The store in ``folder``, which is created with the first file."""

    def __init__(self, folder: Path):
        self._files = folder / Algorithm.BLAKE3

    def path(self, digest: Digest) -> Path:
        """Return the path of a file with this BLAKE3 digest. Requires a BLAKE3 digest."""
        return self._files / digest.value.hex()[:2] / digest.value.hex()

    def put(
        self, source: Path, algorithms: Sequence[Algorithm] = BOTH, *, progress: HashingProgress = SILENT
    ) -> Hashed:
        """Store a copy of the file, hashed in the same pass; durable when this returns.

        Raises what hash_file does, and IntegrityBroken if the store has other bytes under this digest.
        """
        name = printable(str(source))
        with opened(source, name) as descriptor:
            return self.put_open(descriptor, name, algorithms, progress=progress)

    def put_open(
        self, descriptor: int, name: str, algorithms: Sequence[Algorithm] = BOTH, *, progress: HashingProgress = SILENT
    ) -> Hashed:
        """Store a copy of an open file, which errors call ``name``; as ``put``."""
        known_by = algorithms if Algorithm.BLAKE3 in algorithms else (Algorithm.BLAKE3, *algorithms)
        try:
            self._files.mkdir(parents=True, exist_ok=True)
            fresh = os.open(self._files, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, READ_ONLY)
            try:
                hashed = hash_open(descriptor, name, known_by, copy_to=fresh, progress=progress)
                os.fsync(fresh)
                self._link(fresh, next(digest for digest in hashed.digests if digest.algorithm is Algorithm.BLAKE3))
            finally:
                os.close(fresh)
        except OSError as error:
            raise NotWritten("the store cannot be written: {error.strerror}", error=error, field="--store") from error
        return Hashed(hashed.size, tuple(digest for digest in hashed.digests if digest.algorithm in algorithms))

    def _link(self, fresh: int, digest: Digest) -> None:
        """Give the unnamed file its one name (the commit point)."""
        kept = self.path(digest)
        kept.parent.mkdir(exist_ok=True)
        try:
            os.link(f"/proc/self/fd/{fresh}", kept, src_dir_fd=fresh, follow_symlinks=True)
        except FileExistsError:
            if hash_file(kept, (Algorithm.BLAKE3,)).digests != (digest,):
                raise IntegrityBroken(
                    "the store holds other bytes as {digest}", digest=digest, field="--store"
                ) from None
        sync_folder(kept.parent)
        sync_folder(self._files)

    def check(self, *, progress: HashingProgress = SILENT) -> Iterator[FileFinding]:
        """Read every file and yield those that do not match their name. Raises MalformedInput if there is no store."""

        def paths() -> Iterator[str]:
            for stored_file in folder.walk():
                progress.expect(1, stored_file.size or 0)
                yield stored_file.path

        def hash_stored(path: str, descriptor: int) -> Hashed:
            return hash_open(descriptor, printable(path), (Algorithm.BLAKE3,), progress=progress)

        with Folder(self._files) as folder:
            for path, outcome in folder.each(paths(), hash_stored):
                shown = printable(path)
                if isinstance(outcome, UnreadableFile):
                    yield FileFinding("unreadable", shown, outcome.text)
                elif isinstance(outcome, TallystickError):
                    yield FileFinding("no_file", shown, outcome.text)
                elif path != str(self.path(outcome.digests[0]).relative_to(self._files)):
                    yield FileFinding("changed", shown, Message("{digest} found", digest=outcome.digests[0]))
