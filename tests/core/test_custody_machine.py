"""A thousand random acts against a model that knows only who holds what and which offers are open."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from ledger.core.errors import RuleRefused
from ledger.core.event import item
from ledger.core.event.handover import NotAcceptedItem
from tests.builders import COURT, LAB, POLICE, PROCURATORATE, clerk, supervisor
from tests.casework import Case, pieces

AGENCIES = (POLICE, PROCURATORATE, COURT, LAB)
LOAN, REVIEW = "loan", "prosecution_review"

agencies = st.sampled_from(AGENCIES)
picks = st.integers(0, 7)
amounts = st.integers(1, 20)
# Mostly the agency that may act acts, and on what it may act; now and then any other on anything.
mostly = st.sampled_from((True, True, True, True, False))


@dataclass
class Thing:
    """What the model knows of an item that somebody holds."""

    holder: str
    answers: str
    amount: int


@dataclass
class Offer:
    """What the model knows of an open offer."""

    sender: str
    receiver: str
    things: list[str]
    case: bool
    responsibility: bool


@dataclass
class Model:
    """Who holds which item, who answers for the case, and the open offers: nothing else."""

    parties: set[str] = field(default_factory=lambda: {POLICE})
    answers: str = POLICE
    things: dict[str, Thing] = field(default_factory=dict)
    offers: dict[str, Offer] = field(default_factory=dict)
    registered: int = 0
    disposed: int = 0

    def is_free(self, name: str, holder: str) -> bool:
        thing = self.things.get(name)
        return thing is not None and thing.holder == holder and name not in self.offered()

    def offered(self) -> list[str]:
        return [name for offer in self.offers.values() for name in offer.things]

    def may_offer(self, offer: Offer) -> bool:
        if offer.sender not in self.parties or offer.sender == offer.receiver:
            return False
        if not all(self.is_free(name, offer.sender) for name in offer.things):
            return False
        if offer.case:
            return not any(other.case for other in self.offers.values())
        if offer.responsibility:
            own = all(self.things[name].answers == offer.sender for name in offer.things)
            return offer.receiver == self.answers and own and bool(offer.things)
        return bool(offer.things)


class Custody(RuleBasedStateMachine):
    """Each act is tried whether the model allows it or not; rules and model must agree on it."""

    steps = 0

    @initialize()
    def open_case(self) -> None:
        self.case = Case().open()
        self.model = Model()
        self.names: list[str] = []
        for amount in (1, 7, 12, 20):
            self.register(POLICE, amount, properly=True)

    def tried(self, possible: bool, act: object, *arguments: object, **fields: object) -> bool:
        """Does the act; whether it was possible, which must be what the model says."""
        type(self).steps += 1
        try:
            act(*arguments, **fields)  # type: ignore[operator]
        except RuleRefused:
            assert not possible
            return False
        assert possible
        return True

    def new_name(self) -> str:
        self.names.append(f"item-{len(self.names)}")
        return self.names[-1]

    def pick(self, number: int, *, properly: bool) -> str:
        """A live item where there is one, else any of the latest, else an unknown one."""
        names = list(self.model.things) if properly and self.model.things else self.names
        return names[-1 - number % len(names)] if names else "no-such-item"

    def holder_of(self, name: str, by: str, *, properly: bool) -> str:
        thing = self.model.things.get(name)
        return thing.holder if properly and thing else by

    def pick_handover(self, number: int, *, properly: bool) -> tuple[str, Offer | None]:
        """An open offer where there is one, else any handover. Requires that the case has one."""
        names = list(self.model.offers if properly and self.model.offers else self.case.state.handovers)
        name = names[-1 - number % len(names)]
        return name, self.model.offers.get(name)

    def part(self, name: str, amount: int) -> item.ItemPart:
        return item.ItemPart(item_id=name, quantity=pieces(amount))

    @rule(by=agencies, amount=amounts, properly=mostly)
    def register(self, by: str, amount: int, properly: bool) -> None:
        by = self.model.answers if properly else by  # who answers for the case is a party
        name, possible = self.new_name(), by in self.model.parties
        fields = {"kind": "property", "quantity": amount, "fungible": True}
        if self.tried(possible, self.case.register, name, by=clerk(by), **fields):
            self.model.things[name] = Thing(by, self.model.answers, amount)
            self.model.registered += amount

    @rule(
        sender=agencies,
        onward=st.integers(0, 3),
        chosen=st.lists(picks, min_size=1, max_size=3),
        purpose=st.sampled_from((LOAN, REVIEW)),
        properly=mostly,
    )
    def offer(self, sender: str, onward: int, chosen: list[int], purpose: str, properly: bool) -> None:
        things = list(dict.fromkeys(self.pick(number, properly=properly) for number in chosen))
        if properly:
            sender = self.holder_of(things[0], sender, properly=True) if things else self.model.answers
            things = [name for name in things if self.model.is_free(name, sender)]
            onward = onward or 1
        receiver = AGENCIES[(AGENCIES.index(sender) + onward) % len(AGENCIES)]
        moves = purpose == REVIEW
        offer = Offer(sender, receiver, things, moves and sender == self.model.answers, moves)
        possible = self.model.may_offer(offer)
        if self.tried(possible, self.case.offer, *things, to=receiver, purpose=purpose, by=clerk(sender)):
            self.model.offers[f"handover-{len(self.case.state.handovers)}"] = offer

    @precondition(lambda self: self.case.state.handovers)
    @rule(by=agencies, number=picks, kept=st.lists(picks, max_size=2), properly=mostly)
    def accept(self, by: str, number: int, kept: list[int], properly: bool) -> None:
        handover_id, offer = self.pick_handover(number, properly=properly)
        by = offer.receiver if properly and offer else by
        listed = offer.things if offer else []
        left = {listed[k % len(listed)] for k in kept} if listed else set()
        not_accepted = tuple(NotAcceptedItem(item_id=name, reason_code="not_our_stage") for name in sorted(left))
        possible = offer is not None and offer.receiver == by and not (listed and len(left) == len(listed))
        if self.tried(possible, self.case.accept, handover_id, by=clerk(by), not_accepted=not_accepted) and offer:
            self._hand_over(offer, left)
            del self.model.offers[handover_id]

    def _hand_over(self, offer: Offer, left: set[str]) -> None:
        self.model.parties.add(offer.receiver)
        for name in set(offer.things) - left:
            thing = self.model.things[name]
            thing.holder = offer.receiver
            if offer.responsibility and thing.answers == offer.sender:
                thing.answers = offer.receiver
        if offer.case:
            self.model.answers = offer.receiver

    @precondition(lambda self: self.case.state.handovers)
    @rule(by=agencies, number=picks, properly=mostly, recalled=st.booleans())
    def take_back(self, by: str, number: int, properly: bool, recalled: bool) -> None:
        """The receiver refuses, or the sender recalls."""
        handover_id, offer = self.pick_handover(number, properly=properly)
        right = (offer.sender if recalled else offer.receiver) if offer else None
        by = right if properly and right else by
        act = self.case.recall if recalled else self.case.refuse
        if self.tried(by == right, act, handover_id, by=clerk(by)):
            del self.model.offers[handover_id]

    @rule(by=agencies, number=picks, first=amounts, second=amounts, properly=mostly)
    def split(self, by: str, number: int, first: int, second: int, properly: bool) -> None:
        """Random amounts seldom add up: mostly the second is what the first leaves."""
        name, one, two = self.pick(number, properly=properly), self.new_name(), self.new_name()
        by = self.holder_of(name, by, properly=properly)
        thing = self.model.things.get(name)
        if properly and thing and thing.amount > first:
            second = thing.amount - first
        fits = thing is not None and thing.amount == first + second
        possible = by in self.model.parties and self.model.is_free(name, by) and fits
        body = item.ItemSplit(item_id=name, parts=(self.part(one, first), self.part(two, second)))
        if self.tried(possible, self.case.act, body, clerk(by)) and thing:
            del self.model.things[name]
            self.model.things[one] = Thing(by, thing.answers, first)
            self.model.things[two] = Thing(by, thing.answers, second)

    @rule(by=agencies, one=picks, two=picks, properly=mostly)
    def merge(self, by: str, one: int, two: int, properly: bool) -> None:
        names = (self.pick(one, properly=properly), self.pick(two, properly=properly))
        by, whole = self.holder_of(names[0], by, properly=properly), self.new_name()
        things = [self.model.things.get(name) for name in names]
        free = by in self.model.parties and all(self.model.is_free(name, by) for name in names)
        alike = names[0] != names[1] and len({thing.answers for thing in things if thing}) == 1
        total = sum(thing.amount for thing in things if thing)
        body = item.ItemMerged(item_ids=names, whole=self.part(whole, total))
        if self.tried(free and alike, self.case.act, body, clerk(by)) and things[0]:
            self.model.things[whole] = Thing(by, things[0].answers, total)
            for name in names:
                del self.model.things[name]

    @precondition(lambda self: len(self.model.things) > 3)
    @rule(by=agencies, number=picks, properly=mostly)
    def dispose(self, by: str, number: int, properly: bool) -> None:
        name = self.pick(number, properly=properly)
        by = self.holder_of(name, by, properly=properly)
        possible = by in self.model.parties and self.model.is_free(name, by)
        proposal = item.ItemDisposalProposed(item_ids=(name,), disposal="destroyed", ground="worthless")
        if self.tried(possible, self.case.act, proposal, clerk(by)):
            second = item.ItemDisposed(cites=self.case.last.ref, disposed_at="2026-03-02T02:00:00Z")
            self.tried(False, self.case.act, second, clerk(by))
            self.tried(True, self.case.act, second, supervisor(by))
            self.model.disposed += self.model.things.pop(name).amount

    @invariant()
    def rules_and_model_know_the_same(self) -> None:
        """Every live item has exactly one holder, the model's, and one agency that answers for it."""
        state = self.case.state
        live = {one.item_id: one for one in state.items.values() if one.is_live}
        assert {name: (one.holder, one.responsible) for name, one in live.items()} == {
            name: (thing.holder, thing.answers) for name, thing in self.model.things.items()
        }
        assert all(one.holder in state.agencies for one in live.values())
        assert (state.responsible, set(state.agencies)) == (self.model.answers, self.model.parties)

    @invariant()
    def nothing_is_lost_or_made(self) -> None:
        """What is held and what was disposed of add up to what was registered."""
        held = sum(int(one.quantity.value) for one in self.case.state.items.values() if one.is_live)
        assert held + self.model.disposed == self.model.registered

    @invariant()
    def no_item_stands_in_two_open_offers(self) -> None:
        """The open offers are the model's, and each item that stands in one names it."""
        open_offers = [one for one in self.case.state.handovers.values() if one.is_open]
        assert {one.handover_id: list(one.items) for one in open_offers} == {
            key: offer.things for key, offer in self.model.offers.items()
        }
        listed = [(name, one.handover_id) for one in open_offers for name in one.items]
        assert len(dict(listed)) == len(listed)
        assert dict(listed) == {one.item_id: one.offer for one in self.case.state.items.values() if one.offer}


def test_rules_and_model_agree_over_a_thousand_acts() -> None:
    """Whatever is tried in whatever order, the rules allow what the model allows, and the invariants hold."""
    Custody.steps = 0
    run_state_machine_as_test(Custody, settings=settings(max_examples=60, stateful_step_count=60, deadline=None))
    assert Custody.steps >= 1000
