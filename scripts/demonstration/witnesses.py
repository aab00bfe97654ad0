"""The witnesses of three agencies: each a process of its own, with its own keys, database and trust file."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from scripts.demonstration.chains import free_port
from scripts.demonstration.stage import READY_WITHIN, TALLY, Stage, StepFailed

WITNESSING = ("psb-east", "procuratorate-east", "court-east")
QUORUM = 2


@dataclass
class Witness:
    """An agency's witness; ``verifier_key`` and ``account`` are what the founders are told of it."""

    agency: str
    folder: Path
    verifier_key: str
    account: str
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def row(self) -> str:
        """Its part of the service's ``witnesses.toml``."""
        return f'[[witnesses]]\nurl = "{self.url}"\nverifier_key = "{self.verifier_key}"\naccount = "{self.account}"\n'


def make(stage: Stage) -> list[Witness]:
    """Each agency makes the keys of its witness."""
    made = []
    for agency in WITNESSING:
        folder = stage.directory / f"witness-{agency}"
        told = stage.tally(
            *("witness", "key", f"{agency}.example/witness", "--data-dir", str(folder), "--light"),
            *("--passphrase-file", str(stage.passphrase_file)),
        )
        made.append(Witness(agency, folder, told["verifier_key"], told["account"]))
    return made


def start(stage: Stage, witnesses: list[Witness]) -> None:
    """Starts them all, and waits until each answers."""
    for witness in witnesses:
        trust = witness.folder / "trust.json"
        shutil.copy(stage.data / "trust.json", trust)
        command = [
            *(str(TALLY), "witness", "run", "--data-dir", str(witness.folder), "--trust", str(trust)),
            *("--log", stage.url, "--rpc", stage.rpc_url, "--listen", f"127.0.0.1:{witness.port}"),
            *("--passphrase-file", str(stage.passphrase_file)),
        ]
        with (witness.folder / "witness.log").open("ab") as log:
            environment = os.environ | {"TALLYSTICK_WITNESS_LOOK_INTERVAL_S": "2"}
            witness.process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        stage.helpers.append(witness.process)
    with httpx.Client(timeout=10, trust_env=False) as client:
        for witness in witnesses:
            _wait(client, witness)


def _wait(client: httpx.Client, witness: Witness) -> None:
    deadline = time.monotonic() + READY_WITHIN
    while True:
        try:
            if client.get(f"{witness.url}/status").is_success:
                return
        except httpx.HTTPError:
            pass
        if witness.process is None or witness.process.poll() is not None or time.monotonic() > deadline:
            raise StepFailed(f"the witness did not get ready; see {witness.folder / 'witness.log'}")
        time.sleep(0.3)
