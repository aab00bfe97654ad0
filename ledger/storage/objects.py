"""Storages that settings name: ``file:///FOLDER`` or ``s3://BUCKET/PREFIX``, and objects in them by their names.

The public store and the evidence store are each told where to write by settings that begin alike: ``tile_store``,
``evidence_store`` and ``backup_store``. What is written is durable when the call returns.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import shutil
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol
from urllib.parse import unquote, urlsplit

from cryptography.x509 import load_pem_x509_certificates
from msgspec import Struct

from ledger.config.secret_files import sync_folder
from ledger.config.settings import Settings
from ledger.core.errors import Conflict, IntegrityBroken, MalformedInput, Unavailable
from ledger.core.messages import Message

if TYPE_CHECKING:
    from obstore.store import S3Store

STAGED = ".new"  # ends the name of a file that is being written
ANSWER_WITHIN = timedelta(seconds=10)
RETRIED_WITHIN = timedelta(seconds=20)
RETRIES = 2
LOCK_TRIED_EVERY_S = 0.05
LEAST_ROOM = 64 * 1024**2  # bytes that a disk must have left for a store in one of its folders
AT_ONCE = 1000  # objects that are deleted with one request
PRIVATE_FILE, PRIVATE_FOLDER = 0o600, 0o700
PUBLIC_FILE, PUBLIC_FOLDER = 0o644, 0o755  # what is public is read by a web server under another user

StorageSetting = Literal["tile_store", "evidence_store", "backup_store"]
# What people call the storage that a setting names, and the heading under which docs/operations.md tells of it.
NAMES = {
    "tile_store": Message("public store"),
    "evidence_store": Message("evidence store"),
    "backup_store": Message("place of backups"),
}
_TOLD_AT = {
    "tile_store": Message("docs/operations.md, A public store, shows what goes together."),
    "evidence_store": Message("docs/operations/evidence-store.md shows what goes together."),
    "backup_store": Message("docs/operations/backup.md shows what goes together."),
}


class StoredObject(NamedTuple):
    """An object that a storage lists: its name, its size in bytes, and when it was written (unix seconds)."""

    name: str
    size: int
    written_at: float


class Objects(Protocol):
    """Objects by their names. Every method raises Unavailable if the storage does not do it."""

    def create(self, name: str, data: bytes) -> None:
        """Write an object. Raises Conflict if there is one of this name, which stays as it is."""

    def put(self, name: str, data: bytes) -> None:
        """Write an object, in the place of one that may be there."""

    def read(self, name: str, most: int) -> bytes | None:
        """Return an object, or None if there is none.

        Raises IntegrityBroken (object_changed) before a byte is read if it has more than ``most`` bytes.
        """

    def list(self, folder: str) -> Iterator[StoredObject]:
        """Yield the objects below a folder, in no order, with those that ``STAGED`` ends: they are being written.

        A writer that was killed leaves such an object in a folder; in a bucket there is none.
        """

    def forget(self, folder: str) -> None:
        """Delete every object below a folder."""

    def delete(self, names: Iterable[str]) -> None:
        """Delete objects, which need not be there."""

    def require_room(self) -> None:
        """Require room for another object, where that can be looked up without writing one."""


class FolderObjects:
    """Objects as files below a folder, which nobody else may read unless it ``is_public``.

    ``is_made`` says that the folder is made for the first object; else it must be there, as a disk that is mounted.
    """

    def __init__(
        self,
        folder: Path,
        name: Message = NAMES["evidence_store"],
        *,
        is_made: bool = False,
        is_public: bool = False,
    ):
        self._folder = folder
        self._name = name
        self._is_made = is_made
        self._modes = (PUBLIC_FILE, PUBLIC_FOLDER) if is_public else (PRIVATE_FILE, PRIVATE_FOLDER)

    def create(self, name: str, data: bytes) -> None:
        with disk_errors(self._name), self._staged(name, data) as (staged, file):
            try:
                os.link(staged, file)
            except FileExistsError as error:
                raise _taken(name) from error

    def put(self, name: str, data: bytes) -> None:
        with disk_errors(self._name), self._staged(name, data) as (staged, file):
            staged.replace(file)

    @contextmanager
    def _staged(self, name: str, data: bytes) -> Iterator[tuple[Path, Path]]:
        """Yield a file with the data and the one that it is to become; that is durable once the block is left."""
        if not self._is_made:
            self._require_folder()
        file = self._folder / name
        file_mode, folder_mode = self._modes
        make_folders(file.parent, folder_mode)
        # Others may write the same object at the same time, and nobody knows the name in advance.
        staged = file.with_name(f"{file.name}.{secrets.token_hex(8)}{STAGED}")
        try:
            write_file(staged, data, file_mode)
            yield staged, file
        finally:
            staged.unlink(missing_ok=True)
        sync_folder(file.parent)

    def read(self, name: str, most: int) -> bytes | None:
        with disk_errors(self._name):
            self._require_folder()
            return read_file(self._folder / name, name, most)

    def list(self, folder: str) -> Iterator[StoredObject]:
        with disk_errors(self._name):
            for parent, _, names in os.walk(self._folder / folder, onerror=_raise_unless_gone):
                for path in (Path(parent) / name for name in names):
                    try:
                        status = path.lstat()
                    except FileNotFoundError:  # an upload has just ended, or was discarded
                        continue
                    if stat.S_ISREG(status.st_mode):
                        yield StoredObject(path.relative_to(self._folder).as_posix(), status.st_size, status.st_mtime)

    def forget(self, folder: str) -> None:
        with disk_errors(self._name):
            self._require_folder()
            if (gone := self._folder / folder).exists():
                shutil.rmtree(gone)
                sync_folder(gone.parent)

    def delete(self, names: Iterable[str]) -> None:
        with disk_errors(self._name):
            for name in names:
                (self._folder / name).unlink(missing_ok=True)

    def require_room(self) -> None:
        with disk_errors(self._name):
            free = shutil.disk_usage(next(each for each in (self._folder, *self._folder.parents) if each.exists())).free
        if free < LEAST_ROOM:
            raise Unavailable(
                "the disk of the {storage} is full: {free} bytes are left",
                storage=self._name,
                free=free,
                code="store_unavailable",
                hint="Make room on it: what is to be kept there is refused until then.",
            )

    def _require_folder(self) -> None:
        """Tell a folder that is empty from one that is not there. Raises FileNotFoundError."""
        self._folder.stat()


class BucketObjects:
    """Objects of a bucket."""

    def __init__(self, bucket: S3Store, name: Message = NAMES["evidence_store"]):
        self._bucket = bucket
        self._name = name

    def create(self, name: str, data: bytes) -> None:
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        with bucket_errors(self._name):
            try:
                obstore.put(self._bucket, name, data, mode="create", use_multipart=False)
            except (AlreadyExistsError, PreconditionError) as error:
                raise _taken(name) from error

    def put(self, name: str, data: bytes) -> None:
        import obstore

        with bucket_errors(self._name):
            obstore.put(self._bucket, name, data)

    def read(self, name: str, most: int) -> bytes | None:
        tagged = self.read_tagged(name, most)
        return None if tagged is None else tagged[0]

    def read_tagged(self, name: str, most: int) -> tuple[bytes, str] | None:
        """Return an object, as ``read``, with the tag by which the storage tells it from another version of it."""
        import obstore

        with bucket_errors(self._name):
            try:
                answer = obstore.get(self._bucket, name)  # its head: the bytes are not read yet
                if answer.meta["size"] > most:
                    raise changed_object(name)
                return bytes(answer.bytes()), answer.meta["e_tag"] or ""
            except FileNotFoundError as error:
                if "NoSuchBucket" in str(error):  # a bucket that is not there is no empty one
                    raise
                return None

    def list(self, folder: str) -> Iterator[StoredObject]:
        import obstore

        with bucket_errors(self._name):
            for page in obstore.list(self._bucket, prefix=folder):
                for listed in page:
                    yield StoredObject(listed["path"], listed["size"], listed["last_modified"].timestamp())

    def forget(self, folder: str) -> None:
        import obstore

        with bucket_errors(self._name):
            for page in obstore.list(self._bucket, prefix=folder):
                obstore.delete(self._bucket, [listed["path"] for listed in page])

    def delete(self, names: Iterable[str]) -> None:
        import obstore

        left = iter(names)
        with bucket_errors(self._name):
            while some := list(islice(left, AT_ONCE)):
                obstore.delete(self._bucket, some)

    def require_room(self) -> None:
        pass  # a bucket does not say


class StorageAddress(Struct, frozen=True):
    """A storage as the settings that begin with ``setting`` name it."""

    setting: StorageSetting
    url: str
    endpoint: str | None = None
    region: str | None = None
    key_id: str | None = None
    secret: str | None = None
    roots: Path | None = None

    @property
    def name(self) -> Message:
        """Return what people call it."""
        return NAMES[self.setting]

    @property
    def folder(self) -> Path | None:
        """Return the folder, or None for a bucket."""
        where = urlsplit(self.url)
        return Path(unquote(where.path)) if where.scheme == "file" else None

    def bucket(self) -> S3Store:
        """Open the bucket, below its prefix. Raises MalformedInput for settings that do not go together."""
        from obstore.exceptions import BaseError
        from obstore.store import S3Store

        where = urlsplit(self.url)
        if (self.key_id is None) != (self.secret is None):
            raise MalformedInput(
                "expected a key id and its secret, or neither",
                field=f"{self.setting}_key_id",
                hint=Message(
                    "Set {setting}_key_id and {setting}_secret_file, as the storage gave them to you.",
                    setting=self.setting,
                ),
            )
        options: dict[str, Any] = {"endpoint": self.endpoint, "access_key_id": self.key_id}
        options |= {"secret_access_key": self.secret, "prefix": where.path.strip("/"), "region": self.region}
        options = {name: value for name, value in options.items() if value}
        client: Any = {"allow_http": True, "timeout": ANSWER_WITHIN}
        if self.roots is not None:
            client["root_certificate"] = self._certificates(self.roots)
        retried: Any = {"max_retries": RETRIES, "retry_timeout": RETRIED_WITHIN}
        try:
            return S3Store(
                where.netloc, **options, virtual_hosted_style_request=False, client_options=client, retry_config=retried
            )
        except (BaseError, ValueError) as error:
            raise MalformedInput(
                "the {storage} cannot be opened with these settings: {error}",
                storage=self.name,
                error=str(error).partition("\n")[0],
                field=self.setting,
                hint=_TOLD_AT[self.setting],
            ) from error

    def _certificates(self, file: Path) -> bytes:
        try:
            certificates = file.read_bytes()
            load_pem_x509_certificates(certificates)
        except (OSError, ValueError) as error:
            raise MalformedInput(
                "expected a PEM file with the root certificate of the {storage}: {error}",
                storage=self.name,
                error=error,
                field=f"{self.setting}_roots",
                hint="Get it from whoever runs the storage; leave the setting out if a public authority signed it.",
            ) from error
        return certificates


def storage_of(settings: Settings, setting: StorageSetting) -> StorageAddress | None:
    """Return the storage that the settings name, or None if they name none.

    Raises SecretRefused, and MalformedInput for a folder within the data directory.
    """
    url: str | None = getattr(settings, setting)
    if url is None:
        return None
    parts = {part: getattr(settings, f"{setting}_{part}") for part in ("endpoint", "region", "key_id", "roots")}
    address = StorageAddress(setting, url, secret=settings.storage_secret(setting), **parts)
    # At its start the service takes everything there from others, and whoever saves that directory saves all of it.
    if address.folder is not None and address.folder.resolve().is_relative_to(settings.data_dir.resolve()):
        raise MalformedInput(
            "{folder} is in the data directory, where the {storage} cannot be",
            folder=address.folder,
            storage=address.name,
            field=setting,
            hint="Name a folder elsewhere.",
        )
    return address


def objects_at(address: StorageAddress) -> Objects:
    """Return the objects of a storage. Raises MalformedInput for settings that do not go together."""
    if address.folder is not None:
        return FolderObjects(address.folder, address.name, is_made=address.setting == "backup_store")
    return BucketObjects(address.bucket(), address.name)


def _raise_unless_gone(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


def read_file(file: Path, name: str, most: int) -> bytes | None:
    """Return the bytes of a file, or None if there is none.

    Raises IntegrityBroken (object_changed) for a link, what is no file, and a file of more than ``most`` bytes.
    """
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise changed_object(name) from error
        raise
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > most:
            raise changed_object(name)
        with os.fdopen(descriptor, "rb", closefd=False) as opened:
            return opened.read(most)
    finally:
        os.close(descriptor)


def write_file(file: Path, data: bytes, mode: int) -> None:
    """Write a file of this mode and make its bytes durable; its name is durable once its folder is synced."""
    with file.open("wb") as opened:
        os.fchmod(opened.fileno(), mode)
        opened.write(data)
        opened.flush()
        os.fsync(opened.fileno())


def make_folders(folder: Path, mode: int) -> None:
    """Make a folder with those above it that are missing, each durable and of this mode."""
    if not folder.is_dir():
        make_folders(folder.parent, mode)
        folder.mkdir(exist_ok=True)
        folder.chmod(mode)
        sync_folder(folder.parent)


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Hold the lock on a file until the block is left. Raises TimeoutError if another process keeps it."""
    lock = os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, PRIVATE_FILE)
    until = time.monotonic() + ANSWER_WITHIN.total_seconds()
    try:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() > until:
                    raise TimeoutError(errno.ETIMEDOUT, "another process keeps the lock", str(file)) from error
                time.sleep(LOCK_TRIED_EVERY_S)
        yield
    finally:
        os.close(lock)


@contextmanager
def disk_errors(storage: Message) -> Iterator[None]:
    """Raise errors of the disk within the block as Unavailable."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            hint = Message("What is smaller may still fit. Its operator makes room, or puts it on a larger disk.")
            raise _unavailable(Message("the {storage} is full", storage=storage), error, hint) from error
        raise _unavailable(Message("the folder of the {storage} does not work", storage=storage), error) from error


@contextmanager
def bucket_errors(storage: Message) -> Iterator[None]:
    """Raise errors of a bucket within the block as Unavailable; its own words go to the operator alone."""
    from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError

    try:
        yield
    except (PermissionDeniedError, UnauthenticatedError) as error:
        raise _unavailable(Message("the {storage} refuses the key", storage=storage), error) from error
    except (BaseError, NotImplementedError, OSError, ValueError) as error:
        if isinstance(error, FileNotFoundError) or "NoSuchBucket" in str(error):  # where it is listed
            hint = Message("Make the bucket at the storage, or name the one that there is.")
            raise _unavailable(Message("the {storage} has no such bucket", storage=storage), error, hint) from error
        raise _unavailable(Message("the {storage} does not answer as it should", storage=storage), error) from error


def _unavailable(text: Message, error: Exception, hint: Message | None = None) -> Unavailable:
    later = "Try again later; what the service itself does there it tries again. Its log has the storage's own words."
    refusal = Unavailable(text, code="store_unavailable", hint=hint or later)
    refusal.add_note(str(error).partition("\n")[0])
    return refusal


def changed_object(name: str) -> IntegrityBroken:
    """Return the refusal of an object that somebody else has written."""
    return IntegrityBroken(
        "the object {name} is larger than what was written, or no file",
        name=name,
        code="object_changed",
        hint="Find out who can write to the storage.",
    )


def _taken(name: str) -> Conflict:
    return Conflict("there is an object {name} already", name=name, code="object_taken")
