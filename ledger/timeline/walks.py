"""Walks that are kept: of the cases that were read last, so that a page of a long case need not begin at its first."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

from ledger.core.custody import CaseState
from ledger.states import States
from ledger.store import log
from ledger.store.database import Connection
from ledger.timeline.steps import Walked, walk_on

EVENTS_KEPT = 20_000  # of all cases together; the case that was read last is kept whatever it has


class Walks:
    """The events of cases with the states around them. Safe to use from several threads."""

    def __init__(self, states: States):
        self._states = states
        self._kept: OrderedDict[str, tuple[Walked, ...]] = OrderedDict()
        self._lock = Lock()

    def of(self, connection: Connection, case_id: str) -> tuple[Walked, ...]:
        """All events of the case that ``connection`` sees, in their order; none where there is no such case."""
        with self._lock:
            known = self._kept.get(case_id, ())
        last = known[-1] if known else None
        later = tuple(walk_on(connection, self._states, case_id, last))
        found = known + later
        if later:
            self._states.keep(later[-1].after)
        if not later and found:
            head = log.heads(connection, [("case", case_id)])["case", case_id]
            found = found[: head.sequence + 1]
        self._keep(case_id, known + later)
        return found

    def state(self, connection: Connection, case_id: str) -> CaseState:
        """The case as ``connection`` sees it. Requires that there is such a case.

        One that nobody has in memory is walked: who looks at it asks for its events next, and they are read once.
        """
        return self._states.kept_of(connection, case_id) or self.of(connection, case_id)[-1].after

    def _keep(self, case_id: str, walked: tuple[Walked, ...]) -> None:
        with self._lock:
            if len(walked) >= len(self._kept.get(case_id, ())):
                self._kept[case_id] = walked
            self._kept.move_to_end(case_id)
            while len(self._kept) > 1 and sum(map(len, self._kept.values())) > EVENTS_KEPT:
                self._kept.popitem(last=False)
