"""The public store: a folder or a bucket from which others read checkpoint, tiles and entry bundles.

Its names are those of C2SP tlog-tiles, so whoever serves the folder or bucket serves the log. What is written is
durable when the call returns.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ledger.config.settings import Settings
from ledger.core.errors import Conflict
from ledger.core.log.notes import MAX_NOTE_LENGTH
from ledger.storage.objects import (
    NAMES,
    PUBLIC_FOLDER,
    STAGED,
    BucketObjects,
    FolderObjects,
    bucket_errors,
    disk_errors,
    locked,
    make_folders,
    read_file,
    storage_of,
)

if TYPE_CHECKING:
    from obstore.store import S3Store

CHECKPOINT = "checkpoint"
LOCK = ".lock"  # in a folder; held while its checkpoint is replaced
AT_ONCE = 16  # requests
LEFT_OVER_S = 3600.0  # seconds after which nobody writes a file any more
_NAME = NAMES["tile_store"]
_ETERNAL = "public, max-age=31536000, immutable"


class KeptCheckpoint(NamedTuple):
    """The checkpoint that the store has: its note, and by what the store tells it from another one."""

    note: bytes
    version: str


class PublicStore(Protocol):
    """Where objects are put by their names. Every method raises Unavailable if the store does not do it."""

    def checkpoint(self) -> KeptCheckpoint | None:
        """Return the checkpoint, or None if there is none.

        Raises IntegrityBroken (object_changed) before a byte is read of what is larger than any note, or no file.
        """

    def put(self, objects: Mapping[str, bytes]) -> None:
        """Write objects that never change once they are there, several at once."""

    def lacks(self, names: Iterable[str]) -> set[str]:
        """Return those of the names under which there is nothing."""

    def replace_checkpoint(self, note: bytes, before: KeptCheckpoint | None) -> None:
        """Write the checkpoint in place of the one before. Raises Conflict if another stands there by now."""

    def forget(self, folders: Iterable[str]) -> None:
        """Delete every object under the folders."""


class FolderStore:
    """A folder, which a web server serves. Its files are readable for everybody."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._objects = FolderObjects(folder, _NAME, is_made=True, is_public=True)
        self._is_swept = False

    def checkpoint(self) -> KeptCheckpoint | None:
        with disk_errors(_NAME):
            note = read_file(self._folder / CHECKPOINT, CHECKPOINT, MAX_NOTE_LENGTH)
        return None if note is None else KeptCheckpoint(note, "")

    def put(self, objects: Mapping[str, bytes]) -> None:
        for name, data in objects.items():
            self._objects.put(name, data)

    def lacks(self, names: Iterable[str]) -> set[str]:
        with disk_errors(_NAME):
            return {name for name in names if not (self._folder / name).is_file()}

    def replace_checkpoint(self, note: bytes, before: KeptCheckpoint | None) -> None:
        with disk_errors(_NAME):
            make_folders(self._folder, PUBLIC_FOLDER)
            with locked(self._folder / LOCK):
                if self.checkpoint() != before:
                    raise _overtaken()
                self._sweep()
                self._objects.put(CHECKPOINT, note)

    def forget(self, folders: Iterable[str]) -> None:
        for name in folders:
            shutil.rmtree(self._folder / name, ignore_errors=True)

    def _sweep(self) -> None:
        """Delete, once in a process, what processes that were killed have left half-written."""
        if not self._is_swept:
            for file in self._folder.rglob(f"*{STAGED}"):
                with suppress(FileNotFoundError):
                    if file.lstat().st_mtime < time.time() - LEFT_OVER_S:
                        file.unlink()
            self._is_swept = True


class BucketStore:
    """A bucket of an object storage that speaks S3, below a prefix."""

    def __init__(self, bucket: S3Store):
        self._bucket = bucket
        self._objects = BucketObjects(bucket, _NAME)

    def checkpoint(self) -> KeptCheckpoint | None:
        tagged = self._objects.read_tagged(CHECKPOINT, MAX_NOTE_LENGTH)
        return None if tagged is None else KeptCheckpoint(*tagged)

    def put(self, objects: Mapping[str, bytes]) -> None:
        async def put(name: str) -> None:
            await obstore.put_async(self._bucket, name, objects[name], attributes=attributes)

        import obstore

        attributes: Any = {"Content-Type": "application/octet-stream", "Cache-Control": _ETERNAL}
        _of_each(objects, put)

    def lacks(self, names: Iterable[str]) -> set[str]:
        async def look(name: str) -> None:
            try:
                await obstore.head_async(self._bucket, name)
            except FileNotFoundError:
                missing.add(name)

        import obstore

        missing: set[str] = set()
        _of_each(names, look)
        return missing

    def replace_checkpoint(self, note: bytes, before: KeptCheckpoint | None) -> None:
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        attributes: Any = {"Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-store"}
        mode: Any = "create" if before is None else {"e_tag": before.version}
        with bucket_errors(_NAME):
            try:
                obstore.put(self._bucket, CHECKPOINT, note, attributes=attributes, mode=mode)
            except (AlreadyExistsError, PreconditionError) as error:
                raise _overtaken() from error

    def forget(self, folders: Iterable[str]) -> None:
        for folder in folders:
            self._objects.forget(folder)


def public_store_of(settings: Settings) -> PublicStore | None:
    """Return the store of the settings, or None if they name none.

    Raises SecretRefused, and MalformedInput for settings that do not go together.
    """
    address = storage_of(settings, "tile_store")
    if address is None:
        return None
    return BucketStore(address.bucket()) if address.folder is None else FolderStore(address.folder)


def _of_each(names: Iterable[str], do: Callable[[str], Awaitable[None]]) -> None:
    """Do something with each object of a bucket, several at once."""

    async def in_turn(turn: asyncio.Semaphore, name: str) -> None:
        async with turn:
            await do(name)

    async def all_of_them() -> None:
        turn = asyncio.Semaphore(AT_ONCE)
        async with asyncio.TaskGroup() as tasks:
            for name in names:
                tasks.create_task(in_turn(turn, name))

    with bucket_errors(_NAME):
        try:
            asyncio.run(all_of_them())
        except BaseExceptionGroup as failed:  # the others of it were only cancelled, or say the same
            raise failed.exceptions[0] from failed


def _overtaken() -> Conflict:
    return Conflict("another process has written the checkpoint of the public store", code="store_overtaken")
