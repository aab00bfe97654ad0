"""Digests of all files in a folder, in the order of their paths."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from ledger.core.encoding.digests import Algorithm
from ledger.core.errors import MalformedInput, TallystickError
from ledger.evidence.folder import Folder
from ledger.evidence.hashing import BOTH, Hashed
from ledger.evidence.names import from_line, printable, to_line
from ledger.evidence.processes import hash_each
from ledger.evidence.progress import SILENT, Progress
from ledger.evidence.spool import sort_lines
from ledger.evidence.store import Store


def hash_folder(
    path: Path, algorithms: Sequence[Algorithm] = BOTH, *, store: Store | None = None, progress: Progress = SILENT
) -> Iterator[tuple[str, Hashed]]:
    """Yield each file's path below the folder with its digests; each is stored if a store is given.

    Raises MalformedInput for what is no regular file or cannot be read, IntegrityBroken for a file that changes.
    """
    with Folder(path) as folder:
        lines = sort_lines(_lines(folder, progress))
        paths = map(from_line, lines)
        if store is None:
            outcomes = hash_each(folder, paths, algorithms, progress)
        else:
            outcomes = folder.each(paths, partial(_kept, algorithms, store, progress))
        for name, hashed in outcomes:
            if isinstance(hashed, TallystickError):
                raise hashed
            yield name, hashed


def _lines(folder: Folder, progress: Progress) -> Iterator[bytes]:
    for present_file in folder.walk():
        if present_file.size is None:
            raise MalformedInput(f"{printable(present_file.path)} is a link, a pipe or a device", field="file")
        progress.expect(1, present_file.size)
        yield to_line(present_file.path)


def _kept(algorithms: Sequence[Algorithm], store: Store, progress: Progress, path: str, descriptor: int) -> Hashed:
    return store.put_open(descriptor, printable(path), algorithms, progress=progress)
