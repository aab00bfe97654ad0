"""Evidence files that the service keeps: which there are, for which items, and when each was hashed again.

The files themselves are in the evidence store (``ledger.evidence.kept_evidence``). Rows are bound as they are written.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from msgspec import Struct, to_builtins
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Integer,
    LargeBinary,
    Table,
    case,
    cast,
    delete,
    func,
    select,
    tuple_,
    update,
)
from sqlalchemy import text as sql
from sqlalchemy.exc import DBAPIError

from ledger.core.errors import IntegrityBroken
from ledger.store import bindings, log
from ledger.store.database import Database
from ledger.store.evidence_tables import EVIDENCE_FILES, FILE_CHECKS, FILES_TO_DELETE, ITEM_FILES

_KEY = "evidence_key"  # the id of the one key that all services of the database have for the store
_INCIDENTS = ("damaged", "missing", "unreadable")  # outcomes of checks
_POSITION = "file_checks_up_to"  # the index up to which the log was looked at for checks that are due


class StoredFile(Struct, frozen=True):
    """A file of the evidence store (``evidence_tables.EvidenceFilesTable``)."""

    digest: str
    sha256: str
    sm3: str | None
    name: str
    size: int
    sealed_key: bytes
    key_id: str
    kept_at: int

    @property
    def all_digests(self) -> tuple[str, ...]:
        """Return the digests of the file, BLAKE3 first."""
        return tuple(filter(None, (self.digest, self.sha256, self.sm3)))


class ItemFile(Struct, frozen=True):
    """A file that is kept for an item (``evidence_tables.ItemFilesTable``)."""

    case_id: str
    item_id: str
    digest: str
    recorded: str
    agency: str
    officer: str
    kept_at: int


class FileCheck(Struct, frozen=True):
    """A check that is due or done (``evidence_tables.FileChecksTable``)."""

    case_id: str
    item_id: str
    digest: str
    event_id: str
    event_type: str
    log_index: int
    checked_at: int | None = None
    outcome: str | None = None
    before: str | None = None
    after: str | None = None
    reported_at: int | None = None

    @property
    def key(self) -> dict[str, str]:
        """Return the primary key of its row."""
        return {
            "case_id": self.case_id,
            "item_id": self.item_id,
            "digest": self.digest,
            "event_id": self.event_id,
        }

    @property
    def name(self) -> str:
        """Return the primary key as bindings name the row."""
        return " ".join(self.key.values())


class FileToDelete(Struct, frozen=True):
    """A file whose objects are still to be deleted (``evidence_tables.FilesToDeleteTable``)."""

    name: str
    since: int


def file(connection: Connection, digest: str) -> StoredFile | None:
    """Return the file with this BLAKE3 digest, or None if there is none.

    Raises IntegrityBroken if the database cannot read its row.
    """
    query = _query(EVIDENCE_FILES, StoredFile).where(EVIDENCE_FILES.c.digest == digest)
    try:
        row = connection.execute(query).first()
    except DBAPIError as error:
        raise bindings.not_as_written(EVIDENCE_FILES, digest) from error
    return None if row is None else StoredFile(*row)


def has_files(connection: Connection) -> bool:
    """Return whether the store has a file."""
    return connection.execute(select(sql("1")).select_from(EVIDENCE_FILES).limit(1)).first() is not None


def file_with(connection: Connection, digest: str) -> StoredFile | None:
    """Return the file with this digest, BLAKE3 or SHA-256, or None if there is none."""
    is_it = (EVIDENCE_FILES.c.digest == digest) | (EVIDENCE_FILES.c.sha256 == digest)
    row = connection.execute(_query(EVIDENCE_FILES, StoredFile).where(is_it)).first()
    return None if row is None else StoredFile(*row)


def is_kept(connection: Connection, name: str) -> bool:
    """Return whether a file of the store has this name in the storage."""
    return connection.execute(select(EVIDENCE_FILES.c.digest).where(EVIDENCE_FILES.c.name == name)).first() is not None


def files(connection: Connection) -> Iterator[StoredFile]:
    """Yield all files of the store, by digest."""
    rows = connection.execute(_query(EVIDENCE_FILES, StoredFile).order_by(EVIDENCE_FILES.c.digest))
    yield from (StoredFile(*row) for row in rows)


def of_item(connection: Connection, case_id: str, item_id: str) -> list[ItemFile]:
    """Return the files that are kept for an item of a case, the first first."""
    query = _query(ITEM_FILES, ItemFile).where(ITEM_FILES.c.case_id == case_id, ITEM_FILES.c.item_id == item_id)
    return [ItemFile(*row) for row in connection.execute(query.order_by(ITEM_FILES.c.kept_at, ITEM_FILES.c.digest))]


def item_file(connection: Connection, check: FileCheck) -> ItemFile | None:
    """Return the file of a check as it is kept for its item; None if it is kept no more. Reads no other row."""
    query = _query(ITEM_FILES, ItemFile).filter_by(case_id=check.case_id, item_id=check.item_id, digest=check.digest)
    row = connection.execute(query).first()
    return None if row is None else ItemFile(*row)


def of_case(connection: Connection, case_id: str) -> list[ItemFile]:
    """Return the files that are kept for items of a case, without those of which the database cannot read the row."""
    query = _readable(connection, ITEM_FILES, ItemFile).filter_by(case_id=case_id)
    return [kept for row in connection.execute(query) if (kept := _read(ITEM_FILES, ItemFile, row)) is not None]


def hidden_items(connection: Connection, digest: str) -> list[tuple[str, str]]:
    """Return the items, by case and id, for which a file was kept once, and is no more."""
    ever = {tuple(key.split(" ")[:2]) for key in bindings.ever_bound(connection, ITEM_FILES, digest=digest)}
    rows = connection.execute(_readable(connection, ITEM_FILES, ItemFile).filter_by(digest=digest))
    shown = {(kept.case_id, kept.item_id) for row in rows if (kept := _read(ITEM_FILES, ItemFile, row)) is not None}
    return [(case_id, item_id) for case_id, item_id in sorted(ever - shown)]


def bytes_of(connection: Connection, agency: str) -> int:
    """Return how many bytes the files have that officers of the agency gave, one of several items each time."""
    sizes = select(func.sum(EVIDENCE_FILES.c.size)).join(ITEM_FILES, ITEM_FILES.c.digest == EVIDENCE_FILES.c.digest)
    return int(connection.execute(sizes.where(ITEM_FILES.c.agency == agency)).scalar() or 0)


def keep(connection: Connection, stored: StoredFile | None, kept: ItemFile) -> None:
    """Add a file of an item, and the file itself unless the store has it. Requires the writer's lock."""
    if stored is not None:
        _insert(connection, EVIDENCE_FILES, [to_builtins(stored, builtin_types=(bytes,))])
    _insert(connection, ITEM_FILES, [to_builtins(kept)])


def forget(connection: Connection, case_id: str, item_id: str, digest: str) -> StoredFile | None:
    """Delete a file of an item; return the file itself if it was kept for no other, and is deleted as well.

    Requires the writer's lock. Raises IntegrityBroken if somebody else than the service has changed its row, or for
    which items it is kept: it would be another file that goes, or one that another item has.
    """
    if unlike := bindings.unlike(connection, ITEM_FILES, digest=digest):
        raise bindings.not_as_written(ITEM_FILES, unlike[0])
    bindings.require_bound(connection, EVIDENCE_FILES, {"digest": digest})
    _delete(connection, ITEM_FILES, {"case_id": case_id, "item_id": item_id, "digest": digest})
    is_kept = select(ITEM_FILES.c.digest).where(ITEM_FILES.c.digest == digest).limit(1)
    stored = file(connection, digest)
    if stored is None or connection.execute(is_kept).first() is not None:
        return None
    _delete(connection, EVIDENCE_FILES, {"digest": digest})
    return stored


def replace(connection: Connection, stored: StoredFile, kept_anew: ItemFile) -> None:
    """Put a file in the place of the one with its digest, as ``kept_anew`` for its item. Requires the writer's lock."""
    values = to_builtins(stored, builtin_types=(bytes,))
    connection.execute(update(EVIDENCE_FILES).where(EVIDENCE_FILES.c.digest == stored.digest).values(**values))
    bindings.bind_rows(connection, EVIDENCE_FILES, [{"digest": stored.digest}])
    key = {"case_id": kept_anew.case_id, "item_id": kept_anew.item_id, "digest": kept_anew.digest}
    by_whom = {"agency": kept_anew.agency, "officer": kept_anew.officer, "kept_at": kept_anew.kept_at}
    connection.execute(update(ITEM_FILES).filter_by(**key).values(**by_whom))
    bindings.bind_rows(connection, ITEM_FILES, [key])


def delete_later(connection: Connection, name: str, now_ms: int) -> None:
    """Note that the objects of a file are to be deleted. Requires the writer's lock."""
    is_noted = select(FILES_TO_DELETE.c.name).where(FILES_TO_DELETE.c.name == name)
    if connection.execute(is_noted).first() is None:
        _insert(connection, FILES_TO_DELETE, [{"name": name, "since": now_ms}])


def forget_deleted(connection: Connection, name: str) -> None:
    """Note that there are no objects of this name to be deleted any more. Requires the writer's lock."""
    _delete(connection, FILES_TO_DELETE, {"name": name})


def count_to_delete(connection: Connection, most: int) -> int:
    """Return how many files are still to be deleted from the storage, counted up to ``most``."""
    return min(len(to_delete(connection)), most)


def to_delete(connection: Connection) -> list[FileToDelete]:
    """Return the files whose objects are still to be deleted, the oldest first.

    What somebody else than the service has noted or changed is none of them.
    """
    query = _readable(connection, FILES_TO_DELETE, FileToDelete).order_by(FILES_TO_DELETE.c.since)
    rows = [_read(FILES_TO_DELETE, FileToDelete, row) for row in connection.execute(query).all()]
    readable = [row for row in rows if row is not None]
    if len(readable) < len(rows):  # one by one: the table cannot be read as a whole
        foreign = {row.name for row in readable if bindings.unlike(connection, FILES_TO_DELETE, name=row.name)}
    else:
        foreign = set(bindings.unlike(connection, FILES_TO_DELETE)) if rows else set[str]()
    return [row for row in readable if row.name not in foreign]


def seal_again(connection: Connection, sealed: Sequence[StoredFile]) -> None:
    """Replace the keys of files by those sealed under another key. Requires the writer's lock."""
    for each in sealed:
        values = {"sealed_key": each.sealed_key, "key_id": each.key_id}
        connection.execute(update(EVIDENCE_FILES).where(EVIDENCE_FILES.c.digest == each.digest).values(**values))
    bindings.bind_rows(connection, EVIDENCE_FILES, [{"digest": each.digest} for each in sealed])


def key_ids(connection: Connection) -> set[str]:
    """Return under which keys of the store the keys of its files are sealed."""
    return set(connection.execute(select(EVIDENCE_FILES.c.key_id).distinct()).scalars())


def unlike(connection: Connection) -> list[str]:
    """Return the digests of the files whose rows were changed, added or deleted by somebody else than the service."""
    return bindings.unlike(connection, EVIDENCE_FILES)


def key_of_store(connection: Connection) -> str | None:
    """Return the id of the key that a service has for the store, None before one has opened it."""
    return log.fact(connection, _KEY)


def keep_key_of_store(connection: Connection, database: Database, key_id: str) -> None:
    """Store the id of the key of the store. Requires the writer's lock."""
    log.keep_fact(connection, database, _KEY, key_id)


def checks_of(connection: Connection, case_id: str, item_id: str) -> list[FileCheck]:
    """Return the checks of an item's files, the newest event first."""
    query = _query(FILE_CHECKS, FileCheck).where(FILE_CHECKS.c.case_id == case_id, FILE_CHECKS.c.item_id == item_id)
    return [FileCheck(*row) for row in connection.execute(query.order_by(FILE_CHECKS.c.log_index.desc()))]


def total(connection: Connection) -> tuple[int, int]:
    """Return how many files the store has, and their bytes. Reads a row of each: not to be asked every second."""
    row = connection.execute(select(func.count(), func.coalesce(func.sum(EVIDENCE_FILES.c.size), 0))).one()
    return int(row[0]), int(row[1])


def waiting(connection: Connection, most: int) -> tuple[int, int | None]:
    """Return how many checks are due and not done, counted up to ``most``, and since when the first one is.

    The time is that of the event, in unix milliseconds; None if nothing waits.
    """
    due = FILE_CHECKS.c.checked_at.is_(None)
    index: Any = FILE_CHECKS.c.log_index
    number = _number(index) if connection.dialect.name == "sqlite" else index
    first = connection.execute(select(number).where(due).order_by(index).limit(1)).first()
    if first is None:
        return 0, None
    is_index = first[0] is not None and 0 <= first[0] < log.tree(connection).size
    entry = log.entry(connection, first[0]) if is_index else None
    some = select(FILE_CHECKS.c.log_index).where(due).limit(most).subquery()
    count = connection.execute(select(func.count()).select_from(some)).scalar_one()
    return int(count), None if entry is None else entry.recorded_at


class NextDue(NamedTuple):
    """The next check that is due, None if no more is, and how many there are before it that cannot be read."""

    check: FileCheck | None
    unreadable: int


def next_due(connection: Connection, not_by: Collection[str], *, behind: FileCheck | None) -> NextDue:
    """Return the oldest check that is due and not done, and not because of an event of these types.

    ``behind`` is where to go on in that order. Types are left out rather than chosen: a row whose type somebody changed
    is not to be passed over unseen.
    """
    order = [FILE_CHECKS.c[name] for name in _ORDER]
    query = _readable(connection, FILE_CHECKS, FileCheck).where(FILE_CHECKS.c.checked_at.is_(None))
    if not_by:
        query = query.where(FILE_CHECKS.c.event_type.not_in(not_by))
    place = None if behind is None else _place(behind)
    if place is not None and connection.dialect.name == "sqlite":
        # Above a text SQLite has all that is none: such rows would come again and again behind each of the others.
        query = query.where(FILE_CHECKS.c.log_index >= place[0])
    elif place is not None:
        query = query.where(tuple_(*order) > place)
    unreadable = 0
    for row in connection.execute(query.order_by(*order).execution_options(yield_per=20)):
        check = _read(FILE_CHECKS, FileCheck, row)
        unreadable += check is None
        if check is not None and (place is None or connection.dialect.name != "sqlite" or _place(check) > place):
            return NextDue(check, unreadable)
    return NextDue(None, unreadable)


_ORDER = ("log_index", "case_id", "item_id", "digest", "event_id")


def _place(check: FileCheck) -> tuple[int, str, str, str, str]:
    """Return where a check stands in the order. SQLite compares texts by their bytes, as code points are compared."""
    return check.log_index, check.case_id, check.item_id, check.digest, check.event_id


def require_as_written(connection: Connection, check: FileCheck) -> None:
    """Require that a check, its file and for what it is kept are as the service wrote or deleted them.

    Raises IntegrityBroken: what somebody else has written says nothing about the file.
    """
    bindings.require_bound(connection, FILE_CHECKS, check.key)
    of_item = {name: value for name, value in check.key.items() if name != "event_id"}
    bindings.require_bound(connection, ITEM_FILES, of_item)
    bindings.require_bound(connection, EVIDENCE_FILES, {"digest": check.digest})


def position(connection: Connection) -> int:
    """Return the index up to which the log was looked at; -1 for none of it.

    Nobody else than the service writes it: what it cannot be is none, so that the log is looked at from its beginning.
    """
    text = log.fact(connection, _POSITION) or ""
    return int(text) if text.isdecimal() and int(text) < log.tree(connection).size else -1


def keep_due(database: Database, before: int, after: int, checks: Sequence[FileCheck]) -> bool:
    """Store checks that are due together with the position; False if another process has done so from ``before``.

    A check that is stored already, due or done, stays as it is.
    """
    with database.lock() as connection:
        if position(connection) != before:
            return False
        is_new = [check for check in checks if not _is_stored(connection, check)]
        _insert(connection, FILE_CHECKS, [to_builtins(check) for check in is_new])
        log.keep_fact(connection, database, _POSITION, str(after))
    return True


def _is_stored(connection: Connection, check: FileCheck) -> bool:
    return connection.execute(select(FILE_CHECKS.c.event_id).filter_by(**check.key)).first() is not None


def keep_outcome(database: Database, check: FileCheck) -> bool:
    """Store what a check has found; False if another process has done so.

    Raises IntegrityBroken if somebody has changed its row.
    """
    values = {name: getattr(check, name) for name in ("checked_at", "outcome", "before", "after")}
    with database.lock() as connection:
        bindings.require_bound(connection, FILE_CHECKS, check.key)
        statement = update(FILE_CHECKS).filter_by(**check.key).where(FILE_CHECKS.c.checked_at.is_(None))
        is_first = bool(connection.execute(statement.values(**values)).rowcount)
        if is_first:
            bindings.bind_rows(connection, FILE_CHECKS, [check.key])
    return is_first


def forget_due(database: Database, check: FileCheck) -> None:
    """Delete a check that is due no more. Raises IntegrityBroken if somebody has changed its row."""
    with database.lock() as connection:
        bindings.require_bound(connection, FILE_CHECKS, check.key)
        _delete(connection, FILE_CHECKS, check.key)


def unreported(connection: Connection) -> list[FileCheck]:
    """Return the checks whose outcome is an incident, and of which none is known to be recorded, the oldest first.

    One that the database cannot read is none of them.
    """
    query = _readable(connection, FILE_CHECKS, FileCheck).where(
        FILE_CHECKS.c.outcome.in_(_INCIDENTS), FILE_CHECKS.c.reported_at.is_(None)
    )
    rows = connection.execute(query.order_by(FILE_CHECKS.c.log_index))
    return [check for row in rows if (check := _read(FILE_CHECKS, FileCheck, row)) is not None]


def is_as_written(connection: Connection, check: FileCheck) -> bool:
    """Tell whether nobody else than the service has written or changed a check."""
    try:
        bindings.require_bound(connection, FILE_CHECKS, check.key)
    except IntegrityBroken:
        return False
    return True


def keep_reported(database: Database, check: FileCheck, now_ms: int) -> None:
    """Store that the incident of a check is recorded. Raises IntegrityBroken if somebody has changed its row."""
    with database.lock() as connection:
        bindings.require_bound(connection, FILE_CHECKS, check.key)
        connection.execute(update(FILE_CHECKS).filter_by(**check.key).values(reported_at=now_ms))
        bindings.bind_rows(connection, FILE_CHECKS, [check.key])


def _query(table: Table, kind: type[Struct]) -> Any:
    return select(*(table.c[name] for name in kind.__struct_fields__))


def _readable(connection: Connection, table: Table, kind: type[Struct]) -> Any:
    """Select the columns of ``kind`` so that no value ends the query, whatever somebody has put there.

    SQLite keeps a value of any type in any column, and texts that are none. It gives texts as bytes here, and behind
    the columns the type of each.
    """
    columns = [table.c[name] for name in kind.__struct_fields__]
    if connection.dialect.name != "sqlite":
        return select(*columns)
    values = [_number(each) if isinstance(each.type, Integer) else cast(each, LargeBinary) for each in columns]
    return select(*values, *(func.typeof(each) for each in columns))


def _number(column: Column[Any]) -> ColumnElement[Any]:
    """Return what the column has if SQLite has a number there, else null."""
    return case((func.typeof(column) == "integer", column))


S = TypeVar("S", bound=Struct)


def _read(table: Table, kind: type[S], row: Sequence[Any]) -> S | None:
    """Return what a row of ``_readable`` says; None if a value is not of the type of its column."""
    names = kind.__struct_fields__
    values, types = row[: len(names)], row[len(names) :]
    if not types:
        return kind(*values)
    read: list[Any] = []
    for name, value, type_name in zip(names, values, types, strict=True):
        is_text = not isinstance(table.c[name].type, Integer)
        if type_name not in {"null", "text" if is_text else "integer"}:
            return None
        try:
            read.append(value.decode() if is_text and value is not None else value)
        except UnicodeDecodeError:
            return None
    return kind(*read)


def _insert(connection: Connection, table: Table, rows: Iterable[Mapping[str, Any]]) -> None:
    rows = list(rows)
    if rows:
        connection.execute(table.insert(), rows)
        bindings.bind_rows(connection, table, rows)


def _delete(connection: Connection, table: Table, key: Mapping[str, str]) -> None:
    if connection.execute(delete(table).filter_by(**key)).rowcount:
        bindings.bind(connection, table.name, {" ".join(key.values()): None})
