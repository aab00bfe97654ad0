"""Digests of a file in one pass: BLAKE3 for the ledger, SHA-256 beside it for everybody else.

The next chunks are read while all digests process those before, each in a thread of its own. A large file for which
only BLAKE3 is asked is mapped, in another process.

A process that maps a file is killed (SIGBUS) if the file is truncated or the disk fails. At most the other process dies
then, and the file is read normally, which reports what is wrong.
"""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import blake3 as blake3_package
from blake3 import blake3
from msgspec import Struct

from ledger.core.encoding.digests import Algorithm, Digest, new_hasher
from ledger.core.errors import IntegrityBroken, MalformedInput, TallystickError
from ledger.core.messages import Message
from ledger.evidence.names import printable


class HashingProgress:
    """Receives progress, from several threads at once; this one displays nothing."""

    def expect(self, files: int, size: int) -> None:
        """Add files and bytes to the total that is expected."""

    def advance(self, size: int) -> None:
        """Count bytes as done."""

    def finish_file(self) -> None:
        """Count one file as done."""


SILENT = HashingProgress()


PIECE = 256 * 1024 * 1024  # bytes that are mapped at once; a multiple of every page size

_CHILD = """
import mmap, sys
descriptor, size, piece = map(int, sys.argv[2:])
sys.path.append(sys.argv[1])
from blake3 import blake3
hasher = blake3(max_threads=blake3.AUTO)
for begin in range(0, size, piece):
    length = min(piece, size - begin)
    with mmap.mmap(descriptor, length, prot=mmap.PROT_READ, offset=begin) as mapped:
        hasher.update(mapped)
    print(length, flush=True)
print(hasher.hexdigest())
"""


def hash_mapped(descriptor: int, size: int, progress: HashingProgress, *, piece: int = PIECE) -> bytes | None:
    """Return the BLAKE3 digest of the first ``size`` bytes; None if the mapping process failed."""
    where = str(Path(blake3_package.__file__).parent.parent)
    command = [sys.executable, "-I", "-S", "-c", _CHILD, where, str(descriptor), str(size), str(piece)]
    try:
        with subprocess.Popen(
            command, pass_fds=[descriptor], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as child:
            done, last_line = 0, ""
            for line in child.stdout or ():
                if done < size:
                    done += int(line)
                    progress.advance(int(line))
                else:
                    last_line = line
            if child.wait() == 0:
                return bytes.fromhex(last_line)
            progress.advance(-done)  # the file is read again, and counted again
            return None
    except OSError:  # no process to be had
        return None


CHUNK = 1024 * 1024  # bytes; a few fit into a processor's cache
BUFFERS = 8  # chunks in memory
LARGE = 1024 * 1024  # bytes from which threads are worth their start
HUGE = 512 * 1024 * 1024  # bytes from which a process is worth its start
BOTH = (Algorithm.BLAKE3, Algorithm.SHA256)

Consumer = Callable[[bytes | memoryview], object]


class UnreadableFile(MalformedInput):
    """A file or folder that exists but cannot be read by this user or from this disk; its content is unknown."""

    code = "unreadable"


class NotWritten(TallystickError):
    """A copy that could not be written."""

    code = "not_written"


class Hashed(Struct, frozen=True):
    """The outcome of one pass over a file; ``size`` in bytes."""

    size: int
    digests: tuple[Digest, ...]


def hash_file(path: Path, algorithms: Sequence[Algorithm] = BOTH, *, progress: HashingProgress = SILENT) -> Hashed:
    """Return size and digests of a file, as ``hash_open`` does."""
    name = printable(str(path))
    with opened(path, name) as descriptor:
        return hash_open(descriptor, name, algorithms, progress=progress)


@contextmanager
def opened(path: Path | str, name: str, *, folder: int | None = None, flags: int = 0) -> Iterator[int]:
    """Open ``path`` for reading, in the open ``folder``. Opening never waits, even for a pipe.

    Raises MalformedInput, calling it ``name``.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | flags, dir_fd=folder)
    except OSError as error:
        raise cannot_be_read(name, error) from error
    except ValueError as error:  # the message differs between releases of Python
        raise MalformedInput("{name} cannot be read: no name has a NUL in it", name=name, field="file") from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def require_regular(status: os.stat_result, name: str) -> None:
    """Raise MalformedInput for a pipe, a device, a socket or a folder, calling it ``name``."""
    if not stat.S_ISREG(status.st_mode):
        raise MalformedInput("{name} is not a file", name=name, field="file", hint="Only regular files have a digest.")


def cannot_be_read(name: str, error: Exception) -> MalformedInput:
    """Return the error for a system error at ``name``: UnreadableFile if it exists all the same."""
    number, reason = getattr(error, "errno", None), getattr(error, "strerror", None) or error
    kind = UnreadableFile if number in (errno.EACCES, errno.EPERM, errno.EIO) else MalformedInput
    return kind(Message("{name} cannot be read: {reason}", name=name, reason=reason), field="file")


def hash_open(
    descriptor: int,
    name: str,
    algorithms: Sequence[Algorithm],
    *,
    copy_to: int | None = None,
    progress: HashingProgress = SILENT,
) -> Hashed:
    """Return size and digests, in the order of the algorithms, of an open file from its start, called ``name``.

    The bytes are also written to the descriptor ``copy_to`` in the same pass.

    Raises:
        MalformedInput: it is no regular file, or cannot be read.
        IntegrityBroken: the file changed meanwhile.
        NotWritten: the copy could not be written.
    """
    try:
        before = os.fstat(descriptor)
        require_regular(before, name)
        size, mapped = before.st_size, None
        if size >= HUGE and copy_to is None and tuple(algorithms) == (Algorithm.BLAKE3,):
            mapped = hash_mapped(descriptor, size, progress)
        digests: tuple[bytes, ...]
        if mapped is not None:
            digests, done = (mapped,), size
        else:
            digests, done = _read_and_hash(descriptor, size, algorithms, copy_to, progress)
        after = os.fstat(descriptor)
    except OSError as error:
        raise cannot_be_read(name, error) from error
    # Some file systems end a read before the file does.
    if done != size or _state(before) != _state(after):
        raise IntegrityBroken(
            "{name} changed while it was read", name=name, field="file", hint="Close what writes it, try again."
        )
    progress.finish_file()
    return Hashed(size, tuple(map(Digest, algorithms, digests)))


def _read_and_hash(
    descriptor: int, size: int, algorithms: Sequence[Algorithm], copy_to: int | None, progress: HashingProgress
) -> tuple[tuple[bytes, ...], int]:
    """Return the digests of what was read, and how many bytes that were."""
    is_large = size >= LARGE
    hashers = [new_hasher(algorithm) for algorithm in algorithms]
    if is_large and tuple(algorithms) == (Algorithm.BLAKE3,):  # beside a slower one, more threads would only delay that
        hashers = [blake3(max_threads=blake3.AUTO)]
    consumers: list[Consumer] = [hasher.update for hasher in hashers]
    if copy_to is not None:
        consumers.append(partial(_write, copy_to))
    if is_large:
        done = _feed_in_threads(descriptor, consumers, progress)
    else:
        done = 0
        while chunk := os.read(descriptor, size + 1):
            for consume in consumers:
                consume(chunk)
            done += len(chunk)
            progress.advance(len(chunk))
    return tuple(hasher.digest() for hasher in hashers), done


def _feed_in_threads(descriptor: int, consumers: Sequence[Consumer], progress: HashingProgress) -> int:
    """Give each consumer all that is read, in a thread of its own; return how many bytes that were.

    A quick one is at most ``BUFFERS`` chunks ahead of a slow one, and waits for it no more often than that.
    """
    buffers = deque(bytearray(CHUNK) for _ in range(BUFFERS))
    ahead = deque[tuple[int, list[Future[object]]]]()
    done = 0

    def wait_for_oldest() -> None:
        size, outcomes = ahead.popleft()
        for outcome in outcomes:
            outcome.result()
        progress.advance(size)

    with ExitStack() as stack:
        threads = [stack.enter_context(ThreadPoolExecutor(1)) for _ in consumers]
        while size := os.readv(descriptor, [buffers[0]]):
            chunk = memoryview(buffers[0])[:size]
            ahead.append((size, [own.submit(consume, chunk) for own, consume in zip(threads, consumers, strict=True)]))
            done += size
            buffers.rotate(-1)
            if len(ahead) == BUFFERS:
                wait_for_oldest()
        while ahead:
            wait_for_oldest()
    return done


def _write(descriptor: int, data: bytes | memoryview) -> None:
    rest = memoryview(data)
    try:
        while rest:
            rest = rest[os.write(descriptor, rest) :]
    except OSError as error:
        raise NotWritten(
            "the copy cannot be written: {error.strerror}", error=error, hint="Nothing of it was kept."
        ) from error


def _state(status: os.stat_result) -> tuple[int, int, int]:
    """Return what changes with any change of a file's bytes: mtime can be set back, but ctime cannot."""
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns
