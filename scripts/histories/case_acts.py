"""The sentences that a life is told in: each is an act, or the few that belong together."""

from __future__ import annotations

from datetime import date, timedelta
from hashlib import sha256
from random import Random

from ledger.core.custody import Handover, Item
from ledger.core.custody.triggers import CUSTODY
from ledger.core.events import Body, case, handover, item
from ledger.core.events.terms import Date, DecisionKind, Disposal, Measure, Purpose, QualifyingGround
from ledger.core.procedure.legal_days import DAY, SHANGHAI, legal_day_of
from scripts.histories.agencies import Officer, clerk, supervisor
from scripts.histories.simulation import Entry, Life

CLERKS = 4  # of each agency
SOON = 5 * DAY  # a freeze that lapses so soon is renewed now


class Acts:
    """A life in the hands of its course."""

    def __init__(self, life: Life) -> None:
        self.life = life
        self.city = life.city
        self.chance: Random = life.chance
        self.persons: tuple[str, ...] = ()
        self.delivered: dict[str, str] = {}  # when, by handover

    # -- who and when --------------------------------------------------------------------------------------------------

    def clerk(self, agency: str) -> Officer:
        """Any of the agency's clerks."""
        return clerk(agency, self.chance.randint(1, CLERKS))

    @property
    def responsible(self) -> str:
        """The agency that answers for the case."""
        return self.life.state.responsible

    def say(self, body: Body, agency: str | None = None, delay: timedelta = timedelta(0)) -> Entry:
        """An act of one of the agency's clerks, of the responsible one unless it is named."""
        return self.life.act(body, self.clerk(agency or self.responsible), delay=delay)

    def wait(self, least: int, most: int) -> None:
        """So many days pass, in which what has to be renewed is renewed."""
        self.until(self.chance.randint(least, most))

    def until(self, days: int) -> None:
        """The day that lies so many days ahead comes; freezes are renewed meanwhile."""
        day = self.life.today + days * DAY
        for one in sorted(self._frozen(), key=lambda one: one.frozen_until or ""):
            self.renew(one.item_id, day)
        self.life.on(day)

    def within(self, clock: str, least: int = 1, spare: int = 6) -> None:
        """Waits for a day on which the clock is not over: the last one now and then, else one with days to spare."""
        last = self.life.last_day(clock)
        left = (last - self.life.today).days if last else least
        if self.chance.random() < 0.15 and last:
            self.until(max(left, 0))
        else:
            most = max(left - spare, least)
            self.wait(min(least, most), most)

    def _frozen(self) -> list[Item]:
        return [one for one in self.life.state.items.values() if one.is_live and one.frozen_until]

    def renew(self, item_id: str, by: date) -> None:
        """Renews the freeze as often as it would lapse by then or soon after: in time, or on its very last day."""
        while (last := self.frozen_until(item_id)) and last <= by + SOON:
            ahead = 0 if self.chance.random() < 0.1 else self.chance.randint(1, 10)
            self.life.on(min(last - ahead * DAY, by))
            self.renew_once(item_id)

    def renew_once(self, item_id: str) -> None:
        """For half a year from its last day, or from today where that is over."""
        one = self.life.state.items[item_id]
        until = later(max(one.frozen_until or "", self.life.today.isoformat()), 180)
        self.say(item.ItemFreezeRenewed(item_id=item_id, frozen_until=until), one.responsible)

    def frozen_until(self, item_id: str) -> date | None:
        """The last day of its freeze; None where none can be renewed."""
        one = self.life.state.items[item_id]
        return date.fromisoformat(one.frozen_until) if one.frozen_until and one.offer is None else None

    # -- things --------------------------------------------------------------------------------------------------------

    def seal_number(self, label: str) -> str:
        """A number that no other case has."""
        return f"FY{sha256(f'seal {self.life.case_id} {label}'.encode()).hexdigest()[:12].upper()}"

    def digest(self, label: str) -> str:
        """SHA-256 of what ``label`` names in this case."""
        return "sha256:" + sha256(f"{self.life.case_id} {label}".encode()).hexdigest()

    def id_of(self, label: str) -> str:
        """The id of a thing: unique over all cases."""
        return f"{label}-{self.life.case_id}"

    def live(self, *kinds: str) -> list[Item]:
        """The things that somebody holds, of these kinds or of all."""
        return [one for one in self.life.state.items.values() if one.is_live and (not kinds or one.kind in kinds)]

    def dispose(self, items: list[Item], disposals: dict[str, Disposal], decision_id: str | None) -> None:
        """Whoever holds them disposes of them as decided, under two signatures."""
        for one in items:
            proposal = item.ItemDisposalProposed(
                item_ids=(one.item_id,),
                disposal=disposals[one.item_id],
                ground="as decided",
                decision_id=decision_id,
            )
            proposed = self.say(proposal, one.holder)
            body = item.ItemDisposed(cites=proposed.ref, disposed_at=self.life.moment)
            self.life.act(body, supervisor(one.holder))

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
        """A decision about all suspects, with the digest of its document; its id."""
        count = len(self.life.state.decisions) + 1
        decision_id = f"decision-{count}"
        body = case.DecisionRecorded(
            decision_id=decision_id,
            kind=kind,
            number=f"{kind}-{self.life.case_id}-{count}",
            decided_at=self.life.moment,
            served_at=self.life.moment if served else None,
            effective_at=effective_at,
            person_ids=self.persons,
            items=tuple(case.ItemDecision(item_id=key, disposal=value) for key, value in (items or {}).items()),
            digests=(self.digest(decision_id),) if documented else (),
        )
        self.say(body, agency, delay)
        return decision_id

    def impose(self, measure: Measure, person_id: str, agency: str | None = None, days: int | None = None) -> str:
        """A measure that begins now; its id."""
        measure_id = f"measure-{len(self.life.state.measures) + 1}"
        body = case.MeasureImposed(
            measure_id=measure_id,
            person_id=person_id,
            measure=measure,
            started_at=self.life.moment,
            ground="as decided",
            until=None if days is None else (self.life.today + days * DAY).isoformat(),
        )
        self.say(body, agency)
        return measure_id

    def change(self, measure_id: str, measure: Measure, agency: str | None = None) -> str:
        """The measure gives way to another; the id of that."""
        new = f"measure-{len(self.life.state.measures) + 1}"
        body = case.MeasureChanged(
            measure_id=measure_id, new_measure_id=new, measure=measure, started_at=self.life.moment, ground="as decided"
        )
        self.say(body, agency)
        return new

    def extend(self, measure_id: str, until: Date, article: str, ground: QualifyingGround | None = None) -> None:
        """A later last day of the measure, on the article's clause."""
        body = case.MeasureExtended(
            measure_id=measure_id, until=until, ground="as decided", article=article, qualifying_ground=ground
        )
        self.say(body)

    def lift(self, measure_id: str, agency: str | None = None) -> None:
        """The measure ends."""
        body = case.MeasureLifted(measure_id=measure_id, ended_at=self.life.moment, ground="as decided")
        self.say(body, agency)

    def measures(self, *kinds: Measure) -> list[str]:
        """Ids of the measures of the suspects that last, of these kinds or of all."""
        lasting = [one for one in self.life.state.measures.values() if one.ended_at is None]
        return [
            one.measure_id for one in lasting if one.person_id in self.persons and (not kinds or one.measure in kinds)
        ]

    def locked_up(self) -> list[str]:
        """The suspects whom a measure keeps in custody."""
        lasting = {
            one.person_id for one in self.life.state.measures.values() if one.measure in CUSTODY and not one.ended_at
        }
        return [person for person in self.persons if person in lasting]

    def restart_bail(self) -> None:
        """The next organ decides on bail and surveillance anew."""
        for measure_id in self.measures("bail", "residential_surveillance"):
            old = self.life.state.measures[measure_id]
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
        """An offer of these things with the suspects; its id."""
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
        """An offer the other way, of what was accepted; its id."""
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
        self.say(body, self.life.state.handovers[returned].to_agency)
        return handover_id

    def deliver(self, handover_id: str) -> None:
        """It arrives within a day: hours later, or the next morning."""
        if handover_id in self.delivered:
            return
        if self.life.now.astimezone(SHANGHAI).hour >= 10 and self.chance.random() < 0.4:
            self.life.on(self.life.today + DAY, hour=8)
        else:
            self.life.now += timedelta(minutes=self.chance.randint(5, 150))
        self.delivered[handover_id] = self.life.moment

    def accept(
        self, handover_id: str, received: tuple[handover.ReceivedItem, ...] = (), by: Officer | None = None
    ) -> None:
        """Delivered, and accepted as listed but for what ``received`` says."""
        self.deliver(handover_id)
        body = handover.HandoverAccepted(
            handover_id=handover_id,
            received_at=self.delivered[handover_id],
            rest_as_listed=True,
            received=received,
        )
        self.life.act(body, by or self.clerk(self.life.state.handovers[handover_id].to_agency))

    def serve_custody_changes(self, handover_id: str) -> None:
        """The new organ asks the detention house to keep them for it; served within the three days that it has."""
        accepted = self.life.state.handovers[handover_id]
        passed = [person for person in self.locked_up() if not accepted.person_ids or person in accepted.person_ids]
        asked = [self.request_custody_change(accepted, person) for person in passed]
        if asked:
            last = legal_day_of(self.delivered[handover_id]) + 3 * DAY
            self.until(min(max(0, (last - self.life.today) // DAY), self.chance.choice((0, 0, 1, 2))))
        for change_id in asked:
            self.serve(change_id)

    def request_custody_change(self, accepted: Handover, person: str) -> str:
        """The half of the new organ; the id of the change."""
        change_id = f"custody-{len(self.life.state.custody_changes) + 1}"
        body = case.CustodyChangeRequested(
            custody_change_id=change_id,
            handover_id=accepted.handover_id,
            person_id=person,
            detention_house=self.city.detention_house,
            number=f"{change_id}-{self.life.case_id}",
        )
        self.say(body, accepted.to_agency)
        return change_id

    def serve(self, change_id: str) -> None:
        """The half of the detention house."""
        body = case.CustodyChangeServed(custody_change_id=change_id, served_at=self.life.moment)
        self.say(body, self.city.detention_house)

    def _next_handover(self) -> str:
        return f"handover-{len(self.life.state.handovers) + 1}"

    def _in(self, days: int) -> str:
        return f"{(self.life.today + days * DAY).isoformat()}T09:00:00Z"


def line(item_id: str, *, stays: bool = False) -> handover.OfferedItem:
    """A line of a transfer list, as the record has the thing."""
    return handover.OfferedItem(item_id=item_id, stays=stays)


def later(day: Date, days: int) -> Date:
    """The day that lies so many days after ``day``."""
    return (date.fromisoformat(day) + days * DAY).isoformat()
