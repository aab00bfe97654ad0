"""Places where backups are kept: a folder here. What is put there is durable when the call returns."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Protocol
from urllib.parse import unquote, urlsplit

from ledger.config.secret_files import OWNER_ONLY, OWNER_ONLY_FOLDER, sync_folder
from ledger.core.errors import MalformedInput, Unavailable
from ledger.core.messages import Message

_STAGED = ".new-"  # begins the name of a file that is being written


class ListedObject(NamedTuple):
    """An object as it is listed: its bytes, and when it was written (unix seconds)."""

    size: int
    written_at: float


class BackupPlace(Protocol):
    """Where objects are put by their names and never changed. Every method raises Unavailable if that is not done."""

    def listed(self, folder: str) -> dict[str, ListedObject]:
        """Return all objects below the folder, by their names."""

    def read(self, name: str) -> bytes | None:
        """Return an object, or None if there is none."""

    def put(self, name: str, data: bytes) -> None:
        """Write an object, which may be there already with the same content."""

    def put_first(self, name: str, data: bytes) -> bool:
        """Write an object unless there is one; return whether it was written."""

    def forget(self, names: Iterable[str]) -> None:
        """Delete objects."""


class BackupFolder:
    """A folder, whose files nobody else may read."""

    def __init__(self, folder: Path):
        self._folder = folder

    def listed(self, folder: str) -> dict[str, ListedObject]:
        with _of_the_disk(self._folder):
            return {
                name: ListedObject(stat.st_size, stat.st_mtime) for name, stat in self._files(self._folder / folder)
            }

    def _files(self, folder: Path) -> Iterator[tuple[str, os.stat_result]]:
        if folder.is_dir():
            for entry in os.scandir(folder):
                if entry.is_dir():
                    yield from self._files(Path(entry.path))
                elif not entry.name.startswith(_STAGED):
                    yield Path(entry.path).relative_to(self._folder).as_posix(), entry.stat()

    def read(self, name: str) -> bytes | None:
        with _of_the_disk(self._folder):
            try:
                return (self._folder / name).read_bytes()
            except FileNotFoundError:
                return None

    def put(self, name: str, data: bytes) -> None:
        with _of_the_disk(self._folder):
            target, staged = self._staged(name, data)
            staged.replace(target)
            sync_folder(target.parent)

    def put_first(self, name: str, data: bytes) -> bool:
        with _of_the_disk(self._folder):
            target, staged = self._staged(name, data)
            try:
                target.hardlink_to(staged)
            except FileExistsError:
                return False
            finally:
                staged.unlink()
            sync_folder(target.parent)
            return True

    def forget(self, names: Iterable[str]) -> None:
        with _of_the_disk(self._folder):
            for name in names:
                (self._folder / name).unlink(missing_ok=True)

    def _staged(self, name: str, data: bytes) -> tuple[Path, Path]:
        target = self._folder / name
        self._make_folder(target.parent)
        staged = target.with_name(f"{_STAGED}{secrets.token_hex(8)}")
        with os.fdopen(os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        return target, staged

    def _make_folder(self, folder: Path) -> None:
        if not folder.is_dir():
            self._make_folder(folder.parent)
            folder.mkdir(mode=OWNER_ONLY_FOLDER, exist_ok=True)
            sync_folder(folder.parent)


def place_at(where: str, data_dir: Path) -> BackupPlace:
    """Return the place of a path or ``file:///FOLDER``, which is not in the data directory. Raises MalformedInput."""
    address = urlsplit(where)
    if address.scheme in ("", "file"):
        folder = Path(unquote(address.path) if address.scheme else where)
        if folder.resolve().is_relative_to(data_dir.resolve()):
            raise MalformedInput(
                "{folder} is in the data directory, with which it would be lost",
                folder=folder,
                field="backup_store",
                hint="Name a folder elsewhere, best on another machine's disk.",
            )
        return BackupFolder(folder)
    raise MalformedInput("expected a folder, file:///FOLDER or s3://BUCKET/PREFIX", field="backup_store")


@contextmanager
def _of_the_disk(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(
            "the folder of backups does not work: {folder}: {error.strerror}",
            folder=folder,
            error=error,
            code="backup_unavailable",
            hint=Message("Is it there, writable, and is there room? Then run the command again: it goes on."),
        ) from error
