"""Mutations of a stored log: each is undone after the audit, and the audit must have named the exact index.

python -m scripts.campaigns.edited_rows [--mutations 10000] [--entries 120] [--seed N]

Bits flipped in entries, payloads, sections and tiles, columns edited, rows deleted, moved and swapped, the tail cut.
The index that must be named is that of the first entry whose stored bytes or columns are no longer what they were.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Table, delete, insert, select, update

from ledger.audit import AuditReport, audit_log, left_out
from ledger.procedures import shipped_rulebook
from ledger.store.database import Connection, Database, open_database
from ledger.store.tables import ENTRIES, SECTIONS, TILES
from scripts.campaigns import casework
from scripts.campaigns.books import Books, Client
from scripts.campaigns.casework import Casework
from scripts.campaigns.targets import WriterTarget

# Columns of an entry that its envelope says too. ``recorded_at`` was signed by nobody.
COLUMNS = ("event_id", "event_type", "stream_kind", "stream_id", "agency", "key_id", "payload_digest")
NUMBERS = ("sequence", "signed_at")

Rows = list[dict[str, Any]]


class Stored:
    """The tables that are mutated, as they were, and the chance that picks what is done to them."""

    def __init__(self, database: Database, chance: random.Random):
        self.chance = chance
        with database.read() as connection:
            self._rows = {table: _rows(connection, table) for table in (ENTRIES, SECTIONS, TILES)}

    @property
    def entries(self) -> Rows:
        return self._rows[ENTRIES]

    def of(self, table: Table) -> dict[str, Any]:
        """One of its rows."""
        return self.chance.choice(self._rows[table])

    def restore(self, connection: Connection) -> None:
        for table, rows in self._rows.items():
            connection.execute(delete(table))
            if rows:
                connection.execute(insert(table), rows)


def _rows(connection: Connection, table: Table) -> Rows:
    keys = list(table.primary_key.columns)
    return [dict(row) for row in connection.execute(select(table).order_by(*keys)).mappings()]


# Each does its worst and gives the index that the audit must name.


def flip_entry_bit(stored: Stored, connection: Connection) -> int:
    row = stored.of(ENTRIES)
    column = stored.chance.choice(("envelope", "payload"))
    _set(connection, row, **{column: _flipped(row[column], stored.chance)})
    return int(row["log_index"])


def edit_column(stored: Stored, connection: Connection) -> int:
    row, column = stored.of(ENTRIES), stored.chance.choice(COLUMNS)
    _set(connection, row, **{column: row[column] + "x"})
    return int(row["log_index"])


def edit_number(stored: Stored, connection: Connection) -> int:
    row, column = stored.of(ENTRIES), stored.chance.choice(NUMBERS)
    _set(connection, row, **{column: row[column] + 1_000_000})
    return int(row["log_index"])


def delete_row(stored: Stored, connection: Connection) -> int:
    index: int = stored.of(ENTRIES)["log_index"]
    connection.execute(delete(ENTRIES).where(ENTRIES.c.log_index == index))
    return index


def swap_rows(stored: Stored, connection: Connection) -> int:
    """Two entries change places, with all that they carry but their index."""
    first, other = stored.chance.sample(stored.entries, 2)
    for row in (first, other):
        connection.execute(delete(ENTRIES).where(ENTRIES.c.log_index == row["log_index"]))
    swapped = [first | {"log_index": other["log_index"]}, other | {"log_index": first["log_index"]}]
    connection.execute(insert(ENTRIES), swapped)
    return min(int(first["log_index"]), int(other["log_index"]))


def move_row(stored: Stored, connection: Connection) -> int:
    """Move an entry behind the end: its place is empty."""
    row = stored.of(ENTRIES)
    _set(connection, row, log_index=len(stored.entries) + stored.chance.randrange(10))
    return int(row["log_index"])


def cut_tail(stored: Stored, connection: Connection) -> int:
    first: int = stored.of(ENTRIES)["log_index"]
    connection.execute(delete(ENTRIES).where(ENTRIES.c.log_index >= first))
    return first


def flip_section_bit(stored: Stored, connection: Connection) -> int:
    row = stored.of(SECTIONS)
    changed = update(SECTIONS).where(SECTIONS.c.log_index == row["log_index"], SECTIONS.c.label == row["label"])
    connection.execute(changed.values(data=_flipped(row["data"], stored.chance)))
    return int(row["log_index"])


def flip_tile_bit(stored: Stored, connection: Connection) -> int:
    """Flip a bit in the tiles of leaves: each hash is an entry's."""
    row = next(tile for tile in iter(lambda: stored.of(TILES), None) if tile["level"] == 0)
    position = stored.chance.randrange(len(row["hashes"]))
    hashes = bytearray(row["hashes"])
    hashes[position] ^= 1 << stored.chance.randrange(8)
    changed = update(TILES).where(TILES.c.level == 0, TILES.c.tile_index == row["tile_index"])
    connection.execute(changed.values(hashes=bytes(hashes)))
    return int(row["tile_index"]) * 256 + position // 32


MUTATIONS: tuple[Callable[[Stored, Connection], int], ...] = (
    flip_entry_bit,
    edit_column,
    edit_number,
    delete_row,
    swap_rows,
    move_row,
    cut_tail,
    flip_section_bit,
    flip_tile_bit,
)


def _set(connection: Connection, row: dict[str, Any], **values: object) -> None:
    connection.execute(update(ENTRIES).where(ENTRIES.c.log_index == row["log_index"]).values(**values))


def _flipped(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


@dataclass(frozen=True)
class Outcome:
    """What the mutations came to: how often each was made, and those that were not named as they must be."""

    made: Counter[str]
    missed: tuple[str, ...]


def run(database: Database, count: int, chance: random.Random) -> Outcome:
    """Mutates, audits, restores, ``count`` times. Requires a log in which the audit finds nothing."""
    stored, mutations = Stored(database, chance), Counter[str]()
    missed: list[str] = []
    require_intact(audit(database))
    for _ in range(count):
        mutate = chance.choice(MUTATIONS)
        with database.write() as connection:
            index = mutate(stored, connection)
        report = audit(database)
        mutations[mutate.__name__] += 1
        named = [finding.index for finding in report.findings if finding.index is not None]
        if report.verdict != "tampered" or not named or min(named) != index:
            missed.append(f"{mutate.__name__} at {index}: {report.verdict}, named {named[:5]}")
        with database.write() as connection:
            stored.restore(connection)
    require_intact(audit(database))
    return Outcome(mutations, tuple(missed))


def audit(database: Database) -> AuditReport:
    return audit_log(database, casework.TRUST, shipped_rulebook(), look=left_out, processes=1)


def require_intact(report: AuditReport) -> None:
    if report.findings:
        raise RuntimeError(f"the log is not sound to begin with, or was not restored: {report.findings[:3]}")


def fill(url: str, entries: int) -> None:
    """Cases with a confidential section each, so many that the log has as many entries or a few more."""
    target, client = WriterTarget(url), Client(Casework("m", with_sections=True), Books())
    target.start()
    while len(client.books.acknowledged) < entries and client.step(target):
        continue
    target.finish()
    if client.books.faults:
        raise RuntimeError(str(client.books.faults))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mutations", type=int, default=10_000)
    parser.add_argument("--entries", type=int, default=120)
    parser.add_argument("--seed", type=int)
    options = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="tallystick-mutations-") as folder:
        url = f"sqlite:///{Path(folder) / 'ledger.db'}"
        fill(url, options.entries)
        database = open_database(url)
        try:
            outcome = run(database, options.mutations, random.Random(options.seed))  # noqa: S311 - no secrets
        finally:
            database.close()
    for line in outcome.missed:
        print(line)
    total, seconds = sum(outcome.made.values()), time.monotonic() - began
    print(f"{total} mutations, {len(outcome.missed)} not named exactly, {seconds:.0f} s: {dict(outcome.made)}")
    return 1 if outcome.missed else 0


if __name__ == "__main__":
    sys.exit(main())
