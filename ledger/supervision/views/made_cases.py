"""Cases of which views were made lately, with their rows: one that grows is folded on, and only what is new written."""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

from ledger.supervision.views.case_record import CaseRecord, Row
from ledger.supervision.views.view_rows import GOING_ON, OF_A_CASE, OF_A_STEP

EVENTS_KEPT = 5_000  # of all cases together


class MadeCase(NamedTuple):
    """A case and its rows, by table."""

    record: CaseRecord
    rows: dict[str, list[Row]]


def made_of(record: CaseRecord, earlier: MadeCase | None = None) -> MadeCase:
    """Return the case with its rows. ``earlier`` is the case as it was some events before, if that is known."""
    new = record if earlier is None else record.after(len(earlier.record.steps))
    anew = (view for view in OF_A_CASE if view not in OF_A_STEP and (earlier is None or view not in GOING_ON))
    rows = {view: [*OF_A_CASE[view](record)] for view in anew}
    if earlier is not None:
        for view, going_on in GOING_ON.items():
            rows[view] = [*going_on(record, earlier.record, earlier.rows[view])]
    for view in OF_A_STEP:  # what these had stays as it was
        before = [] if earlier is None else earlier.rows[view]
        rows[view] = [*before, *OF_A_CASE[view](new)]
    rows["parties"] = [(record.case_id, agency) for agency in sorted(record.state.agencies)]
    return MadeCase(record, rows)


class MadeCases:
    """The cases that were made last, by their ids."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, MadeCase] = OrderedDict()
        self._events = 0

    def get(self, case_id: str) -> MadeCase | None:
        """Return the case as it was made last, if it is kept."""
        return self._kept.get(case_id)

    def keep(self, made_case: MadeCase) -> None:
        """Keep the case, and let go of those that were kept before all others."""
        self._drop(self._kept.pop(made_case.record.case_id, None))
        self._kept[made_case.record.case_id] = made_case
        self._events += len(made_case.record.steps)
        while self._events > EVENTS_KEPT:
            self._drop(self._kept.popitem(last=False)[1])

    def _drop(self, made_case: MadeCase | None) -> None:
        self._events -= 0 if made_case is None else len(made_case.record.steps)
