"""Counts and durations of what a service does for its clients, kept in memory for whoever watches it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from api.middleware.measuring import RequestMeasures
from ledger.recording.measures import Histogram

RECORDED, REPEATED = "recorded", "repeated"  # outcomes of what was not refused


class SubmissionMeasures:
    """What came of submissions. Written from the event loop only.

    ``outcomes`` are RECORDED, REPEATED (it was in the log already), or the code of the refusal, which this program
    defines. ``validation`` has the seconds until a submission alone was judged, ``bulk_validation`` those of a bulk
    request.
    """

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.validation = Histogram()
        self.bulk_validation = Histogram()

    def note(self, *, is_new: bool) -> None:
        """Count a submission that got a receipt."""
        self.outcomes[RECORDED if is_new else REPEATED] += 1


@dataclass(frozen=True, slots=True)
class ServiceMeasures:
    """Those of requests and of submissions."""

    requests: RequestMeasures = field(default_factory=RequestMeasures)
    submissions: SubmissionMeasures = field(default_factory=SubmissionMeasures)
