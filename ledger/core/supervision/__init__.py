"""Supervision as pure folds: what models, leads and recommendations stand at, and what is impossible for them.

``state`` has the values, ``models``, ``leads`` and ``recommendations`` the rules, ``fold`` the way through them,
``finding`` what makes two findings one, ``standing`` who stands above whom, ``reply`` the time to answer.
"""

from ledger.core.supervision.fold import fold, thing_of
from ledger.core.supervision.leads import finding_digest, lead_id_of
from ledger.core.supervision.recommendations import reply_due
from ledger.core.supervision.state import Act, LeadState, Matter, ModelState, Move, RecommendationState

__all__ = [
    "Act",
    "LeadState",
    "Matter",
    "ModelState",
    "Move",
    "RecommendationState",
    "finding_digest",
    "fold",
    "lead_id_of",
    "reply_due",
    "thing_of",
]
