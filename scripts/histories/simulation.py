"""The simulation of one case: its plan, drawn by chance, and its events, folded by the custody rules as they come."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from hashlib import sha256
from random import Random
from typing import Literal, NamedTuple, TypeVar

from msgspec import Struct

from ledger.core.custody import Act, CaseState, Flag, fold
from ledger.core.custody.due_dates import deadlines
from ledger.core.encoding import canonical
from ledger.core.events import VERSION, Body, Payload, Stream, digest_of, make_payload
from ledger.core.events.terms import EventRef
from ledger.core.procedure.legal_days import SHANGHAI, instant_text, legal_day
from ledger.deadlines.working_days import shipped_calendar
from ledger.procedures import shipped_rulebook
from scripts.histories.agencies import City, SimulatedOfficer

T = TypeVar("T")

Kind = Literal["criminal", "commission", "referral", "civil", "administrative", "public_interest"]
Route = Literal["judgment", "not_prosecuted", "withdrawn", "waiting"]
Custody = Literal["three_days", "a_week", "a_month", "arrest_refused", "bail", "surveillance"]
Appeal = Literal["none", "upheld", "remanded"]

KINDS: dict[Kind, int] = {
    "criminal": 80,
    "commission": 4,
    "referral": 4,
    "civil": 4,
    "administrative": 4,
    "public_interest": 4,
}
ROUTES: dict[Route, int] = {"judgment": 76, "not_prosecuted": 12, "withdrawn": 8, "waiting": 4}
CUSTODIES: dict[Custody, int] = {
    "three_days": 20,
    "a_week": 25,
    "a_month": 20,
    "arrest_refused": 10,
    "bail": 20,
    "surveillance": 5,
}
APPEALS: dict[Appeal, int] = {"none": 80, "upheld": 14, "remanded": 6}
RETURNS = {0: 60, 1: 28, 2: 12}
BOOK = shipped_rulebook()
CALENDAR = shipped_calendar()


class CasePlan(Struct, frozen=True):
    """``custody`` is how the suspects are restrained, ``returns`` how often the review sends the case back.

    ``at_large`` is a co-defendant who is not caught. What else is in the case: ``account`` a frozen one, ``car`` that
    stays in the depot, ``phone`` that goes to the laboratory, ``cash`` that is split. ``careless`` are agencies whose
    lists often differ from what arrives, ``correcting`` those that often correct them.
    """

    kind: Kind
    route: Route
    custody: Custody
    appeal: Appeal
    returns: int
    suspects: int
    exhibits: int
    at_large: bool
    account: bool
    car: bool
    phone: bool
    cash: bool
    summary: bool
    careless: tuple[str, ...] = ()
    correcting: tuple[str, ...] = ()


def drawn(chance: Random) -> CasePlan:
    """Draw a plan by chance."""
    at_large = chance.random() < 0.05
    return CasePlan(
        kind=_one(chance, KINDS),
        route=_one(chance, ROUTES),
        custody=_one(chance, CUSTODIES),
        appeal=_one(chance, APPEALS),
        returns=_one(chance, RETURNS),
        suspects=_one(chance, {1: 70, 2: 22, 3: 8}),
        exhibits=chance.randint(1, 5),
        at_large=at_large,
        account=chance.random() < 0.3,
        car=chance.random() < 0.2,
        phone=chance.random() < 0.5,
        cash=chance.random() < 0.4,
        summary=not at_large and chance.random() < 0.25,
    )


def _one(chance: Random, shares: dict[T, int]) -> T:
    return chance.choices([*shares], [*shares.values()])[0]


class Breach(Struct, frozen=True, order=True):
    """A breach in a case: the rule of supervision, the part of it, and the ids of what it is about."""

    rule: int
    part: str
    case_id: str
    subjects: tuple[str, ...]


class SimulatedEvent(Struct, frozen=True):
    """An event before it is signed; ``recorded_at`` (unix seconds) is when the log takes it."""

    payload: Payload
    payload_bytes: bytes
    digest: str
    recorded_at: int

    @property
    def ref(self) -> EventRef:
        return EventRef(event_id=self.payload.event_id, payload_digest=self.digest)


class SimulatedStep(NamedTuple):
    """An event with the case before and after it."""

    before: CaseState | None
    event: SimulatedEvent
    after: CaseState
    flags: tuple[Flag, ...]


class EndOfHistory(Exception):
    """The history ends here, in the middle of a case."""


class SimulatedCase:
    """Writes the stream of a case from ``now`` on; the first act beyond ``ends`` raises ``EndOfHistory``."""

    def __init__(self, case_id: str, city: City, chance: Random, now: datetime, ends: datetime) -> None:
        self.case_id = case_id
        self.city = city
        self.chance = chance
        self.now = now
        self.steps: list[SimulatedStep] = []
        self.planted: list[Breach] = []
        self._ends = ends

    @property
    def state(self) -> CaseState:
        """Return the case as it stands. Requires that it is open."""
        return self.steps[-1].after

    @property
    def last(self) -> SimulatedEvent:
        """Return the last event."""
        return self.steps[-1].event

    @property
    def today(self) -> date:
        """Return the legal day."""
        return legal_day(self.now)

    @property
    def moment(self) -> str:
        """Return the present moment as events spell it."""
        return instant_text(int(self.now.timestamp()))

    def act(
        self, body: Body, by: SimulatedOfficer, *, occurred_at: str | None = None, delay: timedelta = timedelta(0)
    ) -> SimulatedEvent:
        """Write one event. ``delay`` is how long after its claimed time it is signed and recorded."""
        self.now += timedelta(minutes=self.chance.randint(2, 9))
        claimed = occurred_at or self.moment
        self.now += delay
        if self.now >= self._ends:
            raise EndOfHistory
        before = self.steps[-1].after if self.steps else None
        recorded_at = int(self.now.timestamp()) + self.chance.randint(5, 90)
        sequence = len(self.steps)
        noise = sha256(f"{self.case_id} {sequence}".encode()).hexdigest()
        stamp = f"{recorded_at * 1000:012x}"
        payload = make_payload(
            body=body,
            version=VERSION,
            event_id=f"{stamp[:8]}-{stamp[8:]}-7{noise[:3]}-8{noise[3:6]}-{noise[6:18]}",
            stream=Stream(kind="case", id=self.case_id),
            sequence=sequence,
            previous=self.last.digest if self.steps else None,
            agency=by.agency,
            officer=by.officer_id,
            occurred_at=claimed,
            salt=noise[32:],
        )
        encoded = canonical.encode(payload)
        event = SimulatedEvent(payload, encoded, digest_of(encoded), recorded_at)
        after, flags = fold(before, Act(payload, event.digest, recorded_at, BOOK))
        self.steps.append(SimulatedStep(before, event, after, flags))
        return event

    def on(self, day: date, hour: int = 9) -> None:
        """Go on to this day's hour, or stay if it is later already."""
        earliest = datetime.combine(day, time(hour), SHANGHAI).astimezone(UTC)
        self.now = max(self.now, earliest + timedelta(minutes=self.chance.randint(0, 50)))

    def plant(self, rule: int, part: str, *subjects: str) -> None:
        """Enter a breach in the answer key."""
        self.planted.append(Breach(rule, part, self.case_id, subjects))

    def last_day(self, clock: str) -> date | None:
        """Return the earliest last day of the clocks of this name that run now; None if unknown or none runs."""
        clocks = deadlines(self.state, BOOK, CALENDAR, self.now + timedelta(seconds=1))
        running = [entry for entry in clocks if entry.clock == clock and not entry.stopped_at]
        return min((entry.last_day for entry in running if entry.last_day), default=None)
