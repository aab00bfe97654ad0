"""What is killed: a process that takes submissions. Each kind starts, takes, and dies in its own way."""

from __future__ import annotations

import subprocess
import sys
from multiprocessing import connection
from pathlib import Path
from typing import NamedTuple, Protocol

from ledger.core.log.notes import VerifyingKey
from ledger.recording.publisher import Receipt
from scripts.campaigns.casework import LOG_ID, LOG_SIGNER

ROOT = Path(__file__).resolve().parents[2]
ANSWER_WITHIN = 120  # seconds


class Refused(NamedTuple):
    """The event was looked at and is not recorded."""

    code: str


class Failed(NamedTuple):
    """The process failed in a way that nobody foresaw: never right, whatever was killed."""

    reason: str


class Lost(NamedTuple):
    """No answer, or one that says that the outcome is not known."""

    reason: str


Answer = Receipt | Refused | Lost | Failed


class Target(Protocol):
    """One run of a process; after ``kill`` another one is started on the same data, under the same keys."""

    database_url: str
    log_id: bytes
    log_key: VerifyingKey

    def start(self) -> None:
        """Start, and return once submissions are taken."""

    def post(self, submission: bytes) -> Answer:
        """Submit, and wait for the answer. Many threads call it at once."""

    def kill(self) -> None:
        """SIGKILL, whatever it is doing; returns once the process is gone."""


class WriterTarget:
    """``scripts.campaigns.writer`` at its port. ``prefix`` is a command that runs it."""

    log_id = LOG_ID
    log_key = LOG_SIGNER.verifying_key

    def __init__(self, database_url: str, prefix: tuple[str, ...] = (), *, publish_every_s: float = 0.1):
        program = [sys.executable, "-m", "scripts.campaigns.writer", database_url, str(publish_every_s)]
        self.database_url = database_url
        self._command = [*prefix, *program]
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """Return the process of the last start."""
        assert self._process is not None, "it was started"
        return self._process

    def start(self) -> None:
        self._process = subprocess.Popen(
            self._command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert self._process.stdout is not None
        port = self._process.stdout.readline()
        if not port:
            raise RuntimeError(f"the writer ended with {self._process.wait()} before it was ready")
        self._port = int(port)

    def post(self, submission: bytes) -> Answer:
        """Submit at the port, one event or several lines. A writer that does not answer in time has failed."""
        try:
            with connection.Client(("127.0.0.1", self._port)) as line:
                line.send_bytes(submission)
                if not line.poll(ANSWER_WITHIN):
                    return Failed(f"no answer within {ANSWER_WITHIN} s")
                answer: Answer = line.recv()
        except (EOFError, OSError) as error:
            return Lost(type(error).__name__)
        return answer

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def finish(self) -> int:
        """Let the writer end by itself; return its exit status."""
        self.process.communicate()
        return self.process.returncode
