"""What the rules say about a stream: custody for a case, supervision for its matters, nothing for others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

from msgspec import Struct

from ledger.audit.findings import Finding, finding, finding_of
from ledger.core.custody import CaseState, Flag, fold
from ledger.core.errors import TallystickError
from ledger.core.events import Payload, case
from ledger.core.procedure.deadlines import WorkCalendar
from ledger.core.signing.authority import Agency
from ledger.core.supervision import Act, Matter, Move
from ledger.core.supervision import fold as fold_matter
from ledger.recording.case_states import CaseStates
from ledger.store import clocks, feed, supervision
from ledger.store.audit import Expected, Models, feed_row
from ledger.store.log import StoredEntry


class Rules(Struct, frozen=True):
    """What streams are judged by. ``agencies`` are those that the log admitted, None if its mirror is broken."""

    states: CaseStates
    calendar: WorkCalendar
    agencies: Mapping[str, Agency] | None


class Judge(Protocol):
    """Judges one stream, event by event, while it is ``sound``: until the first impossible event."""

    sound: bool
    raises_flags: bool

    def take(self, row: StoredEntry, payload: Payload, flags: tuple[Flag, ...], /) -> Iterator[Finding]:
        """Judge the next event, given the flags that are stored for it."""

    def models(self, stored: Models, /) -> Models:
        """Return the read models that the stream's events lead to."""


def judge_of(kind: str, rules: Rules, *, some_are_faulty: bool) -> Judge:
    """Return the judge of a stream of this kind; with ``some_are_faulty`` entries of other streams may be faulty."""
    if kind == "case":
        return _OfCase(rules, some_are_faulty=some_are_faulty)
    if kind == "supervision" and rules.agencies is not None:
        return _OfMatter(rules.agencies)
    return _OfNothing(kind)


class _OfNothing:
    """For streams without rules, or whose rules cannot be applied. An agency's stream has a feed all the same."""

    raises_flags = False

    def __init__(self, kind: str):
        self.sound = kind != "supervision"
        self._kind = kind
        self._models: Models = {}

    def take(self, row: StoredEntry, _payload: Payload, _flags: tuple[Flag, ...], /) -> Iterator[Finding]:
        if self._kind == "agency":
            self._models.update([feed_row(row.stream_id, row.log_index, row.sequence)])
        yield from ()

    def models(self, _stored: Models, /) -> Models:
        return self._models


class _OfCase:
    raises_flags = True

    def __init__(self, rules: Rules, *, some_are_faulty: bool):
        self.sound = True
        self._states = rules.states
        self._calendar = rules.calendar
        self._agencies = rules.agencies
        self._some_are_faulty = some_are_faulty
        self._state: CaseState | None = None
        self._expected = Expected()

    def take(self, row: StoredEntry, payload: Payload, flags: tuple[Flag, ...], /) -> Iterator[Finding]:
        try:
            act = self._states.act(payload, row.payload_digest, row.signed_at, self._agencies)
            after, raised = fold(self._state, act)
            self._states.require_free_id(payload, below=row.log_index)
        except TallystickError as error:
            self.sound = False
            if not (self._some_are_faulty and _rests_on_another_case(payload)):
                yield finding_of("custody", row.log_index, error, "impossible")
            return
        lines = clocks.changes(self._state, after, act.book, self._calendar)
        self._expected.take(self._state, after, payload, row.log_index, lines)
        self._state = after
        if raised != flags:
            yield finding("custody", row.log_index, "flags", names_of(raised), names_of(flags))

    def models(self, _stored: Models, /) -> Models:
        return {} if self._state is None else self._expected.models(self._state)


class _OfMatter:
    raises_flags = False

    def __init__(self, agencies: Mapping[str, Agency]):
        self.sound = True
        self._agencies = agencies
        self._matter: Matter | None = None  # as it stands
        self._index = -1
        self._feed: Models = {}

    def take(self, row: StoredEntry, payload: Payload, _flags: tuple[Flag, ...], /) -> Iterator[Finding]:
        try:
            act = Act(payload, row.payload_digest, self._agencies, row.log_index)
            after = fold_matter(self._matter, act)
        except TallystickError as error:
            self.sound = False
            yield finding_of("supervision", row.log_index, error, "impossible")
            return
        recipients = feed.of_matter(Move(self._matter, after), row.sequence) if after is not None else ()
        self._feed.update(feed_row(agency, row.log_index, since) for agency, since in recipients)
        self._matter, self._index = after, row.log_index

    def models(self, _stored: Models, /) -> Models:
        if self._matter is None:
            return {}
        table, key, row = supervision.projection(self._matter, self._index)
        return self._feed | {(table.name, *key): row}


def names_of(flags: tuple[Flag, ...]) -> str:
    """Return the flags as a finding shows them."""
    return ", ".join(f"{flag.name}: {flag.detail}" for flag in flags) or "none"


def _rests_on_another_case(payload: Payload) -> bool:
    body = payload.body
    return isinstance(body, case.CaseJoined) or (isinstance(body, case.CaseOpened) and body.split_from is not None)
