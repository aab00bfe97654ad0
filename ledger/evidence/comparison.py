"""What stands in a folder beside what its manifests list: file by file, in order, with memory for a few at a time."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from itertools import groupby
from typing import Literal

from msgspec import Struct

from ledger.core.encoding.digests import Algorithm, Digest, parse_digest
from ledger.core.errors import IntegrityBroken, TallystickError
from ledger.evidence.bag import Listed
from ledger.evidence.folder import Folder, Found
from ledger.evidence.hashing import Hashed, Unreadable
from ledger.evidence.names import from_line, printable, to_line
from ledger.evidence.processes import hash_each
from ledger.evidence.progress import Progress
from ledger.evidence.spool import sort_lines

Fault = Literal["missing", "extra", "changed", "no_file", "not_listed", "listed_twice", "unreadable"]


class Finding(Struct, frozen=True):
    """A file that is not as listed; ``path`` within the bag, fit to be shown."""

    fault: Fault
    path: str
    detail: str = ""


Report = Callable[[Finding], object]


class Comparison(Struct, frozen=True):
    """How many files stand there, their bytes, and how often each fault was found."""

    files: int
    size: int
    faults: Mapping[Fault, int]


class _Entry(Struct, frozen=True):
    """One path: as what it was found, if at all, and every digest that a manifest lists for it."""

    path: str
    found: str | None
    listed: tuple[Digest, ...]


_FILE = "file"
_OTHER = "other"


def compare(
    folder: Folder,
    present: Iterable[Found],
    listed: Iterable[Listed],
    algorithms: tuple[Algorithm, ...],
    *,
    report: Report,
    progress: Progress,
) -> Comparison:
    """Hashes what is there; ``report`` is told each file that is not there and listed, by each algorithm, as it is.

    Raises what reading ``present`` and ``listed`` raises.
    """
    files = size = 0
    faults: Counter[Fault] = Counter()

    def lines() -> Iterator[bytes]:
        nonlocal files, size
        for found in present:
            files, size = files + 1, size + (found.size or 0)
            yield _line(found.path, _OTHER if found.size is None else _FILE)
        for line in listed:
            yield _line(line.path, str(line.digest))

    def told(finding: Finding) -> None:
        faults[finding.fault] += 1
        report(finding)

    ordered = sort_lines(lines())
    progress.expect(files, size)
    waiting: deque[_Entry] = deque()
    paths = _to_hash(_entries(ordered), algorithms, waiting, told)
    outcomes = hash_each(folder, paths, algorithms, progress)
    with closing(outcomes):
        for _, outcome in outcomes:
            if finding := _difference(waiting.popleft(), outcome):
                told(finding)
    return Comparison(files, size, dict(faults))


def _line(path: str, said: str) -> bytes:
    return to_line(path)[:-1] + b"\0" + said.encode() + b"\n"


def _entries(lines: Iterable[bytes]) -> Iterator[_Entry]:
    """The sorted lines, path by path."""
    for path, group in groupby((line[:-1].partition(b"\0") for line in lines), key=lambda parts: parts[0]):
        said = [parts[2].decode() for parts in group]
        found = next((word for word in said if word in (_FILE, _OTHER)), None)
        digests = tuple(parse_digest(word) for word in said if word not in (_FILE, _OTHER))
        yield _Entry(from_line(path + b"\n"), found, digests)


def _to_hash(
    entries: Iterable[_Entry], algorithms: tuple[Algorithm, ...], waiting: deque[_Entry], told: Report
) -> Iterator[str]:
    """The paths that are as listed by their names alone, each put into ``waiting``; the others are told."""
    for entry in entries:
        if finding := _standing(entry, algorithms):
            told(finding)
        else:
            waiting.append(entry)
            yield entry.path


def _standing(entry: _Entry, algorithms: tuple[Algorithm, ...]) -> Finding | None:
    shown = printable(entry.path)
    by = [digest.algorithm for digest in entry.listed]
    if entry.found == _OTHER:
        return Finding("no_file", shown, "a link, a pipe or a device")
    if not by:
        return Finding("extra", shown)
    if entry.found is None:
        return Finding("missing", shown, " ".join(map(str, entry.listed)))
    if len(by) != len(set(by)):
        return Finding("listed_twice", shown)
    if lacking := [algorithm for algorithm in algorithms if algorithm not in by]:
        return Finding("not_listed", shown, ", ".join(lacking))
    return None


def _difference(entry: _Entry, outcome: Hashed | TallystickError) -> Finding | None:
    shown = printable(entry.path)
    if isinstance(outcome, Unreadable):
        return Finding("unreadable", shown, outcome.message)
    if isinstance(outcome, IntegrityBroken):
        return Finding("changed", shown, outcome.message)
    if isinstance(outcome, TallystickError):
        return Finding("no_file", shown, outcome.message)
    for digest in outcome.digests:
        if digest not in entry.listed:
            listed = next(other for other in entry.listed if other.algorithm is digest.algorithm)
            return Finding("changed", shown, f"{listed} listed, {digest} found")
    return None
