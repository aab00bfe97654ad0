"""CSV as this project writes it: every cell quoted, and none that a spreadsheet calculates with.

What begins like a formula gets an apostrophe before it, by which spreadsheets recognise text. They split a file by
their user's locale, many by semicolons: what follows a separator or a line break *within* a cell is then a cell of its
own, since the quotes around the first one no longer hold it together. So that gets its apostrophe too.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from typing import TextIO

_STARTS_FORMULA = r"[=+\-@＝＋－＠]"
_BEGINS_LIVE = re.compile(rf"[\t\r\n]|[\s'\"]*{_STARTS_FORMULA}")
_LIVE_WITHIN = re.compile(rf"([;,\t\r\n|][\s'\"]*)(?={_STARTS_FORMULA})")


class CsvWriter:
    """Writes rows to ``file``, which is open with ``newline=""``.

    For programs it is ``exact``: cells are quoted, but unchanged, and a row ends with a line feed
    alone. A file that people open in a spreadsheet never is.
    """

    def __init__(self, file: TextIO, *, exact: bool = False):
        self._writer = csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n" if exact else "\r\n")
        self._exact = exact

    def row(self, cells: Iterable[str | None]) -> None:
        """Write one row; None is an empty cell."""
        texts = (cell or "" for cell in cells)
        self._writer.writerow(texts if self._exact else map(defused, texts))


def defused(text: str) -> str:
    """Return the text with an apostrophe before each part that a spreadsheet would calculate with."""
    within = _LIVE_WITHIN.sub(r"\1'", text)
    return f"'{within}" if _BEGINS_LIVE.match(text) else within
