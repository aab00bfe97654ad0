"""Instants: one spelling of a moment, and back."""

from __future__ import annotations

from datetime import datetime

from ledger.core.encoding import instants


def test_a_moment_is_spelled_in_utc_to_the_second_whatever_zone_it_is_told_in() -> None:
    """Two spellings of one moment would be two payload digests."""
    assert instants.spelled(datetime.fromisoformat("2026-03-01T08:30:00.999+08:00")) == "2026-03-01T00:30:00Z"
    assert instants.instant_text(1_772_325_000) == "2026-03-01T00:30:00Z"
    assert instants.unix_seconds("2026-03-01T00:30:00Z") == 1_772_325_000
