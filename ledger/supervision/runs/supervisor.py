"""The supervisor: active models are run as the log grows, and what they find becomes leads.

A model that looks at one case at a time is run on the cases that have changed; every model is run over everything once
in a while, since clocks run out without an event. A finding that was raised before is the same lead and is not raised
again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby
from operator import attrgetter
from threading import Event
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from ledger.core.encoding.instants import spelled
from ledger.core.errors import Conflict, NotFound, RuleRefused, TallystickError, Unavailable
from ledger.core.events import Stream
from ledger.core.events.supervision import MAX_CITED, CitedDataset, LeadRaised
from ledger.core.events.terms import EventRef
from ledger.core.messages import Message
from ledger.core.procedure.jurisdiction import is_within
from ledger.core.signing.authority import AuthorityState
from ledger.core.supervision import ModelState
from ledger.core.supervision.models import STREAM
from ledger.core.visibility import SUPERVISORS, reader_of
from ledger.loggers import get_logger
from ledger.recording import supervision_streams
from ledger.recording.system_stream import SystemStream
from ledger.store import cases, log, supervision
from ledger.store.cases import Page
from ledger.store.database import Database
from ledger.supervision.model_faults import Wording
from ledger.supervision.models.definition import Model, Sql
from ledger.supervision.models.sql_guard import QueryRefused
from ledger.supervision.runs.dataset_rows import Registered
from ledger.supervision.runs.datasets import current_registrations, rank_in_line
from ledger.supervision.runs.export_runs import Export
from ledger.supervision.runs.findings import ModelFinding, cited_rows, lead_of, supervising_agency_for
from ledger.supervision.runs.model_runner import ModelRunner
from ledger.supervision.view_catalogue import dataset_view
from ledger.supervision.views.snapshot import LogHead, Views

MODELS_AT_MOST: Final = 10_000
LOOK_EVERY_S = 1.0
PAUSE = 4  # times as long as a look took passes until the next one
REST = 20  # times as long as a run over everything took passes until the next: a twentieth of the time is spent on it
ALL = "*"  # in the place of a model's id: what keeps all of them from being run

logger = get_logger(__name__)


class ModelRun(Struct, frozen=True):
    """A model as a supervising agency runs it: what it published, or what it adopted with parameters of its own."""

    model: Model
    supervising: str
    parameters: Mapping[str, str]


class RunFault(Struct, frozen=True):
    """What keeps an agency's run of a model from being done, or from raising all that it finds. ``says`` tells it in
    both languages where it has words for that, else in English. Every officer reads it: it has no value of a row."""

    model_id: str
    supervising: str
    says: Wording | str


def fault_of(model_id: str, supervising: str, error: TallystickError) -> RunFault:
    """Return what the error says of this run, which is nothing of its rows."""
    says = error.expected if isinstance(error, QueryRefused) else error.text
    return RunFault(model_id, supervising, says)


class ActiveModels(Struct, frozen=True):
    """Which models are run; ``faults`` are of those whose file this release cannot read."""

    runs: tuple[ModelRun, ...] = ()
    faults: tuple[RunFault, ...] = ()


class SupervisionLog:
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
        self.database = database
        self._system = system
        self._runner = runner or ModelRunner()
        self._versions: tuple[tuple[str, int], ...] = ()
        self._active = ActiveModels()

    def active_models(self) -> ActiveModels:
        """Return the models that are published or adopted and not retired, read anew if one has changed."""
        with self.database.read() as connection:
            rows = supervision.list_models(connection, Page(MODELS_AT_MOST, None), retired=False)
            versions = tuple((str(row["model_id"]), int(row["updated_index"])) for row in rows)
            # Reading a model takes a while; an unchanged list means unchanged definitions.
            if versions == self._versions:
                return self._active
            agencies = self.authority().agencies
            states = [
                supervision_streams.supervision_state(connection, STREAM + model_id, agencies)
                for model_id, _ in versions
            ]
        runs = [run for state in states if isinstance(state, ModelState) for run in self._runs(state)]
        self._active = ActiveModels(
            tuple(run for run in runs if isinstance(run, ModelRun)),
            tuple(run for run in runs if isinstance(run, RunFault)),
        )
        self._versions = versions
        return self._active

    def _runs(self, state: ModelState) -> Iterator[ModelRun | RunFault]:
        """Yield who runs the model: its publisher by its defaults, unless it adopted its own model with others."""
        wanted: dict[str, tuple[int, Mapping[str, str]]] = {state.publisher: (state.newest.body.version, {})}
        wanted |= {agency: (adoption.version, adoption.parameters) for agency, adoption in state.adoptions.items()}
        for agency, (version, parameters) in sorted(wanted.items()):
            definition = next(
                published.body.definition for published in state.versions if published.body.version == version
            )
            try:
                yield ModelRun(self._runner.read(definition), agency, parameters)
            except Unavailable:
                raise  # no worker was free: all of them are read again
            except TallystickError as error:
                logger.warning("a model is not run", model=state.model_id, version=version, reason=error.for_operator)
                yield fault_of(state.model_id, agency, error)

    def raised_among(self, lead_ids: Iterable[str]) -> frozenset[str]:
        """Return those of the leads that were raised."""
        with self.database.read() as connection:
            heads = log.heads(connection, [("supervision", lead_id) for lead_id in lead_ids])
        return frozenset(stream_id for _, stream_id in heads)

    def events(self, digests: Collection[str]) -> tuple[EventRef, ...]:
        """Return the first of the events with these payload digests, in log order: as many as a lead cites.

        Raises NotFound if one of them is not in the log.
        """
        with self.database.read() as connection:
            refs = log.references(connection, sorted(digests))
        if len(refs) < len(digests):
            missing = min(set(digests) - {digest for _, digest in refs})
            raise NotFound("the evidence {missing} is no event of the log", missing=missing, field="evidence")
        return tuple(EventRef(event_id=event_id, payload_digest=digest) for event_id, digest in refs[:MAX_CITED])

    def cited_cases(self, digests: Collection[str], supervising: str, as_of: datetime) -> tuple[str, ...]:
        """Return the ids of the cases of the events with these payload digests, of those that are ``seen_cases``.

        A query may name the digest of any event, and so of a case that is none of its agency's.
        """
        with self.database.read() as connection:
            refs = log.references(connection, sorted(digests))
            cited = log.entries_by_event_id(connection, [event_id for event_id, _ in refs]).values()
        case_ids = {entry.stream_id for entry in cited if entry.stream_kind == "case"}
        return self.seen_cases(case_ids, supervising, as_of)

    def seen_cases(self, case_ids: Collection[str], supervising: str, as_of: datetime) -> tuple[str, ...]:
        """Return those of the cases that the auditors of the supervising agency see, sorted."""
        reader = reader_of(supervising, SUPERVISORS, self.authority().agencies, now=spelled(as_of))
        with self.database.read() as connection:
            return tuple(sorted(cases.numbers_of(connection, case_ids, reader)))

    def datasets(self, listed: Mapping[str, Sequence[str]], size: int, supervising: str) -> tuple[CitedDataset, ...]:
        """Cite rows of the data sets, by their ids, that the supervising agency's models see at this tree size."""
        if not listed:
            return ()
        ranks = rank_in_line(supervising, self.authority().agencies)
        current = current_registrations(self._registered(size), ranks)
        cited = []
        for dataset_id, rows in cited_rows(listed).items():
            registered = current.get(dataset_view(dataset_id))
            if registered is None:
                raise NotFound("no data set {dataset_id} is registered", dataset_id=dataset_id, field="dataset_id")
            cited.append(CitedDataset(dataset_id=dataset_id, digest=registered.body.digest, rows=rows))
        return tuple(cited)

    def append(self, lead: LeadRaised) -> bool:
        """Record the lead durably; return False if another process raised it meanwhile."""
        try:
            self._system.append(lead, Stream(kind="supervision", id=lead.lead_id))
        except (Conflict, RuleRefused) as error:
            # Another process raised the same finding between our look and our write.
            if error.code in ("not_on_head", "raised_already"):
                return False
            raise
        return True


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
        record: SupervisionLog,
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
        self._ran: ActiveModels | None = None
        self._looked = LogHead(0, None)  # how far: others bring the views up to the log, too
        self._faults: dict[tuple[str, str], RunFault] = {}
        self.state = RunState()
        self.completed_runs = self.failed_runs = 0  # over everything; and looks that ended in a fault

    @property
    def viewed(self) -> int:
        """Return the size of the log up to which models have seen it."""
        return self._looked.size

    def run(self, stop: Event) -> None:
        """Look at the log until ``stop`` is set."""
        self._stop = stop
        while not stop.is_set():
            began = time.monotonic()
            self.try_step()
            self.record.database.activity.pause(stop, max(LOOK_EVERY_S, PAUSE * (time.monotonic() - began)))

    def try_step(self) -> None:
        """Take a step. A failure is kept in the state, and later steps are still taken."""
        try:
            self.step()
        except TallystickError as error:
            self.failed_runs += 1
            logger.warning("supervision cannot look", reason=error.for_operator)
            self._report_that_none_runs(fault_of(ALL, "", error))
        except Exception:
            self.failed_runs += 1
            logger.exception("supervision cannot look for a reason that nobody foresaw")
            self._report_that_none_runs(RunFault(ALL, "", Wording("run_failed")))

    def step(self) -> int:
        """Look at what has changed, or at everything if that is due; return the number of leads raised."""
        active = self.record.active_models()
        if not active.runs and not active.faults:
            self._faults.clear()
            self.state = replace(self.state, faults=())
            return 0
        head = self.views.refresh()
        touched = self.views.touched(self._looked, head)
        if touched is None or active is not self._ran or time.monotonic() >= self._next_whole:
            return self._run_all_models(active, head)
        # A model that compares cases could not tell from the changed ones alone.
        small = [run for run in active.runs if run.model.scope == "case"] if touched else []
        raised = self._run_models(small, cases=touched)
        self._looked = head
        self.state = replace(self.state, raised=self.state.raised + raised, faults=self._sorted_faults())
        return raised

    def _run_all_models(self, active: ActiveModels, head: LogHead) -> int:
        began = time.monotonic()
        self._faults = {(fault.model_id, fault.supervising): fault for fault in active.faults}
        raised = self._run_models(active.runs)
        took = time.monotonic() - began
        self.completed_runs += 1
        self._next_whole = began + took + max(self._interval_s, REST * took)
        self._ran, self._looked = active, head
        raised_so_far = self.state.raised + raised
        self.state = RunState(self._clock(), head.size, int(took * 1000), raised_so_far, self._sorted_faults())
        return raised

    def _run_models(self, runs: Iterable[ModelRun], *, cases: frozenset[str] | None = None) -> int:
        """Run these models over all cases or some of them; a fault of one stays with it."""
        # Whole seconds, as a lead spells its moment.
        as_of = datetime.fromtimestamp(self._clock() // 1000, UTC)
        of = attrgetter("supervising")
        by_agency = groupby(sorted(runs, key=of), key=of)
        return sum(self._run_models_of(agency, list(group), cases, as_of) for agency, group in by_agency)

    def _run_models_of(
        self, supervising: str, runs: Sequence[ModelRun], cases: frozenset[str] | None, as_of: datetime
    ) -> int:
        """Run the models of one supervising agency over what it may see."""
        raised, hinted = 0, list[tuple[ModelRun, frozenset[str]]]()
        agency = self.record.authority().agencies[supervising]
        with self.views.export(cases, of=agency, now=as_of) as export:
            for run in runs:
                findings = self._run_model(run, export, as_of)
                if cases is not None and isinstance(run.model.condition, Sql):
                    lead_ids = frozenset(finding.lead_id for finding in findings)
                    hinted.append((run, lead_ids - self.record.raised_among(lead_ids)))
                else:
                    raised += self._raise_leads(run, findings, export.size, as_of)
        # SQL says of itself that a finding depends on one case alone, and may be wrong: what it finds in some cases is
        # raised where it finds that in all of them, too.
        if any(lead_ids for _, lead_ids in hinted):
            with self.views.export(of=agency, now=as_of) as export:
                for run, lead_ids in hinted:
                    findings = self._run_model(run, export, as_of) if lead_ids else []
                    both = [finding for finding in findings if finding.lead_id in lead_ids]
                    raised += self._raise_leads(run, both, export.size, as_of)
        return raised

    def _run_model(self, run: ModelRun, export: Export, as_of: datetime) -> list[ModelFinding]:
        """Return what the model finds: nothing where its run fails, which is noted. A row that is no finding stops no
        other."""
        if self._stop.is_set():
            raise Unavailable("this service is ending")
        try:
            result = self._runner.run(export, run.model, run.parameters, as_of)
        except Exception as error:  # noqa: BLE001 - it is logged and kept; the other models are run
            self._note_error(run, error)
            return []
        if result.refused_row is not None:
            self._note_row(run, result.refused_row, result.refused_row.text)
        return result.findings

    def _raise_leads(self, run: ModelRun, findings: Sequence[ModelFinding], size: int, as_of: datetime) -> int:
        """Raise the findings that are new as leads and return their number; a fault of one stays with it."""
        already, raised = self.record.raised_among(finding.lead_id for finding in findings), 0
        agencies = self.record.authority().agencies
        for finding in findings:
            if finding.lead_id in already:
                continue
            supervising, supervised = supervising_agency_for(agencies, finding.supervised), finding.supervised
            if supervising is None:
                message = Message(
                    "no agency supervises {supervised}: nobody is told of {finding.lead_id}",
                    supervised=supervised,
                    finding=finding,
                )
                says = Wording("row_no_agency", column=run.model.lead.supervised)
                self._note_row(run, NotFound(message, field="supervised"), says)
                continue
            if not is_within(agencies[supervised], agencies[run.supervising]):
                continue  # the agency that must answer is outside the jurisdiction of who runs the model
            try:
                raised += self._raise_lead(run, finding, supervising, size, as_of)
            except Unavailable:
                raise  # nothing can be written now: all of it is looked at again
            except TallystickError as error:
                self._note_row(run, error, Wording("row_no_lead"))
            except Exception as error:  # noqa: BLE001 - it is logged and kept; the other findings are raised
                self._note_error(run, error)
        return raised

    def _raise_lead(self, run: ModelRun, finding: ModelFinding, supervising: str, size: int, as_of: datetime) -> bool:
        events = self.record.events(finding.evidence)
        lead = lead_of(
            finding,
            run.model,
            run.parameters,
            supervising=supervising,
            size=size,
            as_of=as_of,
            events=events,
            cases=self.record.cited_cases([ref.payload_digest for ref in events], run.supervising, as_of),
            datasets=self.record.datasets(finding.listed, size, run.supervising),
            zone=self.views.zone,
            procedures=self.views.procedures(size),
        )
        is_new = self.record.append(lead)
        if is_new:
            logger.info("lead raised", lead=lead.lead_id, model=lead.model_id, supervised=lead.supervised)
        return is_new

    # -- what is wrong -------------------------------------------------------------------------------------------------

    def _note_error(self, run: ModelRun, error: Exception) -> None:
        """Log what went wrong, and keep the first fault of a run until everything is looked at again."""
        model_id, agency = run.model.model_id, run.supervising
        if isinstance(error, TallystickError):
            logger.warning("a model cannot be run", model=model_id, agency=agency, reason=error.for_operator)
            fault = fault_of(model_id, agency, error)
        else:  # a defect of ours
            logger.error("a model failed for a reason that nobody foresaw", model=model_id, exc_info=error)
            fault = RunFault(model_id, agency, Wording("run_failed"))
        self._faults.setdefault((model_id, agency), fault)

    def _note_row(self, run: ModelRun, error: TallystickError, says: Message) -> None:
        """Log why a row becomes no lead. The error may quote the row; the fault ``says`` it without."""
        model_id, agency = run.model.model_id, run.supervising
        logger.warning("a row becomes no lead", model=model_id, agency=agency, reason=error.for_operator)
        self._faults.setdefault((model_id, agency), RunFault(model_id, agency, says))

    def _sorted_faults(self) -> tuple[RunFault, ...]:
        return tuple(fault for _, fault in sorted(self._faults.items()))

    def _report_that_none_runs(self, why: RunFault) -> None:
        self.state = replace(self.state, faults=(why, *self._sorted_faults()))
