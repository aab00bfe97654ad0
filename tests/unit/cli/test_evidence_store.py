"""A service with an evidence store in a real object storage, by the command line: put, get, copy, outage, new key."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger.cli.errors import Exit
from ledger.config.settings import Settings
from ledger.storage.objects import objects_at, storage_of
from tests.testkit.object_storage import ObjectStorage
from tests.unit.cli.test_public_store import configure
from tests.unit.cli.world import World, accept, offer, open_case, register, service_of

pytestmark = pytest.mark.extended

PREFIX = "evidence"
SIZE = 20_000_000  # three segments


@pytest.fixture(scope="module")
def keeping(tmp_path_factory: pytest.TempPathFactory, storage: ObjectStorage) -> Iterator[World]:
    """Run a service that keeps files there, with two agencies and their people."""
    world = World(tmp_path_factory.mktemp("keeping"))
    world.found()
    configure(world, storage.named("evidence_store", PREFIX))
    with service_of(world):
        world.wait("/api/v1/chain", bool)
        world.add_people()
        yield world


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("evidence") / "image.dd"
    path.write_bytes(os.urandom(SIZE))
    return path


def registered(world: World, image: Path) -> tuple[str, str]:
    """Return a case and its item, whose record has the digests of the file."""
    case_id = open_case(world)
    item_id = f"{case_id}-disk"
    register(world, case_id, "a disk", "--item-id", item_id, "--file", image)
    return case_id, item_id


def trusted(world: World) -> tuple[str, Path]:
    return "--trust", world.data / "trust.json"


def test_a_file_goes_with_its_item_and_is_hashed_again(keeping: World, image: Path, tmp_path: Path) -> None:
    """Put by who holds it, taken by who received it and compared with the proof, copied with an event of its own."""
    case_id, item_id = registered(keeping, image)
    kept = keeping.ok("item", "put", case_id, item_id, image)
    assert (kept["kept"], kept["size"]) == (True, SIZE)
    assert keeping.ok("item", "put", case_id, item_id, image)["kept_at"] == kept["kept_at"]
    second_store = tmp_path / "other"
    second_store.write_bytes(b"other")
    keeping.refuses(Exit.USAGE, "no digest of", "item", "put", case_id, item_id, second_store)
    handover_id, work = offer(keeping, case_id, "--item", item_id), tmp_path / "old-work.dd"
    work.write_bytes(b"old work")
    copying = ("--for", "nobody", "-o", work, "--replace", *trusted(keeping))
    keeping.refuses(Exit.REFUSED, "offered", "item", "copy", case_id, item_id, *copying)
    assert not work.exists()  # the copy was written, and the record tells of none
    accept(keeping, case_id, handover_id, "--all-as-listed")
    target = tmp_path / "taken.dd"
    taken = keeping.ok("item", "get", case_id, item_id, "-o", target, *trusted(keeping), profile="prosecutor")
    assert target.read_bytes() == image.read_bytes()
    assert taken["digest"] in kept["digests"]
    keeping.ok("item", "move", case_id, item_id, "room 3", profile="prosecutor")

    def checks() -> Any:
        rows = keeping.ok("item", "files", case_id, item_id, profile="prosecutor")["checks"]
        return rows if len(rows) == 2 and all(row["checked_at"] for row in rows) else None

    rows = keeping.until("both checks are done", checks)
    assert [row["event_type"] for row in rows] == ["item.moved", "handover.accepted"]
    assert {(row["outcome"], row["before"] == row["after"]) for row in rows} == {("intact", True)}
    copied = tmp_path / "work.dd"
    words = ("--for", "lab-east, chats", "-o", copied, *trusted(keeping))
    keeping.ok("item", "copy", case_id, item_id, *words, profile="prosecutor")
    assert copied.read_bytes() == image.read_bytes()
    history = json.dumps(keeping.ok("item", "history", item_id, profile="prosecutor"))
    assert "item.examined" in history
    refused = tmp_path / "refused.dd"
    words = ("--for", "nobody", "-o", refused, *trusted(keeping))
    assert keeping.run("item", "copy", case_id, item_id, *words).status == Exit.REFUSED  # the police hold it no more
    assert not refused.exists()


def test_what_the_storage_lost_is_told_and_given_again(
    keeping: World, image: Path, storage: ObjectStorage, tmp_path: Path
) -> None:
    """Nothing is left of a download that fails; the operator's check names the file, and given again it is whole."""
    case_id, item_id = registered(keeping, image)
    kept = keeping.ok("item", "put", case_id, item_id, image)
    address = storage_of(Settings(**storage.named("evidence_store", PREFIX)), "evidence_store")  # type: ignore[arg-type]
    assert address is not None
    objects = objects_at(address)
    for name in sorted(each.name for each in objects.list("files")):
        objects.forget(name.rpartition("/")[0])
    target = tmp_path / "taken.dd"
    assert keeping.run("item", "get", case_id, item_id, "-o", target, *trusted(keeping)).status != Exit.OK
    assert not target.exists()
    keeping.ok("item", "move", case_id, item_id, "room 4")
    keeping.until(
        "the check is done", lambda: any(row["outcome"] for row in files_of(keeping, case_id, item_id)["checks"])
    )
    keeping.refuses(Exit.REFUSED, "found it missing", "item", "put", case_id, item_id, image)
    checked = check(keeping)
    assert checked.status == Exit.REFUSED
    findings = json.loads(checked.out)["findings"]
    assert ("missing", kept["digests"][0]) in [(finding["fault"], finding["subject"]) for finding in findings]
    again = keeping.ok("item", "put", case_id, item_id, image, "--again")
    (listed,) = (row for row in files_of(keeping, case_id, item_id)["files"] if row["kept"])
    assert listed["kept_at"] == again["kept_at"] > kept["kept_at"]
    assert keeping.ok("item", "put", case_id, item_id, image)["kept_at"] == again["kept_at"]
    keeping.ok("item", "get", case_id, item_id, "-o", target, *trusted(keeping))
    assert target.read_bytes() == image.read_bytes()


def files_of(world: World, case_id: str, item_id: str) -> Any:
    return world.ok("item", "files", case_id, item_id)


def check(world: World) -> Any:
    return world.tally("--json", "evidence", "store", "check", "--data-dir", world.data, *passphrase(world))


def passphrase(world: World) -> tuple[str, Path]:
    return "--passphrase-file", world.tally.passphrase_file


def test_an_outage_and_a_new_key(keeping: World, image: Path, storage: ObjectStorage, tmp_path: Path) -> None:
    """While the storage is away the service says so and does all else; a new key opens what the old one kept."""
    case_id, item_id = registered(keeping, image)
    keeping.ok("item", "put", case_id, item_id, image)
    storage.stop()
    done = keeping.run("item", "get", case_id, item_id, "-o", tmp_path / "away.dd", *trusted(keeping))
    assert done.status == Exit.UNREACHABLE
    open_case(keeping)
    storage.start()
    process = keeping.require_process()
    process.send_signal(signal.SIGTERM)
    process.wait()
    rotated = keeping.tally.ok("key", "rotate", "evidence", "--data-dir", keeping.data, "--light", *passphrase(keeping))
    assert rotated["key"] != rotated["before"]
    assert Path(rotated["kept"]).exists()
    keeping.spawn()
    keeping.wait("/api/v1/chain", bool)
    target = tmp_path / "after.dd"
    keeping.ok("item", "get", case_id, item_id, "-o", target, *trusted(keeping))
    assert target.read_bytes() == image.read_bytes()
