"""Standing: which models are run now, for whom and with which parameters; and how leads get into the log."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final

import structlog
from msgspec import Struct

from ledger.core.errors import Conflict, NotFound, RuleRefused, TallystickError, Unavailable
from ledger.core.events import Stream
from ledger.core.events.supervision import MAX_CITED, CitedDataset, LeadRaised
from ledger.core.events.terms import EventRef
from ledger.core.procedure.jurisdiction import in_line
from ledger.core.signing.authority import Agency, Authority
from ledger.core.supervision import ModelState
from ledger.core.supervision.models import STREAM
from ledger.recording import supervision_streams
from ledger.recording.system_stream import SystemStream
from ledger.store import log, supervision
from ledger.store.cases import Page
from ledger.store.database import Connection, Database
from ledger.supervision.catalogue import dataset_view
from ledger.supervision.models.refused import ModelRefused
from ledger.supervision.models.sql_guard import QueryRefused
from ledger.supervision.models.values import Model
from ledger.supervision.runs.datasets import Registered, current
from ledger.supervision.runs.isolated import ModelRunner
from ledger.supervision.wording import Wording

MODELS_AT_MOST: Final = 10_000

logger = structlog.get_logger(__name__)


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
        authority: Callable[[], Authority],
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
