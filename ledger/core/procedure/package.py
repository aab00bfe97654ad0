"""Procedure packages: the rules of one procedure as files, decoded strictly, with one canonical form and its digest.

A package is ``procedure.toml`` and more TOML files beside it. The words of a table stand in one of them, so that file,
line and key say where a fault is. Files of a folder that it includes have names with a slash; what they say is added to
what the package says itself. The canonical form is the canonical JSON of all tables together; its digest identifies the
package wherever it is cited (docs/procedure.md).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import chain
from typing import Any

import msgspec

from ledger.core.encoding import canonical
from ledger.core.encoding.decoding import convert, decode_toml, decoder_of
from ledger.core.encoding.digests import blake3_text
from ledger.core.errors import MalformedInput
from ledger.core.events.terms import MAX_PACKAGE
from ledger.core.procedure.faults import Path, faults_of
from ledger.core.procedure.paper_faults import faults_of_papers
from ledger.core.procedure.rulebook import Rulebook

MAX_BYTES = MAX_PACKAGE  # of the canonical form, which becomes an entry of the log
PACKAGES_KEPT = 32  # decoded packages in the cache: a ledger adopts few, and each is decoded once
MAIN_FILE = "procedure.toml"
INCLUDE = "include"  # folders whose tables the package has too; whoever reads the files resolves it
ORDER = "order"  # of the words of each table: the keys of canonical JSON have none
_NOT_SHARED = (INCLUDE, "procedure", "examples")  # what an included folder says of itself
_HEADER = re.compile(r"""\s*(?P<open>\[\[?)\s*(?P<path>[A-Za-z0-9_."'-]+)\s*\]""")
_KEY = re.compile(r"""\s*(?P<path>[A-Za-z0-9_."'-]+)\s*=""")
_STEP = re.compile(r"([^.\[\]]+)|\[([0-9]+)\]")


def read_package(files: Mapping[str, bytes]) -> Rulebook:
    """Return the procedure of a package's files, by their names.

    Raises MalformedInput, whose ``field`` names file, line and key: for what is no TOML, an unknown or missing key, a
    value of another type, a word that is not defined, a label that is missing in a language, and rows that contradict
    each other.
    """
    tables, places = _merged(files)
    return _decoded(tables, lambda path: _place(path, places))


@lru_cache(maxsize=PACKAGES_KEPT)
def decode_package(text: bytes) -> Rulebook:
    """Return the procedure of a canonical form. Raises MalformedInput, also if the bytes are not canonical."""
    tables = canonical.decode(text, _TABLES, where="package")
    canonical.require_same(text, canonical.encode(tables), where="package")
    return _decoded(_in_order(tables), lambda path: _spelled(path) or "package")


_TABLES = decoder_of(dict[str, Any])


def canonical_form(files: Mapping[str, bytes]) -> bytes:
    """Return the canonical JSON of all tables of a package. Raises MalformedInput for files that are no package."""
    return _canonical(_merged(files)[0])


def _canonical(tables: Mapping[str, Any]) -> bytes:
    order = {key: list(table) for key, table in tables.items() if isinstance(table, dict)}
    text = canonical.encode({**tables, ORDER: order})
    if len(text) > MAX_BYTES:
        raise MalformedInput("a package has at most {most} bytes", most=MAX_BYTES, field=MAIN_FILE)
    return text


def _in_order(tables: dict[str, Any]) -> dict[str, Any]:
    """Return the tables of a canonical form with their words in the order that it states, and without it."""
    try:
        order = convert(tables.pop(ORDER, None), dict[str, tuple[str, ...]])
    except msgspec.ValidationError as error:
        raise MalformedInput("expected the words of each table in their order", field=ORDER) from error
    words = {key: table for key, table in tables.items() if isinstance(table, dict)}
    if {key: sorted(names) for key, names in order.items()} != {key: sorted(table) for key, table in words.items()}:
        raise MalformedInput("expected the words of each table in their order", field=ORDER)
    return tables | {key: {word: words[key][word] for word in names} for key, names in order.items()}


def _merged(files: Mapping[str, bytes]) -> tuple[dict[str, Any], dict[Path, str]]:
    """Return all tables, and the file and line of each table and key."""
    if MAIN_FILE not in files:
        raise MalformedInput("a package has a file {name}", name=MAIN_FILE, field=MAIN_FILE)
    tables: dict[str, Any] = {}
    places: dict[Path, str] = {}
    for name in sorted(files, key=lambda name: ("/" in name, name)):  # its own files before what it includes
        is_own = "/" not in name
        read = decode_toml(files[name], field=name)
        for key in (INCLUDE,) if is_own else _NOT_SHARED:
            read.pop(key, None)
        rows_before = {key: len(tables[key]) for key in read if isinstance(tables.get(key), list)}
        for key, value in read.items():
            _require_plain(value, f"{name}: {key}")
            # The rows of an array may be spread over files; of the words of a table the order matters.
            if key in tables and is_own and not (isinstance(value, list) and isinstance(tables[key], list)):
                raise MalformedInput(
                    "{key} stands in {other} already", key=key, other=places[(key,)].partition(":")[0], field=name
                )
            tables[key] = _added(tables[key], value, f"{name}: {key}") if key in tables else value
        for path, line in positions(files[name].decode("utf-8")).items():
            place = _moved(path, rows_before)
            places.setdefault(place, f"{name}:{line}")
            places.setdefault(place[:1], name)
    return tables, places


def _added(own: Any, included: Any, field: str) -> Any:
    """Return a table with what another one has besides; rows of an array are added."""
    if isinstance(own, dict) and isinstance(included, dict):
        return {**included, **own}
    if isinstance(own, list) and isinstance(included, list):
        return [*own, *included]
    raise MalformedInput("the package has something else than a table of this name", field=field)


def _require_plain(value: Any, field: str) -> None:
    """Refuse what canonical JSON does not have: dates and numbers with a fraction are written as text."""
    if isinstance(value, dict | list):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            if type(part) is not str:  # most are, and none of them needs its path
                _require_plain(part, f"{field}.{key}" if isinstance(value, dict) else f"{field}[{key}]")
    elif not isinstance(value, str | int):
        raise MalformedInput("expected text, a whole number, true or false", field=field, hint="Write it in quotes.")


def _decoded(tables: dict[str, Any], place: Any) -> Rulebook:
    for key in ("digest", ORDER):
        if key in tables:
            raise MalformedInput("{key} is computed, and is not stated", key=key, field=place((key,)))
    whole = {**tables, "digest": blake3_text(_canonical(tables))}
    try:
        book = convert(whole, Rulebook)
    except msgspec.ValidationError as error:
        refusal = canonical.refusal_of(str(error), whole, Rulebook, "")
        path = _path_of(refusal.field or "")
        raise MalformedInput("this cannot be read: {fault}", fault=refusal.text, field=place(path)) from error
    for path, message in chain(faults_of(book), faults_of_papers(book)):
        raise MalformedInput(message, field=place(path))
    return book


def _path_of(field: str) -> Path:
    """Return the path of ``clocks[3].label``, as a refusal names it."""
    return tuple(int(step[2]) if step[2] else step[1] for step in _STEP.finditer(field))


def differences(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> Iterator[tuple[str, str, str]]:
    """Yield where two packages differ: the key, and what stands there in each; a missing part is an empty text.

    Rows that have a name are compared by it and by the day from which they hold, whatever their place. Raises
    MalformedInput for files that are no package.
    """
    old, new = (dict(_leaves("", _merged(files)[0])) for files in (before, after))
    for key in sorted(old.keys() | new.keys()):
        if old.get(key) != new.get(key):
            yield key, old.get(key, ""), new.get(key, "")


def _leaves(key: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, part in value.items():
            yield from _leaves(f"{key}.{name}".removeprefix("."), part)
    elif isinstance(value, list) and value and all(isinstance(part, dict) for part in value):
        for number, part in enumerate(value):
            named = " ".join(str(part[name]) for name in ("name", "valid_from") if name in part)
            yield from _leaves(f"{key}[{named or number}]", part)
    else:
        yield key, canonical.encode(value).decode()


# -- places ------------------------------------------------------------------------------------------------------------


def positions(text: str) -> dict[Path, int]:
    """Return the line, from 1, on which each table and key of a TOML text begins."""
    lines: dict[Path, int] = {}
    sizes: dict[Path, int] = {}  # of arrays of tables
    table: Path = ()
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            table = _resolved(_names(header["path"]), sizes, begins_entry=header["open"] == "[[")
            lines.setdefault(table, number)
        elif key := _KEY.match(line):
            lines.setdefault((*table, *_names(key["path"])), number)
    return lines


def _names(text: str) -> list[str]:
    return [part.strip("\"'") for part in re.findall(r""""[^"]*"|'[^']*'|[^.]+""", text)]


def _resolved(names: Iterable[str], sizes: dict[Path, int], *, begins_entry: bool) -> Path:
    """Return the path of a header: ``[[clocks.extensions]]`` is of the last clock."""
    path: Path = ()
    steps = list(names)
    for number, name in enumerate(steps):
        path = (*path, name)
        if number == len(steps) - 1 and begins_entry:
            sizes[path] = sizes.get(path, 0) + 1
        if path in sizes:
            path = (*path, sizes[path] - 1)
    return path


def _moved(path: Path, rows_before: Mapping[str, int]) -> Path:
    """Return the place of a row in the whole array, of which other files may have rows before it."""
    match path:
        case (str(key), int(index), *rest) if key in rows_before:
            return (key, index + rows_before[key], *rest)
    return path


def _place(path: Path, places: Mapping[Path, str]) -> str:
    """Return ``clocks.toml:41: clocks[3].adds``: the nearest place that is known, and the whole key."""
    where = next((places[path[:n]] for n in range(len(path), 0, -1) if path[:n] in places), MAIN_FILE)
    return f"{where}: {_spelled(path)}" if path else where


def _spelled(path: Path) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")
