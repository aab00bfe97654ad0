"""CSV that people open in a spreadsheet: no locale's spreadsheet calculates with anything that somebody wrote."""

from __future__ import annotations

import ast
import csv
import io
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.interchange.exports.csv_output import CsvWriter, defused
from ledger.interchange.imports.case_events import RowFault
from ledger.interchange.imports.importing import RejectsFile
from tests.testkit.machine import REPOSITORY

LIVE = tuple("=+-@＝＋－＠")
CELLS = st.lists(st.text(alphabet="=+-@＝;,|\t\r\n\"' a1()"), min_size=1, max_size=4)


def written(*rows: list[str], exact: bool = False) -> str:
    file = io.StringIO(newline="")
    writer = CsvWriter(file, exact=exact)
    for row in rows:
        writer.row(row)
    return file.getvalue()


def as_opened(text: str, separator: str) -> list[str]:
    """Return the cells of a spreadsheet that splits by ``separator``; quotes count where a cell begins with them."""
    return [cell for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator) for cell in row]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@given(cells=CELLS, more=CELLS)
def test_no_cell_is_a_formula_in_any_locale(separator: str, cells: list[str], more: list[str]) -> None:
    """However the file is split, no cell begins with what is calculated, behind blanks and quotes too."""
    for cell in as_opened(written(cells, more), separator):
        assert not cell.lstrip(' "\t\r\n').startswith(LIVE), cell


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@x", "'@x"),
        ("\tx", "'\tx"),
        ("＝x", "'＝x"),
        (" =1", "' =1"),
        ("a; =1", "a; '=1"),
        ("a\n-b", "a\n'-b"),
        ("theft", "theft"),
        ("2026-03-01T08:00:00+08:00, 3-4", "2026-03-01T08:00:00+08:00, 3-4"),
        ("", ""),
    ],
)
def test_other_text_stays_as_it_is(text: str, expected: str) -> None:
    """An apostrophe before what would be calculated, and nothing else."""
    assert defused(text) == expected


@given(rows=st.lists(CELLS, min_size=1, max_size=3))
def test_what_programs_read_comes_back_as_it_was(rows: list[list[str]]) -> None:
    """Exact cells are quoted, and nothing of them is changed."""
    assert list(csv.reader(io.StringIO(written(*rows, exact=True), newline=""))) == rows


def test_every_cell_is_quoted() -> None:
    """Numbers and empty ones too, so that no reader guesses."""
    assert written(["1", ""]) == '"1",""\r\n'


def test_there_is_one_writer() -> None:
    """No other module of the project writes CSV: what is mended here is mended everywhere."""
    writers = {
        path.relative_to(REPOSITORY).as_posix()
        for folder in ("ledger", "api")
        for path in (REPOSITORY / folder).rglob("*.py")
        if b"csv" in (source := path.read_bytes())
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute)
        and node.attr in ("writer", "DictWriter")
        and ast.unparse(node.value) == "csv"
    }
    assert writers == {"ledger/interchange/exports/csv_output.py"}


def test_the_list_of_refused_rows_calculates_nothing_and_is_its_owners(tmp_path: Path) -> None:
    """It quotes what outsiders wrote, and names persons: also where a file that others could read was there before."""
    path = tmp_path / "rejects.csv"
    path.write_text("older")
    path.chmod(0o644)
    with RejectsFile(path) as rejects:
        rejects.add(RowFault(2, "=A1", "name", "x;=1+1", "not a name", "malformed"))
    line = path.read_text(encoding="utf-8-sig").splitlines()[1]
    assert line == """ "2","'=A1","name","x;'=1+1","not a name" """.strip()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
