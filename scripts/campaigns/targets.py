"""What is killed: a process that takes submissions. Each kind starts, takes, and dies in its own way."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import NamedTuple, Protocol

import msgspec

from ledger.recording.publisher import Receipt

ROOT = Path(__file__).resolve().parents[2]
ANSWER_WITHIN = 120  # seconds


class Refused(NamedTuple):
    """The event was looked at and is not recorded."""

    code: str


class Lost(NamedTuple):
    """No answer, or one that says that the outcome is not known."""

    reason: str


Answer = Receipt | Refused | Lost


class Target(Protocol):
    """One run of a process; after ``kill`` another one is started on the same data."""

    def start(self) -> None:
        """Start, and return once submissions are taken."""

    def post(self, submission: bytes) -> Answer:
        """Submit, and wait for the answer. Many threads call it at once."""

    def kill(self) -> None:
        """SIGKILL, whatever it is doing; returns once the process is gone."""


class WriterTarget:
    """``scripts.campaigns.writer`` over its standard input and output. ``prefix`` is a command that runs it."""

    def __init__(self, database_url: str, prefix: tuple[str, ...] = (), *, publish_every_s: float = 0.1):
        program = [sys.executable, "-m", "scripts.campaigns.writer", database_url, str(publish_every_s)]
        self._command = [*prefix, *program]
        self._process: subprocess.Popen[bytes] | None = None
        self._waiting: dict[bytes, Future[Answer]] = {}
        self._lock = threading.Lock()
        self._number = 0
        self._ready = threading.Event()
        self._reader: threading.Thread | None = None
        self.ended = threading.Event()

    def start(self) -> None:
        self._ready.clear()
        self.ended.clear()
        self._process = subprocess.Popen(
            self._command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self._reader = threading.Thread(target=self._read, args=(self._process,), daemon=True)
        self._reader.start()
        while not self._ready.wait(0.05):
            if self.ended.is_set():
                raise RuntimeError(f"the writer ended with {self._process.wait()} before it was ready")

    def post(self, submission: bytes) -> Answer:
        process = self._process
        assert process is not None
        assert process.stdin is not None
        answer: Future[Answer] = Future()
        with self._lock:
            if self.ended.is_set():
                return Lost("the writer is gone")
            self._number += 1
            self._waiting[b"%d" % self._number] = answer
            try:
                process.stdin.write(b"%d %s\n" % (self._number, submission))
                process.stdin.flush()
            except OSError:
                return Lost("the writer is gone")
        return answer.result(ANSWER_WITHIN)

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self.wait()

    def finish(self) -> int:
        """Lets the writer end by itself; its exit status."""
        assert self._process is not None
        assert self._process.stdin is not None
        with self._lock:
            self._process.stdin.close()
        return self.wait()

    def wait(self) -> int:
        """Until the process is gone, however it ends."""
        assert self._process is not None
        assert self._reader is not None
        status = self._process.wait()
        self._reader.join()
        return status

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            if not line.endswith(b"\n"):  # cut in the middle by the kill: nobody was told
                break
            if line == b"ready\n":
                self._ready.set()
                continue
            number, word, rest = line.rstrip(b"\n").split(b" ", 2)
            if word == b"receipt":
                answer: Answer = msgspec.json.decode(rest, type=Receipt)
            else:
                answer = (Refused if word == b"refused" else Lost)(rest.decode())
            self._waiting.pop(number).set_result(answer)
        with self._lock:
            self.ended.set()
            waiting, self._waiting = self._waiting, {}
        for future in waiting.values():
            future.set_result(Lost("the writer died"))
