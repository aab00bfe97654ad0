"""The service's own stream: what the service signs goes the same way as every other submission."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from threading import Lock

from ledger.core.errors import Conflict, Unavailable
from ledger.core.events import SYSTEM_STREAM_ID, Body, Stream
from ledger.core.events.record import AccessSealed, HeadsMapped
from ledger.core.log.head_map import MAP_SALT
from ledger.core.log.merkle import Hash
from ledger.core.signing import authority
from ledger.core.signing.signatures import TransactionSigner
from ledger.recording.event_signing import Actor, Sources, StreamPosition, sign_event
from ledger.recording.publisher import Publisher, Receipt
from ledger.recording.sequencer import Answer, Sequencer
from ledger.recording.validation import Duplicate, Validator
from ledger.store import bindings, log
from ledger.store.access import AccessLog
from ledger.store.append import ValidatedSubmission
from ledger.store.database import Connection, Database
from ledger.store.log import StoredEntry

TRIES = 5  # another process may write here too; each loss shows the new head
TIMEOUT = 60  # seconds for a commit

_STREAM = Stream(kind="system", id=SYSTEM_STREAM_ID)


class SystemStream:
    """Appends entries signed by the service's key. ``clock`` gives unix milliseconds."""

    def __init__(
        self,
        database: Database,
        validator: Validator,
        sequencer: Sequencer,
        publisher: Publisher,
        signer: TransactionSigner,
        *,
        log_id: bytes,
        clock: Callable[[], int],
    ):
        self._database = database
        self._validator = validator
        self._sequencer = sequencer
        self._publisher = publisher
        self._actor = Actor(authority.SERVICE_AGENCY, authority.SERVICE_OFFICER, signer)
        self._log_id = log_id
        self._now: Callable[[], int] = lambda: clock() // 1000  # signs and judges by one clock
        self._lock = Lock()

    def append(self, body: Body, stream: Stream = _STREAM) -> Receipt:
        """Sign ``body`` on the head of ``stream`` and wait until it is durable.

        Raises:
            Unavailable: nothing was committed, or the outcome is unknown.
            Conflict: the log has this change of the registry already.
        """
        # One at a time: two threads of this process would compete for the same head.
        with self._lock:
            for _ in range(TRIES - 1):
                try:
                    return self._append(body, stream)
                except Conflict as lost:
                    if lost.code != "not_on_head":
                        raise
            return self._append(body, stream)

    def append_map(self, root_at: Callable[[Connection, int], Hash]) -> Receipt:
        """Commit to a head map, by the entry that stands right behind those that the map is of.

        ``root_at`` returns the root of the map over all entries of the log, given their number. It is called while the
        log is locked. Raises what it raises, and Unavailable as ``append``.
        """

        def make(connection: Connection, size: int) -> ValidatedSubmission:
            place = StreamPosition.after(_STREAM, log.head(connection, _STREAM.kind, _STREAM.id))
            # The payload must follow from root and envelope, so nothing in it is by chance.
            sources = Sources(now=self._now, salt=lambda: MAP_SALT)
            body = HeadsMapped(root="0x" + root_at(connection, size).hex())
            signed = sign_event(body, place, self._actor, self._log_id, sources=sources)
            validated = self._validator.validate(signed.submission, self._now())
            assert isinstance(validated, ValidatedSubmission), "its event id is fresh"
            return validated

        with self._lock:
            return self._receipt(self._sequencer.submit(make))

    def _append(self, body: Body, stream: Stream) -> Receipt:
        with self._database.read() as connection:
            place = StreamPosition.after(stream, log.head(connection, stream.kind, stream.id))
        signed = sign_event(body, place, self._actor, self._log_id, sources=Sources(now=self._now))
        validated = self._validator.validate(signed.submission, self._now())
        return self._receipt(self._sequencer.submit(validated))

    def _receipt(self, waiting: Future[Answer]) -> Receipt:
        try:
            answer = waiting.result(TIMEOUT)
        except TimeoutError as error:
            raise Unavailable("no commit within {timeout} s", timeout=TIMEOUT, code="outcome_unknown") from error
        if isinstance(answer, Duplicate):
            return self._publisher.stored_receipt(self._database, answer.entry)
        return answer


LONGEST_UNSEALED_MS = 3600 * 1000


class AccessLogSealer:
    """Writes the seals that are due."""

    def __init__(self, database: Database, access: AccessLog, system: SystemStream):
        self._database = database
        self._access = access
        self._system = system
        self._bound_at: int | None = None  # when step first saw an unsealed binding of rows that people see

    def step(self, now_ms: int) -> Receipt | None:
        """Seal everything so far if the oldest unsealed read or binding is an hour old.

        Raises:
            Unavailable: the seal could not be recorded.
        """
        # A binding has no time of its own: it is as old as this process has known of it.
        oldest = self._access.read_at(self.sealed())
        if not self._is_bound_anew():
            self._bound_at = None
        elif self._bound_at is None:
            self._bound_at = now_ms
        waiting = [at for at in (oldest, self._bound_at) if at is not None]
        if not waiting or now_ms - min(waiting) < LONGEST_UNSEALED_MS:
            return None
        return self._seal()

    def before_anchor(self, anchored: int) -> int:
        """Seal what is not sealed yet, unless that was done since the anchor of size ``anchored``.

        Return the tree size that includes the seal, or 0 if there is nothing to seal. Raises Unavailable.
        """
        # The last seal is newer than the last anchor: another would only call for yet another anchor.
        last = self._last()
        if last is not None and last.log_index >= anchored:
            return last.log_index + 1
        if self._access.head().count == _count(last) and not self._is_bound_anew():
            return 0
        return self._seal().index + 1

    def sealed(self) -> int:
        """Return how many records of the access log are sealed."""
        return _count(self._last())

    def _seal(self) -> Receipt:
        with self._database.read() as connection:
            bound = bindings.head(connection)
        # First the bindings' head goes into the access log, so that one seal covers both.
        head = self._access.append_bindings(bound)
        receipt = self._system.append(AccessSealed(count=head.count, head=head.digest))
        self._bound_at = None
        return receipt

    def _is_bound_anew(self) -> bool:
        """Return whether rows that people see were bound since the access log last recorded the bindings' head."""
        recorded_head = self._access.last_bindings()
        with self._database.read() as connection:
            return bindings.is_of_people(connection, recorded_head.count)

    def _last(self) -> StoredEntry | None:
        with self._database.read() as connection:
            return log.last_system_entry(connection, "access.sealed")


def _count(entry: StoredEntry | None) -> int:
    body = log.event_of(entry).body if entry else None
    return body.count if isinstance(body, AccessSealed) else 0
