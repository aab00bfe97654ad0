"""Load that keeps books: what was acknowledged, and what is still owed an answer."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

from ledger.recording.publisher import Receipt
from ledger.recording.signing import Signed
from scripts.fault.people import Casework
from scripts.fault.targets import Lost, Refused, Target


@dataclass
class Books:
    """Submissions with their receipts, and what went wrong, over all rounds."""

    acknowledged: list[tuple[Signed, Receipt]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    resolved: int = 0  # submissions whose outcome was unknown, sent again and acknowledged


@dataclass
class Client:
    """Writes one case after another; an event without an answer is sent again before anything else."""

    casework: Casework
    books: Books
    pending: Signed | None = None
    told: str = ""  # why the last event was not acknowledged

    def run(self, target: Target, stop: threading.Event) -> None:
        """Until ``stop`` is set or the target does not answer."""
        while not stop.is_set() and self.step(target):
            continue

    def step(self, target: Target) -> bool:
        """One event; whether it was answered."""
        again = self.pending is not None
        signed = self.pending or self.casework.next(int(time.time()))
        self.pending = signed
        answer = target.post(signed.submission)
        self.told = answer.reason if isinstance(answer, Lost) else ""
        if isinstance(answer, Lost):
            return False
        self.pending = None
        if isinstance(answer, Refused):
            self.books.faults.append(f"{signed.envelope.event_id} was refused: {answer.code}")
            return False
        self.books.resolved += again
        self.books.acknowledged.append((signed, answer))
        self.casework.acknowledged(signed)
        return True


class Load:
    """Clients at work at once, each in a thread of its own."""

    def __init__(self, clients: int, log_id: bytes, run: str):
        self.books = Books()
        self._clients = [Client(Casework(f"{run}-{number}", log_id), self.books) for number in range(clients)]
        self._threads: list[threading.Thread] = []
        self._stop = threading.Event()

    def start(self, target: Target) -> None:
        self._stop.clear()
        self._threads = [
            threading.Thread(target=client.run, args=(target, self._stop), daemon=True) for client in self._clients
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Returns once every client is idle."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def settle(self, target: Target) -> None:
        """Sends again what is owed an answer: each must be answered now."""
        for client in self._clients:
            if client.pending is not None and not client.step(target) and not self.books.faults:
                self.books.faults.append("an event without an outcome got none either when it was sent again")
