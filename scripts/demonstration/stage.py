"""The stage: a chain and a service on it, ``tally`` as its users run it, and a count of what held."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
from rich.console import Console
from rich.table import Table

T = TypeVar("T")

ROOT = Path(__file__).resolve().parents[2]
TALLY = Path(sys.executable).with_name("tally")
HARDHAT = ROOT / "node_modules" / "hardhat" / "internal" / "cli" / "bootstrap.js"
HARDHAT_CHAIN_ID = 31338
PURSE = hex(10**24)  # wei
READY_WITHIN = 90  # seconds
ANCHORED_WITHIN = 120  # seconds
ENDED_WITHIN = 30  # seconds
ENDING = (signal.SIGINT, signal.SIGTERM)
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


@dataclass(frozen=True)
class DemoChain:
    """The service's embedded Anvil, or Hardhat's node beside it, at ``url``; ``settings`` are the service's."""

    name: str = "the embedded Anvil"
    settings: dict[str, str] = field(default_factory=dict)
    url: str | None = None

    def fund(self, accounts: Sequence[str]) -> None:
        """Give accounts what they need for gas; the embedded chain takes none."""
        for account in accounts if self.url else ():
            _answers(self.url or "", "hardhat_setBalance", account, PURSE)


@contextmanager
def running_chain(name: str, directory: Path) -> Iterator[DemoChain]:
    """Run the chain ``name``, anvil or hardhat, until the block is left."""
    if name == "anvil":
        yield DemoChain()
        return
    port = free_port()
    folder, url = directory / "hardhat", f"http://127.0.0.1:{port}"
    folder.mkdir()
    network = f'{{ hardhat: {{ chainId: {HARDHAT_CHAIN_ID}, hardfork: "cancun" }} }}'
    configuration = f'module.exports = {{ solidity: "0.8.28", networks: {network} }};\n'
    (folder / "hardhat.config.js").write_text(configuration)
    (folder / "package.json").write_text("{}")
    (folder / "node_modules").symlink_to(ROOT / "node_modules")
    command = ["node", str(HARDHAT), "node", "--hostname", "127.0.0.1", "--port", str(port)]
    environment = os.environ | {"HARDHAT_DISABLE_TELEMETRY_PROMPT": "true"}
    settings = {"TALLYSTICK_CHAIN": url, "TALLYSTICK_CHAIN_ID": str(HARDHAT_CHAIN_ID), "TALLYSTICK_FINALITY": "0"}
    with (
        (folder / "node.log").open("wb") as log,
        running(command, cwd=folder, env=environment, stdout=log, stderr=log) as process,
    ):
        wait_for_process(process, lambda: _answers(url, "eth_chainId"), folder / "node.log")
        yield DemoChain("Hardhat's node", settings, url)


def _answers(url: str, method: str, *parameters: str) -> bool:
    """Make a JSON-RPC request whose result does not matter, and return whether it was answered."""
    request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(parameters)}
    return httpx.post(url, json=request, timeout=10).is_success


@contextmanager
def running(command: Sequence[str], **options: Any) -> Iterator[subprocess.Popen[Any]]:
    """Run a process until the block is left, and end it then."""
    process = subprocess.Popen(command, **options)
    try:
        yield process
    finally:
        end(process)


def end(process: subprocess.Popen[Any]) -> None:
    """End a process, by force where it does not end when asked."""
    process.terminate()
    try:
        process.wait(timeout=ENDED_WITHIN)
    except subprocess.TimeoutExpired:
        process.kill()
        # An interrupt within ``poll`` leaves the lock taken that ``wait`` would wait for, and for ever without a limit.
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=ENDED_WITHIN)


def wait_for(
    condition: str,
    look: Callable[[], T],
    holds: Callable[[T], object] = bool,
    *,
    within: float = ANCHORED_WITHIN,
    every: float = 0.5,
) -> T:
    """Return what ``look`` gives once it ``holds``; where nobody answers yet, look again.

    Raises StepFailed if it does not hold within so many seconds.
    """
    deadline, answer = time.monotonic() + within, None
    while True:
        with suppress(httpx.HTTPError):
            if holds(answer := look()):
                return answer
        if time.monotonic() > deadline:
            raise StepFailed(f"{condition}: not within {within} s; last answer {answer}")
        time.sleep(every)


def wait_for_process(process: subprocess.Popen[Any], is_ready: Callable[[], object], log: Path) -> None:
    """Wait until what a process serves is there. Raises StepFailed if the process ends or takes too long."""

    def look() -> object:
        if process.poll() is not None:
            raise StepFailed(f"the process ended; see {log}")
        return is_ready()

    wait_for(f"the process is ready; see {log}", look, within=READY_WITHIN, every=0.1)


def is_up(*urls: str) -> bool:
    """Return whether each of the pages is there."""
    return all(httpx.get(url, timeout=10, trust_env=False).is_success for url in urls)


def free_port() -> int:
    """Return a loopback port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


class Stage:
    """One run: a directory, a chain, a service, and the steps so far."""

    def __init__(self, directory: Path, chain: DemoChain):
        self.directory = directory
        self.chain = chain
        self.data = directory / "ledger"
        self.exports = directory / "exports"
        self.passphrase_file = directory / "passphrase"
        self.passphrase_file.write_text(PASSPHRASE + "\n")
        self.passphrase_file.chmod(0o600)
        self.unlocking = ("--passphrase-file", str(self.passphrase_file))
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
        """Show a heading."""
        self._console.rule(f"[bold]{title}[/bold]", align="left")

    def held(self, step: str, detail: str = "") -> None:
        """Count and show a step that held."""
        self._steps.append((step, detail))
        self._console.print(f"  [green]✓[/green] {step}" + (f"  [dim]{detail}[/dim]" if detail else ""))

    def fail(self, why: str) -> None:
        """Show the step that did not."""
        self.failed = True
        self._console.print(f"  [red]✗ {why}[/red]")

    def summarise(self, seconds: float) -> None:
        """Show all steps in a table."""
        table = Table(title="Tallystick demonstration", show_lines=False)
        table.add_column("held")
        table.add_column("what it showed", style="dim")
        for step, detail in self._steps:
            table.add_row(step, detail)
        self._console.print(table)
        verdict = "[red]a step did not hold[/red]" if self.failed else "[green]every step held[/green]"
        self._console.print(f"{len(self._steps)} steps in {seconds:.0f} s on {self.chain.name}: {verdict}")

    # -- the command line ----------------------------------------------------------------------------------------------

    def tally(self, *arguments: str, profile: str | None = None, expect: int | None = 0) -> Any:
        """Run a command; return what it answers in JSON.

        Raises StepFailed unless it ends with the exit code ``expect``; with None any will do.
        """
        command = [str(TALLY), "--json", "--yes", *(("--profile", profile) if profile else ()), *arguments]
        environment = self.environment()
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        if expect is not None and done.returncode != expect:
            output = (done.stderr or done.stdout).strip()
            raise StepFailed(f"tally {' '.join(arguments)}: exit code {done.returncode}, expected {expect}: {output}")
        return json.loads(done.stdout) if done.stdout.strip() else None

    def environment(self) -> dict[str, str]:
        """Return what the service and the commands find in their environment."""
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

    def start_service(self, *, with_chain: bool = True) -> None:
        """Start ``tally serve``, and wait until it is ready and, ``with_chain``, the chain is connected."""
        log = self.directory / "service.log"
        with log.open("ab") as file:
            self._service = subprocess.Popen([str(TALLY), "serve"], stdout=file, stderr=file, env=self.environment())
        pages = [self.url + "/readyz", *([self.url + "/api/v1/chain"] if with_chain else [])]
        wait_for_process(self._service, lambda: is_up(*pages), log)

    def stop_service(self) -> None:
        """End the service as an operator would."""
        if self._service is not None:
            end(self._service)
            self._service = None

    def stop_all(self) -> None:
        """End the service and what runs beside it."""
        self.stop_service()
        while self.helpers:
            end(self.helpers.pop())

    def serve_until_interrupted(self) -> None:
        """Leave the service to whoever watches."""
        try:
            self._console.print(f"\nThe service runs at [bold]{self.url}[/bold] (API: {self.url}/docs).")
            self._console.print(f"  export TALLYSTICK_CONFIG_DIR={self.directory / 'config'}")
            for profile, words in TO_LOOK_AT:
                self._console.print(f"  {TALLY} --profile {profile} {words}")
            self._console.print("Ctrl-C ends it, and all that was started with it.")
            # Waited for, not raised: an exception at any moment could leave the service without an end.
            signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
            while self._service is not None and self._service.poll() is None:
                if signal.sigtimedwait(ENDING, 0.5) is not None:
                    break
        except KeyboardInterrupt:  # before they were blocked
            self._console.print()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)

    def wait_until(self, condition: str, path: str, holds: Callable[[Any], object]) -> Any:
        """Return the service's answer at ``path`` once it ``holds``. Raises StepFailed if it does not in time."""
        return wait_for(condition, lambda: httpx.get(self.url + path, timeout=10, trust_env=False).json(), holds)
