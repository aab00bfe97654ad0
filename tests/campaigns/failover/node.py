"""The first process of one machine of the cluster: it keeps programs running, as systemd would, and does as it is told.

python -m tests.campaigns.failover.node CONFIGURATION

Runs as process 1 of a PID namespace, so that whoever kills it takes the whole machine down at once. Reads one JSON
object a line from standard input, and answers each with one on standard output:

- ``{"signal": "KILL", "to": "postgres"}``: sends it to each process of that name (``all``: to every process);
- ``{"wanted": false, "program": "patroni"}``: ends the program, and starts it no more until it is wanted again;
- ``{"run": [...]}``: runs a command as the account of the programs, and answers with its exit status and output.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

AGAIN_AFTER = 0.5  # seconds from the end of a program to its next start
LOOK_EVERY = 0.1  # seconds
RUN_WITHIN = 20  # seconds


@dataclass
class Program:
    """What runs here, and under which process id; ``start_at`` is when it is to be started again."""

    name: str
    command: list[str]
    environment: dict[str, str]
    log: str
    wanted: bool = True
    pid: int | None = None
    start_at: float = 0.0


class Machine:
    """The programs of one machine, run by the account ``user``."""

    def __init__(self, user: int, group: int, programs: list[Program]):
        self._user = user
        self._group = group
        self._programs = programs

    def serve(self) -> None:
        """Keep programs running and do what standard input says until it ends."""
        lines = b""
        while True:
            self._reap()
            self._start_what_is_wanted()
            readable, _, _ = select.select([0], [], [], LOOK_EVERY)
            if not readable:
                continue
            received = os.read(0, 65536)
            if not received:
                return
            *whole, lines = (lines + received).split(b"\n")
            for line in whole:
                print(json.dumps(self._do(json.loads(line))), flush=True)

    def _do(self, order: dict[str, Any]) -> dict[str, Any]:
        if "signal" in order:
            return {"reached": self._signal(signal.Signals[f"SIG{order['signal']}"], order["to"])}
        if "run" in order:
            return self._run(order["run"])
        for program in self._programs:
            if program.name == order["program"]:
                program.wanted = order["wanted"]
                if not program.wanted and program.pid is not None:
                    os.kill(program.pid, signal.SIGKILL)
        return {}

    def _signal(self, number: signal.Signals, name: str) -> int:
        """Return how many processes got the signal."""
        reached = 0
        for folder in Path("/proc").iterdir():
            if not folder.name.isdigit() or folder.name == "1":
                continue
            with suppress(OSError):  # it has ended
                if name == "all" or name in (self._name_of(int(folder.name)), (folder / "comm").read_text().strip()):
                    os.kill(int(folder.name), number)
                    reached += 1
        return reached

    def _name_of(self, pid: int) -> str | None:
        return next((program.name for program in self._programs if program.pid == pid), None)

    def _run(self, command: list[str]) -> dict[str, Any]:
        try:
            done = subprocess.run(
                command,
                check=False,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                text=True,
                timeout=RUN_WITHIN,
                **self._account(),
            )
        except subprocess.TimeoutExpired:
            return {"status": 124, "output": f"not done within {RUN_WITHIN} s"}
        return {"status": done.returncode, "output": done.stdout}

    def _account(self) -> dict[str, Any]:
        return {"user": self._user, "group": self._group, "extra_groups": (), "cwd": "/tmp"}

    def _reap(self) -> None:
        """Take the exit status of whatever has ended: of orphans too, or PostgreSQL would seem to run for ever."""
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG)[0]) != 0:
                for program in self._programs:
                    if program.pid == ended:
                        program.pid, program.start_at = None, time.monotonic() + AGAIN_AFTER

    def _start_what_is_wanted(self) -> None:
        for program in self._programs:
            if program.wanted and program.pid is None and time.monotonic() >= program.start_at:
                with Path(program.log).open("ab") as log:
                    started = subprocess.Popen(
                        program.command,
                        env=program.environment,
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=log,
                        **self._account(),
                    )
                program.pid = started.pid
                started.returncode = 0  # its end is seen by ``_reap``


def main(configuration: str) -> None:
    """Keep the machine running until standard input ends."""
    # The first process of a namespace gets only signals that it asked for; an interrupt is for whoever drives this.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Shared memory of its own: names of one machine would otherwise meet those of another.
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/dev/shm"], check=True)
    Path("/dev/shm").chmod(0o1777)
    settings = json.loads(Path(configuration).read_text(encoding="utf-8"))
    Machine(settings["user"], settings["group"], [Program(**program) for program in settings["programs"]]).serve()


if __name__ == "__main__":
    main(*sys.argv[1:])
