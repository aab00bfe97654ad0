"""A witness that others wrote (`aics-witness`) co-signs our checkpoints by C2SP tlog-witness, and others verify it."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from ledger.core.log.checkpoints import verify_cosignatures
from ledger.core.log.notes import parse_vkey
from ledger.core.log.policy import parse_policy
from ledger.witness.gathering.witnesses import Witness
from tests.testkit.builders import POLICE, clerk
from tests.testkit.ledgers import LOG_SIGNER, open_ledger, sqlite_url
from tests.testkit.machine import free_port, program, wait_until
from tests.unit.gathering.test_courier import Bench

WITHIN = 60  # seconds for anything that is waited for


@contextmanager
def running(folder: Path) -> Iterator[Witness]:
    """``aics-witness`` in ``folder`` as its operator runs it, with a key of its own, knowing our log's key."""
    folder.mkdir()
    vkey = aics_witness(folder, "init", "--name", "witness.example/abroad").strip().splitlines()[-1]
    key = LOG_SIGNER.verifying_key
    aics_witness(folder, "add-log", "--origin", key.name, "--vkey", key.vkey())
    url = f"http://127.0.0.1:{free_port()}"
    with (folder / "witness.log").open("ab") as log:
        command = [program("aics", "aics-witness"), "serve", "--listen", url.removeprefix("http://")]
        process = subprocess.Popen(command, cwd=folder, env=environment(folder), stdout=log, stderr=log)
    try:
        wait_until(lambda: process.poll() is not None or answers(url), within_s=WITHIN)
        assert process.poll() is None
        yield Witness(url, parse_vkey(vkey))
    finally:
        process.terminate()
        process.wait(WITHIN)


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", trust_env=False, timeout=5).is_success
    except httpx.TransportError:
        return False


def environment(folder: Path) -> dict[str, str]:
    return os.environ | {"AICS_WITNESS_CONFIG": str(folder / "witness.json")}


def aics_witness(folder: Path, *arguments: str) -> str:
    """What a command of the witness's operator prints."""
    command = [program("aics", "aics-witness"), *arguments]
    done = subprocess.run(command, cwd=folder, env=environment(folder), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def test_it_co_signs_as_the_log_grows(tmp_path: Path) -> None:
    """From nothing to a first checkpoint, then by consistency proofs; what it signs holds here and with `aics-tlog`."""
    with open_ledger(sqlite_url(tmp_path)) as ledger, running(tmp_path / "abroad") as abroad:
        ledger.found(clerk(POLICE))
        bench = Bench(ledger, [abroad], parse_policy(f"witness abroad {abroad.vkey}\nquorum abroad\n"))
        for _ in range(3):
            size = bench.grow()
            (state,) = bench.step().states()
            assert (state.size, state.fault, bench.halted) == (size, None, [])
            note = bench.newest().note
            (cosignature,) = verify_cosignatures(note, [abroad.key])
            assert abs(cosignature.timestamp - time.time()) < WITHIN
        assert bench.witnessed() == size
        assert not json.loads(aics_witness(tmp_path / "abroad", "evidence")), "it has found no contradiction"
    file, key = tmp_path / "note", tmp_path / "log.vkey"
    file.write_text(note, encoding="utf-8")
    key.write_text(LOG_SIGNER.verifying_key.vkey() + "\n", encoding="utf-8")
    command = ["verify-checkpoint", "--note", file, "--vkey-file", key, "--quorum", "1", "--max-age", "600"]
    tlog = [program("aics", "aics-tlog"), *map(str, command), "--witness-key", abroad.vkey]
    done = subprocess.run(tlog, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["ok"]
