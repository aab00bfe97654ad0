"""Folding a recommendation: answered, checked again, and the time there is for it."""

from __future__ import annotations

from datetime import date

import pytest

from ledger.core.events import Body
from ledger.core.supervision import reply_due
from ledger.procedures import shipped_rulebook
from tests.testkit.builders import COURT, FAR_POLICE, POLICE, PROCURATORATE, UPPER, Officer, clerk, refused, supervisor
from tests.testkit.supervision import ANSWERER, ASSIGNER, Recommendation, issued, rechecked, replied
from tests.unit.core.test_package import procedure_of


def test_a_recommendation_is_answered_and_checked_again() -> None:
    """The first answer ends the time to reply; each re-check stays."""
    recommendation = Recommendation().issued()
    assert (recommendation.state.recommendation_id, recommendation.state.supervising) == ("2026-7", PROCURATORATE)
    assert (recommendation.state.status, recommendation.state.answered_at) == ("issued", None)
    recommendation.act(replied(), ANSWERER)
    first = recommendation.state.answered_at
    assert (recommendation.state.status, first) == ("answered", recommendation.last.payload.occurred_at)
    recommendation.act(replied(), supervisor(POLICE)).act(rechecked(), ASSIGNER).act(rechecked("recurs"), ASSIGNER)
    assert (recommendation.state.status, recommendation.state.answered_at) == ("rechecked", first)
    assert [recheck.result for recheck in recommendation.state.rechecks] == ["fell", "recurs"]


@pytest.mark.parametrize(
    ("rule", "field", "body", "by"),
    [
        ("not_a_supervising_agency", "agency", issued(), supervisor(POLICE)),
        ("outside_jurisdiction", "body.to_agency", issued(to_agency=FAR_POLICE), ASSIGNER),
        ("unknown_agency", "body.to_agency", issued(to_agency="police-moon"), ASSIGNER),
        ("wrong_stream", "stream.id", issued("2026-8"), ASSIGNER),
        ("not_issued", "event_type", replied(), ANSWERER),
    ],
)
def test_a_recommendation_begins_with_its_issue(rule: str, field: str, body: Body, by: Officer) -> None:
    """By a procuratorate, to an agency that it supervises, in its own stream."""
    with refused(rule, field=f"payload.{field}"):
        Recommendation().act(body, by)


@pytest.mark.parametrize(
    ("rule", "field", "body", "by"),
    [
        ("not_the_addressee", "agency", replied(), clerk(COURT)),
        ("not_the_supervising_agency", "agency", rechecked(), supervisor(UPPER)),
        ("wrong_stream", "event_type", issued(), ASSIGNER),
    ],
)
def test_each_side_of_a_recommendation_speaks_for_itself(rule: str, field: str, body: Body, by: Officer) -> None:
    """The addressee answers, the issuer checks again, and it is issued once."""
    with refused(rule, field=f"payload.{field}"):
        Recommendation().issued().act(body, by)


def test_the_time_to_reply_is_two_months() -> None:
    """Counted like every other clock: the day of issue does not count, a last day off rolls to the next working day."""
    recommendation = Recommendation().issued()
    due = reply_due(recommendation.state.issued_at, [shipped_rulebook()])
    assert due is not None
    assert due.last_day == date(2026, 5, 6)  # 2 to 5 May are days off around Labour Day


def test_no_time_is_counted_without_a_rule() -> None:
    """Before the rule was in force, under rules without it, and in a year whose days off nobody knows yet."""
    early = Recommendation(start=1483228800).issued()
    late = Recommendation(start=4102444800).issued()
    recommendation = Recommendation().issued()
    bare = procedure_of()
    assert reply_due(early.state.issued_at, [shipped_rulebook()]) is None
    assert reply_due(late.state.issued_at, [shipped_rulebook()]) is None
    assert reply_due(recommendation.state.issued_at, [bare]) is None
