"""The timeline of a case, as people read it: each event in a sentence, and how it stood between events.

``steps`` has the events one after the other, ``sentences`` their words, ``anchored`` what the chain proves of their
time, ``history`` the chain of custody of the case, of one item or of one person. Nothing here is proof: that is what
bundles are for.
"""

from ledger.timeline.history import Chronicle, History, Walks, chronicle, history, spans
from ledger.timeline.proven import Anchored, AnchoredSizes
from ledger.timeline.sentences import Narrator, names_by_id
from ledger.timeline.steps import Teller, TimelineStep

__all__ = [
    "Anchored",
    "AnchoredSizes",
    "Chronicle",
    "History",
    "Narrator",
    "Teller",
    "TimelineStep",
    "Walks",
    "chronicle",
    "history",
    "names_by_id",
    "spans",
]
