"""Instants: one spelling of a moment, and back."""

from __future__ import annotations

from datetime import date, datetime

from ledger.core.instant import instant_text, spelled, unix_seconds
from ledger.core.legal_day import legal_day_of


def test_a_moment_is_spelled_in_utc_to_the_second_whatever_zone_it_is_told_in() -> None:
    """Two spellings of one moment would be two payload digests."""
    assert spelled(datetime.fromisoformat("2026-03-01T08:30:00.999+08:00")) == "2026-03-01T00:30:00Z"
    assert instant_text(1_772_325_000) == "2026-03-01T00:30:00Z"
    assert unix_seconds("2026-03-01T00:30:00Z") == 1_772_325_000


def test_the_last_hours_of_a_day_in_utc_are_of_the_next_legal_day() -> None:
    """Days are Beijing's, eight hours ahead."""
    assert legal_day_of("2026-03-01T15:59:59Z") == date(2026, 3, 1)
    assert legal_day_of("2026-03-01T16:00:00Z") == date(2026, 3, 2)
