"""Deadlines: legal time and its counting. Which clocks there are, and what starts and stops them, is told elsewhere."""

from __future__ import annotations

from ledger.core.deadlines.calendar import WorkCalendar
from ledger.core.deadlines.counting import Counted, Exclusion, count
from ledger.core.deadlines.period import MonthEnd, Period, Unit, parse_periods
from ledger.core.deadlines.steps import STEP_NAMES, Step

__all__ = [
    "STEP_NAMES",
    "Counted",
    "Exclusion",
    "MonthEnd",
    "Period",
    "Step",
    "Unit",
    "WorkCalendar",
    "count",
    "parse_periods",
]
