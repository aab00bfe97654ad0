"""Cases that were under way elsewhere: what is stated of them, which clocks run, and what starts none."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from ledger.core.custody.due_dates import deadlines
from ledger.core.events import case
from ledger.core.events.case import DeadlineTakenOver, HandoverTakenOver, MeasureTakenOver, PersonTakenOver
from ledger.core.procedure.deadlines import StartTakenOver
from ledger.samples.case_acts import person_id
from tests.testkit.builders import COURT, POLICE, PROCURATORATE, clerk, refused
from tests.testkit.casework import Case

LI, WANG = person_id("li"), person_id("wang")
APRIL = "2026-03-31T16:00:00Z"  # the first of April in Shanghai
REVIEW = DeadlineTakenOver(clock="prosecution_review", started_at=APRIL, person_id=LI)
ARREST = MeasureTakenOver(measure_id="arrest-li", person_id=LI, measure="arrest", started_at="2026-03-20T02:00:00Z")
FORWARD = HandoverTakenOver(
    handover_id="sent",
    from_agency=POLICE,
    to_agency=PROCURATORATE,
    purpose="prosecution_review",
    received_at=APRIL,
    stage="investigation",
    person_ids=(LI,),
)


def suspect(**fields: Any) -> PersonTakenOver:
    return PersonTakenOver(**{"person_id": LI, "role": "suspect"} | fields)


def taken_over(**fields: Any) -> Case:
    """A case in review at the procuratorate since the first of April, as its own system has it on the tenth."""
    usual: dict[str, Any] = {
        "case_number": "2026-57",
        "case_type": "theft",
        "business_line": "criminal",
        "stage": "prosecution_review",
        "procedure": "cn-criminal",
        "source_system": "cards",
        "source_key": "31-57",
        "persons": (suspect(),),
        "as_of": "2026-04-10T00:00:00Z",
    }
    written = Case(start=int(datetime(2026, 4, 12, tzinfo=UTC).timestamp()), book=fields.pop("book", None))
    return written.say(case.CaseTakenOver, clerk(PROCURATORATE), **(usual | fields))


def in_review(**fields: Any) -> Case:
    return taken_over(**{"measures": (ARREST,), "handovers": (FORWARD,), "deadlines": (REVIEW,)} | fields)


def test_an_arrested_suspect_in_review_has_the_clock_of_the_review_alone() -> None:
    """It is the procuratorate's, runs from the stated start and says so; the police have no duty."""
    written = in_review()
    (review,) = deadlines(written.state, written.book, datetime(2026, 4, 12, tzinfo=UTC))
    assert (review.clock, review.agency, review.subject) == ("prosecution_review", PROCURATORATE, LI)
    assert (review.taken_over, str(review.last_day), review.status) == (True, "2026-05-01", "running")
    assert review.steps[0] == StartTakenOver(datetime(2026, 4, 1).date())  # noqa: DTZ001 - a day
    assert written.flags == ()


def test_what_is_stated_is_the_case() -> None:
    """Stage, persons, measures, custody and handovers stand as if they had been recorded."""
    measures = (
        ARREST,
        MeasureTakenOver(
            measure_id="detention-li",
            person_id=LI,
            measure="detention",
            started_at="2026-03-10T02:00:00Z",
            until="2026-03-20",
            ended_at="2026-03-20T02:00:00Z",
        ),
    )
    persons = (suspect(), suspect(person_id=WANG, stage="investigation", trial="summary", kept_for=POLICE))
    number = case.NumberTakenOver(agency=POLICE, case_number="A-1")
    state = in_review(measures=measures, persons=persons, numbers=(number,), opened_at=APRIL, trial="fast_track").state
    assert (state.stage, state.responsible, state.opened_at, state.trial) == (
        "prosecution_review",
        PROCURATORATE,
        APRIL,
        "fast_track",
    )
    assert state.taken_over_as_of == "2026-04-10T00:00:00Z"
    assert state.numbers == {POLICE: "A-1", PROCURATORATE: "2026-57"}
    li, wang = state.persons[LI], state.persons[WANG]
    assert (li.stage, li.trial, li.kept_for) == ("prosecution_review", "fast_track", PROCURATORATE)
    assert (wang.stage, wang.trial, wang.kept_for) == ("investigation", "summary", None)
    assert {key: bool(measure.ended_at) for key, measure in state.measures.items()} == {
        "arrest-li": False,
        "detention-li": True,
    }
    assert state.handovers["sent"].is_accepted


def test_for_whom_a_person_is_kept_is_stated() -> None:
    """The keeper still has the police's paper: the change of custody is due when the source says so."""
    change = DeadlineTakenOver(clock="custody_change", started_at=APRIL, person_id=LI)
    written = in_review(persons=(suspect(kept_for=POLICE),), deadlines=(REVIEW, change))
    assert written.state.persons[LI].kept_for == POLICE
    assert written.running() == {"prosecution_review", "custody_change"}


def test_what_was_before_starts_no_clock_and_what_comes_after_does() -> None:
    """A decision of March is recorded later: nothing begins; one of today begins what it begins."""
    written = in_review().name("wang")
    written.impose("wang", "detention", started_at="2026-03-02T02:00:00Z")
    assert written.running() == {"prosecution_review"}
    written.impose("wang", "bail")
    assert written.running() == {"prosecution_review", "bail_limit"}
    written.offer(to=COURT, purpose="public_prosecution").accept()
    assert "first_instance" in written.running()


def test_a_fact_of_before_still_ends_a_clock() -> None:
    """The source had not heard of the decision yet: it ends the review that it states as running."""
    written = in_review().decide("not_prosecuted", "li", decided_at="2026-04-09T02:00:00Z")
    assert written.running() == set()
    assert written.clock("prosecution_review").stopped_at == "2026-04-09T02:00:00Z"


def test_without_another_moment_the_source_is_as_of_the_event() -> None:
    """What happened an hour before it starts nothing."""
    written = in_review(as_of=None)
    assert written.state.taken_over_as_of == written.events[0].payload.occurred_at


def test_a_case_goes_back_by_a_handover_of_before() -> None:
    """The earlier handover can be returned; returns of before count at their stage."""
    returned = HandoverTakenOver(
        handover_id="back",
        from_agency=PROCURATORATE,
        to_agency=POLICE,
        purpose="supplementary_investigation",
        received_at=APRIL,
        person_ids=(LI,),
    )
    again = [FORWARD, returned, *(returned_again(returned, n) for n in (2,))]
    written = in_review(handovers=tuple(again))
    written.give_back(returns="sent", persons=("li",))
    assert "returned_too_often" in written.flag_names()
    written.accept()
    assert (written.state.responsible, written.state.stage) == (POLICE, "supplementary_investigation")


def returned_again(stated: HandoverTakenOver, number: int) -> HandoverTakenOver:
    fields = {name: getattr(stated, name) for name in stated.__struct_fields__}
    return HandoverTakenOver(**fields | {"handover_id": f"back-{number}"})


def test_a_thing_lent_before_moves_no_case() -> None:
    """A handover of custody alone is stated as one."""
    lent = HandoverTakenOver(
        handover_id="lab", from_agency=POLICE, to_agency=PROCURATORATE, purpose="loan", received_at=APRIL
    )
    assert not in_review(handovers=(lent,)).state.handovers["lab"].moves_case


def test_a_clock_has_the_extensions_and_the_last_day_of_the_source() -> None:
    """A day of the source before the law's is the last; one beyond the law is flagged."""
    extended = DeadlineTakenOver(
        clock="prosecution_review", started_at=APRIL, person_id=LI, extensions=("grave_complex_case",)
    )
    written = in_review(deadlines=(extended,))
    (review,) = deadlines(written.state, written.book, datetime(2026, 4, 12, tzinfo=UTC))
    assert str(review.last_day) == "2026-05-16"
    for until, flagged in (("2026-04-20", False), ("2026-06-20", True)):
        stated = in_review(
            deadlines=(
                DeadlineTakenOver(
                    clock="prosecution_review",
                    started_at=APRIL,
                    person_id=LI,
                    until=until,
                    agency=POLICE,
                ),
            )
        )
        assert ("term_beyond_law" in stated.flag_names()) is flagged
        assert stated.clock("prosecution_review").agency == POLICE


def test_a_clock_of_nobody_is_that_of_all_accused_or_of_the_case() -> None:
    """As an act that names nobody."""
    review = DeadlineTakenOver(clock="prosecution_review", started_at=APRIL)
    both = in_review(persons=(suspect(), suspect(person_id=WANG)), deadlines=(review,))
    assert {clock.subject for clock in both.state.clocks.values()} == {LI, WANG}
    nobody = taken_over(persons=(), deadlines=(review,))
    assert [clock.subject for clock in nobody.state.clocks.values()] == ["case"]
    court = taken_over(
        stage="first_instance", deadlines=(DeadlineTakenOver(clock="court_acceptance", started_at=APRIL),)
    )
    assert [clock.subject for clock in court.state.clocks.values()] == ["case"]


def deadline(**fields: Any) -> dict[str, Any]:
    return {"deadlines": (DeadlineTakenOver(**{"clock": "prosecution_review", "started_at": APRIL} | fields),)}


REFUSED: dict[str, tuple[str, str, dict[str, Any]]] = {
    "a closed case": ("not_a_closing", "stage", {"stage": "closed"}),
    "a word that the procedure does not have": ("unknown_word", "persons[0].role", {"persons": (suspect(role="x"),)}),
    "one person twice": ("duplicate_id", "persons", {"persons": (suspect(), suspect())}),
    "one measure twice": ("duplicate_id", "measures", {"measures": (ARREST, ARREST)}),
    "one handover twice": ("duplicate_id", "handovers", {"handovers": (FORWARD, FORWARD)}),
    "one clock twice": ("duplicate_id", "deadlines[1]", {"deadlines": (REVIEW, REVIEW)}),
    "a measure on somebody else": ("unknown_person", "measures[0].person_id", {"persons": ()} | {"deadlines": ()}),
    "a handover of somebody else": (
        "unknown_person",
        "handovers[0].person_ids",
        {"persons": (), "measures": (), "deadlines": ()},
    ),
    "a clock of somebody else": ("unknown_person", "deadlines[0].person_id", deadline(person_id=WANG)),
    "a clock that there is not": ("unknown_clock", "deadlines[0].clock", deadline(clock="patience")),
    "a clock of items": ("unknown_clock", "deadlines[0].clock", deadline(clock="freeze")),
    "an extension that there is not": (
        "unknown_extension",
        "deadlines[0].extensions",
        deadline(extensions=("patience",)),
    ),
    "a measure that ended before it began": (
        "before_its_start",
        "measures[0].ended_at",
        {
            "measures": (
                MeasureTakenOver(
                    measure_id="m", person_id=LI, measure="bail", started_at=APRIL, ended_at="2026-03-01T00:00:00Z"
                ),
            )
        },
    ),
}


@pytest.mark.parametrize(("code", "field", "fields"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_is_refused(code: str, field: str, fields: dict[str, Any]) -> None:
    """By the rule's name and the field."""
    with refused(code, field=f"payload.body.{field}"):
        in_review(**fields)


def test_an_open_extension_needs_a_day() -> None:
    """Only the paper says how long it is."""
    open_ended = [
        (row.name, extension.name)
        for row in Case().book.clocks
        for extension in row.extensions
        if extension.is_open and row.per == "person"
    ]
    clock, extension = open_ended[0]
    with refused("unknown_extension", field="payload.body.deadlines[0].extensions"):
        in_review(**deadline(clock=clock, extensions=(extension,)))
    assert in_review(**deadline(clock=clock, extensions=(extension,), until="2026-06-01")).running()


def test_a_clock_that_only_a_paper_ends_needs_its_day() -> None:
    """The rules give no time for it: without a day it would never end."""
    shipped = Case().book
    open_ended = tuple(replace(row, bases=()) if row.name == REVIEW.clock else row for row in shipped.clocks)
    book = replace(shipped, clocks=open_ended)
    with refused("no_end", field="payload.body.deadlines[0].until"):
        in_review(book=book)
    assert in_review(book=book, **deadline(person_id=LI, until="2026-05-09")).running() == {REVIEW.clock}


BEGIN: dict[str, Callable[[Case], Case]] = {
    "opened": lambda written: written.open(clerk(PROCURATORATE)),
    "taken over": lambda written: written.say(case.CaseTakenOver),
}


@pytest.mark.parametrize("begin", BEGIN.values(), ids=BEGIN)
def test_a_case_begins_once(begin: Callable[[Case], Case]) -> None:
    """Neither opened nor taken over again."""
    with refused("already_opened", field="envelope.sequence"):
        begin(in_review())
