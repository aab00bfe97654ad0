"""Ids derived from an agency's own keys and numbers, from which nobody can tell what those are.

Case ids stand in the public log, and numbers of cases and people are easily guessed: so each id is a digest under a
secret key of the agency. The same key and the same file give the same ids, on any machine, which is why a row that is
imported twice comes to one case.

A pseudonymised list names its persons by the ids of the agency's own cases. Only who has the key can make it; whoever
gets it can compare persons and look up none.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

from blake3 import blake3
from msgspec import Struct

from ledger.config.secret_files import KEY_BYTES, read_key, write_secret
from ledger.core.encoding import canonical
from ledger.core.errors import MalformedInput
from ledger.core.messages import Message
from ledger.interchange.exports.csv_output import CsvWriter
from ledger.interchange.imports.source_file import SourceFile
from ledger.interchange.imports.values import Misread, identifier, line

FIELD = "--identity-key"
ID_BYTES = 16
COLUMN = "person_id"  # of a pseudonymised list


class IdentityKey:
    """The 32-byte key of ``agency``, from which all ids are derived."""

    def __init__(self, agency: str, key: bytes):
        self.agency = agency
        self._key = key

    @classmethod
    def read(cls, agency: str, path: Path) -> IdentityKey:
        """Read the key from a file of mode 0600. Raises SecretRefused or MalformedInput."""
        return cls(agency, read_key(path, field=FIELD))

    def case_id(self, source_system: str, source_key: str) -> str:
        """Return the id of the case that the source system knows by this key."""
        return self.id_of("case", source_system, source_key)

    def person_id(self, *identity: str) -> str:
        """Return the id of the person with this number, the same in every case of the agency."""
        return self._hex("person", *identity)

    def id_of(self, noun: str, *origin: str) -> str:
        """Return the id of a thing, a measure or a decision with this origin."""
        return f"{noun}-{self._hex(noun, *origin)}"

    def digest(self, value: Any) -> str:
        """Return the digest of a row's content, equal for equal rows."""
        return "blake3:" + self._keyed(["row", value]).hex()

    def fingerprint(self, text: str) -> int:
        """Return 64 bits, by which equal texts are recognised in little memory."""
        return int.from_bytes(self._keyed(["fingerprint", text])[:8], "big")

    def _hex(self, *origin: str) -> str:
        return self._keyed([self.agency, *origin])[:ID_BYTES].hex()

    def _keyed(self, value: list[Any]) -> bytes:
        return blake3(canonical.encode(value), key=self._key).digest()


def may_be_derived(own: str) -> bool:
    """Tell whether an id has as many digits as the derived ones. One that is given by hand seldom has."""
    return len(own.rpartition("-")[2]) == 2 * ID_BYTES


def make_key(path: Path) -> None:
    """Write a new key. Raises SecretRefused if the file exists: another key would double what was imported."""
    write_secret(path, secrets.token_hex(KEY_BYTES).encode() + b"\n", field=FIELD)


def passing_key(agency: str) -> IdentityKey:
    """Return a key for a dry run, forgotten with it."""
    return IdentityKey(agency, secrets.token_bytes(KEY_BYTES))


class NamedRows(Struct, frozen=True):
    """The rows of a list that name a person: the numbers of each in ``persons``, the ``rows`` without them."""

    persons: list[tuple[str, ...]]
    columns: list[str]
    rows: list[dict[str, str | None]]
    left_out: int


def read_named(source: SourceFile, identity: Sequence[str]) -> NamedRows:
    """Read a list whose columns of ``identity`` have the numbers of persons. Rows with a blank there are left out.

    Raises MalformedInput for a column that does not exist, and a row that cannot be read.
    """
    table = source.table()
    rows: list[dict[str, str | None]] = []
    for row in table.rows():
        if row.fault is not None:
            raise MalformedInput("row {row.number}: {row.fault}", row=row, field="FILE")
        try:
            rows.append({name: (identifier if name in identity else line)(cell) for name, cell in row.cells.items()})
        except Misread as error:
            raise MalformedInput("row {row.number}: {error}", row=row, error=error, field="FILE") from error
    columns = table.columns or tuple(dict.fromkeys(name for cells in rows for name in cells))
    for name in identity:
        if name not in columns:
            hint = Message("The file has: {columns}", columns=", ".join(columns))
            raise MalformedInput("there is no column {name}", name=name, field="--identity", hint=hint)
    identified = [cells for cells in rows if all(cells.get(name) for name in identity)]
    persons = [tuple(cells[name] or "" for name in identity) for cells in identified]
    other_columns = [name for name in columns if name not in identity]
    return NamedRows(persons, other_columns, identified, len(rows) - len(identified))


def named_csv(named: NamedRows, written: Mapping[str, Sequence[str]]) -> bytes:
    """Return a CSV file in UTF-8: the columns of ``written``, which have no numbers of persons, and the others.

    Raises MalformedInput for a column of such a name in the list.
    """
    for column in written:
        if column in named.columns:
            raise MalformedInput(
                "there is a column {column}", column=column, field="FILE", hint="Give it another name."
            )
    text = StringIO(newline="")
    writer = CsvWriter(text, exact=True)  # it is read by programs, which compare the cells
    writer.row([*written, *named.columns])
    for number, cells in enumerate(named.rows):
        writer.row([*(values[number] for values in written.values()), *(cells.get(name) for name in named.columns)])
    return text.getvalue().encode()
