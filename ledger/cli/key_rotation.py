"""New keys for a service in the place of those it has: the old ones stay beside, and open with the same passphrase.

A new key waits as ``<name>-next`` until it takes the old one's place in one step: cut short, the same command goes on.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from ledger.installation import DataDirectory
from ledger.keys import create_keystore, open_keystore
from ledger.secret_files import sync_folder


class Rotated(NamedTuple):
    """The new key, the one before it, and where that one is kept."""

    key_id: str
    before: str
    kept: Path


def rotate_submitter(where: DataDirectory, passphrase: str, *, light: bool = False) -> Rotated:
    """Make another account for what the service sends to the chain.

    Requires that no service runs here. Raises KeyRefused, with nothing changed, where the passphrase does not open the
    old key.
    """
    old, following = where.keys.keystore("submitter"), where.keys.keystore("submitter-next")
    before = open_keystore(old, passphrase).key_id
    if not following.exists():
        create_keystore(following, passphrase, light=light)
    key_id = open_keystore(following, passphrase).key_id
    kept = where.keys.keystore(f"submitter-{before[2:10]}")
    replace_key(old, following, kept)
    return Rotated(key_id, before, kept)


def replace_key(old: Path, following: Path, kept: Path) -> None:
    """Put the file ``following`` in the place of ``old``, which stays as ``kept``."""
    with suppress(FileExistsError):
        os.link(old, kept)
    following.replace(old)
    sync_folder(old.parent)
