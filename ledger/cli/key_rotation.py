"""New keys for a service in the place of those it has: the old ones stay beside, and open with the same passphrase.

A new key waits as ``<name>-next`` until it takes the old one's place in one step: cut short, the same command goes on.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from ledger.config import installation as installations
from ledger.config.installation import DataDirectory, Installation
from ledger.config.keys import create_keystore, create_note_key, keystore_key_id, note_key, open_keystore, open_note_key
from ledger.config.secret_files import sync_folder
from ledger.core.errors import Conflict, TallystickError
from ledger.core.log.notes import parse_vkey
from ledger.core.signing.authority import EarlierServiceKey
from ledger.core.verification.trust import MAX_EARLIER, LogKeyLine


class RotatedKey(NamedTuple):
    """The new key as it is named to others, the one before it, and where that one is kept."""

    key: str
    before: str
    kept: Path


@dataclass(frozen=True)
class Rotation:
    """What a rotation works on, its service being stopped: the log has ``size`` entries.

    ``lost`` says that old keys need not open; else KeyRefused is raised, with nothing changed, for one that does not.
    """

    where: DataDirectory
    installation: Installation
    size: int
    passphrase: str
    lost: bool = False
    light: bool = False

    def log(self) -> RotatedKey:
        """Make another key of the log, which signs trees larger than ``size``."""
        keys = self.where.keys
        old, following = keys.note_key("log"), keys.note_key("log-next")
        if not self.lost:
            open_note_key(old, self.passphrase)
        earlier = self.installation.earlier_log_keys
        if _named_by(following, _vkey) != self.installation.log_key:
            _require_room(earlier)  # before anything is written
        if not following.exists():
            create_note_key(following, self.installation.origin, self.passphrase, light=self.light)
        key = open_note_key(following, self.passphrase).verifying_key.vkey()
        if self.installation.log_key != key:
            # The old key may have signed a tree of this size.
            until = max([self.size, *(key_line.until for key_line in earlier)])
            earlier = (*earlier, LogKeyLine(self.installation.log_key, until))
            self._write(replace(self.installation, log_key=key, earlier_log_keys=earlier))
        before = _named_by(old, _vkey) or (
            self.installation.log_key if self.installation.log_key != key else earlier[-1].key
        )
        kept = keys.note_key(f"log-{parse_vkey(before).key_id.hex()}")
        replace_key(old, following, kept)
        return RotatedKey(key, before, kept)

    def service(self) -> RotatedKey:
        """Make another key for the ledger's own entries, from ``size`` on."""
        earlier = self.installation.earlier_service_keys
        has_signed = not earlier or earlier[-1].until < self.size
        if (
            has_signed
            and _named_by(self.where.keys.keystore("service-next"), keystore_key_id) != self.installation.service_key_id
        ):
            _require_room(earlier)  # before anything is written
        key = self._new_keystore("service")
        if self.installation.service_key_id != key:
            if has_signed:
                earlier = (*earlier, EarlierServiceKey(self.installation.service_key_id, self.size))
            self._write(replace(self.installation, service_key_id=key, earlier_service_keys=earlier))
        before = self.installation.service_key_id if self.installation.service_key_id != key else earlier[-1].key_id
        return self._replaced("service", before, key)

    def submitter(self) -> RotatedKey:
        """Make another account for what the service sends to the chain."""
        return self._replaced("submitter", self.installation.submitter, self._new_keystore("submitter"))

    def _new_keystore(self, name: str) -> str:
        """Make or resume the keystore that waits to replace the key ``name``, and return the id of its key.

        Unless it is lost, the old key must open.
        """
        keys = self.where.keys
        following = keys.keystore(f"{name}-next")
        if not self.lost:
            open_keystore(keys.keystore(name), self.passphrase)
        if not following.exists():
            create_keystore(following, self.passphrase, light=self.light)
        return open_keystore(following, self.passphrase).key_id

    def _replaced(self, name: str, named: str, key: str) -> RotatedKey:
        """Put the new key in its place; the old one is what its file says, or ``named`` where that is gone."""
        keys = self.where.keys
        before = _named_by(keys.keystore(name), keystore_key_id) or named
        kept = keys.keystore(f"{name}-{before[2:10]}")
        replace_key(keys.keystore(name), keys.keystore(f"{name}-next"), kept)
        return RotatedKey(key, before, kept)

    def _write(self, installation: Installation) -> None:
        installations.write(self.where, installation, replace=True)


def _require_room(earlier: Sequence[LogKeyLine | EarlierServiceKey]) -> None:
    """Check that a trust file has room for another earlier key. Raises Conflict if not."""
    if len(earlier) == MAX_EARLIER:
        raise Conflict(f"a trust file names at most {MAX_EARLIER} keys of before", field="NAME")


def _named_by(file: Path, key_of: Callable[[Path], str]) -> str | None:
    """Return the key that a file names, or None if the file is missing or damaged."""
    try:
        return key_of(file)
    except TallystickError:
        return None


def _vkey(file: Path) -> str:
    return note_key(file).vkey()


def replace_key(old: Path, following: Path, kept: Path) -> None:
    """Put the file ``following`` in the place of ``old``, which stays as ``kept`` if there is one."""
    with suppress(FileExistsError, FileNotFoundError):
        os.link(old, kept)
    following.replace(old)
    sync_folder(old.parent)
