"""Cases as a reader may see them: events, handovers, timelines, the search, and who read them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from msgspec import Struct
from msgspec.structs import replace
from starlette.types import Scope

from api.auth.reading import Reading, case_of, no_such_letter
from api.middleware.request_limits import charge
from api.schemas.answers import EventView, event_view, view_of
from api.services.service import Service
from ledger.core.custody import Flag, Handover, Letter
from ledger.core.errors import NotFound, RuleRefused
from ledger.core.events import EVENT_TYPES, NAME_OF
from ledger.core.events.case import PersonNamed
from ledger.core.messages import Message
from ledger.core.visibility import Sight, visible_flags
from ledger.i18n import Labels
from ledger.store import cases, log, search
from ledger.store.access import RecordedRead
from ledger.store.chain_journal import DatabaseJournal
from ledger.store.database import Connection
from ledger.store.log import StoredEntry
from ledger.store.search import Hit, SearchPosition
from ledger.timeline.anchored_sizes import AnchoredSizes
from ledger.timeline.case_history import TimelineBuilder, cited_events, names_of_persons
from ledger.timeline.sentences import Narrator, names_by_id


def find_event(
    connection: Connection, reading: Reading, event_id: str, case_id: str | None = None
) -> tuple[StoredEntry, Sight]:
    """Return the entry of an event, of this case if one is given, and how the reader sees it.

    Raises NotFound, in the same words for an event that the reader may not see.
    """
    entry = log.entries_by_event_id(connection, [event_id]).get(event_id)
    if entry is None:
        raise NotFound("no event {event_id} that you may see", event_id=event_id, field="event_id")
    sight = reading.require_entry(connection, entry)
    if case_id is not None and (entry.stream_kind, entry.stream_id) != ("case", case_id):
        raise NotFound(
            "no event {event_id} of case {case_id} that you may see",
            event_id=event_id,
            case_id=case_id,
            field="event_id",
        )
    return entry, sight


def record_event(reading: Reading, subject: str, entry: StoredEntry, ground: str | None) -> None:
    """Record the read of one event, with its case if it is in one."""
    reading.record(Message(subject, event_id=entry.event_id), *filter(None, [case_of(entry)]), ground=ground)


def require_handover(
    connection: Connection, service: Service, reading: Reading, case_id: str, handover_id: str
) -> Handover:
    """Return the handover, for its two agencies and for those who may see its case. Raises NotFound."""
    state = service.parts.validator.states.of_case(case_id)
    handover = state.handovers.get(handover_id) if state else None
    if handover is not None and (
        reading.agency in (handover.from_agency, handover.to_agency)
        or cases.sight(connection, case_id, reading.reader) is not None
    ):
        return handover
    raise NotFound(
        "no handover {handover_id} of a case {case_id} that you may see",
        handover_id=handover_id,
        case_id=case_id,
        field="handover_id",
    )


def read_letter(
    connection: Connection, service: Service, reading: Reading, case_id: str, letter_id: str
) -> tuple[Letter, str, EventView]:
    """Return the letter, the procedure of its case, and the event that recorded it, for whoever may see the letter.

    Raises NotFound.
    """
    reading.require_letter(connection, case_id, letter_id)
    state = service.parts.validator.states.of_case(case_id)
    letter = state.letters.get(letter_id) if state else None
    if state is None or letter is None:
        # Whoever sees the case passes for any letter; also for one that it does not have.
        raise no_such_letter(case_id, letter_id)
    entry, sight = find_event(connection, reading, letter.event_id, case_id)
    return letter, state.procedure, viewed_event(connection, reading, entry, sight)


def viewed_event(
    connection: Connection, reading: Reading, entry: StoredEntry, sight: Sight, ground: str | None = None
) -> EventView:
    """Return the view of an event, with the sections that the reader may read."""
    shows_sections = reading.sees_sections(connection, entry, sight, ground)
    sections = reading.sections(connection, entry) if shows_sections else None
    return event_view(entry, flags_of(connection, reading, entry), sections)


def flags_of(connection: Connection, reading: Reading, entry: StoredEntry) -> tuple[Flag, ...]:
    """Return the flags of an event that the reader sees."""
    flags = log.flags(connection, entry.log_index)
    if not flags or entry.stream_kind != "case":
        return flags
    sees_case = cases.sight(connection, entry.stream_id, reading.reader) is not None
    return visible_flags(EVENT_TYPES[entry.event_type].body, flags, sees_case=sees_case)


def known_persons(
    connection: Connection, reading: Reading, case_id: str, sight: Sight | None = None
) -> Mapping[str, str]:
    """Return the names of a case's persons by their ids, of those whose sections the reader may read.

    These are all for who holds the case, and those who are offered to the reader's agency; else nobody. ``sight`` is
    how the reader sees the case, if that was looked up already.
    """
    sight = sight or cases.sight(connection, case_id, reading.reader)
    if sight not in ("party", "offered"):
        return {}
    reads_all = sight == "party" and reading.holds(connection, case_id)
    if not reads_all and not reading.arriving(case_id):
        return {}
    naming = log.stream(connection, "case", case_id, event_type=NAME_OF[PersonNamed])
    names = names_of_persons(connection, naming, reading.sections)
    return names if reads_all else {person: names[person] for person in reading.arriving(case_id) & names.keys()}


def names_in_case(connection: Connection, service: Service, reading: Reading, case_id: str) -> dict[str, str]:
    """Return what readers call the items and persons of a case, by their ids, as far as the reader may know them.

    None of another case: an id belongs to its case, and may be a number that stands anywhere.
    """
    if case_id not in cases.numbers_of(connection, [case_id], reading.reader):
        return {}
    state = service.parts.validator.states.of_listed_case(case_id)
    items = {item.item_id: item.description for item in state.items.values()}
    return {**items, **known_persons(connection, reading, case_id)}


def names_of_finding(
    connection: Connection, service: Service, reading: Reading, case_id: str | None, values: Mapping[str, str]
) -> dict[str, str]:
    """Return what readers call what a finding's values are the ids of, by its columns.

    A value has a name where its column says that it is the id of a case, or of an item or person of the finding's case.
    """
    case_ids = {value for column, value in values.items() if column.endswith("case_id")}
    numbers = cases.numbers_of(connection, case_ids, reading.reader)
    in_case = names_in_case(connection, service, reading, case_id) if case_id else {}
    names = (
        (column, (numbers if column.endswith("case_id") else in_case).get(value))
        for column, value in values.items()
        if column.endswith("case_id") or column in ("item_id", "person_id")
    )
    return {column: name for column, name in names if name}


def timeline_builder(
    service: Service, reading: Reading, labels: Labels, persons: Mapping[str, str] = MappingProxyType({})
) -> TimelineBuilder:
    """Return the builder of timelines in the reader's language, with the agencies' names and the anchored sizes.

    ``persons`` are the names of the case's persons, as far as the reader may know them.
    """
    parts = service.parts
    anchored = AnchoredSizes(DatabaseJournal(parts.database))
    names = names_by_id(reading.authority.names, labels)
    narrator = Narrator(labels, names, persons, cited_events(parts.database))
    told_by = (labels.language, reading.authority.changes, frozenset(persons.items()))
    return TimelineBuilder(parts.validator, service.histories, anchored, narrator, told_by)


SEARCH = Message("search")  # without its words: they may be a name, and no record of a read is ever erased
SEARCH_COST = 100  # requests of the address that a search counts as: one that finds little looks at very many words
TOO_SHORT = Message("expected at least three characters to search for, or two Chinese ones")


class SearchResults(Struct, frozen=True):
    """A page of hits. ``following`` is the cursor of the next one, None on the last.

    ``is_cut`` is True if the search ended because it had looked at enough words, whether the page is full or not.
    """

    hits: tuple[Hit, ...]
    following: str | None = None
    is_cut: bool = False


def search_cases(
    scope: Scope, service: Service, reading: Reading, text: str, *, limit: int, after: str | None
) -> SearchResults:
    """Return a page of hits and record the search, which counts as many requests of the address in ``scope``.

    Raises RuleRefused for a text that is too short, and Refused (429); and IntegrityBroken, unless it is for a page, if
    a name that may have the text is not as it was signed.
    """
    position = service.cursors.position("hits", after)
    place = None
    if position is not None:
        rank, position = position.split(",", 1)
        # A word may have commas, what follows it has none.
        place = SearchPosition(int(rank), *position.rsplit(",", 2))
    if not search.is_searchable(search.folded(text)):
        raise RuleRefused(TOO_SHORT, field="q")
    charge(scope, SEARCH_COST)
    with service.parts.database.read() as connection:
        matches = search.search(connection, reading.reader, text, limit, place)
        for hit in matches.hits:
            if hit.kind == "name":
                reading.note_sections(hit.case_id)
            if hit.word == search.UNSIGNED:
                reading.sections(connection, log.entry(connection, hit.index))
    reading.record(SEARCH, *dict.fromkeys(hit.case_id for hit in matches.hits))
    last = matches.following
    if last is None:
        return SearchResults(matches.hits)
    cursor = service.cursors.seal("hits", f"{last.rank},{last.word},{last.kind},{last.case_id}")
    return SearchResults(matches.hits, cursor, matches.is_cut)


ACCESS_LOG_ROLES = ("auditor", "supervisor")


BY_SUPERVISION = Message("read by supervision")


class ReadView(Struct, frozen=True):
    """A read. ``read_at`` is in unix milliseconds; ``number`` is its place in the access log.

    A read by your own agency's officers is shown as it was recorded. Of a read by supervision only the fact is
    shown: neither who read nor for what. ``lead_id`` is the lead that was assigned to the officer, if he saw the
    case only because of that. ``sections`` is whether confidential sections of the case, or names from them, were
    shown. ``provider`` is the issuer of the identity provider that vouched for the officer; without it he had
    signed in with his key.
    """

    number: int
    read_at: int
    agency: str
    officer: str | None
    key_id: str | None
    what: str
    case_id: str | None
    ground: str | None
    lead_id: str | None
    provider: str | None
    sections: bool | None


def visible_reads(service: Service, reading: Reading, records: list[RecordedRead]) -> list[ReadView]:
    """Return the reads by the agency's officers, and those of its cases by others as far as it may know of them."""
    foreign = {
        record.read.case_id for record in records if record.read.agency != reading.agency and record.read.case_id
    }
    with service.parts.database.read() as connection:
        own = cases.parties_among(connection, reading.agency, [case_id for case_id in foreign if case_id])
    views = []
    for record in records:
        read = record.read
        view = view_of(ReadView, read, number=record.number, what=read.subject)
        if read.agency == reading.agency:
            views.append(view)
        elif read.case_id in own:
            if read.supervision:
                hidden: dict[str, Any] = dict.fromkeys(
                    ("officer", "key_id", "ground", "lead_id", "provider", "sections")
                )
                view = replace(view, what=BY_SUPERVISION, **hidden)
            views.append(view)
    return views
