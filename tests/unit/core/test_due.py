"""Due: when the clocks of a case run out, and how it stands with them at a moment."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime

import pytest
from msgspec.structs import replace

from ledger.core.custody.due_dates import Deadline, deadlines, due_at
from ledger.core.custody.due_dates import deadline as deadline_of
from ledger.core.events import case, item
from ledger.core.procedure import deadlines as periods
from ledger.core.procedure.clock_periods import lawful_last_day
from ledger.core.procedure.rulebook import DaysOff
from ledger.procedures import shipped_rulebook
from tests.testkit.builders import COURT, POLICE, PROCURATORATE, clerk, instant
from tests.testkit.casework import Case, detained, person_id

DAY = 86400
# Monday, 2 March 2026, nine in the morning in Shanghai, is where the cases of the tests begin.
BOTH_YEARS = {"2026": DaysOff(()), "2027": DaysOff(())}  # without holidays
ONLY_2026 = {"2026": DaysOff(())}


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def day(text: str) -> date:
    return date.fromisoformat(text)


def due(
    of: Case,
    name: str,
    subject: str | None = None,
    *,
    as_of: str = "2026-03-02T12:00:00Z",
    days_off: dict[str, DaysOff] = BOTH_YEARS,
) -> Deadline:
    wanted = of.clock(name, subject).deadline_id
    all_deadlines = deadlines(of.state, replace(of.book, days_off=days_off), moment(as_of))
    return next(entry for entry in all_deadlines if entry.deadline_id == wanted)


def asked(of: Case, sent: str, received: str) -> Case:
    """The procuratorate is asked to approve the arrest of Li, and received the papers then."""
    of.offer(to=PROCURATORATE, purpose="arrest_approval", persons=("li",), occurred_at=sent)
    return of.accept(received_at=received)


def test_a_detained_persons_three_days_end_at_midnight_of_the_third_day() -> None:
    """Detained on 2 March: the day does not count, the 5th is the last, its midnight in Shanghai is too late."""
    deadline = due(detained("li"), "arrest_request")
    assert (deadline.last_day, deadline.days_left) == (day("2026-03-05"), 3)
    assert deadline.due_at == moment("2026-03-05T16:00:00Z")
    assert (deadline.status, deadline.article, deadline.agency) == ("running", "CPL 91", POLICE)
    assert isinstance(deadline.steps[-1], periods.HeldInCustody)
    assert deadline.counted is not None
    assert (deadline.counted.last_day, deadline.counted.steps) == (deadline.last_day, deadline.steps)


def test_the_last_day_of_a_detention_is_not_that_of_the_duties_that_begin_with_it() -> None:
    """The paper says until when he is held: not until when he is questioned, brought to a cell, his family told."""
    opened = Case().open().name("li").impose("li", "detention", until="2026-03-04")
    for name in ("first_interrogation", "family_notice", "detention_house_admission"):
        deadline = due(opened, name)
        assert (deadline.due_at, deadline.beyond_law, len(deadline.steps)) == (moment("2026-03-03T02:00:00Z"), False, 2)
    assert due(opened, "arrest_request").last_day == day("2026-03-04")


def test_a_clock_of_the_case_is_in_custody_with_any_of_its_persons() -> None:
    """One defendant behind bars keeps the court's time from rolling."""
    opened = Case().open(by=clerk(PROCURATORATE), stage="prosecution_review").name("li")
    opened.offer(to=COURT, purpose="public_prosecution", occurred_at="2026-02-28T02:00:00Z")
    assert due(opened, "court_acceptance").last_day == day("2026-03-09")
    opened.impose("li", "arrest")
    assert due(opened, "court_acceptance").last_day == day("2026-03-07")


def test_of_co_defendants_who_is_locked_up_has_no_day_more() -> None:
    """Each has a time of trial: whoever is at liberty has it until the next working day, whoever is not has it not."""
    opened = Case().open(by=clerk(PROCURATORATE), stage="prosecution_review").name("li", "wang")
    opened.impose("li", "arrest")
    opened.offer(to=COURT, purpose="public_prosecution").accept(occurred_at="2026-03-04T02:00:00Z")
    opened.say(case.CaseStageEntered, stage="first_instance", trial="fast_track")
    ends = [due(opened, "first_instance", name, as_of="2026-03-05T00:00:00Z").last_day for name in ("li", "wang")]
    assert ends == [day("2026-03-14"), day("2026-03-16")]


def test_who_comes_to_a_trial_later_has_a_time_of_his_own() -> None:
    """Chosen again, the kind of trial starts no time anew that runs, and starts that of whoever has none."""
    opened = Case().open(by=clerk(PROCURATORATE), stage="prosecution_review").name("li")
    opened.offer(to=COURT, purpose="public_prosecution").accept()
    opened.say(case.CaseStageEntered, stage="first_instance", trial="fast_track")
    first = opened.clock("first_instance", "li")
    opened.name("wang").now += DAY
    opened.say(case.CaseStageEntered, stage="first_instance", trial="fast_track")
    assert opened.clock("first_instance", "li") == first
    assert opened.clock("first_instance", "wang").is_running


def test_released_before_the_end_the_end_rolls() -> None:
    """What counts is custody on the last day, not at the start."""
    opened = asked(detained("li"), "2026-03-01T02:00:00Z", "2026-03-01T03:00:00Z")
    opened.change("detention", "bail", "li")
    assert due(opened, "arrest_decision").last_day == day("2026-03-09")


@pytest.mark.parametrize(
    ("until", "last_day", "step"),
    [("2026-03-07", "2026-03-07", periods.DayDecided), ("2026-04-01", "2026-03-09", periods.DayBeyondLaw)],
)
def test_a_paper_may_give_less_than_the_law_and_no_more(
    until: str, last_day: str, step: Callable[[date], object]
) -> None:
    """The day decided is the last one where it comes first; else the deadline says that a paper went beyond the law."""
    opened = detained("li").extend("arrest_request", "special_circumstances", until=until)
    deadline = due(opened, "arrest_request")
    assert (deadline.last_day, deadline.beyond_law) == (day(last_day), until != last_day)
    assert deadline.steps[-1] == step(day(until))


@pytest.mark.parametrize(("until", "beyond"), [("2026-12-31", False), ("2027-03-02", False), ("2027-03-03", True)])
def test_a_bail_ends_on_its_day_whatever_day_that_is(until: str, beyond: bool) -> None:
    """The law gives until 2 March 2027, day off or not: that the days off of 2027 are not known does not matter."""
    opened = Case().open().name("li").impose("li", "bail", until=until)
    deadline = due(opened, "bail_limit", days_off=ONLY_2026)
    assert (deadline.status, deadline.last_day) == ("running", min(day(until), day("2027-03-02")))
    assert (deadline.unknown, deadline.beyond_law) == (None, beyond)


@pytest.mark.parametrize(("ground", "flagged"), [("unreachable", False), ("complex", True)])
def test_the_notice_to_the_family_may_wait(ground: str, flagged: bool) -> None:
    """On the grounds of the clause until the day that is decided, and not a moment longer; no other ground will do."""
    opened = detained("li").extend("family_notice", "notice_exception", until="2026-03-20", qualifying_ground=ground)
    assert ("extension_without_ground" in {flag.name for flag in opened.flags}) == flagged
    assert due(opened, "family_notice").last_day == day("2026-03-20")
    assert due(opened, "first_interrogation").last_day is None


def test_where_only_a_paper_sets_the_end_it_is_the_end() -> None:
    """A loan until a moment, a freeze until a day."""
    opened = Case().open().register("phone")
    opened.say(item.ItemCheckedOut, item_id="phone", to_officer="o-1", due_at="2026-03-03T04:05:06Z")
    deadline = due(opened, "loan")
    assert (deadline.last_day, deadline.article) == (None, "set by the holder")
    assert deadline.due_at == moment("2026-03-03T04:05:06Z")
    assert lawful_last_day(opened.clock("loan"), shipped_rulebook().zone) is None


def test_a_freeze_lapses_on_its_day() -> None:
    """The owner of the time is whoever is responsible for the thing now."""
    opened = Case().open().register("cash", kind="property")
    opened.say(item.ItemFrozen, item_id="cash", frozen_until="2026-04-01")
    assert due(opened, "freeze").last_day == day("2026-04-01")
    opened.offer("cash", to=PROCURATORATE).accept()
    assert due(opened, "freeze").agency == PROCURATORATE


def test_a_time_that_has_ended_stays_with_whoever_had_it() -> None:
    """What the police met is theirs, also after the person has passed on, and at a moment before it ended."""
    opened = detained("li").offer(to=PROCURATORATE, purpose="arrest_approval", persons=("li",))
    sent = opened.now
    opened.accept().offer(to=PROCURATORATE, persons=("li",)).accept()
    assert due(opened, "arrest_request").agency == POLICE
    earlier = due(opened, "arrest_request", as_of=instant(sent - 90))
    assert (earlier.status, earlier.agency) == ("running", POLICE)


def test_bail_is_watched_by_who_is_responsible_for_the_person() -> None:
    """The limit passes on with the person, and with the case where the person has gone."""
    opened = Case().open().name("li")
    opened.impose("li", "bail")
    assert due(opened, "bail_limit").agency == POLICE
    opened.offer(to=PROCURATORATE, persons=("li",)).accept()
    assert due(opened, "bail_limit").agency == PROCURATORATE


def test_what_does_not_count_moves_the_end() -> None:
    """Two days of assessment are two days more; a clock that rests never runs out meanwhile."""
    opened = detained("li")
    opened.suspend(opened.now).resume(opened.now + 2 * DAY)
    deadline = due(opened, "arrest_request", as_of="2026-03-06T00:00:00Z")
    assert deadline.last_day == day("2026-03-07")
    assert any(isinstance(step, periods.DaysExcluded) and step.days == 2 for step in deadline.steps)
    opened = detained("li").suspend(1772500000)
    first = due(opened, "arrest_request", as_of="2026-03-06T00:00:00Z")
    later = due(opened, "arrest_request", as_of="2026-03-16T00:00:00Z")
    assert (first.status, later.status) == ("suspended", "suspended")
    assert (first.last_day, later.last_day) == (day("2026-03-08"), day("2026-03-18"))


@pytest.mark.parametrize(
    ("as_of", "status", "days_left"),
    [
        ("2026-03-05T15:59:59Z", "running", 0),
        ("2026-03-05T16:00:00Z", "overdue", -1),
        ("2026-03-08T00:00:00Z", "overdue", -3),
    ],
)
def test_how_it_stands_depends_on_the_moment(as_of: str, status: str, days_left: int) -> None:
    """To the second: midnight in Shanghai is too late."""
    deadline = due(detained("li"), "arrest_request", as_of=as_of)
    assert (deadline.status, deadline.days_left) == (status, days_left)


@pytest.mark.parametrize(
    ("started_at", "as_of", "days_left"),
    [
        ("2026-03-01T15:59:00Z", "2026-03-02T08:25:00Z", 0),  # of 23:59: at 24:00, seven hours later
        ("2026-03-01T15:59:00Z", "2026-03-01T15:59:30Z", 1),
        ("2026-03-01T15:00:00Z", "2026-03-02T08:25:00Z", 0),
        ("2026-03-02T00:30:00Z", "2026-03-02T08:25:00Z", 1),
    ],
)
def test_hours_that_end_at_midnight_end_with_the_day_before(started_at: str, as_of: str, days_left: int) -> None:
    """As a clock of days does that ends at the same instant."""
    held = Case().open().name("li").impose("li", "detention", started_at=started_at)
    deadline = due(held, "family_notice", as_of=as_of)
    assert (deadline.status, deadline.last_day, deadline.days_left) == ("running", None, days_left)


def test_what_ended_was_met_or_missed() -> None:
    """Judged by when it was stopped, not by when it is looked at; before that it was running."""
    in_time = detained("li").offer(to=PROCURATORATE, purpose="arrest_approval", persons=("li",))
    deadline = due(in_time, "arrest_request", as_of="2026-12-01T00:00:00Z")
    assert (deadline.status, deadline.days_left) == ("met", None)
    late = detained("li")
    late.offer(to=PROCURATORATE, purpose="arrest_approval", persons=("li",), occurred_at="2026-03-05T16:00:00Z")
    assert due(late, "arrest_request", as_of="2026-12-01T00:00:00Z").status == "missed"
    assert due(late, "arrest_request", as_of="2026-03-05T15:00:00Z").status == "running"


def test_a_clock_that_has_not_begun_is_left_out() -> None:
    """Yesterday's list does not know today's detention."""
    opened = detained("li")
    assert deadlines(opened.state, opened.book, moment("2026-03-01T00:00:00Z")) == ()


def test_the_handler_is_the_one_of_the_agency_whose_time_it_is() -> None:
    """So that the warning goes to him."""
    opened = detained("li")
    assert due(opened, "arrest_request").handler is None
    opened.say(case.CaseAssigned, department="criminal police", handler="p-7")
    assert due(opened, "arrest_request").handler == "p-7"


def test_a_year_that_nobody_knows_is_no_guess() -> None:
    """The list says of which deadline only the earliest end is known, and why; the others are counted."""
    opened = asked(Case().open().name("li"), "2026-02-28T02:00:00Z", "2026-02-28T03:00:00Z")
    unknown = due(opened, "arrest_decision", days_off={})
    assert (unknown.status, unknown.last_day) == ("running", day("2026-03-15"))
    assert unknown.steps[-1] == periods.EndNotKnown(day("2026-03-15"))
    assert unknown.unknown is not None
    assert "2026" in unknown.unknown
    assert due(detained("li"), "arrest_request", days_off={}).last_day == day("2026-03-05")


def test_the_lawful_day_takes_ended_rests_in() -> None:
    """For what a paper may give: rests that ended count, one that lasts does not yet."""
    opened = detained("li")
    opened.suspend(opened.now).resume(opened.now + DAY)
    assert str(lawful_last_day(opened.clock("arrest_request"), shipped_rulebook().zone)) == "2026-03-06"
    opened.suspend(opened.now + DAY)
    assert str(lawful_last_day(opened.clock("arrest_request"), shipped_rulebook().zone)) == "2026-03-06"


def test_a_paper_that_sets_a_moment_may_come_before_the_law_or_after_it() -> None:
    """The earlier of both is the end, whatever the paper is written in."""
    opened = detained("li")
    running = opened.clock("arrest_request")
    for until, last_day, beyond in (
        ("2026-03-04T00:00:00Z", None, False),
        ("2026-03-09T00:00:00Z", day("2026-03-05"), True),
    ):
        deadline = deadline_of(opened.state, replace(running, until=until), opened.book, moment("2026-03-03T00:00:00Z"))
        assert (deadline.last_day, deadline.beyond_law) == (last_day, beyond)


def test_months_may_end_with_the_month_where_the_row_says_so() -> None:
    """From 30 April one month is 30 May, or 31 May by a row of the courts."""
    opened = detained("li").offer(to=PROCURATORATE, persons=("li",))
    opened.accept(received_at="2026-04-30T03:00:00Z")
    review = opened.clock("prosecution_review")
    assert str(lawful_last_day(review, shipped_rulebook().zone)) == "2026-05-30"
    by_courts = replace(review, rule=replace(review.rule, month_end="last_day"))
    assert str(lawful_last_day(by_courts, shipped_rulebook().zone)) == "2026-05-31"


def test_a_clock_that_rests_has_no_end_to_wait_for() -> None:
    """The end alone, for lists: none while time does not count, the earliest in a year whose holidays nobody knows."""

    def end(of: Case, days_off: dict[str, DaysOff] = BOTH_YEARS) -> datetime | None:
        return due_at(of.state, of.clock("arrest_decision"), replace(of.book, days_off=days_off))

    opened = asked(Case().open().name("li"), "2026-02-28T02:00:00Z", "2026-02-28T03:00:00Z")
    assert end(opened) == due(opened, "arrest_decision").due_at == moment("2026-03-16T16:00:00Z")
    assert end(opened, {}) == moment("2026-03-15T16:00:00Z")
    resting = detained("li")
    resting.suspend(resting.now)
    assert due_at(resting.state, resting.clock("arrest_request"), resting.book) is None


# -- time that does not count: the measure in a case that a supervision commission brought -----------------------------


REVIEW = "prosecution_review"


def brought() -> Case:
    """A commission keeps Li; it opened the case on Monday, 2 March 2026."""
    return Case().open().name("li").impose("li", "commission_detention")


def pass_on(written: Case) -> Case:
    """To the procuratorate, at once."""
    return written.offer(to=PROCURATORATE, persons=("li",)).accept()


def detain(written: Case) -> Case:
    return written.change("commission_detention", "detention", "li")


def rests(written: Case) -> list[tuple[str, str | None]]:
    """From which to which day the review rests, as its clock has it."""
    return [(pause.since[:10], pause.until and pause.until[:10]) for pause in written.clock(REVIEW).pauses]


def later(written: Case, days: int) -> Case:
    written.now += days * DAY
    return written


def test_the_review_does_not_count_while_the_measure_is_decided() -> None:
    """Received on the 2nd, detained on the 4th, arrested on the 11th: seven days more than the month."""
    written = later(detain(later(pass_on(brought()), 2)), 7)
    assert rests(written) == [("2026-03-04", None)]
    written.decide("arrest_approved", by=clerk(PROCURATORATE))
    assert rests(written) == [("2026-03-04", "2026-03-11")]
    assert [pause.ground for pause in written.clock(REVIEW).pauses] == ["measure_decision"]
    assert written.clock(REVIEW).pauses[0].article == "CPL 170"
    assert due(written, REVIEW, as_of="2026-03-12T00:00:00Z").last_day == day("2026-04-09")


def test_a_review_that_begins_meanwhile_rests_from_its_beginning() -> None:
    """Detained before the procuratorate received the case: what lies before the review is not left out twice."""
    written = pass_on(later(detain(brought()), 1))
    assert rests(written) == [("2026-03-03", None)]
    assert len(written.clock(REVIEW).events) == 1
    later(written, 5).decide("arrest_approved", by=clerk(PROCURATORATE))
    assert rests(written) == [("2026-03-03", "2026-03-08")]


def test_the_review_runs_on_whatever_ends_the_detention() -> None:
    """Bail in place of an arrest; a detention that ended before the review began takes no time from it."""
    written = later(detain(pass_on(brought())), 3).change("detention", "bail", "li")
    assert rests(written) == [("2026-03-02", "2026-03-05")]
    early = later(pass_on(detain(brought())), 1)
    early.decide("arrest_refused", by=clerk(PROCURATORATE), decided_at="2026-03-02T01:00:00Z")
    (rest,) = early.clock(REVIEW).pauses
    assert rest.since == rest.until


def test_what_an_officer_decides_about_the_rest_stands() -> None:
    """A review that rests already rests as it did; one that was resumed is not resumed again."""
    written = pass_on(brought())
    key = written.clock(REVIEW).deadline_id
    paper = {"deadline_id": key, "article": "CPL 149", "ground": "assessment", "excluded_for": "psychiatric_assessment"}
    written.say(case.DeadlineSuspended, suspended_at=instant(written.now), **paper)
    detain(later(written, 1))
    assert [pause.ground for pause in written.clock(REVIEW).pauses] == ["psychiatric_assessment"]
    later(written, 1).decide("arrest_approved", by=clerk(PROCURATORATE))
    assert rests(written) == [("2026-03-02", None)]

    undecided = detain(pass_on(brought()))
    key = undecided.clock(REVIEW).deadline_id
    later(undecided, 2).say(case.DeadlineResumed, deadline_id=key, resumed_at=instant(undecided.now))
    later(undecided, 2).decide("arrest_approved", by=clerk(PROCURATORATE))
    assert rests(undecided) == [("2026-03-02", "2026-03-04")]


def test_nobody_elses_review_rests() -> None:
    """Wang, whom no commission ever kept, is reviewed in the same time; Li's alone rests."""
    written = detain(brought().name("wang"))
    written.offer(to=PROCURATORATE, persons=("li", "wang")).accept()
    assert rests(written) == []
    assert len(written.clock(REVIEW, "li").pauses) == 1


def test_the_rest_follows_a_person_into_another_case() -> None:
    """Split off, his clocks have other names, and the rest still ends with the decision."""
    passed = detain(pass_on(brought()))
    passed.say(case.CaseSplit, new_case_id="case-2", person_ids=(person_id("li"),))
    two = Case("case-2", start=passed.now)
    fields = {
        "case_number": "2",
        "case_type": "bribery",
        "business_line": "criminal",
        "stage": REVIEW,
        "procedure": "cn-criminal",
    }
    two.say(case.CaseOpened, clerk(PROCURATORATE), split_from=passed.last.ref, source=passed.state, **fields)
    later(two, 3).decide("arrest_approved", by=clerk(PROCURATORATE))
    assert rests(two) == [("2026-03-02", "2026-03-05")]
