"""A model of custody that knows only who holds what, for whom, until when, and which offers are open."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.testkit.builders import POLICE


@dataclass
class Thing:
    """What the model knows of an item that somebody holds. ``timed``: taken out until a day; ``lender``: lent it."""

    holder: str
    answers: str
    amount: int
    out: bool = False
    timed: bool = False
    frozen_until: str | None = None
    lender: str | None = None

    @property
    def kind(self) -> tuple[object, ...]:
        """What must be the same in what is merged."""
        return self.answers, self.out, self.timed, self.frozen_until, self.lender

    def part(self, amount: int) -> Thing:
        """A part of it, or what it comes to with others of its kind."""
        return Thing(self.holder, self.answers, amount, self.out, self.timed, self.frozen_until, self.lender)

    def clocks(self) -> set[str]:
        """The clocks that run for it."""
        running = {"freeze": self.frozen_until is not None, "loan": self.timed, "loan_to_agency": bool(self.lender)}
        return {name for name, runs in running.items() if runs}


@dataclass
class Offer:
    """What the model knows of an offer. ``changes_custody`` of who is locked up; ``timed``: its things are lent."""

    sender: str
    receiver: str
    things: list[str]
    case: bool
    responsibility: bool
    changes_custody: bool = False
    timed: bool = False


@dataclass
class Prisoner:
    """The one suspect: the arrests that run, for whom he is kept, whether the detention house is to be told."""

    arrests: set[str] = field(default_factory=set)
    kept_for: str | None = None
    change_due: bool = False
    asked: dict[str, str] = field(default_factory=dict)

    def lift(self, measure_id: str) -> None:
        self.arrests.discard(measure_id)
        if not self.arrests:
            self.kept_for, self.change_due = None, False


@dataclass
class Model:
    """Who holds which item, who answers for the case, the offers, and one prisoner: nothing else."""

    parties: set[str] = field(default_factory=lambda: {POLICE})
    answers: str = POLICE
    things: dict[str, Thing] = field(default_factory=dict)
    offers: dict[str, Offer] = field(default_factory=dict)
    accepted: dict[str, Offer] = field(default_factory=dict)
    li: Prisoner = field(default_factory=Prisoner)
    registered: int = 0
    disposed: int = 0
    origins: dict[str, set[str]] = field(default_factory=dict)  # of each item ever: itself and all that it comes from
    holds: dict[str, set[str] | None] = field(default_factory=dict)  # that stand: on items, or None on the whole case
    said: dict[str, set[str]] = field(default_factory=dict)  # by events with a section: the items that they are about

    def come_of(self, name: str, *sources: str) -> None:
        """A new item, which what was said of its sources is about too."""
        self.origins[name] = {name}.union(*(self.origins[source] for source in sources))
        for about in self.said.values():
            about.update({name} if about & set(sources) else ())

    def is_held(self, name: str) -> bool:
        """Whether a hold covers the item."""
        return any(items is None or items & self.origins.get(name, set()) for items in self.holds.values())

    def has_nothing_of(self, hold_id: str, agency: str) -> bool:
        """Whether the agency has no item which the hold covers, and does not answer for a case that it covers."""
        items = self.holds[hold_id]
        own = [name for name, thing in self.things.items() if thing.holder == agency]
        if items is None:
            return self.answers != agency and not own
        return not any(items & self.origins[name] for name in own)

    def is_said_for_good(self, event_id: str) -> bool:
        """Whether a hold covers the section of the event."""
        return None in self.holds.values() or any(map(self.is_held, self.said[event_id]))

    def is_free(self, name: str, holder: str) -> bool:
        """Whether ``holder``, a party, has the thing and has not offered it."""
        thing = self.things.get(name)
        return holder in self.parties and thing is not None and thing.holder == holder and name not in self.offered()

    def is_in_store(self, name: str, holder: str) -> bool:
        return self.is_free(name, holder) and not self.things[name].out

    def may_freeze(self, name: str, by: str, *, renewed: bool) -> bool:
        thing = self.things.get(name)
        if thing is None or by not in self.parties or by not in (thing.holder, thing.answers):
            return False
        return name not in self.offered() and (thing.frozen_until is not None or not renewed)

    def offered(self) -> list[str]:
        return [name for offer in self.offers.values() for name in offer.things]

    def may_offer(self, offer: Offer) -> bool:
        if offer.sender not in self.parties or offer.sender == offer.receiver:
            return False
        if not all(self.is_in_store(name, offer.sender) for name in offer.things):
            return False
        if offer.case:
            return not any(open_offer.case for open_offer in self.offers.values())
        if offer.responsibility:
            own = all(self.things[name].answers == offer.sender for name in offer.things)
            return offer.receiver == self.answers and own and bool(offer.things)
        return bool(offer.things)

    def accept(self, handover_id: str, left: set[str]) -> None:
        """Everything of the offer but what is ``left`` passes."""
        offer = self.offers.pop(handover_id)
        self.accepted[handover_id] = offer
        self.parties.add(offer.receiver)
        for name in set(offer.things) - left:
            thing = self.things[name]
            thing.holder = offer.receiver
            if offer.responsibility and thing.answers == offer.sender:
                thing.answers = offer.receiver
            if offer.timed and thing.lender is None:
                thing.lender = offer.sender
            elif thing.lender == offer.receiver:
                thing.lender = None
        if offer.case:
            self.answers = offer.receiver
        if offer.changes_custody and self.li.arrests:
            self.li.change_due = self.li.kept_for != offer.receiver

    def clocks(self) -> set[tuple[str, str]]:
        """The clocks of things that run, by name and thing."""
        return {(clock, name) for name, thing in self.things.items() for clock in thing.clocks()}
