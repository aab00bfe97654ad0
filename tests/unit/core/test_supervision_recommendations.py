"""Folding a recommendation: received, objected to, answered, checked again, and the time there is for the reply."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import pytest

from ledger.core.custody.due_dates import Deadline, deadline
from ledger.core.custody.state import Act
from ledger.core.encoding.instants import unix_seconds
from ledger.core.errors import MalformedInput
from ledger.core.events import Body
from ledger.core.events.case import DeadlineExtended
from ledger.core.events.letter import Outsider
from ledger.core.events.supervision import PeriodCount
from ledger.core.messages import Message
from ledger.core.procedure.deadlines import EndNotKnown
from ledger.core.procedure.rulebook import Rulebook
from ledger.core.supervision import SupervisionAct, advance, reply_period
from ledger.core.supervision.recommendations import flags_of
from ledger.procedures import books_that_ship, shipped_rulebook
from tests.testkit.builders import (
    COURT,
    FAR_POLICE,
    POLICE,
    PROCURATORATE,
    UPPER,
    Officer,
    clerk,
    path_of,
    refused,
    supervisor,
)
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


def counted(count: int, first: str, until: str) -> PeriodCount:
    return PeriodCount(count, first, until, 1)


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
    with refused("already_withdrawn", field="envelope.event_type"):
        recommendation.act(replied(), ANSWERER)


def test_of_somebody_outside_the_issuer_records_everything() -> None:
    """Receipt, objection and answer are filed by it: who is outside signs nothing here."""
    recommendation = Recommendation().issued(**OUTSIDE).act(delivered(service="by_post"), HANDLER)
    recommendation.act(objected(), HANDLER).act(reviewed(), ASSIGNER).act(replied(), HANDLER)
    assert recommendation.state.status == "answered"
    with refused("not_the_addressee", field="envelope.agency"):
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
        ("one_correspondent", "body.to_agency", issued(to_agency=None), ASSIGNER),
        ("one_correspondent", "body.to_agency", issued(to_agency=POLICE, to_outside=BANK), ASSIGNER),
        ("unknown_word", "body.kind", issued(kind="friendly"), ASSIGNER),
        ("unknown_procedure", "body.procedure", issued(procedure="evidence"), ASSIGNER),
        ("unknown_word", "body.to_outside.kind", issued(to_outside=Outsider(kind="ghost", name="G")), ASSIGNER),
        ("unknown_word", "body.service", issued(service="by_pigeon"), ASSIGNER),
        ("wrong_stream", "stream.id", issued("2026-8"), ASSIGNER),
        ("not_issued", "event_type", replied(), ANSWERER),
    ],
)
def test_a_recommendation_begins_with_its_issue(rule: str, field: str, body: Body, by: Officer) -> None:
    """By a procuratorate, to one addressee that it supervises or outside, in words in force, in its own stream."""
    with refused(rule, field=path_of(field)):
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
        ("not_fewer", "body.result", rechecked(after=counted(12, "2026-02-01", "2026-03-01")), ASSIGNER),
        ("in_future", "body.after.period_until", rechecked(after=counted(0, "2026-02-01", "2026-03-04")), ASSIGNER),
        ("not_the_supervising_agency", "agency", reviewed("withdrawn"), supervisor(UPPER)),
        ("not_the_supervising_agency", "agency", escalated(), supervisor(UPPER)),
        ("before_its_start", "body.received_at", delivered("2026-03-01T02:00:00Z"), ANSWERER),
        ("one_correspondent", "body.to_agency", escalated(to_agency=UPPER, **OUTSIDE), ASSIGNER),
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
    with refused(rule, field=path_of(field)):
        recommendation.act(body, by)


def test_a_period_up_to_the_day_of_the_signature_may_be_counted() -> None:
    """Its end is the day after, which it does not have in it. More than before is no refusal where nothing fell."""
    recommendation = Recommendation().issued()
    recommendation.act(rechecked(after=counted(0, "2026-02-01", "2026-03-03")), ASSIGNER)
    recommendation.act(rechecked("recurs", after=counted(13, "2026-02-01", "2026-03-01")), ASSIGNER)
    recommendation.books = None  # as the log has it: its days were judged when it was recorded
    recommendation.act(rechecked(after=counted(1, "2026-02-01", "2026-12-31")), ASSIGNER)
    assert [recheck.after.count for recheck in recommendation.state.rechecks] == [0, 13, 1]


def test_what_the_log_has_is_read_without_the_procedures() -> None:
    """Words and days were judged when it was recorded, by what was in force then."""
    recommendation = Recommendation()
    recommendation.books = None
    recommendation.issued(kind="of_an_earlier_procedure").act(delivered(service="on_foot"), ANSWERER)
    recommendation.act(extended("reply/2026-7/1"), ANSWERER)
    assert (recommendation.state.status, recommendation.state.timing) == ("received", None)
    assert recommendation.state.reply_clock is None
    act = SupervisionAct(recommendation.last.event, recommendation.agencies, None)
    assert flags_of(recommendation.state, recommendation.state, act) == ()


# -- its clocks --------------------------------------------------------------------------------------------------------

RECEIVED = "2026-03-02T02:00:00Z"
BOOKS = books_that_ship()


def of_book(book: Rulebook, kind: str, issued_at: str = "2026-03-01T02:00:00Z", **fields: Any) -> Recommendation:
    """Return a recommendation of the procedure, issued then."""
    recommendation = Recommendation(start=unix_seconds(issued_at))
    recommendation.books = (book,)
    return recommendation.issued(kind=kind, procedure=book.procedure.id, **fields)


TODAY = "2026-03-03T02:00:00Z"


def reply_of(recommendation: Recommendation, as_of: str = TODAY, book: Rulebook | None = None) -> Deadline:
    """Return the deadline of the reply at a moment, by the days off of the first of its books unless said otherwise."""
    clock, timing = recommendation.state.reply_clock, recommendation.state.timing
    assert clock is not None
    assert timing is not None
    assert recommendation.books
    return deadline(timing, clock, book or next(iter(recommendation.books)), datetime.fromisoformat(as_of))


def extended(deadline_id: str, **fields: Any) -> DeadlineExtended:
    defaults = {"extension": "president_approval", "article": "execution supervision rules 13", "ground": "complex"}
    return DeadlineExtended(deadline_id=deadline_id, **(defaults | fields))


@pytest.mark.parametrize(
    ("procedure", "kind", "fields", "last_day"),
    [
        ("cn-criminal", "rectification", {}, date(2026, 5, 6)),  # 2 to 5 May are days off around Labour Day
        ("cn-criminal", "public_interest", {}, date(2026, 5, 6)),
        ("cn-criminal", "public_interest", {"urgent": True}, date(2026, 3, 17)),
        ("cn-public-interest", "public_interest", {"urgent": True}, date(2026, 3, 17)),
        ("cn-criminal", "social_governance", {"reply_within_days": 10, "urgent": True}, date(2026, 3, 12)),
        ("cn-criminal", "rectification", {"reply_within_days": 34}, date(2026, 4, 7)),  # 5 and 6 April are days off
        ("cn-criminal", "rectification", {"reply_within_days": 90}, date(2026, 5, 6)),  # more than the law gives
        ("cn-criminal", "retrial", {"reply_within_days": 30}, date(2026, 4, 1)),
        ("cn-civil-supervision", "retrial", {}, date(2026, 6, 2)),
        ("cn-civil-supervision", "execution", {}, date(2026, 6, 2)),
        ("cn-administrative-supervision", "retrial", {}, date(2026, 6, 2)),
        ("evidence", "corrective", {"reply_within_days": 30}, date(2026, 4, 1)),
        ("ew-criminal", "learning", {}, date(2026, 4, 25)),  # from the issue, which counts
        ("ew-criminal", "other", {"reply_within_days": 20}, date(2026, 3, 22)),
    ],
)
def test_the_time_to_reply_counts_from_the_receipt(
    procedure: str, kind: str, fields: dict[str, Any], last_day: date
) -> None:
    """By kind and urgency, worked out by hand; the paper may give less. It was issued a day earlier."""
    recommendation = of_book(BOOKS[procedure], kind, **fields).act(delivered(RECEIVED), ANSWERER)
    reply = reply_of(recommendation)
    assert (reply.last_day, reply.unknown, reply.status, reply.agency) == (last_day, None, "running", POLICE)
    assert (reply.case_id, reply.subject) == ("", "2026-7")
    recommendation.act(replied(), ANSWERER)
    assert reply_of(recommendation, "2026-03-04T02:00:00Z").status == "met"


def test_no_time_to_reply_runs_before_the_receipt() -> None:
    """Nor once it is withdrawn, which stops it; of somebody outside it is the issuer's time."""
    recommendation = Recommendation().issued()
    assert recommendation.state.reply_clock is None
    recommendation.act(delivered(), ANSWERER)
    assert reply_of(recommendation).article == "recommendation rules 19"
    state = recommendation.act(reviewed("withdrawn"), ASSIGNER).state
    assert state.reply_clock is None
    assert state.timing is not None
    assert [clock.is_running for clock in state.timing.clocks.values()] == [False]
    outside = Recommendation().issued(**OUTSIDE).act(delivered(), HANDLER)
    assert reply_of(outside).agency == PROCURATORATE


@pytest.mark.parametrize(
    ("received_at", "book", "kind"),
    [
        ("2017-01-01T00:00:00Z", shipped_rulebook(), "rectification"),
        (RECEIVED, shipped_rulebook(), "retrial"),
        (RECEIVED, BOOKS["evidence"], "corrective"),
    ],
)
def test_no_time_is_counted_without_a_rule(received_at: str, book: Rulebook, kind: str) -> None:
    """Before the rule was in force, or where the paper alone could give days and gives none."""
    recommendation = of_book(book, kind, received_at).act(delivered(received_at), ANSWERER)
    assert recommendation.state.reply_clock is None


def test_a_clock_keeps_the_version_that_was_in_force_for_its_entry() -> None:
    """A version that is adopted afterwards judges what comes then: its words, and not the time that runs."""
    earlier = procedure_of("flags = []\n" + ROW + 'bases = [{ period = "20 d" }]\n')
    later = procedure_of("flags = []\n" + ROW + 'bases = [{ period = "5 d" }]\n')
    recommendation = of_book(earlier, "a", RECEIVED)
    recommendation.books = (shipped_rulebook(), later)
    recommendation.act(objected(), ANSWERER)
    assert (reply_of(recommendation, book=later).last_day, reply_of(recommendation, book=later).procedure) == (
        date(2026, 3, 22),
        earlier.digest,
    )
    recommendation.act(delivered(), ANSWERER)
    assert reply_of(recommendation, book=later).last_day == date(2026, 3, 7)
    with refused("unknown_word", field="payload.body.means"):
        recommendation.act(escalated(), ASSIGNER)


def test_where_days_off_are_not_known_a_reply_is_due_not_before_a_day() -> None:
    """The day as it falls is told, with the reason; so is a day that the zone's table does not have."""
    at = "2100-01-01T00:00:00Z"
    reply = reply_of(of_book(shipped_rulebook(), "rectification", at).act(delivered(at), ANSWERER), at)
    assert (reply.last_day, reply.steps[-1]) == (date(2100, 3, 1), EndNotKnown(date(2100, 3, 1)))
    assert reply.unknown is not None
    assert "days off of 2100 are not all known" in reply.unknown
    assert isinstance(reply.unknown, Message), "which is said in other languages, too"
    untold = reply_of(of_book(BOOKS["ew-criminal"], "learning", at), at)
    assert untold.unknown is not None
    assert untold.unknown.startswith("the offsets of Europe/London are known until")


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
    assert of_book(book, "a").state.reply_clock is None
    urgent = [of_book(book, "a", urgent=urgent).act(delivered(RECEIVED), ANSWERER) for urgent in (True, False)]
    assert [reply_of(each).last_day for each in urgent] == [date(2026, 3, 7), date(2026, 3, 22)]


def test_what_is_answered_before_its_receipt_is_recorded_is_answered() -> None:
    """The receipt starts a time that has ended with it."""
    recommendation = of_book(shipped_rulebook(), "rectification").act(replied(), ANSWERER)
    recommendation.act(delivered(RECEIVED), ANSWERER)
    assert reply_of(recommendation).status == "met"


AT_ONCE = "2026-03-01T02:00:00Z"


def test_the_days_for_an_objection_are_time_of_the_addressee() -> None:
    """They run from the receipt, if the paper gives any and nobody has objected before, until somebody objects."""

    def terms(recommendation: Recommendation) -> list[tuple[str, str | None, bool]]:
        timing = recommendation.state.timing
        assert timing is not None
        clocks = [clock for clock in timing.clocks.values() if clock.name == "objection_term"]
        return [(clock.agency, clock.period, clock.is_running) for clock in clocks]

    book = shipped_rulebook()
    recommendation = of_book(book, "rectification", objection_within_days=5)
    assert terms(recommendation) == []
    recommendation.act(delivered(AT_ONCE), ANSWERER)
    assert terms(recommendation) == [(POLICE, "5 d", True)]
    assert terms(recommendation.act(objected(), ANSWERER)) == [(POLICE, "5 d", False)]
    before = of_book(book, "rectification", objection_within_days=5).act(objected(), ANSWERER)
    assert terms(before.act(delivered(AT_ONCE), ANSWERER)) == []
    assert terms(of_book(book, "rectification").act(delivered(AT_ONCE), ANSWERER)) == []


FOLLOWING = """
[[clocks]]
name = "after"
article = "rule 2"
valid_from = "2020-01-01"
label = { en = "what follows", zh = "后续" }
per = "recommendation"
by_paper = false
starts = [{starts}]
stops = ["recommendation_escalated.a"]
bases = [{ period = "10 d" }]
"""


@pytest.mark.parametrize(
    ("starts", "condition", "acts", "burdened"),
    [
        ("recommendation_objected.a", "", (objected(),), PROCURATORATE),
        ("recommendation_reviewed.a", "", (objected(), reviewed("upheld")), POLICE),
        ("recommendation_answered.a", "", (replied(),), PROCURATORATE),
        ("recommendation_answered.a", '{ steps = ["upheld"] }', (objected(), reviewed(), replied()), PROCURATORATE),
        ("recommendation_answered.a", '{ by = ["public_security"], to = ["supervises"] }', (replied(),), PROCURATORATE),
    ],
)
def test_each_step_of_a_recommendation_starts_and_stops_clocks(
    starts: str, condition: str, acts: tuple[Body, ...], burdened: str
) -> None:
    """Of whoever has to act next; conditions ask for what was done so far, by whom and to whom."""
    following = FOLLOWING.replace("{starts}", f'"{starts}"')
    following += f"starts_if = {condition}\n" if condition else ""
    escalations = "[escalations]\nup = { label = { en = 'up', zh = '上' } }\n"
    book = procedure_of("flags = []\n" + escalations + ROW + following)
    recommendation = of_book(book, "a", reply_within_days=3)
    for body in acts:
        recommendation.act(body, ASSIGNER if body == reviewed("upheld") else ANSWERER)
    timing = recommendation.state.timing
    assert timing is not None
    (after,) = [clock for clock in timing.clocks.values() if clock.name == "after"]
    assert (after.agency, after.period, after.until) == (burdened, "10 d", None)
    recommendation.act(escalated(means="up"), ASSIGNER)
    assert recommendation.state.timing is not None
    ended = {clock.name: clock.is_running for clock in recommendation.state.timing.clocks.values()}
    assert ended["after"] is False


def test_a_condition_asks_for_no_step_that_there_is_not() -> None:
    """Steps are words of the ledger's own."""
    with pytest.raises(MalformedInput, match="no recommendation_step is called shouted"):
        procedure_of("flags = []\n" + ROW + 'starts_if = { steps = ["shouted"] }\n')


def test_more_days_than_the_law_gives_are_flagged_at_the_issue() -> None:
    """They are the issuer's; the receipt and other acts raise nothing, and neither does what the law allows."""
    recommendation = Recommendation()
    flagged = []
    for days in (90, 30, None):
        draft = recommendation.draft(issued(reply_within_days=days), ASSIGNER)
        act = SupervisionAct(draft.event, recommendation.agencies, recommendation.books)
        flagged.append([flag.name for flag in advance(None, act).flags])
    assert flagged == [["term_beyond_law"], [], []]
    recommendation.issued(reply_within_days=90)
    draft = recommendation.draft(delivered(), ANSWERER)
    act = SupervisionAct(draft.event, recommendation.agencies, recommendation.books)
    assert advance(recommendation.state, act).flags == ()


def test_whoever_has_to_answer_extends_the_time() -> None:
    """By an extension of the row; one that the rules do not have is flagged, and the issuer extends nothing."""
    recommendation = of_book(BOOKS["cn-civil-supervision"], "execution").act(delivered(RECEIVED), ANSWERER)
    clock = recommendation.state.reply_clock
    assert clock is not None
    with refused("not_the_addressee", field="envelope.agency"):
        recommendation.act(extended(clock.deadline_id), HANDLER)
    draft = recommendation.draft(extended(clock.deadline_id, extension="grace", until="2026-06-20"), ANSWERER)
    act = SupervisionAct(draft.event, recommendation.agencies, recommendation.books)
    flagged = {flag.name for flag in advance(recommendation.state, act).flags}
    assert flagged == {"term_beyond_law", "extension_without_basis"}
    recommendation.act(extended(clock.deadline_id), ANSWERER)
    assert reply_of(recommendation).last_day == date(2026, 7, 2)


def test_a_paper_states_the_time_that_it_gives_or_else_that_of_the_row() -> None:
    """What is urgent is due sooner, who issues it is asked for, and where neither gives a time, it states none."""
    by_procuratorate = 'starts_if = { by = ["procuratorate"] }\nbases = [{ period = "20 d" }]\n'
    asking = procedure_of("flags = []\n" + ROW + by_procuratorate)
    criminal, kinds = shipped_rulebook(), {PROCURATORATE: "procuratorate"}
    stated = [
        ("2 m", criminal, {"kind": "rectification"}),
        ("15 d", criminal, {"kind": "public_interest", "urgent": True}),
        ("30 d", criminal, {"kind": "rectification", "reply_within_days": 30}),
        ("90 d", criminal, {"kind": "rectification", "reply_within_days": 90}),
        ("30 d", criminal, {"kind": "retrial", "reply_within_days": 30}),
        (None, criminal, {"kind": "retrial"}),
        ("20 d", asking, {"kind": "a"}),
    ]
    for period, book, fields in stated:
        draft = Recommendation().draft(issued(**fields), ASSIGNER)
        act = Act(draft.event, book, kinds=kinds)
        assert reply_period(act) == period, fields


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ('starts_if = { stage = ["investigation"] }', "nothing answers stage here"),
        ('starts_if = { role = ["suspect"] }', "nothing answers role here"),
        ('renewals = ["decided.judgment"]', "names no `recommendation`"),
    ],
)
def test_a_clock_of_a_recommendation_asks_for_nothing_of_a_case(line: str, fault: str) -> None:
    """It is of none: such a row would be one that nothing starts or that nobody can count."""
    with pytest.raises(MalformedInput, match=fault):
        procedure_of("flags = []\n" + ROW + line + "\n")
