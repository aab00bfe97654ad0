"""The rulebook is data: complete, read strictly, with one row in force at a time."""

from __future__ import annotations

import pytest

from ledger.core.events.terms import Purpose, choices
from ledger.core.procedure import rulebook
from tests.testkit.builders import refused_at

PURPOSES = "".join(f'[purposes.{purpose}]\nmoves = "custody"\narticle = "x"\n' for purpose in choices(Purpose))


def flag(since: str, until: str = "") -> str:
    ending = f'valid_until = "{until}"\n' if until else ""
    words = 'article = "a"\nen = "late"\nzh = "迟"\n'
    return f'[[flags]]\nname = "late_entry"\nvalid_from = "{since}"\n{ending}{words}'


@pytest.mark.parametrize(
    ("day", "holds"), [("2025-12-31", False), ("2026-01-01", True), ("2026-02-28", True), ("2026-03-01", False)]
)
def test_a_row_holds_from_its_first_day_to_before_its_last(day: str, holds: bool) -> None:
    """valid_from <= day < valid_until."""
    book = rulebook.parse(flag("2026-01-01", "2026-03-01") + PURPOSES)
    assert ("late_entry" in book.in_force(day)) == holds


def test_a_row_without_end_holds_on() -> None:
    """A rule that nothing has amended is in force on every later day; one that has no row is never."""
    book = rulebook.parse(flag("2026-01-01") + PURPOSES)
    assert "late_entry" in book.in_force("2999-12-31")
    assert "backdated" not in book.in_force("2999-12-31")


@pytest.mark.parametrize(
    ("text", "field", "message"),
    [
        ("flags = [", "rules", "not TOML"),
        ("flags = []", "rules", "purposes"),
        (PURPOSES, "rules", "flags"),
        ("flags = []\n" + PURPOSES.replace('"custody"', '"nothing"', 1), "rules", "nothing"),
        ("flags = []\n" + PURPOSES.replace("[purposes.loan]", "[purposes.gift]"), "rules", "gift"),
        ("flags = []\n[purposes.loan]\nmoves = 'custody'\narticle = 'x'", "rules.purposes.arrest_approval", "no row"),
        (flag("2026-01-01").replace("late_entry", "late_entri") + PURPOSES, "rules", "late_entri"),
        (flag("2026-01-01") + "colour = 'red'\n" + PURPOSES, "rules", "colour"),
        (flag("2026-02-30") + PURPOSES, "rules", "regex"),
        (flag("2026-01-01") + flag("2026-02-01") + PURPOSES, "rules.flags", "2026-02-01"),
        (flag("2026-02-01") + flag("2026-01-01") + PURPOSES, "rules.flags", "2026-02-01"),
        (flag("2026-01-01", "2026-02-01") + flag("2026-01-31") + PURPOSES, "rules.flags", "2026-01-31"),
        (flag("2026-01-01", "2026-01-01") + PURPOSES, "rules.flags", "ends before it begins"),
    ],
)
def test_a_rulebook_that_is_not_whole_is_refused(text: str, field: str, message: str) -> None:
    """Unreadable text, missing or unknown rows and rows that overlap are refused by their place."""
    with refused_at(field, match=message):
        rulebook.parse(text)


def test_an_amendment_follows_on_the_day() -> None:
    """A row that begins on the day that another ends does not overlap it."""
    book = rulebook.parse(flag("2026-01-01", "2026-02-01") + flag("2026-02-01") + PURPOSES)
    assert len(book.flags) == 2
