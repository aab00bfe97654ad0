"""A file of the data directory that operators edit while the service runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from ledger.core.errors import TallystickError
from ledger.loggers import get_logger

T = TypeVar("T")

logger = get_logger(__name__)


class WatchedFile(Generic[T]):
    """The rows that ``parse`` reads from a file, which is read again when it changes.

    While it cannot be read, which is logged as ``warning`` once for each change, the rows are those of before if it
    ``keeps`` them, else none.
    """

    def __init__(self, path: Path | None, parse: Callable[[str], tuple[T, ...]], *, keeps: bool, warning: str):
        self._path, self._parse, self._keeps, self._warning = path, parse, keeps, warning
        self._stamp: tuple[int, int] | None = None
        self._rows: tuple[T, ...] = ()

    def __call__(self) -> tuple[T, ...]:
        """Return the rows, or what stands for them while the file cannot be read."""
        stamp = self._stamped()
        try:
            return self.read()
        except (TallystickError, OSError, UnicodeDecodeError) as error:
            logger.warning(self._warning, reason=str(error))
            self._stamp, self._rows = stamp, self._rows if self._keeps else ()
            return self._rows

    def read(self) -> tuple[T, ...]:
        """Return the rows that the file has now; none without a file. Raises what ``parse`` does."""
        stamp = self._stamped()
        if stamp != self._stamp:
            self._rows = self._parse(self._path.read_text(encoding="utf-8")) if self._path and stamp else ()
            self._stamp = stamp
        return self._rows

    def _stamped(self) -> tuple[int, int] | None:
        try:
            status = self._path.stat() if self._path else None
        except FileNotFoundError:
            return None
        return None if status is None else (status.st_mtime_ns, status.st_size)
