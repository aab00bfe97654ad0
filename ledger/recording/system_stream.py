"""The service's own stream: what the service signs goes the same way as every other submission."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from threading import Lock

from ledger.core.errors import Conflict, Unavailable
from ledger.core.events import SYSTEM_STREAM_ID, Body, Stream
from ledger.core.events.record import HeadsMapped
from ledger.core.log.head_map import MAP_SALT
from ledger.core.log.merkle import Hash
from ledger.core.signing import authority
from ledger.core.signing.signatures import TransactionSigner
from ledger.recording.event_signing import Actor, Sources, StreamPosition, sign_event
from ledger.recording.publisher import Publisher, Receipt
from ledger.recording.sequencer import Answer, Sequencer
from ledger.recording.validation import Duplicate, Validator
from ledger.store import log
from ledger.store.append import ValidatedSubmission
from ledger.store.database import Connection, Database

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
