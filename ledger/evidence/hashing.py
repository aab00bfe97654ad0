"""Digests of a file in one pass over its bytes: BLAKE3 for the ledger, SHA-256 beside it for everybody else."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ledger.core.digest import Algorithm, Digest, new_hasher
from ledger.core.errors import IntegrityBroken, MalformedInput

CHUNK = 4 * 1024 * 1024  # bytes
BOTH = (Algorithm.BLAKE3, Algorithm.SHA256)


def hash_file(
    path: Path, algorithms: Iterable[Algorithm] = BOTH, *, progress: Callable[[int], object] = lambda _bytes: None
) -> tuple[Digest, ...]:
    """The file's digests, in the order of the algorithms; ``progress`` is told the bytes of each chunk.

    Raises MalformedInput where the file cannot be read, IntegrityBroken where it changed meanwhile.
    """
    hashers = {algorithm: new_hasher(algorithm) for algorithm in algorithms}
    try:
        with path.open("rb", buffering=0) as file, ThreadPoolExecutor(len(hashers)) as threads:
            before = os.fstat(file.fileno())
            while chunk := file.read(CHUNK):
                for done in [threads.submit(hasher.update, chunk) for hasher in hashers.values()]:
                    done.result()
                progress(len(chunk))
            after = os.fstat(file.fileno())
    except OSError as error:
        raise MalformedInput(f"{path} cannot be read: {error.strerror}", field="file") from error
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise IntegrityBroken(
            f"{path} changed while it was read", field="file", hint="Close what writes it, try again."
        )
    return tuple(Digest(algorithm, hasher.digest()) for algorithm, hasher in hashers.items())
