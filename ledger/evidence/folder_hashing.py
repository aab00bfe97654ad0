"""Hashing of all files of a folder, or of many: by a process for each core.

Python's own work for small files does not run in parallel threads.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from itertools import chain, cycle, islice
from pathlib import Path

import blake3

from ledger.core.encoding.digests import Algorithm, Digest
from ledger.core.errors import MalformedInput, TallystickError
from ledger.evidence import small_files_child
from ledger.evidence.folder import Folder, FolderEntry
from ledger.evidence.hashing import BOTH, SILENT, Hashed, HashingProgress, hash_open
from ledger.evidence.names import printable
from ledger.evidence.small_files_child import DIGEST_LENGTH, NOT_MINE, record_of
from ledger.evidence.store import EvidenceStore

WORTH = 1_000  # files from which processes are worth their start
LIMIT = 64 * 1024 * 1024  # bytes; larger files are not given to a process, which uses one core
TOGETHER = 128  # files of one request to a process
AHEAD = 3  # requests to each process before its first answer is awaited; answers must fit into a pipe (64 KiB)
_KNOWN = {Algorithm.BLAKE3, Algorithm.SHA256}

HashedPath = tuple[str, Hashed | TallystickError]  # a path below the folder, with its digests or why it has none


def hash_each(
    folder: Folder,
    paths: Iterable[str],
    algorithms: Sequence[Algorithm],
    progress: HashingProgress,
) -> Generator[HashedPath, None, None]:
    """Yield each path below the folder, in this order, with what ``hash_open`` returns of it or its error."""

    def action(path: str, descriptor: int) -> Hashed:
        return hash_open(descriptor, printable(path), algorithms, progress=progress)

    rest = iter(paths)
    first = list(islice(rest, WORTH))
    if len(first) < WORTH or not _KNOWN.issuperset(algorithms):
        yield from folder.each(chain(first, rest), action)
        return
    with ExitStack() as stack:
        crew = [stack.enter_context(_HashingProcess(folder, algorithms)) for _ in range(os.cpu_count() or 1)]
        for path, hashed in _answers_of(crew, chain(first, rest)):
            if hashed is None:
                yield path, folder.apply(path, action)
                continue
            progress.advance(hashed.size)
            progress.finish_file()
            yield path, hashed


def _answers_of(crew: Sequence[_HashingProcess], paths: Iterator[str]) -> Iterator[tuple[str, Hashed | None]]:
    """Yield each path with a process's digests, or None if it is not for processes."""
    pending: deque[tuple[_HashingProcess, list[str]]] = deque()
    for process in cycle(crew):
        if batch := list(islice(paths, TOGETHER)):
            process.ask(batch)
            pending.append((process, batch))
        if not batch or len(pending) > AHEAD * len(crew):
            if not pending:
                return
            answering, names = pending.popleft()
            yield from zip(names, answering.answers(len(names)), strict=True)


class _HashingProcess:
    """Answers in the order of requests. After it has ended, every file is answered with None."""

    def __init__(self, folder: Folder, algorithms: Sequence[Algorithm]):
        where = str(Path(blake3.__file__).parent.parent)
        self._parts = [
            (algorithm, slice(position * DIGEST_LENGTH, (position + 1) * DIGEST_LENGTH))
            for position, algorithm in enumerate(algorithms)
        ]
        self._record = record_of(len(algorithms))
        command = [sys.executable, "-I", "-S", small_files_child.__file__, where, str(folder.descriptor), str(LIMIT)]
        self._child = subprocess.Popen(
            [*command, *algorithms],
            pass_fds=[folder.descriptor],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def __enter__(self) -> _HashingProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self._child.kill()
        with suppress(BrokenPipeError), self._child:
            pass  # its pipes are closed, and it is waited for

    def ask(self, paths: Iterable[str]) -> None:
        assert self._child.stdin is not None, "it is a pipe"
        with suppress(BrokenPipeError):
            self._child.stdin.write(b"".join(os.fsencode(path) + small_files_child.END for path in paths))
            self._child.stdin.flush()

    def answers(self, count: int) -> Iterator[Hashed | None]:
        assert self._child.stdout is not None, "it is a pipe"
        records = self._child.stdout.read(count * self._record.size)
        if len(records) < count * self._record.size:
            return iter([None] * count)
        return self._hashed(records)

    def _hashed(self, records: bytes) -> Iterator[Hashed | None]:
        for size, digests in self._record.iter_unpack(records):
            if size == NOT_MINE:
                yield None
            else:
                yield Hashed(size, tuple([Digest(algorithm, digests[part]) for algorithm, part in self._parts]))


def hash_folder(
    path: Path,
    algorithms: Sequence[Algorithm] = BOTH,
    *,
    store: EvidenceStore | None = None,
    progress: HashingProgress = SILENT,
) -> Iterator[tuple[str, Hashed]]:
    """Yield each file's path below the folder with its digests, in the order of paths; store each if a store is given.

    Raises MalformedInput for what is no regular file or cannot be read, IntegrityBroken for a file that changes.
    """
    with Folder(path) as folder:
        for present_file in folder.walk():  # so that nothing is hashed where something is refused
            _path_of_file(present_file)
            progress.expect(1, present_file.size or 0)
        paths = map(_path_of_file, folder.walk())
        if store is None:
            outcomes = hash_each(folder, paths, algorithms, progress)
        else:
            put_open = partial(store.put_open, algorithms=algorithms, progress=progress)
            outcomes = folder.each(paths, lambda name, descriptor: put_open(descriptor, printable(name)))
        for name, hashed in outcomes:
            if isinstance(hashed, TallystickError):
                raise hashed
            yield name, hashed


def _path_of_file(present: FolderEntry) -> str:
    if present.size is None:
        raise MalformedInput(
            "{present_file} is a link, a pipe or a device", present_file=printable(present.path), field="file"
        )
    return present.path
