"""Ledgers whose log is uploaded, and places that it is uploaded to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ledger.config.settings import Settings
from ledger.recording.public_store import PublicStore, public_store_of
from ledger.recording.uploading import TileUploader
from ledger.store import log
from tests.testkit import bundles
from tests.testkit.casework import Case
from tests.testkit.ledgers import LOG_SIGNER, Ledger
from tests.testkit.object_storage import ObjectStorage

TRUST = bundles.trust(chains=(), log_key=LOG_SIGNER.verifying_key)


@dataclass
class Place:
    """Where a ledger's checkpoint and tiles are uploaded to, and how anybody reads them there."""

    settings: dict[str, str]
    read: Callable[[str], bytes | None]

    @property
    def store(self) -> PublicStore:
        store = public_store_of(Settings(**self.settings))  # type: ignore[arg-type]
        assert store is not None
        return store


def bucket_of(storage: ObjectStorage, prefix: str) -> Place:
    return Place(storage.settings(prefix), lambda name: storage.read(prefix, name))


def folder_at(folder: Path) -> Place:
    def read(name: str) -> bytes | None:
        return (folder / name).read_bytes() if (folder / name).is_file() else None

    return Place({"tile_store": folder.as_uri()}, read)


def uploader_to(ledger: Ledger, store: PublicStore, **options: Any) -> TileUploader:
    return TileUploader(ledger.database, store, **{"trust": lambda: TRUST} | options)


def grow_to(ledger: Ledger, size: int) -> int:
    """Record cases until the log has so many entries, and publish it; return the size."""
    with ledger.database.read() as connection:
        now = log.tree(connection).size
    ledger.post_all([Case(f"case-{number}").open().last for number in range(now, size)])
    ledger.clock.forward(2)
    assert ledger.publisher.publish(ledger.database, ledger.clock()) is not None
    return size


def grow_to_300(ledger: Ledger) -> None:
    grow_to(ledger, 300)
