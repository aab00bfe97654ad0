"""The tables of a witness's own database."""

from __future__ import annotations

from sqlmodel import Field

from ledger.store.tables import WitnessTable, big, binary, core_of, text


class FollowedTable(WitnessTable):
    """One row: how far the log was followed. ``roots`` are the complete subtrees of the frontier, 32 bytes each.

    ``map_root`` is that of the head map, ``acts`` the size up to the last entry that is more than housekeeping.
    ``note`` is what it was followed by: the log's note, or what the chain has. ``seen_size`` is the largest tree that
    the log has published, by ``seen_note``; ``looked_at`` is when it was last read without a fault (unix ms), and
    ``looked_size`` what it published then. ``anchor_*`` are of the last final record of the chain.
    """

    id: int = Field(sa_column=big(primary_key=True))
    log_id: bytes = Field(sa_column=binary())
    log_key: str
    size: int = Field(sa_column=big())
    roots: bytes = Field(sa_column=binary())
    map_root: bytes = Field(sa_column=binary())
    acts: int = Field(sa_column=big())
    note: str = Field(sa_column=text())
    seen_size: int = Field(sa_column=big())
    seen_note: str = Field(sa_column=text())
    looked_at: int = Field(sa_column=big())
    looked_size: int = Field(sa_column=big())
    anchor_number: int = Field(sa_column=big())
    anchor_size: int = Field(sa_column=big())
    anchor_root: bytes = Field(sa_column=binary())


class FollowedMapPagesTable(WitnessTable):
    """The pages of the head map over the entries that were followed (``ledger.core.log.head_map``)."""

    name: str = Field(primary_key=True)
    page: bytes = Field(sa_column=binary())


class FollowedEventsTable(WitnessTable):
    """The index of each event that was followed."""

    __table_args__ = ({"sqlite_with_rowid": False},)

    event_id: str = Field(primary_key=True)
    log_index: int = Field(sa_column=big())


class FollowedChangesTable(WitnessTable):
    """The entries that mirror changes of the registry."""

    number: int = Field(sa_column=big(primary_key=True))
    log_index: int = Field(sa_column=big())
    event_type: str
    payload: bytes = Field(sa_column=binary())


class CosignedTable(WitnessTable):
    """A tree that was co-signed, from the last final anchor on: the log's ``note``, and this witness's ``lines``."""

    size: int = Field(sa_column=big(primary_key=True))
    root: bytes = Field(sa_column=binary())
    note: str = Field(sa_column=text())
    lines: str = Field(sa_column=text())
    cosigned_at: int = Field(sa_column=big(), description="unix seconds")


class AlarmsTable(WitnessTable):
    """An alarm; times in unix milliseconds.

    ``halts``: nothing is signed until it is cleared, which takes a person who says ``because``.
    """

    number: int = Field(sa_column=big(primary_key=True))
    kind: str
    halts: bool
    message: str = Field(sa_column=text())
    evidence: str = Field(sa_column=text())
    raised_at: int = Field(sa_column=big())
    cleared_at: int | None = Field(default=None, sa_column=big(nullable=True))
    because: str | None = Field(default=None, sa_column=text(nullable=True))


FOLLOWED = core_of(FollowedTable)
FOLLOWED_MAP_PAGES = core_of(FollowedMapPagesTable)
FOLLOWED_EVENTS = core_of(FollowedEventsTable)
FOLLOWED_CHANGES = core_of(FollowedChangesTable)
COSIGNED = core_of(CosignedTable)
ALARMS = core_of(AlarmsTable)
