"""A process that only hashes small files: names come in, sizes and digests go out. ``folder_hashing`` starts it.

Large files are hashed by the process that ``hashing.hash_mapped`` starts.

It imports nothing of the ledger, and no module that it can do without, so that it starts fast. For anything but a
regular file of at most ``limit`` bytes, and for a file that cannot be read or changes meanwhile, it answers
``NOT_MINE``: the caller then handles the file.
"""

from __future__ import annotations

import os
import struct
import sys
from stat import S_ISREG

TYPE_CHECKING = False  # typing takes longer to import than all else
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

DIGEST_LENGTH = 32  # bytes, of all algorithms
NOT_MINE = -1  # in the place of a size
BUFFER = 1024 * 1024  # bytes
END = b"\0"  # of a name
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW
_FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW


def record_of(algorithms: int) -> struct.Struct:
    """Return the record of one file: its size, then the digests one after the other."""
    return struct.Struct(f"<q{DIGEST_LENGTH * algorithms}s")


class ChildHasher:
    """Hashes files below an open folder; the folder of the last file stays open."""

    def __init__(self, top: int, limit: int, makers: list[Callable[..., Any]]):
        self._top = top
        self._limit = limit
        self._makers = makers
        self._inside: tuple[bytes, int] = (b"", os.dup(top))
        buffer = bytearray(BUFFER)
        self._buffers = [buffer]
        self._view = memoryview(buffer)

    def hashed(self, path: bytes) -> tuple[int, bytes]:
        """Return size and digests. Raises OSError for a file that the caller must handle."""
        parent, _, name = path.rpartition(b"/")
        if parent != self._inside[0]:
            self._enter(parent)
        file = os.open(name, _FILE, dir_fd=self._inside[1])
        try:
            before = os.fstat(file)
            size = before.st_size
            if not S_ISREG(before.st_mode) or size > self._limit:
                raise OSError("not mine")
            count = os.readv(file, self._buffers)
            if count == size < BUFFER:
                data = self._view[:count]
                digests = [make(data).digest() for make in self._makers]
            else:
                digests = self._digests_of_longer(file, count, size)
            if _state(before) != _state(os.fstat(file)):
                raise OSError("changed")
            return size, b"".join(digests)
        finally:
            os.close(file)

    def _enter(self, parent: bytes) -> None:
        os.close(self._inside[1])
        folder = os.dup(self._top)
        self._inside = (b"", folder)
        for part in parent.split(b"/"):
            if part:
                below = os.open(part, _FOLDER, dir_fd=folder)
                os.close(folder)
                folder = below
                self._inside = (b"\0", folder)  # no name, until all parts are entered
        self._inside = (parent, folder)

    def _digests_of_longer(self, file: int, count: int, size: int) -> list[bytes]:
        """Return the digests of a file whose first ``count`` bytes are in the buffer."""
        hashers, done = [make() for make in self._makers], 0
        while count:
            done += count
            for hasher in hashers:
                hasher.update(self._view[:count])
            count = os.readv(file, self._buffers)
        if done != size:
            raise OSError("changed")
        return [hasher.digest() for hasher in hashers]


def _state(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def main() -> None:
    """Answer until standard input ends. Arguments: path of blake3, open folder, limit, algorithms."""
    where, folder, limit, *algorithms = sys.argv[1:]
    sys.path.append(where)
    hasher = ChildHasher(int(folder), int(limit), list(_makers(algorithms)))
    record = record_of(len(algorithms))
    rest = b""
    while data := os.read(0, BUFFER):
        *names, rest = (rest + data).split(END)
        for name in names:
            try:
                packed = record.pack(*hasher.hashed(name))
            except OSError:
                packed = record.pack(NOT_MINE, b"")
            sys.stdout.buffer.write(packed)
        sys.stdout.buffer.flush()


def _makers(algorithms: list[str]) -> Iterator[Callable[..., Any]]:
    for name in algorithms:
        if name == "blake3":
            from blake3 import blake3  # noqa: PLC0415 - it is found now

            yield blake3
        else:
            from hashlib import sha256  # noqa: PLC0415 - loading OpenSSL takes a while

            yield sha256


if __name__ == "__main__":
    main()
