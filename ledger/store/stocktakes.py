"""Stocktakes: the places of storage that an agency counts, what was scanned there so far, and what was recorded of it.

``stocktakes`` is a read model that changes with the log. A stocktake that is open, with its scans, is no part of the
record: it is on the service so that it outlives a closed browser, and so that several officers count together. Its rows
are bound as they are written: what officers sign at its end rests on them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import asdict
from sqlalchemy import ColumnElement, Connection, Select, and_, case, delete, func, insert, or_, select, tuple_, update

from ledger.core.custody.stocktakes import GOES_ON, StoredItem, lies_in
from ledger.core.errors import Conflict, IntegrityBroken, NotFound
from ledger.core.events import Event
from ledger.core.events.stocktake import MOST_COUNTED, StocktakeRecorded
from ledger.store import bindings
from ledger.store.cases import Page
from ledger.store.database import Change, Database, one_of, row_of
from ledger.store.search import folded
from ledger.store.stocktake_tables import OPEN_STOCKTAKES, STOCKTAKE_EXPECTED, STOCKTAKE_SCANS, STOCKTAKES
from ledger.store.tables import CASE_AGENCIES, ITEMS, WORDS

MOST_OPEN: Final = 50  # stocktakes of one agency at a time
MOST_SCANS: Final = 3 * MOST_COUNTED  # of one stocktake
KEPT_S: Final = 90 * 24 * 3600  # seconds for which an open stocktake is kept
MOST_ALIKE: Final = 100  # items of one code that are looked at
_LIVE = ("held", "checked_out")
_LAST_SIGN = "\U0010ffff"


class RecordedStocktake(Struct, frozen=True):
    """A row of ``StocktakesTable``."""

    stocktake_id: str
    storage_location: str
    number: str | None
    started_at: str
    ended_at: str
    present: int
    differences: int
    unknown_codes: int
    event_id: str
    updated_index: int


class OpenStocktake(Struct, frozen=True):
    """A row of ``OpenStocktakesTable``."""

    stocktake_id: str
    agency: str
    storage_location: str
    number: str | None
    officer: str
    opened_at: int
    tree_size: int
    expected: int

    @property
    def key(self) -> dict[str, str]:
        """Return the primary key of its row, with which those of its scans begin."""
        return {"stocktake_id": self.stocktake_id, "agency": self.agency}


class Scan(Struct, frozen=True):
    """A row of ``StocktakeScansTable``, without the stocktake that it is of."""

    number: int
    code: str
    seal_number: str | None
    case_id: str | None
    item_id: str | None
    result: str
    officer: str
    scanned_at: int
    seal_fitted: bool = False
    taken_back_by: str | None = None


class ScanCounts(Struct, frozen=True):
    """How many codes were scanned so far and count, and how many of them came to what when they were scanned.

    ``expected`` is how many things lay there by the record when the count began.
    """

    expected: int
    scanned: int
    present: int
    elsewhere: int
    surplus: int
    unknown: int
    again: int


def projections(event: Event, index: int) -> Iterator[Change]:
    """Yield what the entry at ``index`` changes here."""
    if isinstance(body := event.body, StocktakeRecorded):
        counts = {name: len(getattr(body, name)) for name in ("present", "differences", "unknown_codes")}
        own = {"agency": event.agency, "ended_at": event.occurred_at, "event_id": event.event_id}
        yield STOCKTAKES, row_of(STOCKTAKES, body, **counts, **own, updated_index=index)


_ITEM = [ITEMS.c[name] for name in StoredItem.__struct_fields__]


def items_in(connection: Connection, agency: str, room: str) -> list[StoredItem]:
    """Return what the record says lies in a room of the agency, by place; at most one more than may be counted.

    Only items of cases that the agency is a party to. ``custody.stocktakes.lies_in`` is the same rule.
    """
    place = ITEMS.c.storage_location
    query = _of_agency(agency).where(
        ITEMS.c.holder == agency, place >= room, place < room + _LAST_SIGN, ITEMS.c.status == "held"
    )
    if room[-1] in GOES_ON:
        query = query.where(func.substr(place, len(room) + 1, 1).not_in(list(GOES_ON)))
    query = query.order_by(place, ITEMS.c.item_id, ITEMS.c.case_id).limit(MOST_COUNTED + 1)
    return [StoredItem(*row) for row in connection.execute(query)]


def items_of_code(connection: Connection, agency: str, code: str, room: str) -> list[StoredItem]:
    """Return the items that a code may stand for in the agency's cases, in upper or lower case; several if none is
    nearer than the others.

    A code is an item's id, ``case/item``, or the number of the seal that the item bears now, or of an exhibit. What
    lies in the ``room`` is nearest, then what the agency holds elsewhere.
    """
    case_id, _, item_id = code.lower().rpartition("/")
    spellings = (code, code.upper(), code.lower())
    of_exhibit = select(WORDS.c.case_id, WORDS.c.item_id).where(WORDS.c.word == folded(code), WORDS.c.kind == "exhibit")
    by_id = (ITEMS.c.item_id == item_id, ITEMS.c.case_id == case_id) if case_id else (ITEMS.c.item_id == item_id,)
    is_held = and_(ITEMS.c.holder == agency, ITEMS.c.status.in_(_LIVE))
    is_here = and_(is_held, ITEMS.c.storage_location >= room, ITEMS.c.storage_location < room + _LAST_SIGN)
    items: dict[tuple[str, str], StoredItem] = {}
    # One after the other, each by its index.
    for named in (
        by_id,
        (ITEMS.c.seal_number.in_(spellings),),
        (ITEMS.c.exhibit_number.in_(spellings),),  # also of parts, which have it from the whole
        (tuple_(ITEMS.c.case_id, ITEMS.c.item_id).in_(of_exhibit),),
    ):
        near = case((is_here, 0), (is_held, 1), else_=2)
        query = _of_agency(agency).where(*named).order_by(near, ITEMS.c.updated_index.desc()).limit(MOST_ALIKE)
        items |= {(row.case_id, row.item_id): StoredItem(*row) for row in connection.execute(query)}
    held = [item for item in items.values() if item.holder == agency and item.status in _LIVE]
    here = [item for item in held if item.status == "held" and lies_in(item.storage_location, room)]
    return here or held or list(items.values())


def items_named(
    connection: Connection, agency: str, keys: Collection[tuple[str, str]]
) -> dict[tuple[str, str], StoredItem]:
    """Return items of the agency's cases as they are by now, by case and item."""
    query = _of_agency(agency).where(one_of(ITEMS.c.item_id, {item_id for _, item_id in keys}))
    items = (StoredItem(*row) for row in connection.execute(query))
    return {(item.case_id, item.item_id): item for item in items if (item.case_id, item.item_id) in keys}


def _of_agency(agency: str) -> Select[Any]:
    is_party = and_(CASE_AGENCIES.c.case_id == ITEMS.c.case_id, CASE_AGENCIES.c.agency == agency)
    return select(*_ITEM).join(CASE_AGENCIES, is_party)


def open_stocktake(database: Database, opened: OpenStocktake, expected: Collection[StoredItem]) -> None:
    """Open a stocktake, with what lies in the place by the record.

    Raises Conflict if the agency counts this place already, or as many as it may.
    """
    with database.write() as connection:
        others = open_of(connection, opened.agency)
        for opened_before in others:
            if opened_before.storage_location == opened.storage_location:
                raise Conflict(
                    "{other.storage_location} is being counted already: {other.stocktake_id}",
                    other=opened_before,
                    field="storage_location",
                    code="already_open",
                    hint="Go on with that one, or abandon it first.",
                )
        if len(others) >= MOST_OPEN:
            raise Conflict(
                "an agency counts at most {limit} places at a time",
                limit=MOST_OPEN,
                code="too_many_open",
                hint="Record or abandon one of them first.",
            )
        connection.execute(insert(OPEN_STOCKTAKES).values(**asdict(opened)))
        bindings.bind_rows(connection, OPEN_STOCKTAKES, [opened.key])
        lines = [{**opened.key, "case_id": item.case_id, "item_id": item.item_id} for item in expected]
        if lines:
            connection.execute(insert(STOCKTAKE_EXPECTED), lines)
            bindings.bind_part(connection, STOCKTAKE_EXPECTED, **opened.key)


def open_of(connection: Connection, agency: str) -> list[OpenStocktake]:
    """Return the agency's stocktakes that are not recorded yet, the newest first."""
    query = _open().where(OPEN_STOCKTAKES.c.agency == agency).order_by(OPEN_STOCKTAKES.c.opened_at.desc())
    return [OpenStocktake(*row) for row in connection.execute(query)]


def find_open(connection: Connection, agency: str, stocktake_id: str) -> OpenStocktake | None:
    """Return an open stocktake of the agency; None if there is none of the id, or if it is recorded."""
    named = and_(OPEN_STOCKTAKES.c.agency == agency, OPEN_STOCKTAKES.c.stocktake_id == stocktake_id)
    row = connection.execute(_open().where(named)).first()
    return None if row is None else OpenStocktake(*row)


def recorded_of(connection: Connection, agency: str, page: Page) -> list[RecordedStocktake]:
    """Return the stocktakes that the agency recorded, the newest first; ``page.after`` is an index."""
    query = select(*_RECORDED).where(STOCKTAKES.c.agency == agency)
    if page.after is not None:
        query = query.where(STOCKTAKES.c.updated_index < int(page.after))
    query = query.order_by(STOCKTAKES.c.updated_index.desc()).limit(page.limit)
    return [RecordedStocktake(*row) for row in connection.execute(query)]


def find_recorded(connection: Connection, agency: str, stocktake_id: str) -> RecordedStocktake | None:
    """Return a stocktake that the agency recorded, by the first event of this id."""
    named = (STOCKTAKES.c.agency == agency, STOCKTAKES.c.stocktake_id == stocktake_id)
    row = connection.execute(select(*_RECORDED).where(*named).order_by(STOCKTAKES.c.updated_index).limit(1)).first()
    return None if row is None else RecordedStocktake(*row)


def recorded_among(connection: Connection, keys: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
    """Return those of these stocktakes, each by agency and id, that are recorded."""
    columns = (STOCKTAKES.c.agency, STOCKTAKES.c.stocktake_id)
    query = select(*columns).where(one_of(columns[1], {stocktake_id for _, stocktake_id in keys}))
    return {(agency, stocktake_id) for agency, stocktake_id in connection.execute(query)} & set(keys)


def scans_among(connection: Connection, keys: Collection[tuple[str, str]]) -> dict[tuple[str, str], tuple[int, int]]:
    """Return those of these stocktakes, each by agency and id, that are open, with how far they are counted.

    That is how many codes were scanned, and how many of these scans were taken back: the one or the other grows with
    each change.
    """
    opened, scans = OPEN_STOCKTAKES.c, STOCKTAKE_SCANS.c
    its_scans = and_(scans.stocktake_id == opened.stocktake_id, scans.agency == opened.agency)
    query = (
        select(opened.agency, opened.stocktake_id, func.count(scans.number), func.count(scans.taken_back_by))
        .outerjoin_from(OPEN_STOCKTAKES, STOCKTAKE_SCANS, its_scans)
        .where(one_of(opened.stocktake_id, {stocktake_id for _, stocktake_id in keys}))
        .group_by(opened.agency, opened.stocktake_id)
    )
    rows = connection.execute(query)
    return {
        (agency, stocktake_id): (scans, taken_back)
        for agency, stocktake_id, scans, taken_back in rows
        if (agency, stocktake_id) in keys
    }


def require_as_counted(body: StocktakeRecorded, counted: tuple[int, int] | None) -> None:
    """Raise Conflict (count_moved_on) if the open stocktake was counted on since the event was drafted.

    ``counted`` is what ``scans_among`` says of it, None if it is not open here.
    """
    if counted is not None and counted != (body.scans, body.scans_taken_back):
        raise Conflict(
            "{body.stocktake_id} was counted on since this was drafted",
            body=body,
            field="payload.body.scans",
            code="count_moved_on",
            hint="Nothing is recorded. Compare the count anew, and sign what comes of it then.",
        )


def no_such_stocktake(stocktake_id: str) -> NotFound:
    """Return the error for a stocktake that the agency does not have."""
    return NotFound("your agency has no stocktake {stocktake_id}", stocktake_id=stocktake_id, field="stocktake_id")


def at_opening(connection: Connection, opened: OpenStocktake) -> list[StoredItem]:
    """Return what lay in the place by the record when the stocktake was opened, as the record has it by now."""
    lines = STOCKTAKE_EXPECTED.c
    query = select(lines.case_id, lines.item_id).where(
        lines.stocktake_id == opened.stocktake_id, lines.agency == opened.agency
    )
    keys = {(case_id, item_id) for case_id, item_id in connection.execute(query)}
    items = items_named(connection, opened.agency, keys)
    return [items[key] for key in sorted(items)]


def scans_of(connection: Connection, opened: OpenStocktake) -> list[Scan]:
    """Return what was scanned for an open stocktake, in order, with what was taken back."""
    query = select(*_SCAN).where(_scans_of(opened)).order_by(STOCKTAKE_SCANS.c.number)
    return [Scan(*row) for row in connection.execute(query)]


def counted_of(
    connection: Connection, opened: OpenStocktake, keys: Collection[tuple[str, str]]
) -> set[tuple[str, str]]:
    """Return those of these items, each by case and id, that were scanned already."""
    scans = STOCKTAKE_SCANS.c
    query = select(scans.case_id, scans.item_id).where(
        _counting_of(opened), one_of(scans.item_id, {item_id for _, item_id in keys})
    )
    return {(case_id, item_id) for case_id, item_id in connection.execute(query)} & set(keys)


def last_number(connection: Connection, opened: OpenStocktake) -> int:
    """Return how many codes were scanned, with those that were taken back."""
    return connection.scalar(select(func.max(STOCKTAKE_SCANS.c.number)).where(_scans_of(opened))) or 0


def add_scans(connection: Connection, opened: OpenStocktake, scans: Sequence[Scan]) -> None:
    """Keep scans, which are numbered on. Requires the writer's lock. Raises Conflict for too many."""
    if scans and scans[-1].number > MOST_SCANS:
        raise Conflict(
            "a stocktake takes at most {limit} scans",
            limit=MOST_SCANS,
            code="too_many_scans",
            hint="Record this one, and count the rest of the room by its shelves.",
        )
    connection.execute(insert(STOCKTAKE_SCANS), [{**opened.key, **asdict(scan)} for scan in scans])
    bindings.bind_rows(connection, STOCKTAKE_SCANS, [{**opened.key, "number": scan.number} for scan in scans])


def counts_of(connection: Connection, opened: OpenStocktake) -> ScanCounts:
    """Return how many codes count so far, by what they came to when they were scanned."""
    result = STOCKTAKE_SCANS.c.result
    query = select(result, func.count()).where(_counting_of(opened)).group_by(result)
    by_result = Counter({name: number for name, number in connection.execute(query)})  # noqa: C416 - rows are no pairs
    each = {name: by_result[name] for name in ("present", "elsewhere", "surplus", "unknown", "again")}
    return ScanCounts(expected=opened.expected, scanned=by_result.total(), **each)


def take_back(connection: Connection, opened: OpenStocktake, number: int, officer: str) -> Scan:
    """Take a scan back, so that it counts no more, and return it. Requires the writer's lock.

    Where the same thing was scanned again, that scan comes to what this one came to. Raises NotFound, Conflict for one
    that was taken back, and IntegrityBroken if somebody has changed a row of these.
    """
    scans = STOCKTAKE_SCANS.c
    this_scan = and_(_scans_of(opened), scans.number == number)
    row = connection.execute(select(*_SCAN).where(this_scan)).first()
    if row is None:
        raise NotFound("the stocktake has no scan {number}", number=number, field="number")
    scan = Scan(*row)
    if scan.taken_back_by is not None:
        raise Conflict(
            "{scan.taken_back_by} has taken scan {scan.number} back already",
            scan=scan,
            field="number",
            code="taken_back",
            hint="Scan the thing again to count it.",
        )
    _change(connection, opened, number, taken_back_by=officer)
    if scan.item_id is not None and scan.result != "again":
        same_thing = and_(_counting_of(opened), scans.case_id == scan.case_id, scans.item_id == scan.item_id)
        following = connection.scalar(select(func.min(scans.number)).where(same_thing))
        if following is not None:
            _change(connection, opened, following, result=scan.result)
    return scan


def _change(connection: Connection, opened: OpenStocktake, number: int, **values: str) -> None:
    key = {**opened.key, "number": number}
    bindings.require_bound(connection, STOCKTAKE_SCANS, key)
    connection.execute(update(STOCKTAKE_SCANS).filter_by(**key).values(**values))
    bindings.bind_rows(connection, STOCKTAKE_SCANS, [key])


def require_as_written(connection: Connection, key: Mapping[str, str]) -> None:
    """Require that the open stocktake of a key, what it expects and its scans are as the service wrote them.

    Raises IntegrityBroken: nobody is to sign what somebody else has written into the count.
    """
    bindings.require_bound(connection, OPEN_STOCKTAKES, key)
    since = bindings.last_record(connection, OPEN_STOCKTAKES, key)
    for table in (STOCKTAKE_EXPECTED, STOCKTAKE_SCANS):
        if unlike := bindings.unlike(connection, table, since=since, **key):
            raise bindings.not_as_written(table, unlike[0])


def abandon(database: Database, opened: OpenStocktake) -> None:
    """Forget an open stocktake and what was scanned for it."""
    with database.write() as connection:
        _forget(connection, opened.key)


def forget(database: Database, now: int) -> None:
    """Forget open stocktakes that were recorded, or kept long enough.

    One that is not as the service wrote it stays, for an audit to name it.
    """
    over = or_(OPEN_STOCKTAKES.c.opened_at <= now - KEPT_S, _recorded().exists())
    query = select(OPEN_STOCKTAKES.c.stocktake_id, OPEN_STOCKTAKES.c.agency).where(over)
    with database.read() as connection:
        if connection.execute(query.limit(1)).first() is None:
            return  # the writer's lock is not taken for nothing
    with database.write() as connection:
        for key in map(dict, connection.execute(query).mappings().all()):
            with suppress(IntegrityBroken):
                require_as_written(connection, key)
                _forget(connection, key)


def _forget(connection: Connection, of: Mapping[str, str]) -> None:
    for table in (STOCKTAKE_SCANS, STOCKTAKE_EXPECTED, OPEN_STOCKTAKES):
        names = bindings.digests(connection, table.name, **of)
        connection.execute(delete(table).filter_by(**of))
        bindings.bind(connection, table.name, dict.fromkeys(names))


def _scans_of(opened: OpenStocktake) -> ColumnElement[bool]:
    scans = STOCKTAKE_SCANS.c
    return and_(scans.stocktake_id == opened.stocktake_id, scans.agency == opened.agency)


def _counting_of(opened: OpenStocktake) -> ColumnElement[bool]:
    """Return what holds for the scans that were not taken back."""
    return and_(_scans_of(opened), STOCKTAKE_SCANS.c.taken_back_by.is_(None))


def _recorded() -> Select[Any]:
    return select(STOCKTAKES.c.event_id).where(
        STOCKTAKES.c.stocktake_id == OPEN_STOCKTAKES.c.stocktake_id, STOCKTAKES.c.agency == OPEN_STOCKTAKES.c.agency
    )


def _open() -> Select[Any]:
    columns = [OPEN_STOCKTAKES.c[name] for name in OpenStocktake.__struct_fields__]
    return select(*columns).where(~_recorded().exists())


_RECORDED = [STOCKTAKES.c[name] for name in RecordedStocktake.__struct_fields__]
_SCAN = [STOCKTAKE_SCANS.c[name] for name in Scan.__struct_fields__]
