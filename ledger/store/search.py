"""Search: from the text on a paper, a seal or a file to the cases whose events contain it.

Only cases that the reader may see are found. ``words`` is a read model that changes with the log; ids of cases, items
and events are looked up in their own tables. A text matches the words that it begins; a digest matches with or
without its algorithm.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, Literal, get_args, get_type_hints

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, Select, and_, literal, null, or_, select, tuple_, union_all

from ledger.core.encoding.digests import Algorithm
from ledger.core.events import Event
from ledger.core.visibility import Reader
from ledger.store.cases import seen
from ledger.store.database import Change, one_of
from ledger.store.tables import CASE_AGENCIES, CASES, ENTRIES, ITEMS, WORDS

_HEX_FROM = 8  # hexadecimal characters that may be taken as the beginning of a digest
# Sorts behind every character: the end of the words with a beginning.
_LAST = "\U0010ffff"
_BRACKETS = str.maketrans("", "", "()[]〔〕【】《》")

Kind = Literal[
    "case", "item", "event", "case_number", "document", "exhibit", "seal", "digest", "officer", "person", "handover"
]
# The fields of bodies whose values can be searched for, each with its kind.
_KINDS: dict[str, Kind] = {
    "case_number": "case_number",
    "number": "document",
    "document_number": "document",
    "exhibit_number": "exhibit",
    "seal_number": "seal",
    "digests": "digest",
    "officers": "officer",
    "collectors": "officer",
    "handler": "officer",
    "person_id": "person",
    "person_ids": "person",
    "handover_id": "handover",
}


class SearchPosition(Struct, frozen=True):
    """The word after which a search continues."""

    word: str
    kind: str
    case_id: str


class Hit(Struct, frozen=True):
    """A case that matches: the word and its kind, and the item and event that last contained it.

    The event of a case's id is the case's latest one, that of an item's id the latest that changed the item.
    """

    kind: Kind
    word: str
    item_id: str | None
    case_id: str
    case_number: str
    case_type: str
    stage: str
    event_id: str
    index: int


class SearchPage(Struct, frozen=True):
    """A page of hits; ``following`` is where the next page begins, None on the last."""

    hits: tuple[Hit, ...]
    following: SearchPosition | None


# -- the projection ----------------------------------------------------------------------------------------------------


def projections(event: Event, index: int) -> Iterator[Change]:
    """Yield what the entry at ``index`` changes here."""
    if event.stream.kind != "case":
        return
    row = {"case_id": event.stream.id, "updated_index": index}
    for kind, text, item_id in (("officer", event.officer, None), *_said(event.body, None)):
        yield WORDS, {**row, "word": folded(text), "kind": kind, "item_id": item_id}


def _said(value: Struct, item_id: str | None) -> Iterator[tuple[Kind, str, str | None]]:
    """Yield the searchable words of a body, at any depth, each with the item that it belongs to."""
    item_id = getattr(value, "item_id", item_id)
    for name in _telling(type(value)):
        part = getattr(value, name)
        if not part:
            continue
        parts = part if isinstance(part, tuple) else (part,)
        if (kind := _KINDS.get(name)) is not None:
            yield from ((kind, text, item_id) for text in parts)
        elif isinstance(parts[0], Struct):
            for nested in parts:
                yield from _said(nested, item_id)


@cache
def _telling(kind: type[Struct]) -> tuple[str, ...]:
    """Return the fields of a type that hold searchable words, or structs that do."""

    def holds_words(hint: Any) -> bool:
        if isinstance(hint, type) and issubclass(hint, Struct):
            return bool(_telling(hint))
        return any(map(holds_words, get_args(hint)))

    hints = get_type_hints(kind)
    return tuple(name for name in kind.__struct_fields__ if name in _KINDS or holds_words(hints[name]))


def folded(text: str) -> str:
    """Fold a text as words are stored and looked up: width and case unified, white space and brackets removed."""
    return "".join(unicodedata.normalize("NFKC", text).casefold().translate(_BRACKETS).split())


# -- the search --------------------------------------------------------------------------------------------------------


def search(
    connection: Connection, reader: Reader, text: str, limit: int, after: SearchPosition | None = None
) -> SearchPage:
    """Return at most ``limit`` hits, ids first, then words in order.

    Cases that the reader may not see are left out before anything is counted, so that neither the number of hits nor
    the start of the next page reveals them.
    """
    word = folded(text)
    words = _words(word, reader, limit + 1, after).subquery().select()
    candidates = union_all(words, *(_ids(word) if after is None else ())).subquery("candidates")
    shown = (CASES.c.case_number, CASES.c.case_type, CASES.c.stage, ENTRIES.c.event_id)
    query = (
        select(candidates, *shown)
        .join(CASES, CASES.c.case_id == candidates.c.case_id)
        .join(ENTRIES, ENTRIES.c.log_index == candidates.c.log_index)
        # Words were selected by what the reader sees; ids of any case are tested here.
        .where(or_(candidates.c.rank > 0, seen(reader, candidates.c.case_id)))
        .limit(limit + 1)
        .order_by(candidates.c.rank, candidates.c.word, candidates.c.kind, candidates.c.case_id)
    )
    rows = connection.execute(query).all()
    following = None
    if len(rows) > limit:
        # Ids come on the first page alone; words begin after them.
        last = rows[limit - 1]
        following = SearchPosition(last.word, last.kind, last.case_id) if last.rank else SearchPosition("", "", "")
    names = (*Hit.__struct_fields__[:-1], "log_index")
    return SearchPage(tuple(Hit(*(getattr(row, name) for name in names)) for row in rows[:limit]), following)


def _words(word: str, reader: Reader, limit: int, after: SearchPosition | None) -> Select[Any]:
    """Select the words that begin with this one after the position, of cases that the reader sees.

    Hexadecimal digits are the beginning of a digest of any algorithm, too.
    """
    is_hex = len(word) >= _HEX_FROM and not word.strip("0123456789abcdef")
    starts = [word, *(f"{algorithm.value}:{word}" for algorithm in Algorithm if is_hex)]
    begins = or_(*(and_(WORDS.c.word >= start, WORDS.c.word < start + _LAST) for start in starts))
    key = (WORDS.c.word, WORDS.c.kind, WORDS.c.case_id)
    query = _candidates(1, WORDS.c.kind, WORDS.c.word, WORDS.c.item_id, WORDS.c.case_id, WORDS.c.updated_index)
    # Limited before it is joined: any number of words may begin like this.
    query = query.where(begins, seen(reader, WORDS.c.case_id)).order_by(*key).limit(limit)
    if after is not None:
        query = query.where(tuple_(*key) > tuple_(*map(literal, (after.word, after.kind, after.case_id))))
    return query


def _ids(word: str) -> Iterator[Select[Any]]:
    """Yield a query for each kind of thing that has this very id or payload digest."""
    nothing: ColumnElement[Any] = null()
    event = (ENTRIES.c.event_id, nothing, ENTRIES.c.stream_id, ENTRIES.c.log_index)
    of_case = _candidates(0, literal("event"), *event).where(ENTRIES.c.stream_kind == "case")
    case = (CASES.c.case_id, nothing, CASES.c.case_id, CASES.c.updated_index)
    item = (ITEMS.c.item_id, ITEMS.c.item_id, ITEMS.c.case_id, ITEMS.c.updated_index)
    yield _candidates(0, literal("case"), *case).where(CASES.c.case_id == word)
    yield _candidates(0, literal("item"), *item).where(ITEMS.c.item_id == word)
    yield of_case.where(ENTRIES.c.event_id == word)
    yield of_case.where(ENTRIES.c.payload_digest == word)


def _candidates(rank: int, *columns: ColumnElement[Any]) -> Select[Any]:
    """Select kind, word, item, case and log index under their names."""
    named = zip(("kind", "word", "item_id", "case_id", "log_index"), columns, strict=True)
    return select(literal(rank).label("rank"), *(column.label(name) for name, column in named))


_COLUMNS = {  # each with the case that it is of
    "case": (CASES.c.case_id, CASES.c.case_id),
    "case number": (CASE_AGENCIES.c.case_number, CASE_AGENCIES.c.case_id),
    "item": (ITEMS.c.item_id, ITEMS.c.case_id),
    "seal": (ITEMS.c.seal_number, ITEMS.c.case_id),
}


def known(connection: Connection, words: Iterable[str], reader: Reader) -> dict[str, str]:
    """Return those of the words that identify something in cases that the reader sees, each with what it names."""
    kinds: dict[str, str] = {}
    for kind, (column, case_id) in _COLUMNS.items():
        for word in connection.execute(select(column).where(one_of(column, words), seen(reader, case_id))).scalars():
            kinds.setdefault(word, kind)
    return kinds
