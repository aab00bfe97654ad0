"""The list of deadlines, and what follows from it: the order of open offers, and the warnings of clocks that run out.

The clocks of all cases and recommendations are rows, projected from their states and counted by a calendar. A warning
is derived from them and stored once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from functools import cache
from typing import Any, Final, Literal, TypeVar, get_args

from msgspec import Struct
from msgspec.structs import asdict, astuple
from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    FromClause,
    Integer,
    Select,
    and_,
    bindparam,
    case,
    delete,
    func,
    literal,
    or_,
    select,
    text,
    tuple_,
    union,
    union_all,
)

from ledger.core.custody.due_dates import AtEnd, Status
from ledger.core.encoding.instants import spelled
from ledger.core.errors import MalformedInput
from ledger.core.procedure.zones import UNIVERSAL, Zone
from ledger.core.visibility import Reader
from ledger.store import bindings, log
from ledger.store.cases import ids_seen, reader_sees, sees_more_than
from ledger.store.clock_lines import ClockLine
from ledger.store.database import Database, Row, array_of, fetched, one_of, texts_named
from ledger.store.supervision import sees_recommendation
from ledger.store.tables import CLOCKS, HANDOVERS, IS_OPEN, LETTERS, NO_CASE, WARNINGS

_NEVER = "9999"  # sorts behind every instant: what has no end, or none that can be counted, comes last


class ListPosition(Struct, frozen=True):
    """The position in a list after which the next page starts: what its rows are ordered by."""

    def __str__(self) -> str:
        return ",".join(astuple(self))


class DeadlinePosition(ListPosition, frozen=True):
    """The position in a list of deadlines, ordered by their ends."""

    due_at: str
    case_id: str
    deadline_id: str


class DeadlineFilter(Struct, frozen=True):
    """The filter of a list of deadlines as of ``as_of`` (RFC 3339): those still open then, unless ``status`` is given.

    ``within_days`` counts days of the ``zone`` from ``as_of`` to the last day; overdue deadlines are within any number.
    """

    as_of: str
    agency: str | None = None
    handler: str | None = None
    case_id: str | None = None
    status: Status | None = None
    within_days: int | None = None
    zone: Zone = UNIVERSAL


# -- the projection ----------------------------------------------------------------------------------------------------


def rows(lines: Iterable[ClockLine], index: int) -> Iterator[Row]:
    """Yield the row of each line that the entry at ``index`` changed."""
    return (asdict(line) | {"updated_index": index} for line in lines)


# -- by which calendar -------------------------------------------------------------------------------------------------

_COUNTED_BY = "clocks_counted_by"


def counted_by(connection: Connection) -> str | None:
    """Return the mark of the rules and the calendar by which the lines were computed; None if none were."""
    return log.fact(connection, _COUNTED_BY)


def replace_between(connection: Connection, first: str | None, last: str | None, new: Iterable[Row]) -> None:
    """Replace the rows of the cases ``first <= id < last`` by these; None is no bound. Requires the writer's lock."""
    since = () if first is None else (CLOCKS.c.case_id >= first,)
    until = () if last is None else (CLOCKS.c.case_id < last,)
    _replace(connection, (CLOCKS.c.case_id != NO_CASE, *since, *until), new)


def replace_of_recommendations(connection: Connection, new: Iterable[Row]) -> None:
    """Replace the rows of all recommendations by these. Requires the writer's lock."""
    _replace(connection, (CLOCKS.c.case_id == NO_CASE,), new)


def _replace(connection: Connection, which: tuple[ColumnElement[bool], ...], new: Iterable[Row]) -> None:
    connection.execute(delete(CLOCKS).where(*which))
    for row in new:
        connection.execute(CLOCKS.insert(), row)


def keep_counted_by(connection: Connection, database: Database, mark: str) -> None:
    """Keep the mark of that by which all rows were computed. Requires the writer's lock."""
    log.keep_fact(connection, database, _COUNTED_BY, mark)


# -- queries -----------------------------------------------------------------------------------------------------------


def list_deadlines(
    connection: Connection, reader: Reader, wanted: DeadlineFilter, *, limit: int, after: DeadlinePosition | None = None
) -> list[ClockLine]:
    """Return lines that the reader sees, those that end first at the top.

    Clocks that are open now are gone through in this order until the page is full. Where that would pass over many that
    the reader does not see, or the filter has others, those of all cases that he sees are put in order.
    """
    is_walked = wanted.as_of >= reader.now and wanted.case_id is None and wanted.status in _OF_OPEN
    ways = ids_seen(reader)
    if is_walked and sees_more_than(connection, ways, FEW_CASES):
        lines = _walk(connection, reader, wanted, limit, after)
        if lines is not None:
            return lines
    # First by the cases, which are found by indexes, then by what he sees in them.
    case_id = CLOCKS.c.case_id
    with_letter = select(LETTERS.c.case_id).where(LETTERS.c.to_agency == reader.agency)
    among = case_id.in_(union(*ways, with_letter, select(literal(NO_CASE))))
    shown = (among, _shown(reader, CLOCKS, reader_sees(reader, case_id)))
    query = select(*COLUMNS).where(*shown, *_conditions(wanted), *_behind(after))
    return [ClockLine(*row) for row in connection.execute(query.order_by(*_ORDER).limit(limit))]


COLUMNS = [CLOCKS.c[name] for name in ClockLine.__struct_fields__]
FEW_CASES = 2000  # of a reader, whose clocks are put in order at once
FIRST_TESTED, MOST_TESTED = 100, 10_000  # clocks that are looked at first, and at most, before all are put in order
_ORDER = (func.coalesce(CLOCKS.c.due_at, _NEVER), CLOCKS.c.case_id, CLOCKS.c.deadline_id)
# What the ends of deadlines mean: those of times of retention are in another list.
_DEADLINES = tuple(kind for kind in get_args(AtEnd) if kind != "due")
# Statuses that no stopped clock has.
_OF_OPEN: Final[tuple[Status | None, ...]] = (None, "running", "overdue")


def _behind(after: DeadlinePosition | None) -> tuple[ColumnElement[bool], ...]:
    return () if after is None else (tuple_(*_ORDER) > tuple_(*astuple(after)),)


def _walk(
    connection: Connection, reader: Reader, wanted: DeadlineFilter, limit: int, after: DeadlinePosition | None
) -> list[ClockLine] | None:
    """Return the page as a walk through the open clocks gives it, or None if it passes over too many."""
    lines: list[ClockLine] = []
    tested, portion = 0, max(limit, FIRST_TESTED)
    while tested < max(MOST_TESTED, 2 * limit):
        candidates = _next_open(wanted, after, portion).subquery("candidates")
        is_next = and_(*(CLOCKS.c[name] == candidates.c[name] for name in ("case_id", "deadline_id")))
        shown = _shown(reader, CLOCKS, reader_sees(reader, CLOCKS.c.case_id)).label("shown")
        query = select(*COLUMNS, shown).select_from(candidates).join(CLOCKS, is_next).order_by(*_ORDER)
        passed = connection.execute(query).all()
        lines += (ClockLine(*row[:-1]) for row in passed if row.shown)
        if len(lines) >= limit or len(passed) < portion:
            return lines[:limit]
        after = deadline_position(ClockLine(*passed[-1][:-1]))
        tested, portion = tested + portion, 2 * portion
    return None


def _next_open(wanted: DeadlineFilter, after: DeadlinePosition | None, limit: int) -> Select[Any]:
    """Select the next clocks of the filter that are open, whoever sees them: the next of each run of an index.

    The index has them by how they end, those without an end first. What nobody is late with leaves the list when its
    time has passed, and it stays in the index: its run starts behind that.
    """
    by_end = (CLOCKS.c.due_at, CLOCKS.c.case_id, CLOCKS.c.deadline_id)
    opened = select(*by_end).where(*_conditions(wanted), *_behind(after)).limit(limit)
    index, by_index = "ix_clocks_open" if wanted.agency is None else "ix_clocks_open_agency", opened
    if wanted.handler is not None:
        index, by_index = "ix_clocks_open_handler", opened.where(CLOCKS.c.handler.is_not(None))
    by_index = by_index.where(text(IS_OPEN)).order_by(*by_end).with_hint(CLOCKS, f"INDEXED BY {index}", "sqlite")
    has_none = wanted.status != "overdue" and wanted.within_days is None
    runs: list[Select[Any]] = []
    for at_end in ("late",) if wanted.status == "overdue" else _DEADLINES:
        of_kind = by_index.where(CLOCKS.c.at_end == at_end)
        is_over = at_end == "ended" or (wanted.status == "running" and at_end != "promptly")
        starts = (wanted.as_of if is_over else "", "" if after is None else after.due_at)
        runs.append(of_kind.where(CLOCKS.c.due_at >= max(starts)))
        if has_none:
            first = after.case_id if after is not None and after.due_at == _NEVER else ""
            runs.append(of_kind.where(CLOCKS.c.due_at.is_(None), CLOCKS.c.case_id >= first))
    since_then = opened.where(CLOCKS.c.stopped_at > wanted.as_of).order_by(*_ORDER)
    runs.append(since_then.with_hint(CLOCKS, "INDEXED BY ix_clocks_stopped", "sqlite"))
    together = union_all(*(select(run.subquery()) for run in runs)).subquery()
    order = (func.coalesce(together.c.due_at, _NEVER), together.c.case_id, together.c.deadline_id)
    return select(together.c.case_id, together.c.deadline_id).order_by(*order).limit(limit)


def nearest_of(connection: Connection, case_ids: Iterable[str], as_of: str) -> dict[str, ClockLine]:
    """Return for each of these cases its open clock that ends first, if it has one. Visibility is not checked."""
    wanted = {"case_ids": array_of(case_ids), "as_of": as_of}
    return {row.case_id: ClockLine(*row) for row in connection.execute(_nearest(), wanted)}


@cache
def _nearest() -> Select[Any]:
    order = (func.coalesce(CLOCKS.c.due_at, _NEVER), CLOCKS.c.deadline_id)
    place = func.row_number().over(partition_by=CLOCKS.c.case_id, order_by=order).label("place")
    wanted = (one_of(CLOCKS.c.case_id, texts_named("case_ids")), *_of_status(None, texts_named("as_of")))
    ranked = select(*COLUMNS, place).where(*wanted).subquery()
    return select(*(ranked.c[name] for name in ClockLine.__struct_fields__)).where(ranked.c.place == 1)


def first_end(case_id: ColumnElement[str], as_of: BindParameter[str]) -> ColumnElement[str]:
    """Build the end of the case's open clock that ends first, or a text after every instant if there is none."""
    ends = select(func.min(CLOCKS.c.due_at)).where(CLOCKS.c.case_id == case_id, *_of_status(None, as_of))
    return func.coalesce(ends.correlate(case_id.table).scalar_subquery(), _NEVER)


def has_clock(case_id: ColumnElement[str], wanted: DeadlineFilter) -> ColumnElement[bool]:
    """Build the condition that the case has a clock of the filter."""
    query = select(literal(1)).where(CLOCKS.c.case_id == case_id, *_conditions(wanted))
    return query.correlate(case_id.table).exists()


def _shown(reader: Reader, table: FromClause, of_case: ColumnElement[bool]) -> ColumnElement[bool]:
    """Build the condition that the reader sees a clock or warning: its case, or the letter to his agency that it is of.

    ``of_case`` is the condition that he sees the case.

    A time that runs for the agency itself since something was served on it is shown to it alike. A clock of a
    recommendation is shown to whoever sees that.
    """
    to_it = select(literal(1)).where(
        LETTERS.c.case_id == table.c.case_id,
        LETTERS.c.to_agency == reader.agency,
        or_(LETTERS.c.letter_id == table.c.subject, table.c.subject == reader.agency),
    )
    of_recommendation = and_(table.c.case_id == NO_CASE, sees_recommendation(reader, table.c.subject))
    of_letter = and_(table.c.agency == reader.agency, to_it.exists())
    return or_(of_case, of_letter, of_recommendation)


def deadline_position(line: ClockLine) -> DeadlinePosition:
    """Return the position of the list after this line."""
    return DeadlinePosition(line.due_at or _NEVER, line.case_id, line.deadline_id)


def parse_deadline_position(text: str) -> DeadlinePosition:
    """Parse the position of a list. Raises MalformedInput."""
    return _parsed(DeadlinePosition, text, "expected the `next` of the page before")


P = TypeVar("P", bound=ListPosition)


def _parsed(kind: type[P], text: str, expected: str) -> P:
    parts = text.split(",")
    if len(parts) != len(kind.__struct_fields__):
        raise MalformedInput(expected, field="after")
    return kind(*parts)


def _conditions(wanted: DeadlineFilter) -> Iterator[ColumnElement[bool]]:
    yield from _of_status(wanted.status, literal(wanted.as_of))
    for name in ("agency", "handler", "case_id"):
        if (value := getattr(wanted, name)) is not None:
            yield CLOCKS.c[name] == value
    if wanted.within_days is not None:
        last = wanted.zone.day_of_text(wanted.as_of) + timedelta(days=wanted.within_days)
        yield CLOCKS.c.due_at <= spelled(wanted.zone.end_of(last))


def _of_status(status: Status | None, as_of: BindParameter[str]) -> Iterator[ColumnElement[bool]]:
    """Yield what ``ledger.core.custody.due_dates`` decides: the status of a clock at a moment; None is any open one."""
    # What had not begun at that moment is in no list of it.
    yield CLOCKS.c.started_at <= as_of
    yield CLOCKS.c.status != "void"
    # What is kept for years is in a list of its own (``store.retention``).
    yield CLOCKS.c.at_end != "due"
    is_open = or_(CLOCKS.c.stopped_at.is_(None), CLOCKS.c.stopped_at > as_of)
    was_stopped = CLOCKS.c.stopped_at <= as_of
    has_passed = or_(and_(is_open, CLOCKS.c.due_at <= as_of), and_(was_stopped, CLOCKS.c.stopped_at >= CLOCKS.c.due_at))
    at_end, is_suspended = CLOCKS.c.at_end, CLOCKS.c.status == "suspended"
    promptly = and_(at_end == "promptly", ~is_suspended)
    stopped_in_time = and_(was_stopped, or_(CLOCKS.c.stopped_at < CLOCKS.c.due_at, promptly))
    is_replaced = CLOCKS.c.status == "replaced"
    match status:
        case None:
            yield and_(is_open, or_(at_end != "ended", CLOCKS.c.due_at.is_(None), CLOCKS.c.due_at > as_of))
        case "running":
            yield and_(is_open, or_(CLOCKS.c.due_at > as_of, promptly))
        case "overdue":
            yield and_(is_open, has_passed, at_end == "late")
        case "met":
            yield and_(stopped_in_time, ~is_replaced)
        case "missed":
            yield and_(was_stopped, has_passed, at_end == "late")
        case "ended":
            yield or_(and_(has_passed, at_end == "ended"), and_(stopped_in_time, is_replaced))
        case "suspended":
            yield is_suspended
        case "uncountable":
            nothing_counted = and_(at_end != "promptly", ~is_suspended, CLOCKS.c.due_at.is_(None))
            yield or_(nothing_counted, and_(has_passed, at_end == "not_before"))


Box = Literal["inbox", "outbox"]


class OfferPosition(ListPosition, frozen=True):
    """The position in a list of offers."""

    first_end: str
    offered_at: str
    case_id: str
    handover_id: str


def open_offers(
    connection: Connection, agency: str, box: Box, *, as_of: str, limit: int, after: OfferPosition | None = None
) -> list[dict[str, Any]]:
    """Return rows of ``tables.HandoversTable`` offered to (inbox) or by (outbox) the agency.

    Each row also has its case's ``first_end``. ``as_of`` is RFC 3339 in UTC.
    """
    place = {} if after is None else asdict(after)
    wanted = {"agency": agency, "as_of": as_of, "rows": limit}
    return fetched(connection, _open_offers(box, is_continued=after is not None), **wanted, **place)


@cache
def _open_offers(box: Box, *, is_continued: bool) -> Select[Any]:
    side = HANDOVERS.c.to_agency if box == "inbox" else HANDOVERS.c.from_agency
    ends = first_end(HANDOVERS.c.case_id, texts_named("as_of")).label("first_end")
    is_offered = (side == texts_named("agency"), HANDOVERS.c.status == "offered")
    offers = select(HANDOVERS, ends).where(*is_offered).subquery()
    order = [offers.c[name] for name in OfferPosition.__struct_fields__]
    query = select(offers).order_by(*order).limit(bindparam("rows", type_=Integer()))
    if is_continued:
        query = query.where(tuple_(*order) > tuple_(*map(texts_named, OfferPosition.__struct_fields__)))
    return query


def offer_position(row: dict[str, Any]) -> OfferPosition:
    """Return the position of the list after this row."""
    return OfferPosition(*(row[name] for name in OfferPosition.__struct_fields__))


def parse_offer_position(text: str) -> OfferPosition:
    """Parse the position of a list. Raises MalformedInput."""
    return _parsed(OfferPosition, text, "expected the place that the page before names")


class Warned(Struct, frozen=True):
    """A warning (``tables.WarningsTable``). ``number`` rises without a gap over all agencies; ``days`` is 0 at the end.

    ``agency`` and ``handler`` are those that the clock had then; ``warned_at`` is in unix milliseconds. ``case_id`` is
    empty for a clock of a recommendation, whose id is the ``subject``. ``last_day`` is null if the clock counts hours;
    where ``at_end`` is ``not_before``, the end may be later.
    """

    number: int
    case_id: str
    deadline_id: str
    clock: str
    subject: str
    agency: str
    handler: str | None
    due_at: str
    last_day: str | None
    at_end: AtEnd
    days: int
    warned_at: int


def new_warnings(connection: Connection, horizons: Mapping[int, str], limit: int) -> list[dict[str, Any]]:
    """Return at most ``limit`` new warnings, without their numbers, of running clocks that end by a horizon.

    ``horizons`` maps numbers of days to instants (RFC 3339), later ones for more days, and 0 to now. A clock within
    several is warned of by the nearest one only, and once for each end; again if that was not known and now is.
    """
    # The first condition that holds decides, so the nearest horizon comes first.
    nearest = case(*((CLOCKS.c.due_at <= end, days) for days, end in sorted(horizons.items())))
    names = [name for name in Warned.__struct_fields__ if name in CLOCKS.c]
    stored = select(literal(1)).where(
        WARNINGS.c.case_id == CLOCKS.c.case_id,
        WARNINGS.c.deadline_id == CLOCKS.c.deadline_id,
        WARNINGS.c.due_at == CLOCKS.c.due_at,
        WARNINGS.c.at_end == CLOCKS.c.at_end,
        WARNINGS.c.days == nearest,
    )
    order = (CLOCKS.c.due_at, CLOCKS.c.case_id, CLOCKS.c.deadline_id)
    ends = (CLOCKS.c.due_at <= max(horizons.values()), CLOCKS.c.status == "running", text(IS_OPEN))
    query = select(*(CLOCKS.c[name] for name in names), nearest.label("days")).where(*ends, ~stored.exists())
    query = query.with_hint(CLOCKS, "INDEXED BY ix_clocks_open", "sqlite").order_by(*order).limit(limit)
    # That a time has passed is a warning only where somebody is late then.
    late, others = CLOCKS.c.at_end == "late", CLOCKS.c.at_end.in_([kind for kind in _DEADLINES if kind != "late"])
    of_both = (query.where(late), query.where(others, CLOCKS.c.due_at > horizons[0]))
    either = union_all(*(select(each.subquery()) for each in of_both)).subquery()
    return fetched(connection, select(either).order_by(*(either.c[column.name] for column in order)).limit(limit))


def store_warnings(connection: Connection, warnings: list[dict[str, Any]], warned_at: int) -> None:
    """Append the warnings to those that are stored. Requires the writer's lock, held since ``due`` derived them."""
    last = warnings_made(connection)
    # Without a gap: readers ask for what is above the last number that they have.
    rows = [{**row, "number": last + n, "warned_at": warned_at} for n, row in enumerate(warnings, 1)]
    if rows:
        connection.execute(WARNINGS.insert(), rows)
        bindings.bind_rows(connection, WARNINGS, rows)


def warnings_made(connection: Connection) -> int:
    """Return how many warnings were ever stored."""
    return connection.execute(select(func.max(WARNINGS.c.number))).scalar() or 0


def warnings_to(connection: Connection, reader: Reader, *, handler: str | None, after: int, limit: int) -> list[Warned]:
    """Return the warnings to the reader's agency that it may see, or only those to one ``handler``, in order."""
    shown = _shown(reader, WARNINGS, reader_sees(reader, WARNINGS.c.case_id))
    query = select(*(WARNINGS.c[name] for name in Warned.__struct_fields__))
    query = query.where(WARNINGS.c.agency == reader.agency, shown, WARNINGS.c.number > after)
    if handler is not None:
        query = query.where(WARNINGS.c.handler == handler)
    return [Warned(*row) for row in connection.execute(query.order_by(WARNINGS.c.number).limit(limit))]


def last_warning_number(connection: Connection, agency: str) -> int:
    """Return the number of the agency's newest warning; 0 if there is none."""
    query = select(func.max(WARNINGS.c.number)).where(WARNINGS.c.agency == agency)
    return connection.execute(query).scalar() or 0
