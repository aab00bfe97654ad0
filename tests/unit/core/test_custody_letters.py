"""Letters: sent, received, filed and answered; what they are to clocks, each letter's and each recipient's own."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.core.custody.spans import concerned
from ledger.core.events import case, letter
from ledger.core.procedure.rulebook import Rulebook
from tests.testkit.builders import COURT, LAB, POLICE, PROCURATORATE, clerk, instant, refused
from tests.testkit.casework import DAY, Case, Refusal, Refusals, each_refusal, passed, person_id, require_refusal
from tests.unit.core.test_clock_rules import ROW
from tests.unit.core.test_package import procedure_of

BANK = letter.Outsider(kind="bank", name="First Savings Bank")


def book(per: str, starts: str, stops: str, more: str = "") -> Rulebook:
    """Return a procedure with one clock, of fifteen days."""
    row = ROW.replace('per = "case"', f'per = "{per}"').replace("received.prosecution_review", starts)
    return procedure_of(f'flags = []\n{row}stops = ["{stops}"]\nbases = [{{ period = "15 d" }}]\n{more}')


def written_by(rules: Rulebook | None = None) -> Case:
    """Return an opened case with two persons and two decisions, of the police, to whom the procuratorate is a party."""
    written = Case(book=rules).open().name("li").name("wang", role="victim").register("knife")
    written.offer(to=PROCURATORATE, purpose="arrest_approval", persons=("li",)).accept()
    return written.decide("arrest_refused", "li", decision_id="no", grounds=("gang",))


def send(written: Case, letter_id: str = "letter-1", **fields: Any) -> Case:
    """Let the procuratorate send a letter to the police unless another addressee is given."""
    to = {} if fields.keys() & {"to_agency", "to_person", "to_outside"} else {"to_agency": POLICE}
    defaults: dict[str, Any] = {"kind": "filing_notice", "sent_at": instant(written.now), "letter_id": letter_id}
    return written.say(letter.LetterSent, clerk(PROCURATORATE), **(defaults | to | fields))


def receive(written: Case, letter_id: str = "letter-1", by: str = POLICE, **fields: Any) -> Case:
    defaults = {"letter_id": letter_id, "received_at": instant(written.now)}
    return written.say(letter.LetterReceived, clerk(by), **(defaults | fields))


def test_a_letter_is_kept_with_its_sides_and_its_receipt() -> None:
    """Who sent it, to whom, about what, and when and how it arrived."""
    written = send(written_by(), person_ids=(person_id("li"),), item_ids=("knife",), about="no")
    sent = written.state.letters["letter-1"]
    assert (sent.from_agency, sent.to_agency, sent.about, sent.received_at) == (PROCURATORATE, POLICE, "no", None)
    at = written.now
    got = receive(written, service="direct").state.letters["letter-1"]
    assert (got.received_at, got.service) == (instant(at), "direct")


def test_a_letter_concerns_whom_it_is_about_and_to_whom_it_goes() -> None:
    """They stand in the history of the person and of the item, with its receipt too."""
    written = send(written_by(), to_person=person_id("wang"), person_ids=(person_id("li"),), item_ids=("knife",))
    receive(written, by=PROCURATORATE)
    about = concerned(None, written.last.event, written.state)
    assert {person_id("li"), person_id("wang")} <= {*about.person_ids}
    assert about.item_ids == ("knife",)


def filed(written: Case, **fields: Any) -> Case:
    defaults: dict[str, Any] = {"letter_id": "letter-2", "kind": "petition", "received_at": instant(written.now)}
    return written.say(letter.LetterFiled, clerk(POLICE), **(defaults | fields))


NOBODY = "0" * 32
SENT = send(written_by())
REFUSALS: Refusals = {
    "nobody": Refusal("one_correspondent body.to_agency", written_by(), lambda c: send(c, to_agency=None)),
    "two": Refusal(
        "one_correspondent body.to_agency", written_by(), lambda c: send(c, to_agency=POLICE, to_outside=BANK)
    ),
    "an id that is taken": Refusal("duplicate_id body.letter_id", SENT, send),
    "an unknown person": Refusal("unknown_person body.to_person", SENT, lambda c: send(c, "b", to_person=NOBODY)),
    "of an unknown person": Refusal(
        "unknown_person body.person_ids", SENT, lambda c: send(c, "b", person_ids=("0" * 32,))
    ),
    "of an unknown item": Refusal("unknown_item body.item_ids", SENT, lambda c: send(c, "b", item_ids=("gun",))),
    "an unknown decision": Refusal("unknown_decision body.serves", SENT, lambda c: send(c, "b", serves="x")),
    "about an unknown decision": Refusal("unknown_decision body.about", SENT, lambda c: send(c, "b", about="x")),
    "an unknown letter": Refusal("unknown_letter body.answers", SENT, lambda c: send(c, "b", answers="x")),
    "decided upon an unknown letter": Refusal(
        "unknown_letter body.answers", SENT, lambda c: c.say(case.DecisionRecorded, decision_id="x", answers="x")
    ),
    "no such letter": Refusal("unknown_letter body.letter_id", SENT, lambda c: receive(c, "letter-9")),
    "a word that there is not": Refusal("unknown_word body.kind", SENT, lambda c: send(c, "b", kind="sonnet")),
    "from nobody": Refusal("one_correspondent body.from_person", SENT, filed),
    "from an unknown person": Refusal("unknown_person body.from_person", SENT, lambda c: filed(c, from_person=NOBODY)),
    "before it was sent": Refusal(
        "before_its_start body.received_at", SENT, lambda c: receive(c, received_at=instant(c.now - 3 * DAY))
    ),
}


@each_refusal(REFUSALS)
def test_what_no_letter_can_be_is_refused(refusal: Refusal) -> None:
    """A letter has one other side, and names what the case has."""
    require_refusal(refusal)


def test_a_letter_is_received_once_and_by_its_sides_alone() -> None:
    """Another party of the case has no say in it."""
    written = passed("knife")
    send(written)
    written.offer("knife", to=COURT, purpose="property_transfer").accept()
    with refused("not_your_letter", field="envelope.agency"):
        receive(written, by=COURT)
    receive(written)
    with refused("already_received", field="payload.body.letter_id"):
        receive(written)


def test_a_clock_of_a_letter_ends_with_the_answer_to_it() -> None:
    """Two letters run side by side; what answers neither of them by name ends both."""
    rules = book("letter", "letter_received.filing_notice", "letter_sent.reasons")
    written = written_by(rules)
    for letter_id in ("letter-1", "letter-2", "letter-3"):
        receive(send(written, letter_id), letter_id)
    assert {clock.subject for clock in written.state.clocks.values()} == {"letter-1", "letter-2", "letter-3"}
    assert {clock.agency for clock in written.state.clocks.values()} == {POLICE}
    answer = {"kind": "reasons", "to_agency": PROCURATORATE, "sent_at": instant(written.now)}
    about = {"person_ids": (person_id("li"),)}
    written.say(letter.LetterSent, clerk(POLICE), letter_id="a-1", answers="letter-2", **answer, **about)
    assert {c.subject for c in written.state.clocks.values() if c.is_running} == {"letter-1", "letter-3"}
    written.say(letter.LetterSent, clerk(POLICE), letter_id="a-2", **answer, **about)
    assert written.running() == set()


def test_a_decision_may_answer_a_letter() -> None:
    """It ends the time of that letter, and of no other."""
    written = written_by(book("letter", "letter_received.filing_notice", "decided.case_filed"))
    receive(send(written)), receive(send(written, "letter-2"), "letter-2")
    written.decide("case_filed", "li", by=clerk(POLICE), answers="letter-1")
    assert {c.subject for c in written.state.clocks.values() if c.is_running} == {"letter-2"}


@pytest.mark.parametrize("settled", [False, True])
def test_an_offer_halts_the_time_of_a_letter_until_the_answer(settled: bool) -> None:
    """A refusal lets it run on, unless an act that ends it came meanwhile: then it is over."""
    rules = book("letter", "letter_received.filing_notice", 'offered.prosecution_review", "letter_sent.reasons')
    written = written_by(rules)
    receive(send(written)).offer("knife", to=PROCURATORATE, purpose="prosecution_review")
    assert written.running() == set()
    if settled:
        about = {"to_agency": PROCURATORATE, "sent_at": instant(written.now), "person_ids": (person_id("li"),)}
        written.say(letter.LetterSent, clerk(POLICE), letter_id="a-1", kind="reasons", **about)
    assert written.refuse().running() == (set() if settled else {"review"})


def test_a_clock_from_the_sending_is_provisional_until_the_receipt() -> None:
    """It counts from the sending until the receipt is recorded, from which the definite one counts."""
    early = 'provisional = ["letter_sent.filing_notice"]\n'
    rules = book("letter", "letter_received.filing_notice", "letter_sent.reasons", early)
    written = send(written_by(rules))
    assert [clock.provisional for clock in written.state.clocks.values()] == [True]
    at = instant(written.now)
    receive(written)
    assert [(clock.provisional, clock.started_at) for clock in written.state.clocks.values()] == [(False, at)]


def test_each_recipient_has_a_time_of_its_own() -> None:
    """From the day on which it was served on this one; an act of one ends the time of no other."""
    rules = book("recipient", "served.arrest_refused", "decided.appealed")
    written = written_by(rules)
    receive(send(written, "to-police", serves="no"), "to-police")
    later = instant(written.now + 60)
    receive(send(written, "to-li", to_person=person_id("li"), serves="no"), "to-li", PROCURATORATE, received_at=later)
    receive(send(written, "to-bank", to_outside=BANK, serves="no"), "to-bank", PROCURATORATE)
    started = {clock.subject: clock.agency for clock in written.state.clocks.values()}
    assert started == {POLICE: POLICE, person_id("li"): PROCURATORATE, "to-bank": PROCURATORATE}
    written.decide("appealed", "li", by=clerk(PROCURATORATE))
    assert {c.subject for c in written.state.clocks.values() if c.is_running} == {POLICE, "to-bank"}
    written.decide("appealed", by=clerk(POLICE))
    assert {c.subject for c in written.state.clocks.values() if c.is_running} == {"to-bank"}


def test_a_service_that_a_decision_states_is_on_the_persons_whom_it_names() -> None:
    """Without a letter, each of them is a recipient; where none is named, each accused."""
    written = written_by(book("recipient", "served.judgment", "decided.appealed"))
    written.decide("judgment", "wang", served_at=instant(written.now))
    assert {clock.subject for clock in written.state.clocks.values()} == {person_id("wang")}
    written.decide("judgment", served_at=instant(written.now))
    assert {clock.subject for clock in written.state.clocks.values()} == {person_id("wang"), person_id("li")}


@pytest.mark.parametrize(
    ("condition", "side", "starts"),
    [
        ('to = ["bank"]', {"to_outside": BANK}, True),
        ('to = ["bank"]', {"to_person": person_id("wang")}, False),
        ('to = ["victim"]', {"to_person": person_id("wang")}, True),
        ('about = ["arrest_refused"], grounds = ["gang"]', {"to_outside": BANK}, True),
        ('role = ["suspect"]', {"to_person": person_id("wang")}, False),
    ],
)
def test_the_side_of_a_letter_is_asked_by_what_it_is(condition: str, side: dict[str, Any], starts: bool) -> None:
    """Somebody outside by the kind, a person by the role; and the decision that it serves."""
    more = f"starts_if = {{ {condition} }}\n"
    written = written_by(book("recipient", "served.arrest_refused", "decided.appealed", more))
    receive(send(written, serves="no", **side), by=PROCURATORATE)
    assert (written.running() == {"review"}) == starts


def test_a_letter_that_came_in_is_one_that_was_received() -> None:
    """Of a person of the case or of somebody outside, who sign nothing here; items and persons have clocks by it."""
    for per, count in (("case", 1), ("person", 1), ("item", 1)):
        written = written_by(book(per, "letter_received.petition", "letter_sent.reasons"))
        filed(written, from_outside=BANK, person_ids=(person_id("li"),), item_ids=("knife",), answers=None)
        assert len(written.state.clocks) == count
        assert {clock.agency for clock in written.state.clocks.values()} == {POLICE}
    condition = 'starts_if = { by = ["victim"] }\n'
    written = written_by(book("case", "letter_received.petition", "letter_sent.reasons", condition))
    assert filed(written, from_person=person_id("wang")).running() == {"review"}


@pytest.mark.parametrize(
    ("per", "start"),
    [
        ("letter", "decided.judgment"),
        ("item", "measure.arrest"),
        ("handover", "item_registered"),
        ("item", "remedy_set"),
    ],
)
def test_a_clock_starts_with_what_names_its_subject(per: str, start: str) -> None:
    """Any other start would have no letter, item or handover to be the clock of."""
    with pytest.raises(Exception, match=f"'{start}' names no `{per}`: the clock would never start"):
        book(per, start, "letter_sent.reasons")


ANSWER: dict[str, Any] = {"letter_id": "answer", "kind": "reasons", "to_agency": PROCURATORATE, "answers": "letter-1"}


def asked(**fields: Any) -> Case:
    """Return a case in which the procuratorate has asked the laboratory, which has no part in it, about li."""
    defaults: dict[str, Any] = {"to_agency": LAB, "person_ids": (person_id("li"),), "about": "no"}
    return send(written_by(), **(defaults | fields))


def answer(written: Case, **fields: Any) -> Case:
    """Let the laboratory answer, about li alone unless ``fields`` say otherwise."""
    defaults = ANSWER | {"sent_at": instant(written.now), "person_ids": (person_id("li"),)}
    return written.say(letter.LetterSent, clerk(LAB), **(defaults | fields))


def test_whoever_gets_a_letter_records_its_receipt_and_answers_it() -> None:
    """Though it is no party of the case, which it does not become by that; its own letter has a receipt, too."""
    written = asked(due_at="2026-12-01T00:00:00Z")
    receive(written, by=LAB)
    at = instant(written.now)
    answer(written)
    receive(written, "answer", by=LAB)
    letters = written.state.letters
    assert letters["letter-1"].received_at is not None
    assert (letters["letter-1"].due_at, letters["letter-1"].answered_at) == ("2026-12-01T00:00:00Z", at)
    assert letters["answer"].agencies == (LAB, PROCURATORATE)
    assert letters["answer"].event_id == written.events[-2].envelope.event_id
    assert written.state.agencies == {POLICE, PROCURATORATE}


def test_a_letter_is_answered_once_and_by_its_addressee_alone() -> None:
    """What others say of it, and what comes later, changes nothing of when it was; a decision is an answer, too."""
    written = asked()
    written.say(
        letter.LetterSent, clerk(POLICE), **ANSWER | {"letter_id": "by-others", "sent_at": instant(written.now)}
    )
    assert written.state.letters["letter-1"].answered_at is None
    at = instant(written.now)
    answer(written)
    answer(written, letter_id="more")
    assert written.state.letters["letter-1"].answered_at == at
    send(written, "letter-2").decide("case_filed", "li", by=clerk(POLICE), answers="letter-2")
    assert written.state.letters["letter-2"].answered_at is not None


@pytest.mark.parametrize(
    ("field", "names", "in_case"),
    [
        ("person_ids", (person_id("wang"),), True),
        ("person_ids", (NOBODY,), False),
        ("item_ids", ("knife",), True),
        ("item_ids", ("gun",), False),
        ("about", "other", True),
        ("serves", "no", True),
        ("serves", "none", False),
    ],
)
def test_an_answer_from_outside_the_case_names_what_its_letter_names(field: str, names: Any, *, in_case: bool) -> None:
    """In the same words whether or not the case has the rest: a guess shows nothing of it."""
    written = asked().decide("case_filed", "li", decision_id="other")
    with refused("not_in_letter", field=f"payload.body.{field}"):
        answer(written, **{field: names})
    if in_case:  # a party may
        by_party = {"answers": None, "letter_id": "own", "sent_at": instant(written.now), field: names}
        written.say(letter.LetterSent, clerk(PROCURATORATE), to_agency=LAB, kind="reasons", **by_party)


STRANGE: dict[str, Any] = {
    "receives a letter to another": lambda c: receive(send(c, "other"), "other", by=LAB),
    "receives no letter": lambda c: receive(c, "none", by=LAB),
    "answers a letter to another": lambda c: answer(send(c, "other"), answers="other"),
    "answers no letter": lambda c: answer(c, answers="none"),
    "writes of its own": lambda c: answer(c, answers=None),
    "answers to another than the sender": lambda c: answer(c, to_agency=POLICE),
    "answers to somebody outside": lambda c: answer(c, to_agency=None, to_outside=BANK),
    "files a letter": lambda c: c.say(
        letter.LetterFiled, clerk(LAB), letter_id="x", kind="petition", received_at=instant(c.now), from_outside=BANK
    ),
    "is not the addressee": lambda c: receive(c, by=COURT),
    "answers what came from outside": lambda c: answer(filed(c, from_outside=BANK), answers="letter-2"),
}


@pytest.mark.parametrize("what_it_does", STRANGE)
def test_a_letter_opens_nothing_else_of_the_case(what_it_does: str) -> None:
    """Every other act of the addressee is refused as that of a stranger."""
    with refused("not_a_party", field="envelope.agency"):
        STRANGE[what_it_does](asked())
