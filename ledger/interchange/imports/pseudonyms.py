"""Pseudonyms: an outside list whose persons stand in it as in the agency's own cases, without the numbers of papers.

Only who has the agency's identity key can make it; whoever gets it can compare persons and look up none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from io import StringIO
from pathlib import Path

from msgspec import Struct

from ledger.config.secret_files import write_secret
from ledger.core.errors import MalformedInput
from ledger.interchange.exports.csv_output import CsvWriter
from ledger.interchange.imports.identity import IdentityKey
from ledger.interchange.imports.rows import Row
from ledger.interchange.imports.source_file import SourceFile
from ledger.interchange.imports.values import Misread, line

COLUMN = "person_id"


class Pseudonymised(Struct, frozen=True):
    """How many rows were written; those with a blank in the place of a number are nobody's, and left out."""

    rows: int
    left_out: int


def pseudonymise(source: SourceFile, identity: Sequence[str], key: IdentityKey, target: Path) -> Pseudonymised:
    """Writes a CSV file in UTF-8: ``person_id`` in the place of the columns of ``identity``, the others as they are.

    Requires ``identity`` as the import's mapping has it. Raises MalformedInput for a column that is not there, a row
    that cannot be read, and a target that is.
    """
    table = source.table()
    rows = list(_read(table.rows()))
    columns = table.columns or tuple(dict.fromkeys(name for row in rows for name in row))
    _require(columns, identity)
    kept = [name for name in columns if name not in identity]
    known = [row for row in rows if all(row.get(name) for name in identity)]
    written = [[key.person_id(*(row[one] or "" for one in identity)), *(row.get(one) for one in kept)] for row in known]
    _write(target, [[COLUMN, *kept], *written])
    return Pseudonymised(len(written), len(rows) - len(written))


def _require(columns: Sequence[str], identity: Sequence[str]) -> None:
    there = f"The file has: {', '.join(columns)}"
    for name in identity:
        if name not in columns:
            raise MalformedInput(f"there is no column {name}", field="--identity", hint=there)
    if COLUMN in columns and COLUMN not in identity:
        raise MalformedInput(f"there is a column {COLUMN} already", field="FILE", hint="Give it another name.")


def _read(rows: Iterator[Row]) -> Iterator[dict[str, str | None]]:
    for row in rows:
        if row.fault is not None:
            raise MalformedInput(f"row {row.number}: {row.fault}", field="FILE")
        try:
            yield {name: line(cell) for name, cell in row.cells.items()}
        except Misread as error:
            raise MalformedInput(f"row {row.number}: {error}", field="FILE") from error


def _write(target: Path, rows: list[list[str | None]]) -> None:
    text = StringIO(newline="")
    writer = CsvWriter(text, exact=True, line_end="\n")  # it is read by programs, which compare what stands there
    for row in rows:
        writer.row(row)
    write_secret(target, text.getvalue().encode(), field="--output")
