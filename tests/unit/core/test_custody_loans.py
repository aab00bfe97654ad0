"""What was lent, to an officer or to another agency, comes back in time and as it was, or it is flagged."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.core.encoding.instants import unix_seconds
from ledger.core.events import item
from ledger.core.events.terms import Money
from ledger.core.procedure.clock_periods import Clock
from tests.testkit.builders import LAB, POLICE, PROCURATORATE, clerk, instant
from tests.testkit.casework import Case, got, holding, pieces

HOUR = 3600


def loans(written: Case) -> list[Clock]:
    return [clock for clock in written.state.clocks.values() if clock.name == "loan_to_agency"]


def taken_out(**recorded: Any) -> Case:
    """A sealed bag of ten is out for an hour."""
    recorded = {"quantity": 10, "money": Money(amount=1000, currency="CNY"), "seal_number": "S-1"} | recorded
    written = holding("bag", **recorded)
    due = instant(written.now + HOUR)
    return written.say(item.ItemCheckedOut, item_id="bag", to_officer="p-1", due_at=due)


def lent(*, days: int = 1) -> Case:
    """The police lend a phone to the laboratory for some days."""
    written = holding("phone", "knife")
    due = instant(written.now + days * 24 * HOUR)
    return written.offer("phone", to=LAB, purpose="loan", due_at=due).accept()


# -- to an officer -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "detail"),
    [
        ({}, None),
        ({"condition": "dusty", "match_result": "match"}, None),
        ({"quantity": pieces(9)}, "item bag: 9 piece, recorded 10 piece"),
        ({"money": Money(amount=900, currency="CNY")}, "item bag: sum 900 CNY, recorded sum 1000 CNY"),
        ({"seal_state": "broken"}, "item bag: seal broken, recorded seal S-1"),
        ({"match_result": "mismatch", "remark": "wet"}, "item bag: wet, recorded as listed"),
    ],
)
def test_what_comes_back_otherwise_is_recorded_and_flagged(fields: dict[str, Any], detail: str | None) -> None:
    """A check-in says count, seal and condition; where they are others than before, that is flagged."""
    written = taken_out().say(item.ItemCheckedIn, item_id="bag", **fields)
    assert [(flag.name, flag.detail) for flag in written.flags] == ([("receipt_differs", detail)] if detail else [])


def test_what_is_found_at_the_check_in_becomes_the_record() -> None:
    """From then on the case has what there is."""
    sum_found = Money(amount=900, currency="CNY")
    stated = {"quantity": pieces(9), "money": sum_found, "seal_state": "broken"}
    bag = taken_out().say(item.ItemCheckedIn, item_id="bag", **stated).state.items["bag"]
    assert bag.money == sum_found
    assert (bag.quantity, bag.seal_number, bag.seal_state, bag.status) == (pieces(9), "S-1", "broken", "held")


@pytest.mark.parametrize(("late", "flagged"), [(0, []), (1, ["loan_overdue"])])
def test_a_check_in_after_its_time_is_flagged(late: int, flagged: list[str]) -> None:
    """The last second is in time."""
    written = taken_out()
    written.now += HOUR - 60 + late
    assert written.say(item.ItemCheckedIn, item_id="bag").flag_names() == flagged
    assert written.state.items["bag"].due_at is None


def test_without_a_day_no_loan_is_overdue() -> None:
    """Taken out without a time, the thing may come back whenever it does."""
    written = holding("phone").say(item.ItemCheckedOut, item_id="phone", to_officer="p-1")
    written.now += 10 * 24 * HOUR
    assert written.say(item.ItemCheckedIn, item_id="phone").flags == ()


# -- to another agency -------------------------------------------------------------------------------------------------


def test_a_loan_to_another_agency_has_a_clock_until_it_is_given_back() -> None:
    """The borrower's time runs from the delivery to the day that the lender set, and ends when the lender has it."""
    written = lent()
    phone = written.state.items["phone"]
    assert (phone.holder, phone.lent_by, phone.responsible) == (LAB, POLICE, POLICE)
    (clock,) = loans(written)
    assert (clock.subject, clock.agency, clock.until) == ("phone", LAB, phone.lent_until)
    written.give_back("phone", purpose="return")
    assert loans(written)[0].is_running
    written.accept()
    assert not loans(written)[0].is_running
    assert (written.state.items["phone"].lent_by, written.flags) == (None, ())


@pytest.mark.parametrize(("late", "flagged"), [(0, []), (1, ["loan_overdue"])])
def test_what_was_lent_to_an_agency_is_due_at_a_moment(late: int, flagged: list[str]) -> None:
    """What is had again at the very moment is in time."""
    written = lent()
    due = unix_seconds(str(written.state.items["phone"].lent_until))
    written.give_back("phone", purpose="return")
    written.now = due + late
    assert written.accept(received_at=instant(due + late)).flag_names() == flagged


def test_a_handover_without_a_day_lends_nothing_and_what_is_lent_is_not_lent_on() -> None:
    """What goes for good has no lender; of what a borrower lends on, the lender and the day stay the first ones."""
    gone = holding("phone").offer("phone", to=LAB, purpose="forensic_examination").accept()
    assert (gone.state.items["phone"].lent_by, gone.state.items["phone"].lent_until) == (None, None)
    written = lent()
    until = written.state.items["phone"].lent_until
    later = instant(written.now + 9 * 24 * HOUR)
    written.offer("phone", to=PROCURATORATE, purpose="loan", due_at=later, by=clerk(LAB)).accept()
    assert (written.state.items["phone"].lent_by, written.state.items["phone"].lent_until) == (POLICE, until)


def test_what_is_given_back_late_is_flagged() -> None:
    """What counts is when the lender had it again."""
    written = lent()
    due = written.state.items["phone"].lent_until
    written.now += 2 * 24 * HOUR
    written.give_back("phone", purpose="return").accept()
    assert [(flag.name, flag.detail) for flag in written.flags] == [("loan_overdue", f"item phone was due at {due}")]


def test_what_is_given_back_short_is_a_discrepancy() -> None:
    """The lender says what came back, and both sides have to agree on it."""
    written = lent().give_back("phone", purpose="return")
    written.accept(received=(got("phone", seal_state="missing"),))
    assert written.flag_names() == ["receipt_differs"]
    assert [discrepancy.kinds for discrepancy in written.state.discrepancies.values()] == [("seal",)]
