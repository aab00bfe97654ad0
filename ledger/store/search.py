"""Search: from the text on a paper, a seal or a file to the cases whose events contain it.

Only cases that the reader may see are found. ``words`` is a read model that changes with the log; ids of cases, items
and events are looked up in their own tables. A text matches the words that it begins, by their index, and the numbers
and descriptions that have it anywhere; a digest matches with or without its algorithm.

What has a text behind its beginning is found by an index of the parts of words (``store.word_parts``). Where very much
has the parts of the text, the words are gone through in order, some thousands for a page: then a page ends before it is
full, and says so. Names of persons stand in confidential sections, of which the same index knows the parts until they
are erased: what it leads to is compared with the sections themselves, of the cases whose sections the reader's agency
reads.

Words are folded for the index alone: a hit has the text as it was signed.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, lru_cache
from typing import Any, Final, Literal, get_args, get_type_hints

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Select,
    Subquery,
    and_,
    literal,
    not_,
    null,
    or_,
    select,
    tuple_,
    union_all,
)

from ledger.core.custody import CaseState, Item
from ledger.core.encoding.digests import Algorithm
from ledger.core.errors import IntegrityBroken, MalformedInput
from ledger.core.events import NAME_OF, Event
from ledger.core.events.case import PersonNamed
from ledger.core.events.payload import decode_payload
from ledger.core.events.record import RecordCorrected
from ledger.core.visibility import Reader
from ledger.store import log
from ledger.store.cases import agency_holds, reader_sees
from ledger.store.database import Change, one_of, texts_named
from ledger.store.log import ENTRY_COLUMNS, StoredEntry
from ledger.store.tables import CASE_AGENCIES, CASES, ENTRIES, ITEMS, SECTIONS, WORDS
from ledger.store.word_parts import TWO_IDEOGRAPHS, cases_with, name_in, names_with, parts_of, position

_HEX_FROM = 8  # hexadecimal characters that may be taken as the beginning of a digest
# Sorts behind every character: the end of the words with a beginning.
_LAST = "\U0010ffff"
_BRACKETS = str.maketrans("", "", "()[]{}<>〔〕【】《》〈〉「」『』〖〗")
_ORDINAL = re.compile("第(?=[0-9])")  # 〔2026〕第88号 is 〔2026〕88号
# Accents of Latin, Greek and Cyrillic letters, and points of Hebrew and Arabic ones: who searches may leave them out.
_MARKS = re.compile("[\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670]")
SHORTEST: Final = 2  # characters that are searched for at least; three where not both are ideographs
LONGEST: Final = 200
UNSIGNED: Final = ""  # the word of a hit in place of a name that nobody signed
PERSONS: Final = 1000  # by whom cases are filtered at most
# A long text is kept in pieces, each a row of an index; any text that may be searched for lies within one of them.
_PIECE, _STEP = 300, 100
OFFICERS_KEPT = 1024  # ids of officers whose pieces are remembered

Kind = Literal[
    "case", "item", "event", "case_number", "document", "exhibit", "seal", "account", "description", "matter", "digest",
    "officer", "person", "name", "handover",
]  # fmt: skip
# The fields of bodies whose values can be searched for, each with its kind.
_KINDS: dict[str, Kind] = {
    "case_number": "case_number",
    "case_type": "matter",
    "number": "document",
    "document_number": "document",
    "record_number": "document",
    "exhibit_number": "exhibit",
    "seal_number": "seal",
    "account": "account",
    "description": "description",
    "features": "description",
    "digests": "digest",
    "officers": "officer",
    "collectors": "officer",
    "handler": "officer",
    "person_id": "person",
    "person_ids": "person",
    "handover_id": "handover",
}
# The kinds of which any part can be searched for, not the beginning alone.
WITHIN: tuple[Kind, ...] = ("case_number", "matter", "document", "exhibit", "seal", "account", "description")


class SearchPosition(Struct, frozen=True):
    """The hit after which a search continues; ``rank`` is the place of the step that gave it."""

    rank: int
    word: str = ""
    kind: str = ""
    case_id: str = ""


class HitPart(Struct, frozen=True):
    """An item of the case that bears the number that was searched for as well, since it came of ``parents``."""

    item_id: str
    description: str
    parents: tuple[str, ...]


class Hit(Struct, frozen=True):
    """A case that matches: the word as it was signed and its kind, and the item and event that last contained it.

    An exhibit number has with it the ``parts`` of items that took it over, such as those that were split off.
    The event of a case's id is the case's latest one, that of an item's id the latest that changed the item, that of a
    name the one that named the person; if its section is not as it was signed, the word is UNSIGNED. ``description`` is
    that of the item, ``sequence`` the event's place in the case, ``index`` in the log. ``item_corrected_in`` and
    ``case_corrected_in`` are the events that last corrected the words for the item and for the case.
    """

    kind: Kind
    word: str
    item_id: str | None
    description: str | None
    case_id: str
    case_number: str
    case_type: str
    stage: str
    event_id: str
    sequence: int
    index: int
    item_corrected_in: str | None
    case_corrected_in: str | None
    parts: tuple[HitPart, ...] = ()


class SearchPage(Struct, frozen=True):
    """A page of hits; ``following`` is where the next page begins, None on the last.

    ``is_cut`` is True if it ends where the search had looked at enough words, whether it is full or not.
    """

    hits: tuple[Hit, ...]
    following: SearchPosition | None
    is_cut: bool = False


# -- the projection ----------------------------------------------------------------------------------------------------


def projections(event: Event, index: int, after: CaseState | None) -> Iterator[Change]:
    """Yield what the entry at ``index`` changes here; ``after`` is the case after it, None in other streams."""
    if event.stream.kind != "case":
        return
    row = {"case_id": event.stream.id, "updated_index": index}
    items = (item for item in (after.items.values() if after else ()) if item.corrected_in == event.event_id)
    words = (("officer", event.officer, None), *_words_of(event.body, None), *_corrected(event.body, items))
    for kind, text, item_id in words:
        for piece in _officer_pieces(text) if kind == "officer" else _pieces(text):
            yield WORDS, {**row, "word": piece, "kind": kind, "item_id": item_id}


def _words_of(value: Struct, item_id: str | None) -> Iterator[tuple[Kind, str, str | None]]:
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
                yield from _words_of(nested, item_id)


def _corrected(body: Struct, items: Iterable[Item] = ()) -> Iterator[tuple[Kind, str, str | None]]:
    """Yield the words that an event puts in the place of others, which stay searchable, each with its item."""
    if not isinstance(body, RecordCorrected):
        return
    items = [*items]
    for correction in body.corrections:
        name = correction.field.rpartition(".")[2]
        if (kind := _KINDS.get(name)) is not None:
            own = (item.item_id for item in items if getattr(item, name, None) == correction.correct)
            yield kind, correction.correct, next(own, None)


@cache
def _telling(kind: type[Struct]) -> tuple[str, ...]:
    """Return the fields of a type that hold searchable words, or structs that do."""

    def holds_words(hint: Any) -> bool:
        if isinstance(hint, type) and issubclass(hint, Struct):
            return bool(_telling(hint))
        return any(map(holds_words, get_args(hint)))

    hints = get_type_hints(kind)
    return tuple(name for name in kind.__struct_fields__ if name in _KINDS or holds_words(hints[name]))


def parts_said(event: Event) -> set[str]:
    """Return the parts of the words of a case's event of which any part can be searched for."""
    if event.stream.kind != "case":
        return set()
    words = (*_words_of(event.body, None), *_corrected(event.body))
    return {part for kind, text, _ in words if kind in WITHIN for part in parts_of(folded(text))}


def parts_of_name(data: bytes, label: str) -> set[str]:
    """Return the parts of the name in a stored section, if it has one."""
    name = name_in(data, label)
    return set() if name is None else parts_of(folded(name))


@cache
def _kinds_in(kind: type[Struct]) -> frozenset[Kind]:
    """Return the kinds of the words that values of a type may hold, at any depth."""

    def nested(hint: Any) -> Iterator[Kind]:
        if isinstance(hint, type) and issubclass(hint, Struct):
            yield from _kinds_in(hint)
        for part in get_args(hint):
            yield from nested(part)

    hints = get_type_hints(kind)
    own = {_KINDS[name] for name in kind.__struct_fields__ if name in _KINDS}
    return frozenset(own.union(*(nested(hints[name]) for name in kind.__struct_fields__ if name not in _KINDS)))


def folded(text: str) -> str:
    """Fold a text as words are stored and looked up: width and case unified.

    Accents, white space and brackets are removed, and what makes a number an ordinal.
    """
    bare = unicodedata.normalize("NFC", _MARKS.sub("", unicodedata.normalize("NFKD", text)))
    return _ORDINAL.sub("", "".join(bare.casefold().translate(_BRACKETS).split()))


def place_in(text: str, word: str) -> tuple[int, int] | None:
    """Return where the part of a text begins and ends that is the folded ``word``, None if it is not in the text."""
    whole = folded(text)
    at = whole.find(word)
    if at < 0:
        return None

    def length_up_to(end: int) -> int:
        beginning = folded(text[:end])
        return len(beginning) - (not whole.startswith(beginning))  # cut behind a 第 that its number leaves out

    ends = range(len(text) + 1)
    start = bisect_right(ends, at, key=length_up_to) - 1  # behind what is left out before the word
    return start, bisect_left(ends, at + len(word), key=length_up_to)


def is_searchable(word: str) -> bool:
    """Return whether a folded text is long enough to be searched for."""
    return len(word) > SHORTEST or TWO_IDEOGRAPHS.fullmatch(word) is not None


def _pieces(text: str) -> tuple[str, ...]:
    """Return a text as words are stored: folded, in pieces."""
    word = folded(text)
    starts = range(0, max(len(word) - _PIECE + _STEP, 1), _STEP)
    return tuple(word[start : start + _PIECE] for start in starts if word)


def bearing_numbers(numbers: Iterable[str]) -> Select[tuple[str]]:
    """Select the cases of which an event has one of these case numbers, as they are folded."""
    words = {piece for number in numbers for piece in _pieces(number)[:1]}
    return select(WORDS.c.case_id).where(WORDS.c.word.in_(words), WORDS.c.kind == "case_number")


# Remembered, for each event names its officer; other texts are long, and few of them come again.
_officer_pieces = lru_cache(maxsize=OFFICERS_KEPT)(_pieces)


NAMING: Final = NAME_OF[PersonNamed]
# The types of the events that have words or names of which any part can be searched for.
WITH_PARTS: Final = frozenset(
    name
    for body, name in NAME_OF.items()
    if body in (PersonNamed, RecordCorrected) or not _kinds_in(body).isdisjoint(WITHIN)
)
PARTS_FORMAT = 2  # to be raised with each change of which fields are searched, and of how a text is folded or divided
# The rules by which the parts of an entry are made: a service with newer ones makes the index anew.
PARTS_MARK: Final = f"{PARTS_FORMAT} {unicodedata.unidata_version}"


# -- the search --------------------------------------------------------------------------------------------------------


_Places = list[tuple[SearchPosition, Hit]]
_Found = tuple[_Places, SearchPosition | None]  # and where a search was left that had looked at enough
_BY_WORD: Final = {"word": WORDS.c.word, "kind": WORDS.c.kind, "case_id": WORDS.c.case_id}


def search(
    connection: Connection, reader: Reader, text: str, limit: int, after: SearchPosition | None = None
) -> SearchPage:
    """Return at most ``limit`` hits: ids, then what begins with the text, what has it elsewhere, and names.

    Requires a text that ``is_searchable`` when it is folded. Cases that the reader may not see are left out before
    anything is counted, so that the number of hits does not reveal them. A page that is cut goes on behind any word:
    readers are given its position sealed.
    """
    places: _Places = []
    for rank, step in enumerate(_STEPS):
        if len(places) <= limit and (after is None or after.rank <= rank):
            start = after if after is not None and after.rank == rank else SearchPosition(rank)
            more, cut = step(connection, reader, text, limit + 1 - len(places), start)
            places += more
            if cut is not None and len(places) <= limit:
                return SearchPage(tuple(hit for _, hit in places), cut, is_cut=True)
    following = places[limit - 1][0] if len(places) > limit else None
    return SearchPage(tuple(hit for _, hit in places[:limit]), following)


def _by_id(connection: Connection, reader: Reader, text: str, limit: int, after: SearchPosition) -> _Found:
    """Return the things that have this very id or payload digest, in order, after the position."""
    key = {name: _IDS.c[name] for name in _BY_WORD}
    query = _IDS.select().where(reader_sees(reader, _IDS.c.case_id))
    return _page(connection, query, key, limit, after, searched=folded(text)), None


def _beginning(connection: Connection, reader: Reader, text: str, limit: int, after: SearchPosition) -> _Found:
    """Return the words that begin with the text, in order, after the position.

    Hexadecimal digits are the beginning of a digest of any algorithm, too.
    """
    word = folded(text)
    is_hex = len(word) >= _HEX_FROM and not word.strip("0123456789abcdef")
    starts = [word, *(f"{algorithm.value}:{word}" for algorithm in Algorithm if is_hex)]
    query = _words(or_(*map(_begins, starts)), reader_sees(reader, WORDS.c.case_id))
    return _page(connection, query, _BY_WORD, limit, after), None


def _containing(connection: Connection, reader: Reader, text: str, limit: int, after: SearchPosition) -> _Found:
    """Return the numbers and descriptions that have the text behind their beginning, in order, after the position."""
    word = folded(text)
    has_it = (WORDS.c.word.contains(word, autoescape=True), not_(_begins(word)), WORDS.c.kind.in_(WITHIN))
    case_ids = cases_with(connection, reader, word, position(connection, PARTS_MARK))
    if case_ids is not None:
        query = _words(*has_it, one_of(WORDS.c.case_id, case_ids))
        return _page(connection, query, _BY_WORD, limit, after), None
    places: _Places = []
    query = _words(*has_it, reader_sees(reader, WORDS.c.case_id))
    for _ in range(MOST_PORTIONS):
        end = _portion_end(connection, after)
        portion = query if end is None else query.where(_key_of_words <= _place_of_words(end))
        places += _page(connection, portion, _BY_WORD, limit - len(places), after)
        if end is None or len(places) == limit:
            return places, None
        after = end
    return places, after


PORTION, MOST_PORTIONS = 2000, 10  # words that are gone through at a time, and such portions for a page


def _portion_end(connection: Connection, after: SearchPosition) -> SearchPosition | None:
    """Return the position of the last word of a portion behind this one; None if there are no more words."""
    query = select(WORDS.c.word, WORDS.c.kind, WORDS.c.case_id)
    if after.case_id:
        query = query.where(_key_of_words > _place_of_words(after))
    last = connection.execute(query.order_by(*_BY_WORD.values()).offset(PORTION - 1).limit(1)).first()
    return None if last is None else SearchPosition(after.rank, *last)


_key_of_words = tuple_(*_BY_WORD.values())


def _place_of_words(position: SearchPosition) -> ColumnElement[Any]:
    return tuple_(*(literal(getattr(position, name)) for name in _BY_WORD))


def _named(connection: Connection, reader: Reader, text: str, limit: int, after: SearchPosition) -> _Found:
    """Return the persons whose names have the text in them, as they were named, after the position.

    Only of cases to which the reader's agency is a party, and of which it holds something: it reads their sections.
    """
    word, start, indexed = folded(text), int(after.word or -1), position(connection, PARTS_MARK)
    with_parts, parts = names_with(connection, word)
    by_part = with_parts.subquery()
    # Those that the index has come to, then the few behind it.
    sources = (
        (by_part.join(SECTIONS, SECTIONS.c.log_index == by_part.c.log_index), SECTIONS.c.log_index <= indexed),
        (SECTIONS, SECTIONS.c.log_index > indexed),
    )
    places: _Places = []
    for source, of_source in sources:
        query = _sections_naming(reader, source).where(of_source, SECTIONS.c.log_index > start)
        with connection.execute(query.execution_options(yield_per=100), parts) as rows:
            for row in rows:
                name = _signed_name(row)
                if name is not None and (not name or word in folded(name)):
                    place = SearchPosition(after.rank, str(row.log_index), "name", row.case_id)
                    places.append((place, _hit(row, kind="name", word=name)))
                if len(places) == limit:
                    return places, None
    return places, None


def _signed_name(row: Any) -> str | None:
    """Return the name in a section, None if it has none; nothing if the section is not as it was signed.

    Which name was signed nobody can say then, nor whether it has a text.
    """
    try:
        log.require_signed(StoredEntry(*row[: len(ENTRY_COLUMNS)]), {row.label: row.data})
    except IntegrityBroken:
        return UNSIGNED
    return name_in(row.data, row.label) or None


def _sections_naming(reader: Reader, source: FromClause) -> Select[Any]:
    """Select the sections of the source in which persons are named and that the reader's agency reads, in order."""
    case_id, of_party = ENTRIES.c.stream_id, CASE_AGENCIES.c.agency == reader.agency
    is_party = select(CASE_AGENCIES.c.agency).where(CASE_AGENCIES.c.case_id == case_id, of_party).exists()
    return (
        select(*ENTRY_COLUMNS, SECTIONS.c.data, SECTIONS.c.label, *_NO_ITEM, *_OF_CASE)
        .select_from(source)
        # Written as an expression, the index is looked up for each section, never the other way round.
        .join(ENTRIES, ENTRIES.c.log_index == SECTIONS.c.log_index + 0)
        .join(CASES, CASES.c.case_id == case_id)
        .where(SECTIONS.c.data.is_not(None), ENTRIES.c.event_type == NAMING, ENTRIES.c.stream_kind == "case")
        .where(is_party, agency_holds(reader.agency, case_id))
        .order_by(SECTIONS.c.log_index)
    )


def cases_of_person(connection: Connection, reader: Reader, text: str) -> list[str]:
    """Return cases with a person whose name has the text in it, or whose pseudonym begins with it.

    The name counts where the reader may read it, also if it is not as it was signed and may have been such a name. Of
    very many persons, the first are considered.
    """
    named, _ = _named(connection, reader, text, PERSONS, SearchPosition(0))
    begins = (WORDS.c.kind == "person", _begins(folded(text)), reader_sees(reader, WORDS.c.case_id))
    pseudonyms = connection.execute(select(WORDS.c.case_id).where(*begins).limit(PERSONS)).scalars()
    return list({*pseudonyms, *(hit.case_id for _, hit in named)})


_Step = Callable[[Connection, Reader, str, int, SearchPosition], _Found]
_STEPS: Final[tuple[_Step, ...]] = (_by_id, _beginning, _containing, _named)


def _page(
    connection: Connection,
    query: Select[Any],
    key: Mapping[str, ColumnElement[str]],
    limit: int,
    after: SearchPosition,
    **values: str,
) -> _Places:
    """Return the first of these candidates, in the order of the key, behind the position."""
    if after.case_id:
        query = query.where(tuple_(*key.values()) > tuple_(*(literal(getattr(after, name)) for name in key)))
    # Limited before it is joined: any number may match.
    first = query.order_by(*key.values()).limit(limit).subquery("candidates")
    rows = connection.execute(_with_case(first).order_by(*(first.c[name] for name in key)), values)
    return _with_parts(
        connection,
        [
            (SearchPosition(after.rank, row.word, row.kind, row.case_id), _hit(row, word=_signed_text(row)))
            for row in rows
        ],
    )


def _with_parts(connection: Connection, places: _Places) -> _Places:
    """Return the hits, those of exhibit numbers with the parts of items that bear them."""
    numbers = {(hit.case_id, hit.word) for _, hit in places if hit.kind == "exhibit"}
    if not numbers:
        return places
    parts: dict[tuple[str, str], list[HitPart]] = {}
    columns = (ITEMS.c.case_id, ITEMS.c.exhibit_number, ITEMS.c.item_id, ITEMS.c.description, ITEMS.c.parents)
    case_ids, words = ({pair[place] for pair in numbers} for place in (0, 1))
    bears_one = (one_of(ITEMS.c.exhibit_number, words), one_of(ITEMS.c.case_id, case_ids))
    query = select(*columns).where(*bears_one, ITEMS.c.parents.is_not(None)).order_by(ITEMS.c.item_id)
    for row in connection.execute(query):
        part = HitPart(row.item_id, row.description, tuple(row.parents.split()))
        parts.setdefault((row.case_id, row.exhibit_number), []).append(part)
    return [(place, replace(hit, parts=_parts_beside(hit, parts))) for place, hit in places]


def _parts_beside(hit: Hit, parts: Mapping[tuple[str, str], Iterable[HitPart]]) -> tuple[HitPart, ...]:
    bearing = parts.get((hit.case_id, hit.word), ()) if hit.kind == "exhibit" else ()
    return tuple(part for part in bearing if part.item_id != hit.item_id)


def _signed_text(row: Any) -> str:
    """Return the text of the entry of which the word of a row is a folded piece, of the row's own item before others.

    Without any it is the word.
    """
    if row.kind not in WITHIN:  # ids and digests are stored as they are
        return str(row.word)
    try:
        body = decode_payload(row.payload, row.event_type).body
    except MalformedInput:  # written by somebody else: an audit reports it
        return str(row.word)
    texts = [
        (item_id == row.item_id, text)
        for kind, text, item_id in (*_words_of(body, None), *_corrected(body))
        if kind == row.kind and row.word in _pieces(text)
    ]
    return max(texts, default=(False, str(row.word)), key=lambda text: text[0])[1]


_NO_ITEM = tuple(null().label(name) for name in ("item_id", "description", "item_corrected_in"))
_OF_CASE = (
    CASES.c.case_id,
    CASES.c.case_number,
    CASES.c.case_type,
    CASES.c.stage,
    CASES.c.corrected_in.label("case_corrected_in"),
)
_SHOWN = (*_OF_CASE, ENTRIES.c.event_id, ENTRIES.c.sequence, ENTRIES.c.log_index)


def _with_case(candidates: Subquery) -> Select[Any]:
    """Select these candidates with what a hit shows of their cases, events and items."""
    is_item = and_(ITEMS.c.item_id == candidates.c.item_id, ITEMS.c.case_id == candidates.c.case_id)
    return (
        select(
            *(candidates.c.kind, candidates.c.word, candidates.c.item_id, ITEMS.c.description),
            *(ITEMS.c.corrected_in.label("item_corrected_in"), *_SHOWN, ENTRIES.c.event_type, ENTRIES.c.payload),
        )
        .join(CASES, CASES.c.case_id == candidates.c.case_id)
        .join(ENTRIES, ENTRIES.c.log_index == candidates.c.log_index)
        .outerjoin(ITEMS, is_item)
    )


def _hit(row: Any, **own: Any) -> Hit:
    own["index"] = row.log_index
    names = (name for name in Hit.__struct_fields__ if name != "parts")
    return Hit(*(own[name] if name in own else getattr(row, name) for name in names))


def _words(*conditions: ColumnElement[bool]) -> Select[Any]:
    words = (WORDS.c.kind, WORDS.c.word, WORDS.c.item_id, WORDS.c.case_id, WORDS.c.updated_index)
    return _candidates(*words).where(*conditions)


def _begins(word: str) -> ColumnElement[bool]:
    return and_(WORDS.c.word >= word, WORDS.c.word < word + _LAST)


def _ids() -> Iterator[Select[Any]]:
    """Yield a query for each kind of thing that has the very id or payload digest that is ``searched``."""
    word = texts_named("searched")
    nothing: ColumnElement[Any] = null()
    event = (ENTRIES.c.event_id, nothing, ENTRIES.c.stream_id, ENTRIES.c.log_index)
    of_case = _candidates(literal("event"), *event).where(ENTRIES.c.stream_kind == "case")
    case = (CASES.c.case_id, nothing, CASES.c.case_id, CASES.c.updated_index)
    item = (ITEMS.c.item_id, ITEMS.c.item_id, ITEMS.c.case_id, ITEMS.c.updated_index)
    yield _candidates(literal("case"), *case).where(CASES.c.case_id == word)
    yield _candidates(literal("item"), *item).where(ITEMS.c.item_id == word)
    yield of_case.where(ENTRIES.c.event_id == word)
    yield of_case.where(ENTRIES.c.payload_digest == word)


def _candidates(*columns: ColumnElement[Any]) -> Select[Any]:
    """Select kind, word, item, case and log index under their names."""
    named = zip(("kind", "word", "item_id", "case_id", "log_index"), columns, strict=True)
    return select(*(column.label(name) for name, column in named))


_IDS = union_all(*_ids()).subquery("ids")


_COLUMNS = {  # each with the case that it is of
    "case": (CASES.c.case_id, CASES.c.case_id),
    "case number": (CASE_AGENCIES.c.case_number, CASE_AGENCIES.c.case_id),
    "item": (ITEMS.c.item_id, ITEMS.c.case_id),
    "seal": (ITEMS.c.seal_number, ITEMS.c.case_id),
}


def identifiers_in(connection: Connection, words: Iterable[str], reader: Reader) -> dict[str, str]:
    """Return those of the words that identify something in cases that the reader sees, each with what it names."""
    kinds: dict[str, str] = {}
    for kind, (column, case_id) in _COLUMNS.items():
        for word in connection.execute(
            select(column).where(one_of(column, words), reader_sees(reader, case_id))
        ).scalars():
            kinds.setdefault(word, kind)
    return kinds
