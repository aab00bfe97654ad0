"""Notices: the rows that are derived, those that an officer may see, and what he chose about them.

Who sees the subject of a notice is decided by ``ledger.core.visibility``; the condition here says the same of rows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import asdict
from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    case,
    delete,
    false,
    func,
    literal,
    or_,
    select,
    union,
    update,
)

from ledger.core.encoding.decoding import decode_json
from ledger.core.errors import Conflict
from ledger.core.messages import Message
from ledger.core.visibility import Reader
from ledger.store import bindings, log
from ledger.store.cases import reader_sees
from ledger.store.database import Database
from ledger.store.notice_tables import NOTICE_READS, NOTICES, SUBSCRIBERS, Notice
from ledger.store.supervision import LEADS, sees_lead, sees_recommendation
from ledger.store.tables import (
    CLOCKS,
    HANDOVERS,
    LETTERS,
    NO_CASE,
    WARNINGS,
)

FORGOTTEN_AT_ONCE = 500
LOOKED_AT = 1000  # notices, of each for whom they are: each page of the console counts those that were not read
_POSITION = "notices_position"  # how far the log and the warnings were looked at, and the last number
# Of these the event itself is for the agency that is told (``visibility.can_see_event``), whatever it sees of the case.
_ADDRESSED = ("handover.offered", "handover.returned", "handover.recalled", "letter.sent", "letter.answered")


class NumberedNotice(Notice):
    """A notice as it is stored: ``is_open`` if what it is about still waits, ``is_read`` if its reader has read it."""

    number: int
    is_open: bool
    is_read: bool


class NoticePosition(Struct, frozen=True):
    """How far notices were derived: behind these entries and warnings. ``number`` is that of the last notice."""

    log_index: int = -1
    warning: int = 0
    number: int = 0


def position(connection: Connection) -> NoticePosition:
    """Return how far notices were derived."""
    kept = log.fact(connection, _POSITION)
    return NoticePosition() if kept is None else NoticePosition(*map(int, kept.split()))


def last_number(connection: Connection, agency: str, *, made_until: int | None = None) -> int:
    """Return the number of the agency's last notice, of those made by a moment (unix milliseconds); 0 if none."""
    query = select(NOTICES.c.number).where(NOTICES.c.agency == agency)
    if made_until is not None:
        query = query.where(NOTICES.c.made_at <= made_until)
    return connection.execute(query.order_by(NOTICES.c.number.desc()).limit(1)).scalar() or 0


def of_warnings(connection: Connection, number: int, limit: int) -> list[tuple[int, Notice]]:
    """Return the notices of the warnings behind a number, each with the number of its warning, at most ``limit``."""
    query = select(WARNINGS).where(WARNINGS.c.number > number).order_by(WARNINGS.c.number).limit(limit)
    return [
        (
            row.number,
            Notice(
                agency=row.agency,
                officer=row.handler,
                topic="due",
                kind="deadline",
                case_id=row.case_id,
                subject=row.subject,
                deadline_id=row.deadline_id,
                word=row.clock,
                until=row.due_at,
                last_day=row.last_day,
                at_end=row.at_end,
                days=row.days,
                made_at=row.warned_at,
            ),
        )
        for row in connection.execute(query)
    ]


def store(database: Database, before: NoticePosition, notices: Iterable[Notice], after: NoticePosition) -> bool:
    """Append notices derived from ``before`` to ``after`` together with the position; False if another process did.

    The number of ``after`` does not count: the notices are numbered on from those that are stored.
    """
    with database.write() as connection:
        if position(connection) != before:
            return False
        rows = [notice.model_dump() | {"number": before.number + n} for n, notice in enumerate(notices, 1)]
        if rows:
            connection.execute(NOTICES.insert(), rows)
            bindings.bind_rows(connection, NOTICES, rows)
        number = before.number + len(rows)
        log.keep_fact(connection, database, _POSITION, f"{after.log_index} {after.warning} {number}")
    return True


def forget_before(database: Database, made_at: int) -> None:
    """Delete the oldest of the notices made before (unix milliseconds), and that they were read; some at a time."""
    oldest = (
        select(NOTICES.c.number).where(NOTICES.c.made_at < made_at).order_by(NOTICES.c.number).limit(FORGOTTEN_AT_ONCE)
    )
    with database.read() as connection:
        numbers = connection.execute(oldest).scalars().all()
    if numbers:
        with database.write() as connection:
            connection.execute(delete(NOTICES).where(NOTICES.c.number.in_(numbers)))
            connection.execute(delete(NOTICE_READS).where(NOTICE_READS.c.number.in_(numbers)))
            bindings.bind_rows(connection, NOTICES, [{"number": number} for number in numbers])


# -- what an officer may see -------------------------------------------------------------------------------------------


class NoticeFilter(Struct, frozen=True):
    """The notices of an officer: of the ``topics``, and with ``of_others`` those of colleagues' deadlines.

    Numbers are above ``after``, of a topic that ``behind`` has above its own, and at most ``up_to``.
    """

    officer: str
    topics: tuple[str, ...]
    of_others: bool = False
    after: int = 0
    behind: Mapping[str, int] = MappingProxyType({})
    up_to: int | None = None
    only_open: bool = False


def listed(
    connection: Connection,
    reader: Reader,
    wanted: NoticeFilter,
    *,
    limit: int,
    newest_first: bool = False,
    read_up_to: int = 0,
) -> list[NumberedNotice]:
    """Return notices that the reader may see, by their numbers."""
    is_read = or_(NOTICES.c.number <= read_up_to, _marked(reader.agency, wanted.officer))
    query = select(NOTICES, _is_open(wanted.officer).label("is_open"), is_read.label("is_read"))
    order = NOTICES.c.number.desc() if newest_first else NOTICES.c.number
    rows = connection.execute(query.where(*_conditions(reader, wanted)).order_by(order).limit(limit)).mappings()
    return [NumberedNotice(**row) for row in rows]


def count_unread(connection: Connection, reader: Reader, wanted: NoticeFilter, most: int) -> tuple[int, int]:
    """Return how many notices the reader has not read, at most ``most``, and the number of the newest; 0 if none.

    Looks at the newest ``LOOKED_AT`` of the agency's for nobody in particular, as many for the officer, and for others.
    """
    of_agency = select(NOTICES.c.number).where(NOTICES.c.agency == reader.agency, NOTICES.c.number > wanted.after)
    for_whom = [of_agency.where(NOTICES.c.officer.is_(None)), of_agency.where(NOTICES.c.officer == wanted.officer)]
    if wanted.of_others:
        for_whom.append(of_agency)
    newest = (each.order_by(NOTICES.c.number.desc()).limit(LOOKED_AT).subquery() for each in for_whom)
    looked_at = NOTICES.c.number.in_(union(*(select(each.c.number) for each in newest)))
    not_marked = ~_marked(reader.agency, wanted.officer)
    unread = select(NOTICES.c.number).where(looked_at, *_conditions(reader, wanted), not_marked)
    numbers = connection.execute(unread.order_by(NOTICES.c.number.desc()).limit(most)).scalars().all()
    return len(numbers), max(numbers, default=0)


def _marked(agency: str, officer: str) -> ColumnElement[bool]:
    of_notice = NOTICE_READS.c.number == NOTICES.c.number
    return select(literal(1)).where(*_marks_of(agency, officer), of_notice).correlate(NOTICES).exists()


def _marks_of(agency: str, officer: str) -> tuple[ColumnElement[bool], ...]:
    return NOTICE_READS.c.agency == agency, NOTICE_READS.c.officer == officer


def _conditions(reader: Reader, wanted: NoticeFilter) -> list[ColumnElement[bool]]:
    mine = or_(NOTICES.c.officer.is_(None), NOTICES.c.officer == wanted.officer)
    of_topics = [
        and_(NOTICES.c.topic == topic, NOTICES.c.number > wanted.behind.get(topic, 0)) for topic in wanted.topics
    ]
    chosen = and_(mine, or_(false(), *of_topics))
    if wanted.of_others:
        of_colleagues = and_(NOTICES.c.topic == "due", NOTICES.c.officer != wanted.officer)
        chosen = or_(chosen, and_(of_colleagues, NOTICES.c.number > wanted.behind.get("due_of_others", 0)))
    conditions = [NOTICES.c.agency == reader.agency, NOTICES.c.number > wanted.after, chosen, _visible(reader)]
    if wanted.up_to is not None:
        conditions.append(NOTICES.c.number <= wanted.up_to)
    if wanted.only_open:
        conditions.append(_is_open(wanted.officer))
    return conditions


def _visible(reader: Reader) -> ColumnElement[bool]:
    """Build the condition that the reader sees what the notice is about, as it stands now."""
    to_it = (LETTERS.c.case_id == NOTICES.c.case_id, LETTERS.c.to_agency == reader.agency)
    of_letter = select(literal(1)).where(
        *to_it, or_(LETTERS.c.letter_id == NOTICES.c.subject, NOTICES.c.subject == reader.agency)
    )
    is_of_case = NOTICES.c.case_id != NO_CASE
    return or_(
        NOTICES.c.kind.in_(_ADDRESSED),
        and_(is_of_case, reader_sees(reader, NOTICES.c.case_id)),
        and_(is_of_case, NOTICES.c.kind == "deadline", of_letter.correlate(NOTICES).exists()),
        and_(~is_of_case, sees_lead(reader, NOTICES.c.subject)),
        and_(~is_of_case, sees_recommendation(reader, NOTICES.c.subject)),
    )


def _is_open(officer: str) -> ColumnElement[bool]:
    """Build the condition that what the notice is about still waits: nobody answered the offer, the clock runs on."""

    def holds(query: Select[Any]) -> ColumnElement[bool]:
        return query.correlate(NOTICES).exists()

    offer = select(literal(1)).where(
        HANDOVERS.c.case_id == NOTICES.c.case_id,
        HANDOVERS.c.handover_id == NOTICES.c.subject,
        HANDOVERS.c.status == "offered",
    )
    clock = select(literal(1)).where(
        CLOCKS.c.case_id == NOTICES.c.case_id,
        CLOCKS.c.deadline_id == NOTICES.c.deadline_id,
        CLOCKS.c.due_at == NOTICES.c.until,
        CLOCKS.c.at_end == NOTICES.c.at_end,
        CLOCKS.c.status == "running",
    )
    letter = select(literal(1)).where(
        LETTERS.c.case_id == NOTICES.c.case_id,
        LETTERS.c.letter_id == NOTICES.c.subject,
        or_(LETTERS.c.received_at.is_(None), and_(LETTERS.c.due_at.is_not(None), LETTERS.c.answered_at.is_(None))),
    )
    lead = select(literal(1)).where(LEADS.c.lead_id == NOTICES.c.subject, LEADS.c.handler == officer)
    return case(
        (NOTICES.c.kind.in_(("handover.offered", "handover.returned")), holds(offer)),
        (NOTICES.c.kind == "deadline", holds(clock)),
        (NOTICES.c.kind.in_(("letter.sent", "letter.answered")), holds(letter)),
        (NOTICES.c.kind == "lead.assigned", holds(lead)),
        else_=literal(value=True),
    )


def mark_read(database: Database, agency: str, officer: str, numbers: Iterable[int]) -> None:
    """Record that the officer has read these notices, as far as they are of the agency."""
    own = select(NOTICES.c.number).where(NOTICES.c.agency == agency, NOTICES.c.number.in_([*numbers]))
    with database.write() as connection:
        for number in connection.execute(own).scalars().all():
            row = {"agency": agency, "officer": officer, "number": number}
            connection.execute(database.upsert(NOTICE_READS).values(row).on_conflict_do_nothing())


# -- what an officer chose ---------------------------------------------------------------------------------------------


class Subscriber(Struct, frozen=True, kw_only=True):
    """A row of ``notice_tables.SubscribersTable``; by default one of an officer who has chosen nothing."""

    agency: str
    officer: str
    language: str = "en"
    choices: str = "{}"
    read_up_to: int = 0
    address: str | None = None
    key_id: str | None = None
    confirmation: str | None = None
    former: str | None = None
    to_confirm: int | None = None
    asked: int = 0
    asked_since: int = 0
    mailed: str = "{}"
    once_to: int | None = None
    daily_to: int | None = None
    sent_at: int | None = None
    failures: int = 0
    last_error: str | None = None
    next_try_at: int = 0


_COLUMNS = [SUBSCRIBERS.c[name] for name in Subscriber.__struct_fields__]


def subscriber(connection: Connection, agency: str, officer: str) -> Subscriber:
    """Return what the officer chose; the defaults if he has chosen nothing."""
    row = connection.execute(select(*_COLUMNS).where(*_of(agency, officer))).mappings().first()
    return Subscriber(agency=agency, officer=officer) if row is None else Subscriber(**row)


def keep(database: Database, agency: str, officer: str, **values: Any) -> None:
    """Store values of the officer's row; it is made if there is none."""
    with database.write() as connection:
        _put(connection, database, subscriber(connection, agency, officer), values)


def _put(connection: Connection, database: Database, row: Subscriber, values: dict[str, Any]) -> None:
    statement = database.upsert(SUBSCRIBERS).values(asdict(row) | values)
    connection.execute(statement.on_conflict_do_update(index_elements=["agency", "officer"], set_=values))


class AddressLimits(Struct, frozen=True):
    """Links for confirmation ``of_officer`` and ``of_agency`` in a day, and officers ``sharing`` one address."""

    of_officer: int
    of_agency: int
    sharing: int


DAY_MS = 24 * 3600 * 1000


def ask_to_confirm(
    database: Database,
    agency: str,
    officer: str,
    *,
    address: str,
    key_id: str,
    language: str,
    now_ms: int,
    limits: AddressLimits,
) -> None:
    """Store the address that a key gave, and to which a link is to be sent. The one before has a last message.

    Raises Conflict where one of the limits is reached.
    """
    with database.write() as connection:
        # Counted under the lock: several requests at once must not pass a limit together.
        row = subscriber(connection, agency, officer)
        is_same_day = now_ms - row.asked_since < DAY_MS
        asked = row.asked if is_same_day else 0
        sharing = connection.execute(
            _COUNT.where(SUBSCRIBERS.c.address == address, ~and_(*_of(agency, officer)))
        ).scalar_one()
        recent = (SUBSCRIBERS.c.agency == agency, SUBSCRIBERS.c.asked_since > now_ms - DAY_MS)
        of_agency = connection.execute(
            select(func.coalesce(func.sum(SUBSCRIBERS.c.asked), 0)).where(*recent)
        ).scalar_one()
        if asked >= limits.of_officer or int(of_agency) >= limits.of_agency or sharing >= limits.sharing:
            raise Conflict(
                "too many links were sent to this address, for you, or for your agency",
                field="address",
                code="too_many_links",
                hint="Open the one that was sent last, or ask for another tomorrow.",
            )
        values = {
            "address": address,
            "key_id": key_id,
            "confirmation": None,
            "former": row.confirmation or row.former,
            "language": language,
            "to_confirm": now_ms,
            "asked": asked + 1,
            "asked_since": row.asked_since if is_same_day else now_ms,
            "once_to": None,
            "daily_to": None,
            "failures": 0,
            "last_error": None,
            "next_try_at": now_ms,
        }
        _put(connection, database, row, values)


_OF_ADDRESS = ("address", "key_id", "confirmation", "to_confirm", "once_to", "daily_to", "last_error")


def end_mail(database: Database, row: Subscriber, *, last_message_at: int | None = None) -> bool:
    """Delete the address of the row; choices and counted links stay. Returns False if there is another by now.

    With ``last_message_at`` (unix milliseconds) the address has a last message from then on, if it was confirmed.
    """
    values: dict[str, Any] = dict.fromkeys(_OF_ADDRESS)
    if last_message_at is not None:
        values["former"] = func.coalesce(SUBSCRIBERS.c.confirmation, SUBSCRIBERS.c.former)
        values["next_try_at"] = last_message_at
    return changed(database, row, ("address", "key_id"), **values, failures=0) is not None


def read_all(database: Database, agency: str, officer: str) -> None:
    """Record that the officer has read every notice that there is."""
    with database.read() as connection:
        last = position(connection).number
    keep(database, agency, officer, read_up_to=last)
    with database.write() as connection:
        connection.execute(delete(NOTICE_READS).where(*_marks_of(agency, officer)))


def forget(database: Database, agency: str, officer: str) -> None:
    """Delete what the officer chose, his address, and what he read."""
    with database.write() as connection:
        connection.execute(delete(SUBSCRIBERS).where(*_of(agency, officer)))
        connection.execute(delete(NOTICE_READS).where(*_marks_of(agency, officer)))


_COUNT = select(func.count()).select_from(SUBSCRIBERS)


def everybody(connection: Connection) -> list[tuple[str, str]]:
    """Return agency and id of each officer of whom something is stored."""
    marks = select(NOTICE_READS.c.agency, NOTICE_READS.c.officer)
    rows = connection.execute(select(SUBSCRIBERS.c.agency, SUBSCRIBERS.c.officer).union(marks))
    return [(row.agency, row.officer) for row in rows]


def reachable(connection: Connection, now_ms: int) -> list[Subscriber]:
    """Return those with an address, or with one before, who are not claimed and need not wait now."""
    has_address = or_(SUBSCRIBERS.c.address.is_not(None), SUBSCRIBERS.c.former.is_not(None))
    free = (has_address, SUBSCRIBERS.c.next_try_at <= now_ms)
    rows = connection.execute(select(*_COLUMNS).where(*free).order_by(SUBSCRIBERS.c.next_try_at)).mappings()
    return [Subscriber(**row) for row in rows]


# Whoever claims moves ``next_try_at``, and whoever has a further topic mailed moves its position.
_OF_MESSAGE = ("next_try_at", "mailed", "address", "key_id", "former", "once_to", "daily_to")


def changed(
    database: Database, row: Subscriber, while_same: Collection[str] = _OF_MESSAGE, /, **values: Any
) -> Subscriber | None:
    """Update the row if these columns are as they were read, by default all that a message depends on.

    Returns the row as it is then; None if somebody has claimed, settled or changed it meanwhile.
    """
    same = [SUBSCRIBERS.c[name].is_not_distinct_from(getattr(row, name)) for name in while_same]
    with database.write() as connection:
        statement = update(SUBSCRIBERS).where(*_of(row.agency, row.officer), *same).values(**values)
        if connection.execute(statement).rowcount == 0:
            return None
        return subscriber(connection, row.agency, row.officer)


class MailState(Struct, frozen=True):
    """How mail stands: confirmed addresses, those to which the last message failed, with one of its errors.

    ``sent_at`` (unix milliseconds) is when the last message went out, ``waiting_since`` the oldest notice was made that
    a failed one has.
    """

    addresses: int
    failing: int
    sent_at: int | None
    waiting_since: int | None
    last_error: Message | None


def mail_state(connection: Connection) -> MailState:
    """Return how mail stands."""
    failing = SUBSCRIBERS.c.failures > 0
    addresses = connection.execute(_COUNT.where(SUBSCRIBERS.c.confirmation.is_not(None))).scalar_one()
    failed = connection.execute(_COUNT.where(failing)).scalar_one()
    sent_at = connection.execute(select(func.max(SUBSCRIBERS.c.sent_at))).scalar()
    newest = select(SUBSCRIBERS.c.last_error).where(failing).order_by(SUBSCRIBERS.c.next_try_at.desc()).limit(1)
    oldest = min(_waiting_since(connection, failing), default=None) if failed else None
    error: str | None = connection.execute(newest).scalar()
    packed = None if error is None else Message.unpacked(msgspec.json.decode(error))
    return MailState(addresses, failed, sent_at, oldest, packed)


def _waiting_since(connection: Connection, failing: ColumnElement[bool]) -> Iterator[int]:
    """Yield, for each officer to whom mail failed, when the oldest notice was made that is not mailed to him yet."""
    for row in connection.execute(select(SUBSCRIBERS.c.agency, SUBSCRIBERS.c.mailed).where(failing)):
        behind = min(decode_json(row.mailed, dict[str, int]).values(), default=0)
        of_agency = (NOTICES.c.agency == row.agency, NOTICES.c.number > behind)
        oldest = connection.execute(select(func.min(NOTICES.c.made_at)).where(*of_agency)).scalar()
        if oldest is not None:
            yield oldest


def _of(agency: str, officer: str) -> tuple[ColumnElement[bool], ...]:
    return SUBSCRIBERS.c.agency == agency, SUBSCRIBERS.c.officer == officer
