"""Given: events that somebody holds, as views are made of them - without the log that they are from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ledger.core.custody import Act, CaseState, fold
from ledger.core.events import Payload
from ledger.core.events.case import CaseJoined, CaseOpened
from ledger.core.procedure.rulebook import Rulebook
from ledger.supervision.views.case_rows import Row
from ledger.supervision.views.record import Logged
from ledger.supervision.views.supervision_rows import MatterRecord
from ledger.supervision.views.views import Anchors, Head


class GivenActs:
    """Acts of given cases; what one cites of another case is looked up among them, and missing where it is not."""

    def __init__(self, cases: Mapping[str, Iterable[Logged]], book: Rulebook):
        self._cases = cases
        self._book = book

    def act(self, payload: Payload, digest: str, signed_at: int) -> Act:
        """The event with the state that it cites."""
        body = payload.body
        cites = body.split_from if isinstance(body, CaseOpened) else None
        cites = body.cites if isinstance(body, CaseJoined) else cites
        return Act(payload, digest, signed_at, self._book, self._after(cites.payload_digest) if cites else None)

    def _after(self, digest: str) -> CaseState | None:
        for events in self._cases.values():
            if not any(event.digest == digest for event in events):
                continue
            state: CaseState | None = None
            for event in events:
                state = fold(state, self.act(event.payload, event.digest, event.signed_at)).state
                if event.digest == digest:
                    return state
        return None


class GivenSource:
    """A ``Source`` of these events, in any order; ``anchors``, size and block time, may go beyond the last of them."""

    def __init__(
        self, events: Iterable[Logged], book: Rulebook, *, agencies: Iterable[Row] = (), anchors: Iterable[Row] = ()
    ):
        self.events = sorted(events, key=lambda event: event.log_index)
        self._book = book
        self._agencies = list(agencies)
        self._anchors = sorted(anchors, key=lambda row: int(str(row[0])))

    @property
    def acts(self) -> GivenActs:
        return GivenActs(self._by_case(), self._book)

    def head(self) -> Head:
        size = self.events[-1].log_index + 1 if self.events else 0
        return Head(size, self.digest_at(size))

    def digest_at(self, size: int) -> str | None:
        below = [event.digest for event in self.events if event.log_index < size]
        return below[-1] if below else None

    def touched(self, start: int, end: int) -> list[str]:
        return sorted({event.payload.stream.id for event in self.events if start <= event.log_index < end})

    def case(self, case_id: str, end: int) -> list[Logged]:
        return [event for event in self._by_case().get(case_id, ()) if event.log_index < end]

    def matters(self, start: int, end: int) -> list[MatterRecord]:
        return []  # cases alone are given

    def agencies(self) -> list[Row]:
        return self._agencies

    def datasets(self, end: int) -> list[Row]:
        return []

    def anchors(self, after: int, end: int) -> Anchors:
        rows = [(number, *row) for number, row in enumerate(self._anchors, start=1) if number > after]
        return Anchors(len(self._anchors), rows)

    def _by_case(self) -> dict[str, list[Logged]]:
        found: dict[str, list[Logged]] = {}
        for event in self.events:
            found.setdefault(event.payload.stream.id, []).append(event)
        return found
