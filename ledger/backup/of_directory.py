"""The backups of a data directory: where they are, which files they have, its own key, and what it remembers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path

import msgspec
from dotenv.parser import parse_stream
from msgspec import Struct
from msgspec.structs import replace

from ledger.backup.chunks import new_identity, public_of
from ledger.config.installation import DataDirectory
from ledger.config.secret_files import read_secret, write_secret
from ledger.config.settings import Settings
from ledger.core.encoding.decoding import decode_json
from ledger.core.errors import MalformedInput
from ledger.storage.objects import Objects, objects_at, storage_of

# What is not in the database and is not made again. Keys are kept apart: with them a backup would be all that a thief
# needs.
FILES = ("installation.json", "trust.json", "witnesses.toml", "witness.policy", "settings.env", "sample.json")
FOLDERS = ("procedures",)
SETTINGS = "settings.env"
_OF_MACHINE = ("TALLYSTICK_DATABASE_URL", "TALLYSTICK_DATA_DIR")
# What the old service writes to, and reads: a restore that is tried must send no mail, delete nothing from its stores,
# add no generation to its backups, and read no standby of its database.
_OF_OLD_SERVICE = tuple(
    f"TALLYSTICK_{name}" for name in ("REPLICA_URLS", "TILE_STORE", "EVIDENCE_STORE", "BACKUP_STORE", "SMTP_", "MAIL_")
)


def place_of(settings: Settings) -> Objects:
    """Return the place of backups that the settings name. Raises MalformedInput, SecretRefused."""
    address = storage_of(settings, "backup_store")
    if address is None:
        raise MalformedInput(
            "expected the place of backups",
            field="backup_store",
            hint="Name a folder or s3://BUCKET/PREFIX, by --from or --to.",
        )
    return objects_at(address)


def url_of(where: str) -> str:
    """Return a place that was typed as settings name it: a path is one of a folder."""
    return where if "://" in where else Path(where).absolute().as_uri()


class LastBackup(Struct, frozen=True):
    """The last generation that was made from here at a place: number, digest, and when (unix seconds).

    ``failed`` is when a run ended in a fault since, None if none has. The number is 0 while none was made.
    """

    number: int
    digest: str
    made_at: int
    failed: int | None = None


def files_of(where: DataDirectory) -> dict[str, Path]:
    """Return the files that a backup has, by their paths below the data directory."""
    return {path.relative_to(where.path).as_posix(): path for path in _paths(where.path)}


def _paths(folder: Path) -> Iterator[Path]:
    for name in FILES:
        if (folder / name).is_file():
            yield folder / name
    for name in FOLDERS:
        if (folder / name).is_dir():
            yield from sorted(path for path in (folder / name).rglob("*") if path.is_file() and path.name[0] != ".")


def machine_key(where: DataDirectory) -> str:
    """Return the secret key by which this machine reads its own manifests; make it at first."""
    if not where.backup_key.exists():
        write_secret(where.backup_key, new_identity()[0].encode() + b"\n", field="backup_key")
    return read_identity(where.backup_key)


def read_identity(path: Path) -> str:
    """Return the secret key in a file of mode 0600. Raises SecretRefused, MalformedInput."""
    lines = read_secret(path, field="identity").decode(errors="replace").splitlines()
    identity = next((line.strip() for line in lines if line.startswith("AGE-SECRET-KEY-")), "")
    public_of(identity)
    return identity


def write_identity(path: Path) -> str:
    """Write a new secret key to a file, as age and its tools read it, and return the public one."""
    secret, public = new_identity()
    write_secret(path, f"# public key: {public}\n{secret}\n".encode(), field="file")
    return public


def last_backups(where: DataDirectory) -> dict[str, LastBackup]:
    """Return what the data directory remembers, by place; nothing if it has no record. Raises MalformedInput."""
    try:
        return decode_json(where.backups.read_bytes(), dict[str, LastBackup])
    except FileNotFoundError:
        return {}
    except msgspec.DecodeError as error:
        raise MalformedInput(
            "{path} is not what was written", path=where.backups, field="data_dir", hint="Remove it: it is a memory."
        ) from error


def remember(where: DataDirectory, place: str, last: LastBackup) -> None:
    """Remember the last generation that was made at a place."""
    data = msgspec.json.format(msgspec.json.encode(last_backups(where) | {place: last}), indent=2)
    write_secret(where.backups, data + b"\n", field="data_dir", replace=True)


@contextmanager
def remembering_failure(where: DataDirectory, place: str | None, now: Callable[[], int]) -> Iterator[None]:
    """Remember when the block ends in a fault, beside the last generation that was made at the place, if one is named.

    ``now`` gives unix seconds. A run that is killed leaves no trace but the age of that generation.
    """
    try:
        yield
    except BaseException:
        if place is not None:
            last = last_backups(where).get(place, LastBackup(0, "", 0))
            remember(where, place, replace(last, failed=now()))
        raise


def settle(folder: Path, database_url: str | None) -> tuple[str, ...]:
    """Let restored settings name the restored database, and no other.

    Those that name stores and mail of the old service become comments. Returns their names.
    """
    path = folder / SETTINGS
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    kept: list[str] = []
    set_aside: list[str] = []
    for binding in parse_stream(StringIO(text)):
        name, line = (binding.key or "").upper(), binding.original.string
        if name in _OF_MACHINE:
            continue
        if name.startswith(_OF_OLD_SERVICE):
            set_aside.append(name)
            line = "".join(f"# {part}\n" for part in line.splitlines())
        kept.append(line if line.endswith("\n") else f"{line}\n")
    if database_url is not None:
        quoted = database_url.replace("\\", "\\\\").replace("'", "\\'")
        kept.append(f"TALLYSTICK_DATABASE_URL='{quoted}'\n")
    if "".join(kept) != text:
        write_secret(path, "".join(kept).encode(), field="data_dir", replace=True)
    return tuple(set_aside)
