"""Time zones as tables, against the time zone database of this machine, which knows what the table is made from."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ledger.core.custody.claimed_times import require_consistent
from ledger.core.custody.due_dates import deadlines
from ledger.core.errors import MalformedInput, RuleRefused
from ledger.core.events import case
from ledger.core.procedure.adoption import Procedures
from ledger.core.procedure.package import read_package
from ledger.core.procedure.zones import UNIVERSAL, Zone
from ledger.core.supervision.examples import faults_of_examples
from ledger.deadlines.zone_tables import zone_table
from ledger.procedures import shipped_package, shipped_rulebook
from tests.testkit.builders import POLICE, START, clerk, event_of, instant, refused_at
from tests.testkit.casework import detained

YEARS = range(2000, 2031)
# With and without summer time, north and south, by half an hour, at midnight, and over the date line (Apia, 2011).
NAMES = (
    *("Europe/London", "America/New_York", "America/Sao_Paulo", "Asia/Kolkata", "Asia/Shanghai", "Asia/Beirut"),
    *("Australia/Lord_Howe", "Pacific/Apia", "America/Havana", "Africa/Cairo", "UTC"),
)
ZONES = {name: zone_table(name, YEARS) for name in NAMES}
FIRST, LAST = datetime(2000, 1, 2, tzinfo=UTC), datetime(2030, 12, 30, tzinfo=UTC)
MOMENTS = st.integers(int(FIRST.timestamp()), int(LAST.timestamp())).map(lambda at: datetime.fromtimestamp(at, UTC))
LONDON = ZONES["Europe/London"]
DAY_BEFORE = str(ZONES["Asia/Shanghai"].day_of(datetime.fromtimestamp(START, UTC)) - timedelta(days=1))


def near_changes(name: str) -> list[datetime]:
    """The moments around each change of the offset, at which a mistake would show."""
    instants = [datetime.fromisoformat(since) for since in ZONES[name].offsets][1:]
    steps = [timedelta(seconds=seconds) for seconds in (-86_400, -3601, -3600, -1, 0, 1, 1800, 3599, 3600, 86_400)]
    return [instant + step for instant in instants for step in steps if FIRST <= instant + step <= LAST]


@pytest.mark.parametrize("name", NAMES)
@given(at=MOMENTS)
def test_a_moment_lies_on_the_day_that_the_database_says(name: str, at: datetime) -> None:
    """The table is a copy of what the database says of its years."""
    # Python calls times of two zones unequal in an hour that clocks show twice: the texts are compared.
    assert ZONES[name].local(at).isoformat() == at.astimezone(ZoneInfo(name)).isoformat()
    assert ZONES[name].day_of(at) == at.astimezone(ZoneInfo(name)).date()


@pytest.mark.parametrize("name", NAMES)
def test_so_it_does_around_each_change(name: str) -> None:
    """A table that is late by one row would be right on almost every day."""
    for at in near_changes(name):
        assert ZONES[name].local(at).isoformat() == at.astimezone(ZoneInfo(name)).isoformat()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "step", [29, pytest.param(1, marks=pytest.mark.extended)], ids=["around changes and each 29th", "each"]
)
def test_days_begin_where_the_day_before_ends(step: int, name: str) -> None:
    """Each begins with its first instant, whether clocks show 0:00 then or skip it; a day that is skipped has none."""
    zone = ZONES[name]
    days = {date(2000, 1, 3) + timedelta(days=number) for number in range(0, 11_000, step)}
    days |= {change.date() + timedelta(days=number) for change in near_changes(name) for number in (-2, -1, 0, 1, 2)}
    for day, following in ((day, day + timedelta(days=1)) for day in sorted(days)):
        begins, ends = zone.start_of(day), zone.end_of(day)
        assert ends == zone.start_of(following)
        if begins == ends:
            assert (name, day) == ("Pacific/Apia", date(2011, 12, 30))
            continue
        assert zone.day_of(begins) == zone.day_of(ends - timedelta(seconds=1)) == day
        assert zone.day_of(begins - timedelta(seconds=1)) < day
        assert zone.day_that_ends(ends) == day or name == "Pacific/Apia"
        assert timedelta(hours=22) < ends - begins < timedelta(hours=26) or name == "Pacific/Apia"


def test_a_day_over_a_change_of_clocks_has_another_length() -> None:
    """In London the last Sunday of March has 23 hours, the last of October 25. In St John's they went back at 0:01
    until 2011: the day begins when they leave the old one for good."""
    for day, hours in ((date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 6, 1), 24)):
        assert LONDON.end_of(day) - LONDON.start_of(day) == timedelta(hours=hours)
    zone = zone_table("America/St_Johns", range(2010, 2012))
    assert zone.start_of(date(2010, 11, 7)) == datetime(2010, 11, 7, 3, 30, tzinfo=UTC)
    assert zone.day_of(datetime(2010, 11, 7, 3, 29, 59, tzinfo=UTC)) == date(2010, 11, 6)


@pytest.mark.parametrize("name", NAMES)
@given(at=MOMENTS)
def test_what_clocks_show_leads_back_to_the_moment(name: str, at: datetime) -> None:
    """A time that is typed is that of a moment, or one of two."""
    shown = ZONES[name].local(at).replace(tzinfo=None)
    assert at in ZONES[name].moments(shown)


def test_a_time_that_clocks_skip_or_show_twice_is_no_moment() -> None:
    """Which of two was meant decides on the time of a clock: it is asked for, and not guessed."""
    assert LONDON.moment(datetime.fromisoformat("2026-03-29T02:00"), field="at") == datetime(2026, 3, 29, 1, tzinfo=UTC)
    with refused_at("at", match="2026-03-29 01:30 they show 0 times"):
        LONDON.moment(datetime.fromisoformat("2026-03-29T01:30"), field="at")
    with refused_at("at", match="2026-10-25 01:30 they show 2 times"):
        LONDON.moment(datetime.fromisoformat("2026-10-25T01:30"), field="at")
    twice = LONDON.moments(datetime.fromisoformat("2026-10-25T01:30"))
    assert twice == (datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 1, 30, tzinfo=UTC))


def test_after_the_table_days_are_taken_to_begin_as_early_as_they_can() -> None:
    """Nobody is late by an hour that no table gives; that the end is not known is said."""
    assert LONDON.until == "2031-01-01"
    assert LONDON.unknown(date(2030, 12, 31)) is None
    assert "known until 2031-01-01" in str(LONDON.unknown(date(2031, 1, 1)))
    assert LONDON.end_of(date(2030, 12, 31)) == datetime(2031, 1, 1, tzinfo=UTC)
    assert LONDON.end_of(date(2031, 1, 15)) == datetime(2031, 1, 15, 23, tzinfo=UTC)
    assert LONDON.day_of(datetime(2031, 7, 1, 23, 30, tzinfo=UTC)) == date(2031, 7, 1)
    assert UNIVERSAL.unknown(date(2300, 1, 1)) is None


def test_hours_of_some_zones_begin_within_one_of_utc() -> None:
    """A time of hours that leaves the first one out leaves out an hour of the clock on the wall."""
    noon = datetime(2026, 3, 10, 12, tzinfo=UTC)
    shifts = {name: ZONES[name].hour_shift(noon) for name in ("Asia/Kolkata", "Asia/Shanghai", "America/New_York")}
    assert shifts == {"Asia/Kolkata": 1800, "Asia/Shanghai": 0, "America/New_York": 0}


def test_the_last_hours_of_a_day_in_utc_are_of_the_next_day_in_beijing() -> None:
    """Its days begin eight hours earlier."""
    zone = ZONES["Asia/Shanghai"]
    assert zone.day_of_text("2026-03-01T15:59:59Z") == date(2026, 3, 1)
    assert zone.day_of_text("2026-03-01T16:00:00Z") == date(2026, 3, 2)


def test_people_read_times_with_their_offset() -> None:
    """Whoever reads a day of the law beside an hour reads both of one clock."""
    zone = ZONES["Asia/Shanghai"]
    text = "expected 2026-03-01T20:30:00Z or later, not 2026-03-01T08:30:00Z"
    shown = "expected 2026-03-02 04:30:00 +08:00 or later, not 2026-03-01 16:30:00 +08:00"
    assert zone.with_readable_times(text) == shown
    for typed in ("2026-99-01T20:30:00Z", "9999-12-31T23:00:00Z"):
        assert zone.with_readable_times(f"no time is {typed}") == f"no time is {typed}"
    assert zone.with_readable_times("应不早于2026-03-01T20:30:00Z") == "应不早于2026-03-02 04:30:00 +08:00"
    assert LONDON.readable(datetime(2026, 7, 1, 11, tzinfo=UTC)) == "2026-07-01 12:00:00 +01:00"
    assert ZONES["America/New_York"].readable(datetime(2026, 7, 1, 11, tzinfo=UTC)) == "2026-07-01 07:00:00 -04:00"


def test_a_moment_is_shown_as_clocks_show_it() -> None:
    """To whatever the format asks for, before and after clocks change; what a model asks for is no time that anybody is
    told."""
    zone = Zone("Europe/Somewhere", {"1970-01-01T00:00:00Z": "+01:00", "2026-03-29T01:00:00Z": "+02:00"})
    change = int(datetime(2026, 3, 29, 1, tzinfo=UTC).timestamp())
    assert [zone.shown("{:%m-%d %H:%M}", at) for at in (change - 60, change)] == ["03-29 01:59", "03-29 03:00"]
    assert zone.shown("{0.year}", change) == "2026"
    for text in ("a time in UTC such as 2026-03-01T08:30:00Z", "例如 2026-03-01T08:30:00Z"):
        assert ZONES["Asia/Shanghai"].with_readable_times(text) == text


def test_the_rows_of_a_table_may_stand_in_any_order() -> None:
    """The canonical form sorts them; a package need not."""
    mixed = Zone("Europe/London", dict(sorted(LONDON.offsets.items(), reverse=True)), LONDON.until)
    assert mixed.rows() == LONDON.rows()


def test_an_end_after_the_table_is_not_before_a_day() -> None:
    """Detained on 2 March: the last day is the 5th, whose end no offset of the table tells; nobody is late then."""
    book = shipped_rulebook()
    short = replace(book, zone=replace(book.zone, until="2026-03-05"))
    ends = {
        name: next(clock for clock in deadlines(detained("li").state, of, LATER) if clock.clock == "arrest_request")
        for name, of in (("whole", book), ("short", short))
    }
    assert (ends["whole"].status, ends["whole"].unknown) == ("overdue", None)
    assert (ends["short"].status, ends["short"].last_day) == ("uncountable", ends["whole"].last_day)
    assert "known until 2026-03-05" in str(ends["short"].unknown)


LATER = datetime(2026, 4, 1, tzinfo=UTC)
ACT = '[[examples]]\nname = "a"\n[[examples.acts]]\nevent = "case.opened"\nby = "police"\nat = "{at}"\n'


@pytest.mark.parametrize(
    ("at", "more", "fault"),
    [
        ("2026-03-29 01:30", "", "act 1: at: expected a time that clocks of Europe/London show once"),
        ("2026-02-30 09:00", "", "act 1: at: 2026-02-30 09:00 is no time"),
        ("2026-03-02 09:00", '[[examples.deadlines]]\nclock = "a"\nas_of = "2026-10-25 01:30"\n', "they show 2 times"),
        (
            "2026-03-02 09:00",
            'body = { links = ["2026-03-02 09:00", "2026-10-25 01:30"] }\n',
            "act 1: body.links[1]: expected a",
        ),
    ],
)
def test_a_time_of_an_example_is_one_that_clocks_show_once(at: str, more: str, fault: str) -> None:
    """What it means has to be clear: else it is written in UTC."""
    files = shipped_package("ew-criminal") | {"examples.toml": (ACT.format(at=at) + more).encode()}
    ((_, message),) = faults_of_examples(read_package(files))
    assert fault in str(message)


@pytest.mark.parametrize(
    ("old", "new", "place", "message"),
    [
        ('label = { en = "UK time" }', 'label = { zh = "x" }', "zone.label", "each of these languages: en"),
        ('until = "2051-01-01"', 'until = "2050-10-30"', "zone.until", "after the last offset"),
        ('"2000-01-01T00:00:00Z" = "+00:00"', '"2000-01-01T00:00:00Z" = "0"', "zone.offsets", "cannot be read"),
    ],
)
def test_a_table_that_contradicts_itself_is_refused(old: str, new: str, place: str, message: str) -> None:
    """By the file and line, as everything that is wrong with a package."""
    files = shipped_package("ew-criminal")
    text = files["zone.toml"].decode()
    assert old in text
    with pytest.raises(MalformedInput, match=message) as caught:
        read_package(files | {"zone.toml": text.replace(old, new).encode()})
    assert place in str(caught.value.field)


def test_a_ledger_has_the_zone_of_its_first_procedure() -> None:
    """Whatever concerns no case is told in it; before any is in force, in UTC."""
    books = [read_package(shipped_package(name)) for name in ("ew-criminal", "evidence")]
    assert Procedures.of(*books).zone == books[0].zone
    assert Procedures().zone == UNIVERSAL


def test_without_a_procedure_only_what_is_impossible_everywhere_is_refused() -> None:
    """A day and a moment are compared where the zone is known; a day has begun somewhere before it begins here."""
    claim = case.MeasureImposed(
        measure_id="m", person_id="1" * 32, measure="bail", started_at=instant(START), ground="g", until=DAY_BEFORE
    )
    event = event_of(claim, clerk(POLICE), occurred_at=instant(START), signed_at=START).event
    require_consistent(event)
    with pytest.raises(RuleRefused, match="or later"):
        require_consistent(event, ZONES["Asia/Shanghai"])
