"""Several files as one: the rows of the others that belong to a row of the first stand in it as nested cells.

The second row of the file ``suspects`` with a case's key gives ``suspects.1.<column>``, as a JSON file names a nested
value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from ledger.core.encoding.digests import Algorithm, digest_by
from ledger.core.errors import MalformedInput
from ledger.core.messages import Message
from ledger.interchange.imports.mapping import ImportMapping, JoinedFile
from ledger.interchange.imports.source_file import SourceFile, layout_of
from ledger.interchange.imports.tables import Cell, SourceRow, SourceTable, refuse_file
from ledger.interchange.imports.values import Misread, line

Key = tuple[str | None, ...]


class JoinedRows(NamedTuple):
    """The rows of another file by the key of their case, its columns, and how many rows of a case the mapping reads."""

    by_key: Mapping[Key, list[SourceRow]]
    columns: tuple[str, ...] | None
    places: int


class JoinedTable:
    """The rows of ``first``, each with the rows of the other files that have its key."""

    def __init__(self, first: SourceTable, key: tuple[str, ...], others: Mapping[str, JoinedRows]):
        self._first = first
        self._key = key
        self._others = others
        columns = first.columns
        for name, joined in others.items():
            if columns is not None:
                nested = (f"{name}.{n}.{column}" for n in range(joined.places) for column in joined.columns or ())
                columns = (*columns, *nested)
        # What another file has in JSON, nobody knows before all of its rows are read.
        self.columns = None if any(joined.columns is None for joined in others.values()) else columns

    def rows(self) -> Iterator[SourceRow]:
        """Yield the rows. Raises MalformedInput if a row of another file belongs to none."""
        taken: dict[str, set[Key]] = {name: set() for name in self._others}
        for row in self._first.rows():
            key = key_of(row, self._key)
            cells: dict[str, Cell] = dict(row.cells)
            fault = row.fault
            for name, joined in self._others.items():
                taken[name].add(key)
                belonging = joined.by_key.get(key, [])
                if len(belonging) > joined.places:
                    fault = fault or Message(
                        "{name} has {count} rows of this case, and the mapping reads {places}",
                        name=name,
                        count=len(belonging),
                        places=joined.places,
                    )
                for number, part in enumerate(belonging):
                    cells |= {f"{name}.{number}.{column}": cell for column, cell in part.cells.items()}
            yield SourceRow(row.number, cells, fault)
        for name, joined in self._others.items():
            for key in joined.by_key.keys() - taken[name]:
                shown = " / ".join(part or "" for part in key)
                reason = Message("{name} has the key {key!r}, which no row of the first file has", name=name, key=shown)
                refuse_file(reason, number=joined.by_key[key][0].number)


class JoinedSource(SourceFile):
    """The first of several files, read together with the others."""

    def __init__(self, path: Path, mapping: ImportMapping, others: Mapping[str, Path]):
        super().__init__(path, layout_of(path, mapping))
        self._mapping = mapping
        self._others: dict[str, tuple[JoinedFile, SourceFile]] = {}
        for part in mapping.files:
            if part.name not in others:
                raise MalformedInput(
                    "the mapping joins a file {name}: which is it?",
                    name=part.name,
                    field="--with",
                    hint=Message("Say --with {name}=PATH", name=part.name),
                )
            self._others[part.name] = part, SourceFile(others[part.name], layout_of(others[part.name], part))
        for name in others.keys() - self._others.keys():
            raise MalformedInput("the mapping joins no file {name}", name=name, field="--with")

    def __exit__(self, *raised: object) -> None:
        for _, file in self._others.values():
            file.__exit__(*raised)
        super().__exit__(*raised)

    def table(self) -> SourceTable:
        """Return the rows from the beginning. Raises MalformedInput."""
        asked = self._mapping.columns()
        joined = {name: _rows_of(part, file, asked) for name, (part, file) in self._others.items()}
        return JoinedTable(super().table(), self._mapping.key, joined) if joined else super().table()

    def digest(self) -> str:
        """Return the digest of the first file; of several, the SHA-256 of all digests, each on a line."""
        digests = [super().digest(), *(file.digest() for _, file in self._others.values())]
        if len(digests) == 1:
            return digests[0]
        return str(digest_by(Algorithm.SHA256, "".join(f"{each}\n" for each in digests).encode()))

    def require_unchanged(self) -> None:
        """Raise IntegrityBroken if one of the files was written to since it was opened."""
        super().require_unchanged()
        for _, file in self._others.values():
            file.require_unchanged()


def key_of(row: SourceRow, columns: tuple[str, ...]) -> Key:
    """Return the cells by which a row is joined; one that cannot be read is None."""
    return tuple(_text(row.cells.get(column)) for column in columns)


def _text(cell: Cell) -> str | None:
    try:
        return line(cell)
    except Misread:
        return None


def _rows_of(part: JoinedFile, file: SourceFile, asked: Mapping[str, str]) -> JoinedRows:
    table = file.table()
    by_key: dict[Key, list[SourceRow]] = {}
    for row in table.rows():
        if row.fault is not None:
            # Whose it is cannot be read either.
            refuse_file(Message("{name}: {fault}", name=part.name, fault=row.fault), number=row.number)
        by_key.setdefault(key_of(row, part.key), []).append(row)
    place = re.compile(re.escape(part.name) + r"\.([0-9]{1,4})\.")
    places = [int(match[1]) + 1 for column in asked if (match := place.match(column))]
    return JoinedRows(by_key, table.columns, max(places, default=0))
