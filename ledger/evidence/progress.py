"""How far long work has come, told to whoever shows it."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Is told by several threads at once."""

    def expect(self, files: int, size: int) -> None:
        """So many files more, and bytes in all, are to come."""

    def advance(self, size: int) -> None:
        """So many bytes more are done."""

    def finish_file(self) -> None:
        """One file more is done."""


class Silent:
    """Shows nothing."""

    def expect(self, files: int, size: int) -> None:
        pass

    def advance(self, size: int) -> None:
        pass

    def finish_file(self) -> None:
        pass


SILENT = Silent()
