"""Feeds give each agency what it came to see: each entry at least once, a stream in its order."""

from __future__ import annotations

import pytest

from ledger.core.custody import Act, fold
from ledger.core.errors import MalformedInput
from ledger.core.visibility import concerned, sides_of
from ledger.store import feed
from ledger.store.feed import Cursor, FeedStep, parse_cursor
from tests.testkit.builders import COURT, LAB, POLICE, PROCURATORATE, Writer, clerk, instant, refused, supervisor
from tests.testkit.casework import Case
from tests.testkit.ledgers import Ledger, open_founded
from tests.testkit.supervision import dataset
from tests.testkit.timeline_cases import eventful, kindred, long_case
from tests.unit.store.plans import noted, plan

AGENCIES = (POLICE, PROCURATORATE, COURT, LAB)
OFFICERS = tuple(role(agency) for agency in AGENCIES for role in (clerk, supervisor))


@pytest.fixture
def ledger(sqlite: Ledger) -> Ledger:
    """On SQLite; test_each_database_gives_the_same has both."""
    return sqlite


def post(ledger: Ledger, *cases: Case) -> None:
    """Records the cases' events, each in a transaction of its own."""
    for case in cases:
        for posted in case.events:
            ledger.post(posted)


def steps(ledger: Ledger, agency: str, after: Cursor | None = None, limit: int = 1000) -> list[FeedStep]:
    with ledger.database.read() as connection:
        return feed.page(connection, agency, after or Cursor(), limit)


def event_places(ledger: Ledger, agency: str, after: Cursor | None = None) -> list[tuple[str, int]]:
    """Stream and sequence of what the agency gets."""
    return [(step.entry.stream_id, step.entry.sequence) for step in steps(ledger, agency, after)]


def test_a_party_gets_each_event_once_in_the_order_of_the_log(ledger: Ledger) -> None:
    """Two cases, event by event in turn."""
    first, second = Case("case-1").open().register("phone"), Case("case-2").open().register("knife")
    for pair in zip(first.events, second.events, strict=True):
        for posted in pair:
            ledger.post(posted)
    assert event_places(ledger, POLICE) == [("case-1", 0), ("case-2", 0), ("case-1", 1), ("case-2", 1)]
    assert event_places(ledger, COURT) == []


def test_who_is_offered_a_case_gets_what_went_before(ledger: Ledger) -> None:
    """With the offer come the earlier events, in their order; with the acceptance again, now that sections are read."""
    own_case = Case("case-2").open(clerk(COURT))
    case = Case().open().register("phone").offer("phone", to=COURT, purpose="jurisdiction_transfer")
    post(ledger, case, own_case)
    got = event_places(ledger, COURT)
    assert got == [("case-1", 0), ("case-1", 1), ("case-1", 2), ("case-2", 0)]
    post(ledger, case.accept())
    assert event_places(ledger, COURT)[len(got) :] == [("case-1", n) for n in range(4)]
    accepted = len(event_places(ledger, COURT))
    post(ledger, case.register("knife", by=clerk(COURT)))
    assert event_places(ledger, COURT)[accepted:] == [("case-1", 4)]


@pytest.mark.parametrize(
    "case", [eventful(), long_case(20), kindred()], ids=lambda case: case.events[0].event.stream.id
)
def test_each_event_is_for_all_who_see_its_case_before_or_after_it(case: Case) -> None:
    """Whether an event changes handovers and parties or not, nobody of these is left out, and nobody else is added."""
    before = None
    for posted in case.events:
        after = fold(before, Act(posted.event, case.book)).state
        seeing = [concerned(sides_of(state)) for state in (before, after) if state is not None]
        recipients = dict(feed.of_case(before, after, after.sequence))
        assert recipients.keys() == frozenset().union(*seeing)
        assert all(recipients[agency] in (0, after.sequence) for agency in recipients)
        holders = set() if before is None else {before.responsible, *(item.holder for item in before.items.values())}
        assert all(recipients[agency] == after.sequence for agency in holders)
        before = after


def test_an_offer_that_ended_and_came_again_brings_everything(ledger: Ledger) -> None:
    """What happened while the laboratory saw nothing is not lost to it."""
    case = Case().open().register("phone").offer("phone", to=LAB, purpose="forensic_examination").refuse()
    post(ledger, case)
    assert event_places(ledger, LAB) == [("case-1", n) for n in range(4)]
    cursor = steps(ledger, LAB)[-1].cursor
    post(ledger, case.register("knife").offer("phone", to=LAB, purpose="forensic_examination"))
    assert event_places(ledger, LAB, cursor) == [("case-1", n) for n in range(6)]


def test_a_recall_is_told_to_whom_it_was_offered(ledger: Ledger) -> None:
    """It is the last event of the case that the agency gets."""
    case = Case().open().register("phone").offer("phone", to=LAB, purpose="forensic_examination").recall()
    post(ledger, case.register("knife"))
    assert event_places(ledger, LAB)[-1] == ("case-1", 3)


def test_acceptance_of_an_offer_that_expires_brings_everything_again(ledger: Ledger) -> None:
    """Whoever asked while it had expired was shown nothing: that is made good."""
    case = Case().open().register("phone")
    case.offer("phone", to=COURT, purpose="jurisdiction_transfer", expires_at=instant(case.now + 3600))
    post(ledger, case)
    cursor = steps(ledger, COURT)[-1].cursor
    post(ledger, case.accept())
    assert event_places(ledger, COURT, cursor) == [("case-1", n) for n in range(4)]


def test_an_agency_gets_its_own_stream(ledger: Ledger) -> None:
    """And nobody else's; the registry's entries are public and in no feed."""
    own = Writer("agency", COURT)
    ledger.post(own.write(dataset(), clerk(COURT)))
    assert event_places(ledger, COURT) == [(COURT, 0)]
    assert event_places(ledger, POLICE) == []


@pytest.mark.parametrize("limit", [1, 3])
def test_pages_of_any_size_give_the_same(ledger: Ledger, limit: int) -> None:
    """A cursor may stand in the middle of what came with one event."""
    case = Case().open().register("phone", "knife").offer("phone", to=COURT, purpose="jurisdiction_transfer")
    post(ledger, case.accept(), Case("case-2").open(clerk(COURT)))
    got: list[tuple[str, int]] = []
    after = Cursor()
    while page := steps(ledger, COURT, after, limit):
        got += [(step.entry.stream_id, step.entry.sequence) for step in page]
        after = parse_cursor(str(page[-1].cursor))
    assert got == event_places(ledger, COURT) == [*(("case-1", n) for n in (*range(4), *range(5))), ("case-2", 0)]
    with ledger.database.read() as connection:
        assert not feed.is_behind(connection, COURT, after)
        assert feed.is_behind(connection, COURT, Cursor(after.log_index - 1))


def test_each_database_gives_the_same(each_database_url: str) -> None:
    """A whole case in one transaction, its past for whoever is offered it, pages of any size."""
    with open_founded(each_database_url, *OFFICERS) as ledger:
        case = Case().open().register("phone").offer("phone", to=COURT, purpose="jurisdiction_transfer").accept()
        ledger.post_all([*case.events, *Case("case-2").open(clerk(COURT)).events])
        got = [(step.entry.stream_id, step.entry.sequence) for step in steps(ledger, COURT)]
        assert got == [*(("case-1", n) for n in (*range(3), *range(4))), ("case-2", 0)]
        after = steps(ledger, COURT, limit=2)[-1].cursor
        assert event_places(ledger, COURT, after) == got[2:]


def test_a_cursor_at_the_end_of_what_came_together_goes_on(ledger: Ledger) -> None:
    """Whoever spells it himself, behind the last entry of a row, gets what follows, and nothing where there is none."""
    case = Case().open().register("phone")
    post(ledger, case)
    first, second = steps(ledger, POLICE)
    spelled = Cursor(first.cursor.log_index, 99)
    assert steps(ledger, POLICE, spelled, 1) == [second]
    with ledger.database.read() as connection:
        assert feed.is_behind(connection, POLICE, spelled)
        assert not feed.is_behind(connection, POLICE, Cursor(second.cursor.log_index, 99))


def test_a_page_is_read_by_key(ledger: Ledger) -> None:
    """However long the log is: rows are sought by agency and index, entries by index, streams by sequence."""
    post(ledger, Case().open().register("phone").offer("phone", to=COURT, purpose="jurisdiction_transfer"))
    with noted(ledger.database.log) as statements:
        assert len(steps(ledger, COURT)) == 3
    assert len(statements) == 2
    with ledger.database.read() as connection:
        assert [step for step in plan(connection, statements) if not step.startswith("SEARCH")] == []


@pytest.mark.parametrize("text", ["", "-2", "01", "1.", "1.-1", "1.2.3", "x", "9" * 17])
def test_what_is_no_cursor_is_refused(text: str) -> None:
    """A cursor has one spelling."""
    with refused("malformed_input", field="after", error=MalformedInput):
        parse_cursor(text)
