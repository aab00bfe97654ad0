"""Names of evidence files: which a manifest can carry, how it spells and shows them, and how long lists are sorted."""

from __future__ import annotations

import heapq
import os
import re
import tempfile
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import IO

from ledger.core.errors import IntegrityBroken, MalformedInput

MAX_PATH_LENGTH = 4096  # bytes, PATH_MAX of Linux

_BREAKS_A_LINE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_SPELLED = re.compile(r"%(0[Dd]|0[Aa]|25)")
_RENAME = "Rename a copy, and let the record say so; or put the files into one archive and seal that."


def printable(path: str) -> str:
    """Return the path with every character escaped that a terminal would obey or a reader would not see."""
    if path.isprintable():
        return path
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in path)


def require_portable(path: str) -> None:
    """Raise MalformedInput for a path that some readers of a manifest would take for another one."""
    try:
        length = len(path.encode())
    except UnicodeEncodeError:
        raise MalformedInput("the name {path} is not UTF-8", path=printable(path), field="file", hint=_RENAME) from None
    if _BREAKS_A_LINE.search(path):
        raise MalformedInput(
            "the name {path} holds a control character", path=printable(path), field="file", hint=_RENAME
        )
    if path[-1:].isspace():
        raise MalformedInput("the name {path!r} ends with a space", path=path, field="file", hint=_RENAME)
    if length > MAX_PATH_LENGTH:
        raise MalformedInput("the path {path}... is too long", path=printable(path[:80]), field="file")


def require_inside(path: str) -> None:
    """Raise IntegrityBroken for a path of a manifest that may lead out of its folder."""
    parts = path.split("/")
    if "\0" in path or any(part in ("", ".", "..") for part in parts):
        raise IntegrityBroken("{path} is not a path within the bag", path=printable(path), field="path")


def collation_key(path: str) -> bytes:
    """Return a sort key by which paths that a file system may confuse are adjacent, folder by folder."""
    return _folded(path).replace("/", "\0").encode()


def distinct(paths: Iterable[str]) -> Iterator[str]:
    """Yield the paths, which must be sorted by collation key.

    Raises MalformedInput if two differ in case or Unicode form alone.
    """
    previous: list[str] = []
    for path in paths:
        parts = path.split("/")
        for earlier_part, part in zip(previous, parts, strict=False):
            if _folded(earlier_part) != _folded(part):
                break
            if earlier_part != part:
                raise MalformedInput(
                    "the names {earlier_part!a} and {part!a} differ in case or Unicode form alone",
                    earlier_part=earlier_part,
                    part=part,
                    field="file",
                    hint=_RENAME,
                )
        previous = parts
        yield path


def spell(path: str) -> str:
    """Spell a path as a manifest does (RFC 8493, 2.1.3)."""
    return path.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def read_spelling(text: str) -> str:
    """Return the path that a manifest spells so."""
    return _SPELLED.sub(lambda match: chr(int(match[1], 16)), text)


def to_line(path: str) -> bytes:
    """Encode the path, of any bytes, as a line of a spool."""
    return os.fsencode(spell(path)) + b"\n"


def from_line(line: bytes) -> str:
    """Return the path that ``to_line`` encoded."""
    return read_spelling(os.fsdecode(line[:-1]))


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())


RUN = 50_000  # lines in memory at once


def sort_lines(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Return the lines in the order of their bytes; each ends with its only newline.

    More lines than fit into memory are sorted in runs; all but the last run are kept in unnamed files.
    """
    rest = iter(lines)
    runs: list[Iterable[bytes]] = []
    while run := sorted(islice(rest, RUN)):
        if len(run) < RUN:
            runs.append(run)
            break
        file = tempfile.TemporaryFile()  # noqa: SIM115 - _lines closes it
        file.writelines(run)
        file.seek(0)
        runs.append(_lines(file))
    return heapq.merge(*runs)


def _lines(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        yield from file
