"""Starting the service: one on a ledger, at an address that is free; a fault is one line and exit code 2."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from ledger.cli.errors import Exit
from ledger.cli.listening import process_lock
from ledger.config.secret_files import open_to_others
from ledger.core.errors import MalformedInput
from tests.testkit.machine import free_port
from tests.testkit.tally import Tally
from tests.unit.cli.world import World


def test_second_service_on_a_ledger_is_refused(world: World) -> None:
    """Whoever starts another service on a ledger that is served is told so, and the first goes on."""
    given = ("--data-dir", world.data, "--passphrase-file", world.tally.passphrase_file)
    done = world.tally("serve", *given, "--port", str(free_port()))
    assert (done.status, done.err.count("\n")) == (Exit.USAGE, 1)
    assert f"--data-dir: another service runs on the ledger in {world.data}" in done.err
    assert world.run("case", "list").status == Exit.OK


def test_services_share_a_ledger_that_lies_elsewhere(tmp_path: Path) -> None:
    """Those that leave database and chain to others may be many; beside one that keeps its own there is no place."""
    lock = tmp_path / "service.lock"
    texts = {"message": "another service runs", "hint": "stop it"}
    refused = pytest.raises(MalformedInput, match="another service")
    with (
        process_lock(lock, shares=True, **texts),
        process_lock(lock, shares=True, **texts),
        refused,
        process_lock(lock, **texts),
    ):
        pass
    with process_lock(lock, **texts), refused, process_lock(lock, shares=True, **texts):
        pass


def test_address_in_use_is_told(tally: Tally, tmp_path: Path) -> None:
    """A port that another program listens at is named, with the way to choose another; nothing was opened."""
    ledger = tally.found(tmp_path / "ledger")
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = tally("serve", "--data-dir", ledger, "--passphrase-file", tally.passphrase_file, "--port", str(port))
    assert (done.status, done.err.count("\n")) == (Exit.USAGE, 1)
    assert f"--port: cannot listen at 127.0.0.1 port {port}: Address already in use" in done.err
    assert "TALLYSTICK_PORT" in done.err
    assert not (ledger / "tallystick.db").exists()


def test_nothing_in_the_directory_of_a_running_service_is_open_to_others(world: World) -> None:
    """Databases and their write-ahead logs, and what libraries and the chain's node write by the process's umask."""
    names = ("tallystick.db-wal", "tallystick-access.db-shm", "trust.json", "service.lock", "chain")
    assert [name for name in names if not (world.data / name).exists()] == []
    assert list(open_to_others(world.data)) == []


def test_a_directory_that_was_open_to_others_is_repaired_and_told(tally: Tally, tmp_path: Path) -> None:
    """Before anything else is opened: one restored from a backup, say, that did not keep its modes."""
    ledger = tally.found(tmp_path / "ledger")
    (ledger / "settings.env").write_text("")
    for path, mode in ((ledger, 0o755), (ledger / "settings.env", 0o644)):
        path.chmod(mode)
    given = ("--data-dir", ledger, "--passphrase-file", tally.passphrase_file)
    done = tally("serve", *given, "--host", "192.0.2.1", "--port", str(free_port()))
    assert (done.status, "cannot listen at 192.0.2.1" in done.err) == (Exit.USAGE, True)
    assert f"others could use 2 files and folders, {ledger} among them" in done.err
    assert list(open_to_others(ledger)) == []
