"""Files that only their owner may read: keys, passphrases, tokens, what waits to be sent.

A file is written whole or not at all, and is durable when its writer returns.
"""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from ledger.core.errors import TallystickError

OWNER_ONLY = 0o600
OWNER_ONLY_FOLDER = 0o700
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class SecretRefused(TallystickError):
    """A file that cannot be used as a secret: absent, in the way, or open to others."""

    code = "secret_refused"


def read_secret(path: Path, *, field: str) -> bytes:
    """The bytes of a file of mode 0600 or stricter; ``field`` is what to blame. Raises SecretRefused."""
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & _OTHERS:
                raise SecretRefused(
                    f"others may read {path}: its mode is {mode:04o}, expected 0600",
                    field=field,
                    hint=f"Make it yours alone, and think about what it gave away: chmod 600 {path}",
                )
            return file.read()
    except FileNotFoundError as error:
        raise SecretRefused(f"there is no file {path}", field=field) from error
    except OSError as error:
        raise SecretRefused(f"{path} cannot be read: {error.strerror}", field=field) from error


def write_secret(path: Path, data: bytes, *, field: str, replace: bool = False) -> None:
    """Writes ``path`` with mode 0600, in a folder that is made with mode 0700 where there is none.

    Raises SecretRefused, with nothing changed, where the file is there already and ``replace`` is not set.
    """
    try:
        path.parent.mkdir(mode=OWNER_ONLY_FOLDER, parents=True, exist_ok=True)
        fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            _write_durably(fresh, data)
            if replace:
                fresh.replace(path)
            else:
                path.hardlink_to(fresh)
        finally:
            fresh.unlink(missing_ok=True)
        sync_folder(path.parent)
    except FileExistsError as error:
        raise SecretRefused(
            f"{path} is there already", field=field, hint="Choose another name; what is secret is not overwritten."
        ) from error
    except OSError as error:
        raise SecretRefused(f"{path} cannot be written: {error.strerror}", field=field) from error


def _write_durably(path: Path, data: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    """Makes durable which names the folder has."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
