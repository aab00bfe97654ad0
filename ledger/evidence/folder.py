"""A folder that may be an attacker's: walked and read without following links or waiting for pipes.

Every path is opened relative to an open folder, so that a folder replaced by a link meanwhile leads nowhere else.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from itertools import groupby, islice
from pathlib import Path
from stat import S_ISREG
from typing import TypeVar

from msgspec import Struct

from ledger.core.errors import MalformedInput, TallystickError
from ledger.evidence.hashing import cannot_be_read, opened, require_regular
from ledger.evidence.names import from_line, printable, sort_lines, to_line

T = TypeVar("T")

MAX_DEPTH = 128  # nested folders; each is open while its content is walked
BATCH = 32  # files that a thread takes at once
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class FolderEntry(Struct, frozen=True):
    """A path below the folder; ``size`` in bytes, None for anything but a regular file."""

    path: str
    size: int | None


class Folder:
    """The open folder at ``path``. Raises MalformedInput if there is no readable folder."""

    def __init__(self, path: Path):
        self.path = path
        try:
            self.descriptor = os.open(path, _FOLDER)
        except (OSError, ValueError) as error:
            raise cannot_be_read(printable(str(path)), error) from error

    def __enter__(self) -> Folder:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.descriptor)

    def walk(self, below: str = "", *, without: str = "") -> Iterator[FolderEntry]:
        """Yield everything but folders in the folder ``below``, leaving out the folder ``without``.

        In the order of the bytes of paths. Raises MalformedInput, naming the folder that cannot be read.
        """
        with self._descended(below) as folder:
            yield from self._walk(folder, f"{below}/" if below else "", without, 0)

    def _walk(self, folder: int, prefix: str, without: str, depth: int) -> Iterator[FolderEntry]:
        if depth > MAX_DEPTH:
            raise MalformedInput(
                "{prefix}... lies deeper than {limit} folders",
                prefix=printable(prefix[:80]),
                limit=MAX_DEPTH,
                field="file",
            )
        try:
            with os.scandir(folder) as entries:
                # A folder's name is compared with the slash behind it, as in paths.
                names = sort_lines(
                    to_line(f"{entry.name}/" if entry.is_dir(follow_symlinks=False) else entry.name)
                    for entry in entries
                )
            for name in map(from_line, names):
                path = prefix + name.removesuffix("/")
                if path == without:
                    continue
                if name.endswith("/"):
                    below = os.open(name[:-1], _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
                    try:
                        yield from self._walk(below, prefix + name, without, depth + 1)
                    finally:
                        os.close(below)
                else:
                    status = os.stat(name, dir_fd=folder, follow_symlinks=False)
                    yield FolderEntry(path, status.st_size if S_ISREG(status.st_mode) else None)
        except OSError as error:
            raise cannot_be_read(printable(error.filename or prefix or str(self.path)), error) from error

    def each(
        self, paths: Iterable[str], action: Callable[[str, int], T]
    ) -> Generator[tuple[str, T | TallystickError], None, None]:
        """Yield each path, in this order, with the result of ``action`` for its open file, or the error.

        Files are opened and read by a thread for each core, a few ahead of the one that is asked for.
        """
        rest = iter(paths)
        workers = os.cpu_count() or 1
        pending: deque[Future[list[tuple[str, T | TallystickError]]]] = deque()
        threads = ThreadPoolExecutor(workers)
        try:
            while batch := list(islice(rest, BATCH)):
                pending.append(threads.submit(self._each, batch, action))
                if len(pending) > 2 * workers:
                    yield from pending.popleft().result()
            while pending:
                yield from pending.popleft().result()
        finally:
            threads.shutdown(cancel_futures=True)

    def _each(self, paths: Iterable[str], action: Callable[[str, int], T]) -> list[tuple[str, T | TallystickError]]:
        def outcome(folder: int, path: str) -> T | TallystickError:
            try:
                with _opened(folder, path) as descriptor:
                    return action(path, descriptor)
            except TallystickError as error:
                return error

        outcomes: list[tuple[str, T | TallystickError]] = []
        for parent, group in groupby(paths, key=lambda path: path.rpartition("/")[0]):
            together = list(group)
            try:
                with self._descended(parent) as folder:
                    outcomes.extend((path, outcome(folder, path)) for path in together)
            except TallystickError as error:
                outcomes.extend((path, error) for path in together)
        return outcomes

    def apply(self, path: str, action: Callable[[str, int], T]) -> T | TallystickError:
        """Return the result of ``action`` for a path and its open file, or the error."""
        [(_, outcome)] = self._each([path], action)
        return outcome

    def has(self, name: str) -> bool:
        """Return whether anything of this name is in the folder itself."""
        try:
            os.stat(name, dir_fd=self.descriptor, follow_symlinks=False)
        except OSError:
            return False
        return True

    def read(self, path: str, limit: int) -> bytes:
        """Return the bytes of a small file. Raises MalformedInput if it exceeds ``limit`` or cannot be read."""
        with self.opened(path) as descriptor, os.fdopen(descriptor, "rb", closefd=False) as file:
            data = file.read(limit + 1)
        if len(data) > limit:
            raise MalformedInput("{path} has more than {limit} bytes", path=printable(path), limit=limit, field="file")
        return data

    @contextmanager
    def opened(self, path: str) -> Iterator[int]:
        """Open the file at ``path`` and yield its descriptor. Raises MalformedInput if it is no readable file."""
        with self._descended(path.rpartition("/")[0]) as folder, _opened(folder, path) as descriptor:
            require_regular(os.fstat(descriptor), printable(path))
            yield descriptor

    @contextmanager
    def _descended(self, path: str) -> Iterator[int]:
        """Open the folder ``path``, part by part, and yield its descriptor."""
        folder = os.dup(self.descriptor)
        try:
            for part in path.split("/") if path else ():
                below = os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
                os.close(folder)
                folder = below
        except (OSError, ValueError) as error:
            raise cannot_be_read(printable(path), error) from error
        else:
            yield folder
        finally:
            os.close(folder)


def _opened(folder: int, path: str) -> AbstractContextManager[int]:
    return opened(path.rpartition("/")[2], printable(path), folder=folder, flags=os.O_NOFOLLOW)
