"""Files that a command reads or writes, and progress bars on standard error."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from ledger.core.errors import MalformedInput
from ledger.core.messages import Message
from ledger.evidence.hashing import SILENT, HashingProgress, hash_file

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

    from ledger.cli.output import Output
    from ledger.cli.session import Session


class Bar:
    """A bar under which things go by."""

    def __init__(self, bars: Bars, task: TaskID):
        self._bars = bars
        self._task = task

    def step(self, _row: int = 0) -> None:
        self._bars.advance(self._task)

    def reach(self, done: int, total: int | None = None, doing: str | None = None) -> None:
        self._bars.update(self._task, completed=done, total=total, description=doing)


@contextmanager
def bar(session: Session, doing: str, total: int | None = None) -> Iterator[Bar]:
    """Show a progress bar on standard error, unless that is no terminal or JSON was asked for."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    hidden = session.json or not sys.stderr.isatty()
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=hidden) as bars:
        yield Bar(bars, bars.add_task(session.labels.of("message", doing), total=total))


class _Bar(HashingProgress):
    """Bytes, and how many files are done."""

    def __init__(self, bars: Bars, name: str):
        self._bars = bars
        self._task = bars.add_task(name, total=None, files=0, of=0)
        self._size = self._files = 0
        self._done = count(1)

    def expect(self, files: int, size: int) -> None:
        self._files, self._size = self._files + files, self._size + size
        self._bars.update(self._task, total=self._size, of=self._files)

    def advance(self, size: int) -> None:
        self._bars.advance(self._task, size)

    def finish_file(self) -> None:
        self._bars.update(self._task, files=next(self._done))


@contextmanager
def progress_of(name: str, output: Output) -> Iterator[HashingProgress]:
    """Show the progress of the work on ``name`` on standard error if that is a terminal."""
    if output.json or not sys.stderr.isatty():
        yield SILENT
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[files]}/{task.fields[of]}"),
        DownloadColumn(),
        TransferSpeedColumn(),
    )
    # Results may be written meanwhile, and must not be taken for what the bar is to show.
    with Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False) as bars:
        yield _Bar(bars, name)


def digests_of(path: Path, output: Output) -> list[str]:
    """Return BLAKE3 and SHA-256 of a file as text. Raises MalformedInput if it cannot be read."""
    with progress_of(path.name, output) as progress:
        progress.expect(1, path.stat().st_size)
        return [str(digest) for digest in hash_file(path, progress=progress).digests]


def require_new(file: Path, option: str) -> None:
    """Raise MalformedInput, before long work begins, if the file is there already or its folder is not."""
    if file.exists():
        raise MalformedInput(Message("{file} is there already", file=file), field=option, hint="Name another file.")
    if not file.parent.is_dir():
        raise MalformedInput("there is no folder {folder}", folder=file.parent, field=option)


def checkpoint_in(file: Path, parameter: str) -> str:
    """Return the checkpoint that a file holds, its signature unchecked. Raises MalformedInput if it holds none."""
    from ledger.core.log.checkpoints import stated_checkpoint

    try:
        note = file.read_text(encoding="utf-8")
        stated_checkpoint(note)
    except (UnicodeDecodeError, MalformedInput) as error:
        raise MalformedInput(
            "{file} is no checkpoint: {error}",
            file=file,
            error=error,
            field=parameter,
            hint="Give what was saved of 'tally log checkpoint', or of /checkpoint at the service, as it was.",
        ) from error
    return note
