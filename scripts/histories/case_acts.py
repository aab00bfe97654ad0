"""The acts of a simulated case: each is an event, or the few that belong together."""

from __future__ import annotations

from datetime import date, timedelta
from hashlib import sha256
from random import Random

from ledger.core.custody import Handover, Item
from ledger.core.custody.triggers import CUSTODY
from ledger.core.events import Body, case, handover, item
from ledger.core.events.terms import Date, DecisionKind, Disposal, Measure, Purpose, QualifyingGround
from ledger.core.procedure.legal_days import DAY, SHANGHAI, legal_day_of
from scripts.histories.agencies import SimulatedOfficer, clerk, supervisor
from scripts.histories.simulation import SimulatedCase, SimulatedEvent

CLERKS = 4  # of each agency
SOON = 5 * DAY  # a freeze that lapses so soon is renewed now


class CaseActs:
    """What may happen in a case; the course decides what does."""

    def __init__(self, simulated: SimulatedCase) -> None:
        self.simulated = simulated
        self.city = simulated.city
        self.chance: Random = simulated.chance
        self.persons: tuple[str, ...] = ()
        self.delivered: dict[str, str] = {}  # when, by handover

    # -- who and when --------------------------------------------------------------------------------------------------

    def clerk(self, agency: str) -> SimulatedOfficer:
        """Choose one of the agency's clerks."""
        return clerk(agency, self.chance.randint(1, CLERKS))

    @property
    def responsible(self) -> str:
        """Return the agency that is responsible for the case."""
        return self.simulated.state.responsible

    def say(self, body: Body, agency: str | None = None, delay: timedelta = timedelta(0)) -> SimulatedEvent:
        """Write an event by one of the agency's clerks, of the responsible agency by default."""
        return self.simulated.act(body, self.clerk(agency or self.responsible), delay=delay)

    def wait(self, least: int, most: int) -> None:
        """Let so many days pass and renew meanwhile what has to be renewed."""
        self.until(self.chance.randint(least, most))

    def until(self, days: int) -> None:
        """Go on by so many days and renew freezes meanwhile."""
        day = self.simulated.today + days * DAY
        frozen = [thing for thing in self.live() if thing.frozen_until]
        for thing in sorted(frozen, key=lambda thing: thing.frozen_until or ""):
            self.renew(thing.item_id, day)
        self.simulated.on(day)

    def within(self, clock: str, least: int = 1, spare: int = 6) -> None:
        """Wait for a day on which the clock is not over: now and then the last one, else one with days to spare."""
        last = self.simulated.last_day(clock)
        left = (last - self.simulated.today).days if last else least
        if self.chance.random() < 0.15 and last:
            self.until(max(left, 0))
        else:
            most = max(left - spare, least)
            self.wait(min(least, most), most)

    def renew(self, item_id: str, by: date) -> None:
        """Renew the freeze as often as it would lapse by then or soon after: in time, or on its very last day."""
        while (last := self.frozen_until(item_id)) and last <= by + SOON:
            ahead = 0 if self.chance.random() < 0.1 else self.chance.randint(1, 10)
            self.simulated.on(min(last - ahead * DAY, by))
            self.renew_once(item_id)

    def renew_once(self, item_id: str) -> None:
        """Renew the freeze for half a year from its last day, or from today if that is over."""
        thing = self.simulated.state.items[item_id]
        until = later(max(thing.frozen_until or "", self.simulated.today.isoformat()), 180)
        self.say(item.ItemFreezeRenewed(item_id=item_id, frozen_until=until), thing.responsible)

    def frozen_until(self, item_id: str) -> date | None:
        """Return the last day of the freeze; None if it cannot be renewed."""
        thing = self.simulated.state.items[item_id]
        return date.fromisoformat(thing.frozen_until) if thing.frozen_until and thing.offer is None else None

    # -- things --------------------------------------------------------------------------------------------------------

    def seal_number(self, label: str) -> str:
        """Make a seal number that no other case has."""
        return f"FY{sha256(f'seal {self.simulated.case_id} {label}'.encode()).hexdigest()[:12].upper()}"

    def digest(self, label: str) -> str:
        """Compute the SHA-256 of what ``label`` names in this case."""
        return "sha256:" + sha256(f"{self.simulated.case_id} {label}".encode()).hexdigest()

    def id_of(self, label: str) -> str:
        """Make the id of an item, unique over all cases."""
        return f"{label}-{self.simulated.case_id}"

    def live(self, *kinds: str) -> list[Item]:
        """Return the items that somebody holds, of these kinds or of all."""
        return [
            thing
            for thing in self.simulated.state.items.values()
            if thing.is_live and (not kinds or thing.kind in kinds)
        ]

    def dispose(self, items: list[Item], disposals: dict[str, Disposal], decision_id: str | None) -> None:
        """Dispose of the items as decided, by their holders under two signatures."""
        for thing in items:
            proposal = item.ItemDisposalProposed(
                item_ids=(thing.item_id,),
                disposal=disposals[thing.item_id],
                ground="as decided",
                decision_id=decision_id,
            )
            proposed = self.say(proposal, thing.holder)
            body = item.ItemDisposed(cites=proposed.ref, disposed_at=self.simulated.moment)
            self.simulated.act(body, supervisor(thing.holder))

    # -- measures and decisions ----------------------------------------------------------------------------------------

    def decide(
        self,
        kind: DecisionKind,
        agency: str | None = None,
        *,
        items: dict[str, Disposal] | None = None,
        served: bool = False,
        effective_at: str | None = None,
        documented: bool = True,
        delay: timedelta = timedelta(0),
    ) -> str:
        """Record a decision about all suspects, with the digest of its document; return its id."""
        count = len(self.simulated.state.decisions) + 1
        decision_id = f"decision-{count}"
        body = case.DecisionRecorded(
            decision_id=decision_id,
            kind=kind,
            number=f"{kind}-{self.simulated.case_id}-{count}",
            decided_at=self.simulated.moment,
            served_at=self.simulated.moment if served else None,
            effective_at=effective_at,
            person_ids=self.persons,
            items=tuple(case.ItemDecision(item_id=key, disposal=value) for key, value in (items or {}).items()),
            digests=(self.digest(decision_id),) if documented else (),
        )
        self.say(body, agency, delay)
        return decision_id

    def impose(self, measure: Measure, person_id: str, agency: str | None = None, days: int | None = None) -> str:
        """Impose a measure that begins now; return its id."""
        measure_id = f"measure-{len(self.simulated.state.measures) + 1}"
        body = case.MeasureImposed(
            measure_id=measure_id,
            person_id=person_id,
            measure=measure,
            started_at=self.simulated.moment,
            ground="as decided",
            until=None if days is None else (self.simulated.today + days * DAY).isoformat(),
        )
        self.say(body, agency)
        return measure_id

    def change(self, measure_id: str, measure: Measure, agency: str | None = None) -> str:
        """Change the measure to another; return the id of that."""
        new = f"measure-{len(self.simulated.state.measures) + 1}"
        body = case.MeasureChanged(
            measure_id=measure_id,
            new_measure_id=new,
            measure=measure,
            started_at=self.simulated.moment,
            ground="as decided",
        )
        self.say(body, agency)
        return new

    def extend(self, measure_id: str, until: Date, article: str, ground: QualifyingGround | None = None) -> None:
        """Extend the measure to a later last day, on the article's clause."""
        body = case.MeasureExtended(
            measure_id=measure_id, until=until, ground="as decided", article=article, qualifying_ground=ground
        )
        self.say(body)

    def lift(self, measure_id: str, agency: str | None = None) -> None:
        """Lift the measure."""
        body = case.MeasureLifted(measure_id=measure_id, ended_at=self.simulated.moment, ground="as decided")
        self.say(body, agency)

    def measures(self, *kinds: Measure) -> list[str]:
        """Return the ids of the suspects' measures that last, of these kinds or of all."""
        lasting = [measure for measure in self.simulated.state.measures.values() if measure.ended_at is None]
        return [
            measure.measure_id
            for measure in lasting
            if measure.person_id in self.persons and (not kinds or measure.measure in kinds)
        ]

    def locked_up(self) -> list[str]:
        """Return the suspects whom a measure keeps in custody."""
        lasting = {
            measure.person_id
            for measure in self.simulated.state.measures.values()
            if measure.measure in CUSTODY and not measure.ended_at
        }
        return [person for person in self.persons if person in lasting]

    def restart_bail(self) -> None:
        """Impose bail and surveillance anew, as the next organ has to decide on them itself."""
        for measure_id in self.measures("bail", "residential_surveillance"):
            old = self.simulated.state.measures[measure_id]
            self.lift(measure_id)
            self.impose(old.measure, old.person_id)

    # -- handovers -----------------------------------------------------------------------------------------------------

    def offer(
        self,
        purpose: Purpose,
        to: str,
        lines: list[handover.OfferedItem],
        *,
        sender: str | None = None,
        follows: str | None = None,
        persons: tuple[str, ...] | None = None,
        due_days: int | None = None,
        delay: timedelta = timedelta(0),
    ) -> str:
        """Offer these items with the suspects; return the handover's id."""
        handover_id = self._next_handover()
        body = handover.HandoverOffered(
            handover_id=handover_id,
            to_agency=to,
            purpose=purpose,
            items=tuple(lines),
            person_ids=self.persons if persons is None else persons,
            follows=follows,
            due_at=None if due_days is None else self._in(due_days),
        )
        self.say(body, sender, delay)
        return handover_id

    def give_back(
        self,
        returned: str,
        purpose: Purpose,
        lines: list[handover.OfferedItem],
        *,
        persons: tuple[str, ...] | None = None,
        reason: str = "the facts are not clear yet",
    ) -> str:
        """Return what was accepted; return the id of the new handover."""
        handover_id = self._next_handover()
        body = handover.HandoverReturned(
            handover_id=handover_id,
            returns=returned,
            purpose=purpose,
            reason_code="other" if purpose == "return" else "incomplete_dossier",
            explanation=reason,
            items=tuple(lines),
            person_ids=self.persons if persons is None else persons,
        )
        self.say(body, self.simulated.state.handovers[returned].to_agency)
        return handover_id

    def deliver(self, handover_id: str) -> None:
        """Let the handover arrive within a day: hours later, or the next morning."""
        if handover_id in self.delivered:
            return
        if self.simulated.now.astimezone(SHANGHAI).hour >= 10 and self.chance.random() < 0.4:
            self.simulated.on(self.simulated.today + DAY, hour=8)
        else:
            self.simulated.now += timedelta(minutes=self.chance.randint(5, 150))
        self.delivered[handover_id] = self.simulated.moment

    def accept(
        self, handover_id: str, received: tuple[handover.ReceivedItem, ...] = (), by: SimulatedOfficer | None = None
    ) -> None:
        """Deliver and accept as listed, except for what ``received`` says."""
        self.deliver(handover_id)
        body = handover.HandoverAccepted(
            handover_id=handover_id,
            received_at=self.delivered[handover_id],
            rest_as_listed=True,
            received=received,
        )
        self.simulated.act(body, by or self.clerk(self.simulated.state.handovers[handover_id].to_agency))

    def serve_custody_changes(self, handover_id: str) -> None:
        """Have the detention house keep the suspects for the new organ; served within the three days allowed."""
        accepted = self.simulated.state.handovers[handover_id]
        passed = [person for person in self.locked_up() if not accepted.person_ids or person in accepted.person_ids]
        asked = [self.request_custody_change(accepted, person) for person in passed]
        if asked:
            last = legal_day_of(self.delivered[handover_id]) + 3 * DAY
            self.until(min(max(0, (last - self.simulated.today) // DAY), self.chance.choice((0, 0, 1, 2))))
        for change_id in asked:
            self.serve(change_id)

    def request_custody_change(self, accepted: Handover, person: str) -> str:
        """Write the half of the new organ; return the id of the change."""
        change_id = f"custody-{len(self.simulated.state.custody_changes) + 1}"
        body = case.CustodyChangeRequested(
            custody_change_id=change_id,
            handover_id=accepted.handover_id,
            person_id=person,
            detention_house=self.city.detention_house,
            number=f"{change_id}-{self.simulated.case_id}",
        )
        self.say(body, accepted.to_agency)
        return change_id

    def serve(self, change_id: str) -> None:
        """Write the half of the detention house."""
        body = case.CustodyChangeServed(custody_change_id=change_id, served_at=self.simulated.moment)
        self.say(body, self.city.detention_house)

    def _next_handover(self) -> str:
        return f"handover-{len(self.simulated.state.handovers) + 1}"

    def _in(self, days: int) -> str:
        return f"{(self.simulated.today + days * DAY).isoformat()}T09:00:00Z"


def line(item_id: str, *, stays: bool = False) -> handover.OfferedItem:
    """Make a line of a transfer list that agrees with the record."""
    return handover.OfferedItem(item_id=item_id, stays=stays)


def later(day: Date, days: int) -> Date:
    """Return the day so many days after ``day``."""
    return (date.fromisoformat(day) + days * DAY).isoformat()
