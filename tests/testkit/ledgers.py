"""Ledgers that run: a database, the parts that write it, a clock that the test moves.

    with open_founded(url, clerk(POLICE)) as ledger:
        case = Case().open()
        receipt = ledger.post(case.last)

A second ``open_ledger`` on the same URL is what a restarted or a second process would be.
"""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import NamedTuple

from api.services.parts import RecordingParts
from api.wiring import make_recording_parts
from ledger.config.keys import LocalSigner
from ledger.core.encoding import canonical
from ledger.core.events import Body
from ledger.core.events.registry import RegistryChange
from ledger.core.events.supervision import ModelPublished
from ledger.core.log.checkpoints import Checkpoint
from ledger.core.log.merkle import leaf_hash
from ledger.core.log.notes import SeedSigner
from ledger.core.log.tlog_proofs import parse_tlog_proof
from ledger.core.procedure.rulebook import Rulebook
from ledger.procedures import shipped_procedures
from ledger.recording import supervision_streams
from ledger.recording.publisher import Receipt
from ledger.recording.sequencer import Answer
from ledger.recording.validation import Duplicate
from ledger.store.database import Database
from ledger.store.log import initialise
from ledger.store.opening import open_database
from ledger.supervision.library.publishing import ModelDefinitions
from tests.testkit import builders
from tests.testkit.builders import LOG_ID, SERVICE, START, Officer, SignedEvent, Writer, instant
from tests.testkit.parsing import parse_models_once
from tests.testkit.statements import share_compiled_statements

share_compiled_statements()
parse_models_once()

ORIGIN = "ledger.test/tests"
LOG_SIGNER = SeedSigner.from_seed(ORIGIN, b"\x11" * 32)
ANSWER_WITHIN = 60  # seconds


@dataclass
class Clock:
    """Unix milliseconds, moved by the test."""

    ms: int = (START + 3600) * 1000

    def __call__(self) -> int:
        return self.ms

    @property
    def seconds(self) -> int:
        return self.ms // 1000

    def forward(self, seconds: float) -> None:
        self.ms += int(seconds * 1000)

    @contextmanager
    def not_before(self, seconds: int) -> Iterator[None]:
        """Stands at these unix seconds, if they are ahead, until the block is left."""
        ahead = max(0, seconds - self.seconds)
        self.forward(ahead)
        yield
        self.forward(-ahead)


@dataclass
class Ledger:
    """One process's parts over a database. The registry it was founded with is extended by ``mirror``."""

    recording: RecordingParts
    clock: Clock
    changes: builders.Registry = field(default_factory=builders.Registry)
    system_writer: Writer = field(default_factory=lambda: Writer("system", "ledger", step=0))

    def __post_init__(self) -> None:
        recording = self.recording
        self.database, self.registry, self.system = recording.database, recording.registry, recording.system
        self.validator, self.sequencer, self.publisher = recording.validator, recording.sequencer, recording.publisher

    def found(self, *officers: Officer) -> Ledger:
        """Admits the officers' agencies and grants their keys, by real entries of the log."""
        self.changes.admit(*dict.fromkeys(officer.agency for officer in officers)).grant(*officers)
        self.post_all([self._change(body) for body in self.changes.bodies])
        return self

    def mirror(self, body: RegistryChange) -> Receipt:
        """Put one change of the registry into the log."""
        return self.put(body)

    def put(self, body: Body) -> Receipt:
        """Put an entry of the service's own into the log."""
        return self.post(self._change(body))

    def _change(self, body: Body) -> SignedEvent:
        now = self.clock.seconds
        return self.system_writer.write(
            body, SERVICE, signed_at=now, occurred_at=instant(min(now, self.system_writer.now))
        )

    def submit(self, event: SignedEvent | bytes) -> Future[Answer]:
        """Validate and queue an event. Raises the refusal."""
        data = event if isinstance(event, bytes) else event.submission
        return self.sequencer.submit(self.validator.validate(data, self._now_of(event)))

    def submit_together(self, events: list[SignedEvent]) -> list[Future[Answer]]:
        """Validate the events one on the other and queue them to be recorded all or not at all; none may be stored."""
        pairs = []
        for event in events:
            judged = self.validator.validate(event.submission, self._now_of(event))
            assert not isinstance(judged, Duplicate)
            future: Future[Answer] = Future()
            pairs.append((judged, future))
        self.sequencer.queue_together(pairs)
        return [future for _, future in pairs]

    def _now_of(self, event: SignedEvent | bytes) -> int:
        """When the event is judged: now, or when it was signed where a case runs ahead of the clock."""
        signed_at = event.envelope.signed_at if isinstance(event, SignedEvent) else 0
        return max(self.clock.seconds, signed_at)

    def post(self, event: SignedEvent | bytes) -> Receipt:
        """Return the receipt, new or stored; raise the refusal."""
        return self.receipt(self.submit(event))

    def post_all(self, events: list[SignedEvent]) -> list[Receipt]:
        return [self.receipt(future) for future in [self.submit(event) for event in events]]

    def receipt(self, future: Future[Answer]) -> Receipt:
        answer = future.result(ANSWER_WITHIN)
        return self.publisher.stored_receipt(self.database, answer.entry) if isinstance(answer, Duplicate) else answer


def verified(receipt: Receipt, event: SignedEvent) -> Checkpoint:
    """Return the checkpoint that the receipt's proof leads to, from this event's entry to the log's signature."""
    leaf = leaf_hash(event.entry)
    assert receipt.leaf_hash == f"sha256:{leaf.hex()}"
    assert receipt.event_id == event.envelope.event_id
    proof = parse_tlog_proof(receipt.proof)
    assert proof.index == receipt.index
    return proof.verify(leaf, LOG_SIGNER.verifying_key)


def receipt_bytes(receipt: Receipt) -> bytes:
    """Return the receipt as a client keeps it."""
    return canonical.encode(receipt)


class Untried(ModelDefinitions):
    """Takes every definition, as a release that judged otherwise may have: for tests of what becomes of one."""

    def require_publishable(self, body: ModelPublished, agency: str, in_force: Collection[Rulebook]) -> None:
        """Nothing is tried."""


@contextmanager
def open_ledger(
    url: str,
    *,
    clock: Clock | None = None,
    start: bool = True,
    definitions: supervision_streams.Definitions | None = None,
    copies: int = 1,
) -> Iterator[Ledger]:
    """Yield a running ledger; ``start`` False leaves the sequencer standing, so that a batch can be gathered."""
    lay_tables(url)
    database = open_database(url, copies=copies)
    initialise(database, LOG_ID)
    ledger = assemble(database, clock or Clock(), definitions)
    if start:
        ledger.sequencer.start()
    try:
        yield ledger
    finally:
        ledger.sequencer.stop()
        database.close()


@contextmanager
def open_founded(
    url: str,
    *officers: Officer,
    clock: Clock | None = None,
    definitions: supervision_streams.Definitions | None = None,
    then: Callable[[Ledger], object] | None = None,
) -> Iterator[Ledger]:
    """Yield a running ledger on an empty database that was founded for these officers, and what ``then`` did with it.

    On SQLite it is a copy of one that was founded before, at the same moment of the clock, and closed.
    """
    clock = clock or Clock()
    if url.startswith("sqlite:") and _is_untouched(Path(_path_of(url))):
        founded = _founded(officers, clock.ms, then)
        _lay(url, founded.files)
        clock.ms = founded.clock_ms
        with open_ledger(url, clock=clock, definitions=definitions) as ledger:
            ledger.changes, ledger.system_writer = pickle.loads(founded.writers)
            yield ledger
    else:
        with open_ledger(url, clock=clock, definitions=definitions) as ledger:
            ledger.found(*officers)
            if then:
                then(ledger)
            yield ledger


def lay_tables(url: str) -> None:
    """Copy a migrated database to where a SQLite file is about to be made: migrating takes longer than most tests.

    Whoever opens the copy checks its version and its tables like any other. Does nothing where there is a file.
    """
    if url.startswith("sqlite:") and not Path(_path_of(url)).exists():
        _lay(url, _migrated())


class Founded(NamedTuple):
    """The files of a founded ledger, and who goes on writing its registry, pickled."""

    files: dict[str, bytes]
    writers: bytes
    clock_ms: int


@cache
def _founded(officers: tuple[Officer, ...], clock_ms: int, then: Callable[[Ledger], object] | None) -> Founded:
    with tempfile.TemporaryDirectory(prefix="tallystick-founded-") as folder:
        with open_ledger(sqlite_url(folder), clock=Clock(clock_ms)) as ledger:
            ledger.found(*officers)
            if then:
                then(ledger)
        return Founded(_files_in(folder), pickle.dumps((ledger.changes, ledger.system_writer)), ledger.clock.ms)


@cache
def _migrated() -> dict[str, bytes]:
    """Give the files of an empty database that went through every migration."""
    with tempfile.TemporaryDirectory(prefix="tallystick-tables-") as folder:
        open_database(sqlite_url(folder)).close()
        return _files_in(folder)


def _files_in(folder: str) -> dict[str, bytes]:
    """Give both files of a database that was closed, by how their names end."""
    return {suffix: Path(folder, f"ledger{suffix}").read_bytes() for suffix in (".db", "-access.db")}


def _is_untouched(path: Path) -> bool:
    """Return whether nobody has opened this database, if there is one: it is as ``lay_tables`` left it."""
    return not path.exists() or path.read_bytes() == _migrated()[".db"]


def _lay(url: str, files: dict[str, bytes]) -> None:
    path = Path(_path_of(url))
    for ending, content in files.items():
        copy = path.with_name(f"{path.stem}{ending}").with_suffix(path.suffix)
        copy.touch(0o600)
        copy.write_bytes(content)


def _path_of(url: str) -> str:
    return url.partition(":///")[2]


STATE_KEY = bytes(32)


def assemble(database: Database, clock: Clock, definitions: supervision_streams.Definitions | None = None) -> Ledger:
    """Return the parts over an open database."""
    recording = make_recording_parts(
        database,
        log_id=LOG_ID,
        log_signer=LOG_SIGNER,
        service_keys=SERVICE.key_id,
        service_signer=LocalSigner.from_private_key(SERVICE.key.secret),
        definitions=definitions or ModelDefinitions(),
        clock=clock,
        procedures=shipped_procedures(),
        state_key=STATE_KEY,
    )
    return Ledger(recording, clock)


def sqlite_url(folder: object) -> str:
    """Return a database file of its own in ``folder``."""
    return f"sqlite:///{folder}/ledger.db"
