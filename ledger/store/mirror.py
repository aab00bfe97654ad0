"""What a witness keeps as a mirror (C2SP tlog-mirror): every entry, the tiles over them, and the mirror's checkpoint.

All is in the witness's database. Entries are stored in the transaction that stores that they were followed.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import asdict
from sqlalchemy import Connection, func, select
from sqlalchemy.dialects.sqlite import insert
from sqlmodel import Field

from ledger.core.errors import Conflict, IntegrityBroken
from ledger.core.log.merkle import HASH_LENGTH, leaf_hash
from ledger.core.log.tiles import RightEdge, TileReader
from ledger.store.tables import WitnessTable, big, binary, core_of, text


class MirroredEntriesTable(WitnessTable):
    """An entry that was followed, byte for byte."""

    log_index: int = Field(sa_column=big(primary_key=True))
    entry: bytes = Field(sa_column=binary())


class MirroredTilesTable(WitnessTable):
    """The tiles over these entries; a partial tile is replaced as it grows."""

    __table_args__ = ({"sqlite_with_rowid": False},)

    level: int = Field(primary_key=True)
    tile_index: int = Field(sa_column=big(primary_key=True))
    hashes: bytes = Field(sa_column=binary())


class MirrorTable(WitnessTable):
    """At most one row: the mirror's checkpoint, the log's ``note`` and the mirror's ``lines``."""

    id: int = Field(sa_column=big(primary_key=True))
    size: int = Field(sa_column=big())
    note: str = Field(sa_column=text())
    lines: str = Field(sa_column=text())
    cosigned_at: int = Field(sa_column=big(), description="unix seconds")


ENTRIES = core_of(MirroredEntriesTable)
TILES = core_of(MirroredTilesTable)
MIRROR = core_of(MirrorTable)


class MirrorCheckpoint(Struct, frozen=True):
    """The mirror's checkpoint; size 0 before the first."""

    size: int = 0
    note: str = ""
    lines: str = ""
    cosigned_at: int = 0  # unix seconds


def append(connection: Connection, first: int, entries: Sequence[bytes]) -> None:
    """Store entries from index ``first`` on, and the tiles that they change. Raises Conflict if earlier ones lack."""
    stored = count(connection)
    if stored != first:
        raise Conflict("the mirror has {stored} of the {first} entries before", stored=stored, first=first)
    rows = [{"log_index": index, "entry": entry} for index, entry in enumerate(entries, first)]
    connection.execute(ENTRIES.insert(), rows)
    appended = RightEdge.read(first, tile_reader(connection)).append([leaf_hash(entry) for entry in entries])
    upsert = insert(TILES)
    key, changed = ["level", "tile_index"], {"hashes": upsert.excluded.hashes}
    tiles = [{"level": tile.level, "tile_index": tile.index, "hashes": tile.hashes} for tile in appended.tiles]
    connection.execute(upsert.on_conflict_do_update(index_elements=key, set_=changed), tiles)


def count(connection: Connection) -> int:
    """Return how many entries are stored."""
    return int(connection.execute(select(func.count()).select_from(ENTRIES)).scalar_one())


def entries(connection: Connection, first: int, end: int) -> list[bytes]:
    """Return the entries ``first <= index < end``."""
    query = select(ENTRIES.c.entry).where(ENTRIES.c.log_index >= first, ENTRIES.c.log_index < end)
    return list(connection.execute(query.order_by(ENTRIES.c.log_index)).scalars())


def tile_reader(connection: Connection) -> TileReader:
    """Return a reader of the first hashes of stored tiles."""

    def read(level: int, index: int, width: int, /) -> bytes:
        query = select(TILES.c.hashes).where(TILES.c.level == level, TILES.c.tile_index == index)
        hashes: bytes | None = connection.execute(query).scalar()
        if hashes is None or len(hashes) < width * HASH_LENGTH:
            raise IntegrityBroken("tile {level}/{index} is not stored", level=level, index=index, field="tile")
        return hashes[: width * HASH_LENGTH]

    return read


def checkpoint(connection: Connection) -> MirrorCheckpoint:
    """Return the mirror's checkpoint."""
    row = connection.execute(select(MIRROR)).first()
    return MirrorCheckpoint(row.size, row.note, row.lines, row.cosigned_at) if row else MirrorCheckpoint()


def replace_checkpoint(connection: Connection, new: MirrorCheckpoint) -> None:
    """Put a checkpoint in the place of the one before."""
    row = {"id": 1} | asdict(new)
    connection.execute(insert(MIRROR).values(row).on_conflict_do_update(index_elements=["id"], set_=row))
