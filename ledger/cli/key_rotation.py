"""New keys for a service in the place of those it has: the old ones stay beside, and open with the same passphrase.

A new key waits as ``<name>-next`` until it takes the old one's place in one step: cut short, the same command goes on.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from ledger import installation as installations
from ledger.core.authority import EarlierServiceKey
from ledger.core.note import parse_vkey
from ledger.core.trust import LogKeyLine
from ledger.installation import DataDirectory, Installation
from ledger.keys import create_keystore, create_note_key, keystore_key_id, open_keystore, open_note_key
from ledger.secret_files import sync_folder


class Rotated(NamedTuple):
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
    made: Installation
    size: int
    passphrase: str
    lost: bool = False
    light: bool = False

    def log(self) -> Rotated:
        """Make another key of the log, which signs trees larger than ``size``."""
        keys = self.where.keys
        old, following = keys.note_key("log"), keys.note_key("log-next")
        before = parse_vkey(self.made.log_key) if self.lost else open_note_key(old, self.passphrase).verifying_key
        if not following.exists():
            create_note_key(following, self.made.origin, self.passphrase, light=self.light)
        key = open_note_key(following, self.passphrase).verifying_key.vkey()
        if self.made.log_key != key:
            earlier = self.made.earlier_log_keys
            if not earlier or earlier[-1].until < self.size:
                earlier = (*earlier, LogKeyLine(before.vkey(), self.size))
            self._write(replace(self.made, log_key=key, earlier_log_keys=earlier))
        kept = keys.note_key(f"log-{before.key_id.hex()}")
        replace_key(old, following, kept)
        return Rotated(key, before.vkey(), kept)

    def service(self) -> Rotated:
        """Make another key for the ledger's own entries, from ``size`` on."""
        before, key = self._new_keystore("service", self.made.service_key_id)
        if self.made.service_key_id != key:
            earlier = self.made.earlier_service_keys
            if not earlier or earlier[-1].until < self.size:
                earlier = (*earlier, EarlierServiceKey(before, self.size))
            self._write(replace(self.made, service_key_id=key, earlier_service_keys=earlier))
        return self._replaced("service", before, key)

    def submitter(self) -> Rotated:
        """Make another account for what the service sends to the chain."""
        before, key = self._new_keystore("submitter", self.made.submitter)
        return self._replaced("submitter", before, key)

    def _new_keystore(self, name: str, known: str) -> tuple[str, str]:
        """The id of the key ``name``, and that of the one that waits for its place."""
        keys = self.where.keys
        old, following = keys.keystore(name), keys.keystore(f"{name}-next")
        if not self.lost:
            before = open_keystore(old, self.passphrase).key_id
        else:
            before = keystore_key_id(old) if old.exists() else known
        if not following.exists():
            create_keystore(following, self.passphrase, light=self.light)
        return before, open_keystore(following, self.passphrase).key_id

    def _replaced(self, name: str, before: str, key: str) -> Rotated:
        keys = self.where.keys
        kept = keys.keystore(f"{name}-{before[2:10]}")
        replace_key(keys.keystore(name), keys.keystore(f"{name}-next"), kept)
        return Rotated(key, before, kept)

    def _write(self, made: Installation) -> None:
        installations.write(self.where, made, replace=True)


def replace_key(old: Path, following: Path, kept: Path) -> None:
    """Put the file ``following`` in the place of ``old``, which stays as ``kept`` if there is one."""
    with suppress(FileExistsError, FileNotFoundError):
        os.link(old, kept)
    following.replace(old)
    sync_folder(old.parent)
