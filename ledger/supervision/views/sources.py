"""Sources of the views: the ledger's own log, or events that somebody holds without the log that they are from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime

from ledger.chain.journal import WriteState
from ledger.core.custody import Act, CaseState, fold
from ledger.core.custody.cases import with_split_off
from ledger.core.custody.fold import book_of
from ledger.core.events import Event, decode_event
from ledger.core.events.record import DatasetRegistered
from ledger.core.events.registry import names_of
from ledger.core.events.terms import EventRef
from ledger.core.procedure.adoption import Procedures
from ledger.core.signing.authority import Agency, AuthorityState
from ledger.core.supervision import LeadState, RecommendationState
from ledger.recording import supervision_streams
from ledger.store import cases, log
from ledger.store.cases import split_cited
from ledger.store.chain_journal import DatabaseJournal
from ledger.store.database import Database
from ledger.store.log import StoredEntry
from ledger.supervision.runs.dataset_rows import Registered
from ledger.supervision.runs.datasets import rank_in_line
from ledger.supervision.views.case_record import Acts, Row, SourceEvent, row_of
from ledger.supervision.views.snapshot import Anchors, LogHead
from ledger.supervision.views.view_rows import SupervisionRecord


class LedgerViewSource:
    """A store, what acts the events of its cases are by, and who is in the registry now."""

    def __init__(self, database: Database, acts: Acts, authority: Callable[[], AuthorityState]):
        self.acts = acts
        self._database = database
        self._authority = authority

    def head(self) -> LogHead:
        with self._database.read() as connection:
            size = log.tree(connection).size
            return LogHead(size, log.entry(connection, size - 1).payload_digest if size else None)

    def digest_at(self, size: int) -> str | None:
        with self._database.read() as connection:
            return log.entry(connection, size - 1).payload_digest if size else None

    def touched(self, start: int, end: int) -> list[str]:
        with self._database.read() as connection:
            touched = {*log.streams_between(connection, "case", start, end)}
            return sorted(touched | cases.taken_over_from(connection, start, end))

    def case(self, case_id: str, end: int, *, after: int = -1) -> list[SourceEvent]:
        with self._database.read() as connection:
            entries = log.stream(connection, "case", case_id, after=after)
        return [logged(entry) for entry in entries if entry.log_index < end]

    def supervision_records(self, start: int, end: int) -> list[SupervisionRecord]:
        agencies, records = self._authority().agencies, []
        with self._database.read() as connection:
            for stream_id in log.streams_between(connection, "supervision", start, end):
                entries = [entry for entry in log.stream(connection, "supervision", stream_id) if entry.log_index < end]
                state = supervision_streams.fold_stream(entries, agencies)
                if isinstance(state, LeadState | RecommendationState):
                    records.append(SupervisionRecord(stream_id, state, [logged(entry) for entry in entries]))
        return records

    def agencies(self) -> list[Row]:
        return rows_of_agencies(self._authority().agencies.values())

    def datasets(self, end: int) -> list[Row]:
        rows = []
        for entry in self._registered(end):
            event = logged(entry)
            columns = {"registered_at": event.event.occurred_at, "evidence": [event.event.payload_digest]}
            rows.append(row_of("datasets", event.body, entry, **columns))
        return rows

    def registered(self, end: int) -> list[Registered]:
        """Return the registrations of data sets below ``end``, in the order of the log."""
        registrations = []
        for entry in self._registered(end):
            body = logged(entry).body
            assert isinstance(body, DatasetRegistered), "the payload is of the type that its entry says"
            registrations.append(Registered(entry.agency, entry.payload_digest, body))
        return registrations

    def ranks(self, agency: str | None) -> Mapping[str, int] | None:
        """Return whose data sets the agency's models compare with, as ``rank_in_line`` does; None for all."""
        return None if agency is None else rank_in_line(agency, self._authority().agencies)

    def _registered(self, end: int) -> list[StoredEntry]:
        with self._database.read() as connection:
            entries = log.registered_datasets(connection)
        return [entry for entry in entries if entry.log_index < end]

    def anchors(self, after: int, end: int) -> Anchors:
        rows: list[Row] = []
        settled, is_open = after, False
        for write in DatabaseJournal(self._database).anchors(after=after):
            is_open = is_open or write.state is not WriteState.CONFIRMED
            if write.state is not WriteState.CONFIRMED or write.anchored is None:
                continue
            if write.anchored.size > end or write.block_time is None:
                break
            at = datetime.fromtimestamp(write.block_time, UTC).replace(tzinfo=None)
            rows.append((write.number, write.anchored.size, at))
            # Anchors are settled up to the first that may still become final.
            settled = settled if is_open else write.number
        return Anchors(settled, rows)


def logged(entry: StoredEntry) -> SourceEvent:
    """Decode a stored event. Raises MalformedInput if the stored bytes are none."""
    return SourceEvent(entry.log_index, decode_event(entry.envelope, entry.payload))


def rows_of_agencies(agencies: Iterable[Agency]) -> list[Row]:
    """Return the rows of agencies, by their ids."""
    return [
        (agency.agency_id, agency.kind, *names_of(agency.profile.name), agency.profile.jurisdiction)
        for agency in sorted(agencies, key=lambda agency: agency.agency_id)
    ]


class BundleActs:
    """Acts of given cases; what one cites of another case is looked up among them, and missing where it is not."""

    def __init__(self, cases: Mapping[str, Iterable[SourceEvent]], procedures: Procedures, kinds: Mapping[str, str]):
        self._cases = cases
        self._procedures = procedures
        self._kinds = kinds

    def procedures(self) -> Procedures:
        """Return those that the acts are judged by."""
        return self._procedures

    def act(self, before: CaseState | None, event: Event, *, index: int) -> Act:
        """Return the event with the state that it cites."""
        book = book_of(before, event, self._procedures.at(index))
        cites = split_cited(event)
        source = self._after(cites) if cites else None
        return Act(event, book, source, kinds=self._kinds)

    def shown(self, state: CaseState, below: int) -> CaseState:
        """Return the case with those whom it split off, unless an event below that index takes them over."""
        if not state.splits:
            return state
        events = (event for of_case in self._cases.values() for event in of_case if event.log_index < below)
        return with_split_off(state, state.splits.keys() - _cited(events))

    def _after(self, cited: EventRef) -> CaseState | None:
        for events in self._cases.values():
            if not any(event.event.ref == cited for event in events):
                continue
            state: CaseState | None = None
            for event in events:
                act = self.act(state, event.event, index=event.log_index)
                state = fold(state, act).state
                if event.event.ref == cited:
                    return state
        return None


def _cited(events: Iterable[SourceEvent]) -> set[str]:
    """Return the event ids of the splits that these events take over from."""
    return {cited.event_id for event in events if (cited := split_cited(event.event)) is not None}


class BundleViewSource:
    """A ``Source`` of these events, in any order; ``anchors``, size and block time, may go beyond the last of them, and
    so may the log, which has at least ``size`` entries."""

    def __init__(
        self,
        events: Iterable[SourceEvent],
        procedures: Procedures,
        *,
        agencies: Iterable[Row] = (),
        anchors: Iterable[Row] = (),
        size: int = 0,
    ):
        self._size = size
        self.events = sorted(events, key=lambda event: event.log_index)
        self._procedures = procedures
        self._agencies = list(agencies)
        self._anchors = sorted(anchors, key=lambda row: row[0])

    @property
    def acts(self) -> Acts:
        return BundleActs(self._by_case(), self._procedures, {agency: kind for agency, kind, *_ in self._agencies})

    def head(self) -> LogHead:
        size = max(self._size, self.events[-1].log_index + 1 if self.events else 0)
        return LogHead(size, self.digest_at(size))

    def digest_at(self, size: int) -> str | None:
        below = [event.event.payload_digest for event in self.events if event.log_index < size]
        return below[-1] if below else None

    def touched(self, start: int, end: int) -> list[str]:
        between = [event for event in self.events if start <= event.log_index < end]
        cited = _cited(between)
        sources = (event for event in self.events if event.event.event_id in cited)
        return sorted({event.event.stream.id for event in (*between, *sources)})

    def case(self, case_id: str, end: int, *, after: int = -1) -> list[SourceEvent]:
        events = self._by_case().get(case_id, ())
        return [event for event in events if event.log_index < end and event.event.sequence > after]

    def supervision_records(self, start: int, end: int) -> list[SupervisionRecord]:
        return []  # cases alone are given

    def agencies(self) -> list[Row]:
        return self._agencies

    def datasets(self, end: int) -> list[Row]:
        return []

    def anchors(self, after: int, end: int) -> Anchors:
        rows = [(number, *row) for number, row in enumerate(self._anchors, start=1) if number > after]
        return Anchors(len(self._anchors), rows)

    def _by_case(self) -> dict[str, list[SourceEvent]]:
        by_case: dict[str, list[SourceEvent]] = {}
        for event in self.events:
            by_case.setdefault(event.event.stream.id, []).append(event)
        return by_case
