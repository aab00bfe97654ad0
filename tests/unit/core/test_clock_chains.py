"""Clocks that start and stop because other clocks do, and those that wait for the end of another one."""

from __future__ import annotations

from datetime import date, datetime
from functools import cache

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ledger.core.custody import Act, clock_facts
from ledger.core.custody.due_dates import ClockEnd, deadlines, end_of_clock
from ledger.core.custody.state import CaseState
from ledger.core.errors import MalformedInput
from ledger.core.events import case
from ledger.core.procedure.clock_periods import Clock
from ledger.core.procedure.deadlines import CountedBack, FormerEnd
from ledger.core.procedure.rulebook import Rulebook
from tests.testkit.builders import instant
from tests.testkit.casework import DAY, Case, person_id
from tests.unit.core.test_clock_rules import EXTENSION, ROW
from tests.unit.core.test_package import procedure_of

TERM = (
    ROW.replace('name = "review"', 'name = "term"')
    .replace('per = "case"', 'per = "person"')
    .replace("received.prosecution_review", "decided.judgment")
    + 'stops = ["decided.appealed"]\nbases = [{ period = "10 d" }]\ndays_off = "never"\n'
)
MORE = EXTENSION.replace('name = "more"', 'name = "more"') + 'adds = "5 d"\n'


def follower(starts: str, more: str = "", *, stops: str = "decided.case_filed", per: str = "case") -> str:
    """Return the row of a clock of three days that starts with this fact."""
    row = ROW.replace('per = "case"', f'per = "{per}"').replace("received.prosecution_review", starts)
    return f'{row}stops = ["{stops}"]\nbases = [{{ period = "3 d" }}]\ndays_off = "never"\n{more}'


def opened(*rows: str) -> Case:
    """Return a case opened at 2026-03-02 by these rows, with one accused."""
    return Case(book=procedure_of("flags = []\n" + "".join(rows))).open().name("li")


def last_days(written: Case, as_of: str) -> dict[str, str]:
    """Return the last day of each deadline that there is at a time."""
    at = datetime.fromisoformat(as_of)
    return {d.clock: f"{d.last_day} {d.status}" for d in deadlines(written.state, written.book, at)}


def test_a_clock_starts_and_stops_with_another_one() -> None:
    """With its start the one begins, with its stop it ends."""
    written = opened(TERM, follower("clock_started.term", stops="clock_stopped.term")).decide("judgment")
    assert written.running() == {"term", "review"}
    assert written.clock("review").started_at == written.clock("term").started_at
    written.decide("appealed")
    assert written.running() == set()


def test_a_clock_that_is_changed_starts_another_one() -> None:
    """It is extended or counted anew; its time rests, and runs again."""
    for fact, act in (
        ("period_changed.term", lambda c: c.extend("term", "more")),
        ("period_changed.term", lambda c: c.say(case.DeadlineReset, deadline_id=term(c), reset_at=instant(c.now))),
    ):
        written = opened(TERM + MORE, follower(fact)).decide("judgment")
        assert written.running() == {"term"}
        assert act(written).running() == {"term", "review"}
    for fact, count in (("pause_began.travel", 1), ("pause_ended.travel", 2)):
        written = opened(TERM, follower(fact)).decide("judgment")
        rests = {"deadline_id": term(written), "suspended_at": instant(written.now), "excluded_for": "travel"}
        written.say(case.DeadlineSuspended, **rests)
        assert ("review" in written.running()) == (count == 1)
        written.say(case.DeadlineResumed, deadline_id=term(written), resumed_at=instant(written.now))
        assert "review" in written.running()


@pytest.mark.parametrize("fact", ["pause_began", "pause_ended"])
def test_of_several_rests_the_latest_is_the_fact(fact: str) -> None:
    """The first rest was for another ground than the clock waits for, the second is for its own."""
    written = opened(TERM, follower(f"{fact}.psychiatric_assessment")).decide("judgment")
    for ground in ("travel", "psychiatric_assessment"):
        assert written.running() == {"term"}
        rests = {"deadline_id": term(written), "suspended_at": instant(written.now), "excluded_for": ground}
        written.say(case.DeadlineSuspended, **rests)
        written.now += DAY
        written.say(case.DeadlineResumed, deadline_id=term(written), resumed_at=instant(written.now))
    assert written.running() == {"term", "review"}
    pause = written.clock("term").pauses[-1]
    assert written.clock("review").started_at == (pause.since if fact == "pause_began" else pause.until)


def test_a_time_ends_where_a_changed_one_would_have_ended() -> None:
    """Without bases, after each change anew: on 12 March, then 17 March; nothing starts of a time that rests."""
    ends = follower("period_changed.term", per="person").replace('bases = [{ period = "3 d" }]\n', "")
    written = opened(TERM + MORE, ends).decide("judgment")
    as_of = "2026-03-02T12:00:00+08:00"
    assert last_days(written, as_of) == {"term": "2026-03-12 running"}
    written.extend("term", "more")
    assert last_days(written, as_of) == {"term": "2026-03-17 running", "review": "2026-03-12 running"}
    shown = next(
        each for each in deadlines(written.state, written.book, datetime.fromisoformat(as_of)) if each.clock == "review"
    )
    assert shown.steps == (FormerEnd(date(2026, 3, 12)),)
    written.say(case.DeadlineReset, deadline_id=term(written), reset_at=instant(written.now))
    assert written.clock("review").until == "2026-03-17"
    written.decide("case_filed").now += DAY
    rests = {"deadline_id": term(written), "suspended_at": instant(written.now), "excluded_for": "travel"}
    written.say(case.DeadlineSuspended, **rests).extend("term", "more")
    assert written.running() == {"term"}


def term(written: Case) -> str:
    return written.clock("term").deadline_id


def test_rows_that_start_each_other_come_to_an_end() -> None:
    """A chain is followed no further than there are rows."""
    both = follower("clock_started.term").replace(
        '["clock_started.term"]', '["clock_started.term", "clock_started.other"]'
    )
    second_row = follower("clock_started.review").replace('name = "review"', 'name = "other"')
    assert {"review", "other"} <= opened(TERM, both, second_row).decide("judgment").running()


def test_a_clock_waits_for_the_end_of_another_one() -> None:
    """It is not there before, and counts from the day on which the other one ended, without any act."""
    written = opened(TERM, follower("expired.term")).decide("judgment")
    assert last_days(written, "2026-03-12T10:00:00+08:00") == {"term": "2026-03-12 running"}
    assert last_days(written, "2026-03-13T10:00:00+08:00") == {
        "term": "2026-03-12 overdue",
        "review": "2026-03-15 running",
    }
    assert written.clock("review").started_at == "2026-03-12T15:59:59Z"


@pytest.mark.parametrize(("stopped_at", "names"), [("15:59:59", {"term"}), ("16:00:00", {"term", "review"})])
def test_what_is_stopped_in_its_last_second_has_not_expired(stopped_at: str, names: set[str]) -> None:
    """A second later it has, though an act has stopped it."""
    written = opened(TERM, follower("expired.term")).decide("judgment", "li")
    at = f"2026-03-12T{stopped_at}Z"
    written.decide("appealed", "li", occurred_at=at, decided_at=at)
    assert set(last_days(written, "2026-03-13T10:00:00+08:00")) == names


def test_what_waits_moves_with_the_end_and_goes_with_it() -> None:
    """An extension moves it; if the other one is met, nothing expires; what rests has no end to wait for."""
    written = opened(TERM + MORE, follower("expired.term")).decide("judgment").extend("term", "more")
    assert last_days(written, "2026-03-20T10:00:00+08:00")["review"] == "2026-03-20 running"
    rests = {"deadline_id": term(written), "suspended_at": instant(written.now), "excluded_for": "travel"}
    written.say(case.DeadlineSuspended, **rests)
    assert "review" not in last_days(written, "2026-03-30T10:00:00+08:00")
    written.say(case.DeadlineResumed, deadline_id=term(written), resumed_at=instant(written.now))
    written.decide("appealed")
    assert "review" not in last_days(written, "2026-03-30T10:00:00+08:00")


def test_a_time_that_was_met_has_passed_all_the_same() -> None:
    """Of the case it waits for the last of all; its condition is seen at each act until then."""
    written = opened(TERM, follower("passed.term", 'starts_if = { decided = ["appealed"] }\n')).name("wang")
    written.decide("judgment", "li")
    written.now += 2 * DAY
    written.decide("judgment", "wang")
    assert "review" not in last_days(written, "2026-03-30T10:00:00+08:00")
    written.decide("appealed", "li")
    assert last_days(written, "2026-03-15T10:00:00+08:00")["review"] == "2026-03-17 running"
    last = written.clock("term", "wang").deadline_id.rpartition("/")[2]
    assert written.clock("review").deadline_id.rpartition("/")[2] == last


def test_what_was_decided_in_a_former_time_does_not_count_again() -> None:
    """The appeal against the first judgment starts nothing when the time against the second one has passed."""
    written = opened(TERM, follower("passed.term", 'starts_if = { decided = ["appealed"] }\n')).decide("judgment")
    written.decide("appealed")
    written.now += 20 * DAY
    written.decide("judgment")
    assert last_days(written, "2026-03-14T10:00:00+08:00")["review"] == "2026-03-15 running"
    assert [clock.name for clock in written.state.clocks.values()] == ["term", "review", "term"]
    written.decide("appealed")
    assert last_days(written, "2026-04-02T10:00:00+08:00")["review"] == "2026-04-04 running"


def test_what_has_begun_stays_and_what_was_done_beforehand_is_done() -> None:
    """After the day nothing changes it; before it, the act that stops it ends it."""
    written = opened(TERM, follower("expired.term")).decide("judgment")
    written.now += 12 * DAY
    begun = written.decide("ruling").clock("review")
    assert written.decide("appealed").clock("review") is begun
    written = opened(TERM, follower("expired.term")).decide("judgment").decide("case_filed")
    assert last_days(written, "2026-03-13T10:00:00+08:00")["review"] == "2026-03-15 met"
    assert not written.decide("ruling").clock("review").is_running


def test_a_row_that_is_not_in_force_on_the_day_starts_nothing() -> None:
    """In force on the day on which the other one ends; one that may turn out never to have run starts nothing
    either."""
    written = opened(TERM, follower("expired.term", 'valid_until = "2026-03-05"\n')).decide("judgment")
    assert "review" not in last_days(written, "2026-03-30T10:00:00+08:00")
    early = 'provisional = ["offered.arrest_approval"]\n'
    written = opened(TERM + early, follower("expired.term", per="person"))
    written.offer(to="procuratorate-east", purpose="arrest_approval", persons=("li",))
    assert [clock.name for clock in written.state.clocks.values()] == ["term"]


def test_what_is_no_event_stops_nothing() -> None:
    """That a time has passed is seen by whoever looks: it cannot end a clock."""
    with pytest.raises(MalformedInput, match="starts clocks only"):
        opened(TERM, follower("clock_started.term", stops="expired.term"))


BACK = follower("decided.judgment").replace('days_off = "never"', "counts_back = true")


def test_a_time_counts_back_from_a_day_to_come() -> None:
    """Three days before the execution on 18 June is 15 June; a decision that names no day starts nothing."""
    written = opened(BACK).decide("judgment", effective_at="2026-06-18T02:00:00Z")
    assert last_days(written, "2026-06-01T10:00:00+08:00") == {"review": "2026-06-15 running"}
    (counted,) = deadlines(written.state, written.book, datetime.fromisoformat("2026-06-01T10:00:00+08:00"))
    assert counted.steps == (CountedBack(3, date(2026, 6, 18), date(2026, 6, 15)),)
    assert opened(BACK).decide("judgment").running() == set()


BEFORE_THE_END = follower("clock_started.term", per="person").replace('days_off = "never"', "counts_back = true")
ASKED_ANEW = BEFORE_THE_END.replace('["clock_started.term"]', '["clock_started.term", "period_changed.term"]')


def test_a_time_counts_back_from_the_end_of_another_one() -> None:
    """Three days before the last day as it stands: an extension and a rest move it; while that rests it has none."""
    written = opened(TERM + MORE, BEFORE_THE_END).decide("judgment")
    as_of = "2026-03-02T12:00:00+08:00"
    assert last_days(written, as_of) == {"term": "2026-03-12 running", "review": "2026-03-09 running"}
    before = written.clock("review")
    assert last_days(written.extend("term", "more"), as_of)["review"] == "2026-03-14 running"
    rests = {"deadline_id": term(written), "suspended_at": instant(written.now), "excluded_for": "travel"}
    assert last_days(written.say(case.DeadlineSuspended, **rests), as_of)["review"] == "None running"
    written.now += 2 * DAY
    written.say(case.DeadlineResumed, deadline_id=term(written), resumed_at=instant(written.now))
    assert last_days(written, as_of)["review"] == "2026-03-16 running"
    assert written.clock("review").deadline_id == before.deadline_id
    assert last_days(written.decide("appealed"), as_of)["review"] == "2026-03-16 running"


def test_an_act_counts_back_the_times_of_those_alone_whom_it_concerns(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is done to a thing, or to one person of many, does not count the times of the others anew."""
    written = opened(TERM, BEFORE_THE_END).name("wang", "zhao")
    counted: list[str] = []

    def counting(state: CaseState, clock: Clock, book: Rulebook) -> ClockEnd:
        counted.append(clock.subject)
        return end_of_clock(state, clock, book)

    written.decide("judgment")
    monkeypatch.setattr(clock_facts, "end_of_clock", counting)
    written.register("knife")
    assert counted == []
    written.impose("li", "bail")
    assert set(counted) == {person_id("li")}


ROWS = (
    TERM.replace('days_off = "never"', 'days_off = "later_at_liberty"') + MORE,
    BEFORE_THE_END.replace('name = "review"', 'name = "asked"'),
    follower("expired.term", 'starts_if = { measure = ["bail"] }\n', per="person").replace('"review"', '"late"'),
    follower("passed.term", 'starts_if = { decided = ["case_withdrawn"] }\n').replace('"review"', '"all"'),
    follower("expired.all").replace('"review"', '"last"'),
)
PERSONS = ("li", "wang", "zhao")


@cache
def version(number: int) -> Rulebook:
    """Return a version of the procedure with these rows; each has another day off, on which a time may end."""
    days_off = f'[days_off.2026]\nholidays = ["2026-03-{11 + number}"]\n'
    return procedure_of("flags = []\n" + "".join(ROWS) + days_off)


def act_on(written: Case, act: str, person: str, number: int) -> None:
    """Do the act to the person, or to the person's clock, where it is possible; or adopt a version of this number."""
    terms = [each for each in written.state.clocks.marked(f"running/{person_id(person)}") if each.name == "term"]
    lasting = [each for each in written.state.measures.marked(f"person/{person_id(person)}") if each.ended_at is None]
    rests = {"deadline_id": terms[0].deadline_id, "excluded_for": "travel"} if terms else {}
    match act:
        case "judgment" | "appealed" | "case_withdrawn" | "case_filed":
            written.decide(act, person)
        case "detention" | "bail" if not lasting:
            written.impose(person, act, measure_id=f"measure-{len(written.events)}")
        case "lift" if lasting:
            written.say(case.MeasureLifted, measure_id=lasting[0].measure_id, ended_at=instant(written.now))
        case "extend" if terms and not terms[0].is_paused:
            written.say(case.DeadlineExtended, deadline_id=terms[0].deadline_id, extension="more")
        case "rest" if terms and not terms[0].is_paused:
            written.say(case.DeadlineSuspended, **rests, suspended_at=instant(written.now))
        case "run on" if terms and terms[0].is_paused:
            written.say(case.DeadlineResumed, deadline_id=terms[0].deadline_id, resumed_at=instant(written.now))
        case "register":
            written.register(f"item-{len(written.events)}")
        case "adopt":
            written.book = version(number)


ACTS = (
    *("judgment", "appealed", "case_withdrawn", "case_filed", "detention", "bail", "lift"),
    *("extend", "rest", "run on", "register", "adopt"),
)


@example([("judgment", "li", 0), ("case_withdrawn", "wang", 0), ("extend", "li", 0)])  # moves all that waits
@example([("judgment", "li", 0), ("adopt", "li", 1), ("register", "li", 0)])  # other days off count for all
@given(st.lists(st.tuples(st.sampled_from(ACTS), st.sampled_from(PERSONS), st.integers(0, 3)), max_size=25))
def test_what_an_act_does_not_concern_need_not_be_counted(acts: list[tuple[str, str, int]]) -> None:
    """Against the slow way, which counts the clocks of all subjects after each act: the clocks are the same."""
    quick = clock_facts.chained

    def checked(before: CaseState | None, act: Act, after: CaseState) -> CaseState:
        linked = quick(before, act, after)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(clock_facts, "_subjects_concerned", lambda *_: None)
            assert {**quick(before, act, after).clocks} == {**linked.clocks}
        return linked

    written = Case(book=version(0)).open().name(*PERSONS)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(clock_facts, "chained", checked)
        for act, person, number in acts:
            act_on(written, act, person, number)
            written.now += number * DAY


def test_it_counts_back_from_a_moment_too() -> None:
    """Of hours, the day in which the last one ends."""
    hours = TERM.replace("10 d", "120 h")
    written = opened(hours, BEFORE_THE_END).decide("judgment")
    assert last_days(written, "2026-03-02T12:00:00+08:00")["review"] == "2026-03-04 running"


def test_what_was_done_before_the_end_is_due_again_before_the_next() -> None:
    """A row that starts with the change too has a new run for each end."""
    written = opened(TERM + MORE, ASKED_ANEW).decide("judgment").decide("case_filed").extend("term", "more")
    as_of = "2026-03-08T12:00:00+08:00"
    ends = [f"{d.last_day} {d.status}" for d in deadlines(written.state, written.book, datetime.fromisoformat(as_of))]
    assert ends == ["2026-03-17 running", "2026-03-09 met", "2026-03-14 running"]


def test_what_counts_back_from_a_time_that_never_ran_is_gone_with_it() -> None:
    """The sender's claim of a delivery started the other one; the receiver refuses."""
    early = 'provisional = ["offered.arrest_approval"]\n'
    written = opened(TERM + early, BEFORE_THE_END)
    written.offer(to="procuratorate-east", purpose="arrest_approval", persons=("li",))
    assert written.running() == {"term", "review"}
    assert written.refuse().running() == set()


READING = (
    follower("decided.ruling", per="person")
    + 'rests = "term"\nrests_for = "travel"\nrests_at_most = "4 d"\nmonth_end = "last_day"\n'
)


@pytest.mark.parametrize(("days", "last_day"), [(2, "2026-03-14"), (4, "2026-03-16"), (9, "2026-03-16")])
def test_a_time_rests_no_longer_than_its_row_says(days: int, last_day: str) -> None:
    """What goes beyond the four days counts, whenever the other one ends; so it does while that still runs."""
    written = opened(TERM, READING).decide("judgment").decide("ruling")
    assert written.clock("term").is_paused
    late = last_days(written, "2026-03-30T12:00:00+08:00")["term"]
    written.now += days * DAY
    written.decide("case_filed")
    assert last_days(written, "2026-03-10T12:00:00+08:00")["term"] == f"{last_day} running"
    assert late == "2026-03-16 suspended"


@pytest.mark.parametrize(
    "row",
    [
        BACK.replace("decided.judgment", "served.judgment"),
        TERM + BEFORE_THE_END.replace("clock_started.term", "clock_stopped.term"),
        TERM + BEFORE_THE_END.replace('per = "person"', 'per = "case"'),
        BACK.replace("3 d", "3 wd"),
        BACK.replace('bases = [{ period = "3 d" }]', "bases = []"),
        BACK + MORE,
    ],
)
def test_what_cannot_count_back_is_refused(row: str) -> None:
    """It has a day to count from, days to count, and nothing that adds to them."""
    with pytest.raises(MalformedInput, match="what counts back"):
        opened(row)


def test_a_closed_case_has_no_further_clocks() -> None:
    """Its clocks stop, and start none."""
    written = opened(TERM, follower("clock_stopped.term")).decide("judgment")
    assert written.close().running() == set()
