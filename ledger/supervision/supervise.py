"""Supervise: published models are run by themselves as the log grows, and what they find becomes leads.

A model that looks at one case at a time is run on the cases that have changed; every model is run over everything once
in a while, since clocks run out without an event. What was raised before is the same lead, and is not raised again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from threading import Event
from typing import Protocol

import structlog
from msgspec import Struct

from ledger.core.authority import Agency, Authority
from ledger.core.errors import Conflict, TallystickError
from ledger.core.event import Body, Stream
from ledger.core.event.supervision import LeadRaised
from ledger.core.event.terms import EventRef
from ledger.core.supervision.standing import is_within
from ledger.supervision.finding import Finding, find
from ledger.supervision.model import Model
from ledger.supervision.raising import lead_of, procuratorate_for
from ledger.supervision.session import Session

REST = 20  # times as long as a run over everything took, until the next one: at most a twentieth of the time is spent

logger = structlog.get_logger(__name__)


class Grown(Struct, frozen=True):
    """The views at ``size``; ``touched`` are the cases with events since the last look, None where that is unknown."""

    size: int
    touched: frozenset[str] | None


class Views(Protocol):
    """The views over the log: brought up to it, and asked - over all cases, or over some of them."""

    def refresh(self) -> Grown: ...

    def session(self, cases: Iterable[str] | None = None) -> AbstractContextManager[Session]: ...


class Standing(Struct, frozen=True):
    """A model as a procuratorate runs it: what it published, or what it adopted with parameters of its own."""

    model: Model
    procuratorate: str
    parameters: Mapping[str, str]


class Record(Protocol):
    """What the record has, and how leads get into it."""

    def standing(self) -> list[Standing]: ...

    def authority(self) -> Authority: ...

    def known(self, lead_ids: Iterable[str]) -> frozenset[str]: ...

    def events(self, digests: Iterable[str]) -> tuple[EventRef, ...]: ...

    def append(self, body: Body, stream: Stream) -> object: ...


class RunState(Struct, frozen=True):
    """How it stands with the runs: when (unix milliseconds) everything was looked at last, at which tree size, how long
    that took, and what keeps a model from being run."""

    looked_at: int | None = None
    size: int = 0
    took_s: float = 0.0
    raised: int = 0
    faults: Mapping[str, str] = {}


class Supervisor:
    """Runs in a thread of its own. ``interval_s`` is the least time between two runs over everything."""

    def __init__(self, views: Views, record: Record, *, interval_s: float, clock: Callable[[], int]):
        self._views = views
        self._record = record
        self._interval_s = interval_s
        self._clock = clock
        self._next_whole = 0.0
        self._ran: frozenset[tuple[str, str]] = frozenset()
        self.state = RunState()

    def run(self, stop: Event, pause_s: float) -> None:
        """Looks until it is told to stop."""
        while not stop.is_set():
            self.try_step()
            stop.wait(pause_s)

    def try_step(self) -> None:
        """A step whose failure is told, and keeps no later one from being taken."""
        try:
            self.step()
        except TallystickError as error:
            logger.warning("supervision cannot look", reason=error.for_operator)
            self._tell("all", error.message)
        except Exception as error:
            logger.exception("supervision cannot look for a reason that nobody foresaw")
            self._tell("all", type(error).__name__)

    def step(self) -> int:
        """The number of leads raised by one look at what has changed, or at everything where that is due."""
        grown = self._views.refresh()
        standing = self._record.standing()
        names = frozenset((one.procuratorate, one.model.digest) for one in standing)
        whole = grown.touched is None or names != self._ran or time.monotonic() >= self._next_whole
        if not whole and not grown.touched:
            return 0
        began = time.monotonic()
        as_of = datetime.fromtimestamp(self._clock() // 1000, UTC)
        faults: dict[str, str] = {}
        raised = sum(self._run(one, grown, as_of, whole=whole, faults=faults) for one in standing)
        if whole:
            took = time.monotonic() - began
            self._next_whole = time.monotonic() + max(self._interval_s, REST * took)
            self._ran = names
            self.state = RunState(self._clock(), grown.size, took, self.state.raised + raised, faults)
        elif raised:
            self.state = RunState(
                self.state.looked_at, self.state.size, self.state.took_s, self.state.raised + raised, self.state.faults
            )
        return raised

    def _run(self, one: Standing, grown: Grown, as_of: datetime, *, whole: bool, faults: dict[str, str]) -> int:
        """One model; what is wrong with it stays with it."""
        if not whole and one.model.scope == "all":
            return 0
        try:
            with self._views.session(None if whole else grown.touched) as session:
                found = find(one.model, one.parameters, session, as_of)
            return sum(1 for _ in self._raise(one, found, grown.size, as_of))
        except TallystickError as error:
            logger.warning("a model cannot be run", model=one.model.model_id, reason=error.for_operator)
            faults[one.model.model_id] = error.message
            return 0

    def _raise(self, one: Standing, found: list[Finding], size: int, as_of: datetime) -> Iterator[str]:
        known = self._record.known(finding.lead_id for finding in found)
        agencies = self._record.authority().agencies
        for finding in found:
            if finding.lead_id in known or not _concerns(agencies, one, finding):
                continue
            having = procuratorate_for(agencies, finding.supervised)
            if having is None:
                continue
            events = self._record.events(finding.evidence)
            lead = lead_of(
                finding, one.model, one.parameters, procuratorate=having, size=size, as_of=as_of, events=events
            )
            if self._append(lead):
                yield finding.lead_id

    def _append(self, lead: LeadRaised) -> bool:
        """Whether it is new: another process may have raised it meanwhile."""
        try:
            self._record.append(lead, Stream(kind="supervision", id=lead.lead_id))
        except Conflict:
            return False
        logger.info(
            "lead raised", lead=lead.lead_id, model=lead.model_id, case=lead.case_id, supervised=lead.supervised
        )
        return True

    def _tell(self, model: str, fault: str) -> None:
        state = self.state
        self.state = RunState(state.looked_at, state.size, state.took_s, state.raised, {**state.faults, model: fault})


def _concerns(agencies: Mapping[str, Agency], one: Standing, finding: Finding) -> bool:
    """Whether the agency that must answer lies in the jurisdiction of the procuratorate that runs the model."""
    supervised, running = agencies.get(finding.supervised), agencies.get(one.procuratorate)
    return supervised is not None and running is not None and is_within(supervised, running)
