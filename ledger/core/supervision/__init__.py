"""Supervision as pure folds: the states of models, leads and recommendations, and the events that are refused.

``state`` has the states, ``models``, ``leads`` and ``recommendations`` the rules, and ``fold`` applies them to a
stream. ``model_package`` verifies a published model; ``anonymity`` guards what is published.
"""

from ledger.core.supervision.fold import fold, subject_kind_of
from ledger.core.supervision.leads import finding_digest, lead_id_of
from ledger.core.supervision.recommendations import reply_due
from ledger.core.supervision.state import LeadState, Matter, ModelState, Move, RecommendationState, SupervisionAct

__all__ = [
    "LeadState",
    "Matter",
    "ModelState",
    "Move",
    "RecommendationState",
    "SupervisionAct",
    "finding_digest",
    "fold",
    "lead_id_of",
    "reply_due",
    "subject_kind_of",
]
