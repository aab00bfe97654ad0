"""BLAKE3 of a large file through a memory mapping, which saves copying.

A process that maps a file is killed (SIGBUS) if the file is truncated or the disk fails. So another process maps it,
and at most that one dies: the file is then read normally, which reports what is wrong.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import blake3 as blake3_package

from ledger.evidence.progress import Progress

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


def hash_mapped(descriptor: int, size: int, progress: Progress, *, piece: int = PIECE) -> bytes | None:
    """Return the BLAKE3 digest of the first ``size`` bytes; None if the mapping process failed."""
    where = str(Path(blake3_package.__file__).parent.parent)
    command = [sys.executable, "-I", "-S", "-c", _CHILD, where, str(descriptor), str(size), str(piece)]
    try:
        with subprocess.Popen(
            command, pass_fds=[descriptor], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as child:
            return _followed(child, size, progress)
    except OSError:  # no process to be had
        return None


def _followed(child: subprocess.Popen[str], size: int, progress: Progress) -> bytes | None:
    """Return the digest that the child prints last; on failure undo the progress that was reported."""
    done, last_line = 0, ""
    for line in child.stdout or ():
        if done < size:
            done += int(line)
            progress.advance(int(line))
        else:
            last_line = line
    if child.wait() == 0:
        return bytes.fromhex(last_line)
    progress.advance(-done)
    return None
