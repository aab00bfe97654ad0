"""A cache of case states, keyed by the leaf hash of the entry that they end in, and by what was adopted by then.

Both determine the state, so an entry of the cache never becomes stale.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import groupby
from operator import attrgetter
from threading import Lock, local
from typing import NoReturn

from ledger.core.custody import Act, CaseState, OpenSplit, fold
from ledger.core.custody.cases import opened_by, require_can_take_over, with_split_off
from ledger.core.custody.fold import book_of
from ledger.core.custody.kept_state import decode_state, is_kept
from ledger.core.errors import MalformedInput, RuleRefused, TallystickError
from ledger.core.events import NAME_OF, Event
from ledger.core.events.case import CaseClosed, CaseJoined, CaseOpened, CaseSplit, CaseTakenOver
from ledger.core.events.streams import StreamHead, require_next
from ledger.core.events.terms import EventRef
from ledger.core.procedure.adoption import NOT_YET, Procedures
from ledger.core.signing.authority import Agency
from ledger.loggers import get_logger
from ledger.recording.registry_view import KindsOf, ReadAccess
from ledger.store import cases, log
from ledger.store.database import Change, Connection
from ledger.store.kept_states import kept_state, row_of_state
from ledger.store.log import StoredEntry

STATES_CACHED = 20_000
EVENTS_CACHED = 50_000  # of the cases whose states are cached: each takes some 2.5 kB of memory, as does each state
# Objects, then younger collections, between two collections of each generation: states hold no cycles.
GARBAGE_THRESHOLDS = (50_000, 20, 50)
CacheKey = tuple[int, str]  # of the newest adoption that it was judged by, and of the entry
Split = tuple[EventRef, str, str]  # the event, the agency that split something off, the case that it is for
PREFETCH_AT_MOST = 64  # entries of a case that are read with those of others: a longer way is gone for it alone
SPLITS_AT_ONCE = 20  # cases that are folded within one another, each for a split that the next one cites


logger = get_logger(__name__)


class NeedsDatabase(Exception):
    """The cache alone cannot answer; the database must be read."""


class FoldFirst(Exception):
    """A split must be folded before the case that needs it: the line of cases between them is too long for the stack.

    ``split`` is that one.
    """

    def __init__(self, split: Split):
        super().__init__(split)
        self.split = split


class NoDatabase:
    """Stands in for the database where only the cache may be used: each read raises NeedsDatabase."""

    def read(self) -> NoReturn:
        raise NeedsDatabase


class CachedStates:
    """The states that are cached, and which of each case goes furthest. Safe to use from several threads.

    There are at most STATES_CACHED, of cases with at most EVENTS_CACHED events together; those that were not used for
    the longest time go first, and are folded again from their streams when they are needed.
    """

    def __init__(self) -> None:
        self._states: OrderedDict[CacheKey, CaseState] = OrderedDict()
        self._furthest: dict[str, CacheKey] = {}
        # Events by which a state counts: that which goes furthest in its case by all of its own, for an earlier one
        # that it was folded on shares with it what they have in common.
        self._events: dict[CacheKey, int] = {}
        self._events_cached = 0
        self._lock = Lock()

    def add(self, key: CacheKey, state: CaseState) -> None:
        with self._lock:
            if key in self._states:
                self._states.move_to_end(key)
                return
            self._states[key] = state
            before = self._furthest.get(state.case_id)
            self._count(key, state.sequence + 1)
            if before is None or (before[0], self._states[before].sequence) <= (key[0], state.sequence):
                self._furthest[state.case_id] = key
                if before is not None and before[0] == key[0]:
                    self._count(before, 0)
            while len(self._states) > STATES_CACHED or (self._events_cached > EVENTS_CACHED and len(self._states) > 1):
                oldest, dropped = self._states.popitem(last=False)
                self._count(oldest, 0)
                if self._furthest.get(dropped.case_id) == oldest:
                    del self._furthest[dropped.case_id]

    def _count(self, key: CacheKey, events: int) -> None:
        self._events_cached += events - self._events.pop(key, 0)
        if events:
            self._events[key] = events

    def get(self, key: CacheKey) -> CaseState | None:
        state = self._states.get(key)
        if state is not None:
            with suppress(KeyError):  # another thread has dropped it since
                self._states.move_to_end(key)
        return state

    def furthest_of(self, case_id: str, adopted: int) -> CaseState | None:
        """Return the cached state with the most events of the case, if the adoption at this index judged it."""
        key = self._furthest.get(case_id)
        return self._states.get(key) if key is not None and key[0] == adopted else None


class _Folding(local):
    """What a thread folds by: its connection, and of a line of splits its length so far and what was folded first."""

    connection: Connection | None = None
    splits = 0

    def __init__(self) -> None:
        self.folded_first: dict[str, CaseState] = {}  # by leaf hash


class CaseStates:
    """Case states by the leaf hash of their last entry: the newest are cached, others folded from the stream.

    A case of which an earlier state is cached is folded from there on.
    """

    def __init__(
        self,
        database: ReadAccess,
        procedures: Callable[[], Procedures],
        kinds: KindsOf,
        cache: CachedStates | None = None,
        state_key: bytes | None = None,
    ):
        """Set up the cache; ``procedures`` returns what the log has adopted by now, ``kinds`` the kinds of agencies.

        ``state_key`` is that of the states that are kept in the database (``store.kept_states``); without it none is.
        """
        self._database = database
        self._kinds = kinds
        self.procedures = procedures
        self._cache = CachedStates() if cache is None else cache
        self.state_key = state_key
        self._folding = _Folding()

    def in_memory(self) -> CaseStates:
        """Return a view of the same cache that never reads the database."""
        return CaseStates(NoDatabase(), self.procedures, self._kinds, self._cache, self.state_key)

    def add_to_cache(self, state: CaseState, adopted: int) -> None:
        """Cache a state, which was folded by procedures whose newest adoption is at the index ``adopted``."""
        self._cache.add((adopted, state.head), state)

    def row_to_keep(self, state: CaseState) -> tuple[Change, ...]:
        """Return the row that keeps this state in the database, if it is one to keep."""
        return (row_of_state(state, self.state_key),) if self.state_key is not None and is_kept(state) else ()

    def at_head(self, event: Event) -> CaseState | None:
        """Return the state that the event follows, None for the first event of a case.

        Raises:
            Conflict: the event does not follow the head of its stream.
        """
        if event.previous is None:
            return None
        # A cached state may have been overtaken by now; the sequencer checks that under the lock.
        cached = self._cache.get((self.procedures().last_index, event.previous))
        if cached is not None and cached.case_id == event.stream.id:
            return cached
        state = self.of_case(event.stream.id)
        require_next(state, event)
        return state

    def of_case(self, case_id: str) -> CaseState | None:
        """Return the state at the stream's head, or None if there is no such case."""
        with self._reading() as connection:
            head = log.head(connection, "case", case_id)
            if head is None:
                return None
            adopted = self.procedures().last_index
            cached = self._cache.get((adopted, head.head))
            return cached or self._state_at(connection, case_id, head, adopted)

    def cached(self, connection: Connection, case_id: str) -> CaseState | None:
        """Return the state at the stream's head if it is cached, else None."""
        head = log.head(connection, "case", case_id)
        return None if head is None else self._cache.get((self.procedures().last_index, head.head))

    def of_listed_case(self, case_id: str) -> CaseState:
        """Return the state of a case that the read model lists."""
        state = self.of_case(case_id)
        assert state is not None, "the read model shows a case that has a stream"
        return state

    def shown(self, state: CaseState, below: int = cases.LOG_END) -> CaseState:
        """Return the case as readers see it: with those whom it split off, unless an entry below that index takes them
        over."""
        if not state.splits:
            return state
        with self._reading() as connection:
            splits = cases.open_splits(connection, [state.case_id], below=below)
        return with_split_off(state, {split.event_id for split in splits})

    def after(self, entry: StoredEntry) -> CaseState:
        """Return the state of a case right after one of its entries, whatever has become of it since."""
        head, adopted = StreamHead(entry.sequence, log.event_of(entry).leaf_hash), self.procedures().last_index
        with self._reading() as connection:
            state = self._cache.get((adopted, head.head))
            state = state or self._state_at(connection, entry.stream_id, head, adopted)
        assert state is not None, "its stream has the entry"
        return state

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        """Read the database, by the connection that this thread reads by already if it folds another case.

        Cases may come of one another in a long line: a connection for each would leave none to anybody else.
        """
        if self._folding.connection is not None:
            yield self._folding.connection
            return
        with self._database.read() as connection:
            self._folding.connection = connection
            try:
                yield connection
            finally:
                self._folding.connection = None

    def _source_of(self, split: Split) -> CaseState | None:
        """Return the state of a case right after the cited event, if by this the agency split something off for the
        new case.

        That case may itself come of a split, and so on without end: what is too far for the stack is folded first.
        """
        folding = self._folding
        if folding.splits:
            return self._after_split(*split)
        waiting = [split]
        try:
            while True:
                try:
                    state = self._after_split(*waiting[-1])
                except FoldFirst as error:
                    waiting.append(error.split)
                    continue
                waiting.pop()
                if not waiting:
                    return state
                if state is not None:
                    folding.folded_first[state.head] = state
        finally:
            folding.folded_first.clear()

    def _after_split(self, cited: EventRef, agency: str, new_case_id: str) -> CaseState | None:
        """Return what ``_source_of`` returns. Raises FoldFirst at the end of a line of SPLITS_AT_ONCE."""
        folding = self._folding
        with self._reading() as connection:
            entry = log.entries_by_event_id(connection, [cited.event_id]).get(cited.event_id)
            # Before anything is folded for it: whoever has a key may cite any event.
            if entry is None or (entry.stream_kind, entry.agency) != ("case", agency):
                return None
            event = log.event_of(entry)
            if event.ref != cited or not isinstance(event.body, CaseSplit) or event.body.new_case_id != new_case_id:
                return None
            adopted = self.procedures().last_index
            state = self._cache.get((adopted, event.leaf_hash)) or folding.folded_first.get(event.leaf_hash)
            if state is not None:
                return state
            if folding.splits == SPLITS_AT_ONCE:
                raise FoldFirst((cited, agency, new_case_id))
            folding.splits += 1
            try:
                # Up to that event only: the case may have moved on since.
                return self._state_at(connection, entry.stream_id, StreamHead(entry.sequence, event.leaf_hash), adopted)
            finally:
                folding.splits -= 1

    def taken_over_at(self, split: Event) -> int | None:
        """Return the index of the entry by which another case took over what the split gave up, None if none did."""
        assert isinstance(split.body, CaseSplit)
        new_case_id = split.body.new_case_id
        with self._reading() as connection:
            entries = log.stream(connection, "case", new_case_id, limit=1)
            entries += log.stream(connection, "case", new_case_id, event_type=NAME_OF[CaseJoined])
        citing = (entry for entry in entries if cases.split_cited(log.event_of(entry)) == split.ref)
        return next((entry.log_index for entry in citing), None)

    def lacks(self, event: Event) -> bool:
        """Return whether the state that an event of a case follows is not cached."""
        if event.stream.kind != "case" or event.previous is None:
            return False
        return self._cache.get((self.procedures().last_index, event.previous)) is None

    def prefetch(self, events: Iterable[Event]) -> None:
        """Cache the states that events of cases follow where few entries lead there from what is cached.

        One query reads what other processes wrote of all these cases; one for each takes several times as long. What is
        not cached by this is read for its event alone, which also reports what is wrong.
        """
        adopted = self.procedures().last_index
        places: set[tuple[str, int]] = set()
        for event in filter(self.lacks, events):
            last = self._cache.furthest_of(event.stream.id, adopted)
            missing = range(0 if last is None else last.sequence + 1, event.sequence)
            if len(missing) <= PREFETCH_AT_MOST:
                places.update((event.stream.id, sequence) for sequence in missing)
        if not places:
            return
        with self._database.read() as connection:
            entries = log.entries_of_cases(connection, places)
        for case_id, following in groupby(entries, key=attrgetter("stream_id")):
            last = self._cache.furthest_of(case_id, adopted)
            next_entries = list(following)
            with suppress(TallystickError):
                if log.event_of(next_entries[0]).previous == (last.head if last else None):
                    self._fold(next_entries, last)

    def follow(
        self, entries: Iterable[StoredEntry], before: CaseState | None = None
    ) -> Iterator[tuple[StoredEntry, Event, CaseState]]:
        """Yield each of a case's entries with the state after it.

        The first entry follows ``before``. Nothing is cached.
        """
        state = before
        for entry in entries:
            event = log.event_of(entry)
            state = fold(state, self.act(state, event, index=entry.log_index)).state
            yield entry, event, state

    def _state_at(self, connection: Connection, case_id: str, head: StreamHead, adopted: int) -> CaseState | None:
        """Return the state at ``head``, the last entry of a case or an earlier one, folded from a state before it if
        the stream goes on from that.
        """
        cached = self._cache.furthest_of(case_id, adopted)
        if cached is not None and 0 <= head.sequence - cached.sequence <= PREFETCH_AT_MOST:
            state = self._extend(connection, cached, head)
            if state is not None:
                return state
        earlier = [state for state in (cached, self._decoded(connection, case_id)) if state is not None]
        for before in sorted(earlier, key=attrgetter("sequence"), reverse=True):
            state = self._extend(connection, before, head)
            if state is not None:
                return state
        return self._fold(log.stream(connection, "case", case_id, limit=head.sequence + 1))

    def _extend(self, connection: Connection, before: CaseState, head: StreamHead) -> CaseState | None:
        """Return the state at ``head``, None if the stream does not go on there from the state ``before``."""
        if before.sequence > head.sequence:
            return None
        missing = head.sequence - before.sequence
        entries = log.stream(connection, "case", before.case_id, after=before.sequence, limit=missing)
        # A cached state may be that of an event which never came into the log.
        following = log.event_of(entries[0]).previous if entries else head.head
        return self._fold(entries, before) if following == before.head else None

    def stored(self, connection: Connection, case_id: str) -> CaseState | None:
        """Return the state of the case that is kept in the database, None if there is none that its stream goes on
        from."""
        state = self._decoded(connection, case_id)
        if state is None:
            return None
        entries = log.stream(connection, "case", case_id, after=state.sequence - 1, limit=1)
        return state if entries and log.event_of(entries[0]).leaf_hash == state.head else None

    def _decoded(self, connection: Connection, case_id: str) -> CaseState | None:
        """Return the state of the case that is kept in the database, None if there is none that can be read."""
        data = None if self.state_key is None else kept_state(connection, case_id, self.state_key)
        if data is None:
            return None
        try:
            state = decode_state(data, self.procedures())
        except MalformedInput as error:  # it saves work and decides nothing
            logger.warning("a kept state cannot be read", case_id=case_id, reason=error.for_operator)
            return None
        return state if state.case_id == case_id else None

    def _fold(self, entries: Iterable[StoredEntry], before: CaseState | None = None) -> CaseState | None:
        state = before
        adopted = self.procedures().last_index
        for _, _, after in self.follow(entries, before):
            state = after
        if state is not None:
            self.add_to_cache(state, adopted)
        return state

    def require_by_splits(self, event: Event, *, below: int = cases.LOG_END) -> None:
        """Refuse what ``require_free_id`` and ``require_taken_over`` refuse by the entries below that index."""
        new_case_id, closes = new_case_of(event), isinstance(event.body, CaseClosed)
        if new_case_id is None and not closes:
            return
        with self._database.read() as connection:
            if new_case_id is not None:
                require_free_id(event, cases.splitting_agencies(connection, [new_case_id], below=below))
            if closes:
                splits = cases.open_splits(connection, [event.stream.id], below=below, for_unopened=True)
                require_taken_over(event, splits)

    def require_by_open_cases(self, event: Event, after: CaseState) -> None:
        """Refuse a split for a case that cannot take it over, and closing a case over one that an open one can.

        A case that is not opened yet cannot take over two splits with things of the same ids. ``after`` is the state
        after the event. By the time that it is recorded the open case may be another agency's: a closing over what then
        can be taken over by none is accepted.
        """
        if isinstance(event.body, CaseSplit):
            given_up = after.splits[event.event_id]
            new_case = self.of_case(given_up.new_case_id)
            opened = self._opened_by_splits(given_up.new_case_id, event.agency) if new_case is None else [new_case]
            for each in opened:
                require_can_take_over(each, after, given_up, field="new_case_id")
        elif isinstance(event.body, CaseClosed):
            require_taken_over(event, self.splits_to_take_over(event.stream.id, event.agency))

    def _opened_by_splits(self, new_case_id: str, agency: str) -> list[CaseState]:
        """Return a case that is not opened yet as it opens by the agency's splits of each other case."""
        with self._reading() as connection:
            splits = cases.open_splits(connection, new_case_id=new_case_id)
        own = [split for split in splits if split.agency == agency]
        # A case keeps what it gave up: it is folded once, to its head, and not for each split.
        sources = [self.of_listed_case(case_id) for case_id in dict.fromkeys(split.case_id for split in own)]
        return [opened_by(s, *(s.splits[each.event_id] for each in own if each.case_id == s.case_id)) for s in sources]

    def splits_to_take_over(self, case_id: str, agency: str) -> list[OpenSplit]:
        """Return the splits of the case by this agency that are not taken over, and that it can take over now."""
        with self._reading() as connection:
            splits = [split for split in cases.open_splits(connection, [case_id]) if split.agency == agency]
            entries = log.entries_by_event_id(connection, [split.event_id for split in splits])
        return [split for split in splits if self._can_be_taken_over(split, entries[split.event_id])]

    def _can_be_taken_over(self, split: OpenSplit, entry: StoredEntry) -> bool:
        new_case = self.of_case(split.new_case_id)
        try:
            if new_case is not None:
                source = self.after(entry)
                require_can_take_over(new_case, source, source.splits[split.event_id], field="new_case_id")
        except RuleRefused:
            return False
        return True

    def act(
        self,
        before: CaseState | None,
        event: Event,
        *,
        index: int = NOT_YET,
        registered: Mapping[str, Agency] | None = None,
    ) -> Act:
        """Return the event after ``before``, by what is in force at ``index``, with the case whose split it cites.

        ``registered`` are the agencies by which jurisdiction is decided. Refuses (unknown_procedure, not_opened).
        """
        book = book_of(before, event, self.procedures().at(index))
        cites = cases.split_cited(event)
        # The state as it was by the split decides, whatever has become of that case.
        source = self._source_of((cites, event.agency, event.stream.id)) if cites else None
        named = {event.agency, getattr(event.body, "to_agency", None) or event.agency}
        kinds = self._kinds(self._database, named)
        return Act(event, book, source, registered, kinds)


def new_case_of(event: Event) -> str | None:
    """Return the id of the case that the event opens, or splits something off for."""
    match event.body:
        case CaseOpened() | CaseTakenOver():
            return event.stream.id
        case CaseSplit(new_case_id=new_case_id):
            return new_case_id
    return None


def require_free_id(event: Event, splitting: Mapping[str, str]) -> None:
    """Refuse the id of an unopened case for which another agency split something off.

    Whoever opened it first would keep the splitting agency from what it gave up. ``splitting`` are the agencies that
    split something off for cases that are not opened yet, by case id.
    """
    new_case_id = new_case_of(event)
    if new_case_id is not None and splitting.get(new_case_id, event.agency) != event.agency:
        raise RuleRefused(
            "another agency split something off for case {new_case_id}, and opens it",
            new_case_id=new_case_id,
            code="split_for_another",
            field="payload.body.new_case_id" if isinstance(event.body, CaseSplit) else "envelope.stream.id",
            hint="Take a new id for a new case.",
        )


def require_taken_over(event: Event, splits: Iterable[OpenSplit]) -> None:
    """Refuse closing a case with a split by its agency that is not taken over, though it can be.

    Nothing can be recorded about whom it gave up. One by another agency does not keep this one from closing.
    """
    for split in splits if isinstance(event.body, CaseClosed) else ():
        if (split.case_id, split.agency) == (event.stream.id, event.agency):
            raise RuleRefused(
                "what was split off for case {split.new_case_id} is not taken over",
                split=split,
                code="split_not_taken_over",
                field="payload.event_type",
                hint=split.next_step,
            )
