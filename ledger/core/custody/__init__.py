"""The custody rules: a pure fold over the stream of one case.

``state`` is what a case is, ``fold`` the step, ``cases``, ``items``, ``handovers`` and ``discrepancies`` the rules by
subject, ``flags`` what is recorded although it is unlawful.
"""

from ledger.core.custody import handovers, items
from ledger.core.custody.flags import Flag
from ledger.core.custody.fold import Outcome, fold, require_head
from ledger.core.custody.state import Act, CaseState, Discrepancy, Handover, Item, MeasureState, Person

__all__ = [
    "Act",
    "CaseState",
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
