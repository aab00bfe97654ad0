"""Anvil as a child process: started on a loopback port, and killed when its parent ends."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import threading
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from ledger.chain.errors import ChainUnavailable

GENESIS_TIMESTAMP = 1577836800  # 2020-01-01T00:00:00Z
GAS_LIMIT = 30_000_000  # of a block
STATES_KEPT = 16  # newest blocks whose state can be read
START_SECONDS = 120.0  # until it listens, a large dump loaded

_LISTENING = re.compile(r"Listening on ([0-9.]+:[0-9]+)")


def anvil_arguments(*, directory: Path, chain_id: int, port: int, load: Path | None) -> list[str]:
    """Return the flags under which the same transactions and timestamps give the same block hashes.

    Gas costs nothing, so that an agency's admin needs no coins. ``directory`` takes what Anvil would otherwise write to
    the user's home; with ``port`` 0 the system chooses.
    """
    arguments = ["--no-mining", "--order", "fifo", "--hardfork", "cancun", "--prune-history", str(STATES_KEPT)]
    arguments += ["--timestamp", str(GENESIS_TIMESTAMP), "--gas-limit", str(GAS_LIMIT), "--chain-id", str(chain_id)]
    arguments += ["--base-fee", "0", "--gas-price", "0", "--disable-min-priority-fee", "--accounts", "0"]
    arguments += ["--host", "127.0.0.1", "--port", str(port), "--no-cors", "--cache-path", str(directory / "cache")]
    return arguments + (["--load-state", str(load)] if load else [])


class AnvilProcess:
    """One running Anvil.

    A thread of its own starts and waits for it: Linux sends a child its death signal when the *thread* that started it
    ends.
    """

    def __init__(self, binary: Path, arguments: Sequence[str], *, home: Path):
        self._command = [*_die_with_parent(), str(binary), *arguments]
        self._home = home
        self._said: deque[str] = deque(maxlen=20)
        self._settled = threading.Event()  # set once it listens or has ended
        self._ended = threading.Event()
        self._process: subprocess.Popen[str] | None = None
        self._address: str | None = None
        self._failure: OSError | None = None
        self._keeper = threading.Thread(target=self._keep, name="anvil-keeper", daemon=True)

    def start(self) -> None:
        """Return once it listens. Raises Unavailable, with its last lines of output, if it does not."""
        self._keeper.start()
        if not self._settled.wait(START_SECONDS):
            self.stop()
        if self._address is None:
            words = str(self._failure or "; ".join(line for line in self._said if line.strip()))
            raise ChainUnavailable(
                f"the embedded chain node does not start: {words[-400:]}",
                hint="Run scripts/setup, which installs Anvil.",
            ) from self._failure

    @property
    def url(self) -> str:
        return f"http://{self._address}"

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def runs(self) -> bool:
        return self._address is not None and not self._ended.is_set()

    def stop(self) -> None:
        """Kill it. Nothing is lost: the journal has all that it knew."""
        if self._process is not None:
            self._process.kill()
        self._keeper.join()

    def _keep(self) -> None:
        try:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                env={"HOME": str(self._home), "PATH": os.defpath},
                start_new_session=True,  # an interrupt at the terminal is for the service, which then stops it
            )
            self._listen(self._process)
        except OSError as error:
            self._failure = error
        finally:
            self._ended.set()
            self._settled.set()

    def _listen(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self._said.append(line.rstrip())
            match = _LISTENING.search(line) if self._address is None else None
            if match:
                self._address = match.group(1)
                self._settled.set()
        process.wait()


def _die_with_parent() -> list[str]:
    """Return a prefix that has the kernel kill the child with its parent; empty without util-linux's setpriv."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL"] if setpriv else []
