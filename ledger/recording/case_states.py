"""States of cases, remembered by the digest that they end in: such a memory cannot go stale."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import NoReturn, Protocol

from ledger.core.custody import Act, CaseState, fold
from ledger.core.errors import Conflict, NotFound, RuleRefused, TallystickError
from ledger.core.events import Payload
from ledger.core.events.case import CaseJoined, CaseOpened, CaseSplit
from ledger.core.procedure.rulebook import Rulebook
from ledger.core.signing.authority import Agency
from ledger.store import log, splits
from ledger.store.database import Connection
from ledger.store.log import StoredEntry

STATES_KEPT = 20_000
READ_ON_AT_MOST = 1_000  # entries of another process that are taken in at a time


class NeedsDatabase(Exception):
    """What is in memory does not decide."""


class Reads(Protocol):
    """Gives connections that see one state of the log."""

    def read(self) -> AbstractContextManager[Connection]: ...


class NoDatabase:
    """Memory alone: whoever reads is told so."""

    def read(self) -> NoReturn:
        raise NeedsDatabase


class States:
    """Case states by the digest of their last event: the newest ones kept, others folded again from the stream."""

    def __init__(self, database: Reads, book: Rulebook, kept: OrderedDict[str, CaseState] | None = None):
        self._database = database
        self._book = book
        self._kept: OrderedDict[str, CaseState] = OrderedDict() if kept is None else kept

    def in_memory(self) -> States:
        """The same states, none of which is looked for in the database."""
        return States(NoDatabase(), self._book, self._kept)

    def keep(self, state: CaseState) -> None:
        self._kept[state.head] = state
        while len(self._kept) > STATES_KEPT:
            self._kept.popitem(last=False)

    def on_head(self, payload: Payload) -> CaseState | None:
        """The state that the event says it stands on. Raises Conflict where that is not the stream's head."""
        if payload.previous is None:
            return None
        kept = self._kept.get(payload.previous)
        if kept is not None and kept.case_id == payload.stream.id:
            return kept
        state = self.of_case(payload.stream.id)
        if state is None or state.head != payload.previous:
            raise off_head(state.sequence if state else None, state.head if state else None)
        return state

    def of_case(self, case_id: str) -> CaseState | None:
        """The state at the stream's head; None where there is no such case."""
        with self._database.read() as connection:
            return self.kept_of(connection, case_id) or self._fold(log.stream(connection, "case", case_id))

    def kept_of(self, connection: Connection, case_id: str) -> CaseState | None:
        """The same, where it is in memory."""
        head = log.heads(connection, [("case", case_id)]).get(("case", case_id))
        return None if head is None else self._kept.get(head.digest)

    def of_shown(self, case_id: str) -> CaseState:
        """The state of a case that the read model shows."""
        state = self.of_case(case_id)
        assert state is not None, "the read model shows a case that has a stream"
        return state

    def after(self, payload_digest: str) -> CaseState | None:
        """The state right after the event of this digest, in whatever case it stands. None if it is in none."""
        with self._database.read() as connection:
            try:
                entry = log.entry_by_digest(connection, payload_digest)
            except NotFound:
                return None
            if entry.stream_kind != "case":
                return None
            stream = log.stream(connection, "case", entry.stream_id, limit=entry.sequence + 1)
            return self._fold(stream)

    def take_in(self, entries: Iterable[StoredEntry]) -> None:
        """Goes on with another process's entries, as far as the states that they stand on are in memory.

        Every event that follows one of them would have to look for its case otherwise.
        """
        for entry in entries:
            if entry.stream_kind == "case":
                try:
                    self._take_in(entry)
                except TallystickError:
                    continue  # whoever stands on it reads the whole stream, and is told what is wrong with it

    def _take_in(self, entry: StoredEntry) -> None:
        payload = log.payload_of(entry)
        before = self._kept.get(payload.previous) if payload.previous else None
        if before is not None or payload.previous is None:
            self.keep(fold(before, self.act(payload, entry.payload_digest, entry.signed_at)).state)

    def follow(
        self, entries: Iterable[StoredEntry], before: CaseState | None = None
    ) -> Iterator[tuple[StoredEntry, Payload, CaseState]]:
        """Each of these entries of a case, which stand on ``before``, with the state after it. Nothing is kept."""
        state = before
        for entry in entries:
            payload = log.payload_of(entry)
            state = fold(state, self.act(payload, entry.payload_digest, entry.signed_at)).state
            yield entry, payload, state

    def _fold(self, entries: Iterable[StoredEntry]) -> CaseState | None:
        state: CaseState | None = None
        for _, _, after in self.follow(entries):
            state = after
        if state is not None:
            self.keep(state)
        return state

    def require_free_id(self, payload: Payload, *, below: int | None = None) -> None:
        """Refuse an event that ``require_free_id`` refuses by the entries of an index below that one, or by all."""
        if (new_case_id := new_case_of(payload)) is not None:
            with self._database.read() as connection:
                require_free_id(payload, splits.splitting_agencies(connection, [new_case_id], below=below))

    def act(self, payload: Payload, digest: str, signed_at: int, registered: Mapping[str, Agency] | None = None) -> Act:
        """The event with what it cites of another case; ``registered`` are the agencies to judge jurisdiction by."""
        body = payload.body
        cites = body.split_from if isinstance(body, CaseOpened) else None
        cites = body.cites if isinstance(body, CaseJoined) else cites
        source = self.after(cites.payload_digest) if cites else None
        return Act(payload, digest, signed_at, self._book, source, registered)


def new_case_of(payload: Payload) -> str | None:
    """Return the id of the case that the event opens, or splits something off for."""
    match payload.body:
        case CaseOpened():
            return payload.stream.id
        case CaseSplit(new_case_id=new_case_id):
            return new_case_id
    return None


def require_free_id(payload: Payload, splitting: Mapping[str, str]) -> None:
    """Refuse the id of an unopened case for which another agency split something off.

    Whoever opened it first would keep the splitting agency from what it gave up. ``splitting`` are the agencies that
    split something off for cases that are not opened yet, by case id.
    """
    new_case_id = new_case_of(payload)
    if new_case_id is not None and splitting.get(new_case_id, payload.agency) != payload.agency:
        raise RuleRefused(
            f"another agency split something off for case {new_case_id}, and opens it",
            code="split_for_another",
            field="payload.stream.id" if isinstance(payload.body, CaseOpened) else "payload.body.new_case_id",
            hint="Take a new id for a new case.",
        )


def off_head(sequence: int | None, head: str | None) -> Conflict:
    """The 409 of an event that does not stand on its stream's head."""
    expected = 0 if sequence is None else sequence + 1
    return Conflict(
        f"expected sequence {expected} on {head or 'null'}",
        head=head,
        sequence=expected,
        field="payload.previous",
        code="not_on_head",
        hint="Look at what happened since, then sign again on this head.",
    )
