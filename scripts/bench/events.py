"""Signed submissions to measure with, busy cases, and long logs in little time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

from rich.progress import track
from sqlalchemy import Column, ColumnElement, MetaData, Table, create_engine, insert, literal, select, update
from sqlalchemy.engine import Connection

from ledger.core.encoding.instants import instant_text
from ledger.core.events import Body, Stream, case, handover, item
from ledger.core.log.merkle import leaf_hash
from ledger.core.log.tiles import RightEdge
from ledger.recording.event_signing import Actor, StreamPosition, sign_event
from ledger.samples.case_acts import listed, registration
from ledger.store import log
from ledger.store.tables import CASE_AGENCIES, CASES, CLOCKS, ENTRIES, FEED, HANDOVERS, ITEMS, STREAMS, TILES, TREE
from scripts.campaigns.casework import LOG_ID, POLICE, PROCURATORATE, Casework

STEPS = 4  # events of one case


def submissions(count: int, run: str) -> list[bytes]:
    """``count`` submissions: every case is opened first, then an item of each is registered, offered, accepted.

    So an event's predecessor is far ahead of it, whatever connection each goes over.
    """
    cases = [Casework(f"case-{run}-{number}") for number in range(count // STEPS)]
    written = []
    for work in cases * STEPS:
        signed = work.next(int(time.time()))
        work.acknowledged(signed)
        written.append(signed.submission)
    return written


ROUND = 8  # events that come again and again, about other things each time
_WEEK_S = 7 * 86_400


def busy_case(case_id: str) -> Iterator[bytes]:
    """Yield the submissions of a case without end; each stands on the one before it.

    Of a round two items and two answered handovers stay in the case, a clock that runs and two that have ended.
    """
    place = StreamPosition(Stream(kind="case", id=case_id))
    for body, actor in _busy_acts(case_id):
        signed = sign_event(body, place, actor, LOG_ID)
        place = signed.following
        yield signed.submission


def _busy_acts(case_id: str) -> Iterator[tuple[Body, Actor]]:
    yield case.CaseOpened(case_id, "fraud", "criminal", "investigation", "cn-criminal"), POLICE
    yield case.PersonNamed(person_id="0" * 32, role="suspect"), POLICE
    for number in count():
        account, phone = f"account-{case_id}-{number}", f"phone-{case_id}-{number}"
        outward, back, lines, now = f"there-{number}", f"back-{number}", (listed(phone),), int(time.time())
        due, frozen_until, lab = instant_text(now + _WEEK_S), instant_text(now + 26 * _WEEK_S)[:10], PROCURATORATE
        yield registration(account, "property"), POLICE
        yield item.ItemFrozen(item_id=account, frozen_until=frozen_until), POLICE
        yield registration(phone), POLICE
        yield handover.HandoverOffered(outward, lab.agency, "forensic_examination", items=lines, expires_at=due), POLICE
        yield handover.HandoverAccepted(outward, instant_text(now), rest_as_listed=True), lab
        yield handover.HandoverReturned(back, outward, "return", "other", "examined", items=lines), lab
        yield handover.HandoverAccepted(back, instant_text(now), rest_as_listed=True), POLICE
        yield item.ItemMoved(item_id=phone, storage_location="locker 7"), POLICE


COPIED = (ENTRIES, STREAMS, FEED, CASES, CASE_AGENCIES, ITEMS, HANDOVERS, CLOCKS)
IDS = ("event_id", "stream_id", "payload_digest", "case_id", "item_id", "head")  # and ``id`` of a stream
PLACES = ("log_index", "updated_index", "committed_size")


def lengthen(file: Path, entries: int) -> int:
    """Copy the cases of the SQLite ledger in ``file`` until it has about so many entries; return how many it has."""
    engine = create_engine(f"sqlite:///{file}")
    with engine.begin() as connection:
        kept = {table: _set_aside(connection, table) for table in COPIED}
        tree = log.tree(connection)
        of_cases = select(ENTRIES.c.envelope).where(ENTRIES.c.stream_kind == "case").order_by(ENTRIES.c.log_index)
        leaves = [leaf_hash(envelope) for envelope in connection.execute(of_cases).scalars()]
        edge = RightEdge.read(tree.size, log.tile_reader(connection))
        for number in track(range((entries - tree.size) // len(leaves)), f"a log of {entries:,} entries"):
            for table, apart in kept.items():
                _copy(connection, apart, table, f"-copy-{number}", edge.size - (tree.size - len(leaves)))
            grown = edge.append(leaves)
            rows = [{"level": tile.level, "tile_index": tile.index, "hashes": tile.hashes} for tile in grown.tiles]
            connection.execute(insert(TILES).prefix_with("OR REPLACE"), rows)
            connection.execute(update(TREE).values(size=grown.size, root=grown.root))
            edge = grown.edge
    engine.dispose()
    return edge.size


def _set_aside(connection: Connection, table: Table) -> Table:
    """Set the rows of cases aside in a table of this connection."""
    columns: list[Column[Any]] = [Column(column.name, column.type) for column in table.columns]
    apart = Table(f"first_{table.name}", MetaData(), *columns, prefixes=["TEMPORARY"])
    apart.create(connection)
    kinds = {ENTRIES: ENTRIES.c.stream_kind, STREAMS: STREAMS.c.kind}
    rows = select(table).where(kinds[table] == "case") if table in kinds else select(table)
    connection.execute(insert(apart).from_select([*apart.columns], rows))
    return apart


def _copy(connection: Connection, apart: Table, table: Table, mark: str, shift: int) -> None:
    """Put the rows that were set aside into the table under other ids, ``shift`` entries further on."""

    def moved(column: ColumnElement[Any]) -> ColumnElement[Any]:
        if column.key in IDS or (table is STREAMS and column.key == "id"):
            return column.op("||")(literal(mark))
        return column + literal(shift) if column.key in PLACES else column

    connection.execute(insert(table).from_select([*table.columns], select(*map(moved, apart.columns))))
