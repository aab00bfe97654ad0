"""Files that a command reads or writes, and progress bars on standard error."""

from __future__ import annotations

import filecmp
import os
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, Any

import msgspec

from ledger.config.secret_files import OWNER_ONLY, sync_folder
from ledger.core.encoding import canonical
from ledger.core.errors import MalformedInput
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


STANDARD_OUTPUT = Path("-")
NEW_MODE = 0o666  # but for what the umask takes away


def require_free(session: Session, file: Path, option: str) -> None:
    """Raise MalformedInput, before long work begins, if the file is there already or its folder is not.

    Requires a result that is never the same again, such as a report that tells its time.
    """
    if file.is_file() and not session.replaces:
        raise _taken(file, option)
    if not file.parent.is_dir():
        raise MalformedInput("there is no folder {folder}", folder=file.parent, field=option)


def _taken(file: Path, option: str) -> MalformedInput:
    return MalformedInput(
        "{file} is there already",
        file=file,
        field=option,
        hint="Name another file. Or give --replace: then the one that is there is lost.",
    )


@contextmanager
def opened_output(
    session: Session, file: Path, *, option: str = "--output", private: bool = False
) -> Iterator[IO[bytes]]:
    """Open what a command writes. Once the block is left it is there as a whole; of a block that fails nothing is.

    A file that is there stays as it is: it is replaced with ``--replace`` alone, and where a link leads to it, the link
    stays. Standard output (``-``) and devices get what a file would have. ``private`` is for its owner alone.

    Raises MalformedInput for a file that is there, unless it has the same content, and without a folder for it.
    """
    if file == STANDARD_OUTPUT or (file.exists() and not file.is_file()):
        with TemporaryFile() as whole:
            yield whole
            whole.seek(0)
            if file == STANDARD_OUTPUT:
                shutil.copyfileobj(whole, sys.stdout.buffer)
            else:
                with file.open("wb") as target:
                    shutil.copyfileobj(whole, target)
        return
    if session.replaces and file.is_symlink():
        file = Path(os.path.realpath(file))
    if not file.parent.is_dir():
        raise MalformedInput("there is no folder {folder}", folder=file.parent, field=option)
    staged = file.with_name(f".{secrets.token_hex(8)}.tally")
    try:
        descriptor = os.open(staged, os.O_RDWR | os.O_CREAT | os.O_EXCL, OWNER_ONLY if private else NEW_MODE)
    except OSError as error:
        raise MalformedInput(
            "{path} cannot be written: {error.strerror}", path=file, error=error, field=option
        ) from error
    try:
        with os.fdopen(descriptor, "w+b") as opened:
            yield opened
            opened.flush()
            os.fsync(opened.fileno())
        _place(staged, file, option, replaces=session.replaces)
    finally:
        staged.unlink(missing_ok=True)
    sync_folder(file.parent)


def _place(staged: Path, file: Path, option: str, *, replaces: bool) -> None:
    if replaces:
        if file.is_file():
            staged.chmod(staged.stat().st_mode & file.stat().st_mode)  # what was private stays so
        staged.replace(file)
        return
    try:
        file.hardlink_to(staged)
    except FileExistsError:
        _require_same(staged, file, option)
    except OSError:  # a file system without links, such as that of a memory stick
        _require_same(staged, file, option)
        staged.replace(file)


def _require_same(staged: Path, file: Path, option: str) -> None:
    """Raise MalformedInput if another file is there, or a link into nowhere."""
    is_there = file.is_symlink() or file.exists()
    if is_there and not (file.is_file() and filecmp.cmp(staged, file, shallow=False)):
        raise _taken(file, option)


def would_be_new(session: Session, file: Path) -> bool:
    """Return whether what ``opened_output`` writes there is the command's alone, so that it goes if that is refused."""
    return not file.exists() or (session.replaces and file.is_file())


def save(session: Session, file: Path, data: bytes, *, private: bool = False, **beside: Any) -> None:
    """Write what a command gives, and print the file's name with what is ``beside`` it. Raises as ``opened_output``."""
    with opened_output(session, file, private=private) as opened:
        opened.write(data)
    show_written(session, file, **beside)


def show_written(session: Session, file: Path, **beside: Any) -> None:
    """Print the name of a file that was written, and what is ``beside`` it: on standard error if the file is not."""
    if file != STANDARD_OUTPUT:
        return session.output.record({"file": str(file)} | beside)
    for name, value in beside.items():
        session.output.note(f"{session.output.heading(name)}: {session.output.words(name, value)}")
    return None


def print_or_save(session: Session, value: msgspec.Struct, output: Path | None) -> None:
    """Print the value, or write it canonically to the file ``output`` and print its name."""
    if output is None:
        return session.output.data(value)
    return save(session, output, canonical.encode(value) + b"\n")


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
