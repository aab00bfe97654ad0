"""The version of the program, which stands beside what was computed by its rules: kept states, audits, trails."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from importlib.resources.abc import Traversable
from operator import attrgetter

from blake3 import blake3


@cache
def program_version() -> str:
    """Return the version of the program, by whose rules a state or an audit came about.

    With a digest of the sources that decide what these are: between two releases, and in a program that somebody has
    changed, the number is the same and the rules are not.
    """
    return f"{version('tallystick')}+{sources_digest(files('ledger'))}"


def sources_digest(package: Traversable) -> str:
    """Return 12 hexadecimal digits of a digest of a package's modules, by their names, and what is in them."""
    digest = blake3()
    for file in _files(package, package.name):
        digest.update(f"{file[0]} {len(file[1])}\n".encode())
        digest.update(file[1])
    return digest.hexdigest(6)


def _files(folder: Traversable, path: str) -> Iterator[tuple[str, bytes]]:
    for entry in sorted(folder.iterdir(), key=attrgetter("name")):
        if entry.is_dir():
            if entry.name != "__pycache__":
                yield from _files(entry, f"{path}/{entry.name}")
        elif entry.name.endswith(".py"):
            yield f"{path}/{entry.name}", entry.read_bytes()
