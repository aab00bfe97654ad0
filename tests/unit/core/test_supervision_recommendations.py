"""Folding a recommendation: received, objected to, answered, checked again, and the time there is for the reply."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from msgspec.structs import replace

from ledger.core.errors import MalformedInput
from ledger.core.events import Body
from ledger.core.events.letter import Outsider
from ledger.core.procedure.deadlines import EndNotKnown
from ledger.core.supervision import ReplyTerm, reply_due, reply_period
from ledger.procedures import books_that_ship, shipped_rulebook
from tests.testkit.builders import COURT, FAR_POLICE, POLICE, PROCURATORATE, UPPER, Officer, clerk, refused, supervisor
from tests.testkit.supervision import (
    ANSWERER,
    ASSIGNER,
    HANDLER,
    Recommendation,
    delivered,
    escalated,
    issued,
    objected,
    rechecked,
    replied,
    reviewed,
)
from tests.unit.core.test_package import procedure_of

BANK = Outsider(kind="bank", name="East Bank", place="East Road")
OUTSIDE: dict[str, Any] = {"to_outside": BANK}


def test_a_recommendation_is_answered_and_checked_again() -> None:
    """The first answer ends the time to reply; each re-check stays."""
    recommendation = Recommendation().issued()
    assert (recommendation.state.recommendation_id, recommendation.state.supervising) == ("2026-7", PROCURATORATE)
    assert (recommendation.state.status, recommendation.state.answered_at) == ("issued", None)
    recommendation.act(delivered(), ANSWERER)
    assert (recommendation.state.status, recommendation.state.received_at) == ("received", "2026-03-02T01:00:00Z")
    recommendation.act(replied(), ANSWERER)
    first = recommendation.state.answered_at
    assert (recommendation.state.status, first) == ("answered", recommendation.last.payload.occurred_at)
    recommendation.act(replied(), supervisor(POLICE)).act(rechecked(), ASSIGNER).act(rechecked("recurs"), ASSIGNER)
    assert (recommendation.state.status, recommendation.state.answered_at) == ("rechecked", first)
    assert [recheck.result for recheck in recommendation.state.rechecks] == ["fell", "recurs"]


def test_an_objection_is_decided_on_by_the_issuer() -> None:
    """It is open until then; the issuer may change or withdraw what it issued by itself, too, and then it is over."""
    recommendation = Recommendation().issued().act(delivered(), HANDLER).act(objected(), ANSWERER)
    assert (recommendation.state.status, recommendation.state.open_objection) == ("objected", True)
    recommendation.act(reviewed("upheld"), ASSIGNER)
    assert (recommendation.state.status, len(recommendation.state.objections)) == ("received", 1)
    recommendation.act(reviewed("changed", advice="Check the list each month."), ASSIGNER)
    recommendation.act(reviewed("withdrawn", document_number="2026-8"), ASSIGNER)
    assert (recommendation.state.status, recommendation.state.is_withdrawn) == ("withdrawn", True)
    assert [review.result for review in recommendation.state.reviews] == ["upheld", "changed", "withdrawn"]
    with refused("already_withdrawn", field="payload.event_type"):
        recommendation.act(replied(), ANSWERER)


def test_of_somebody_outside_the_issuer_records_everything() -> None:
    """Receipt, objection and answer are filed by it: who is outside signs nothing here."""
    recommendation = Recommendation().issued(**OUTSIDE).act(delivered(service="by_post"), HANDLER)
    recommendation.act(objected(), HANDLER).act(reviewed(), ASSIGNER).act(replied(), HANDLER)
    assert recommendation.state.status == "answered"
    with refused("not_the_addressee", field="payload.agency"):
        recommendation.act(replied(), ANSWERER)


def test_who_got_a_copy_is_told_and_so_is_to_whom_it_went_on() -> None:
    """Agencies of copies and of escalations; those outside are no agencies."""
    recommendation = Recommendation().issued(copies_to=(COURT,), copies_outside=(BANK,))
    assert recommendation.state.copied_to == {COURT}
    recommendation.act(escalated(), ASSIGNER).act(escalated(**OUTSIDE), ASSIGNER)
    recommendation.act(escalated(means="reported_above", to_agency=UPPER), ASSIGNER)
    assert recommendation.state.copied_to == {COURT, UPPER}
    assert len(recommendation.state.escalations) == 3


@pytest.mark.parametrize(
    ("rule", "field", "body", "by"),
    [
        ("not_a_supervising_agency", "agency", issued(), supervisor(POLICE)),
        ("outside_jurisdiction", "body.to_agency", issued(to_agency=FAR_POLICE), ASSIGNER),
        ("unknown_agency", "body.to_agency", issued(to_agency="police-moon"), ASSIGNER),
        ("unknown_agency", "body.copies_to[1]", issued(copies_to=(COURT, "police-moon")), ASSIGNER),
        ("one_correspondent", "body", issued(to_agency=None), ASSIGNER),
        ("one_correspondent", "body", issued(to_agency=POLICE, to_outside=BANK), ASSIGNER),
        ("unknown_word", "body.kind", issued(kind="friendly"), ASSIGNER),
        ("unknown_word", "body.to_outside.kind", issued(to_outside=Outsider(kind="ghost", name="G")), ASSIGNER),
        ("unknown_word", "body.service", issued(service="by_pigeon"), ASSIGNER),
        ("wrong_stream", "stream.id", issued("2026-8"), ASSIGNER),
        ("not_issued", "event_type", replied(), ANSWERER),
    ],
)
def test_a_recommendation_begins_with_its_issue(rule: str, field: str, body: Body, by: Officer) -> None:
    """By a procuratorate, to one addressee that it supervises or outside, in words in force, in its own stream."""
    with refused(rule, field=f"payload.{field}"):
        Recommendation().act(body, by)


@pytest.mark.parametrize(
    ("rule", "field", "body", "by"),
    [
        ("not_the_addressee", "agency", replied(), clerk(COURT)),
        ("not_the_addressee", "agency", replied(), HANDLER),
        ("not_the_addressee", "agency", objected(), HANDLER),
        ("not_the_addressee", "agency", delivered(), clerk(COURT)),
        ("already_received", "event_type", delivered(), HANDLER),
        ("nothing_objected", "body.result", reviewed(), ASSIGNER),
        ("not_the_supervising_agency", "agency", rechecked(), supervisor(UPPER)),
        ("not_the_supervising_agency", "agency", reviewed("withdrawn"), supervisor(UPPER)),
        ("not_the_supervising_agency", "agency", escalated(), supervisor(UPPER)),
        ("before_its_start", "body.received_at", delivered("2026-03-01T02:00:00Z"), ANSWERER),
        ("one_correspondent", "body", escalated(to_agency=UPPER, **OUTSIDE), ASSIGNER),
        ("unknown_agency", "body.to_agency", escalated(to_agency="police-moon"), ASSIGNER),
        ("unknown_word", "body.means", escalated(means="shouted"), ASSIGNER),
        ("wrong_stream", "event_type", issued(), ASSIGNER),
    ],
)
def test_each_side_of_a_recommendation_speaks_for_itself(rule: str, field: str, body: Body, by: Officer) -> None:
    """The addressee answers and objects, the issuer decides and checks again, and it is issued and received once."""
    recommendation = Recommendation().issued()
    if rule != "before_its_start":
        recommendation.act(delivered(), ANSWERER)
    with refused(rule, field=f"payload.{field}"):
        recommendation.act(body, by)


def test_what_the_log_has_is_read_without_the_procedures() -> None:
    """Words and days were judged when it was recorded, by what was in force then."""
    recommendation = Recommendation()
    recommendation.books = None
    recommendation.issued(kind="of_an_earlier_procedure").act(delivered(service="on_foot"), ANSWERER)
    assert recommendation.state.status == "received"


# -- the time to reply -------------------------------------------------------------------------------------------------

RECEIVED = "2026-03-02T02:00:00Z"
BOOKS = books_that_ship()


@pytest.mark.parametrize(
    ("procedure", "kind", "fields", "last_day"),
    [
        ("cn-criminal", "rectification", {}, date(2026, 5, 6)),  # 2 to 5 May are days off around Labour Day
        ("cn-criminal", "public_interest", {}, date(2026, 5, 6)),
        ("cn-criminal", "public_interest", {"urgent": True}, date(2026, 3, 17)),
        ("cn-public-interest", "public_interest", {"urgent": True}, date(2026, 3, 17)),
        ("cn-criminal", "social_governance", {"reply_within_days": 10, "urgent": True}, date(2026, 3, 12)),
        ("cn-civil-supervision", "retrial", {}, date(2026, 6, 2)),
        ("cn-civil-supervision", "execution", {}, date(2026, 6, 2)),
        ("cn-administrative-supervision", "retrial", {}, date(2026, 6, 2)),
        ("evidence", "corrective", {"reply_within_days": 30}, date(2026, 4, 1)),
        ("ew-criminal", "learning", {}, date(2026, 4, 26)),
    ],
)
def test_the_time_to_reply_counts_from_the_receipt(
    procedure: str, kind: str, fields: dict[str, Any], last_day: date
) -> None:
    """By kind and urgency, worked out by hand; the days of the paper go first. It was issued a day earlier."""
    issued_at = RECEIVED if procedure == "ew-criminal" else "2026-03-01T02:00:00Z"  # there the issue counts
    due = reply_due(ReplyTerm(kind, issued_at, RECEIVED, **fields), [BOOKS[procedure]])
    assert due is not None
    assert due.counted is not None
    assert due.row is not None
    assert (due.counted.last_day, due.unknown, due.row.per) == (last_day, None, "recommendation")


def test_no_time_to_reply_runs_before_the_receipt() -> None:
    """Nor once it is withdrawn; the first procedure in force that has a row for its kind decides."""
    recommendation = Recommendation().issued()
    books = [BOOKS["evidence"], shipped_rulebook()]
    assert reply_due(ReplyTerm.of(recommendation.state), books) is None
    due = reply_due(ReplyTerm.of(recommendation.act(delivered(), ANSWERER).state), books)
    assert due is not None
    assert due.row is not None
    assert due.counted is not None
    assert (due.row.article, due.counted.last_day) == ("recommendation rules 19", date(2026, 5, 6))
    withdrawn = recommendation.act(reviewed("withdrawn"), ASSIGNER).state
    assert reply_due(ReplyTerm.of(withdrawn), books) is None


@pytest.mark.parametrize(
    ("received_at", "book"),
    [
        ("2017-01-01T00:00:00Z", shipped_rulebook()),
        (RECEIVED, procedure_of()),
        (RECEIVED, BOOKS["evidence"]),
    ],
)
def test_no_time_is_counted_without_a_rule(received_at: str, book: Any) -> None:
    """Before the rule was in force, without a row, or without a paper's days."""
    kind = "corrective" if book is BOOKS["evidence"] else "rectification"
    assert reply_due(ReplyTerm(kind, received_at, received_at), [book]) is None


def test_where_days_off_are_not_known_a_reply_is_due_not_before_a_day() -> None:
    """The day as it falls is told, with the reason; so is a day that the zone's table does not have."""
    received_at = "2100-01-01T00:00:00Z"
    due = reply_due(ReplyTerm("rectification", received_at, received_at), [shipped_rulebook()])
    assert due is not None
    assert due.counted is not None
    assert (due.counted.last_day, due.counted.steps[-1]) == (date(2100, 3, 1), EndNotKnown(date(2100, 3, 1)))
    assert due.unknown is not None
    assert "days off of 2100 are not all known" in due.unknown
    book = procedure_of("flags = []\n" + ROW.replace('"never"', '"earlier"') + 'bases = [{ period = "5 d" }]\n')
    earlier = reply_due(ReplyTerm("a", received_at), [book])
    assert earlier is not None
    assert (earlier.counted, earlier.unknown is None) == (None, False)
    hours = procedure_of("flags = []\n" + ROW + 'bases = [{ period = "5 h" }]\n')
    due = reply_due(ReplyTerm("a", RECEIVED), [hours])
    assert due is not None
    assert due.counted is not None
    assert (due.counted.last_day, due.unknown) == (None, None)
    untold = reply_due(ReplyTerm("learning", received_at), [BOOKS["ew-criminal"]])
    assert untold is not None
    assert untold.unknown is not None
    assert untold.unknown.startswith("the offsets of Europe/London are known until")


def test_without_a_row_the_days_of_the_paper_count_from_the_receipt() -> None:
    """By days of the first procedure's zone, wherever days off fall; without any procedure nobody has days."""
    term = ReplyTerm("rectification", "2026-03-01T02:00:00Z", "2026-03-02T17:00:00Z", reply_within_days=60)
    due = reply_due(term, [procedure_of()])
    assert due is not None
    assert due.counted is not None
    assert (due.row, due.counted.last_day, due.unknown) == (None, date(2026, 5, 2), None)
    assert reply_due(term, []) is None
    assert reply_due(replace(term, received_at=None), [procedure_of()]) is None


ROW = """
[recommendations]
a = { label = { en = "a", zh = "甲" } }

[[clocks]]
name = "reply"
article = "rule 1"
valid_from = "2020-01-01"
label = { en = "reply", zh = "回复" }
per = "recommendation"
days_off = "never"
starts = ["recommendation_issued.a", "recommendation_received.a"]
stops = ["recommendation_answered.a"]
"""


def test_conditions_of_a_reply_ask_for_urgency_and_the_fact_it_counts_from() -> None:
    """A row that starts by the receipt alone waits for it; what is urgent has a base of its own."""
    conditions = 'starts_if = { fact = ["recommendation_received.a"] }\n'
    bases = 'bases = [{ period = "5 d", if = { unless = { urgent = false } } }, { period = "20 d" }]\n'
    book = procedure_of("flags = []\n" + ROW + conditions + bases)
    assert reply_due(ReplyTerm("a", RECEIVED), [book]) is None
    days = [reply_due(ReplyTerm("a", "2026-03-01T02:00:00Z", RECEIVED, urgent), [book]) for urgent in (True, False)]
    assert [due and due.counted and due.counted.last_day for due in days] == [date(2026, 3, 7), date(2026, 3, 22)]


def test_a_paper_states_the_time_that_it_gives_or_else_that_of_the_row() -> None:
    """What is urgent is due sooner; where neither gives a time, it states none."""
    criminal = shipped_rulebook()
    assert reply_period(issued(kind="rectification"), RECEIVED, criminal) == "2 m"
    assert reply_period(issued(kind="public_interest", urgent=True), RECEIVED, criminal) == "15 d"
    assert reply_period(issued(kind="rectification", reply_within_days=30), RECEIVED, criminal) == "30 d"
    assert reply_period(issued(kind="retrial", reply_within_days=30), RECEIVED, criminal) == "30 d"
    assert reply_period(issued(kind="retrial"), RECEIVED, criminal) is None


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ('starts_if = { stage = ["investigation"] }', "nothing answers stage here"),
        ('starts_if = { by = ["court"] }', "nothing answers by here"),
        ('renewals = ["decided.judgment"]', "names no `recommendation`"),
    ],
)
def test_a_clock_of_a_recommendation_asks_for_nothing_of_a_case(line: str, fault: str) -> None:
    """It is of none: such a row would be one that nothing starts or that nobody can count."""
    with pytest.raises(MalformedInput, match=fault):
        procedure_of("flags = []\n" + ROW + line + "\n")
