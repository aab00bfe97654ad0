"""Plays stories into a ledger: each act is signed by a person of the town and submitted.

The events of a case are the same to the byte whenever they are played again: the ledger recognises them, and a story
that was cut short goes on where it stopped.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import cached_property
from hashlib import sha256
from typing import Any, NamedTuple, Protocol, Self

from msgspec import Struct
from msgspec.structs import replace

from ledger.chain.contract import ContractDomain
from ledger.core.custody import Act, CaseState, Flag, fold
from ledger.core.encoding.instants import instant_text
from ledger.core.errors import Unavailable
from ledger.core.events import Body, Envelope, Stream, case
from ledger.core.events.record import DatasetRegistered
from ledger.core.events.streams import StreamHead
from ledger.core.events.terms import NAME_FIELD, EventRef
from ledger.core.procedure.rulebook import Rulebook
from ledger.core.signing.signatures import TransactionSigner
from ledger.core.supervision import finding_digest, lead_id_of
from ledger.procedures import IN_USE
from ledger.recording.event_signing import Claims, Signed, Sources, StreamPosition, sign_event
from ledger.samples.case_acts import CaseActs, person_id
from ledger.samples.town import BY_PROFILE, CLERKS, KINDS, TownKeys

OPENS_AT = 10  # o'clock in Beijing, on every day of a story
STEP_S = 7 * 60  # seconds between two acts of a day
POLL = 0.5  # seconds
ASK_EVERY = 10  # polls: each question how far the service has looked is recorded as a read
# A look at everything is expected to end in so many seconds, and in so many times as long as the last one took: the
# slower the machine is, the longer the service rests between two of them.
LOOKS_WITHIN_S, LOOKS_WITHIN = 300, 30


class ModelLook(NamedTuple):
    """When the service last ran all models over everything (unix milliseconds, None if never), and how long it took."""

    ended_at: int | None
    took_ms: int


class LoggedEvent(Struct, frozen=True):
    """The place of an event in the log, and the leaf hash of its entry, signed now or earlier."""

    index: int
    leaf_hash: str


class SampleLedger(Protocol):
    """What a player needs of a running ledger; every call may be repeated."""

    @property
    def log_id(self) -> bytes:
        """Return the id of the log."""

    def entries(self) -> Iterator[Envelope]:
        """Yield the entries of the log from its beginning."""

    def granted(self) -> frozenset[str]:
        """Return the key ids that the log has grants of."""

    def registry_domain(self) -> ContractDomain:
        """Return what requests of keys are signed for."""

    def procedure(self, procedure_id: str, /) -> Rulebook:
        """Return the version of the procedure that is in force."""

    def relay(self, call: bytes, admin: TransactionSigner, /) -> None:
        """Send the call of the registry in the name of an agency's admin."""

    def submit(self, submission: bytes, /) -> LoggedEvent:
        """Return what the log has of the event, which is durable by then."""

    def give(self, dataset: DatasetRegistered, data: bytes, /) -> None:
        """Keep the file of a registered data set."""

    def lead(self, lead_id: str, reader: str, /) -> StreamHead | None:
        """Return the last event of a lead as the person of this profile sees it, None while it is not raised."""

    def model_look(self) -> ModelLook:
        """Return the last run of all models over everything."""


class Player:
    """Plays stories; their days are counted back from ``began_at`` (unix seconds), ``secret`` seeds ids and salts."""

    def __init__(self, ledger: SampleLedger, keys: TownKeys, *, began_at: int, secret: str):
        self.ledger = ledger
        self.keys = keys
        self.began_at = began_at
        self.events = 0
        self._secret = secret

    @cached_property
    def book(self) -> Rulebook:
        """Return the version in force of the procedure that the stories are told under."""
        return self.ledger.procedure(IN_USE)

    def stream(self, kind: str, stream_id: str) -> SampleStream:
        """Return a stream of an agency or of supervision, whose events happen now."""
        return SampleStream(self, Stream(kind=kind, id=stream_id))  # type: ignore[arg-type]

    def case(self, case_id: str, *, days_ago: int) -> SampleCase:
        """Return a case that is not opened yet and began so many days ago; the last of its days must be over."""
        return SampleCase(self, case_id, days_ago=days_ago)

    def lead(self, model_id: str, key: Mapping[str, str], reader: str) -> SampleLead:
        """Wait until the service raises the lead on this finding, as long as it takes to look at everything.

        Raises Unavailable if it has looked without raising the lead, or does not look any more.
        """
        lead_id = lead_id_of(finding_digest(model_id, key))
        looks, looked, polls = list[ModelLook](), time.monotonic(), 0
        while True:
            # Asked before the lead: what a look raised is there when it has ended.
            if polls % ASK_EVERY == 1 and [look := self.ledger.model_look()] != looks[-1:]:
                looks, looked = [*looks, look], time.monotonic()
            head = self.ledger.lead(lead_id, reader)
            if head is not None:
                return SampleLead(self, lead_id, head)
            patience_s = max([LOOKS_WITHIN_S, *(LOOKS_WITHIN * look.took_ms / 1000 for look in looks)])
            # Of the two that have ended since, the first may have begun before the last event was there.
            if len(looks) > 2 or time.monotonic() > looked + patience_s:
                raise Unavailable(
                    "the service has not raised {lead_id} of {model_id}",
                    lead_id=lead_id,
                    model_id=model_id,
                    code="lead_not_raised",
                    hint="See /api/v1/supervision for what keeps models from being run, then: tally sample load",
                )
            time.sleep(POLL)
            polls += 1

    def day(self, days_ago: int) -> datetime:
        """Return the opening hour of the legal day so many days before the sample began."""
        today = self.book.zone.local(datetime.fromtimestamp(self.began_at, UTC))
        return today.replace(hour=OPENS_AT, minute=0, second=0) - timedelta(days=days_ago)

    def noise(self, *of: object) -> str:
        """Return 64 hex digits that nobody else can foresee, the same for the same words."""
        return sha256(" ".join([self._secret, *map(str, of)]).encode()).hexdigest()


class SampleStream:
    """Writes one stream, each event on the one before."""

    def __init__(self, player: Player, stream: Stream):
        self.player = player
        self.stream = stream
        self.sequence = 0  # of the next event
        self.index = -1  # in the log, of the last event
        self.events: list[Signed] = []
        self._head: str | None = None

    @property
    def last(self) -> Signed:
        return self.events[-1]

    @property
    def ref(self) -> EventRef:
        """Return the last event, as others cite it."""
        return self.last.event.ref

    @property
    def moment(self) -> str:
        return instant_text(self.player.began_at)

    def write(self, body: Body, by: str, **claims: Any) -> Self:
        """Submit one event, signed by the person of this profile; ``claims`` are those of ``Claims``."""
        # Ids and salts follow from the place of the event: played again, it is the same to the ledger.
        place = (self.stream.kind, self.stream.id, self.sequence)
        noise, stamp = self.player.noise("id", *place), f"{self.player.began_at * 1000:012x}"
        salts = iter(range(1000))
        signed = sign_event(
            body,
            StreamPosition(self.stream, self.sequence, self._head),
            self.player.keys.actor(by),
            self.player.ledger.log_id,
            Claims(**{"occurred_at": self.moment, **claims}),
            sources=Sources(
                event_id=lambda: f"{stamp[:8]}-{stamp[8:]}-7{noise[:3]}-8{noise[3:6]}-{noise[6:18]}",
                salt=lambda: self.player.noise("salt", *place, next(salts))[:32],
            ),
        )
        # Played again, the event is signed anew: the log has it under the first signature.
        logged = self.player.ledger.submit(signed.submission)
        self.index, self._head = logged.index, logged.leaf_hash
        self.events.append(replace(signed, event=replace(signed.event, leaf_hash=logged.leaf_hash)))
        self.sequence += 1
        self.player.events += 1
        return self


class SampleCase(CaseActs[str], SampleStream):
    """A case whose acts are signed by people of the town, named by their profiles."""

    opener = "psb-east"
    keeper = "detention-east"
    step = STEP_S

    def __init__(self, player: Player, case_id: str, *, days_ago: int):
        super().__init__(player, Stream(kind="case", id=case_id))
        self.flags: tuple[Flag, ...] = ()
        self._days_ago = days_ago
        self._persons: dict[str, str] = {}
        self.on(0)

    def act(self, body: Body, by: str | None = None, *, source: CaseState | None = None, **fields: Any) -> Self:
        self.write(body, by or self.clerk_of(self.state.responsible), **fields)
        # Folded once the ledger has it: what the ledger refuses leaves the case as it was.
        act = Act(self.last.event, self.player.book, source, kinds=KINDS)
        self.current, self.flags = fold(self.current, act)
        self.now += self.step
        return self

    def clerk_of(self, agency: str) -> str:
        return CLERKS[agency]

    def open(self, by: str | None = None, **fields: Any) -> Self:
        """Take the case over: its past days lie before the ledger, which could not record them in time."""
        stated = {"source_system": "samples", "source_key": self.stream.id, "as_of": self.moment}
        return self.take_over(by, **(stated | fields))

    def on(self, day: int, hour: int = OPENS_AT) -> Self:
        """Go on to this day of the case, 0 being its first."""
        self.now = int(self.player.day(self._days_ago - day).replace(hour=hour).timestamp())
        return self

    def date_of(self, day: int) -> str:
        """Return a day of the case as papers write it."""
        return self.player.day(self._days_ago - day).date().isoformat()

    def name(self, *persons: str, by: str | None = None, role: str = "suspect") -> Self:
        """Name persons, whose names stand in confidential sections."""
        for person in persons:
            self._persons[person] = str(len(self._persons) + 1)
            section = f"person:{self._persons[person]}"
            body: dict[str, Any] = {"person_id": person_id(person), "role": role, "section": section}
            self.act(case.PersonNamed(**body), by, sections={section: {NAME_FIELD: person}})
        return self

    def label_of(self, person: str) -> str:
        return self._persons[person]

    def assign(self, department: str) -> Self:
        """Assign the case to the clerk of the responsible agency."""
        handler = BY_PROFILE[self.clerk_of(self.state.responsible)].officer
        return self.say(case.CaseAssigned, department=department, handler=handler)

    def change_custody(self, person: str, number: str) -> Self:
        """Ask the detention house to keep a person for the agency that has the case now, which it serves at once."""
        return self.ask_custody_change(person, number=number).serve_custody_change()


class SampleLead(SampleStream):
    """Writes what people do with a lead that the service raised; steps that were taken before stay."""

    def __init__(self, player: Player, lead_id: str, head: StreamHead):
        super().__init__(player, Stream(kind="supervision", id=lead_id))
        self.lead_id = lead_id
        self._recorded = head
        self.sequence = 1

    def write(self, body: Body, by: str, **fields: Any) -> Self:
        """Take the next step, unless it was taken before."""
        if self.sequence <= self._recorded.sequence:
            self.sequence += 1
            self.player.events += 1
            return self
        if self.sequence == self._recorded.sequence + 1:  # the first step after those that the ledger has
            self._head = self._recorded.head
        return super().write(body, by, **fields)

    @property
    def moment(self) -> str:
        return instant_text(int(time.time()))  # no earlier than the service raised it
