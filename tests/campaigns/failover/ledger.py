"""The ledger of the campaign: ``tally serve`` on the cluster, its clients, and the books of what they were told."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import msgspec

from ledger.recording.event_signing import Signed
from ledger.recording.publisher import Receipt
from scripts.campaigns.casework import Casework
from scripts.campaigns.service import JSON, ServiceTarget, answer_of
from scripts.campaigns.targets import Answer, Lost, Refused
from scripts.demonstration.stage import TALLY, end
from tests.campaigns.failover.cluster import DATABASE, faked_time, write_clock

CLIENTS = 6
ANSWER_WITHIN = 5.0  # seconds after which a client gives up and asks again: what it sent may be recorded meanwhile
THINKS = (0.0, 0.12)  # seconds between two events of a client
AGAIN_AFTER = 0.25  # seconds until a client without an answer sends the same again
LOOK_EVERY = 0.25  # seconds between two looks at the public checkpoint
RESTARTED_AFTER = 1.0  # seconds from the service's end to its next start


class Acknowledged(NamedTuple):
    """A receipt that a client has; ``at`` is monotonic seconds."""

    at: float
    event_id: str
    receipt: Receipt


@dataclass
class Books:
    """What clients were told, on disk too, as it came; ``shown`` are checkpoints (signed notes) that anybody saw."""

    file: Path
    acknowledged: list[Acknowledged] = field(default_factory=list)
    shown: dict[str, None] = field(default_factory=dict)
    untold: Counter[str] = field(default_factory=Counter)  # answers without an outcome, by their codes
    refused: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)  # clients that ended as no client should
    _gate: threading.Lock = field(default_factory=threading.Lock)

    def note(self, signed: Signed, answer: Answer) -> None:
        """Keep an answer to a submission."""
        name = signed.envelope.event_id
        with self._gate:
            if isinstance(answer, Receipt):
                self.acknowledged.append(Acknowledged(time.monotonic(), name, answer))
                self._write("acknowledged", name, msgspec.to_builtins(answer))
            elif isinstance(answer, Refused):
                self.refused[answer.code] += 1
                self._write("refused", name, answer.code)
            else:
                self.untold[answer.reason] += 1
                self._write("unknown", name, answer.reason)

    def note_shown(self, checkpoint: str) -> None:
        """Keep a checkpoint that the service published."""
        with self._gate:
            if checkpoint not in self.shown:
                self.shown[checkpoint] = None
                self._write("shown", "", checkpoint)

    def note_fault(self, words: str) -> None:
        """Keep what was done to the cluster, among what came of it."""
        with self._gate:
            self._write("fault", "", words)

    def _write(self, kind: str, name: str, content: Any) -> None:
        with self.file.open("a", encoding="utf-8") as file:
            file.write(json.dumps([round(time.time(), 3), kind, name, content]) + "\n")


class Ledger(ServiceTarget):
    """The service, which is started again whenever it ends, as systemd would; what it does not answer is not known."""

    def __init__(self, folder: Path):
        self._clock = folder / "clock"
        write_clock(self._clock, 0)
        super().__init__(folder)
        self.database_url = DATABASE
        self.restarts = 0
        self._wanted = False
        self._keeper: threading.Thread | None = None
        self._client = httpx.Client(
            base_url=self.url,
            timeout=ANSWER_WITHIN,
            trust_env=False,
            limits=httpx.Limits(max_connections=64, max_keepalive_connections=0),
        )

    def environment(self) -> dict[str, str]:
        """Return the service's environment: with as many durable copies as the cluster keeps."""
        return super().environment() | {"TALLYSTICK_DATABASE_URL": DATABASE, "TALLYSTICK_DURABLE_COPIES": "2"}

    def start_service(self, *, with_chain: bool = True) -> None:
        """Start it for the first time, and keep it running from then on."""
        super().start_service(with_chain=with_chain)
        self._wanted = True
        self._keeper = threading.Thread(target=self._keep_running, daemon=True)
        self._keeper.start()

    def stop_service(self) -> None:
        self._wanted = False
        if self._keeper is not None:
            self._keeper.join()
        if self._service is not None:
            self._service.send_signal(signal.SIGCONT)
        super().stop_service()

    def _keep_running(self) -> None:
        while self._wanted:
            if self._service is None or self._service.poll() is not None:
                time.sleep(RESTARTED_AFTER)
                write_clock(self._clock, 0)  # the units start it behind the synchronisation of time
                with (self.directory / "service.log").open("ab") as log:
                    self.restarts += 1
                    self._service = subprocess.Popen(
                        [str(TALLY), "serve"], stdout=log, stderr=log, env=self.environment() | faked_time(self._clock)
                    )
            time.sleep(0.1)

    def signal(self, number: signal.Signals) -> None:
        """Send the service a signal; one that ended meanwhile gets none."""
        if self._service is not None:
            with suppress(ProcessLookupError):
                self._service.send_signal(number)

    def end_and_start(self) -> None:
        """End the service as an operator would, by force if need be; it is started again."""
        if self._service is not None:
            self._service.send_signal(signal.SIGCONT)
            end(self._service)

    def set_clock(self, seconds: float) -> None:
        write_clock(self._clock, seconds)

    def post(self, submission: bytes) -> Answer:
        """Submit over HTTP; whatever is no receipt and no refusal leaves the outcome open."""
        try:
            answer = self._client.post("/api/v1/events", content=submission, headers=JSON)
        except httpx.HTTPError as error:
            return Lost(type(error).__name__)
        return answer_of(answer)

    def checkpoint(self) -> str | None:
        """Return the checkpoint that the service shows, if it shows one."""
        with suppress(httpx.HTTPError):
            answer = self._client.get("/checkpoint")
            return answer.text if answer.is_success else None
        return None


class Load:
    """Clients at work at once, one that sends again what others sent, and one who looks at the public checkpoint."""

    def __init__(self, ledger: Ledger, books: Books, chance: random.Random):
        self._ledger = ledger
        self._books = books
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        run = f"{chance.getrandbits(32):08x}"
        self._clients = [Casework(f"{run}-{number}", ledger.log_id) for number in range(CLIENTS)]
        self._pending: dict[int, Signed] = {}
        self._chances = [random.Random(chance.getrandbits(64)) for _ in range(CLIENTS + 1)]

    def start(self) -> None:
        self._stop.clear()
        works: list[Callable[[], None]] = [lambda number=number: self._write(number) for number in range(CLIENTS)]  # type: ignore[misc]
        works += [self._send_again, self._look]
        self._threads = [threading.Thread(target=self._run, args=(work,), daemon=True) for work in works]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop, and return once everybody is idle. What has no answer is sent again at the next start."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - whatever it is, the campaign must not go on with a client less
            self._books.broken.append(f"a client ended: {type(error).__name__}: {error}")

    def _write(self, number: int) -> None:
        client, chance = self._clients[number], self._chances[number]
        while not self._stop.is_set():
            signed = self._pending.get(number) or client.next(int(time.time()))
            self._pending[number] = signed
            answer = self._post(signed)
            if isinstance(answer, Receipt):
                client.acknowledged(signed)
                del self._pending[number]
            elif isinstance(answer, Refused):  # whatever it was: this case is left, and another begun
                client.cases, client.place = client.cases + 1, None
                del self._pending[number]
            else:
                self._stop.wait(AGAIN_AFTER)
            self._stop.wait(chance.uniform(*THINKS))

    def _send_again(self) -> None:
        """Send what is under way a second time meanwhile: its receipt is a promise like the first."""
        chance = self._chances[CLIENTS]
        while not self._stop.wait(chance.uniform(0.02, 0.3)):
            under_way = self._pending.get(chance.randrange(CLIENTS))
            if under_way is not None:
                self._post(under_way)

    def _look(self) -> None:
        while not self._stop.wait(LOOK_EVERY):
            if (note := self._ledger.checkpoint()) is not None:
                self._books.note_shown(note)

    def _post(self, signed: Signed) -> Answer:
        answer = self._ledger.post(signed.submission)
        self._books.note(signed, answer)
        return answer
