"""A history as the log that views are made of, without a ledger in between."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime

from ledger.core.custody import Act
from ledger.core.events import Payload
from ledger.supervision.views import Acts, Anchors, Head, Logged
from ledger.supervision.views.case_rows import Row
from ledger.supervision.views.supervision_rows import MatterRecord
from scripts.histories.history import History
from scripts.histories.life import BOOK
from scripts.histories.world import agencies


class Alone:
    """Acts of cases that cite no other."""

    def act(self, payload: Payload, digest: str, signed_at: int) -> Act:
        return Act(payload, digest, signed_at, BOOK)


class HistorySource:
    """Implements ``ledger.supervision.views.Source``; no case of a history cites another one's state."""

    def __init__(self, history: History) -> None:
        self.acts: Acts = Alone()
        self._anchors = [*history.anchors()]
        self._digests = [entry.digest for entry in history.entries]
        self._cases: dict[str, list[Logged]] = defaultdict(list)
        for index, entry in enumerate(history.entries):
            logged = Logged(index, entry.digest, entry.recorded_at, entry.payload)
            self._cases[entry.payload.stream.id].append(logged)

    def head(self) -> Head:
        return Head(len(self._digests), self.digest_at(len(self._digests)))

    def digest_at(self, size: int) -> str | None:
        return self._digests[size - 1] if size else None

    def touched(self, start: int, end: int) -> list[str]:
        return sorted(key for key, events in self._cases.items() if any(start <= one.log_index < end for one in events))

    def case(self, case_id: str, end: int) -> list[Logged]:
        return [one for one in self._cases[case_id] if one.log_index < end]

    def matters(self, _start: int, _end: int) -> list[MatterRecord]:
        """None: nothing was raised yet."""
        return []

    def agencies(self) -> list[Row]:
        return [(one.agency_id, one.kind, one.zh, one.en, one.jurisdiction) for one in agencies()]

    def datasets(self, end: int) -> list[Row]:
        return []

    def anchors(self, after: int, end: int) -> Anchors:
        rows: list[Row] = [
            (number, size, datetime.fromtimestamp(at, UTC).replace(tzinfo=None))
            for number, (size, at) in enumerate(self._anchors, start=1)
            if number > after and size <= end
        ]
        return Anchors(after + len(rows), rows)
