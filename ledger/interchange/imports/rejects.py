"""The list of rows that were refused, as a CSV file that a spreadsheet opens and does not calculate with."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from ledger.config.secret_files import OWNER_ONLY
from ledger.core.errors import MalformedInput
from ledger.interchange.exports.csv_output import CsvWriter
from ledger.interchange.imports.chains import Fault

HEADINGS = ("row", "source_key", "column", "value", "reason")


class Rejects:
    """Writes ``path`` row by row, for its owner's eyes only; no file is left where no row was refused.

    ``say`` tells a reason in the owner's language.
    """

    def __init__(self, path: Path, say: Callable[[str], str] = str):
        self.path = path
        self._say = say
        self.count = 0

    def __enter__(self) -> Self:
        try:
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, OWNER_ONLY)
            os.fchmod(descriptor, OWNER_ONLY)  # where an older list is there, it keeps its mode
        except OSError as error:
            raise MalformedInput(f"{self.path} cannot be written: {error.strerror}", field="--rejects") from error
        self._file = os.fdopen(descriptor, "w", encoding="utf-8-sig", newline="")
        self._writer = CsvWriter(self._file)
        self._writer.row(HEADINGS)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        if not self.count:
            self.path.unlink(missing_ok=True)

    def add(self, fault: Fault) -> None:
        """One line."""
        self.count += 1
        cells = (fault.source_key, fault.column, fault.value, self._say(fault.reason))
        self._writer.row((str(fault.row), *cells))
