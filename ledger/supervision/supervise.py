"""Supervise: published models are run by themselves as the log grows, and what they find becomes leads.

A model that looks at one case at a time is run on the cases that have changed; every model is run over everything once
in a while, since clocks run out without an event. What was raised before is the same lead, and is not raised again.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from threading import Event

import structlog
from msgspec import Struct
from msgspec.structs import replace

from ledger.core.authority import Agency
from ledger.core.errors import TallystickError
from ledger.core.event.supervision import LeadRaised
from ledger.core.supervision.standing import is_within
from ledger.supervision.finding import Finding, find
from ledger.supervision.raising import lead_of, procuratorate_for
from ledger.supervision.snapshot import Grown, Views
from ledger.supervision.standing import Record, Standing

LOOK_EVERY_S = 1.0
PAUSE = 4  # times as long as a look took passes until the next one
REST = 20  # times as long as a run over everything took passes until the next: a twentieth of the time is spent on it
ALL = "*"  # in the place of a model's id: what keeps all of them from being run

logger = structlog.get_logger(__name__)


class RunState(Struct, frozen=True):
    """How it stands with the runs: when (unix milliseconds) everything was looked at last, at which tree size, how long
    that took, how many leads were raised since the service started, and what keeps which model from being run."""

    looked_at: int | None = None
    size: int = 0
    took_ms: int = 0
    raised: int = 0
    faults: Mapping[str, str] = {}


class Supervisor:
    """Looks in a thread of its own. ``interval_s`` is the least time between two runs over everything; ``clock`` gives
    unix milliseconds."""

    def __init__(self, views: Views, record: Record, *, interval_s: float, clock: Callable[[], int]):
        self.views = views
        self.record = record
        self._interval_s = interval_s
        self._clock = clock
        self._next_whole = 0.0  # by the monotonic clock
        self._ran: list[Standing] | None = None
        self.state = RunState()

    def run(self, stop: Event) -> None:
        """Looks until it is told to stop."""
        while not stop.is_set():
            began = time.monotonic()
            self.try_step()
            stop.wait(max(LOOK_EVERY_S, PAUSE * (time.monotonic() - began)))

    def try_step(self) -> None:
        """A step whose failure is told in the state, and keeps no later one from being taken."""
        try:
            self.step()
        except TallystickError as error:
            logger.warning("supervision cannot look", reason=error.for_operator)
            self.state = replace(self.state, faults={ALL: error.message})
        except Exception as error:
            logger.exception("supervision cannot look for a reason that nobody foresaw")
            self.state = replace(self.state, faults={ALL: type(error).__name__})

    def step(self) -> int:
        """The number of leads raised by one look at what has changed, or at everything where that is due."""
        standing = self.record.standing()
        if not standing:
            return 0
        grown = self.views.refresh()
        if grown.touched is None or standing is not self._ran or time.monotonic() >= self._next_whole:
            return self._look_at_all(standing, grown)
        small = [one for one in standing if one.model.scope == "case"] if grown.touched else []
        faults = dict(self.state.faults)
        raised = self._look(small, grown, faults, cases=grown.touched)
        self.state = replace(self.state, raised=self.state.raised + raised, faults=faults)
        return raised

    def _look_at_all(self, standing: list[Standing], grown: Grown) -> int:
        began, faults = time.monotonic(), dict[str, str]()
        raised = self._look(standing, grown, faults)
        took = time.monotonic() - began
        self._next_whole = began + took + max(self._interval_s, REST * took)
        self._ran = standing
        self.state = RunState(self._clock(), grown.size, int(took * 1000), self.state.raised + raised, faults)
        return raised

    def _look(
        self,
        standing: Sequence[Standing],
        grown: Grown,
        faults: dict[str, str],
        *,
        cases: frozenset[str] | None = None,
    ) -> int:
        """These models over all cases or some of them; what is wrong with one stays with it."""
        as_of = datetime.fromtimestamp(self._clock() // 1000, UTC)
        waiting, raised = deque(standing), 0
        while waiting:
            # A query that fails ends its session: the next model has another.
            with self.views.session(cases, outside=True) as session:
                while waiting:
                    one = waiting.popleft()
                    try:
                        raised += self._raise(one, find(one.model, one.parameters, session, as_of), grown.size, as_of)
                    except TallystickError as error:
                        logger.warning("a model cannot be run", model=one.model.model_id, reason=error.for_operator)
                        faults[one.model.model_id] = error.message
                        break
                    faults.pop(one.model.model_id, None)
        return raised

    def _raise(self, one: Standing, found: list[Finding], size: int, as_of: datetime) -> int:
        leads = [lead for lead in self._leads(one, found, size, as_of) if self.record.put(lead)]
        for lead in leads:
            logger.info("lead raised", lead=lead.lead_id, model=lead.model_id, supervised=lead.supervised)
        return len(leads)

    def _leads(self, one: Standing, found: list[Finding], size: int, as_of: datetime) -> Iterator[LeadRaised]:
        """The leads of those findings that are new and of the jurisdiction in which the model is run."""
        known = self.record.known(finding.lead_id for finding in found)
        agencies = self.record.authority().agencies
        for finding in found:
            having = procuratorate_for(agencies, finding.supervised)
            if finding.lead_id in known or having is None or not _concerns(agencies, one, finding):
                continue
            cited = self.record.dataset(finding.dataset_id, finding.dataset_rows) if finding.dataset_id else ()
            yield lead_of(
                finding,
                one.model,
                one.parameters,
                procuratorate=having,
                size=size,
                as_of=as_of,
                events=self.record.events(finding.evidence),
                datasets=cited,
            )


def _concerns(agencies: Mapping[str, Agency], one: Standing, finding: Finding) -> bool:
    """Whether the agency that must answer lies in the jurisdiction of the procuratorate that runs the model."""
    return is_within(agencies[finding.supervised], agencies[one.procuratorate])
