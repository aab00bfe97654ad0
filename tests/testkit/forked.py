"""``tally serve`` forked off a process that has imported all of it, which takes several times as long as to start."""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections.abc import Mapping, Sequence
from multiprocessing.context import ForkServerProcess
from pathlib import Path

_FORKING = multiprocessing.get_context("forkserver")
_FORKING.set_forkserver_preload(["api.app", "api.wiring", "ledger.cli.commands.installation", "ledger.cli.listening"])


class ForkedService(ForkServerProcess):
    """A service as a process of its own; ``command`` is another ``tally`` to run in its place, if there are words."""

    def __init__(self, command: Sequence[str], variables: Mapping[str, str], log: Path):
        super().__init__(target=_serve, args=(tuple(command), dict(variables), log))
        self.start()

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


def _serve(command: Sequence[str], variables: Mapping[str, str], log: Path) -> None:
    os.environ.clear()
    os.environ.update(variables)
    time.tzset()
    for path, flags, descriptors in ((os.devnull, os.O_RDONLY, (0,)), (log, os.O_WRONLY | os.O_APPEND, (1, 2))):
        for descriptor in descriptors:
            os.dup2(os.open(path, flags), descriptor)
    if command:
        os.execvp(command[0], [*command, "serve"])
    from ledger.cli.main import run

    sys.exit(run(["serve"]))
