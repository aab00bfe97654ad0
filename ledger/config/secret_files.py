"""Files that only their owner may read: keys, passphrases, tokens, unsent events, and data directories.

A secret is replaced atomically, and is durable when its writer returns.
"""

from __future__ import annotations

import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ledger.core.errors import MalformedInput, TallystickError
from ledger.core.messages import Message

OWNER_ONLY = 0o600
OWNER_ONLY_FOLDER = 0o700
OWNER_ONLY_UMASK = 0o077
KEY_BYTES = 32
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class SecretRefused(TallystickError):
    """A file that cannot be used as a secret: absent, in the way, or open to others."""

    code = "secret_refused"


def read_secret(path: Path, *, field: str) -> bytes:
    """Return the bytes of a file of mode 0600 or stricter. Raises SecretRefused, naming ``field``."""
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & _OTHERS:
                raise SecretRefused(
                    "others may read {path}: its mode is {mode:04o}, expected 0600",
                    path=path,
                    mode=mode,
                    field=field,
                    hint=Message("Make it yours alone, and think about what it gave away: chmod 600 {path}", path=path),
                )
            return file.read()
    except FileNotFoundError as error:
        raise SecretRefused("there is no file {path}", path=path, field=field) from error
    except OSError as error:
        raise SecretRefused("{path} cannot be read: {error.strerror}", path=path, error=error, field=field) from error


def read_key(path: Path, *, field: str) -> bytes:
    """Return the 32 bytes that a file of mode 0600 or stricter spells in hex.

    Raises SecretRefused or MalformedInput.
    """
    try:
        key = bytes.fromhex(read_secret(path, field=field).decode("ascii").strip())
    except ValueError as error:
        raise MalformedInput("expected 64 hex digits in {path}", path=path, field=field) from error
    if len(key) != KEY_BYTES:
        raise MalformedInput("expected {length} hex digits in {path}", length=2 * KEY_BYTES, path=path, field=field)
    return key


def write_secret(path: Path, data: bytes, *, field: str, replace: bool = False) -> None:
    """Write ``path`` with mode 0600, in a folder that is created with mode 0700 if missing.

    Raises SecretRefused, with nothing changed, if the file exists and ``replace`` is not set.
    """
    try:
        make_private_folder(path.parent)
        fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY), "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            if replace:
                fresh.replace(path)
            else:
                path.hardlink_to(fresh)
        finally:
            fresh.unlink(missing_ok=True)
        sync_folder(path.parent)
    except FileExistsError as error:
        raise SecretRefused(
            "{path} is there already",
            path=path,
            field=field,
            hint="Choose another name; what is secret is not overwritten.",
        ) from error
    except OSError as error:
        raise SecretRefused(
            "{path} cannot be written: {error.strerror}", path=path, error=error, field=field
        ) from error


def replace_file(path: Path, data: bytes) -> None:
    """Put ``data`` in the place of a file that is no secret: readers, and a power cut, leave the old or the new one."""
    fresh = path.with_name(f"{path.name}.new")
    with fresh.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    if path.exists():
        shutil.copymode(path, fresh)
    fresh.replace(path)
    sync_folder(path.parent)


def make_private_folder(path: Path) -> None:
    """Create a folder of mode 0700 if it is missing, and the missing ones above it likewise."""
    for folder in (*reversed(path.parents), path):  # mkdir(parents=True) gives the mode to the last one only
        if not folder.is_dir():
            folder.mkdir(mode=OWNER_ONLY_FOLDER, exist_ok=True)


def open_to_others(folder: Path) -> Iterator[Path]:
    """Yield the folder and each path in it that gives group or others any permission.

    A link counts as its target, but folders behind links are not entered.
    """
    for path in (folder, *sorted(folder.rglob("*"))):
        try:
            mode = path.stat().st_mode
        except FileNotFoundError:  # a link into nowhere, or a file that is gone by now
            continue
        if mode & _OTHERS:
            yield path


def make_private(folder: Path, *, keys: Path) -> list[Path]:
    """Take all permissions of group and others from a data directory, and return the paths that had some.

    Files in ``keys`` are left as they are: ``read_secret`` refuses one that others could read, since they may have read
    it. Raises SecretRefused if something belongs to another user, who could open it again.
    """
    repaired = [path for path in open_to_others(folder) if path.is_dir() or keys not in path.parents]
    for path in repaired:
        try:
            path.chmod(stat.S_IMODE(path.stat().st_mode) & ~_OTHERS)
        except OSError as error:
            raise SecretRefused(
                "others may use {path}, and it cannot be made private: {error.strerror}",
                path=path,
                error=error,
                field="data_dir",
                hint=Message(
                    "Make everything in {folder} belong to the user who runs this, with mode 0700 and 0600.",
                    folder=folder,
                ),
            ) from error
    return repaired


@contextmanager
def private_umask() -> Iterator[None]:
    """Make every new file of this process and its children private until the block is left."""
    before = os.umask(OWNER_ONLY_UMASK)
    try:
        yield
    finally:
        os.umask(before)


def sync_folder(path: Path) -> None:
    """Make the folder's directory entries durable."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
