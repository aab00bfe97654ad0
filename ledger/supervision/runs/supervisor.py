"""Standing: which models are run now, for whom and with which parameters; and how leads get into the log."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import groupby
from threading import Event
from typing import Final

import structlog
from msgspec import Struct
from msgspec.structs import replace

from ledger.core.errors import Conflict, NotFound, RuleRefused, TallystickError, Unavailable
from ledger.core.events import Stream
from ledger.core.events.supervision import MAX_CITED, CitedDataset, LeadRaised
from ledger.core.events.terms import EventRef
from ledger.core.procedure.jurisdiction import in_line, is_within
from ledger.core.signing.authority import Agency, AuthorityState
from ledger.core.supervision import ModelState
from ledger.core.supervision.models import STREAM
from ledger.recording import supervision_streams
from ledger.recording.system_stream import SystemStream
from ledger.store import log, supervision
from ledger.store.cases import Page
from ledger.store.database import Connection, Database
from ledger.supervision.leads import lead_of, procuratorate_for
from ledger.supervision.model_faults import ModelRefused, Wording
from ledger.supervision.models.definition import Model, Sql
from ledger.supervision.models.sql_guard import QueryRefused
from ledger.supervision.runs.datasets import Registered, current
from ledger.supervision.runs.findings import Finding
from ledger.supervision.runs.model_runner import ModelRunner
from ledger.supervision.view_catalogue import dataset_view
from ledger.supervision.views import Export, Head, Views

MODELS_AT_MOST: Final = 10_000


class Run(Struct, frozen=True):
    """A model as a procuratorate runs it: what it published, or what it adopted with parameters of its own."""

    model: Model
    procuratorate: str
    parameters: Mapping[str, str]


class RunFault(Struct, frozen=True):
    """What keeps a procuratorate's run of a model from being done, or from raising all that it finds. ``says`` tells it
    in both languages where it has words for that, else in English."""

    model_id: str
    procuratorate: str
    says: Wording | str


def fault_of(model_id: str, procuratorate: str, error: TallystickError) -> RunFault:
    """What the error tells of this run."""
    says = error.expected if isinstance(error, ModelRefused | QueryRefused) else error.message
    return RunFault(model_id, procuratorate, says)


class Standing(Struct, frozen=True):
    """Which models are run; ``faults`` are of those whose file this release cannot read."""

    runs: tuple[Run, ...] = ()
    faults: tuple[RunFault, ...] = ()


class Record:
    """The log, as supervision reads and writes it. ``registered`` gives the registrations of data sets below a tree
    size, in the order of the log; ``runner`` reads models, which other people wrote."""

    def __init__(
        self,
        database: Database,
        authority: Callable[[], AuthorityState],
        system: SystemStream,
        registered: Callable[[int], Iterable[Registered]],
        runner: ModelRunner | None = None,
    ):
        self.authority = authority
        self._registered = registered
        self._database = database
        self._system = system
        self._runner = runner or ModelRunner()
        self._known: tuple[tuple[str, int], ...] = ()
        self._standing = Standing()

    def standing(self) -> Standing:
        """The models that are published or adopted and not retired, read anew where one has changed."""
        with self._database.read() as connection:
            rows = supervision.list_models(connection, Page(MODELS_AT_MOST, None), retired=False)
            known = tuple((str(row["model_id"]), int(row["updated_index"])) for row in rows)
            if known == self._known:
                return self._standing
            agencies = self.authority().agencies
            states = [_model_of(connection, model_id, agencies) for model_id, _ in known]
        found = [one for state in states for one in self._runs(state)]
        self._standing = Standing(
            tuple(one for one in found if isinstance(one, Run)),
            tuple(one for one in found if isinstance(one, RunFault)),
        )
        self._known = known
        return self._standing

    def _runs(self, state: ModelState) -> Iterator[Run | RunFault]:
        """Who runs the model: its publisher by its defaults, unless it adopted its own model with others."""
        wanted: dict[str, tuple[int, Mapping[str, str]]] = {state.publisher: (state.newest.body.version, {})}
        wanted |= {agency: (adoption.version, adoption.parameters) for agency, adoption in state.adoptions.items()}
        for agency, (version, parameters) in sorted(wanted.items()):
            definition = next(one.body.definition for one in state.versions if one.body.version == version)
            try:
                yield Run(self._runner.read(definition), agency, parameters)
            except Unavailable:
                raise  # no worker was free: all of them are read again
            except TallystickError as error:
                logger.warning("a model is not run", model=state.model_id, version=version, reason=error.for_operator)
                yield fault_of(state.model_id, agency, error)

    def known(self, lead_ids: Iterable[str]) -> frozenset[str]:
        """Those of the leads that were raised."""
        with self._database.read() as connection:
            heads = log.heads(connection, [("supervision", lead_id) for lead_id in lead_ids])
        return frozenset(stream_id for _, stream_id in heads)

    def events(self, digests: Collection[str]) -> tuple[EventRef, ...]:
        """The first of the events of these payload digests, in the order of the log: as many as a lead cites.

        Raises NotFound where one of them is not in the log.
        """
        with self._database.read() as connection:
            refs = log.references(connection, sorted(digests))
        if len(refs) < len(digests):
            missing = min(set(digests) - {digest for _, digest in refs})
            raise NotFound(f"the evidence {missing} is no event of the log", field="evidence")
        return tuple(EventRef(event_id=event_id, payload_digest=digest) for event_id, digest in refs[:MAX_CITED])

    def datasets(
        self, dataset_id: str | None, rows: Sequence[str], size: int, procuratorate: str
    ) -> tuple[CitedDataset, ...]:
        """The citation of rows of the data set that models of the procuratorate see at this tree size; none of None."""
        if dataset_id is None:
            return ()
        agencies = self.authority().agencies
        near = {name for name, agency in agencies.items() if in_line(agency, agencies[procuratorate])}
        found = current(self._registered(size), near).get(dataset_view(dataset_id))
        if found is None:
            raise NotFound(f"no data set {dataset_id} is registered", field="dataset_id")
        cited = CitedDataset(dataset_id=found.body.dataset_id, digest=found.body.digest, rows=tuple(rows[:MAX_CITED]))
        return (cited,)

    def put(self, lead: LeadRaised) -> bool:
        """Whether the lead is new: another process may have raised it meanwhile. Durable when this returns."""
        try:
            self._system.append(lead, Stream(kind="supervision", id=lead.lead_id))
        except (Conflict, RuleRefused) as error:
            if error.code in ("not_on_head", "raised_already"):
                return False
            raise
        return True


def _model_of(connection: Connection, model_id: str, agencies: Mapping[str, Agency]) -> ModelState:
    state = supervision_streams.matter_of(connection, STREAM + model_id, agencies)
    assert isinstance(state, ModelState)
    return state


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
