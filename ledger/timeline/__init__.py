"""The timeline of a case, as people read it: each event in a sentence, and how it stood between events.

``case_history`` has the events one after the other and the chain of custody of the case, of one item or of one person,
``sentences`` the words, ``anchored_sizes`` what the chain proves of their time. Nothing here is proof: that is what
bundles are for.
"""

from ledger.timeline.anchored_sizes import Anchored, AnchoredSizes
from ledger.timeline.case_history import CaseTimeline, CustodyHistory, Histories, TimelineBuilder, TimelineStep
from ledger.timeline.sentences import Narrator, names_by_id

__all__ = [
    "Anchored",
    "AnchoredSizes",
    "CaseTimeline",
    "CustodyHistory",
    "Histories",
    "Narrator",
    "TimelineBuilder",
    "TimelineStep",
    "names_by_id",
]
