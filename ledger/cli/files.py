"""Files of evidence, hashed under a progress bar."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ledger.evidence.hashing import hash_file

if TYPE_CHECKING:
    from ledger.cli.output import Output


def digests_of(path: Path, output: Output) -> list[str]:
    """BLAKE3 and SHA-256 of a file as text. Raises MalformedInput where it cannot be read."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(
        *columns, console=Console(stderr=True), transient=True, disable=output.json or not sys.stderr.isatty()
    ) as bars:
        bar = bars.add_task(path.name, total=path.stat().st_size)
        return [str(digest) for digest in hash_file(path, progress=lambda size: bars.advance(bar, size))]
