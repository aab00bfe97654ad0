"""Processes forked off one that has imported what they run: a service takes longer to import than to start."""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections.abc import Mapping, Sequence
from multiprocessing.context import ForkServerProcess
from pathlib import Path

_IMPORTED = (
    "api.app",
    "api.wiring",
    "ledger.cli.commands.installation",
    "ledger.cli.listening",
    "scripts.campaigns.writer",
)
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload([*_IMPORTED])


class ForkedProcess(ForkServerProcess):
    """What the tests use of a ``subprocess.Popen``."""

    def poll(self) -> int | None:
        """Return the exit code, or None while it runs."""
        return self.exitcode

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            assert self.pid is not None
            os.kill(self.pid, number)

    def wait(self, timeout: float | None = None) -> int | None:
        """Return the exit code, or None if it does not end in time."""
        self.join(timeout)
        return self.exitcode


def forked_service(command: Sequence[str], variables: Mapping[str, str], log: Path) -> ForkedProcess:
    """Start ``tally serve``, or another ``command`` in its place, with these variables alone; it writes to ``log``."""
    process = ForkedProcess(target=_serve, args=(tuple(command), dict(variables), log))
    process.start()
    return process


def _serve(command: Sequence[str], variables: Mapping[str, str], log: Path) -> None:
    os.environ.clear()
    os.environ.update(variables)
    time.tzset()
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for descriptor, file in enumerate((os.open(os.devnull, os.O_RDONLY), output, output)):
        os.dup2(file, descriptor)
    if command:
        os.execvp(command[0], [*command, "serve"])
    from ledger.cli.main import run

    sys.exit(run(["serve"]))
