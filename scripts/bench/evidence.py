"""Hashing of evidence, a large file and many small ones: BLAKE3 beside b3sum, with SHA-256 beside sha256sum.

python -m scripts.bench.evidence [--folder DIRECTORY] [--json FILE]

Needs Debian's b3sum. The files are made in ``--folder``, by default the system's temporary folder. The small files are
walked by us and given by name to the others. All is read from memory: what is measured is the hashing, not the disk.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

from ledger.core.encoding.digests import Algorithm
from ledger.evidence.folder_hashing import hash_folder
from ledger.evidence.hashing import BOTH, hash_file
from scripts.bench.figures import Figure, in_turn, options, show

ROUNDS = 9
LARGE = 1024  # MiB
SMALL_FILES = 10_000
SMALLEST, LARGEST = 1024, 32 * 1024  # bytes of a small file
IN_A_FOLDER = 500  # files
BLAKE3 = (Algorithm.BLAKE3,)


def main() -> None:
    """Measures and shows."""
    args = options(__doc__, folder=tempfile.gettempdir())
    if shutil.which("b3sum") is None:
        sys.exit("b3sum is not on PATH: apt-get install b3sum")
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        large, small = Path(folder, "large"), Path(folder, "small")
        make_large(large)
        make_small(small)
        show("Hashing of evidence", [*one_large(large), *many_small(small)], args.json)


def one_large(file: Path) -> list[Figure]:
    """GB a second."""
    size = file.stat().st_size / 1e9
    return [
        compared("one large file, BLAKE3", size, "GB/s", lambda: hash_file(file, BLAKE3), ["b3sum", file]),
        compared("one large file, both in one pass", size, "GB/s", lambda: hash_file(file), ["sha256sum", file]),
    ]


def many_small(folder: Path) -> list[Figure]:
    """Files a second, with the walk."""
    names = sorted(file for file in folder.rglob("*") if file.is_file())

    def hashed(algorithms: Sequence[Algorithm]) -> Callable[[], object]:
        return lambda: deque(hash_folder(folder, algorithms), maxlen=0)

    title = f"{len(names):,} small files"
    return [
        compared(f"{title}, BLAKE3", len(names), "/s", hashed(BLAKE3), ["b3sum", *names]),
        compared(f"{title}, both in one pass", len(names), "/s", hashed(BOTH), ["sha256sum", *names]),
    ]


def compared(
    title: str, amount: float, unit: str, ours: Callable[[], object], reference: Sequence[str | Path]
) -> Figure:
    """Amount a second, ours beside a process that does the same."""
    seconds, theirs = in_turn(ROUNDS, ours, lambda: run(reference))
    return Figure(title, amount / seconds, str(reference[0]), amount / theirs, unit, ">= 0.9")


def run(command: Sequence[str | Path]) -> None:
    """Run one process, whose output does not matter."""
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)


def make_large(file: Path) -> None:
    """Bytes that nothing compresses."""
    block = Random(1).randbytes(1024 * 1024)  # noqa: S311 - any bytes do
    with file.open("wb") as out:
        for _ in range(LARGE):
            out.write(block)


def make_small(folder: Path) -> None:
    """Files of different lengths, in folders."""
    random = Random(2)  # noqa: S311 - any bytes do
    for number in range(SMALL_FILES):
        file = folder / f"{number // IN_A_FOLDER:03}" / f"{number:05}"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(random.randbytes(random.randrange(SMALLEST, LARGEST)))


if __name__ == "__main__":
    main()
