"""The public store: a folder or a bucket from which others read checkpoint, tiles and entry bundles.

Its names are those of C2SP tlog-tiles, so whoever serves the folder or bucket serves the log. What is written is
durable when the call returns.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from urllib.parse import unquote, urlsplit

from cryptography.x509 import load_pem_x509_certificates

from ledger.config.secret_files import sync_folder
from ledger.config.settings import Settings
from ledger.core.errors import Conflict, MalformedInput, Unavailable
from ledger.core.messages import Message

if TYPE_CHECKING:
    from obstore.store import S3Store

CHECKPOINT = "checkpoint"
LOCK = ".lock"  # in a folder; held while its checkpoint is replaced
STAGED = ".new"  # ends the name of a file that is being written
AT_ONCE = 16  # requests
ANSWER_WITHIN = timedelta(seconds=10)
RETRIED_WITHIN = timedelta(seconds=20)
RETRIES = 2
OPEN_FILE, OPEN_FOLDER = 0o644, 0o755  # what is public is read by a web server under another user
_ETERNAL = "public, max-age=31536000, immutable"


class KeptCheckpoint(NamedTuple):
    """The checkpoint that the store has: its note, and by what the store tells it from another one."""

    note: bytes
    version: str


class PublicStore(Protocol):
    """Where objects are put by their names. Every method raises Unavailable if the store does not do it."""

    def checkpoint(self) -> KeptCheckpoint | None:
        """Return the checkpoint, or None if there is none."""

    def put(self, objects: Mapping[str, bytes]) -> None:
        """Write objects that never change once they are there, several at once."""

    def replace_checkpoint(self, note: bytes, before: KeptCheckpoint | None) -> None:
        """Write the checkpoint in place of the one before. Raises Conflict if another stands there by now."""

    def forget(self, folders: Iterable[str]) -> None:
        """Delete every object under the folders."""


class FolderStore:
    """A folder, which a web server serves. Its files are readable for everybody."""

    def __init__(self, folder: Path):
        self._folder = folder
        # Of this process alone: others may write the same tile at the same time.
        self._staged = f".{secrets.token_hex(8)}{STAGED}"

    def checkpoint(self) -> KeptCheckpoint | None:
        with _of_the_disk():
            try:
                note = (self._folder / CHECKPOINT).read_bytes()
            except FileNotFoundError:
                return None
        return KeptCheckpoint(note, "")

    def put(self, objects: Mapping[str, bytes]) -> None:
        with _of_the_disk():
            for name, data in objects.items():
                self._write(self._folder / name, data)

    def replace_checkpoint(self, note: bytes, before: KeptCheckpoint | None) -> None:
        with _of_the_disk():
            self._make_folder(self._folder)
            with (self._folder / LOCK).open("ab") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                if self.checkpoint() != before:
                    raise _overtaken()
                self._write(self._folder / CHECKPOINT, note)

    def forget(self, folders: Iterable[str]) -> None:
        for name in folders:
            shutil.rmtree(self._folder / name, ignore_errors=True)

    def _write(self, file: Path, data: bytes) -> None:
        self._make_folder(file.parent)
        staged = file.with_name(file.name + self._staged)
        with staged.open("wb") as opened:
            os.fchmod(opened.fileno(), OPEN_FILE)
            opened.write(data)
            opened.flush()
            os.fsync(opened.fileno())
        staged.replace(file)
        sync_folder(file.parent)

    def _make_folder(self, folder: Path) -> None:
        if not folder.is_dir():
            self._make_folder(folder.parent)
            folder.mkdir(exist_ok=True)
            folder.chmod(OPEN_FOLDER)
            sync_folder(folder.parent)


class BucketStore:
    """A bucket of an object storage that speaks S3, below a prefix."""

    def __init__(self, bucket: S3Store):
        self._bucket = bucket

    def checkpoint(self) -> KeptCheckpoint | None:
        import obstore

        with _of_the_bucket():
            try:
                answer = obstore.get(self._bucket, CHECKPOINT)
            except FileNotFoundError as error:
                # A bucket that is not there is no empty one.
                if "NoSuchBucket" in str(error):
                    raise
                return None
            return KeptCheckpoint(bytes(answer.bytes()), answer.meta["e_tag"] or "")

    def put(self, objects: Mapping[str, bytes]) -> None:
        async def put_all() -> None:
            turn = asyncio.Semaphore(AT_ONCE)
            async with asyncio.TaskGroup() as tasks:
                for name, data in objects.items():
                    tasks.create_task(put_one(turn, name, data))

        async def put_one(turn: asyncio.Semaphore, name: str, data: bytes) -> None:
            async with turn:
                await obstore.put_async(self._bucket, name, data, attributes=attributes)

        import obstore

        attributes: Any = {"Content-Type": "application/octet-stream", "Cache-Control": _ETERNAL}
        with _of_the_bucket():
            try:
                asyncio.run(put_all())
            except BaseExceptionGroup as failed:  # the others of it were only cancelled, or say the same
                raise failed.exceptions[0] from failed

    def replace_checkpoint(self, note: bytes, before: KeptCheckpoint | None) -> None:
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        attributes: Any = {"Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-store"}
        mode: Any = "create" if before is None else {"e_tag": before.version}
        with _of_the_bucket():
            try:
                obstore.put(self._bucket, CHECKPOINT, note, attributes=attributes, mode=mode)
            except (AlreadyExistsError, PreconditionError) as error:
                raise _overtaken() from error

    def forget(self, folders: Iterable[str]) -> None:
        import obstore

        with _of_the_bucket():
            for folder in folders:
                for page in obstore.list(self._bucket, prefix=folder):
                    obstore.delete(self._bucket, [listed["path"] for listed in page])


def public_store_of(settings: Settings) -> PublicStore | None:
    """Return the store of the settings, or None if they name none.

    Raises SecretRefused, and MalformedInput for settings that do not go together.
    """
    if settings.tile_store is None:
        return None
    where = urlsplit(settings.tile_store)
    if where.scheme == "file":
        folder = Path(unquote(where.path))
        # At its start the service takes everything there from others.
        if folder.resolve().is_relative_to(settings.data_dir.resolve()):
            raise MalformedInput(
                "{folder} is in the data directory, which nobody else may read",
                folder=folder,
                field="tile_store",
                hint="Name a folder elsewhere, which a web server may read.",
            )
        return FolderStore(folder)
    from obstore.exceptions import BaseError
    from obstore.store import S3Store

    secret = settings.tile_store_password()
    if (settings.tile_store_key_id is None) != (secret is None):
        raise MalformedInput(
            "expected a key id and its secret, or neither",
            field="tile_store_key_id",
            hint="Set tile_store_key_id and tile_store_secret_file, as the storage gave them to you.",
        )
    options: dict[str, Any] = {"endpoint": settings.tile_store_endpoint, "access_key_id": settings.tile_store_key_id}
    options |= {"secret_access_key": secret, "prefix": where.path.strip("/"), "region": settings.tile_store_region}
    options = {name: value for name, value in options.items() if value}
    client: Any = {"allow_http": True, "timeout": ANSWER_WITHIN}
    if settings.tile_store_roots is not None:
        client["root_certificate"] = _certificates(settings.tile_store_roots)
    retried: Any = {"max_retries": RETRIES, "retry_timeout": RETRIED_WITHIN}
    try:
        bucket = S3Store(
            where.netloc, **options, virtual_hosted_style_request=False, client_options=client, retry_config=retried
        )
    except (BaseError, ValueError) as error:
        raise MalformedInput(
            "the public store cannot be opened with these settings: {error}",
            error=str(error).partition("\n")[0],
            field="tile_store",
            hint="docs/operations.md, A public store, shows what goes together.",
        ) from error
    return BucketStore(bucket)


def _certificates(file: Path) -> bytes:
    try:
        certificates = file.read_bytes()
        load_pem_x509_certificates(certificates)
    except (OSError, ValueError) as error:
        raise MalformedInput(
            "expected a PEM file with the root certificate of the public store: {error}",
            error=error,
            field="tile_store_roots",
            hint="Get it from whoever runs the storage; leave the setting out if a public authority signed it.",
        ) from error
    return certificates


def _overtaken() -> Conflict:
    return Conflict("another process has written the checkpoint of the public store", code="store_overtaken")


@contextmanager
def _of_the_disk() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _unavailable(Message("the folder of the public store cannot be written"), error) from error


@contextmanager
def _of_the_bucket() -> Iterator[None]:
    """Raise what the storage says as our errors; its own words go to the operator alone."""
    from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError

    try:
        yield
    except (PermissionDeniedError, UnauthenticatedError) as error:
        raise _unavailable(Message("the public store refuses the key"), error) from error
    except FileNotFoundError as error:
        raise _unavailable(Message("the public store has no such bucket"), error) from error
    except (BaseError, NotImplementedError, OSError, ValueError) as error:
        raise _unavailable(Message("the public store does not answer as it should"), error) from error


def _unavailable(text: Message, error: Exception) -> Unavailable:
    refusal = Unavailable(
        text, code="store_unavailable", hint="It is tried again by itself. The service's log has the store's own words."
    )
    refusal.add_note(str(error).partition("\n")[0])
    return refusal
