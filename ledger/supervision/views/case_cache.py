"""A cache of cases with their rows of the views: a case that grows is folded on, and only new rows are written."""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

from ledger.supervision.views.case_record import CaseRecord, Row
from ledger.supervision.views.view_rows import EXTENDED_VIEWS, OF_A_CASE, OF_A_STEP

EVENTS_KEPT = 5_000  # of all cases together


class CachedCase(NamedTuple):
    """A case and its rows, by table."""

    record: CaseRecord
    rows: dict[str, list[Row]]


def build_rows(record: CaseRecord, earlier: CachedCase | None = None) -> CachedCase:
    """Compute the rows of a case. ``earlier`` is the case as it was some events before, if that is known."""
    new = record if earlier is None else record.after(len(earlier.record.steps))
    rebuilt = (view for view in OF_A_CASE if view not in OF_A_STEP and (earlier is None or view not in EXTENDED_VIEWS))
    rows = {view: [*OF_A_CASE[view](record)] for view in rebuilt}
    if earlier is not None:
        for view, extend in EXTENDED_VIEWS.items():
            rows[view] = [*extend(record, earlier.record, earlier.rows[view])]
    for view in OF_A_STEP:  # what these had stays as it was
        before = [] if earlier is None else earlier.rows[view]
        rows[view] = [*before, *OF_A_CASE[view](new)]
    rows["parties"] = [(record.case_id, agency) for agency in sorted(record.state.agencies)]
    return CachedCase(record, rows)


class CaseCache:
    """The cases whose rows were computed last, by their ids: of at most ``EVENTS_KEPT`` events together."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, CachedCase] = OrderedDict()
        self._events = 0

    def get(self, case_id: str) -> CachedCase | None:
        """Return the case as it was kept last, or None."""
        return self._kept.get(case_id)

    def keep(self, cached_case: CachedCase) -> None:
        """Keep the case, and drop those that were kept before all others."""
        self._drop(self._kept.pop(cached_case.record.case_id, None))
        self._kept[cached_case.record.case_id] = cached_case
        self._events += len(cached_case.record.steps)
        while self._events > EVENTS_KEPT:
            self._drop(self._kept.popitem(last=False)[1])

    def _drop(self, cached_case: CachedCase | None) -> None:
        self._events -= 0 if cached_case is None else len(cached_case.record.steps)
