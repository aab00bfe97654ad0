"""Tables in a terminal: what does not fit stands below its row, whole."""

from __future__ import annotations

import pytest
from rich.console import Console

from ledger.cli.output import DrawnColumn, arrange, draw

CASE = DrawnColumn("案件", ("sample-06-custody-of-a-person", "v3-a"))
STATUS = DrawnColumn("status", ("overdue", "running"))
MOMENT = DrawnColumn("until", ("2026-11-27 04:00:00 +08:00 (2026-11-26 20:00:00Z)", "2026-11-29"))
ID = DrawnColumn("id", ("custody_change/558853d1…/4", ""), aside=True)


def names(columns: list[DrawnColumn]) -> list[str]:
    return [column.heading for column in columns]


@pytest.mark.parametrize(
    ("room", "beside", "below"),
    [
        (200, ["案件", "status", "until", "id"], []),
        (100, ["案件", "status", "until"], ["id"]),
        (60, ["案件", "status"], ["until", "id"]),
        (10, ["案件"], ["status", "until", "id"]),
    ],
)
def test_no_more_goes_below_than_is_too_wide(room: int, beside: list[str], below: list[str]) -> None:
    """Columns that are meant for it first, then the widest; the first column and narrow ones stay."""
    kept, moved = arrange([CASE, STATUS, MOMENT, ID], room)
    assert (names(kept), names(moved)) == (beside, below)


def drawn(width: int) -> list[str]:
    console = Console(width=width, highlight=False, markup=False, emoji=False)
    with console.capture() as captured:
        draw(console, [CASE, STATUS, MOMENT, ID], ["", ""])
    return [line.rstrip() for line in captured.get().splitlines()]


def test_a_row_is_told_whole_on_a_narrow_terminal() -> None:
    """Headings once, then each row with what belongs below it; what is empty is left out."""
    assert drawn(60) == [
        "案件                           status",
        "sample-06-custody-of-a-person  overdue",
        "      until: 2026-11-27 04:00:00 +08:00 (2026-11-26 20:00:00Z)  id: custody_change/558853d1…/4",
        "v3-a                           running",
        "      until: 2026-11-29",
    ]


def test_a_wide_terminal_has_all_side_by_side() -> None:
    """In one line a row."""
    assert len(drawn(200)) == 3


def test_what_cannot_fit_is_folded() -> None:
    """The first column, alone, where a terminal is narrower than it: nothing is cut off."""
    lines = drawn(20)
    assert "".join(lines[1:3]) == CASE.cells[0]
    assert "status: overdue" in lines[3]
