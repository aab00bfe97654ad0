"""Parts of words: an index by which a search finds what has a text anywhere in it.

A part is three characters of a folded text, or two ideographs: what is searched for has one of these at least. A row
says that a word of the entry at ``log_index`` has the part, or a name that the entry gives a person. It leads to the
entry, nothing else: what is found is compared with the words themselves, so a row too many finds nothing.

A loop makes the rows from the log (``ledger.recording.word_index``), because they are ten for an entry, each on a page
of its own, and submissions shall not wait for them. Entries behind its position are looked at one by one. The parts of
a name are deleted in the transaction that erases its section. Beside the position stands the mark of the rules by which
the rows were made: by other rules the index has none, until the loop of a service with newer ones has deleted them and
begun anew. One with older rules leaves them: two services of one database would else delete each other's for ever.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import cache
from typing import Any, Final, Literal

from sqlalchemy import (
    CompoundSelect,
    Connection,
    Select,
    Table,
    delete,
    func,
    literal,
    select,
    tuple_,
    union,
    union_all,
)

from ledger.core.errors import MalformedInput
from ledger.core.events.payload import decode_section
from ledger.core.events.terms import NAME_FIELD
from ledger.core.visibility import Reader
from ledger.store import log
from ledger.store.cases import reader_sees
from ledger.store.database import Database, one_of, texts_named
from ledger.store.tables import ENTRIES, NAME_PARTS, WORD_PARTS

POSITION = "word_parts_up_to"
LENGTH: Final = 3  # characters of a part; two where both are ideographs
MOST_PARTS = 8  # of a text that are looked up
MOST_ENTRIES = 5000  # that have the rarest part of a text; of more, the words are gone through in order
MOST_CASES = 1000  # whose words are compared
MOST_DELETED = 20_000  # rows of a table in one transaction
MOST_BEHIND = 500  # entries behind the position that are looked at one by one
_MARK = re.compile(r"[0-9]{1,9} [0-9]{1,9}(\.[0-9]{1,9}){2}")
TWO_IDEOGRAPHS = re.compile("[〇々㐀-䶿一-鿿\U00020000-\U0003ffff]{2}")


def parts_of(word: str) -> set[str]:
    """Return the parts of a folded text."""
    pairs = (word[start : start + 2] for start in range(len(word) - 1))
    parts = {pair for pair in pairs if TWO_IDEOGRAPHS.fullmatch(pair)}
    return parts.union(word[start : start + LENGTH] for start in range(len(word) - LENGTH + 1))


def name_in(data: bytes, label: str) -> str | None:
    """Return the name of a person in a stored section, None if there is none or it cannot be read."""
    try:
        return decode_section(data, label).fields.get(NAME_FIELD)
    except MalformedInput:  # written by somebody else: an audit reports it
        return None


def position(connection: Connection, mark: str) -> int:
    """Return the index up to which the entries have their rows by the rules of this ``mark``; -1 if none have."""
    index, _, stored_mark = (log.fact(connection, POSITION) or "").partition(" ")
    return int(index) if stored_mark == mark else -1


def rules_differ(connection: Connection, mark: str) -> Literal["newer", "older"] | None:
    """Return whether the rows are by newer or older rules than those of this ``mark``; None if by the same."""
    own = (log.fact(connection, POSITION) or "").partition(" ")[2]
    if own == mark:
        return None
    return "newer" if _order(own) > _order(mark) else "older"


def _order(mark: str) -> tuple[int, ...]:
    """Return the format and the version of Unicode in a mark as numbers; nothing, which is older, if it has none."""
    return tuple(map(int, mark.replace(".", " ").split())) if _MARK.fullmatch(mark) else ()


def position_fact(index: int, mark: str) -> str:
    """Return how far the entries have their rows, and by which rules, as it is stored."""
    return f"{index} {mark}"


def keep_position(connection: Connection, database: Database, index: int, mark: str) -> None:
    """Store how far the entries have their rows. Requires the writer's lock."""
    log.keep_fact(connection, database, POSITION, position_fact(index, mark))


def begin_anew(connection: Connection, database: Database, mark: str) -> None:
    """Delete rows of other rules than those of this ``mark``, at most ``MOST_DELETED`` of a table.

    Once there are none, the index begins at the first entry by these rules. Requires the writer's lock.
    """
    if rules_differ(connection, mark) != "older":  # another process was faster
        return
    is_empty = True
    for table in (WORD_PARTS, NAME_PARTS):
        key = (table.c.part, table.c.log_index)
        bound = connection.execute(select(*key).order_by(*key).offset(MOST_DELETED).limit(1)).first()
        rows = delete(table)
        if bound is not None:  # the rest another time: who writes meanwhile need not wait for all
            rows, is_empty = rows.where(tuple_(*key) < tuple_(*map(literal, bound))), False
        connection.execute(rows)
    if is_empty:
        keep_position(connection, database, -1, mark)


def forget_name(connection: Connection, log_index: int, parts: Collection[str]) -> None:
    """Delete the parts of a name that the entry gave. Requires the writer's lock."""
    named = (NAME_PARTS.c.log_index == log_index, one_of(NAME_PARTS.c.part, parts))
    connection.execute(delete(NAME_PARTS).where(*named))


def cases_with(connection: Connection, reader: Reader, word: str, indexed: int) -> list[str] | None:
    """Return the cases that the reader sees of which a word may have the folded text in it.

    They have all of its parts in the words of an entry. Entries up to the index ``indexed`` have their rows. Returns
    None if there are too many cases to compare, or too many entries without their rows.
    """
    if log.tree(connection).size - 1 - indexed > MOST_BEHIND:
        return None
    parts, of_rarest = _rarest_first(connection, WORD_PARTS, word)
    if of_rarest > MOST_ENTRIES:
        return None
    entries = _having(WORD_PARTS, len(parts)).subquery()
    # Written as an expression, the kind does not use its index, which would give all entries of cases.
    of_case = ENTRIES.c.stream_kind.concat("") == "case"
    by_part = select(ENTRIES.c.stream_id).join_from(entries, ENTRIES, ENTRIES.c.log_index == entries.c.log_index)
    behind = select(ENTRIES.c.stream_id).where(of_case, ENTRIES.c.log_index > indexed)
    either = union(by_part.where(of_case), behind).subquery()
    visible = select(either.c.stream_id).where(reader_sees(reader, either.c.stream_id)).limit(MOST_CASES + 1)
    case_ids = [*connection.execute(visible, parts).scalars()]
    return None if len(case_ids) > MOST_CASES else case_ids


def names_with(connection: Connection, word: str) -> tuple[Select[Any], dict[str, str]]:
    """Select the ``log_index`` of the entries of which a name may have the folded text in it, those with rows.

    Returns the query with the values of its places.
    """
    parts, _ = _rarest_first(connection, NAME_PARTS, word)
    return _having(NAME_PARTS, len(parts)), parts


def _rarest_first(connection: Connection, table: Table, word: str) -> tuple[dict[str, str], int]:
    """Return the parts of the text by their places in a query, the rarest first, and how many entries have that.

    More than ``MOST_ENTRIES`` are not counted.
    """
    parts = sorted(parts_of(word))
    parts = parts[:: -(-len(parts) // MOST_PARTS)]
    counted = connection.execute(_counting(table, len(parts)), dict(zip(_PLACES, parts, strict=False)))
    entries, place = min((row.entries, row.place) for row in counted)
    parts.insert(0, parts.pop(place))
    return dict(zip(_PLACES, parts, strict=False)), entries


_PLACES = tuple(f"part_{number}" for number in range(MOST_PARTS))


@cache
def _counting(table: Table, count: int) -> CompoundSelect[Any]:
    """Build the query for the numbers of entries that have each of so many parts."""
    few = select(table.c.log_index).limit(MOST_ENTRIES + 1)
    some = (few.where(table.c.part == texts_named(place)).subquery() for place in _PLACES[:count])
    counts = (
        select(literal(number).label("place"), func.count().label("entries")).select_from(each)
        for number, each in enumerate(some)
    )
    return union_all(*counts)


@cache
def _having(table: Table, count: int) -> Select[Any]:
    """Build the query for the entries that have each of so many parts, of which the first is looked up."""
    rarest = table.alias("rarest")
    others = ((table.alias(), place) for place in _PLACES[1:count])
    has_others = (
        select(literal(1)).where(alias.c.part == texts_named(place), alias.c.log_index == rarest.c.log_index).exists()
        for alias, place in others
    )
    return select(rarest.c.log_index).where(rarest.c.part == texts_named(_PLACES[0]), *has_others)
