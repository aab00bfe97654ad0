"""The custody rules: a pure fold over the stream of one case.

``state`` is what a case is, ``register`` how it keeps its parts, ``fold`` the step, ``cases``, ``items``,
``handovers``, ``discrepancies``, ``custody_changes``, ``clocks`` and ``rests`` the rules by subject, ``triggers`` what
an event is to a clock, ``flags`` and ``clock_flags`` what is recorded although it is unlawful. ``spans``, ``breaks``
and ``concerned`` tell the chain of custody from the states: how it stood between events, where the claims do not fit,
and what each event is about.
"""

from ledger.core.custody import handovers, items
from ledger.core.custody.flags import Flag
from ledger.core.custody.fold import Outcome, fold, require_head
from ledger.core.custody.state import (
    Act,
    Assignment,
    CaseState,
    CustodyChange,
    Discrepancy,
    Handover,
    Item,
    MeasureState,
    Person,
)

__all__ = [
    "Act",
    "Assignment",
    "CaseState",
    "CustodyChange",
    "Discrepancy",
    "Flag",
    "Handover",
    "Item",
    "MeasureState",
    "Outcome",
    "Person",
    "custody_changes",
    "fold",
    "handovers",
    "items",
    "require_head",
]
