"""A witness that others wrote (`aics-witness`) co-signs our checkpoints by C2SP tlog-witness, and others verify it."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from ledger.core.errors import TallystickError
from ledger.core.log.checkpoints import verify_cosignatures
from ledger.core.log.notes import parse_vkey
from ledger.core.log.policy import parse_policy
from ledger.store import checkpoints
from ledger.store.checkpoints import PublishedCheckpoint
from ledger.witness.gathering import CosignatureCollector, Witness
from tests.testkit.builders import POLICE, clerk
from tests.testkit.casework import Case
from tests.testkit.ledgers import LOG_SIGNER, Ledger, open_ledger, sqlite_url
from tests.testkit.machine import free_port, program

NAME = "witness.example/abroad"
WITHIN = 60  # seconds for anything that is waited for


@dataclass(frozen=True)
class Abroad:
    """``aics-witness`` in ``folder``, with a key and a database of its own."""

    folder: Path
    url: str
    vkey: str

    @property
    def configured(self) -> Witness:
        return Witness(self.url, parse_vkey(self.vkey))

    def evidence(self) -> Any:
        """The requests that the log signed and that contradict what the witness had co-signed."""
        return json.loads(_run(self.folder, "evidence"))


@contextmanager
def running(folder: Path) -> Iterator[Abroad]:
    """The witness as its operator runs it, knowing our log's key."""
    folder.mkdir(parents=True, exist_ok=True)
    vkey = _run(folder, "init", "--name", NAME).strip().splitlines()[-1]
    key = LOG_SIGNER.verifying_key
    _run(folder, "add-log", "--origin", key.name, "--vkey", key.vkey())
    port = free_port()
    command = [program("aics", "aics-witness"), "serve", "--listen", f"127.0.0.1:{port}"]
    with (folder / "witness.log").open("ab") as log:
        process = subprocess.Popen(command, cwd=folder, env=_environment(folder), stdout=log, stderr=log)
    try:
        url = f"http://127.0.0.1:{port}"
        _wait(lambda: process.poll() is None and _answers(url))
        yield Abroad(folder, url, vkey)
    finally:
        process.terminate()
        process.wait(WITHIN)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", trust_env=False, timeout=5).is_success
    except httpx.TransportError:
        return False


def _wait(holds: Any) -> None:
    deadline = time.monotonic() + WITHIN
    while not holds():
        assert time.monotonic() < deadline, "the witness does not come up"
        time.sleep(0.05)


def _environment(folder: Path) -> dict[str, str]:
    return os.environ | {"AICS_WITNESS_CONFIG": str(folder / "witness.json")}


def _run(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [program("aics", "aics-witness"), *arguments],
        cwd=folder,
        env=_environment(folder),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def abroad(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Abroad]:
    """A witness that runs."""
    with running(tmp_path_factory.mktemp("abroad")) as witness:
        yield witness


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """A founded ledger, nothing published."""
    with open_ledger(sqlite_url(tmp_path_factory.mktemp("log"))) as ledger:
        ledger.found(clerk(POLICE))
        yield ledger


def grow(ledger: Ledger, case_id: str) -> PublishedCheckpoint:
    """One entry more, published."""
    ledger.post(Case(case_id).open().last)
    ledger.clock.forward(2)
    ledger.publisher.publish(ledger.database, ledger.clock())
    return newest(ledger)


def newest(ledger: Ledger) -> PublishedCheckpoint:
    with ledger.database.read() as connection:
        published = checkpoints.last_published(connection)
    assert published is not None
    return published


def ask(ledger: Ledger, abroad: Abroad) -> tuple[CosignatureCollector, list[TallystickError]]:
    """Takes the newest checkpoint to the witness, under a policy whose quorum it is; also gives what then halted."""
    policy = parse_policy(f"witness abroad {abroad.vkey}\nquorum abroad\n")
    halted: list[TallystickError] = []
    collector = CosignatureCollector(
        ledger.database, lambda: (abroad.configured,), policy=lambda: policy, halt=halted.append, clock=ledger.clock
    )
    collector.step()
    return collector, halted


def test_it_co_signs_as_the_log_grows(ledger: Ledger, abroad: Abroad, tmp_path: Path) -> None:
    """From nothing to a first checkpoint, then by consistency proofs; what it signs holds here and with `aics-tlog`."""
    for number in range(3):
        published = grow(ledger, f"case-{number}")
        collector, halted = ask(ledger, abroad)
        (state,) = collector.states()
        assert (state.size, state.fault, halted) == (published.size, None, [])
        note = newest(ledger).note
        (cosignature,) = verify_cosignatures(note, [parse_vkey(abroad.vkey)])
        assert abs(cosignature.timestamp - time.time()) < WITHIN
        file, key = tmp_path / "note", tmp_path / "log.vkey"
        file.write_text(note, encoding="utf-8")
        key.write_text(LOG_SIGNER.verifying_key.vkey() + "\n", encoding="utf-8")
        command = ["verify-checkpoint", "--note", file, "--vkey-file", key, "--quorum", "1", "--max-age", "600"]
        done = subprocess.run(
            [program("aics", "aics-tlog"), *map(str, command), "--witness-key", abroad.vkey],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert json.loads(done.stdout)["ok"]
    with ledger.database.read() as connection:
        witnessed = checkpoints.last_witnessed(connection)
    assert witnessed is not None
    assert witnessed.size == published.size
    assert not abroad.evidence()


def test_it_refuses_another_history(ledger: Ledger, abroad: Abroad, tmp_path: Path) -> None:
    """A log under the same key that does not continue what was co-signed gets no signature, and is told so."""
    grow(ledger, "case-9")
    ask(ledger, abroad)
    with open_ledger(sqlite_url(tmp_path)) as fork:
        fork.found(clerk(POLICE))
        for number in range(20):
            published = grow(fork, f"other-{number}")
        collector, halted = ask(fork, abroad)
        (state,) = collector.states()
        assert state.size < published.size
        assert state.fault or halted
        assert not verify_cosignatures(newest(fork).note, [parse_vkey(abroad.vkey)])
