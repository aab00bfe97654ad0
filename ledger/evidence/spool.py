"""Sorting of more lines than fit into memory."""

from __future__ import annotations

import heapq
import tempfile
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import IO

RUN = 50_000  # lines in memory at once


def sort_lines(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Return the lines in the order of their bytes; each ends with its only newline.

    All but one run are kept in unnamed files.
    """
    rest = iter(lines)
    runs: list[Iterable[bytes]] = []
    while run := sorted(islice(rest, RUN)):
        if len(run) < RUN:
            runs.append(run)
            break
        runs.append(_on_disk(run))
    return heapq.merge(*runs)


def _on_disk(run: list[bytes]) -> Iterator[bytes]:
    file = tempfile.TemporaryFile()  # noqa: SIM115 - _lines closes it
    file.writelines(run)
    file.seek(0)
    return _lines(file)


def _lines(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        yield from file
