"""Instants: one spelling of a moment, and back."""

from __future__ import annotations

from datetime import date, datetime

from ledger.core.procedure import legal_days


def test_a_moment_is_spelled_in_utc_to_the_second_whatever_zone_it_is_told_in() -> None:
    """Two spellings of one moment would be two payload digests."""
    assert legal_days.spelled(datetime.fromisoformat("2026-03-01T08:30:00.999+08:00")) == "2026-03-01T00:30:00Z"
    assert legal_days.instant_text(1_772_325_000) == "2026-03-01T00:30:00Z"
    assert legal_days.unix_seconds("2026-03-01T00:30:00Z") == 1_772_325_000


def test_the_last_hours_of_a_day_in_utc_are_of_the_next_legal_day() -> None:
    """Days are Beijing's, eight hours ahead."""
    assert legal_days.legal_day_of("2026-03-01T15:59:59Z") == date(2026, 3, 1)
    assert legal_days.legal_day_of("2026-03-01T16:00:00Z") == date(2026, 3, 2)


def test_people_read_times_in_the_zone_of_legal_days() -> None:
    """Whoever reads a day of the law beside an hour reads both of one clock; a file's times say their offset."""
    assert legal_days.in_legal_zone("2026-03-01T16:30:00Z") == "2026-03-02T00:30:00+08:00"
    text = "expected 2026-03-01T20:30:00Z or later, not 2026-03-01T08:30:00Z"
    assert (
        legal_days.with_readable_times(text)
        == "expected 2026-03-02 04:30:00 +08:00 or later, not 2026-03-01 16:30:00 +08:00"
    )
    for typed in ("2026-99-01T20:30:00Z", "9999-12-31T23:00:00Z"):
        assert legal_days.with_readable_times(f"no time is {typed}") == f"no time is {typed}"
    assert legal_days.with_readable_times("应不早于2026-03-01T20:30:00Z") == "应不早于2026-03-02 04:30:00 +08:00"


def test_an_example_of_how_a_time_is_typed_stays() -> None:
    """A model is written for programs: what it asks for is no time that anybody is told."""
    assert legal_days.with_readable_times("a time in UTC such as 2026-03-01T08:30:00Z").endswith(
        "such as 2026-03-01T08:30:00Z"
    )
    assert legal_days.with_readable_times("例如 2026-03-01T08:30:00Z") == "例如 2026-03-01T08:30:00Z"
