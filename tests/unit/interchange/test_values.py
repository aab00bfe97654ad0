"""What cells say: days as China writes them, money, numbers, text that is text."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from time import process_time
from typing import Any

import pytest

from ledger.interchange.imports.tables import MAX_CELL, Unusable
from ledger.interchange.imports.values import Misread, MoneyUnit, amount, count, day, decimal, instant, line, text

ALL = ("written", "compact", "serial")
NOON = datetime(2026, 3, 1, 12)  # noqa: DTZ001 - a spreadsheet knows no zones


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("2026-03-01", "2026-02-28T16:00:00Z"),
        ("2026/3/1 9:05", "2026-03-01T01:05:00Z"),
        ("2026.03.01", "2026-02-28T16:00:00Z"),
        ("2026年3月1日", "2026-02-28T16:00:00Z"),
        ("2026年3月1日 9时30分", "2026-03-01T01:30:00Z"),
        ("2026年3月1日9点", "2026-03-01T01:00:00Z"),
        ("2026年3月1日9时30分15秒", "2026-03-01T01:30:15Z"),
        ("２０２６年３月１日", "2026-02-28T16:00:00Z"),
        ("二〇二六年三月一日", "2026-02-28T16:00:00Z"),
        ("二○二六年十二月三十一日", "2026-12-30T16:00:00Z"),
        ("二零二六年十月二十日", "2026-10-19T16:00:00Z"),
        ("二〇二六年十一月十五日", "2026-11-14T16:00:00Z"),
        ("20260301", "2026-02-28T16:00:00Z"),
        ("20260301093000", "2026-03-01T01:30:00Z"),
        ("2026-03-01T09:30:00+08:00", "2026-03-01T01:30:00Z"),
        ("2026-03-01T01:30:00Z", "2026-03-01T01:30:00Z"),
        ("2026-03-01 09:30:00.0", "2026-03-01T01:30:00Z"),
        ("46082", "2026-02-28T16:00:00Z"),
        (46082.5, "2026-03-01T04:00:00Z"),
        (NOON, "2026-03-01T04:00:00Z"),
        (date(2026, 3, 1), "2026-02-28T16:00:00Z"),
        ("1988-07-01 00:00", "1988-06-30T16:00:00Z"),
        ("\t2026-03-01 ", "2026-02-28T16:00:00Z"),
        ("", None),
        (None, None),
        ("\u3000", None),
    ],
)
def test_moments_are_read_as_they_are_written_in_china(cell: Any, expected: str | None) -> None:
    """What names no offset is of the zone in use, without the summer time of 1988; a day is its first moment."""
    assert instant(cell, ALL) == expected


REFUSED: tuple[tuple[Callable[[Any], object], tuple[Any, ...]], ...] = (
    # Nothing is guessed, least of all whether day or month comes first.
    (lambda cell: instant(cell, ALL), ("2026-02-30", "2026-13-01", "01/03/2026", "yesterday", "2026-03-01 25:00")),
    (lambda cell: instant(cell, ALL), ("0226-03-01", "二〇二六年十三月一日", True)),
    # Eight digits or five may be another number: only the spellings that the mapping names are read.
    (lambda cell: instant(cell, ("written",)), ("20260301", "46082")),
    # Parts of a fen, debts and words.
    (lambda cell: amount(cell, "main", "CNY"), ("0.005", "-3", "3 USD", "1.2.3", "壹佰元")),
    (decimal, ("NaN", "1e999999999", "-1", "two", "Infinity")),
    (count, ("2.5",)),
    # NUL, controls, what turns the direction of writing, half characters.
    (text, ("a\x00b", "a\u202eb", "a\x07", "\ud800", "a\u200fb")),
)


@pytest.mark.parametrize(("read", "cell"), [(read, cell) for read, cells in REFUSED for cell in cells])
def test_what_is_no_moment_amount_number_or_text_is_refused(read: Callable[[Any], object], cell: Any) -> None:
    """Whatever else the cell holds, no value is made of it."""
    with pytest.raises(Misread):
        read(cell)


def test_a_day_is_that_of_shanghai() -> None:
    """Late in the evening in UTC it is the next day there."""
    assert day("2026-03-01T20:00:00Z", ALL) == "2026-03-02"
    assert day("2026年3月1日 23:59", ALL) == "2026-03-01"


@pytest.mark.parametrize(
    ("cell", "unit", "fen"),
    [
        ("1,200.50元", "main", 120050),
        ("¥300", "main", 30000),
        ("￥1,000,000", "main", 100_000_000),
        ("3.5万元", "main", 3_500_000),
        ("3.5", "ten_thousand", 3_500_000),
        ("12", "smallest", 12),
        (0.1, "main", 10),
        (None, "main", None),
    ],
)
def test_money_comes_to_fen_exactly(cell: Any, unit: MoneyUnit, fen: int | None) -> None:
    """No amount passes through a binary fraction."""
    assert amount(cell, unit, "CNY") == fen


@pytest.mark.parametrize(
    ("cell", "expected"), [("2.50", "2.5"), (3.0, "3"), ("1,000", "1000"), ("0.00", "0"), ("１２", "12")]
)
def test_numbers_are_spelled_in_one_way(cell: Any, expected: str) -> None:
    """However the source writes them."""
    assert decimal(cell) == expected


def test_a_count_is_whole() -> None:
    """However many zeros follow the point."""
    assert count("3.0") == 3


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("\t31010119900307001X", "31010119900307001X"),
        ('="00123"', "00123"),
        (" 张某\u3000", "张某"),
        ("e\u0301", "é"),
        (12, "12"),
        (1e14, "100000000000000"),
        (True, "true"),
        (NOON, "2026-03-01 12:00:00"),
    ],
)
def test_text_is_what_people_read(cell: Any, expected: str) -> None:
    """Without what keeps a spreadsheet from rounding, without blanks around it, in normal form C."""
    assert text(cell) == expected


def test_one_line_is_made_of_several() -> None:
    """Where one line is asked for, breaks become blanks. The longest cell of blanks takes milliseconds, not half a
    minute: who makes a file decides what is in it."""
    assert line("a\r\nb\n c\u2028d") == "a b c d"
    assert line("a  b \t c") == "a  b c"
    assert text("a\r\nb") == "a\nb"
    cell = f"a{' ' * (MAX_CELL - 2)}b"
    begun = process_time()
    assert line(cell) == cell
    assert process_time() - begun < 1


@pytest.mark.parametrize(
    ("cell", "reason"), [("a\x00b", r"U\+0000"), ("\ud800", r"U\+D800"), (Unusable("a formula"), "formula")]
)
def test_a_cell_that_cannot_be_used_says_why(cell: Any, reason: str) -> None:
    """The character is named, and what the cell holds in the place of a value."""
    with pytest.raises(Misread, match=reason):
        text(cell)
