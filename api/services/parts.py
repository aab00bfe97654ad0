"""The parts of a running ledger, put together once by ``api.wiring`` and handed to the routes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from ledger.anchoring.timestamps import TimestampWorker
from ledger.anchoring.worker import ChainWorker
from ledger.config.settings import Settings
from ledger.core.signing.authority import Authority
from ledger.core.verification.trust import Trust
from ledger.recording.publisher import Publisher
from ledger.recording.registry_view import Registry
from ledger.recording.sequencer import Sequencer
from ledger.recording.validation import Validator
from ledger.store import log
from ledger.store.access import AccessLog
from ledger.store.database import Database
from ledger.supervision.runs.supervisor import Supervisor
from ledger.witness.gathering import Courier
from ledger.workers.pool import WorkerPool


class TrustSource(Protocol):
    """Gives the ledger's trust file as it stands now: the contracts join it once they are deployed."""

    @property
    def trust(self) -> Trust: ...


@dataclass(frozen=True, slots=True)
class Parts:
    """What a route may use. ``clock`` gives unix milliseconds; ``token_key`` is the 32-byte seed of the token key.

    ``chain_worker.link`` is the connected chain (its ``registry`` prepares and relays registry transactions) and raises
    Unavailable while there is none; ``courier`` knows how it stands with the witnesses, ``supervisor`` with the models.
    ``timestamp_worker`` is None where no timestamp authority is configured; ``workers`` do what may cost much.
    """

    settings: Settings
    trust: TrustSource
    database: Database
    registry: Registry
    validator: Validator
    sequencer: Sequencer
    publisher: Publisher
    access: AccessLog
    chain_worker: ChainWorker
    courier: Courier
    supervisor: Supervisor
    token_key: bytes
    clock: Callable[[], int]
    timestamp_worker: TimestampWorker | None = None
    workers: WorkerPool = field(default_factory=WorkerPool)

    def authority(self) -> Authority:
        """The registry as the log has it now, in whatever process it was written."""
        with self.database.read() as connection:
            return self.registry.at(connection, log.tree(connection).registry_changes)
