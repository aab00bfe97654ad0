"""Importing a large file: rows a second, peak memory, and a kill in the middle that leaves nothing doubled.

python -m scripts.bench.imports [--rows N] [--json FILE]

A tenth of the rows is imported first, to hold the memory of the whole against. The whole file is imported by ``tally
import run``, killed at its half, and run again to its end; then every row must have one case, every case its events.
"""

from __future__ import annotations

import csv
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import httpx

from ledger.client.profiles import Profile, Profiles
from ledger.client.service import ServiceClient
from ledger.client.sign_in import SignIn
from ledger.config.keys import create_keystore, open_keystore
from ledger.config.secret_files import write_secret
from ledger.interchange.imports.identity import make_key
from scripts.bench.figures import Figure, options, show
from scripts.bench.submissions import sqlite_server
from scripts.campaigns.casework import LOG_ID, POLICE, secret_of

EVENTS_OF_A_ROW = 4
COLUMNS = ("number", "about", "opened", "suspect", "id", "thing", "count")
MAPPING = """
name = "bench"
source_system = "{system}"
key = ["number"]
[case]
case_number = "number"
case_type = "about"
business_line = {{ value = "criminal" }}
procedure = {{ value = "cn-criminal" }}
stage = {{ value = "investigation" }}
opened_at = "opened"
[[persons]]
name = "suspect"
role = {{ value = "suspect" }}
identity = ["id"]
[[items]]
item_kind = {{ value = "exhibit" }}
description = "thing"
quantity = "count"
"""


class Run(NamedTuple):
    """One run of ``tally import run``; memory is the process's peak, in bytes."""

    seconds: float
    memory: int


class Clerk:
    """Imports into the service at ``port``, with everything that it needs in ``folder``."""

    def __init__(self, folder: Path, port: int):
        self._folder = folder
        self.url = f"http://127.0.0.1:{port}"
        profiles = Profiles(folder / "config")
        keystore = profiles.keys().keystore("bench")
        word = secrets.token_hex(8)
        create_keystore(keystore, word, private_key=secret_of("police clerk"), light=True)
        passphrase = folder / "passphrase"
        write_secret(passphrase, word.encode(), field="passphrase")
        profile = Profile(
            name="bench",
            url=self.url,
            agency=POLICE.agency,
            officer=POLICE.officer,
            key="bench",
            passphrase_file=str(passphrase),
        )
        profiles.write(profile)
        make_key(folder / "identity.key")
        signer = open_keystore(keystore, word)
        self.service = ServiceClient(
            self.url, SignIn(folder / "token", self.url, signer.key_id, lambda: signer, lambda: LOG_ID)
        )

    def write(self, system: str, rows: int) -> None:
        """Write a file of so many cases and the mapping for it."""
        (self._folder / f"{system}.toml").write_text(MAPPING.format(system=system))
        with (self._folder / f"{system}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            for number in range(rows):
                writer.writerow((f"{system}-{number}", "theft", "2026-03-01", "Zhang", f"3101{number}", "a phone", 1))

    def run(self, system: str, *, until: int | None = None) -> Run:
        """Import the system's file, and kill the import once the log has ``until`` entries.

        Raises RuntimeError where the import ends otherwise than it should.
        """
        began = time.monotonic()
        memory = 0
        file, tally = self._folder / system, Path(sys.executable).with_name("tally")
        command: list[str | Path] = [
            tally,
            "--json",
            "--yes",
            "import",
            "run",
            f"{file}.csv",
            "--mapping",
            f"{file}.toml",
        ]
        command += ["--identity-key", self._folder / "identity.key", "--replace", "--report", f"{file}.json"]
        environment = {"TALLYSTICK_CONFIG_DIR": str(self._folder / "config"), "LANG": "C.UTF-8"}
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment) as process:
            while process.poll() is None:
                memory = max(memory, _peak(process.pid))
                if until is not None and self.size() >= until:
                    process.send_signal(signal.SIGKILL)
                    break
                time.sleep(0.2)
        expected = 0 if until is None else -signal.SIGKILL
        if process.returncode != expected:
            raise RuntimeError(f"the import ended with {process.returncode}")
        return Run(time.monotonic() - began, memory)

    def size(self) -> int:
        """Return how many entries the log has."""
        return int(httpx.get(f"{self.url}/api/v1/log", trust_env=False).json()["size"])

    def require_exact(self, system: str, rows: int) -> None:
        """Raise RuntimeError unless each row was imported once, as one case."""
        imported = [*self.service.pages("/api/v1/imports", "imports", source_system=system, limit=1000)]
        cases, keys = ({row[name] for row in imported} for name in ("case_id", "source_key"))
        if (len(cases), len(keys)) != (rows, rows):
            raise RuntimeError(f"expected {rows} cases, found {len(cases)} of {len(keys)} keys")


def main() -> int:
    args = options(__doc__, rows=100_000)
    with sqlite_server("ours") as port, tempfile.TemporaryDirectory(prefix="tallystick-bench-") as folder:
        figures = measure(Clerk(Path(folder), port), args.rows)
    show("imports", figures, args.json)
    return 0


def measure(clerk: Clerk, rows: int) -> list[Figure]:
    """Import a tenth, then the whole with a kill at its half."""
    clerk.write("tenth", rows // 10)
    clerk.write("whole", rows)
    tenth = clerk.run("tenth")
    before = clerk.size()
    half = clerk.run("whole", until=before + rows * EVENTS_OF_A_ROW // 2)
    rest = clerk.run("whole")
    again = clerk.run("whole")
    if clerk.size() - before != rows * EVENTS_OF_A_ROW:
        raise RuntimeError(f"expected {rows * EVENTS_OF_A_ROW} events, found {clerk.size() - before}")
    clerk.require_exact("whole", rows)
    memory = max(half.memory, rest.memory, again.memory) / 2**20
    rate = rows / (half.seconds + rest.seconds)
    return [
        Figure("rows imported, the kill included", rate, "limit", 100, "/s", ">= 1"),
        Figure("rows found unchanged", rows / again.seconds, "imported", rate, "/s", ">= 2"),
        Figure("peak memory", memory, "of a tenth of the rows", tenth.memory / 2**20, "MiB", "<= 1.5"),
    ]


def _peak(pid: int) -> int:
    """Return the most memory that a process has held so far, in bytes; 0 once it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    line = next((line for line in status.splitlines() if line.startswith("VmHWM")), "VmHWM: 0 kB")
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    sys.exit(main())
