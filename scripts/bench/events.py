"""Signed submissions to measure with, a ledger that knows their signers, busy cases, and long logs in little time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.progress import track
from sqlalchemy import Column, ColumnElement, MetaData, Table, create_engine, insert, literal, select, update
from sqlalchemy.engine import Connection

from api.services.parts import RecordingParts
from api.wiring import make_recording_parts, now_ms
from ledger.config.keys import LocalSigner
from ledger.core.events import Body, Stream, case, handover, item, registry
from ledger.core.events.registry import Name, Profile, RegistryChange
from ledger.core.events.terms import AgencyKind, Quantity
from ledger.core.log.merkle import Hash, leaf_hash
from ledger.core.log.notes import NoteSigner
from ledger.core.log.tiles import Appended, RightEdge
from ledger.core.procedure.legal_days import instant_text
from ledger.recording.signing import Actor, StreamPosition, sign_event
from ledger.store import log
from ledger.store.database import Database
from ledger.store.tables import CASE_AGENCIES, CASES, CLOCKS, ENTRIES, FEED, HANDOVERS, ITEMS, STREAMS, TILES, TREE
from ledger.supervision.library.publishing import ModelDefinitions
from scripts.campaigns.casework import FOREVER, UNNUMBERED, numbered

LOG_ID = b"\x05" * 32
SERVICE = LocalSigner.from_private_key(b"\x09" * 32)
POLICE = Actor("police-east", "p-1", LocalSigner.from_private_key(b"\x07" * 32))
PROCURATORATE = Actor("procuratorate-east", "q-1", LocalSigner.from_private_key(b"\x08" * 32))
STEPS = 4  # events of one case


@dataclass
class _CaseUnderWay:
    case_id: str
    sequence: int = 0
    head: str | None = None


def recording_over(database: Database, log_signer: NoteSigner) -> RecordingParts:
    """Return what records events into this database, as the service puts it together."""
    return make_recording_parts(
        database,
        log_id=LOG_ID,
        log_signer=log_signer,
        service_keys=SERVICE.key_id,
        service_signer=SERVICE,
        definitions=ModelDefinitions(),
        clock=now_ms,
    )


def submissions(count: int, run: str) -> list[bytes]:
    """``count`` submissions: every case is opened first, then an item of each is registered, offered, accepted.

    So an event's predecessor is far ahead of it, whatever connection each goes over.
    """
    cases = [_CaseUnderWay(f"case-{run}-{number}") for number in range(count // STEPS)]
    return [_signed(step, under_way) for step in range(STEPS) for under_way in cases]


def registry_changes() -> Iterator[RegistryChange]:
    """List the changes by which the two agencies and their clerks' keys are known."""
    yield from numbered(_changes(), LOG_ID)


def _changes() -> Iterator[RegistryChange]:
    kinds: tuple[tuple[Actor, AgencyKind], ...] = ((POLICE, "public_security"), (PROCURATORATE, "procuratorate"))
    for actor, kind in kinds:
        profile = Profile(jurisdiction="31/01", name=Name(en=actor.agency, zh=actor.agency))
        yield registry.AgencyAdmitted(
            *UNNUMBERED,
            agency=actor.agency,
            kind=kind,
            admin=actor.signer.key_id,
            profile=profile,
        )
        yield registry.KeyGranted(
            *UNNUMBERED,
            agency=actor.agency,
            key_id=actor.signer.key_id,
            officer=actor.officer,
            roles=("clerk",),
            suite=1,
            valid_from=0,
            valid_until=FOREVER,
        )


def _signed(step: int, under_way: _CaseUnderWay) -> bytes:
    body, actor = _body(step, under_way.case_id)
    place = StreamPosition(Stream(kind="case", id=under_way.case_id), under_way.sequence, under_way.head)
    signed = sign_event(body, place, actor, LOG_ID)
    under_way.sequence += 1
    under_way.head = signed.envelope.payload_digest
    return signed.submission


def _body(step: int, case_id: str) -> tuple[Body, Actor]:
    item_id = f"item-{case_id}"
    if step == 0:
        opened = case.CaseOpened(
            case_number=case_id, case_type="theft", business_line="criminal", stage="investigation"
        )
        return opened, POLICE
    if step == 1:
        single = Quantity(value="1", unit="piece")
        phone = item.ItemRegistered(item_id=item_id, item_kind="exhibit", description="a phone", quantity=single)
        return phone, POLICE
    if step == 2:
        offered = handover.HandoverOffered(
            handover_id="handover-1",
            to_agency=PROCURATORATE.agency,
            purpose="prosecution_review",
            items=(handover.OfferedItem(item_id=item_id),),
        )
        return offered, POLICE
    accepted = handover.HandoverAccepted(
        handover_id="handover-1", received_at=instant_text(int(time.time())), rest_as_listed=True
    )
    return accepted, PROCURATORATE


ROUND = 8  # events that come again and again, about other things each time
_ONE = Quantity(value="1", unit="piece")
_WEEK_S = 7 * 86_400


class BusyCase:
    """Gives its submissions one after the other, without end; each stands on the one before it.

    Of a round two items and two answered handovers stay in the case, a clock that runs and two that have ended.
    """

    def __init__(self, case_id: str):
        self.case_id = case_id
        self._place = StreamPosition(Stream(kind="case", id=case_id))
        self._acts = self._all_acts()

    def take(self, count: int) -> list[bytes]:
        """Return the next submissions."""
        return [self._signed(*next(self._acts)) for _ in range(count)]

    def _signed(self, body: Body, actor: Actor) -> bytes:
        signed = sign_event(body, self._place, actor, LOG_ID)
        self._place = StreamPosition(self._place.stream, self._place.sequence + 1, signed.envelope.payload_digest)
        return signed.submission

    def _all_acts(self) -> Iterator[tuple[Body, Actor]]:
        yield (
            case.CaseOpened(
                case_number=self.case_id, case_type="fraud", business_line="criminal", stage="investigation"
            ),
            POLICE,
        )
        yield case.PersonNamed(person_id="0" * 32, role="suspect"), POLICE
        number = 0
        while True:
            yield from self._round(number)
            number += 1

    def _round(self, number: int) -> Iterator[tuple[Body, Actor]]:
        account, phone = f"account-{self.case_id}-{number}", f"phone-{self.case_id}-{number}"
        outward, back = f"there-{number}", f"back-{number}"
        lines, now = (handover.OfferedItem(item_id=phone),), int(time.time())
        yield item.ItemRegistered(item_id=account, item_kind="property", description="money", quantity=_ONE), POLICE
        yield item.ItemFrozen(item_id=account, frozen_until=instant_text(now + 26 * _WEEK_S)[:10]), POLICE
        yield item.ItemRegistered(item_id=phone, item_kind="exhibit", description="a phone", quantity=_ONE), POLICE
        yield _offer(outward, lines, now), POLICE
        yield _acceptance(outward, now), PROCURATORATE
        yield _return(back, outward, lines), PROCURATORATE
        yield _acceptance(back, now), POLICE
        yield item.ItemMoved(item_id=phone, storage_location="locker 7"), POLICE


def _offer(handover_id: str, lines: tuple[handover.OfferedItem, ...], now: int) -> handover.HandoverOffered:
    return handover.HandoverOffered(
        handover_id=handover_id,
        to_agency=PROCURATORATE.agency,
        purpose="forensic_examination",
        items=lines,
        expires_at=instant_text(now + _WEEK_S),
    )


def _acceptance(handover_id: str, now: int) -> handover.HandoverAccepted:
    return handover.HandoverAccepted(handover_id=handover_id, received_at=instant_text(now), rest_as_listed=True)


def _return(handover_id: str, returns: str, lines: tuple[handover.OfferedItem, ...]) -> handover.HandoverReturned:
    return handover.HandoverReturned(
        handover_id=handover_id,
        returns=returns,
        purpose="return",
        reason_code="other",
        explanation="examined",
        items=lines,
    )


COPIED = (ENTRIES, STREAMS, FEED, CASES, CASE_AGENCIES, ITEMS, HANDOVERS, CLOCKS)
IDS = ("event_id", "stream_id", "payload_digest", "case_id", "item_id", "head")  # and ``id`` of a stream
PLACES = ("log_index", "updated_index", "committed_size")


def lengthen(file: Path, entries: int) -> int:
    """Copy the cases of the SQLite ledger in ``file`` until it has about so many entries; return how many it has."""
    engine = create_engine(f"sqlite:///{file}")
    with engine.begin() as connection:
        kept = {table: _set_aside(connection, table) for table in COPIED}
        tree = log.tree(connection)
        leaves = _leaves(connection)
        edge = RightEdge.read(tree.size, log.tile_reader(connection))
        for number in track(range((entries - tree.size) // len(leaves)), f"a log of {entries:,} entries"):
            for table, apart in kept.items():
                _copy(connection, apart, table, f"-copy-{number}", edge.size - (tree.size - len(leaves)))
            grown = edge.append(leaves)
            _write_tree(connection, grown)
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


def _leaves(connection: Connection) -> list[Hash]:
    of_cases = select(ENTRIES.c.envelope).where(ENTRIES.c.stream_kind == "case").order_by(ENTRIES.c.log_index)
    return [leaf_hash(envelope) for envelope in connection.execute(of_cases).scalars()]


def _copy(connection: Connection, apart: Table, table: Table, mark: str, shift: int) -> None:
    """Put the rows that were set aside into the table under other ids, ``shift`` entries further on."""
    values = [_moved(column, table, mark, shift) for column in apart.columns]
    connection.execute(insert(table).from_select([*table.columns], select(*values)))


def _moved(column: ColumnElement[Any], table: Table, mark: str, shift: int) -> ColumnElement[Any]:
    if column.key in IDS or (table is STREAMS and column.key == "id"):
        return column.op("||")(literal(mark))
    return column + literal(shift) if column.key in PLACES else column


def _write_tree(connection: Connection, grown: Appended) -> None:
    rows = [{"level": tile.level, "tile_index": tile.index, "hashes": tile.hashes} for tile in grown.tiles]
    connection.execute(insert(TILES).prefix_with("OR REPLACE"), rows)
    connection.execute(update(TREE).values(size=grown.size, root=grown.root))
