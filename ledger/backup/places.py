"""Places where backups are kept: a folder, or a bucket. What is put there is durable when the call returns."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from ledger.config.secret_files import OWNER_ONLY, OWNER_ONLY_FOLDER, sync_folder
from ledger.config.settings import Settings
from ledger.core.errors import MalformedInput, Unavailable
from ledger.core.messages import Message
from ledger.storage.objects import NAMES, of_the_bucket, storage_of

if TYPE_CHECKING:
    from obstore.store import S3Store

_NAME = NAMES["backup_store"]
AT_ONCE = 1000  # objects that are deleted with one request

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

    def clear_away(self, before: float) -> None:
        """Delete what runs that were killed left half written before that time (unix seconds)."""


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

    def clear_away(self, before: float) -> None:
        with _of_the_disk(self._folder):
            for path in self._folder.glob(f"**/{_STAGED}*"):
                with suppress(FileNotFoundError):  # a run that goes on has written it meanwhile
                    if path.stat().st_mtime <= before:
                        path.unlink()

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


class BackupBucket:
    """Objects of a bucket of a storage that speaks S3, below a prefix."""

    def __init__(self, bucket: S3Store):
        self._bucket = bucket

    def listed(self, folder: str) -> dict[str, ListedObject]:
        import obstore

        with of_the_bucket(_NAME):
            pages = list(obstore.list(self._bucket, prefix=folder))
            return {
                each["path"]: ListedObject(each["size"], each["last_modified"].timestamp())
                for page in pages
                for each in page
            }

    def read(self, name: str) -> bytes | None:
        import obstore

        with of_the_bucket(_NAME):
            try:
                return bytes(obstore.get(self._bucket, name).bytes())
            except FileNotFoundError as error:
                if "NoSuchBucket" in str(error):
                    raise
                return None

    def put(self, name: str, data: bytes) -> None:
        import obstore

        with of_the_bucket(_NAME):
            obstore.put(self._bucket, name, data)

    def put_first(self, name: str, data: bytes) -> bool:
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        with of_the_bucket(_NAME):
            try:
                obstore.put(self._bucket, name, data, mode="create", use_multipart=False)
            except (AlreadyExistsError, PreconditionError):
                return False
        return True

    def forget(self, names: Iterable[str]) -> None:
        import obstore

        with of_the_bucket(_NAME):
            for some in batched(names, AT_ONCE):
                obstore.delete(self._bucket, some)

    def clear_away(self, before: float) -> None:
        pass  # an object is there once it is whole


def place_of(settings: Settings) -> BackupPlace:
    """Return the place of backups that the settings name. Raises MalformedInput, SecretRefused."""
    address = storage_of(settings, "backup_store")
    if address is None:
        raise MalformedInput(
            "expected the place of backups",
            field="backup_store",
            hint="Name a folder or s3://BUCKET/PREFIX, by --from or --to.",
        )
    return BackupBucket(address.bucket()) if address.folder is None else BackupFolder(address.folder)


def url_of(where: str) -> str:
    """Return a place that was typed as settings name it: a path is one of a folder."""
    return where if "://" in where else Path(where).absolute().as_uri()


def batched(names: Iterable[str], most: int) -> Iterator[list[str]]:
    """Yield the names, so many at a time at most."""
    some: list[str] = []
    for name in names:
        some.append(name)
        if len(some) == most:
            yield some
            some = []
    if some:
        yield some


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
