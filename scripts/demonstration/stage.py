"""The stage: runs ``tally`` as its users do, starts and stops the service, keeps count of what held."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

from scripts.demonstration.chains import Chain, free_port

ROOT = Path(__file__).resolve().parents[2]
TALLY = Path(sys.executable).with_name("tally")
READY_WITHIN = 90  # seconds
ANCHORED_WITHIN = 120  # seconds
ENDED_WITHIN = 30  # seconds
TO_LOOK_AT = (
    ("police", "case list"),
    ("prosecutor", "handover inbox"),
    ("prosecutor-chief", "lead list"),
    ("analyst", "library list"),
    ("auditor", "report --from 2020-01-01 --until 2099-12-31"),
    ("detention", "deadline list"),
    ("prosecutor", "signer   # signs for the console, as the prosecutor"),
)
PASSPHRASE = "demonstration only"  # noqa: S105 - the keys it opens are made here and thrown away


class StepFailed(Exception):
    """A step did not hold."""


class Stage:
    """One run: a directory, a chain, a service, and the steps so far."""

    def __init__(self, directory: Path, chain: Chain):
        self.directory = directory
        self.chain = chain
        self.data = directory / "ledger"
        self.exports = directory / "exports"
        self.passphrase_file = directory / "passphrase"
        self.passphrase_file.write_text(PASSPHRASE + "\n")
        self.passphrase_file.chmod(0o600)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.chain_port = free_port()
        self.rpc_url = chain.url or f"http://127.0.0.1:{self.chain_port}"
        self.helpers: list[subprocess.Popen[bytes]] = []
        self.failed = False
        self._console = Console(highlight=False)
        self._steps: list[tuple[str, str]] = []
        self._service: subprocess.Popen[bytes] | None = None

    # -- what people see -----------------------------------------------------------------------------------------------

    def act(self, title: str) -> None:
        """A heading."""
        self._console.rule(f"[bold]{title}[/bold]", align="left")

    def held(self, what: str, detail: str = "") -> None:
        """A step that held."""
        self._steps.append((what, detail))
        self._console.print(f"  [green]✓[/green] {what}" + (f"  [dim]{detail}[/dim]" if detail else ""))

    def fail(self, why: str) -> None:
        """The step that did not."""
        self.failed = True
        self._console.print(f"  [red]✗ {why}[/red]")

    def summarise(self, seconds: float) -> None:
        """The closing table."""
        table = Table(title="Tallystick demonstration", show_lines=False)
        table.add_column("held")
        table.add_column("what it showed", style="dim")
        for what, detail in self._steps:
            table.add_row(what, detail)
        self._console.print(table)
        verdict = "[red]a step did not hold[/red]" if self.failed else "[green]every step held[/green]"
        self._console.print(f"{len(self._steps)} steps in {seconds:.0f} s on {self.chain.name}: {verdict}")

    # -- the command line ----------------------------------------------------------------------------------------------

    def tally(
        self, *arguments: str, profile: str | None = None, expect: int | None = 0, text: str | None = None
    ) -> Any:
        """What the command, which reads ``text``, answers in JSON.

        Raises StepFailed unless it ends with the exit code ``expect``; with None any will do.
        """
        command = [str(TALLY), "--json", *(("--profile", profile) if profile else ()), *arguments]
        environment = self.environment()
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, input=text)
        if expect is not None and done.returncode != expect:
            told = (done.stderr or done.stdout).strip()
            raise StepFailed(f"tally {' '.join(arguments)}: exit code {done.returncode}, expected {expect}: {told}")
        return json.loads(done.stdout) if done.stdout.strip() else None

    def environment(self) -> dict[str, str]:
        """What the service and the commands find in their environment."""
        return os.environ | {
            "TALLYSTICK_CONFIG_DIR": str(self.directory / "config"),
            "TALLYSTICK_DATA_DIR": str(self.data),
            "TALLYSTICK_PORT": str(self.port),
            "TALLYSTICK_KEY_PASSPHRASE_FILE": str(self.passphrase_file),
            "TALLYSTICK_ANCHOR_INTERVAL_S": "2",
            "TALLYSTICK_EMBEDDED_CHAIN_PORT": str(self.chain_port),
            **self.chain.settings,
        }

    # -- the service ---------------------------------------------------------------------------------------------------

    def start_service(self) -> None:
        """Starts ``tally serve`` and waits until it is ready and the chain is connected."""
        log = (self.directory / "service.log").open("ab")
        self._service = subprocess.Popen([str(TALLY), "serve"], stdout=log, stderr=log, env=self.environment())
        deadline = time.monotonic() + READY_WITHIN
        while not self._is_ready():
            if self._service.poll() is not None or time.monotonic() > deadline:
                raise StepFailed(f"the service did not get ready; see {self.directory / 'service.log'}")
            time.sleep(0.2)

    def stop_service(self) -> None:
        """Ends the service as an operator would."""
        if self._service is not None:
            _end(self._service)
            self._service = None

    def stop_all(self) -> None:
        """Ends the service and what runs beside it."""
        self.stop_service()
        while self.helpers:
            _end(self.helpers.pop())

    def serve_until_interrupted(self) -> None:
        """Leaves the service to whoever watches."""
        try:
            self._console.print(f"\nThe service runs at [bold]{self.url}[/bold] (API: {self.url}/docs).")
            self._console.print(f"  export TALLYSTICK_CONFIG_DIR={self.directory / 'config'}")
            for profile, words in TO_LOOK_AT:
                self._console.print(f"  {TALLY} --profile {profile} {words}")
            self._console.print("Ctrl-C ends it, and all that was started with it.")
            while self._service is not None and self._service.poll() is None:
                time.sleep(0.5)
        except KeyboardInterrupt:
            self._console.print()

    def wait_until(self, what: str, path: str, holds: Any) -> Any:
        """The service's answer at ``path`` once it ``holds``. Raises StepFailed if it does not in time."""
        deadline = time.monotonic() + ANCHORED_WITHIN
        while True:
            answer = httpx.get(self.url + path, timeout=10).json()
            if holds(answer):
                return answer
            if time.monotonic() > deadline:
                raise StepFailed(f"{what}: not within {ANCHORED_WITHIN} s; last answer {answer}")
            time.sleep(0.5)

    def _is_ready(self) -> bool:
        try:
            ready = httpx.get(f"{self.url}/readyz", timeout=2).is_success
            return ready and httpx.get(f"{self.url}/api/v1/chain", timeout=2).is_success
        except httpx.HTTPError:
            return False


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends a process, by force where it does not end when asked."""
    process.terminate()
    try:
        process.wait(timeout=ENDED_WITHIN)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
