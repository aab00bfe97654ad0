"""The service's own stream: what the service signs goes the same way as every other submission."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

from ledger.config.keys import Signer
from ledger.core.errors import Conflict, Unavailable
from ledger.core.events import SYSTEM_STREAM_ID, Body, Stream
from ledger.core.signing import authority
from ledger.recording.publisher import Publisher, Receipt
from ledger.recording.sequencer import Sequencer
from ledger.recording.signing import Actor, Sources, StreamPosition, sign_event
from ledger.recording.validation import Duplicate, ValidatedSubmission, Validator
from ledger.store import log
from ledger.store.database import Database

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
        signer: Signer,
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

    def _append(self, body: Body, stream: Stream) -> Receipt:
        signed = sign_event(body, self._place(stream), self._actor, self._log_id, sources=Sources(now=self._now))
        validated = self._validator.validate(signed.submission, self._now())
        answer = validated if isinstance(validated, Duplicate) else self._wait(validated)
        if isinstance(answer, Duplicate):
            return self._publisher.stored_receipt(self._database, answer.entry)
        return answer

    def _wait(self, validated: ValidatedSubmission) -> Receipt | Duplicate:
        try:
            return self._sequencer.submit(validated).result(TIMEOUT)
        except TimeoutError as error:
            raise Unavailable(f"no commit within {TIMEOUT} s", code="outcome_unknown") from error

    def _place(self, stream: Stream) -> StreamPosition:
        with self._database.read() as connection:
            head = log.heads(connection, [(stream.kind, stream.id)]).get((stream.kind, stream.id))
        return StreamPosition(stream) if head is None else StreamPosition(stream, head.sequence + 1, head.digest)
