"""A service with a public store in a real object storage, by the command line: outage, kill, and what is told of it."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger.cli.errors import Exit
from tests.testkit.machine import free_port
from tests.testkit.object_storage import ObjectStorage
from tests.unit.cli.world import World, service_of

pytestmark = pytest.mark.extended

PREFIX = "ledger"
CASE = ("case", "open", "--number", "A-1", "--type", "theft")


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory, storage: ObjectStorage) -> Iterator[World]:
    """Run a service that uploads there, with two agencies and their people."""
    world = World(tmp_path_factory.mktemp("stored"))
    world.found()
    configure(world, storage.settings(PREFIX))
    with service_of(world):
        world.wait("/api/v1/chain", bool)
        world.add_people()
        yield world


def configure(world: World, settings: dict[str, str]) -> None:
    """Write the settings of the installation."""
    lines = [f"TALLYSTICK_{name.upper()}={value}\n" for name, value in settings.items()]
    (world.data / "settings.env").write_text("".join(lines))


def caught_up(world: World) -> Any:
    """Wait until the store has what is published; return the state of the log."""
    return world.wait(
        "/api/v1/log",
        lambda log: log["stored"]["size"] == log["published"] == log["size"] and not log["stored"]["fault"],
    )


def finding(world: World) -> Any:
    """Return what `tally doctor` says of the store."""
    done = world.run("--json", "doctor", "--data-dir", world.data)
    return next(each for each in json.loads(done.out) if each["check"] == "public store")


def test_an_outage_and_a_kill_are_caught_up(stored: World, storage: ObjectStorage) -> None:
    """Cases are opened while the storage is away, and `tally doctor` says so; a killed service goes on where it was."""
    stored.ok(*CASE)
    before = caught_up(stored)
    assert finding(stored)["result"] == "checked"
    storage.stop()
    stored.ok(*CASE)
    away = stored.wait("/api/v1/log", lambda log: log["stored"]["fault"] is not None)
    assert away["stored"]["size"] == before["size"]
    assert away["size"] > before["size"]
    wrong = finding(stored)
    assert wrong["result"] == "failed"
    assert "the public store does not answer as it should" in wrong["detail"]
    assert wrong["mend"]
    process = stored.require_process()
    process.send_signal(signal.SIGKILL)
    process.wait()
    storage.start()
    stored.spawn()
    stored.wait("/api/v1/chain", bool)
    stored.ok(*CASE)
    log = caught_up(stored)
    assert log["size"] > away["size"]
    assert storage.read(PREFIX, "checkpoint") == stored.http.get("/checkpoint").content
    assert storage.read(PREFIX, f"tile/entries/000.p/{log['size']}") is not None
    assert finding(stored)["result"] == "checked"


def test_a_service_with_another_log_leaves_the_store_as_it_is(
    stored: World, storage: ObjectStorage, tmp_path: Path
) -> None:
    """A second ledger is given the same prefix: it runs, uploads nothing, and says why."""
    caught_up(stored)
    second_world = World(tmp_path)
    second_world.found()
    configure(second_world, storage.settings(PREFIX))
    with stored.switched_off(), service_of(second_world):
        checkpoint = storage.read(PREFIX, "checkpoint")
        log = second_world.wait("/api/v1/log", lambda log: log["stored"]["fault"] is not None and log["published"])
        assert log["stored"]["size"] == 0
        assert log["stored"]["fault"].startswith("the public store has a checkpoint that is not this log's")
        assert "tile_store" in log["stored"]["hint"]
        assert storage.read(PREFIX, "checkpoint") == checkpoint


def test_a_secret_that_others_may_read_stops_the_start(tmp_path: Path, storage: ObjectStorage) -> None:
    """The service says which file it is and how to mend it."""
    world = World(tmp_path)
    world.found()
    settings = storage.settings(PREFIX)
    secret = tmp_path / "opened.secret"
    secret.write_text("secret")
    secret.chmod(0o644)
    configure(world, settings | {"tile_store_secret_file": str(secret)})
    options = ("--port", str(free_port()), "--passphrase-file", world.tally.passphrase_file)
    world.tally.refuses(Exit.USAGE, "others may read", "serve", "--data-dir", world.data, *options)
