"""Warnings: of each clock that runs out, at seven, three and one days and when it has, once each, to its handler."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest
from msgspec.structs import replace

from ledger.core.events import case as acts
from ledger.core.visibility import Reader
from ledger.deadlines import upkeep
from ledger.deadlines.upkeep import horizons_at, warn
from ledger.procedures import shipped_rulebook
from ledger.store import clocks
from ledger.store.clocks import DeadlineFilter, Warned
from tests.testkit.builders import COURT, POLICE, PROCURATORATE, START, clerk, instant, supervisor
from tests.testkit.casework import Case, detained
from tests.testkit.ledgers import Ledger, open_founded
from tests.testkit.supervision import Recommendation, delivered, replied

ZONE = shipped_rulebook().zone


DAY = 86400
ON_SQLITE = pytest.mark.parametrize("each_database_url", ["sqlite"], indirect=True)
ANSWERED = ("first_interrogation", "family_notice", "detention_house_admission")


@pytest.fixture
def ledger(each_database_url: str) -> Iterator[Ledger]:
    """Yield a founded ledger on each database."""
    with open_founded(each_database_url, clerk(POLICE), clerk(PROCURATORATE), clerk(COURT)) as opened:
        yield opened


def at(day: int, hour: int = 9) -> int:
    """Return a time of that day of March 2026 in Shanghai, in unix milliseconds; the cases begin on the second."""
    return (START + (day - 2) * DAY + (hour - 9) * 3600) * 1000


def surveilled() -> Case:
    """Six months from 2 March, at liberty: until 2 September, a Wednesday. The handler is named."""
    case = Case().open().name("li").impose("li", "residential_surveillance")
    return case.say(acts.CaseAssigned, None, department="squad 2", handler="officer-9")


def warned(ledger: Ledger, by: str = POLICE, **query: str) -> list[Warned]:
    reader = Reader(by, frozenset(), instant(ledger.clock.seconds))
    with ledger.database.read() as connection:
        return clocks.warnings_to(connection, reader, **({"handler": None, "after": 0, "limit": 100} | query))


def test_a_handler_is_warned_at_each_distance_once(ledger: Ledger) -> None:
    """Seven, three and one days before the last day, and when it has passed: four warnings, however often one looks."""
    ledger.post_all(surveilled().events)
    last = datetime.fromisoformat("2026-09-02T01:00:00+00:00").timestamp()
    steps = [
        warn(ledger.database, int((last + days * DAY) * 1000) + again, ZONE)
        for days in (-9, -8, -7, -6, -4, -3, -2, -1, 0, 1, 2, 30)
        for again in (0, 1)
    ]
    assert steps == [n for count in (0, 0, 1, 0, 0, 1, 0, 1, 0, 1, 0, 0) for n in (count, 0)]
    stored = warned(ledger)
    assert [(warning.number, warning.days) for warning in stored] == [(1, 7), (2, 3), (3, 1), (4, 0)]
    assert {(warning.agency, warning.handler, warning.clock) for warning in stored} == {
        (POLICE, "officer-9", "surveillance_limit")
    }
    assert {warning.due_at for warning in stored} == {"2026-09-02T16:00:00Z"}


@ON_SQLITE
def test_the_nearest_distance_alone_is_told(ledger: Ledger) -> None:
    """A clock of three days says at once that three are left, not seven; one of a day that is past, that it is past."""
    ledger.post_all(detained("li").events)
    assert warn(ledger.database, at(2), ZONE) == 4
    assert {warning.clock: warning.days for warning in warned(ledger)} == {"arrest_request": 3} | dict.fromkeys(
        ANSWERED, 1
    )
    assert warn(ledger.database, at(20), ZONE) == 4
    assert {warning.clock for warning in warned(ledger) if warning.days == 0} == {"arrest_request", *ANSWERED}


@ON_SQLITE
def test_another_end_is_warned_of_anew(ledger: Ledger) -> None:
    """Extended, the clock has another end: what was told of the old one stays, the new one is told in its time."""
    case = detained("li")
    for kind in ("interrogated", "family_notified", "admitted_to_detention_house"):
        case.decide(kind)
    ledger.post_all(case.events)
    assert warn(ledger.database, at(4), ZONE) == 1
    case.extend("arrest_request", "special_circumstances")
    ledger.post(case.last)
    # The notice of the new end to the detention house, due by the old one, is warned of twice besides.
    assert [warn(ledger.database, at(day), ZONE) for day in (4, 5, 6, 8, 9, 10)] == [2, 0, 2, 1, 0, 1]
    warnings = [(warning.days, warning.due_at[:10]) for warning in warned(ledger) if warning.clock == "arrest_request"]
    assert warnings == [(1, "2026-03-05"), *((days, "2026-03-09") for days in (7, 3, 1, 0))]


def test_several_processes_tell_everything_once(ledger: Ledger) -> None:
    """Whoever looks at the same time: no warning is told twice, numbers have no gap."""
    ledger.post_all([event for number in range(5) for event in opened(number).impose("li", "detention").events])
    with ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(lambda _: warn(ledger.database, at(20), ZONE), range(8)))
    assert sum(counts) == 20
    assert [warning.number for warning in warned(ledger)] == list(range(1, 21))


def opened(number: int) -> Case:
    return Case(f"case-{number}").open().name("li")


@ON_SQLITE
def test_many_warnings_are_told_a_few_at_a_time(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step tells all there are, however few go into a transaction, in the order of their ends."""
    monkeypatch.setattr(upkeep, "AT_ONCE", 3)
    ledger.post_all([*detained("li").events, *opened(2).impose("li", "detention").events])
    assert warn(ledger.database, at(20), ZONE) == 8
    assert [warning.due_at for warning in warned(ledger)] == sorted(warning.due_at for warning in warned(ledger))


@ON_SQLITE
def test_an_agency_reads_its_own_warnings(ledger: Ledger) -> None:
    """Those of its own time, of its officer if asked, from a number on; nobody else's."""
    ledger.post_all([*surveilled().events, *opened(2).impose("li", "detention").events])
    warn(ledger.database, at(200), ZONE)
    everything = warned(ledger)
    assert len(everything) == 5
    assert {warning.handler for warning in warned(ledger, handler="officer-9")} == {"officer-9"}
    assert warned(ledger, after=3) == everything[3:]
    assert warned(ledger, limit=2) == everything[:2]
    assert warned(ledger, PROCURATORATE) == []


def test_distances_are_counted_in_days_of_shanghai() -> None:
    """Shortly before midnight in Shanghai it is another day than shortly after."""
    late, early = (datetime.fromisoformat(f"2026-03-02T{time}:00+00:00") for time in ("15:59", "16:01"))
    assert horizons_at(late, ZONE)[1] == "2026-03-03T16:00:00Z"
    assert horizons_at(early, ZONE)[1] == "2026-03-04T16:00:00Z"
    assert horizons_at(early, ZONE)[0] == "2026-03-02T16:01:00Z"


def test_whoever_has_to_reply_to_a_recommendation_is_warned(ledger: Ledger) -> None:
    """Before the last day and when it has passed, like of a clock of a case; the issuer's list does not have it."""
    ledger.changes.grant(supervisor(PROCURATORATE))
    ledger.put(ledger.changes.bodies[-1])
    recommendation = Recommendation().issued().act(delivered(), clerk(POLICE))
    for event in recommendation.events:
        ledger.post(event)
    last = datetime.fromisoformat("2026-05-06T01:00:00+00:00").timestamp()
    times = [int((last + days * DAY) * 1000) for days in (-8, -7, -3, -1, 1)]
    assert [warn(ledger.database, moment, ZONE) for moment in times] == [0, 1, 1, 1, 1]
    warnings = warned(ledger)
    assert {(warning.case_id, warning.subject, warning.clock) for warning in warnings} == {
        ("", "2026-7", "reply_to_recommendation")
    }
    assert [warning.days for warning in warnings] == [7, 3, 1, 0]
    assert warned(ledger, PROCURATORATE) == []
    assert warned(ledger, COURT) == []
    ledger.post(recommendation.act(replied(), clerk(POLICE)).last)
    asked = DeadlineFilter(instant(ledger.clock.seconds))
    reader = Reader(POLICE, frozenset(), instant(ledger.clock.seconds))
    with ledger.database.read() as connection:
        assert clocks.list_deadlines(connection, reader, asked, limit=9) == []
        (line,) = clocks.list_deadlines(connection, reader, replace(asked, status="met"), limit=9)
    assert (line.subject, line.agency, line.due_at) == ("2026-7", POLICE, "2026-05-06T16:00:00Z")
