"""The rulebook is data: complete, read strictly, with one row in force at a time."""

from __future__ import annotations

import pytest

from ledger.core.errors import MalformedInput
from ledger.core.events.terms import Purpose, choices
from ledger.core.procedure import rulebook
from ledger.procedures import shipped_rulebook

PURPOSES = "".join(f'[purposes.{purpose}]\nmoves = "custody"\narticle = "x"\n' for purpose in choices(Purpose))


def flag(since: str, until: str = "") -> str:
    ending = f'valid_until = "{until}"\n' if until else ""
    words = 'article = "a"\nen = "late"\nzh = "迟"\n'
    return f'[[flags]]\nname = "late_entry"\nvalid_from = "{since}"\n{ending}{words}'


def test_every_purpose_says_what_it_moves() -> None:
    """The shipped data has a row with an article for every purpose."""
    purposes = shipped_rulebook().purposes
    assert set(purposes) == set(choices(Purpose))
    assert all(row.article for row in purposes.values())


def test_purposes_of_the_four_agencies_move_the_case() -> None:
    """Review, prosecution, execution and return for investigation pass responsibility on and enter their stage."""
    purposes = shipped_rulebook().purposes
    for purpose, stage in {
        "prosecution_review": "prosecution_review",
        "public_prosecution": "first_instance",
        "execution": "execution",
        "supplementary_investigation": "supplementary_investigation",
    }.items():
        assert (purposes[purpose].moves, purposes[purpose].stage) == ("responsibility", stage)  # type: ignore[index]


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
    with pytest.raises(MalformedInput, match=message) as caught:
        rulebook.parse(text)
    assert caught.value.field == field


def test_an_amendment_follows_on_the_day() -> None:
    """A row that begins on the day that another ends does not overlap it."""
    book = rulebook.parse(flag("2026-01-01", "2026-02-01") + flag("2026-02-01") + PURPOSES)
    assert len(book.flags) == 2
