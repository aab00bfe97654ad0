"""The progress of long work, for display."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Receives progress, from several threads at once."""

    def expect(self, files: int, size: int) -> None:
        """Add files and bytes to the total that is expected."""

    def advance(self, size: int) -> None:
        """Count bytes as done."""

    def finish_file(self) -> None:
        """Count one file as done."""


class Silent:
    """Displays nothing."""

    def expect(self, files: int, size: int) -> None:
        pass

    def advance(self, size: int) -> None:
        pass

    def finish_file(self) -> None:
        pass


SILENT = Silent()
