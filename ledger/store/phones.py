"""Phones on which officers prepare the answers to offers: who may, until when, and what was prepared.

Nothing here is a part of the record. Of codes and tokens only digests are stored.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final

from msgspec import Struct
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Select,
    Text,
    and_,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlmodel import Field

from ledger.core.errors import Conflict
from ledger.store.database import Database
from ledger.store.tables import HANDOVERS, StoreTable, big, core_of

MOST_OFFERS: Final = 20  # of one officer, for which phones prepare at a time
KEPT_S: Final = 24 * 3600  # seconds for which what was prepared is kept after the last code was shown


class PhonesTable(StoreTable):
    """A phone on which an officer prepares his answer to an offer.

    ``code_digest`` is that of the code that waits to be typed, ``token_digest`` that of what the phone shows since.
    Times are in unix seconds.
    """

    case_id: str = Field(primary_key=True)
    handover_id: str = Field(primary_key=True)
    key_id: str = Field(primary_key=True, index=True)
    agency: str
    officer: str
    code_digest: str | None = Field(default=None, unique=True)
    token_digest: str | None = Field(default=None, unique=True)
    ends_at: int = Field(sa_column=big())
    opened_at: int | None = Field(default=None, sa_column=big(nullable=True))
    kept_until: int = Field(sa_column=big())
    text: str = Field(sa_column=Column(Text, nullable=False))
    finished: bool
    prepared_at: int | None = Field(default=None, sa_column=big(nullable=True))
    revision: int = Field(sa_column=big())


PHONES = core_of(PhonesTable)


class Prepared(Struct, frozen=True):
    """What an officer's phone prepares for one offer: ``text``, empty before, and whether it is ``finished``.

    A code waits until ``ends_at`` to be typed. After that the phone has been ``opened_at``, and may prepare until
    ``ends_at``. Times are in unix seconds. ``revision`` counts the changes of ``text``.
    """

    case_id: str
    handover_id: str
    key_id: str
    agency: str
    officer: str
    ends_at: int
    opened_at: int | None = None
    text: str = ""
    finished: bool = False
    prepared_at: int | None = None
    revision: int = 0

    def may_prepare(self, now: int) -> bool:
        """Tell whether a phone may prepare now (unix seconds)."""
        return self.opened_at is not None and now < self.ends_at


_COLUMNS = [PHONES.c[name] for name in Prepared.__struct_fields__]
_OPEN: Final = and_(
    HANDOVERS.c.case_id == PHONES.c.case_id,
    HANDOVERS.c.handover_id == PHONES.c.handover_id,
    HANDOVERS.c.status == "offered",
)


def show_code(database: Database, asked: Prepared, code: str, now: int) -> None:
    """Let a phone that types the code until ``asked.ends_at`` prepare; what another one prepared goes over to it.

    An earlier code, and an earlier phone, of the same officer for the same offer end. Raises Conflict if his phones
    prepare for as many other offers as they may.
    """
    place = _place(asked.case_id, asked.handover_id, asked.key_id)
    fresh = {
        "code_digest": _digest(code),
        "token_digest": None,
        "ends_at": asked.ends_at,
        "opened_at": None,
        "kept_until": now + KEPT_S,
    }
    with database.write() as connection:
        if connection.execute(update(PHONES).where(place).values(fresh)).rowcount:
            return
        # Counted under the lock: two requests at once must not pass the limit together.
        count = select(func.count()).select_from(PHONES).where(PHONES.c.key_id == asked.key_id)
        if connection.execute(count).scalar_one() >= MOST_OFFERS:
            raise Conflict(
                "phones of one officer prepare at most {limit} answers at a time",
                limit=MOST_OFFERS,
                code="too_many_phones",
            )
        names = ("case_id", "handover_id", "key_id", "agency", "officer")
        own = {name: getattr(asked, name) for name in names}
        connection.execute(insert(PHONES).values(**own, **fresh, text="", finished=False, revision=0))


def open_phone(database: Database, code: str, token: str, *, now: int, ends_at: int) -> Prepared | None:
    """Exchange a code, which is used up, for a token that lasts until ``ends_at``; None if no such code waits."""
    waits = and_(PHONES.c.code_digest == _digest(code), PHONES.c.ends_at > now)
    fresh = {"code_digest": None, "token_digest": _digest(token), "opened_at": now, "ends_at": ends_at}
    with database.read() as connection:
        if connection.execute(select(PHONES.c.key_id).where(waits)).first() is None:
            return None  # whoever guesses does not take the writer's lock, for which submissions wait
    with database.write() as connection:
        connection.execute(update(PHONES).where(waits).values(fresh))
        return of_token(connection, token, now)


def of_token(connection: Connection, token: str, now: int) -> Prepared | None:
    """Return what the phone with this token prepares; None if it may not now, or if the offer is open no more."""
    query = _prepared().where(PHONES.c.token_digest == _digest(token), PHONES.c.ends_at > now)
    return _first(connection, query)


def of_offer(connection: Connection, case_id: str, handover_id: str, key_id: str, now: int) -> Prepared | None:
    """Return what the phone of the officer with this key prepares for an open offer, or has prepared; or None."""
    return _first(connection, _kept(now).where(_place(case_id, handover_id, key_id)))


def of_officer(connection: Connection, key_id: str, now: int) -> list[Prepared]:
    """Return what phones of the officer with this key prepare or have prepared, for each open offer."""
    rows = connection.execute(_kept(now).where(PHONES.c.key_id == key_id).order_by(PHONES.c.case_id))
    return [Prepared(**row) for row in rows.mappings()]


def prepare(database: Database, token: str, text: str, now: int, *, finished: bool) -> bool:
    """Store what the phone with this token prepared, in the place of what it did before; tell whether it might."""
    mine = and_(PHONES.c.token_digest == _digest(token), PHONES.c.ends_at > now)
    changed = {"text": text, "finished": finished, "prepared_at": now, "revision": PHONES.c.revision + 1}
    with database.write() as connection:
        return bool(connection.execute(update(PHONES).where(mine).values(changed)).rowcount)


def end(database: Database, case_id: str, handover_id: str, key_id: str) -> None:
    """End the phone of the officer for this offer, and forget what it prepared."""
    with database.write() as connection:
        connection.execute(delete(PHONES).where(_place(case_id, handover_id, key_id)))


def leave(database: Database, token: str, now: int) -> None:
    """End the access of the phone with this token; what it prepared stays for the desk."""
    with database.write() as connection:
        mine = PHONES.c.token_digest == _digest(token)
        connection.execute(update(PHONES).where(mine).values(token_digest=None, ends_at=now))


def forget(database: Database, now: int) -> None:
    """Forget what was kept long enough, and what was prepared for offers that are open no more."""
    over = or_(PHONES.c.kept_until <= now, ~select(HANDOVERS.c.case_id).where(_OPEN).exists())
    with database.read() as connection:
        if connection.execute(select(PHONES.c.key_id).where(over).limit(1)).first() is None:
            return  # the writer's lock is not taken for nothing
    with database.write() as connection:
        connection.execute(delete(PHONES).where(over))


def _prepared() -> Select[tuple[object, ...]]:
    return select(*_COLUMNS).where(select(HANDOVERS.c.case_id).where(_OPEN).exists())


def _kept(now: int) -> Select[tuple[object, ...]]:
    return _prepared().where(PHONES.c.kept_until > now)


def _first(connection: Connection, query: Select[tuple[object, ...]]) -> Prepared | None:
    row = connection.execute(query).mappings().first()
    return None if row is None else Prepared(**row)


def _place(case_id: str, handover_id: str, key_id: str) -> ColumnElement[bool]:
    return and_(PHONES.c.case_id == case_id, PHONES.c.handover_id == handover_id, PHONES.c.key_id == key_id)


def _digest(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()
