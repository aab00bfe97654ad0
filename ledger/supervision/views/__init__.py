"""Snapshot: the log at a tree size as the tables that models ask; never the truth, always made again from the log.

mentions, record   an event's names; a case step by step
of_*               the rows of each view, a pure function of the case's events
tables             how they are kept, and shown
views              the file: brought up to the log by the cases that have changed
"""

from ledger.supervision.views.case_record import Acts, CaseRecord, Logged, read_case
from ledger.supervision.views.snapshot import Anchors, Export, LogHead, Views, ViewSource
from ledger.supervision.views.sources import LedgerViewSource

__all__ = [
    "Acts",
    "Anchors",
    "CaseRecord",
    "Export",
    "LedgerViewSource",
    "LogHead",
    "Logged",
    "ViewSource",
    "Views",
    "read_case",
]
