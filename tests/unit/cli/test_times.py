"""Times as people write and read them."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from ledger.cli.output import instant, unix_seconds, when
from ledger.core.errors import MalformedInput


@pytest.fixture(params=["UTC", "Asia/Shanghai", "America/New_York"], autouse=True)
def _anywhere(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run this process in whatever zone its machine is set to."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("moment", "shown"),
    [
        ("2026-03-01T08:30:00Z", "2026-03-01 16:30:00 +08:00"),
        ("2026-03-01T20:30:00Z", "2026-03-02 04:30:00 +08:00"),
        (1772353800, "2026-03-01 16:30:00 +08:00"),
        ("2026-03-01", "2026-03-01"),
        ("not a time", "not a time"),
        (10**18, str(10**18)),
    ],
)
def test_times_are_shown_in_the_ledgers_zone_and_name_it(moment: str | int, shown: str) -> None:
    """Wherever the machine stands; anything else as it is."""
    assert when(moment) == shown


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("2026-03-01 16:30", "2026-03-01T08:30:00Z"),
        ("2026-03-01 16:30:59", "2026-03-01T08:30:59Z"),
        ("2026-03-01T16:30", "2026-03-01T08:30:00Z"),
        ("2026-03-01T08:30:00Z", "2026-03-01T08:30:00Z"),
        ("2026-03-01T03:30:00-05:00", "2026-03-01T08:30:00Z"),
        ("2026-03-01 16:30:00 +08:00", "2026-03-01T08:30:00Z"),
    ],
)
def test_typed_times_are_the_ledgers(typed: str, meant: str) -> None:
    """Without an offset, on every machine; what is shown can be typed again, and the protocol's form comes out."""
    assert instant(typed, field="--occurred-at") == meant
    assert instant(when(meant), field="--occurred-at") == meant


def test_a_day_begins_at_the_ledgers_midnight() -> None:
    """Where a day will do, its first second there is meant."""
    assert unix_seconds("2026-03-02", field="--until") == unix_seconds("2026-03-01T16:00:00Z", field="--until")


@pytest.mark.parametrize(
    "typed", ["", "yesterday", "2026-03-01", "2026-02-30 10:00", "2026-03-01T25:00:00Z", "1772353800"]
)
def test_other_texts_are_no_times(typed: str) -> None:
    """Anything else is refused under the option's name, a bare day too: when on that day?"""
    with pytest.raises(MalformedInput) as refused:
        instant(typed, field="--occurred-at")
    assert refused.value.field == "--occurred-at"
