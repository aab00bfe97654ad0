"""The tables of a witness: how far it has followed a log, what it has co-signed, and what alarmed it.

They lie in a database of the witness's own, on its own machine.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, LargeBinary, MetaData, String, Table, Text

WITNESS_METADATA = MetaData()


def _number(name: str, *, primary_key: bool = False, nullable: bool = False) -> Column[int]:
    return Column(name, BigInteger, primary_key=primary_key, autoincrement=False, nullable=nullable)


# One row. ``roots`` are the complete subtrees of the frontier, 32 bytes each; ``seen_size`` is the largest tree that
# the log has published, ``looked_at`` when it was last read without a fault (unix ms) and ``looked_size`` what it
# published then; ``anchor_*`` are of the last final record of the chain.
FOLLOWED = Table(
    "followed",
    WITNESS_METADATA,
    _number("id", primary_key=True),
    Column("log_id", LargeBinary, nullable=False),
    Column("log_key", String, nullable=False),
    _number("size"),
    Column("roots", LargeBinary, nullable=False),
    _number("seen_size"),
    _number("looked_at"),
    _number("looked_size"),
    _number("anchor_number"),
    _number("anchor_size"),
    Column("anchor_root", LargeBinary, nullable=False),
)

FOLLOWED_STREAMS = Table(
    "followed_streams",
    WITNESS_METADATA,
    Column("kind", String, primary_key=True),
    Column("id", String, primary_key=True),
    _number("sequence"),
    Column("digest", String, nullable=False),
    sqlite_with_rowid=False,
)

FOLLOWED_EVENTS = Table(
    "followed_events",
    WITNESS_METADATA,
    Column("event_id", String, primary_key=True),
    _number("log_index"),
    sqlite_with_rowid=False,
)

FOLLOWED_CHANGES = Table(
    "followed_changes",
    WITNESS_METADATA,
    _number("number", primary_key=True),
    _number("log_index"),
    Column("payload", LargeBinary, nullable=False),
)

# Sizes that were co-signed, from the last final anchor on; ``note`` as the log signed it, ``cosigned_at`` in unix s.
COSIGNED = Table(
    "cosigned",
    WITNESS_METADATA,
    _number("size", primary_key=True),
    Column("root", LargeBinary, nullable=False),
    Column("note", Text, nullable=False),
    _number("cosigned_at"),
)

# ``halts``: nothing is signed until it is cleared, which takes a person who says ``because``. Times in unix ms.
ALARMS = Table(
    "alarms",
    WITNESS_METADATA,
    _number("number", primary_key=True),
    Column("kind", String, nullable=False),
    Column("halts", Boolean, nullable=False),
    Column("told", Text, nullable=False),
    Column("evidence", Text, nullable=False),
    _number("raised_at"),
    _number("cleared_at", nullable=True),
    Column("because", Text, nullable=True),
)
