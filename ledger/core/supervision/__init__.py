"""Supervision as pure folds: the states of models, leads and recommendations, and the events that are refused.

``state`` has the states, ``models``, ``leads`` and ``recommendations`` the rules, and ``fold`` applies them to a
stream. ``model_package`` verifies a published model; ``anonymity`` guards what is published.
"""

from ledger.core.supervision.fold import advance as advance
from ledger.core.supervision.fold import fold as fold
from ledger.core.supervision.fold import subject_kind_of as subject_kind_of
from ledger.core.supervision.leads import finding_digest as finding_digest
from ledger.core.supervision.leads import lead_id_of as lead_id_of
from ledger.core.supervision.recommendations import reply_period as reply_period
from ledger.core.supervision.state import LeadState as LeadState
from ledger.core.supervision.state import ModelState as ModelState
from ledger.core.supervision.state import RecommendationState as RecommendationState
from ledger.core.supervision.state import SupervisionAct as SupervisionAct
from ledger.core.supervision.state import SupervisionState as SupervisionState
from ledger.core.supervision.state import SupervisionStep as SupervisionStep
