"""The ledger of a telling from within its service: the parts that requests come to, without the requests."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ledger.chain.calls import ContractDomain
from ledger.chain.registry import RegistryClient
from ledger.chain.transaction import sign
from ledger.config.keys import Signer
from ledger.core.events import Envelope, decode_envelope
from ledger.core.events.record import DatasetRegistered
from ledger.core.signing.authority import Authority
from ledger.recording.publisher import Receipt
from ledger.recording.sequencer import Sequencer
from ledger.recording.validation import Duplicate, Validator
from ledger.samples.telling import Head
from ledger.store import log
from ledger.store.database import Database
from ledger.supervision.runs.datasets import DatasetFiles


class InsideLedger:
    """Implements ``telling.Ledger``. ``registry`` raises Unavailable while no chain is connected; ``clock`` gives unix
    milliseconds. Its calls wait: they belong in a thread of their own."""

    def __init__(
        self,
        *,
        database: Database,
        validator: Validator,
        sequencer: Sequencer,
        authority: Callable[[], Authority],
        registry: Callable[[], RegistryClient],
        files: DatasetFiles,
        clock: Callable[[], int],
    ):
        self._database = database
        self._validator = validator
        self._sequencer = sequencer
        self._authority = authority
        self._registry = registry
        self._files = files
        self._clock = clock
        self.log_id = authority().log_id

    def entries(self) -> Iterator[Envelope]:
        with self._database.read() as connection:
            for stored in log.entries(connection, 0, log.tree(connection).size):
                yield decode_envelope(stored.envelope)

    def granted(self) -> frozenset[str]:
        return frozenset(self._authority().grants)

    def registry_domain(self) -> ContractDomain:
        return self._registry().domain(self.log_id)

    def relay(self, call: bytes, admin: Signer, /) -> None:
        registry = self._registry()
        registry.relay(sign(registry.prepare(admin.key_id, call), admin).raw)

    def submit(self, submission: bytes, /) -> int:
        judged = self._validator.validate(submission, self._clock() // 1000)
        answer = judged if isinstance(judged, Duplicate) else self._sequencer.submit(judged).result()
        return answer.index if isinstance(answer, Receipt) else answer.entry.log_index

    def give(self, dataset: DatasetRegistered, data: bytes, /) -> None:
        self._files.keep(dataset, data)

    def lead(self, lead_id: str, /) -> Head | None:
        stream = ("supervision", lead_id)
        with self._database.read() as connection:
            found = log.heads(connection, [stream]).get(stream)
        return Head(found.sequence, found.digest) if found else None
