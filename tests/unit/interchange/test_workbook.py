"""XLSX of lists: what somebody wrote stays text, and times can be sorted."""

from __future__ import annotations

import io
from datetime import datetime

import pytest
from openpyxl import load_workbook

from ledger.interchange.exports.workbook import Cell, workbook


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "＝1", ' "=1', "\t=1", "=cmd|'/c calc'!A1"])
def test_no_text_is_a_formula(text: str) -> None:
    """It is stored as a text, unchanged, and is marked so that it stays one when the cell is edited."""
    (cell,) = opened([[text]])[1]
    assert (cell.data_type, cell.value, cell.quotePrefix) == ("s", text, True)


def test_each_value_is_of_its_kind() -> None:
    """Numbers, days and moments are such, an empty cell is empty, and what XML cannot have is left out."""
    moment = datetime.fromisoformat("2026-03-01T08:30:00")
    cells = opened([["〔2026〕刑初1号", 7, moment.date(), moment, None, "a\x00b"]])[1]
    midnight = datetime.fromisoformat("2026-03-01")
    assert [cell.value for cell in cells] == ["〔2026〕刑初1号", 7, midnight, moment, None, "ab"]
    assert [cell.number_format for cell in cells[2:4]] == ["yyyy-mm-dd", "yyyy-mm-dd hh:mm"]
    assert not cells[0].quotePrefix


def test_headings_stay_in_view_and_rows_are_filtered_there() -> None:
    """The first line is the headings, with a filter for each column."""
    book = load_workbook(io.BytesIO(workbook("Cases: [all]/*?", ["Number", "Matter"], [["1", "theft"], ["2", None]])))
    sheet = book.active
    assert sheet is not None
    assert [cell.value for cell in sheet[1]] == ["Number", "Matter"]
    assert (sheet.title, sheet.freeze_panes, sheet.auto_filter.ref) == ("Cases all", "A2", "A1:B3")


def opened(rows: list[list[Cell]]) -> list[tuple]:  # type: ignore[type-arg]
    """Return the rows of cells of a file, the headings first."""
    sheet = load_workbook(io.BytesIO(workbook("List", ["x"] * len(rows[0]), rows))).active
    assert sheet is not None
    return list(sheet.iter_rows())
