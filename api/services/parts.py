"""The parts of a running ledger, put together once by ``api.wiring`` and handed to the routes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Thread
from typing import Protocol

from api.middleware.measuring import RequestMeasures
from api.services.peers import Peers
from api.services.validators import ValidatorPool
from ledger.anchoring.state_proofs import StateProofs
from ledger.anchoring.timestamps import TimestampWorker
from ledger.anchoring.worker import ChainWorker
from ledger.config.settings import Settings
from ledger.core.procedure.zones import Zone
from ledger.core.signing.authority import AuthorityState
from ledger.core.trust.trust_file import Trust
from ledger.deadlines.zone_tables import named_zone
from ledger.evidence.kept_evidence import KeptEvidence
from ledger.recording.clock_judge import ClockJudge
from ledger.recording.measures import Histogram
from ledger.recording.publisher import Publisher
from ledger.recording.registry_view import Registry
from ledger.recording.sequencer import Sequencer
from ledger.recording.system_stream import SystemStream
from ledger.recording.uploading import TileUploader
from ledger.recording.validation import Validator
from ledger.store import log
from ledger.store.access import AccessLog
from ledger.store.database import Database
from ledger.store.replicas import Replicas
from ledger.supervision.runs.supervisor import Supervisor
from ledger.timeline.diagrams import TrailFiles
from ledger.witness.gathering.collector import CosignatureCollector
from ledger.workers.pool import WorkerPool

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
    """Counts and durations of what the service does, kept in memory for whoever watches it.

    ``file_checks`` are the files of the evidence store that were hashed again, by outcome, ``provider_sign_ins`` the
    sign-ins by identity providers, by SIGNED_IN or the code of the refusal.
    """

    requests: RequestMeasures = field(default_factory=RequestMeasures)
    submissions: SubmissionMeasures = field(default_factory=SubmissionMeasures)
    file_checks: Counter[str] = field(default_factory=Counter)
    provider_sign_ins: Counter[str] = field(default_factory=Counter)


class TrustSource(Protocol):
    """Gives the ledger's trust file as it is now; the contracts are added once they are deployed."""

    @property
    def trust(self) -> Trust: ...


@dataclass(frozen=True, slots=True)
class RecordingParts:
    """The parts that record events over one database. ``log_id`` and keys are those that the database was made for."""

    database: Database
    registry: Registry
    validator: Validator
    publisher: Publisher
    sequencer: Sequencer
    system: SystemStream

    def authority(self) -> AuthorityState:
        """Return the registry as the log has it now, including what other processes have written."""
        with self.database.read() as connection:
            return self.registry.at(connection, log.tree(connection).registry_changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts(RecordingParts):
    """The parts that a route may use. ``clock`` returns unix milliseconds; ``token_key`` is the 32-byte seed of the
    token key.

    ``chain_worker.link`` is the connected chain, whose ``registry`` prepares and relays transactions; it raises
    Unavailable while there is none. ``states`` has its state proofs. ``collector`` knows the state of the witnesses,
    ``supervisor`` that of the models. ``trails`` are what pictures of long cases go on from, None if none are kept.
    ``timestamp_worker`` is None without a timestamp authority, ``uploader`` without a public store, ``evidence``
    without an evidence store. ``workers`` do what may be costly, ``validators`` validate submissions of cases if there
    are any. ``peers`` are other services on this machine that share the database, ``replicas`` copies of it.
    ``measures`` count what is done for clients. ``loops`` are the threads that work until the service stops, each named
    for what it does. ``clock_judge`` decides about a clock that has jumped.
    """

    settings: Settings
    trust: TrustSource
    access: AccessLog
    chain_worker: ChainWorker
    states: StateProofs
    collector: CosignatureCollector
    supervisor: Supervisor
    validators: ValidatorPool
    peers: Peers
    replicas: Replicas
    token_key: bytes
    clock: Callable[[], int]
    trails: TrailFiles | None = None
    timestamp_worker: TimestampWorker | None = None
    uploader: TileUploader | None = None
    evidence: KeptEvidence | None = None
    clock_judge: ClockJudge | None = None
    workers: WorkerPool = field(default_factory=WorkerPool)
    measures: ServiceMeasures = field(default_factory=ServiceMeasures)
    loops: list[Thread] = field(default_factory=list)

    def zone(self) -> Zone:
        """Return the time zone of what concerns no case: that of the settings, or else of the first procedure."""
        name = self.settings.time_zone
        return self.validator.procedures().zone if name is None else named_zone(name)
