"""Ids that come out of an agency's own keys and numbers, and tell nobody what those are.

Case ids stand in the public log, and numbers of cases and people are easily guessed: so each id is a digest under a
secret key of the agency. The same key and the same file give the same ids, on any machine, which is why a row that is
imported twice comes to one case.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

from blake3 import blake3
from msgspec import Struct

from ledger.config.secret_files import read_secret, write_secret
from ledger.core.encoding import canonical
from ledger.core.errors import MalformedInput
from ledger.interchange.exports.csv_output import CsvWriter
from ledger.interchange.imports.source_file import SourceFile
from ledger.interchange.imports.tables import Row
from ledger.interchange.imports.values import Misread, line

LENGTH = 32  # bytes
FIELD = "--identity-key"


class IdentityKey:
    """The 32-byte key of ``agency``; all ids are of its making."""

    def __init__(self, agency: str, key: bytes):
        self.agency = agency
        self._key = key

    @classmethod
    def read(cls, agency: str, path: Path) -> IdentityKey:
        """The key in a file of mode 0600. Raises SecretRefused or MalformedInput."""
        try:
            key = bytes.fromhex(read_secret(path, field=FIELD).decode("ascii").strip())
        except ValueError as error:
            raise MalformedInput(f"expected 64 hex digits in {path}", field=FIELD) from error
        if len(key) != LENGTH:
            raise MalformedInput(f"expected {2 * LENGTH} hex digits in {path}, not {2 * len(key)}", field=FIELD)
        return cls(agency, key)

    def case_id(self, source_system: str, source_key: str) -> str:
        return f"case-{self._hex('case', source_system, source_key)}"

    def person_id(self, *identity: str) -> str:
        """Of whoever has this number, in every case of the agency."""
        return self._hex("person", *identity)

    def id_of(self, noun: str, *origin: str) -> str:
        """Of a thing, a measure or a decision that comes from there."""
        return f"{noun}-{self._hex(noun, *origin)}"

    def digest(self, value: Any) -> str:
        """Of what a row says: equal for equal rows."""
        return "blake3:" + self._keyed(["row", value]).hex()

    def fingerprint(self, text: str) -> int:
        """64 bits, to tell equal texts in little memory."""
        return int.from_bytes(self._keyed(["fingerprint", text])[:8], "big")

    def _hex(self, *origin: str) -> str:
        return self._keyed([self.agency, *origin])[:16].hex()

    def _keyed(self, value: list[Any]) -> bytes:
        return blake3(canonical.encode(value), key=self._key).digest()


def make_key(path: Path) -> None:
    """Writes a new key. Raises SecretRefused where the file is there: another key would double what was imported."""
    write_secret(path, secrets.token_hex(LENGTH).encode() + b"\n", field=FIELD)


def passing_key(agency: str) -> IdentityKey:
    """A key for a dry run, forgotten with it."""
    return IdentityKey(agency, secrets.token_bytes(LENGTH))


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
