"""Compares the files in a folder with those that its manifests list, in order, with few of them in memory at a time."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from itertools import groupby

from msgspec import Struct

from ledger.core.encoding.digests import Algorithm, Digest, parse_digest
from ledger.core.errors import IntegrityBroken, TallystickError
from ledger.evidence.bag import Fault, FileFinding, Listed, Report
from ledger.evidence.folder import Folder, FolderEntry
from ledger.evidence.hashing import Hashed, Unreadable
from ledger.evidence.names import from_line, printable, to_line
from ledger.evidence.processes import hash_each
from ledger.evidence.progress import Progress
from ledger.evidence.spool import sort_lines


class Comparison(Struct, frozen=True):
    """How many files are present, their bytes, and how often each fault occurred."""

    files: int
    size: int
    faults: Mapping[Fault, int]


class _Entry(Struct, frozen=True):
    """One path: the kind of file that is present, if any, and every digest that a manifest lists for it."""

    path: str
    kind: str | None
    listed: tuple[Digest, ...]


_FILE = "file"
_OTHER = "other"


def compare(
    folder: Folder,
    present: Iterable[FolderEntry],
    listed: Iterable[Listed],
    algorithms: tuple[Algorithm, ...],
    *,
    report: Report,
    progress: Progress,
) -> Comparison:
    """Hash the present files and compare them with the listed ones; ``report`` gets each file with a fault.

    Raises what reading ``present`` and ``listed`` raises.
    """
    files = size = 0
    faults: Counter[Fault] = Counter()

    def lines() -> Iterator[bytes]:
        nonlocal files, size
        for present_file in present:
            files, size = files + 1, size + (present_file.size or 0)
            yield _line(present_file.path, _OTHER if present_file.size is None else _FILE)
        for line in listed:
            yield _line(line.path, str(line.digest))

    def count_and_report(finding: FileFinding) -> None:
        faults[finding.fault] += 1
        report(finding)

    ordered = sort_lines(lines())
    progress.expect(files, size)
    waiting: deque[_Entry] = deque()
    paths = _to_hash(_entries(ordered), algorithms, waiting, count_and_report)
    outcomes = hash_each(folder, paths, algorithms, progress)
    with closing(outcomes):
        for _, outcome in outcomes:
            if finding := _difference(waiting.popleft(), outcome):
                count_and_report(finding)
    return Comparison(files, size, dict(faults))


def _line(path: str, content: str) -> bytes:
    return to_line(path)[:-1] + b"\0" + content.encode() + b"\n"


def _entries(lines: Iterable[bytes]) -> Iterator[_Entry]:
    """Yield the entries of the sorted lines, path by path."""
    for path, group in groupby((line[:-1].partition(b"\0") for line in lines), key=lambda parts: parts[0]):
        contents = [parts[2].decode() for parts in group]
        kind = next((word for word in contents if word in (_FILE, _OTHER)), None)
        digests = tuple(parse_digest(word) for word in contents if word not in (_FILE, _OTHER))
        yield _Entry(from_line(path + b"\n"), kind, digests)


def _to_hash(
    entries: Iterable[_Entry], algorithms: tuple[Algorithm, ...], waiting: deque[_Entry], report: Report
) -> Iterator[str]:
    """Yield the paths whose presence is as listed, each also put into ``waiting``; report the others."""
    for entry in entries:
        if finding := _standing(entry, algorithms):
            report(finding)
        else:
            waiting.append(entry)
            yield entry.path


def _standing(entry: _Entry, algorithms: tuple[Algorithm, ...]) -> FileFinding | None:
    shown = printable(entry.path)
    by = [digest.algorithm for digest in entry.listed]
    if entry.kind == _OTHER:
        return FileFinding("no_file", shown, "a link, a pipe or a device")
    if not by:
        return FileFinding("extra", shown)
    if entry.kind is None:
        return FileFinding("missing", shown, " ".join(map(str, entry.listed)))
    if len(by) != len(set(by)):
        return FileFinding("listed_twice", shown)
    if lacking := [algorithm for algorithm in algorithms if algorithm not in by]:
        return FileFinding("not_listed", shown, ", ".join(lacking))
    return None


def _difference(entry: _Entry, outcome: Hashed | TallystickError) -> FileFinding | None:
    shown = printable(entry.path)
    if isinstance(outcome, Unreadable):
        return FileFinding("unreadable", shown, outcome.message)
    if isinstance(outcome, IntegrityBroken):
        return FileFinding("changed", shown, outcome.message)
    if isinstance(outcome, TallystickError):
        return FileFinding("no_file", shown, outcome.message)
    for digest in outcome.digests:
        if digest not in entry.listed:
            listed = next(other for other in entry.listed if other.algorithm is digest.algorithm)
            return FileFinding("changed", shown, f"{listed} listed, {digest} found")
    return None
