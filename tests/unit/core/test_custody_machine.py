"""Random acts against a model that knows only who holds what: rules and model must agree on each.

``TALLYSTICK_CUSTODY_ACTS=10000 python -m pytest tests/unit/core/test_custody_machine.py`` tries ten thousand acts
instead of four hundred.
"""

from __future__ import annotations

import os

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

from ledger.core.custody.kept_state import decode_state, encode_state
from ledger.core.errors import RuleRefused
from ledger.core.events import case, item
from ledger.core.events import case as acts
from ledger.core.events.handover import NotAcceptedItem
from ledger.core.events.hold import HoldPlaced, HoldReleased
from ledger.core.events.record import ErasureProposed
from ledger.core.events.terms import EventRef
from ledger.core.procedure.adoption import Procedures
from tests.oracles.custody_model import Model, Offer, Thing
from tests.testkit.builders import COURT, DETENTION, LAB, POLICE, PROCURATORATE, clerk, section, supervisor
from tests.testkit.casework import AT, Case, person_id, pieces, second_of

ACTS = int(os.environ.get("TALLYSTICK_CUSTODY_ACTS", "400"))
STEPS_OF_A_CASE = 60
ACTS_OF_A_CASE = 15  # at least, on average: cases are cut short where hypothesis likes to
AGENCIES = (POLICE, PROCURATORATE, COURT, LAB)
LOAN, REVIEW, RETURN = "loan", "prosecution_review", "return"
LI = person_id("li")
DUE = "2026-05-04T01:00:00Z"

agencies = st.sampled_from(AGENCIES)
picks = st.integers(0, 7)
amounts = st.integers(1, 20)
days = st.sampled_from(("2026-06-01", "2026-07-01"))
# Mostly the agency that may act acts, and on what it may act; now and then any other on anything.
mostly = st.sampled_from((True, True, True, True, False))


class Custody(RuleBasedStateMachine):
    """Each act is tried whether the model allows it or not; rules and model must agree on it."""

    steps = 0

    @initialize()
    def open_case(self) -> None:
        self.case = Case().open().name("li")
        self.model = Model()
        self.names: list[str] = []
        self.refs: list[EventRef] = []  # of the events with a section
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

    # -- things --------------------------------------------------------------------------------------------------------

    @rule(by=agencies, amount=amounts, properly=mostly)
    def register(self, by: str, amount: int, properly: bool) -> None:
        by = self.model.answers if properly else by  # who answers for the case is a party
        name, possible = self.new_name(), by in self.model.parties
        fields = {"kind": "property", "description": "goods", "quantity": amount, "fungible": True}
        if self.tried(possible, self.case.register, name, by=clerk(by), **fields):
            self.model.things[name] = Thing(by, self.model.answers, amount)
            self.model.come_of(name)
            self.model.registered += amount

    @rule(by=agencies, number=picks, first=amounts, second=amounts, properly=mostly)
    def split(self, by: str, number: int, first: int, second: int, properly: bool) -> None:
        """Random amounts seldom add up: mostly the second is what the first leaves."""
        name, left, two = self.pick(number, properly=properly), self.new_name(), self.new_name()
        by = self.holder_of(name, by, properly=properly)
        thing = self.model.things.get(name)
        if properly and thing and thing.amount > first:
            second = thing.amount - first
        fits = thing is not None and thing.amount == first + second
        body = item.ItemSplit(item_id=name, parts=(self.part(left, first), self.part(two, second)))
        if self.tried(self.model.is_free(name, by) and fits, self.case.act, body, clerk(by)) and thing:
            del self.model.things[name]
            self.model.things |= {left: thing.part(first), two: thing.part(second)}
            self.model.come_of(left, name)
            self.model.come_of(two, name)

    @rule(by=agencies, first=picks, two=picks, properly=mostly)
    def merge(self, by: str, first: int, two: int, properly: bool) -> None:
        names = (self.pick(first, properly=properly), self.pick(two, properly=properly))
        by, whole = self.holder_of(names[0], by, properly=properly), self.new_name()
        things = [self.model.things.get(name) for name in names]
        free = all(self.model.is_free(name, by) for name in names)
        alike = names[0] != names[1] and len({thing.kind for thing in things if thing}) == 1
        total = sum(thing.amount for thing in things if thing)
        body = item.ItemMerged(item_ids=names, whole=self.part(whole, total))
        if self.tried(free and alike, self.case.act, body, clerk(by)) and things[0]:
            self.model.things[whole] = things[0].part(total)
            self.model.come_of(whole, *names)
            for name in names:
                del self.model.things[name]

    @precondition(lambda self: len(self.model.things) > 3)
    @rule(by=agencies, number=picks, properly=mostly)
    def dispose(self, by: str, number: int, properly: bool) -> None:
        name = self.pick(number, properly=properly)
        by = self.holder_of(name, by, properly=properly)
        proposal = item.ItemDisposalProposed(item_ids=(name,), disposal="destroyed", ground="worthless")
        possible = self.model.is_in_store(name, by) and not self.model.is_held(name)
        if self.tried(possible, self.case.act, proposal, clerk(by)):
            second = item.ItemDisposed(cites=self.case.last.ref, disposed_at="2026-03-02T02:00:00Z")
            self.tried(False, self.case.act, second, clerk(by))
            self.tried(True, self.case.act, second, supervisor(by))
            self.model.disposed += self.model.things.pop(name).amount

    @rule(by=agencies, number=picks, timed=st.booleans(), properly=mostly)
    def check_out(self, by: str, number: int, timed: bool, properly: bool) -> None:
        name = self.pick(number, properly=properly)
        by = self.holder_of(name, by, properly=properly)
        body = item.ItemCheckedOut(item_id=name, to_officer="o-1", ground="hearing", due_at=DUE if timed else None)
        if self.tried(self.model.is_in_store(name, by), self.case.act, body, clerk(by)):
            self.model.things[name].out, self.model.things[name].timed = True, timed

    @rule(by=agencies, number=picks, counted=st.none() | amounts, properly=mostly)
    def check_in(self, by: str, number: int, counted: int | None, properly: bool) -> None:
        """What comes back may be another amount, which is then the record."""
        out = [name for name, thing in self.model.things.items() if thing.out]
        name = out[number % len(out)] if properly and out else self.pick(number, properly=False)
        by = self.holder_of(name, by, properly=properly)
        thing = self.model.things.get(name)
        possible = self.model.is_free(name, by) and thing is not None and thing.out
        body = item.ItemCheckedIn(item_id=name, quantity=None if counted is None else pieces(counted))
        if self.tried(possible, self.case.act, body, clerk(by)) and thing:
            thing.out = thing.timed = False
            self.model.registered += (thing.amount if counted is None else counted) - thing.amount
            thing.amount = counted or thing.amount

    @rule(by=agencies, number=picks, until=days, renewed=st.booleans(), properly=mostly)
    def freeze(self, by: str, number: int, until: str, renewed: bool, properly: bool) -> None:
        name = self.pick(number, properly=properly)
        thing = self.model.things.get(name)
        if properly and thing:
            by = thing.answers if number % 2 else thing.holder
        body = (item.ItemFreezeRenewed if renewed else item.ItemFrozen)(item_id=name, frozen_until=until)
        possible = self.model.may_freeze(name, by, renewed=renewed)
        if self.tried(possible, self.case.act, body, clerk(by)) and thing:
            thing.frozen_until = until

    # -- what is held --------------------------------------------------------------------------------------------------

    @rule(by=agencies, number=picks, whole=st.sampled_from((False, False, False, True)), properly=mostly)
    def hold(self, by: str, number: int, whole: bool, properly: bool) -> None:
        """Where jurisdictions are unknown any agency may, be it a party or not."""
        name, hold_id = self.pick(number, properly=properly), f"hold-{self.case.state.sequence}"
        fields = {"hold_id": hold_id, "kind": "legal_hold", "number": "H", "scope": "case" if whole else "items"}
        items = () if whole else (name,)
        possible = whole or name in self.model.things
        if self.tried(possible, self.case.say, HoldPlaced, supervisor(by), item_ids=items, **fields):
            self.model.holds[hold_id] = None if whole else {name}

    @precondition(lambda self: self.case.state.holds)
    @rule(by=agencies, number=picks, properly=mostly)
    def release_hold(self, by: str, number: int, properly: bool) -> None:
        """The agency that placed it may, and where no kinds are known any other that has nothing which it covers."""
        names = list(self.model.holds if properly and self.model.holds else self.case.state.holds)
        name = names[number % len(names)]
        placer = self.case.state.holds[name].agency
        by = placer if properly else by
        possible = name in self.model.holds and (by == placer or self.model.has_nothing_of(name, by))
        if self.tried(possible, self.case.say, HoldReleased, supervisor(by), hold_id=name):
            del self.model.holds[name]

    @rule(by=agencies, number=picks, properly=mostly)
    def examine(self, by: str, number: int, properly: bool) -> None:
        """What is said of the thing besides is confidential."""
        name = self.pick(number, properly=properly)
        by = self.holder_of(name, by, properly=properly)
        fields = {"item_id": name, "method": "looked at", "sections": {"narrative": section()}}
        if self.tried(self.model.is_free(name, by), self.case.say, item.ItemExamined, clerk(by), **fields):
            self.model.said[self.case.last.event.event_id] = {name}
            self.refs.append(self.case.last.ref)

    @precondition(lambda self: self.model.said)
    @rule(by=agencies, number=picks, properly=mostly)
    def erase(self, by: str, number: int, properly: bool) -> None:
        """A hold that is placed between the two signatures stands against the second one."""
        ref, by = self.refs[number % len(self.refs)], self.model.answers if properly else by
        proposal = ErasureProposed(concerns=ref, label="narrative", ground="over")
        possible = by in self.model.parties and not self.model.is_said_for_good(ref.event_id)
        if self.tried(possible, self.case.act, proposal, clerk(by)):
            second = second_of(self.case.last, proposal)
            self.tried(False, self.case.act, second, clerk(by))
            self.hold(by, number, True, True)
            self.tried(False, self.case.act, second, supervisor(by))
            self.release_hold(by, len(self.model.holds) - 1, True)
            self.tried(True, self.case.act, second, supervisor(by))

    # -- handovers -----------------------------------------------------------------------------------------------------

    @rule(
        sender=agencies,
        onward=st.integers(0, 3),
        chosen=st.lists(picks, min_size=1, max_size=3),
        purpose=st.sampled_from((LOAN, LOAN, REVIEW)),
        timed=st.booleans(),
        properly=mostly,
    )
    def offer(self, sender: str, onward: int, chosen: list[int], purpose: str, timed: bool, properly: bool) -> None:
        things = list(dict.fromkeys(self.pick(number, properly=properly) for number in chosen))
        if properly:
            sender = self.holder_of(things[0], sender, properly=True)
            things = [name for name in things if self.model.is_in_store(name, sender)]
            onward = onward or 1
        receiver = AGENCIES[(AGENCIES.index(sender) + onward) % len(AGENCIES)]
        moves, timed = purpose == REVIEW, timed and (purpose == LOAN or not properly)
        offer = Offer(sender, receiver, things, moves and sender == self.model.answers, moves, moves, timed)
        possible = self.model.may_offer(offer) and not (timed and moves)
        fields = {"to": receiver, "purpose": purpose, "by": clerk(sender), "due_at": DUE if timed else None}
        self._offered(possible, offer, self.case.offer, *things, **fields)

    @precondition(lambda self: self.model.accepted)
    @rule(by=agencies, number=picks, chosen=st.lists(picks, max_size=3), properly=mostly)
    def give_back(self, by: str, number: int, chosen: list[int], properly: bool) -> None:
        """A plain return moves back what the handover moved that it answers."""
        handover_id = list(self.model.accepted)[-1 - number % len(self.model.accepted)]
        original = self.model.accepted[handover_id]
        by = original.receiver if properly else by
        things = list(dict.fromkeys(self.pick(position, properly=properly) for position in chosen))
        if properly:
            things = [name for name in things if self.model.is_in_store(name, by)]
        moves = original.responsibility
        moves_case = moves and by == self.model.answers
        offer = Offer(by, original.sender, things, moves_case, moves, original.changes_custody)
        possible = by == original.receiver and self.model.may_offer(offer)
        fields = {"returns": handover_id, "purpose": RETURN, "by": clerk(by)}
        self._offered(possible, offer, self.case.give_back, *things, **fields)

    def _offered(self, possible: bool, offer: Offer, act: object, *things: str, **fields: object) -> None:
        if self.tried(possible, act, *things, **fields):
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
        if self.tried(possible, self.case.accept, handover_id, by=clerk(by), not_accepted=not_accepted):
            self.model.accept(handover_id, left)

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

    # -- a prisoner ----------------------------------------------------------------------------------------------------

    @rule(by=agencies, properly=mostly)
    def arrest(self, by: str, properly: bool) -> None:
        by = self.model.answers if properly else by
        measure_id = f"arrest-{self.case.state.sequence}"
        fields = {"measure_id": measure_id, "person_id": LI, "measure": "arrest", "started_at": AT, "ground": "flight"}
        if self.tried(by in self.model.parties, self.case.say, acts.MeasureImposed, clerk(by), **fields):
            self.model.li.arrests.add(measure_id)
            self.model.li.kept_for = self.model.li.kept_for or by

    @precondition(lambda self: self.case.state.measures)
    @rule(by=agencies, number=picks, properly=mostly)
    def release(self, by: str, number: int, properly: bool) -> None:
        by = self.model.answers if properly else by
        names = list(self.case.state.measures)
        measure_id = names[number % len(names)]
        possible = by in self.model.parties and measure_id in self.model.li.arrests
        fields = {"measure_id": measure_id, "ended_at": AT, "ground": "bail"}
        if self.tried(possible, self.case.say, acts.MeasureLifted, clerk(by), **fields):
            self.model.li.lift(measure_id)

    @precondition(lambda self: self.case.state.handovers)
    @rule(by=agencies, number=picks, properly=mostly)
    def ask_for_custody(self, by: str, number: int, properly: bool) -> None:
        """The change is asked for by who accepted; the detention house takes part from then on."""
        handovers = list(self.model.accepted if properly and self.model.accepted else self.case.state.handovers)
        handover_id = handovers[-1 - number % len(handovers)]
        accepted = self.model.accepted.get(handover_id)
        by = accepted.receiver if properly and accepted else by
        open_ones = set(self.model.li.asked.values())
        possible = accepted is not None and accepted.receiver == by and bool(self.model.li.arrests)
        name = f"custody-{self.case.state.sequence}"
        fields = {"custody_change_id": name, "handover_id": handover_id, "person_id": LI, "number": "1"}
        body = case.CustodyChangeRequested(**fields, keeper=DETENTION)  # type: ignore[arg-type]
        if self.tried(possible and by not in open_ones, self.case.act, body, clerk(by)):
            self.model.li.asked[name] = by
            self.model.parties.add(DETENTION)

    @precondition(lambda self: self.case.state.custody_changes)
    @rule(by=agencies, number=picks, properly=mostly)
    def serve(self, by: str, number: int, properly: bool) -> None:
        """From then on the detention house keeps him, if it still does, for who asked."""
        li = self.model.li
        names = list(li.asked if properly and li.asked else self.case.state.custody_changes)
        name, by = names[number % len(names)], DETENTION if properly else by
        body = case.CustodyChangeServed(custody_change_id=name, served_at=AT)
        if self.tried(name in li.asked and by == DETENTION, self.case.act, body, clerk(by)):
            asked_by = li.asked.pop(name)
            li.kept_for = asked_by if li.arrests else None
            li.change_due = li.change_due and asked_by != self.model.answers

    # -- what always holds ---------------------------------------------------------------------------------------------

    @rule()
    def go_on_from_what_is_kept(self) -> None:
        """The state is kept and read again; all that follows is judged on what was read."""
        state = self.case.state
        kept = decode_state(encode_state(state), Procedures.of(self.case.book))
        assert kept == state
        assert encode_state(kept) == encode_state(state)
        self.case.current = kept

    @invariant()
    def rules_and_model_know_the_same(self) -> None:
        """Every live item has exactly one holder, the model's, and one agency that answers for it."""
        state = self.case.state
        live = {item.item_id: item for item in state.items.values() if item.is_live}
        assert {
            name: (item.holder, item.responsible, item.status == "checked_out", item.frozen_until, item.lent_by)
            for name, item in live.items()
        } == {
            name: (thing.holder, thing.answers, thing.out, thing.frozen_until, thing.lender)
            for name, thing in self.model.things.items()
        }
        assert all(item.holder in state.agencies for item in live.values())
        assert (state.responsible, set(state.agencies)) == (self.model.answers, self.model.parties)
        assert state.persons[LI].kept_for == self.model.li.kept_for

    @invariant()
    def nothing_is_lost_or_made(self) -> None:
        """What is held and what was disposed of add up to what was registered, or found at a check-in."""
        held = sum(int(item.quantity.value) for item in self.case.state.items.values() if item.is_live)
        assert held + self.model.disposed == self.model.registered

    @invariant()
    def no_item_stands_in_two_open_offers(self) -> None:
        """The open offers are the model's, and each item that stands in one names it."""
        open_offers = [handover for handover in self.case.state.handovers.values() if handover.is_open]
        assert {handover.handover_id: list(handover.items) for handover in open_offers} == {
            key: offer.things for key, offer in self.model.offers.items()
        }
        listed = [(name, handover.handover_id) for handover in open_offers for name in handover.items]
        assert len(dict(listed)) == len(listed)
        assert dict(listed) == {
            handover.item_id: handover.offer for handover in self.case.state.items.values() if handover.offer
        }

    @invariant()
    def a_clock_runs_for_what_is_frozen_lent_or_to_be_told(self) -> None:
        """One for each reason, for the things that are there, and for the prisoner whose keeper is not told yet."""
        running = [(clock.name, clock.subject) for clock in self.case.state.clocks.values() if clock.is_running]
        of_things = [clock for clock in running if clock[0] in ("freeze", "loan", "loan_to_agency")]
        assert len(set(of_things)) == len(of_things)
        assert set(of_things) == self.model.clocks()
        assert (("custody_change", LI) in running) == self.model.li.change_due


def test_rules_and_model_agree_whatever_is_tried() -> None:
    """Whatever is tried in whatever order, the rules allow what the model allows, and the invariants hold."""
    Custody.steps = 0
    cases = ACTS // ACTS_OF_A_CASE
    run_state_machine_as_test(
        Custody, settings=settings(max_examples=cases, stateful_step_count=STEPS_OF_A_CASE, deadline=None)
    )
    assert Custody.steps >= ACTS
