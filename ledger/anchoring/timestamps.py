"""Timestamping: published checkpoints are timestamped by an RFC 3161 authority while the service runs.

An authority that does not answer delays nothing: it is asked again after growing pauses. Its response is verified
before it is stored, as any reader of a bundle verifies it, against the roots that the trust file names.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from threading import Event

import httpx
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_pem_x509_certificates
from msgspec import Struct

from ledger.core.errors import MalformedInput, SignatureRefused, Unavailable
from ledger.core.log.notes import parse_note
from ledger.core.messages import Message
from ledger.core.verification.timestamps import MAX_RESPONSE_LENGTH, verify_timestamp
from ledger.loggers import get_logger
from ledger.store import checkpoints
from ledger.store.activity import failure_of
from ledger.store.checkpoints import StoredTimestamp
from ledger.store.database import Database
from ledger.tls import tls_context

LOOK_EVERY_S = 1.0  # seconds between checks whether a timestamp is due
FIRST_PAUSE_S = 5.0  # after a failure, doubled by each that follows
LONGEST_PAUSE_S = 3600.0
ANSWER_WITHIN_S = 20.0  # from the connection to the end of the answer, however slowly the authority sends

logger = get_logger(__name__)


class TimestampWorkerState(Struct, frozen=True):
    """How the last request went: ``fault`` says in one sentence what is wrong, ``hint`` what to do about it."""

    fault: str | None = None
    hint: str | None = None


def read_roots(path: Path) -> tuple[bytes, ...]:
    """Return the certificates (DER) of a PEM file. Raises MalformedInput."""
    try:
        certificates = load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError) as error:
        raise MalformedInput(
            "expected a PEM file with the root certificate of the timestamp authority: {error}",
            error=error,
            field="timestamp_roots",
            hint="Get it from the authority, by a way that you trust; timestamps are worth what it is worth.",
        ) from error
    return tuple(certificate.public_bytes(Encoding.DER) for certificate in certificates)


@dataclass(eq=False, repr=False)
class TimestampWorker:
    """Requests a timestamp at most every ``interval_s`` seconds, and none while nothing new is published.

    ``roots`` are DER certificates; ``clock`` gives unix seconds. If it was set back by more than the interval, the last
    timestamp is no reason to wait.
    """

    database: Database
    url: str
    roots: tuple[bytes, ...]
    _: KW_ONLY
    interval_s: int
    clock: Callable[[], int]
    state: TimestampWorkerState = field(default_factory=TimestampWorkerState, init=False)

    def run(self, stop: Event) -> None:
        """Take steps until ``stop`` is set; after each failure wait longer."""
        repeat = self.database.activity.repeat
        repeat(stop, self.try_step, LOOK_EVERY_S, first_s=FIRST_PAUSE_S, longest_s=LONGEST_PAUSE_S)

    def try_step(self) -> bool:
        """Take one step, keep a failure in ``state``, and return whether it succeeded."""
        failure = failure_of(self.step, "checkpoints cannot be timestamped")
        if failure is not None:
            self.state = TimestampWorkerState(*failure)
        return failure is None

    def step(self) -> StoredTimestamp | None:
        """Have the newest published checkpoint timestamped if that is due, and return what was stored.

        Raises Unavailable if the authority does not answer, and what ``verify_timestamp`` raises for its response.
        """
        with self.database.read() as connection:
            last = checkpoints.last_timestamp(connection)
            published = checkpoints.last_published(connection)
        if published is None or published.size == 0:
            return None
        # A clock that was set back far is no reason to wait for it.
        if last is not None and (last.size >= published.size or abs(self.clock() - last.time) < self.interval_s):
            return None
        text = parse_note(published.note).text
        response = self._ask(text)
        timestamp = verify_timestamp(response, text, self.roots)
        if timestamp is None:
            raise SignatureRefused(
                "the timestamp is of an authority that is under none of the roots",
                field="timestamp_roots",
                hint="Put the root certificate of the authority at timestamp_url into the file of timestamp_roots.",
            )
        stamp = StoredTimestamp(published.size, response, timestamp.time)
        checkpoints.store_timestamp(self.database, stamp)
        self.state = TimestampWorkerState()
        logger.info("checkpoint timestamped", size=stamp.size, time=stamp.time, authority=timestamp.authority)
        return stamp

    def _ask(self, text: str) -> bytes:
        """Return the authority's response to this request: it must repeat a nonce that nobody could know before."""
        from rfc3161_client import HashAlgorithm, TimestampRequestBuilder, decode_timestamp_response

        request = TimestampRequestBuilder(text.encode(), HashAlgorithm.SHA256, nonce=True, cert_req=True).build()
        try:
            response = asyncio.run(self._exchange(request.as_bytes()))
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            raise Unavailable(
                "the timestamp authority at {url} is not reachable: {error}",
                url=self.url,
                error=Message("it did not finish its answer in time") if isinstance(error, TimeoutError) else error,
                code="authority_unavailable",
                hint="It is asked again; meanwhile nothing waits for it.",
            ) from error
        try:
            is_ours = decode_timestamp_response(response).tst_info.nonce == request.nonce
        except ValueError as error:
            raise MalformedInput(
                "the timestamp authority sent no timestamp", field="timestamp_url", hint="Is this an RFC 3161 address?"
            ) from error
        # A replayed response would carry an earlier time than the checkpoint deserves.
        if not is_ours:
            raise SignatureRefused("the timestamp answers another question than ours", field="timestamp_url")
        return response

    async def _exchange(self, request: bytes) -> bytes:
        """Send the request and return what is answered. Raises TimeoutError unless all of it comes in time."""
        headers, response = {"Content-Type": "application/timestamp-query"}, b""
        async with (
            asyncio.timeout(ANSWER_WITHIN_S),  # those of httpx begin again with each part of headers and body
            httpx.AsyncClient(verify=tls_context(), timeout=ANSWER_WITHIN_S, trust_env=False) as client,
            client.stream("POST", self.url, content=request, headers=headers) as answer,
        ):
            if answer.status_code != 200:
                raise Unavailable(
                    "the timestamp authority answered {answer.status_code}", answer=answer, code="authority_unavailable"
                )
            async for part in answer.aiter_raw():
                response += part
                if len(response) > MAX_RESPONSE_LENGTH:
                    raise MalformedInput(
                        "the timestamp authority sent more than {limit} bytes",
                        limit=MAX_RESPONSE_LENGTH,
                        field="timestamp_url",
                    )
        return response
