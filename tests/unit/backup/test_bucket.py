"""Backups in a bucket of a storage that speaks S3: the same as in a folder, also when the storage goes away."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.backup.generations import numbers_at
from ledger.backup.of_directory import place_of
from ledger.backup.pruning import prune
from ledger.config.settings import Settings
from ledger.core.errors import Conflict, MalformedInput, Unavailable
from ledger.storage.objects import BucketObjects, Objects
from tests.testkit.object_storage import ObjectStorage
from tests.unit.backup.stand import NOW, TRUST, Stand, audit, handed_over, listed

PREFIXES = iter(f"backups-{number}" for number in range(100))


def settings_of(storage: ObjectStorage, prefix: str, **changes: str) -> Settings:
    """Return the settings of a place of backups below the prefix."""
    of_tiles = {name: value for name, value in storage.settings(prefix).items() if name != "tile_store_url"}
    named = {name.replace("tile_store", "backup_store"): value for name, value in of_tiles.items()}
    return Settings(**named | changes)  # type: ignore[arg-type]


@pytest.fixture
def place(storage: ObjectStorage, stand: Stand) -> Objects:
    """The place of the stand's backups, which is empty."""
    stand.place = place_of(settings_of(storage, next(PREFIXES)))
    assert isinstance(stand.place, BucketObjects)
    return stand.place


def test_a_bucket_is_a_place_like_a_folder(stand: Stand, place: Objects) -> None:
    """What is new is added, what is there is not written again, damage is named and mended, old generations go, and the
    ledger is restored."""
    first = stand.create()
    assert stand.create().chunks == 0
    stand.record(handed_over("case-new"))
    third = stand.create()
    assert 0 < third.stored < first.stored
    assert stand.verified().verdict == "intact"
    ref = stand.opened().manifest.numbered["log"][0][0]
    place.put(ref.path, b"another")
    assert stand.verified().verdict == "tampered"
    stand.create()
    assert stand.verified().verdict == "intact"
    pruned = prune(place, 1, TRUST, [stand.machine], now=NOW, at_once=True)
    assert (pruned.generations, numbers_at(place)) == ((1, 2, 3), [4])
    assert stand.verified().verdict == "intact"
    database = stand.restored()
    assert audit(database).findings == ()
    database.close()


def test_of_two_runs_one_is_first(stand: Stand, place: Objects) -> None:
    """The bucket writes a note under the condition that there is none."""
    place.create("generations/00000001", b"first")
    with pytest.raises(Conflict):
        place.create("generations/00000001", b"second")
    assert place.read("generations/00000001", 5) == b"first"
    assert place.read("generations/00000002", 5) is None
    place.delete(["generations/00000001", "generations/00000002"])
    assert numbers_at(place) == []


def test_it_goes_on_when_the_storage_is_back(stand: Stand, storage: ObjectStorage, place: Objects) -> None:
    """A storage that goes away stops the run, which leaves no generation; the next run goes on with what is there."""
    put, written = place.put, 0

    def stops(name: str, data: bytes) -> None:
        nonlocal written
        written += 1
        if written == 3:
            storage.stop()
        put(name, data)

    place.put = stops  # type: ignore[method-assign]
    with pytest.raises(Unavailable):
        stand.create()
    storage.start()
    place.put = put  # type: ignore[method-assign]
    assert numbers_at(place) == []
    count = len(listed(place, "chunks"))
    assert count > 0
    whole = stand.create()
    assert whole.chunks == sum(1 for _ in {ref.name for ref in stand.opened().manifest.chunks()}) - count
    assert stand.verified().verdict == "intact"


def test_what_does_not_fit_is_refused(storage: ObjectStorage, stand: Stand) -> None:
    """A secret without its id, another secret, a bucket that is not there."""
    with pytest.raises(MalformedInput):
        place_of(Settings(backup_store="s3://public/x", backup_store_key_id="ledger"))
    secret = Path(storage.folder / "false.secret")
    secret.touch(0o600)
    secret.write_text("false\n")
    refused = place_of(settings_of(storage, "refused", backup_store_secret_file=str(secret)))
    with pytest.raises(Unavailable):
        refused.put("chunks/00/00", b"x")
    with pytest.raises((Unavailable, Conflict)):
        refused.create("generations/00000001", b"x")
