"""A client that acts for one officer, with no profile and no files: for an agency's own programs.

``OfficerClient`` blocks and ``AsyncOfficerClient`` is awaited; both carry out ``OfficerRequests``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from msgspec import Struct

from ledger.client.events import appending, placing, posting, posting_together, require_receipts, sign_acts
from ledger.client.exchange import Exchange
from ledger.client.requests import Requests, path_of
from ledger.client.service import TIMEOUT_S, AsyncServiceClient, Connected, ServiceClient, awaiting, blocking
from ledger.client.sign_in import SignIn
from ledger.core.encoding import canonical
from ledger.core.encoding.decoding import decoder_of
from ledger.core.errors import MalformedInput
from ledger.core.events import EVENT_TYPES, Body, Stream
from ledger.core.signing.signatures import TransactionSigner
from ledger.core.trust.trust_file import Trust
from ledger.core.verification.report import ProofReport
from ledger.core.verification.verify import verify_event
from ledger.recording.event_signing import NOTHING_ELSE, Actor, Claims, Signed, StreamPosition, sign_event


class Officer(Struct, frozen=True):
    """An officer of an agency, by the ids of the registry; ``signer`` holds the key that was granted to him.

    ``ledger.config.keys`` has signers: ``open_keystore``, and ``LocalSigner`` for a key at hand.
    """

    agency: str
    officer: str
    signer: TransactionSigner


class OfficerRequests(Requests):
    """What an officer does and looks up, beside the plain requests.

    ``trust`` names the ledger: nothing is signed for another one, and every receipt is verified by it.
    """

    def __init__(self, url: str, officer: Officer, trust: Trust, *, language: str = "en"):
        signer = officer.signer
        sign_in = SignIn(None, url.rstrip("/"), signer.key_id, lambda: signer, lambda: trust.log_id)
        super().__init__(url, sign_in, language=language)
        self.officer = officer
        self.trust = trust

    def record(
        self, /, case_id: str, event_type: str, claims: Claims = NOTHING_ELSE, **body: Any
    ) -> Exchange[dict[str, Any]]:
        """Sign an act and record it behind the events that the case has; return its verified receipt.

        ``body`` has the fields of the event type (docs/protocol/event-types.md), ``claims`` what is stated beside it.
        If others wrote meanwhile, the act is signed anew.

        Raises:
            MalformedInput: no service would accept the event; the error names the field.
            RuleRefused: a rule refuses it; nothing was recorded.
            Unavailable: the outcome is not known. The same call may record it a second time: look first.
            IntegrityBroken: the answer is no receipt for the event in the ledger that ``trust`` names.
        """
        stated = _body(event_type, body)
        sign = partial(self._sign, stated, claims)
        return (yield from appending(self, Stream(kind="case", id=case_id), sign, self._sending))

    def open_case(self, /, case_id: str, claims: Claims = NOTHING_ELSE, **body: Any) -> Exchange[dict[str, Any]]:
        """Open a case; return the verified receipt. Raises Conflict if there is one of this id, and as ``record``."""
        place = StreamPosition(Stream(kind="case", id=case_id))
        return (yield from self._sending(self._sign(_body("case.opened", body), claims, place)))

    def record_together(
        self, /, case_id: str, acts: Sequence[tuple[str, Mapping[str, Any]]], claims: Claims = NOTHING_ELSE
    ) -> Exchange[list[dict[str, Any]]]:
        """Sign acts, each an event type with its body, and record all of them or none; return their receipts.

        Raises what refuses the first of them that is refused, and as ``record``; a Conflict if others wrote meanwhile.
        """
        place = yield from placing(self, Stream(kind="case", id=case_id))
        stated = [(_body(event_type, body), place) for event_type, body in acts]
        signed = sign_acts(stated, lambda body, at_place: self._sign(body, claims, at_place))
        submissions = [event.submission for event in signed]
        receipts = yield from posting_together(self, submissions)
        require_receipts(receipts, submissions, self.trust)
        return receipts

    def verified(self, /, event_id: str) -> Exchange[ProofReport]:
        """Fetch the proof bundle of an event and verify it here, by ``trust``; return the report with its verdict."""
        bundle = yield from self.fetch(path_of("/api/v1/events/{}/proof", event_id))
        return verify_event(bundle, self.trust).report

    def _sign(self, body: Body, claims: Claims, place: StreamPosition) -> Signed:
        officer = self.officer
        actor = Actor(officer.agency, officer.officer, officer.signer)
        return sign_event(body, place, actor, self.trust.log_id, claims)

    def _sending(self, signed: Signed) -> Exchange[dict[str, Any]]:
        receipts = yield from posting(self, signed.submission)
        require_receipts(receipts, [signed.submission], self.trust)
        return receipts[0]


def _body(event_type: str, fields: Mapping[str, Any]) -> Body:
    """Return the body of an event. Raises MalformedInput, naming the field."""
    if event_type not in EVENT_TYPES:
        raise MalformedInput("there is no event type {event_type!r}", event_type=event_type, field="event_type")
    body: Body = canonical.parse(canonical.encode(dict(fields)), decoder_of(EVENT_TYPES[event_type].body))
    return body


class _OfOfficer(Connected):
    """What both clients of an officer begin with: requests that are signed by him, beside the plain ones."""

    requests: OfficerRequests

    def __init__(self, url: str, officer: Officer, trust: Trust, *, timeout_s: float = TIMEOUT_S, language: str = "en"):
        super().__init__(url, timeout_s=timeout_s)
        self.requests = OfficerRequests(url, officer, trust, language=language)


class OfficerClient(_OfOfficer, ServiceClient):
    """Acts for an officer, and blocks until the answer is there. Methods are those of ``OfficerRequests``."""

    open_case = blocking(OfficerRequests.open_case)
    record = blocking(OfficerRequests.record)
    record_together = blocking(OfficerRequests.record_together)
    verified = blocking(OfficerRequests.verified)


class AsyncOfficerClient(_OfOfficer, AsyncServiceClient):
    """Acts for an officer, and is awaited. Methods are those of ``OfficerRequests``."""

    open_case = awaiting(OfficerRequests.open_case)
    record = awaiting(OfficerRequests.record)
    record_together = awaiting(OfficerRequests.record_together)
    verified = awaiting(OfficerRequests.verified)
