"""XLSX that people open in a spreadsheet: a table whose texts stay texts, and whose times can be sorted.

No cell is a formula, whatever somebody wrote: a text is stored as one, and what begins like a formula is marked as a
text (as by an apostrophe before it), so that it stays one when somebody edits the cell.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from ledger.interchange.exports.csv_output import defused

if TYPE_CHECKING:
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.styles import Font

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
Cell = str | int | date | datetime | None  # a datetime is shown as it is: naive, of the zone in which it is to be read
_WIDEST = 60  # characters of a column
_ROWS_WITH_CHOICES = 1001  # as far as somebody fills in a list
_TITLE_LONGEST = 31  # characters of a sheet's name, by the format
_IN_NO_TITLE = str.maketrans("", "", "[]:*?/\\")


def workbook(
    title: str,
    headings: Sequence[str],
    rows: Sequence[Sequence[Cell]],
    choices: Mapping[str, Sequence[str]] | None = None,
    choices_title: str = "",
) -> bytes:
    """Return a file of one sheet that has the headings, which stay in view, above the rows.

    Below a heading of ``choices`` a cell takes one of these texts, which a second sheet of this title lists.
    """
    from openpyxl import Workbook
    from openpyxl.styles import Font
    from openpyxl.utils import get_column_letter

    book = Workbook(write_only=True)
    sheet = book.create_sheet(title.translate(_IN_NO_TITLE)[:_TITLE_LONGEST])
    sheet.freeze_panes = "A2"
    sheet.auto_filter.ref = f"A1:{get_column_letter(len(headings))}{len(rows) + 1}"
    for number, column in enumerate(zip(headings, *(row[: len(headings)] for row in rows), strict=False), 1):
        width = max(map(_length, column))  # in Latin characters, of which an ideograph takes two
        sheet.column_dimensions[get_column_letter(number)].width = min(_WIDEST, 2 + width)
    sheet.append([_cell(sheet, heading, Font(bold=True)) for heading in headings])
    for row in rows:
        sheet.append([_cell(sheet, value) for value in row])
    if choices:
        _offer_choices(book, sheet, headings, choices, choices_title.translate(_IN_NO_TITLE)[:_TITLE_LONGEST])
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def _offer_choices(
    book: Workbook, sheet: Any, headings: Sequence[str], choices: Mapping[str, Sequence[str]], title: str
) -> None:
    from openpyxl.styles import Font
    from openpyxl.utils import get_column_letter, quote_sheetname
    from openpyxl.worksheet.datavalidation import DataValidation

    lists = book.create_sheet(title)
    for place, (heading, texts) in enumerate(choices.items(), 1):
        column, own = get_column_letter(place), get_column_letter(headings.index(heading) + 1)
        source = f"{quote_sheetname(title)}!${column}$2:${column}${len(texts) + 1}"
        offered = DataValidation(type="list", formula1=source, allow_blank=True)
        offered.add(f"{own}2:{own}{_ROWS_WITH_CHOICES}")
        sheet.data_validations.append(offered)
    lists.append([_cell(lists, heading, Font(bold=True)) for heading in choices])
    for row in zip_longest(*choices.values()):
        lists.append([_cell(lists, text) for text in row])


def _cell(sheet: object, value: Cell, font: Font | None = None) -> WriteOnlyCell:
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

    if isinstance(value, str):
        value = ILLEGAL_CHARACTERS_RE.sub("", value)
    cell = WriteOnlyCell(sheet, value)
    if isinstance(value, str):
        cell.data_type = "s"
        cell.quotePrefix = defused(value) != value
    elif isinstance(value, datetime):
        cell.number_format = "yyyy-mm-dd hh:mm"
    elif isinstance(value, date):
        cell.number_format = "yyyy-mm-dd"
    if font is not None:
        cell.font = font
    return cell


def _length(value: Cell) -> int:
    if isinstance(value, datetime):
        return 16
    return sum(1 if character.isascii() else 2 for character in str("" if value is None else value)[:_WIDEST])
