"""What the rules say about a stream: much about a case, and a model, lead or recommendation; little about others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby, pairwise

from msgspec import Struct
from msgspec.structs import replace

from ledger.audit.findings import AuditFinding, differences, finding, finding_of
from ledger.core.custody import CaseState, Flag, fold
from ledger.core.custody.discrepancies import require_fit_lines
from ledger.core.custody.erasures import proposal_of, require_proposed
from ledger.core.custody.references import require_new
from ledger.core.custody.state import ErasureProposal
from ledger.core.errors import RuleRefused, TallystickError, Unavailable
from ledger.core.events import Event, decode_checked, entry_hash
from ledger.core.events.case import CaseSplit
from ledger.core.events.record import ErasureProposed, SectionErased
from ledger.core.events.stocktake import StocktakeRecorded
from ledger.core.events.streams import StreamHead, place_after
from ledger.core.signing.authority import Agency
from ledger.core.supervision import SupervisionAct, SupervisionState, advance
from ledger.core.verification.case import rests_on_another_case
from ledger.recording.case_states import CaseStates, new_case_of
from ledger.store import audit as rows
from ledger.store import clock_lines, clocks, feed, search, stocktakes, supervision, word_parts
from ledger.store.audit import Expected, ModelKey, Models, StreamRange, name_of_row, put, put_feed
from ledger.store.connections import translated
from ledger.store.database import Connection, Row, Table
from ledger.store.log import StoredEntry
from ledger.store.tables import CLOCKS, KEPT_STATES, STREAMS


class Rules(Struct, frozen=True):
    """What streams are judged by.

    ``agencies`` are those that the log admitted, None if its mirror is broken. ``splitting`` are the ids of cases from
    and for which something was split off: only who opens or closes one of them is looked up.
    """

    states: CaseStates
    agencies: Mapping[str, Agency] | None
    splitting: frozenset[str | None]


def names_of(flags: tuple[Flag, ...]) -> str:
    """Return the flags as a finding shows them."""
    return ", ".join(f"{flag.name}: {flag.detail}" for flag in flags) or "none"


def all_ranges(connection: Connection, size: int, entries_each: int) -> list[StreamRange]:
    """Divide all streams of a log of ``size`` entries into ranges of about so many."""
    kinds = [StreamRange(kind, size) for kind in rows.stream_kinds(connection)]
    return [part for whole in kinds for part in divided(connection, whole, entries_each)]


def divided(connection: Connection, whole: StreamRange, entries_each: int) -> Iterator[StreamRange]:
    """Divide a range into ranges of about so many entries."""
    bounds = [whole.first, *rows.stream_bounds(connection, whole, entries_each), whole.last]
    return (replace(whole, first=first, last=last) for first, last in pairwise(bounds))


class Faulty(Struct, frozen=True):
    """Entries with findings of their own: what depends on them is not judged.

    ``displaced`` are those that are missing or filed under another stream: any stream may lack them. ``unreadable`` are
    those that the database cannot read.
    """

    indices: frozenset[int] = frozenset()
    displaced: frozenset[int] = frozenset()
    unreadable: frozenset[int] = frozenset()

    def lacking(self, low: int, below: int | None = None) -> bool:
        """Return whether a displaced entry has ``low < index``, and ``index < below`` if that is given."""
        return any(low < index and (below is None or index < below) for index in self.displaced)


def check_part(connection: Connection, part: StreamRange, faulty: Faulty, rules: Rules) -> list[AuditFinding]:
    """Return the faults of these streams that no entry shows by itself."""
    findings: list[AuditFinding] = []
    heads, flags = rows.heads(connection, part), rows.flags(connection, part)
    stored = rows.stored_models(connection, part)
    entries = rows.by_stream(connection, part, without=faulty.unreadable)
    indexed = word_parts.position(connection, search.PARTS_MARK)  # none of an index that is being made anew
    to_find: list[StoredEntry] = []  # whose words must be in the index
    for stream_id, events in groupby(entries, key=lambda row: row.stream_id):
        stream = _AUDITS.get(part.kind, _StreamAudit)(part.kind, faulty, rules)
        for row in events:
            findings += stream.take(row, flags.get(row.log_index, ()))
            if row.event_type in search.WITH_PARTS and row.log_index <= indexed and row.log_index not in faulty.indices:
                to_find.append(row)
                if len(to_find) == PARTS_OF:
                    findings += _unfound(connection, to_find)
                    to_find.clear()
        findings += stream.end(f"{part.kind} {stream_id}", heads.pop(stream_id, None), stored.pop(stream_id, {}))
    findings += _unfound(connection, to_find)
    if not faulty.displaced:
        findings += (_stray("streams", "stream", name=f"{part.kind} {stream_id}") for stream_id in heads)
        strays = (name_of_row(key[0], row) for models in stored.values() for key, row in models.items())
        findings += (_stray("models", "row", row=name) for name in strays)
    return findings


def rebuilt_rows(
    connection: Connection, part: StreamRange, rules: Rules
) -> Iterator[tuple[dict[Table, list[Row]], list[AuditFinding]]]:
    """Yield the rows that each stream's events lead to, by table, its head among them, with what is wrong with them.

    Of a stream whose events do not follow from each other by the rules there is the head alone.
    """
    flags = rows.flags(connection, part)
    for stream_id, events in groupby(rows.by_stream(connection, part), key=lambda row: row.stream_id):
        stream = _AUDITS.get(part.kind, _StreamAudit)(part.kind, Faulty(), rules)
        findings = [fault for row in events for fault in stream.take(row, flags.get(row.log_index, ()))]
        yield stream.expected_rows(stream_id), findings


PARTS_OF = 500  # entries whose parts of words are looked up at a time


def _unfound(connection: Connection, entries: list[StoredEntry]) -> Iterator[AuditFinding]:
    """Yield the parts of words that these entries have and the index has not."""
    for table, part, index in rows.missing_parts(connection, entries):
        yield finding("models", index, "row", "a row", "no such row", row=f"{table} {part} {index}")


class _StreamAudit:
    """Checks one stream, event by event, and judges it by its rules until the first event that is faulty or impossible.

    The streams of agencies and of the service have three rules: two erase a section, and an agency's stocktakes have
    different ids, and differences that fit. An agency's stream has a feed.
    """

    raises_flags = False

    def __init__(self, kind: str, faulty: Faulty, rules: Rules):
        self._kind = kind
        self._faulty = faulty
        self._rules = rules
        self._last: StoredEntry | None = None
        self._head = ""  # the leaf hash of that entry
        self._models: Models = {}
        self._proposals: dict[str, ErasureProposal] = {}  # of erasures
        self._counts: set[str] = set()  # ids of the agency's stocktakes
        self._sound = kind != "supervision" or rules.agencies is not None

    def take(self, row: StoredEntry, flags: tuple[Flag, ...]) -> Iterator[AuditFinding]:
        """Check the next row by sequence."""
        if row.log_index in self._faulty.indices:
            self._sound = False
            head = entry_hash(row.envelope)
        else:
            event = decode_checked(row.envelope, row.payload)
            head = event.leaf_hash
            yield from self._order(row, event.previous)
            if flags and not self.raises_flags:
                yield finding("custody", row.log_index, "flags", "none outside of cases", names_of(flags))
            if self._sound:
                yield from self._judge(row, event, flags)
        self._last, self._head = row, head

    def _order(self, row: StoredEntry, previous: str | None) -> Iterator[AuditFinding]:
        """Yield a finding unless sequence, previous and index follow from the row before.

        If that row or a missing one is faulty, nothing is reported.
        """
        last = self._last
        expected = place_after(StreamHead(last.sequence, self._head) if last else None)
        rises = last is None or last.log_index < row.log_index
        if (row.sequence, previous) == expected and rises:
            return
        low = last.log_index if last else -1
        self._sound = False
        if (last and last.log_index in self._faulty.indices) or self._faulty.lacking(low, row.log_index):
            return
        actual = _place(row.sequence, previous) + ("" if rises else f" / {row.log_index} < {low}")
        yield finding("streams", row.log_index, "place", _place(*expected), actual)

    def end(self, name: str, head: tuple[int, str] | None, stored: Models) -> Iterator[AuditFinding]:
        """Compare the stored head and read models with those that the events lead to."""
        last = self._last
        assert last is not None, "a group has at least one row"
        if head != (last.sequence, self._head):
            if last.log_index in self._faulty.indices or self._faulty.lacking(last.log_index):
                return  # the stream's true end may be what is missing
            expected = _place(last.sequence, self._head)
            actual = _place(*head) if head else "no such row"
            yield finding("streams", last.log_index, "stream", expected, actual, name=name)
        if self._sound:
            models = self._led_to()
            # A kept state only saves work: that there is none, as after a change of its form, is no fault.
            needed = {key: models[key] for key in models if key[0] is not KEPT_STATES or key in stored}
            yield from _compare(needed, stored)

    def expected_rows(self, stream_id: str) -> dict[Table, list[Row]]:
        """Return the stream's head and the read models that its events lead to, by table; kept states are left out."""
        last = self._last
        assert last is not None, "a group has at least one row"
        head = {"kind": self._kind, "id": stream_id, "sequence": last.sequence, "head": self._head}
        by_table: dict[Table, list[Row]] = {STREAMS: [head]}
        for (table, *_), row in (self._led_to() if self._sound else {}).items():
            if table is not KEPT_STATES:
                by_table.setdefault(table, []).append(row)
        return by_table

    def _judge(self, row: StoredEntry, event: Event, _flags: tuple[Flag, ...]) -> Iterator[AuditFinding]:
        """Judge the next event, given the flags that are stored for it."""
        if self._kind == "agency":
            put_feed(self._models, row.stream_id, row.log_index, row.sequence)
            for table, count in stocktakes.projections(event, row.log_index):
                put(self._models, table, count)
        match event.body:
            case ErasureProposed() as body:
                self._proposals[event.event_id] = proposal_of(event, body)
            case SectionErased() as body:
                try:
                    require_proposed(self._proposals.get(body.cites.event_id), event, body)
                except RuleRefused as error:
                    yield finding_of("custody", row.log_index, error, "impossible")
            case StocktakeRecorded() as body:
                try:
                    require_fit_lines(body)
                    require_new(self._counts, body.stocktake_id, "stocktake")
                except RuleRefused as error:
                    yield finding_of("custody", row.log_index, error, "impossible")
                self._counts.add(body.stocktake_id)

    def _led_to(self) -> Models:
        """Return the read models that the stream's events lead to."""
        return self._models


class _CaseAudit(_StreamAudit):
    raises_flags = True

    def __init__(self, kind: str, faulty: Faulty, rules: Rules):
        super().__init__(kind, faulty, rules)
        self._state: CaseState | None = None
        self._expected = Expected()

    def _judge(self, row: StoredEntry, event: Event, flags: tuple[Flag, ...]) -> Iterator[AuditFinding]:
        states = self._rules.states
        is_split = isinstance(event.body, CaseSplit)
        # Entries of the other case may be faulty, even such that no database reads them.
        rests_on_faults = self._faulty.indices and (is_split or rests_on_another_case(event))
        try:
            with translated():
                act = states.act(self._state, event, index=row.log_index, registered=self._rules.agencies)
            after, raised = fold(self._state, act)
            if not self._rules.splitting.isdisjoint((new_case_of(event), event.stream.id)):
                states.require_by_splits(event, below=row.log_index)
            with translated():
                taken_over_at = states.taken_over_at(event) if is_split else None
        except TallystickError as error:
            if isinstance(error, Unavailable) and not (rests_on_faults and self._faulty.unreadable):
                raise
            self._sound = False
            if not rests_on_faults:
                yield finding_of("custody", row.log_index, error, "impossible")
            return
        # By the days off that are in force now, whatever they were when the event was recorded.
        book = states.procedures().current[after.procedure]
        lines = clock_lines.changes(self._state, after, book)
        self._expected.take(self._state, after, event, row.log_index, lines)
        if taken_over_at is not None:
            self._expected.take_lines(clock_lines.of_taken_over(after, event.event_id, book), taken_over_at)
        self._state = after
        if raised != flags:
            yield finding("custody", row.log_index, "flags", names_of(raised), names_of(flags))

    def _led_to(self) -> Models:
        return {} if self._state is None else self._expected.models(self._state)


class _SupervisionAudit(_StreamAudit):
    raises_flags = True
    _state: SupervisionState | None = None
    _index = -1  # of the last event

    def _judge(self, row: StoredEntry, event: Event, flags: tuple[Flag, ...]) -> Iterator[AuditFinding]:
        assert self._rules.agencies is not None, "no such stream is sound without them"
        procedures = self._rules.states.procedures()
        try:
            books = procedures.at(row.log_index).values()
            step = advance(self._state, SupervisionAct(event, self._rules.agencies, books, row.log_index))
        except TallystickError as error:
            self._sound = False
            yield finding_of("supervision", row.log_index, error, "impossible")
            return
        for agency, since in feed.of_supervision(step, row.sequence):
            put_feed(self._models, agency, row.log_index, since)
        for line in clocks.rows(clock_lines.changes_of_step(step, procedures.current), row.log_index):
            put(self._models, CLOCKS, line)
        self._state, self._index = step.after, row.log_index
        if step.flags != flags:
            yield finding("custody", row.log_index, "flags", names_of(step.flags), names_of(flags))

    def _led_to(self) -> Models:
        if self._state is None:
            return {}
        models = self._models.copy()
        for table, row in supervision.projections(self._state, self._index):
            put(models, table, row)
        return models


_AUDITS = {"case": _CaseAudit, "supervision": _SupervisionAudit}


def _compare(expected: Models, stored: Models) -> Iterator[AuditFinding]:
    if expected == stored:
        return
    # By keys: different ones may have the same name, for their parts may have spaces in them.
    for key in sorted(expected.keys() | stored.keys(), key=_order_of):
        ours, theirs = expected.get(key), stored.get(key)
        if ours == theirs:
            continue
        row = ours or stored[key]
        key_text = name_of_row(key[0], row)
        index = row.get("updated_index", row.get("log_index"))
        if ours is None or theirs is None:
            expected_row, found_row = ("a row" if model_row else "no such row" for model_row in (ours, theirs))
            yield finding("models", index, "row", expected_row, found_row, row=key_text)
        else:
            pairs = ((name, value, theirs.get(name)) for name, value in ours.items())
            yield from differences("models", index, key_text, pairs)


def _order_of(key: ModelKey) -> tuple[str, ...]:
    table, *parts = key
    return (table.name, *map(str, parts))


def _place(sequence: int, previous: str | None) -> str:
    return f"{sequence} / {previous or '—'}"


def _stray(step: str, word: str, **slots: str) -> AuditFinding:
    return finding(step, None, word, "no such row", "a row that no event has made", **slots)
