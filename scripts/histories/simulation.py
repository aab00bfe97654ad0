"""The simulation of one case: its plan, drawn by chance, and its acts, folded by the custody rules as they come."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from random import Random
from typing import Any, NamedTuple, Self

from msgspec import Struct

from ledger.core.custody import Act, CaseState, Flag, Handover, Item, fold
from ledger.core.custody.due_dates import deadlines
from ledger.core.encoding import canonical
from ledger.core.events import NO_KEY, Body, Event, Payload, Stream, case, item, make_event, record, unsigned_envelope
from ledger.core.procedure.legal_days import DAY
from ledger.procedures import shipped_rulebook
from ledger.samples.case_acts import CaseActs, digest, ordered

BEGINS = datetime(2023, 1, 4, 1, tzinfo=UTC)
ENDS = datetime(2026, 11, 1, tzinfo=UTC)
SHARES: dict[str, dict[Any, int]] = {
    "kind": {"criminal": 80, "commission": 4, "referral": 4, "civil": 4, "administrative": 4, "public_interest": 4},
    "route": {"judgment": 76, "not_prosecuted": 12, "withdrawn": 8, "waiting": 4},
    "custody": {"three_days": 20, "a_week": 25, "a_month": 20, "arrest_refused": 10, "bail": 20, "surveillance": 5},
    "appeal": {"none": 80, "upheld": 14, "remanded": 6},
    "returns": {0: 60, 1: 28, 2: 12},
    "suspects": {1: 70, 2: 22, 3: 8},
}
ODDS = {"account": 0.3, "car": 0.2, "phone": 0.5, "cash": 0.4}
BOOK = shipped_rulebook()
LOCKING_UP = tuple(name for name, row in BOOK.measures.items() if row.locks_up)
CLERKS = 4  # of each agency
SOON = 5 * DAY  # a freeze that lapses so soon is renewed now
DAY_S = 86_400


class CasePlan(Struct, frozen=True):
    """``custody`` is how the suspects are restrained, ``returns`` how often the review sends the case back.

    ``at_large`` is a co-defendant who is not caught. What else is in the case: ``account`` a frozen one, ``car`` that
    stays in the depot, ``phone`` that goes to the laboratory, ``cash`` that is split. ``careless`` are agencies whose
    lists often differ from what arrives, ``correcting`` those that often correct them.
    """

    kind: str
    route: str
    custody: str
    appeal: str
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
    plan: dict[str, Any] = {
        "at_large": at_large,
        **{name: chance.choices([*shares], [*shares.values()])[0] for name, shares in SHARES.items()},
        "exhibits": chance.randint(1, 5),
        **{name: chance.random() < odds for name, odds in ODDS.items()},
        "summary": not at_large and chance.random() < 0.25,
    }
    return CasePlan(**plan)


class Breach(Struct, frozen=True, order=True):
    """A breach in a case: the rule of supervision, the part of it, and the ids of what it is about."""

    rule: int
    part: str
    case_id: str
    subjects: tuple[str, ...]


class SimulatedStep(NamedTuple):
    """An event with the case before and after it."""

    before: CaseState | None
    event: Event
    after: CaseState
    flags: tuple[Flag, ...]


class EndOfHistory(Exception):
    """The history ends here, in the middle of a case."""


class SimulatedCase(CaseActs[str]):
    """Writes a case from ``now`` on; an act is signed for an agency, by one of its clerks whom chance chooses.

    The first act beyond ``ENDS`` raises ``EndOfHistory``. ``breaks`` are rule and part of what is planted, if anything
    is: by itself, or with the case ``twin`` by what both have, ``shared`` (32 bytes of hex).
    """

    breaks = (0, "")
    shared = ""
    twin = ""

    def __init__(self, case_id: str, city: Mapping[str, str], chance: Random, begins: datetime, plan: CasePlan) -> None:
        self.case_id = case_id
        self.city = city
        self.keeper = city["detention_house"]
        self.chance = chance
        self.now = int(begins.timestamp())
        self.plan = plan
        self.persons: tuple[str, ...] = ()  # the suspects who are caught
        self.delivered: dict[str, str] = {}  # when, by handover
        self.steps: list[SimulatedStep] = []
        self.planted: list[Breach] = []

    def act(
        self, body: Body, by: str | None = None, *, officer: str | None = None, delay: int = 0, **fields: Any
    ) -> Self:
        """Write one event. ``delay`` is how many days after its claimed time it is signed and recorded."""
        agency = by or self.state.responsible
        officer = officer or f"{agency}-{self.chance.randint(1, CLERKS)}"
        self.now += 60 * self.chance.randint(2, 9)
        claimed = {"occurred_at": self.moment} | fields
        self.now += delay * DAY_S
        if self.now >= ENDS.timestamp():
            raise EndOfHistory
        recorded_at = self.now + self.chance.randint(5, 90)
        sequence = len(self.steps)
        noise = sha256(f"{self.case_id} {sequence}".encode()).hexdigest()
        stamp = f"{recorded_at * 1000:012x}"
        payload = Payload(officer=officer, salt=noise[32:], body=body, **claimed)
        # Nobody signs it: its signing time is when the log takes it.
        envelope = unsigned_envelope(
            payload,
            event_id=f"{stamp[:8]}-{stamp[8:]}-7{noise[:3]}-8{noise[3:6]}-{noise[6:18]}",
            stream=Stream(kind="case", id=self.case_id),
            sequence=sequence,
            previous=self.last.leaf_hash if self.steps else None,
            agency=agency,
            key_id=NO_KEY,
            signed_at=recorded_at,
        )
        event = make_event(envelope, payload, canonical.encode(envelope))
        before = self.current
        self.current, flags = fold(before, Act(event, BOOK))
        self.steps.append(SimulatedStep(before, event, self.current, flags))
        return self

    def clerk_of(self, agency: str) -> str:
        """Return the agency: its clerk is chosen as he signs."""
        return agency

    @property
    def last(self) -> Event:
        """Return the last event."""
        return self.steps[-1].event

    def plant(self, *subjects: str) -> None:
        """Enter what is planted into the answer key."""
        self.planted.append(Breach(*self.breaks, self.case_id, subjects))

    # -- time ----------------------------------------------------------------------------------------------------------

    @property
    def today(self) -> date:
        """Return the legal day."""
        return BOOK.zone.day_of(datetime.fromtimestamp(self.now, UTC))

    def in_days(self, days: int) -> str:
        """Return a time of the day so many days ahead."""
        return f"{(self.today + days * DAY).isoformat()}T09:00:00Z"

    def on(self, day: date, hour: int = 9) -> None:
        """Go on to this day's hour, or stay if it is later already."""
        earliest = int((BOOK.zone.start_of(day) + timedelta(hours=hour)).timestamp())
        self.now = max(self.now, earliest + 60 * self.chance.randint(0, 50))

    def days_left(self, clock: str, otherwise: int = 0) -> int:
        """Return the days until the first of the clocks of this name is over; ``otherwise`` if none is known to run."""
        clocks = deadlines(self.state, BOOK, datetime.fromtimestamp(self.now + 1, UTC))
        ends = [entry.last_day for entry in clocks if entry.clock == clock and not entry.stopped_at and entry.last_day]
        return (min(ends) - self.today).days if ends else otherwise

    def wait(self, least: int, most: int) -> None:
        """Let so many days pass and renew meanwhile what has to be renewed."""
        self.until(self.chance.randint(least, most))

    def until(self, days: int) -> None:
        """Go on by so many days and renew freezes meanwhile."""
        day = self.today + days * DAY
        frozen = [thing for thing in self.live() if thing.frozen_until]
        for thing in sorted(frozen, key=lambda thing: thing.frozen_until or ""):
            self.renew(thing.item_id, day)
        self.on(day)

    def within(self, clock: str, least: int = 1, spare: int = 6) -> None:
        """Wait for a day on which the clock is not over: now and then the last one, else one with days to spare."""
        left = self.days_left(clock, least)
        if self.chance.random() < 0.15:
            self.until(max(left, 0))
        else:
            most = max(left - spare, least)
            self.wait(min(least, most), most)

    # -- things --------------------------------------------------------------------------------------------------------

    def id_of(self, label: str) -> str:
        """Make the id of an item, unique over all cases."""
        return f"{label}-{self.case_id}"

    def seal_of(self, label: str) -> str:
        """Make a seal number that no other case has."""
        return f"FY{sha256(f'seal {self.case_id} {label}'.encode()).hexdigest()[:12].upper()}"

    def digest_of(self, label: str) -> str:
        """Compute the SHA-256 of what ``label`` names in this case."""
        return digest(f"{self.case_id} {label}")

    def live(self, *kinds: str) -> list[Item]:
        """Return the items that somebody holds, of these kinds or of all."""
        return [thing for thing in self.state.items.values() if thing.is_live and (not kinds or thing.kind in kinds)]

    def dispose(self, disposals: Mapping[str, str], decision_id: str | None) -> None:
        """Dispose of the items as decided, by their holders under two signatures."""
        for thing in [thing for thing in self.live() if thing.item_id in disposals]:
            proposal = {"item_ids": (thing.item_id,), "disposal": disposals[thing.item_id], "decision_id": decision_id}
            self.say(item.ItemDisposalProposed, thing.holder, ground="as decided", **proposal)
            signed = {"cites": self.last.ref, "disposed_at": self.moment, "officer": f"{thing.holder}-s"}
            self.say(item.ItemDisposed, thing.holder, **signed)

    def renew(self, item_id: str, by: date) -> None:
        """Renew the freeze as often as it would lapse by then or soon after: in time, or on its very last day."""
        while (last := self.frozen_until(item_id)) and last <= by + SOON:
            ahead = 0 if self.chance.random() < 0.1 else self.chance.randint(1, 10)
            self.on(min(last - ahead * DAY, by))
            self.renew_once(item_id)

    def renew_once(self, item_id: str) -> None:
        """Renew the freeze for half a year from its last day, or from today if that is over."""
        thing = self.state.items[item_id]
        until = max(date.fromisoformat(thing.frozen_until or ""), self.today) + 180 * DAY
        self.say(item.ItemFreezeRenewed, thing.responsible, item_id=item_id, frozen_until=until.isoformat())

    def frozen_until(self, item_id: str) -> date | None:
        """Return the last day of the freeze; None if it cannot be renewed."""
        thing = self.state.items[item_id]
        return date.fromisoformat(thing.frozen_until) if thing.frozen_until and thing.offer is None else None

    # -- measures and decisions ----------------------------------------------------------------------------------------

    def decide(
        self,
        kind: str,
        *persons: str,
        by: str | None = None,
        disposals: Mapping[str, str] | None = None,
        served: bool = False,
        documented: bool = True,
        **fields: Any,
    ) -> Self:
        """Record a decision about all suspects, with the digest of its document."""
        decision_id = f"decision-{len(self.state.decisions) + 1}"
        defaults = {
            "decision_id": decision_id,
            "number": f"{kind}-{self.case_id}-{decision_id}",
            "served_at": self.moment if served else None,
            "items": ordered(disposals or {}),
            "digests": (self.digest_of(decision_id),) if documented else (),
        }
        return super().decide(kind, *(persons or self.persons), by=by, **(defaults | fields))

    @property
    def decision(self) -> str:
        """Return the id of the last decision."""
        return list(self.state.decisions)[-1]

    def _measure_id(self, measure: str, person: str) -> str:
        return f"measure-{len(self.state.measures) + 1}"  # a person may be bailed anew

    def measures(self, *kinds: str) -> list[str]:
        """Return the ids of the suspects' measures that last, of these kinds or of all."""
        return [
            measure.measure_id
            for measure in self.state.measures.values()
            if not measure.ended_at and measure.person_id in self.persons and (not kinds or measure.measure in kinds)
        ]

    def replace(self, old: str, new: str) -> None:
        """Put another measure in the place of each of the suspects' old ones."""
        for measure_id in self.measures(old):
            self.change(old, new, self.state.measures[measure_id].person_id, measure_id=measure_id)

    def extend(self, measure_id: str, days: int, article: str, ground: str | None = None) -> None:
        """Extend the measure by so many days, on the article's clause."""
        measure = self.state.measures[measure_id]
        until = date.fromisoformat(measure.until or measure.started_at[:10]) + days * DAY
        fields = {"measure_id": measure_id, "until": until.isoformat(), "article": article, "qualifying_ground": ground}
        self.say(case.MeasureExtended, ground="as decided", **fields)

    def lift(self, *measure_ids: str) -> None:
        """Lift the measures."""
        for measure_id in measure_ids:
            self.say(case.MeasureLifted, measure_id=measure_id, ended_at=self.moment, ground="as decided")

    def locked_up(self) -> list[str]:
        """Return the suspects whom a measure keeps in custody."""
        kept = {self.state.measures[measure_id].person_id for measure_id in self.measures(*LOCKING_UP)}
        return [person for person in self.persons if person in kept]

    def restart_bail(self) -> None:
        """Impose bail and surveillance anew, as the next organ has to decide on them itself."""
        for measure_id in self.measures("bail", "residential_surveillance"):
            old = self.state.measures[measure_id]
            self.lift(measure_id)
            self.impose(old.person_id, old.measure)

    # -- handovers -----------------------------------------------------------------------------------------------------

    @property
    def sent(self) -> Handover:
        """Return the last handover."""
        return self.state.handovers[list(self.state.handovers)[-1]]

    def deliver(self) -> Self:
        """Let the open handover arrive within a day: hours later, or the next morning."""
        handover_id = self.open_handover().handover_id
        if handover_id not in self.delivered:
            if BOOK.zone.local(datetime.fromtimestamp(self.now, UTC)).hour >= 10 and self.chance.random() < 0.4:
                self.on(self.today + DAY, hour=8)
            else:
                self.now += 60 * self.chance.randint(5, 150)
            self.delivered[handover_id] = self.moment
        return self

    def check(self, *, by: str | None = None, **fields: Any) -> Self:
        """Deliver and check, with nothing amiss."""
        self.deliver()
        return super().check(by=by, **fields)

    def accept(self, handover_id: str | None = None, *, by: str | None = None, **fields: Any) -> Self:
        """Deliver and accept as listed, except for what ``received`` says."""
        received_at = self.deliver().delivered[self.open_handover(handover_id).handover_id]
        return super().accept(handover_id, by=by, **({"received_at": received_at} | fields))

    def move_persons(self) -> None:
        """Decide on bail anew after the last handover, and have its receiver's persons kept for it."""
        self.restart_bail()
        self.serve_custody_changes(self.sent)

    def serve_custody_changes(self, accepted: Handover) -> None:
        """Have the detention house keep the suspects for the new organ; served within the three days allowed."""
        asked = self.ask_custody_changes(accepted)
        if asked:
            last = BOOK.zone.day_of_text(self.delivered[accepted.handover_id]) + 3 * DAY
            self.until(min(max(0, (last - self.today).days), self.chance.choice((0, 0, 1, 2))))
        for change_id in asked:
            self.serve_custody_change(change_id)

    def ask_custody_changes(self, accepted: Handover) -> list[str]:
        """Write the half of the new organ; return the ids of the changes."""
        before = len(self.state.custody_changes)
        for person in self.locked_up():
            if not accepted.person_ids or person in accepted.person_ids:
                self.ask_custody_change(person, by=accepted.to_agency)
        return list(self.state.custody_changes)[before:]

    def correct(self, event: Event, by: str, ground: str, **correction: str) -> None:
        """Correct a field of an event; the old entry stays."""
        corrections = (record.Correction(**correction),)
        self.say(record.RecordCorrected, by, corrects=event.ref, corrections=corrections, ground=ground)
