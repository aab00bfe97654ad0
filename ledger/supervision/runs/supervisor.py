"""Supervise: published models are run by themselves as the log grows, and what they find becomes leads.

A model that looks at one case at a time is run on the cases that have changed; every model is run over everything once
in a while, since clocks run out without an event. What was raised before is the same lead, and is not raised again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import groupby
from threading import Event

import structlog
from msgspec import Struct
from msgspec.structs import replace

from ledger.core.errors import NotFound, TallystickError, Unavailable
from ledger.core.procedure.jurisdiction import is_within
from ledger.core.signing.authority import Agency
from ledger.supervision.leads import lead_of, procuratorate_for
from ledger.supervision.models.values import Sql
from ledger.supervision.runs.active_models import Record, Run, RunFault, Standing, fault_of
from ledger.supervision.runs.findings import Finding
from ledger.supervision.runs.isolated import ModelRunner
from ledger.supervision.views import Export, Head, Views

LOOK_EVERY_S = 1.0
PAUSE = 4  # times as long as a look took passes until the next one
REST = 20  # times as long as a run over everything took passes until the next: a twentieth of the time is spent on it
ALL = "*"  # in the place of a model's id: what keeps all of them from being run

logger = structlog.get_logger(__name__)


class RunState(Struct, frozen=True):
    """How it stands with the runs: when (unix milliseconds) everything was looked at last, at which tree size, how long
    that took, how many leads were raised since the service started, and what keeps whose run of which model from being
    done, or from raising all that it finds."""

    looked_at: int | None = None
    size: int = 0
    took_ms: int = 0
    raised: int = 0
    faults: Sequence[RunFault] = ()


class Supervisor:
    """Looks in a thread of its own. ``interval_s`` is the least time between two runs over everything; ``clock`` gives
    unix milliseconds; ``runner`` runs the models, which other people wrote."""

    def __init__(
        self,
        views: Views,
        record: Record,
        *,
        interval_s: float,
        clock: Callable[[], int],
        runner: ModelRunner | None = None,
    ):
        self.views = views
        self.record = record
        self._runner = runner or ModelRunner()
        self._interval_s = interval_s
        self._clock = clock
        self._stop = Event()
        self._next_whole = 0.0  # by the monotonic clock
        self._ran: Standing | None = None
        self._looked = Head(0, None)  # how far: others bring the views up to the log, too
        self._faults: dict[tuple[str, str], RunFault] = {}
        self.state = RunState()

    def run(self, stop: Event) -> None:
        """Looks until it is told to stop."""
        self._stop = stop
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
            self._say_that_none_runs(fault_of(ALL, "", error))
        except Exception as error:
            logger.exception("supervision cannot look for a reason that nobody foresaw")
            self._say_that_none_runs(RunFault(ALL, "", type(error).__name__))

    def step(self) -> int:
        """The number of leads raised by one look at what has changed, or at everything where that is due."""
        standing = self.record.standing()
        if not standing.runs and not standing.faults:
            self._faults.clear()
            self.state = replace(self.state, faults=())
            return 0
        head = self.views.refresh()
        touched = self.views.touched(self._looked, head)
        if touched is None or standing is not self._ran or time.monotonic() >= self._next_whole:
            return self._look_at_all(standing, head)
        small = [one for one in standing.runs if one.model.scope == "case"] if touched else []
        raised = self._look(small, cases=touched)
        self._looked = head
        self.state = replace(self.state, raised=self.state.raised + raised, faults=self._told_faults())
        return raised

    def _look_at_all(self, standing: Standing, head: Head) -> int:
        began = time.monotonic()
        self._faults = {(fault.model_id, fault.procuratorate): fault for fault in standing.faults}
        raised = self._look(standing.runs)
        took = time.monotonic() - began
        self._next_whole = began + took + max(self._interval_s, REST * took)
        self._ran, self._looked = standing, head
        raised_so_far = self.state.raised + raised
        self.state = RunState(self._clock(), head.size, int(took * 1000), raised_so_far, self._told_faults())
        return raised

    def _look(self, runs: Iterable[Run], *, cases: frozenset[str] | None = None) -> int:
        """These models over all cases or some of them; what is wrong with one stays with it."""
        as_of = datetime.fromtimestamp(self._clock() // 1000, UTC)
        by_procuratorate = groupby(sorted(runs, key=_procuratorate), key=_procuratorate)
        return sum(self._look_for(agency, list(group), cases, as_of) for agency, group in by_procuratorate)

    def _look_for(self, procuratorate: str, runs: Sequence[Run], cases: frozenset[str] | None, as_of: datetime) -> int:
        """The models of one procuratorate, over what it may see."""
        raised, hinted = 0, list[tuple[Run, frozenset[str]]]()
        with self._export(procuratorate, as_of, cases) as export:
            for one in runs:
                findings = self._findings(one, export, as_of)
                if cases is not None and isinstance(one.model.condition, Sql):
                    hinted.append((one, self._new(findings)))
                else:
                    raised += self._raise(one, findings, export.size, as_of)
        # SQL says of itself that a finding depends on one case alone, and may be wrong: what it finds in some cases is
        # raised where it finds that in all of them, too.
        if any(lead_ids for _, lead_ids in hinted):
            with self._export(procuratorate, as_of) as export:
                for one, lead_ids in hinted:
                    findings = self._findings(one, export, as_of) if lead_ids else []
                    both = [finding for finding in findings if finding.lead_id in lead_ids]
                    raised += self._raise(one, both, export.size, as_of)
        return raised

    @contextmanager
    def _export(self, procuratorate: str, as_of: datetime, cases: frozenset[str] | None = None) -> Iterator[Export]:
        """A model sees what the procuratorate sees that runs it."""
        jurisdiction = self.record.authority().agencies[procuratorate].profile.jurisdiction
        with self.views.export(cases, jurisdiction=jurisdiction, now=as_of) as export:
            yield export

    def _findings(self, one: Run, export: Export, as_of: datetime) -> list[Finding]:
        """Return what the model finds: nothing where its run fails, which is noted. A row that is no finding stops no
        other."""
        if self._stop.is_set():
            raise Unavailable("this service is ending")
        try:
            result = self._runner.run(export, one.model, one.parameters, as_of)
        except TallystickError as error:
            self._take_note(one, error)
            return []
        except Exception as error:  # a defect of ours at one model: the others are run
            logger.exception("a model failed for a reason that nobody foresaw", model=one.model.model_id)
            self._keep_fault(one, RunFault(one.model.model_id, one.procuratorate, type(error).__name__))
            return []
        if result.refused_row is not None:
            self._take_note(one, result.refused_row)
        return result.findings

    def _new(self, findings: Sequence[Finding]) -> frozenset[str]:
        """Return the leads that were not raised yet."""
        return frozenset(one.lead_id for one in findings) - self.record.known(one.lead_id for one in findings)

    def _raise(self, one: Run, found: Sequence[Finding], size: int, as_of: datetime) -> int:
        """The number of leads made of those findings that are new; what is wrong with one stays with it."""
        known, raised = self.record.known(finding.lead_id for finding in found), 0
        agencies = self.record.authority().agencies
        for finding in found:
            if finding.lead_id in known:
                continue
            having = procuratorate_for(agencies, finding.supervised)
            if having is None:
                self._take_note(one, _supervised_by_nobody(finding))
                continue
            if not _concerns(agencies, one, finding):
                continue
            try:
                raised += self._put(one, finding, having, size, as_of)
            except Unavailable:
                raise  # nothing can be written now: all of it is looked at again
            except TallystickError as error:
                self._take_note(one, error)
            except Exception as error:  # a defect of ours at what one model finds: others' findings are raised
                logger.exception("a lead failed for a reason that nobody foresaw", model=one.model.model_id)
                self._keep_fault(one, RunFault(one.model.model_id, one.procuratorate, type(error).__name__))
        return raised

    def _put(self, one: Run, finding: Finding, having: str, size: int, as_of: datetime) -> bool:
        lead = lead_of(
            finding,
            one.model,
            one.parameters,
            procuratorate=having,
            size=size,
            as_of=as_of,
            events=self.record.events(finding.evidence),
            datasets=self.record.datasets(finding.dataset_id, finding.dataset_rows, size, one.procuratorate),
        )
        is_new = self.record.put(lead)
        if is_new:
            logger.info("lead raised", lead=lead.lead_id, model=lead.model_id, supervised=lead.supervised)
        return is_new

    # -- what is wrong -------------------------------------------------------------------------------------------------

    def _take_note(self, one: Run, error: TallystickError) -> None:
        model_id = one.model.model_id
        logger.warning("a model cannot be run", model=model_id, agency=one.procuratorate, reason=error.for_operator)
        self._keep_fault(one, fault_of(model_id, one.procuratorate, error))

    def _keep_fault(self, one: Run, fault: RunFault) -> None:
        """Keep the first fault of a run until everything is looked at again."""
        self._faults.setdefault((one.model.model_id, one.procuratorate), fault)

    def _told_faults(self) -> tuple[RunFault, ...]:
        return tuple(fault for _, fault in sorted(self._faults.items()))

    def _say_that_none_runs(self, why: RunFault) -> None:
        self.state = replace(self.state, faults=(why, *self._told_faults()))


def _procuratorate(run: Run) -> str:
    return run.procuratorate


def _supervised_by_nobody(finding: Finding) -> NotFound:
    return NotFound(
        f"no procuratorate supervises {finding.supervised}: nobody is told of {finding.lead_id}", field="supervised"
    )


def _concerns(agencies: Mapping[str, Agency], one: Run, finding: Finding) -> bool:
    """Whether the agency that must answer lies in the jurisdiction of the procuratorate that runs the model."""
    return is_within(agencies[finding.supervised], agencies[one.procuratorate])
