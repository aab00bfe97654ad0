"""The custody rules: a pure fold over the stream of one case.

``state`` is what a case is, ``register`` how it keeps its parts, ``fold`` the step, ``cases``, ``items``,
``handovers``, ``discrepancies`` and ``clocks`` the rules by subject, ``triggers`` what an event is to a clock, and
``flags`` what is recorded although it is unlawful. ``claimed_times`` says which times are possible and where they break
the chain, ``spans`` how the chain of custody stood between events and what each event concerns.
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
    "fold",
    "handovers",
    "items",
    "require_head",
]
