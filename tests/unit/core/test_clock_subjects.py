"""Whose clocks a fact starts and stops: those of the things and the handover that it names, or of the case."""

from __future__ import annotations

from ledger.core.custody.triggers import CASE
from ledger.core.events import case, handover, item
from ledger.core.procedure.rulebook import Rulebook
from ledger.samples.case_acts import stays
from tests.testkit.builders import LAB, POLICE, PROCURATORATE, START, clerk, instant
from tests.testkit.casework import DAY, Case, person_id
from tests.unit.core.test_clock_rules import ROW
from tests.unit.core.test_package import procedure_of


def book(per: str, starts: str, stops: str, more: str = "") -> Rulebook:
    """Return a procedure with one clock, ``review``, of three days."""
    row = ROW.replace('per = "case"', f'per = "{per}"').replace("received.prosecution_review", starts)
    return procedure_of(f'flags = []\n{row}stops = ["{stops}"]\nbases = [{{ period = "3 d" }}]\n{more}')


def things(rules: Rulebook) -> Case:
    """Return an opened case with a person and two things."""
    return Case(book=rules).open().name("li").register("ring", "phone")


def running(written: Case, name: str = "review") -> list[str]:
    """Return the subjects whose clocks of the name run."""
    return [clock.subject for clock in written.state.clocks.marked("running") if clock.name == name]


def lines(*item_ids: str) -> tuple[case.ItemDecision, ...]:
    return tuple(case.ItemDecision(item_id=item_id) for item_id in item_ids)


def dispose(written: Case, item_id: str) -> Case:
    written.say(item.ItemDisposalProposed, item_ids=(item_id,), disposal="returned_to_owner")
    return written.say(
        item.ItemDisposed, clerk(written.state.responsible, 2), cites=written.last.ref, disposed_at=written.moment
    )


RELEASE = book("item", "decided.found_unrelated", "disposed")


def test_a_decision_names_the_things_that_it_is_about() -> None:
    """Each has a time of its own, which only its own release ends. Where none is named it is the case's, and the first
    ends it."""
    written = things(RELEASE).decide("found_unrelated", items=lines("ring", "phone"))
    assert running(written) == ["ring", "phone"]
    assert running(dispose(written, "ring")) == ["phone"]
    written = things(RELEASE).decide("found_unrelated")
    assert running(written) == [CASE]
    assert running(dispose(written, "ring")) == []


def test_a_decision_stops_the_times_of_what_it_concerns() -> None:
    """Of the things it names or of all, whom it names beside them is no matter; of all persons where it names none; it
    names no handover, so the clocks of each stop."""
    rules = book("item", "item_registered", "decided.money_deposited")
    written = things(rules).decide("money_deposited", "li", items=lines("ring"))
    assert running(written) == ["phone"]
    assert running(things(rules).decide("money_deposited", "li")) == []
    rules = book("person", "decided.case_filed", "decided.judgment")
    written = things(rules).decide("case_filed", items=lines("ring"))
    assert running(written) == [person_id("li")]
    assert running(written.decide("judgment", items=lines("ring"))) == []
    rules = book("handover", "received.forensic_examination", "decided.judgment")
    written = things(rules).offer("ring", to=LAB, purpose="forensic_examination").accept()
    assert running(written.decide("judgment")) == []


LOAN = "forensic_examination"


def test_a_handover_names_the_things_that_go() -> None:
    """Of three things two are accepted, and come back one after the other; the return of one loan ends the time of no
    other."""
    written = things(book("item", f"received.{LOAN}", f"returned.{LOAN}")).register("coat")
    kept = handover.NotAcceptedItem(item_id="coat", reason_code="seal_broken")
    written.offer("ring", "phone", "coat", to=LAB, purpose=LOAN).accept(not_accepted=(kept,))
    assert running(written) == ["ring", "phone"]
    assert running(written.give_back("ring", purpose="return").accept()) == ["phone"]
    written = things(book("handover", f"received.{LOAN}", f"returned.{LOAN}"))
    first = [*written.offer("ring", to=LAB, purpose=LOAN).accept().state.handovers][-1]
    second = [*written.offer("phone", to=LAB, purpose=LOAN).accept().state.handovers][-1]
    assert running(written) == [first, second]
    assert running(written.give_back("ring", purpose="return", returns=first).accept()) == [second]


def test_a_handover_stops_the_time_of_the_one_that_it_follows() -> None:
    """What was refused is offered again: no time of the first runs."""
    rules = book("handover", f"refused.{LOAN}", f"accepted.{LOAN}")
    written = things(rules).offer("ring", to=LAB, purpose=LOAN).refuse()
    first = running(written)
    assert first == [*written.state.handovers]
    again = written.offer("ring", to=LAB, purpose=LOAN, follows=first[0]).accept()
    assert running(again) == []


def test_an_offer_halts_the_time_of_what_it_lists_until_the_answer() -> None:
    """What is not accepted runs on, and what nobody lists is not concerned."""
    written = things(book("item", "item_registered", f"offered.{LOAN}")).register("coat")
    written.offer("ring", "phone", to=LAB, purpose=LOAN)
    assert running(written) == ["coat"]
    kept = handover.NotAcceptedItem(item_id="phone", reason_code="seal_broken")
    assert running(written.accept(not_accepted=(kept,))) == ["phone", "coat"]


def test_things_that_follow_their_case_start_no_time_of_the_case_or_of_persons() -> None:
    """Their own they do start."""
    purpose = "prosecution_review"
    for per, subjects in (("case", []), ("person", []), ("item", ["phone"]), ("recipient", []), ("letter", [])):
        starts = f"received.{purpose}" if per != "letter" else "letter_sent.filing_notice"
        written = things(book(per, starts, "disposed")).offer("ring", to=PROCURATORATE, purpose=purpose).accept()
        before = len(running(written))
        written.offer(stays("phone"), to=PROCURATORATE, purpose=purpose, by=clerk(POLICE)).accept()
        assert running(written)[before:] == subjects, per


def test_what_a_clock_is_to_another_names_its_subject() -> None:
    """A time per thing starts the next of that thing, and a time per handover of that handover."""
    second = ROW.replace('"review"', '"second"').replace("received.prosecution_review", "clock_stopped.review")
    for per, starts, stops in (
        ("item", "item_registered", "disposed"),
        ("handover", f"received.{LOAN}", f"returned.{LOAN}"),
    ):
        row = second.replace('per = "case"', f'per = "{per}"') + 'bases = [{ period = "3 d" }]\n'
        written = things(book(per, starts, stops, row))
        if per == "item":
            dispose(written, "ring")
            assert running(written, "second") == ["ring"]
        else:
            written.offer("ring", to=LAB, purpose=LOAN).accept().give_back("ring", purpose="return").accept()
            assert running(written, "second") == [next(iter(written.state.handovers))]


def test_a_case_taken_over_states_a_time_of_things_as_one_of_the_case() -> None:
    """Its things are registered later."""
    stated = case.DeadlineTakenOver(clock="review", started_at=instant(START))
    written = Case(book=RELEASE, start=START + DAY).take_over(deadlines=(stated,))
    assert running(written) == [CASE]
