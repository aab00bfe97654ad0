"""Time that does not count while another clock runs: the measure in a case that a supervision commission brought."""

from __future__ import annotations

from ledger.core.events import case
from tests.testkit.builders import PROCURATORATE, clerk, instant
from tests.testkit.casework import Case, person_id
from tests.unit.core.test_due import day, due

DAY = 86400
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

    other = detain(pass_on(brought()))
    key = other.clock(REVIEW).deadline_id
    later(other, 2).say(case.DeadlineResumed, deadline_id=key, resumed_at=instant(other.now))
    later(other, 2).decide("arrest_approved", by=clerk(PROCURATORATE))
    assert rests(other) == [("2026-03-02", "2026-03-04")]


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
    fields = {"case_number": "2", "case_type": "bribery", "business_line": "criminal", "stage": REVIEW}
    two.say(case.CaseOpened, clerk(PROCURATORATE), split_from=passed.last.ref, source=passed.state, **fields)
    later(two, 3).decide("arrest_approved", by=clerk(PROCURATORATE))
    assert rests(two) == [("2026-03-02", "2026-03-05")]
