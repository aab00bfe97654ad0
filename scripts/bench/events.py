"""Signed submissions to measure with, busy cases, and long logs in little time."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

from rich.progress import track
from sqlalchemy import Column, ColumnElement, MetaData, Table, create_engine, func, insert, literal, select, update
from sqlalchemy.engine import Connection

from ledger.core.encoding.instants import instant_text
from ledger.core.events import Body, Stream, case, handover, item
from ledger.core.log.merkle import leaf_hash
from ledger.core.log.tiles import RightEdge
from ledger.recording.event_signing import Actor, StreamPosition, sign_event
from ledger.samples.case_acts import listed, registration
from ledger.store import log, search, word_parts
from ledger.store.tables import (
    CASE_AGENCIES,
    CASES,
    CLOCKS,
    ENTRIES,
    FEED,
    FLAGS,
    HANDOVERS,
    ITEMS,
    META,
    SECTIONS,
    STREAMS,
    TILES,
    TREE,
    WORD_PARTS,
    WORDS,
)
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


COPIED = (ENTRIES, STREAMS, FEED, FLAGS, SECTIONS, CASES, CASE_AGENCIES, ITEMS, HANDOVERS, CLOCKS, WORDS)
MADE_IN_ORDER = ("event_id", "stream_id", "case_id", "item_id")  # ids of which a later one is the greater, as of UUIDv7
AT_RANDOM = ("payload_digest", "head")
PLACES = ("log_index", "updated_index", "committed_size")
WORDS_AT_ONCE = 100_000
CACHE_KIB = 2 * 2**20  # of SQLite's pages, while a log is lengthened


def lengthen(file: Path, sizes: Iterable[int]) -> Iterator[int]:
    """Copy the cases of the SQLite ledger in ``file``; yield its size whenever it has about one of these ``sizes``.

    Others may write to it meanwhile, and what they write is not copied. The copies have ids of their own, in the order
    in which they are made, so that indexes grow as they do with true ones. They bear no valid signatures.
    """
    engine = create_engine(f"sqlite:///{file}")
    with engine.connect() as connection:
        for setting in (f"cache_size=-{CACHE_KIB}", "synchronous=OFF"):
            connection.exec_driver_sql(f"PRAGMA {setting}")
        kept = {table: _set_aside(connection, table) for table in COPIED}
        first = kept[ENTRIES]
        in_order = select(first.c.envelope).order_by(first.c.log_index)
        leaves = [leaf_hash(envelope) for envelope in connection.execute(in_order).scalars()]
        begins = connection.execute(select(func.min(first.c.log_index))).scalar_one()
        connection.commit()
        for entries in sizes:
            tree = log.tree(connection)
            edge = RightEdge.read(tree.size, log.tile_reader(connection))
            connection.commit()
            for _ in track(range((entries - tree.size) // len(leaves)), f"a log of {entries:,} entries"):
                for table, apart in kept.items():
                    _copy(connection, apart, table, f"{edge.size:012}-", edge.size - begins)
                grown = edge.append(leaves)
                rows = [{"level": tile.level, "tile_index": tile.index, "hashes": tile.hashes} for tile in grown.tiles]
                connection.execute(insert(TILES).prefix_with("OR REPLACE"), rows)
                connection.execute(update(TREE).values(size=grown.size, root=grown.root))
                connection.commit()
                edge = grown.edge
            _index_words(connection)
            connection.commit()
            # Or its readers would look for every page in a log of gigabytes first.
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.commit()
            yield edge.size
    engine.dispose()


def _index_words(connection: Connection) -> None:
    """Make the parts of all words that have none yet, as the service does from the log: its copies bear no digests."""
    last, before = log.tree(connection).size - 1, word_parts.position(connection, search.PARTS_MARK)
    words = select(WORDS.c.word, WORDS.c.updated_index).where(
        WORDS.c.updated_index > before, WORDS.c.kind.in_(search.WITHIN)
    )
    apart = _apart(connection, WORD_PARTS)
    for some in connection.execute(words).partitions(WORDS_AT_ONCE):
        rows = [{"part": part, "log_index": index} for word, index in some for part in word_parts.parts_of(word)]
        connection.execute(insert(apart), rows)
    # In the order of the table, so that each of its pages is written once.
    in_order = select(apart).distinct().order_by(*apart.columns)
    connection.execute(insert(WORD_PARTS).prefix_with("OR IGNORE").from_select([*apart.columns], in_order))
    apart.drop(connection)
    position = {"name": word_parts.POSITION, "value": word_parts.position_fact(last, search.PARTS_MARK)}
    connection.execute(insert(META).prefix_with("OR REPLACE"), position)


def _set_aside(connection: Connection, table: Table) -> Table:
    """Set the rows of cases aside in a table of this connection."""
    apart = _apart(connection, table)
    kinds = {ENTRIES: ENTRIES.c.stream_kind, STREAMS: STREAMS.c.kind}
    rows = select(table).where(kinds[table] == "case") if table in kinds else select(table)
    connection.execute(insert(apart).from_select([*apart.columns], rows))
    return apart


def _apart(connection: Connection, table: Table) -> Table:
    """Make an empty table of this connection with the columns of another one."""
    columns: list[Column[Any]] = [Column(column.name, column.type) for column in table.columns]
    apart = Table(f"apart_{table.name}", MetaData(), *columns, prefixes=["TEMPORARY"])
    apart.create(connection)
    return apart


def _copy(connection: Connection, apart: Table, table: Table, mark: str, shift: int) -> None:
    """Put the rows that were set aside into the table under other ids, ``shift`` entries further on."""

    def moved(column: ColumnElement[Any]) -> ColumnElement[Any]:
        if column.key in MADE_IN_ORDER or (table is STREAMS and column.key == "id"):
            return literal(mark).op("||")(column)
        if column.key in AT_RANDOM:
            return column.op("||")(literal(mark))
        return column + literal(shift) if column.key in PLACES else column

    connection.execute(insert(table).from_select([*table.columns], select(*map(moved, apart.columns))))
