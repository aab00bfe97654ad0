"""The demonstration leaves nothing running, however it is ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.demonstration import stage
from tests.testkit.machine import REPOSITORY

# What ``scripts/demo --serve`` does once its steps are through, with processes in place of the service and a witness.
SERVING = """
import subprocess, sys
from pathlib import Path
from scripts.demonstration import __main__ as demonstration

def run(stage, *, serve):
    stage._service = subprocess.Popen(["sleep", "600"])
    stage.helpers.append(subprocess.Popen(["sleep", "600"]))
    print(stage._service.pid, stage.helpers[0].pid, flush=True)
    stage.serve_until_interrupted()

demonstration.run = run
sys.exit(demonstration.main())
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["ended", "interrupted"])
def test_what_it_started_ends_with_it(tmp_path: Path, number: signal.Signals) -> None:
    """By SIGTERM and by Ctrl-C, although the shell that started it had the interrupt ignored."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        command = [sys.executable, "-u", "-c", SERVING, "--serve", "--keep", str(tmp_path / "kept")]
        running = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True, start_new_session=True)
    finally:
        signal.signal(signal.SIGINT, before)
    with running:
        assert running.stdout is not None
        started = [int(pid) for pid in running.stdout.readline().split()]
        assert len(started) == 2
        assert any("Ctrl-C ends it" in line for line in iter(running.stdout.readline, ""))
        running.send_signal(number)
        output = running.stdout.read()
    assert running.returncode == 0, output
    assert [pid for pid in started if _runs(pid)] == []


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_process_ends_although_an_interrupt_came_while_it_was_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock of the process is taken for ever then: whoever waited for it without a limit hung."""
    monkeypatch.setattr(stage, "ENDED_WITHIN", 0.05)
    process = subprocess.Popen(["sleep", "600"])
    process._waitpid_lock.acquire()  # type: ignore[attr-defined]
    stage.end(process)
    os.waitpid(process.pid, 0)
