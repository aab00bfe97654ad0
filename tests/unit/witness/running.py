"""A witness as its operator runs it: ``tally witness run`` in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from click.testing import CliRunner

from ledger.cli.main import run
from ledger.core.encoding import canonical
from ledger.core.log.witness_protocol import ADD_CHECKPOINT, COSIGN_ANCHOR, AddCheckpoint, CosignAnchor
from ledger.core.trust.trust_file import encode_trust
from tests.testkit.machine import REPOSITORY, environment, free_port, wait_until
from tests.testkit.tally import Done, alone
from tests.unit.witness.stand import Stand


@dataclass
class Running:
    """The process and its address."""

    process: subprocess.Popen[bytes]
    url: str
    client: httpx.Client

    def add(self, asked: AddCheckpoint) -> httpx.Response:
        return self.client.post(f"{self.url}{ADD_CHECKPOINT}", content=asked.body())

    def cosign(self, asked: CosignAnchor) -> httpx.Response:
        headers = {"content-type": "application/json"}
        return self.client.post(f"{self.url}{COSIGN_ANCHOR}", content=canonical.encode(asked), headers=headers)

    def status(self) -> dict[str, object]:
        answer: dict[str, object] = self.client.get(f"{self.url}/status").json()
        return answer

    def answers(self) -> bool:
        """Whether it does, or has ended."""
        try:
            self.status()
        except httpx.HTTPError:
            return self.process.poll() is not None
        return True

    def kill(self) -> None:
        """SIGKILL, as a power cut would."""
        self.process.kill()
        self.process.wait()


def tally(folder: Path, *arguments: str, shared: tuple[str, ...] = ("--json",)) -> Done:
    """Run a command on the witness in ``folder``, in this process: to start another one takes longer than to run it."""
    variables = {"TALLYSTICK_WITNESS_DATA_DIR": str(folder / "witness")}
    with alone(), CliRunner().isolation(env=variables) as (out, err, _):
        status = run([*shared, *arguments])
        return Done(status, out.getvalue().decode(), err.getvalue().decode())


def settle(stand: Stand, folder: Path) -> None:
    """Keys and trust file, as an operator lays them down."""
    done = tally(folder, "witness", "key", "witness.test/w9", "--keep-passphrase", "--light")
    assert done.status == 0, done.err
    (folder / "trust.json").write_bytes(encode_trust(stand.trust))


@contextmanager
def running(stand: Stand, folder: Path, **settings: object) -> Iterator[Running]:
    """The witness in ``folder``, ready; killed when the block is left."""
    port = free_port()
    all_settings = {"DATA_DIR": folder / "witness", **settings}
    variables = environment(**{f"TALLYSTICK_WITNESS_{name}": str(value) for name, value in all_settings.items()})
    command = [sys.executable, "-m", "ledger.cli.main", "--json", "witness", "run"]
    command += ["--trust", str(folder / "trust.json"), "--log", stand.log.url]
    command += ["--rpc", f"http://{stand.eth.rpc.name}", "--listen", f"127.0.0.1:{port}"]
    with (folder / "log.txt").open("ab") as log:
        process = subprocess.Popen(
            command,
            env=variables,
            cwd=REPOSITORY,
            stderr=log,
        )
    try:
        with httpx.Client(timeout=60, trust_env=False) as client:
            server = Running(process, f"http://127.0.0.1:{port}", client)
            wait_until(server.answers)
            assert process.poll() is None
            yield server
    finally:
        server.kill()
