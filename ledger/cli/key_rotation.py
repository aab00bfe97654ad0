"""New keys for a service in the place of those it has: the old ones stay beside, and open with the same passphrase.

A new key waits as ``<name>-next`` until it takes the old one's place in one step: cut short, the same command goes on.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from ledger import installation as installations
from ledger.core.authority import EarlierServiceKey
from ledger.core.trust import LogKeyLine
from ledger.installation import DataDirectory, Installation
from ledger.keys import create_keystore, create_note_key, open_keystore, open_note_key
from ledger.secret_files import sync_folder


class Rotated(NamedTuple):
    """The new key as it is named to others, the one before it, and where that one is kept."""

    key: str
    before: str
    kept: Path


def rotate_log(where: DataDirectory, made: Installation, size: int, passphrase: str, *, light: bool = False) -> Rotated:
    """Make another key of the log, whose first tree is larger than ``size``. Requires and raises as for a submitter."""
    old, following = where.keys.note_key("log"), where.keys.note_key("log-next")
    before = open_note_key(old, passphrase).verifying_key
    if not following.exists():
        create_note_key(following, made.origin, passphrase, light=light)
    key = open_note_key(following, passphrase).verifying_key.vkey()
    if made.log_key != key:
        earlier = made.earlier_log_keys
        if not earlier or earlier[-1].until < size:
            earlier = (*earlier, LogKeyLine(before.vkey(), size))
        installations.write(where, replace(made, log_key=key, earlier_log_keys=earlier), replace=True)
    kept = where.keys.note_key(f"log-{before.key_id.hex()}")
    replace_key(old, following, kept)
    return Rotated(key, before.vkey(), kept)


def rotate_service(
    where: DataDirectory, made: Installation, size: int, passphrase: str, *, light: bool = False
) -> Rotated:
    """Make another key for the ledger's own entries, from ``size`` on. Requires and raises as for a submitter."""
    following = where.keys.keystore("service-next")
    before, key = _new_keystore(where, "service", passphrase, light=light)
    if made.service_key_id != key:
        earlier = made.earlier_service_keys
        if not earlier or earlier[-1].until < size:
            earlier = (*earlier, EarlierServiceKey(before, size))
        installations.write(where, replace(made, service_key_id=key, earlier_service_keys=earlier), replace=True)
    kept = where.keys.keystore(f"service-{before[2:10]}")
    replace_key(where.keys.keystore("service"), following, kept)
    return Rotated(key, before, kept)


def rotate_submitter(where: DataDirectory, passphrase: str, *, light: bool = False) -> Rotated:
    """Make another account for what the service sends to the chain.

    Requires that no service runs here. Raises KeyRefused, with nothing changed, where the passphrase does not open the
    old key.
    """
    before, key = _new_keystore(where, "submitter", passphrase, light=light)
    kept = where.keys.keystore(f"submitter-{before[2:10]}")
    replace_key(where.keys.keystore("submitter"), where.keys.keystore("submitter-next"), kept)
    return Rotated(key, before, kept)


def replace_key(old: Path, following: Path, kept: Path) -> None:
    """Put the file ``following`` in the place of ``old``, which stays as ``kept``."""
    with suppress(FileExistsError):
        os.link(old, kept)
    following.replace(old)
    sync_folder(old.parent)


def _new_keystore(where: DataDirectory, name: str, passphrase: str, *, light: bool) -> tuple[str, str]:
    """The id of the key ``name``, and that of the one that waits for its place."""
    following = where.keys.keystore(f"{name}-next")
    before = open_keystore(where.keys.keystore(name), passphrase).key_id
    if not following.exists():
        create_keystore(following, passphrase, light=light)
    return before, open_keystore(following, passphrase).key_id
