"""The read models of cases, items and handovers, as far as the reader may see them.

``ledger.core.visibility`` is the rule. For one case it is called; lists decide by SQL that says the same.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, Literal

from msgspec import Struct
from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Integer,
    Select,
    and_,
    bindparam,
    exists,
    func,
    literal,
    or_,
    select,
    tuple_,
    union,
)

from ledger.core.custody import OpenSplit
from ledger.core.errors import NotFound
from ledger.core.events import Event
from ledger.core.events.case import CaseJoined, CaseOpened, CaseSplit
from ledger.core.events.terms import EventRef
from ledger.core.visibility import AssignedLead, Offer, Reader, Sides, Sight, assigned_lead, can_see
from ledger.store.database import Change, array_of, fetched, one_of, row_of, texts_named, where_set
from ledger.store.tables import (
    CASE_AGENCIES,
    CASES,
    ENTRIES,
    HANDOVERS,
    ITEMS,
    LEAD_CASES,
    LETTERS,
    SPLITS,
    SPLITS_TAKEN_OVER,
)

MOST_MERGED = 100  # agencies whose lists are merged to one; who sees those of more sees nearly every case


class Page(Struct, frozen=True):
    """A window of a list in a stable order: at most ``limit`` rows, after the key ``after``."""

    limit: int = 100
    after: str | None = None


def case_of_item(connection: Connection, item_id: str, reader: Reader) -> str | None:
    """Return the case that has the item, of those that the reader sees, or None.

    Of several the one that the item has not left is preferred, then the one that changed it last.
    """
    query = select(ITEMS.c.case_id).where(ITEMS.c.item_id == item_id, reader_sees(reader, ITEMS.c.case_id))
    # False sorts before true: a case that the item has left comes last.
    order = (ITEMS.c.status == "left", ITEMS.c.updated_index.desc())
    case_id: str | None = connection.execute(query.order_by(*order).limit(1)).scalar()
    return case_id


def sight(connection: Connection, case_id: str, reader: Reader) -> Sight | None:
    """Return what makes the case visible to the reader; None if nothing does, or if there is no such case."""
    return can_see(reader, sides(connection, case_id))


def sides(connection: Connection, case_id: str) -> Sides:
    """Return who has a part in the case, an open offer or a lead that cites it; nobody if there is no such case."""
    return _sides(connection, _OF_ONE, {"case_id": case_id}, (case_id,))[case_id]


def sides_of_cases(connection: Connection, case_ids: Collection[str]) -> dict[str, Sides]:
    """Return what ``sides`` returns of each of these cases, by their ids. However many they are, it asks thrice."""
    return _sides(connection, _OF_MANY, {"case_ids": array_of(case_ids)}, case_ids)


def _sides(
    connection: Connection, asked: Iterable[Select[Any]], values: Mapping[str, str], case_ids: Collection[str]
) -> dict[str, Sides]:
    rows: dict[str, tuple[list[Any], ...]] = {case_id: ([], [], []) for case_id in case_ids}
    for place, query in enumerate(asked):
        for case_id, *row in connection.execute(query, values):
            rows[case_id][place].append(row)
    return {
        case_id: Sides(
            frozenset(agency for (agency,) in agencies),
            tuple(Offer(*offer) for offer in offers),
            tuple(AssignedLead(*lead) for lead in leads),
        )
        for case_id, (agencies, offers, leads) in rows.items()
    }


def _sides_where(is_asked: Callable[[Column[str]], ColumnElement[bool]]) -> tuple[Select[Any], ...]:
    """Build the queries for parties, open offers and assigned leads of the cases for which this condition holds."""
    parties, offers, leads = CASE_AGENCIES.c, HANDOVERS.c, LEAD_CASES.c
    return (
        select(parties.case_id, parties.agency).where(is_asked(parties.case_id)),
        select(offers.case_id, offers.to_agency, offers.expires_at).where(
            is_asked(offers.case_id), offers.status == "offered"
        ),
        select(leads.case_id, leads.lead_id, leads.agency, leads.officer).where(
            is_asked(leads.case_id), leads.officer.is_not(None)
        ),
    )


_OF_CASE, _OF_CASES = texts_named("case_id"), texts_named("case_ids")
# Built once, as is what else every page of a case asks for.
_OF_ONE = _sides_where(lambda case_id: case_id == _OF_CASE)
_OF_MANY = _sides_where(lambda case_id: one_of(case_id, _OF_CASES))


def seen_from_outside(connection: Connection, reader: Reader, case_ids: Collection[str]) -> dict[str, str | None]:
    """Return those of the cases to which the reader's agency is no party and has no offer.

    Each has the id of the lead if the reader sees it only because that is assigned to him.
    """
    of_cases = sides_of_cases(connection, case_ids)
    sights = {case_id: can_see(reader, of_case) for case_id, of_case in of_cases.items()}
    return {
        case_id: assigned_lead(reader, of_cases[case_id]) if by == "assigned" else None
        for case_id, by in sights.items()
        if by not in ("party", "offered")
    }


def require_sight(connection: Connection, case_id: str, reader: Reader) -> Sight:
    """Return what makes the case visible. Raise NotFound for a missing and for an invisible case alike."""
    by = sight(connection, case_id, reader)
    if by is None:
        raise no_such_case(case_id)
    return by


def no_such_case(case_id: str) -> NotFound:
    """Return the error for a missing and for an invisible case alike."""
    return NotFound("no case {case_id} that you may see", case_id=case_id, field="case_id")


def holds(connection: Connection, case_id: str, agency: str) -> bool:
    """Return whether the agency is responsible for the case, or has custody of an item of it."""
    return connection.execute(select(literal(1)).where(agency_holds(agency, literal(case_id)))).first() is not None


def agency_holds(agency: str, case_id: ColumnElement[str]) -> ColumnElement[bool]:
    """Build the condition that the agency is responsible for the case of that id, or has custody of an item of it."""
    responsible = select(CASES.c.case_id).where(CASES.c.case_id == case_id, CASES.c.responsible == agency)
    # Written as an expression, the holder is compared for the items of the case: an agency may hold very many.
    is_held = (ITEMS.c.holder.concat("") == agency, ITEMS.c.status.in_(("held", "checked_out")))
    custody = select(ITEMS.c.case_id).where(ITEMS.c.case_id == case_id, *is_held)
    if isinstance(case_id, Column):  # the row of an outer query, which may have the same tables
        responsible, custody = responsible.correlate(case_id.table), custody.correlate(case_id.table)
    return or_(responsible.exists(), custody.exists())


def parties_among(connection: Connection, agency: str, case_ids: Collection[str]) -> set[str]:
    """Return those of the cases that the agency is a party to."""
    is_party = (one_of(CASE_AGENCIES.c.case_id, case_ids), CASE_AGENCIES.c.agency == agency)
    return set(connection.execute(select(CASE_AGENCIES.c.case_id).where(*is_party)).scalars())


def offered_to(connection: Connection, case_id: str, handover_id: str) -> str | None:
    """Return the agency that a handover was offered to, or None if there is no such handover."""
    named = (HANDOVERS.c.case_id == case_id, HANDOVERS.c.handover_id == handover_id)
    to_agency: str | None = connection.execute(select(HANDOVERS.c.to_agency).where(*named)).scalar()
    return to_agency


def list_cases(
    connection: Connection, reader: Reader, page: Page, *, stage: str | None = None, responsible: str | None = None
) -> list[dict[str, Any]]:
    """Return the cases that the reader sees, by case id."""
    query = where_set(select(CASES), stage=stage, responsible=responsible)
    # A filter may pass over any number of rows: then each row is tested, instead of merging lists.
    if stage is None and responsible is None and len(reader.supervised) <= MOST_MERGED:
        # The ids of the page and few more, however many cases the reader sees: the next ids for each agency and each
        # way of seeing, because an index has each of these in order.
        agencies = (reader.agency, *sorted(reader.supervised - {reader.agency}))
        sources = [ids for agency in agencies for ids in _of_agencies(reader, (agency,))]
        sources += _of_leads(reader)
        nexts = (paged(ids.distinct(), ids.selected_columns.case_id, page) for ids in sources)
        query = query.where(CASES.c.case_id.in_(union(*(select(ids.subquery().c.case_id) for ids in nexts))))
    else:
        query = query.where(reader_sees(reader, CASES.c.case_id) if responsible == reader.agency else visible(reader))
    return fetched(connection, paged(query, CASES.c.case_id, page))


def case(connection: Connection, case_id: str) -> dict[str, Any]:
    """Return one case with each agency's number for it. Raises NotFound."""
    row = connection.execute(_CASE, {"case_id": case_id}).mappings().first()
    if row is None:
        raise NotFound("no case {case_id}", case_id=case_id, field="case_id")
    return {**row, "agencies": dict(connection.execute(_NUMBERS_OF_CASE, {"case_id": case_id}).all())}


_CASE = select(CASES).where(CASES.c.case_id == _OF_CASE)
_NUMBERS_OF_CASE = (
    select(CASE_AGENCIES.c.agency, CASE_AGENCIES.c.case_number)
    .where(CASE_AGENCIES.c.case_id == _OF_CASE)
    .order_by(CASE_AGENCIES.c.agency)
)


def numbers_of(connection: Connection, case_ids: Collection[str], reader: Reader | None = None) -> dict[str, str]:
    """Return the opening agencies' case numbers, by case id; with a ``reader`` only of cases that he sees."""
    if not case_ids:
        return {}
    query = _NUMBERS if reader is None else _NUMBERS.where(reader_sees(reader, CASES.c.case_id))
    return dict(connection.execute(query, {"case_ids": array_of(case_ids)}).all())


_NUMBERS = select(CASES.c.case_id, CASES.c.case_number).where(one_of(CASES.c.case_id, texts_named("case_ids")))


def with_number(connection: Connection, case_number: str) -> list[str]:
    """Return the cases that some agency uses this number for. Visibility is not checked."""
    query = select(CASE_AGENCIES.c.case_id).where(CASE_AGENCIES.c.case_number == case_number).distinct()
    return list(connection.execute(query.order_by(CASE_AGENCIES.c.case_id)).scalars())


def list_items(
    connection: Connection, reader: Reader, page: Page, *, case_id: str | None = None, holder: str | None = None
) -> list[dict[str, Any]]:
    """Return items of the cases that the reader sees, by item id and case; ``page.after`` is a ``place_of_item``."""
    query = where_set(select(ITEMS), case_id=case_id, holder=holder)
    query = query.join(CASES, CASES.c.case_id == ITEMS.c.case_id).where(visible(reader))
    if page.after is not None:
        query = query.where(tuple_(ITEMS.c.item_id, ITEMS.c.case_id) > tuple_(*map(literal, page.after.split("/"))))
    return fetched(connection, query.order_by(ITEMS.c.item_id, ITEMS.c.case_id).limit(page.limit))


def place_of_item(item_id: str, case_id: str) -> str:
    """Return the position of an item in the list of items."""
    return f"{item_id}/{case_id}"


def list_handovers(
    connection: Connection,
    agency: str,
    page: Page,
    *,
    box: Literal["inbox", "outbox", "all"] = "all",
    status: str | None = None,
) -> list[dict[str, Any]]:
    """Return handovers offered to (inbox) or by (outbox) the agency, the latest change last."""
    to, by = HANDOVERS.c.to_agency == agency, HANDOVERS.c.from_agency == agency
    query = where_set(select(HANDOVERS).where({"inbox": to, "outbox": by, "all": or_(to, by)}[box]), status=status)
    return fetched(connection, paged(query, HANDOVERS.c.updated_index, page))


def refused_offers(connection: Connection, agency: str, page: Page) -> list[dict[str, Any]]:
    """Return the offers that the agency has refused, the latest change first; ``page.after`` is an index of the log."""
    is_refused = (HANDOVERS.c.to_agency == agency, HANDOVERS.c.status == "refused")
    query = select(HANDOVERS).where(*is_refused).order_by(HANDOVERS.c.updated_index.desc()).limit(page.limit)
    if page.after is not None:
        query = query.where(HANDOVERS.c.updated_index < int(page.after))
    return fetched(connection, query)


def list_letters(
    connection: Connection,
    agency: str,
    page: Page,
    *,
    box: Literal["inbox", "outbox", "all"] = "all",
    waiting: bool = False,
    number: str | None = None,
) -> list[dict[str, Any]]:
    """Return letters to (inbox) or by (outbox) the agency, the latest change last.

    With ``number`` only those whose number has it in it. With ``waiting`` only those without a receipt, and those that
    ask for an answer and have none.
    """
    to, by = LETTERS.c.to_agency == agency, LETTERS.c.from_agency == agency
    query = select(LETTERS).where({"inbox": to, "outbox": by, "all": or_(to, by)}[box])
    if number:
        query = query.where(LETTERS.c.number.contains(number, autoescape=True))
    if waiting:
        is_asked = and_(LETTERS.c.due_at.is_not(None), LETTERS.c.answered_at.is_(None))
        query = query.where(or_(LETTERS.c.received_at.is_(None), is_asked))
    return fetched(connection, paged(query, LETTERS.c.updated_index, page))


def agencies_of_letters(connection: Connection, case_id: str, letter_id: str | None) -> set[str]:
    """Return the agencies that send and get the letters of the case, or this one; empty if there is none."""
    of_case = (LETTERS.c.case_id == case_id, *(() if letter_id is None else (LETTERS.c.letter_id == letter_id,)))
    rows = connection.execute(select(LETTERS.c.from_agency, LETTERS.c.to_agency).where(*of_case))
    return {agency for row in rows for agency in row if agency is not None}


def visible(reader: Reader, case_id: ColumnElement[str] = CASES.c.case_id) -> ColumnElement[bool]:
    """Build the condition that the reader sees a row of ``cases``, or of another table by its ``case_id``."""
    return or_(*(case_id.in_(ids) for ids in ids_seen(reader)))


def reader_sees(reader: Reader, case_id: ColumnElement[str]) -> ColumnElement[bool]:
    """Build the condition that the reader sees the case of that id.

    It suits queries of few cases, while ``visible`` enumerates all that he sees.
    """
    of_case = ids_seen(reader, of_one_case=True)
    return or_(
        *(ids.where(ids.selected_columns.case_id == case_id).correlate(case_id.table).exists() for ids in of_case)
    )


def sees_more_than(connection: Connection, ways: Iterable[Select[Any]], count: int) -> bool:
    """Return whether one of these ways (``ids_seen``) shows its reader more cases than that, or nearly so."""
    first = (ids.limit(count + 1).subquery() for ids in ways)
    counts = (select(func.count()).select_from(some).scalar_subquery() for some in first)
    return any(each > count for each in connection.execute(select(*counts)).one())


def ids_seen(reader: Reader, *, of_one_case: bool = False) -> tuple[Select[Any], ...]:
    """Return queries for the ids of cases that the reader sees, one for each way by which he sees them.

    With ``of_one_case`` they start from the few rows of the case, not from each of the many supervised agencies.
    """
    own = (*_of_agencies(reader, (reader.agency,)), *_of_leads(reader))
    return (*own, *_of_agencies(reader, reader.supervised, by_case=of_one_case)) if reader.supervised else own


def _of_agencies(
    reader: Reader, agencies: Collection[str], *, by_case: bool = False
) -> tuple[Select[Any], Select[Any]]:
    """Select the cases that one of the agencies is a party to, and those of which one has an open offer."""

    def is_one(column: ColumnElement[str]) -> ColumnElement[bool]:
        if len(agencies) == 1:
            return column == next(iter(agencies))
        # For one case the index by agency is slow. Written as an expression, the column does not use that index.
        return (column.concat("") if by_case else column).in_(sorted(agencies))

    unexpired = or_(HANDOVERS.c.expires_at.is_(None), HANDOVERS.c.expires_at >= reader.now)
    offered = (is_one(HANDOVERS.c.to_agency), HANDOVERS.c.status == "offered", unexpired)
    parties = select(CASE_AGENCIES.c.case_id).where(is_one(CASE_AGENCIES.c.agency))
    return parties, select(HANDOVERS.c.case_id).where(*offered)


def _of_leads(reader: Reader) -> list[Select[Any]]:
    """Select the cases in the jurisdiction of the reader's agency that leads cite which are assigned to the reader."""
    if reader.jurisdiction <= reader.supervised:
        return []  # he sees them all without a lead
    # By case: an officer's leads cite few cases, and a jurisdiction has very many.
    within = _of_agencies(reader, reader.jurisdiction, by_case=True)
    # Of no officer: without the text, None would be compared as null, which is that of leads without an officer.
    assigned = (LEAD_CASES.c.agency == reader.agency, LEAD_CASES.c.officer == literal(reader.officer or ""))
    return [
        select(LEAD_CASES.c.case_id).where(
            *assigned,
            ids.where(ids.selected_columns.case_id == LEAD_CASES.c.case_id).correlate(LEAD_CASES).exists(),
        )
        for ids in within
    ]


def paged(query: Select[Any], key: ColumnElement[Any], page: Page) -> Select[Any]:
    """Restrict the query to the page, in the order of the key."""
    if page.after is not None:
        query = query.where(key > (int(page.after) if isinstance(key.type, Integer) else page.after))
    return query.order_by(key).limit(page.limit)


LOG_END = 2**63 - 1  # above every index; the largest number that a column holds
_below = bindparam("below", type_=BigInteger())
_opening = select(ENTRIES.c.log_index).where(
    ENTRIES.c.stream_kind == "case",
    ENTRIES.c.stream_id == SPLITS.c.new_case_id,
    ENTRIES.c.sequence == 0,
    ENTRIES.c.log_index < _below,
)
# Built once: every batch with a new case runs it.
_SPLITTING = (
    select(SPLITS)
    .where(one_of(SPLITS.c.new_case_id, texts_named("case_ids")), SPLITS.c.log_index < _below, ~_opening.exists())
    .order_by(SPLITS.c.log_index)
)


def split_cited(event: Event) -> EventRef | None:
    """Return the split by which the event opens its case, or joins to it, if it cites one."""
    match event.body:
        case CaseOpened(split_from=cited) | CaseJoined(cites=cited):
            return cited
    return None


def split_projections(event: Event, index: int) -> Iterator[Change]:
    """Yield the row of the split that the entry at ``index`` is, or takes over, if it does either."""
    if isinstance(event.body, CaseSplit):
        persons, items = len(event.body.person_ids), len(event.body.item_ids)
        own = {"case_id": event.stream.id, "persons": persons, "items": items}
        yield SPLITS, row_of(SPLITS, event.body, event, log_index=index, **own)
    elif cited := split_cited(event):
        yield SPLITS_TAKEN_OVER, {"event_id": cited.event_id, "case_id": event.stream.id, "log_index": index}


def open_splits(
    connection: Connection,
    case_ids: Collection[str] | None = None,
    *,
    new_case_id: str | None = None,
    agency: str | None = None,
    below: int = LOG_END,
    for_unopened: bool = False,
    limit: int | None = None,
) -> list[OpenSplit]:
    """Return the splits that gave something up and are not taken over: of or for a case, or what concerns an agency.

    The last are its own, and those of the cases that it answers for. ``below`` is the index up to which entries count;
    ``for_unopened`` leaves only those for cases without an entry.
    """
    taken = SPLITS_TAKEN_OVER.c.event_id == SPLITS.c.event_id, SPLITS_TAKEN_OVER.c.log_index < below
    query = select(*(SPLITS.c[name] for name in OpenSplit.__struct_fields__)).where(
        SPLITS.c.log_index < below, SPLITS.c.persons + SPLITS.c["items"] > 0, ~exists().where(*taken)
    )
    if case_ids is not None:
        query = query.where(one_of(SPLITS.c.case_id, case_ids))
    if new_case_id is not None:
        query = query.where(SPLITS.c.new_case_id == new_case_id)
    if for_unopened:
        query = query.where(~_opening.exists())
    if agency is not None:
        answered_for = select(CASES.c.case_id).where(CASES.c.case_id == SPLITS.c.case_id, CASES.c.responsible == agency)
        query = query.where(or_(SPLITS.c.agency == agency, answered_for.correlate(SPLITS).exists()))
    query = query.order_by(SPLITS.c.log_index).limit(limit)
    return [OpenSplit(*row) for row in connection.execute(query, {"below": below} if for_unopened else {})]


def taken_over_from(connection: Connection, start: int, end: int) -> set[str]:
    """Return the cases from which entries of indices ``start <= i < end`` took over what was split off."""
    joined = SPLITS.join(SPLITS_TAKEN_OVER, SPLITS_TAKEN_OVER.c.event_id == SPLITS.c.event_id)
    index = SPLITS_TAKEN_OVER.c.log_index
    return {
        *connection.execute(select(SPLITS.c.case_id).select_from(joined).where(index >= start, index < end)).scalars()
    }


def splitting_agencies(
    connection: Connection, case_ids: Collection[str], *, below: int | None = None
) -> dict[str, str]:
    """Return which agency split something off for each of these cases that is not opened yet, by case id.

    ``below`` is the index up to which entries count, all of them without it.
    """
    agencies: dict[str, str] = {}
    wanted = {"case_ids": array_of(case_ids), "below": LOG_END if below is None else below}
    for row in connection.execute(_SPLITTING, wanted):
        agencies.setdefault(row.new_case_id, row.agency)
    return agencies
