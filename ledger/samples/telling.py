"""Tells stories: each sentence becomes an event, signed by a person of the town and submitted to the ledger.

What is told of a case is the same to the byte whenever it is told again: the ledger knows its events again, and a
telling that was cut short goes on where it stopped.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, NamedTuple, Protocol, Self

from ledger.chain.calls import ContractDomain
from ledger.config.keys import Signer
from ledger.core.errors import Unavailable
from ledger.core.events import Body, Envelope, Stream
from ledger.core.events.record import DatasetRegistered
from ledger.core.events.terms import EventRef
from ledger.core.procedure.legal_days import SHANGHAI, instant_text
from ledger.core.supervision import finding_digest, lead_id_of
from ledger.recording.signing import Signed, Sources, StreamPosition, sign_event
from ledger.samples.keys import TownKeys

OPENS_AT = 10  # o'clock in Beijing, on every day of a story
RAISED_WITHIN = 180  # seconds in which the service is expected to raise a lead
POLL = 0.5  # seconds


class Head(NamedTuple):
    """The last event of a stream."""

    sequence: int
    digest: str


class Ledger(Protocol):
    """What a telling needs of a running ledger; everything may be asked again."""

    log_id: bytes

    def entries(self) -> Iterator[Envelope]:
        """The log from its beginning."""

    def granted(self) -> frozenset[str]:
        """The key ids that the log has grants of."""

    def registry_domain(self) -> ContractDomain:
        """What requests of keys are signed for."""

    def relay(self, call: bytes, admin: Signer, /) -> None:
        """Sends the call of the registry in the name of an agency's admin."""

    def submit(self, submission: bytes, /) -> int:
        """The log index of the event, which is durable by then."""

    def give(self, dataset: DatasetRegistered, data: bytes, /) -> None:
        """Keeps the file of a registered data set."""

    def lead(self, lead_id: str, /) -> Head | None:
        """Where a lead stands; None while it is not raised."""


class Teller:
    """``began_at`` (unix seconds) is when the sample was begun: days are counted from it. ``secret`` seeds salts."""

    def __init__(self, ledger: Ledger, keys: TownKeys, *, began_at: int, secret: str):
        self.ledger = ledger
        self.keys = keys
        self.began_at = began_at
        self.told = 0  # events
        self._secret = secret

    def stream(self, kind: str, stream_id: str) -> Telling:
        """A stream of an agency or of supervision, whose events happen now."""
        return Telling(self, Stream(kind=kind, id=stream_id))  # type: ignore[arg-type]

    def lead(self, model_id: str, **key: str) -> LeadTelling:
        """The lead on a finding, once the service has raised it. Raises Unavailable where it does not in time."""
        lead_id = lead_id_of(finding_digest(model_id, key))
        deadline = time.monotonic() + RAISED_WITHIN
        while (head := self.ledger.lead(lead_id)) is None:
            if time.monotonic() > deadline:
                raise Unavailable(
                    f"the service has not raised {lead_id} of {model_id}",
                    code="lead_not_raised",
                    hint="See /api/v1/supervision for what keeps models from being run, then: tally sample load",
                )
            time.sleep(POLL)
        return LeadTelling(self, lead_id, head)

    def day(self, days_ago: int) -> datetime:
        """The opening hour of the legal day so many days before the telling began."""
        today = datetime.fromtimestamp(self.began_at, SHANGHAI)
        return today.replace(hour=OPENS_AT, minute=0, second=0) - timedelta(days=days_ago)

    def noise(self, *of: object) -> str:
        """64 hex digits that nobody else can foresee, the same for the same words."""
        return sha256(" ".join([self._secret, *map(str, of)]).encode()).hexdigest()


class Telling:
    """One stream, each event on the one before."""

    def __init__(self, teller: Teller, stream: Stream):
        self.teller = teller
        self.stream = stream
        self.sequence = 0
        self.index = -1  # in the log, of the last event
        self._last: Signed | None = None
        self._head: str | None = None

    @property
    def ref(self) -> EventRef:
        """The last event, as others cite it."""
        assert self._last is not None, "nothing is told yet"
        return EventRef(event_id=self._last.payload.event_id, payload_digest=self._last.envelope.payload_digest)

    def say(self, by: str, body: Body, *, sections: Mapping[str, Mapping[str, str]] | None = None, **more: Any) -> Self:
        """One event by the person of this profile."""
        more = {"occurred_at": self._moment()} | more
        self._last = sign_event(
            body,
            StreamPosition(self.stream, self.sequence, self._head),
            self.teller.keys.actor(by),
            self.teller.ledger.log_id,
            sections=sections,
            sources=self._sources(),
            **more,
        )
        self.index = self.teller.ledger.submit(self._last.submission)
        self.sequence += 1
        self._head = self._last.envelope.payload_digest
        self.teller.told += 1
        return self

    def _moment(self) -> str:
        return instant_text(self.teller.began_at)

    def _sources(self) -> Sources:
        """Ids and salts that follow from the place of the event."""
        place = (self.stream.kind, self.stream.id, self.sequence)
        noise, stamp = self.teller.noise("id", *place), f"{self.teller.began_at * 1000:012x}"
        salts = iter(range(1000))
        return Sources(
            event_id=lambda: f"{stamp[:8]}-{stamp[8:]}-7{noise[:3]}-8{noise[3:6]}-{noise[6:18]}",
            salt=lambda: self.teller.noise("salt", *place, next(salts))[:32],
        )


class LeadTelling(Telling):
    """What people do with a lead that the service raised; what was done before stays."""

    def __init__(self, teller: Teller, lead_id: str, head: Head):
        super().__init__(teller, Stream(kind="supervision", id=lead_id))
        self.lead_id = lead_id
        self._stands = head
        self.sequence = 1

    def say(self, by: str, body: Body, **more: Any) -> Self:
        """The next step, unless it was taken before."""
        if self.sequence <= self._stands.sequence:
            self.sequence += 1
            self.teller.told += 1
            return self
        if self.sequence == self._stands.sequence + 1:
            self._head = self._stands.digest
        return super().say(by, body, **more)

    def _moment(self) -> str:
        return instant_text(int(time.time()))
