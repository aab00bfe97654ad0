"""``tally serve`` as a process of its own, on a data directory that a story may copy, cut and put together again."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx

from ledger.chain.eth import Eth
from ledger.chain.rpc import JsonRpc
from ledger.samples.operator import public_entries
from tests.testkit.forked import ForkedProcess, forked_service
from tests.testkit.machine import environment, free_port
from tests.testkit.tally import Tally

T = TypeVar("T")

WITHIN = 180  # seconds for anything that is waited for
LISTENING = "0A"  # in /proc/net/tcp


class Refused(Exception):
    """The service's problem document."""

    def __init__(self, response: httpx.Response):
        super().__init__(f"{response.status_code} {response.text}")
        self.status = response.status_code
        self.problem: dict[str, Any] = response.json()
        self.code: str = self.problem["code"]


class RunningService:
    """One installation in ``folder``. ``settings`` go to the service, without their prefix."""

    def __init__(self, folder: Path, **settings: object):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.data = folder / "ledger"
        self.tally = Tally(folder)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.settings = {"anchor_interval_s": 1} | settings
        self.http = httpx.Client(base_url=self.url, timeout=30, trust_env=False)
        self._process: ForkedProcess | None = None

    @contextmanager
    def copied(self, folder: Path) -> Iterator[Self]:
        """Yield the same data directory at another place, not started. Requires that the service stands still."""
        assert self._process is None, "a data directory that is written is not copied"
        with closing(type(self)(folder, **self.settings)) as copy:
            shutil.copytree(self.data, copy.data)
            yield copy

    # -- the process ---------------------------------------------------------------------------------------------------

    def start(self) -> Self:
        """Start the service; return once it is ready and its chain is connected."""
        self.spawn()
        self.until("the service is ready", self._is_up)
        return self

    def spawn(self, *command: str) -> None:
        """Start the service, by ``tally`` or another command, whatever becomes of it."""
        self._process = forked_service(command, self._environment(), self.folder / "service.log")

    def _environment(self) -> dict[str, str]:
        settings = {
            "data_dir": self.data,
            "port": self.port,
            "key_passphrase_file": self.tally.passphrase_file,
            **self.settings,
        }
        return environment(**{f"TALLYSTICK_{name.upper()}": str(value) for name, value in settings.items()})

    def _is_up(self) -> bool:
        self.require_process()
        try:
            return self.http.get("/readyz").is_success and self.http.get("/api/v1/chain").is_success
        except httpx.TransportError:
            return False

    def first_answer(self, method: str, path: str, **request: Any) -> httpx.Response:
        """Return what a service that was spawned says to the first request that reaches it."""

        def asked() -> httpx.Response | None:
            self.require_process()
            try:
                return self.http.request(method, path, **request)
            except httpx.TransportError:
                return None

        return self.until("the service answers", asked)

    def require_process(self) -> ForkedProcess:
        """Return the process, which must run."""
        assert self._process is not None, "the service was not started"
        assert self._process.poll() is None, f"the service ended: {self.log()[-2000:]}"
        return self._process

    def stop(self) -> Self:
        """End the service as an operator would; it ends in order."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            assert self._process.wait(timeout=WITHIN) == 0, self.log()[-2000:]
            self._process = None
        return self

    @contextmanager
    def switched_off(self) -> Iterator[None]:
        """Without the service, for as long as the block lasts."""
        self.stop()
        try:
            yield
        finally:
            self.start()

    def close(self) -> None:
        """Leaves nothing running."""
        try:
            self.stop()
        finally:
            if self._process is not None:
                self._process.kill()
                self._process.wait()
            self.http.close()

    def log(self) -> str:
        """Return what the service said of itself."""
        return (self.folder / "service.log").read_text(encoding="utf-8", errors="replace")

    def until(self, condition: str, holds: Callable[[], T | None]) -> T:
        """Return what ``holds`` gives once that is true; fail if it does not in time."""
        deadline = time.monotonic() + WITHIN
        while not (result := holds()):
            assert time.monotonic() < deadline, f"not within {WITHIN} s: {condition}; {self.log()[-2000:]}"
            time.sleep(0.05)
        return result

    # -- what anybody may see ------------------------------------------------------------------------------------------

    def get(self, path: str, **request: Any) -> Any:
        """Return the JSON at ``path``. Raises Refused."""
        return self.answer(self.http.get(path, **request))

    def answer(self, response: httpx.Response) -> Any:
        """Return the JSON of an answer. Raises Refused."""
        if not response.is_success:
            raise Refused(response)
        return response.json()

    def readiness(self) -> dict[str, Any]:
        """Return what ``/readyz`` tells, ready or not."""
        readiness: dict[str, Any] = self.http.get("/readyz").json()
        return readiness

    def size(self) -> int:
        """How many entries the log has."""
        size: int = self.get("/api/v1/log")["size"]
        return size

    def confirmed(self) -> int:
        """How many entries the chain has for good."""
        size: int = self.get("/api/v1/log")["anchored"]["confirmed"]
        return size

    def anchored(self) -> int:
        """Wait until the chain has the log as it is now for good; return that size."""
        wanted = self.size()
        self.until(f"{wanted} entries are anchored", lambda: self.confirmed() >= wanted)
        return wanted

    def checkpoint(self) -> str:
        """Return the public checkpoint, a signed note."""
        return self.http.get("/checkpoint").text

    def entries(self) -> list[bytes]:
        """Return the public entries up to the checkpoint."""
        return public_entries(self.http)

    # -- the embedded chain --------------------------------------------------------------------------------------------

    def chain_pid(self) -> int:
        """Return the process of the embedded chain: the service's child that is an Anvil, not a worker process."""
        tasks = Path(f"/proc/{self.require_process().pid}/task").glob("*/children")
        children = [int(pid) for listing in tasks for pid in listing.read_text().split()]
        (pid,) = [pid for pid in children if b"anvil" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        return pid

    @contextmanager
    def chain_frozen(self) -> Iterator[None]:
        """Keep the embedded chain from answering for as long as the block lasts."""
        pid = self.chain_pid()
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def chain(self) -> Eth:
        """Return the embedded chain's node, as whoever is on this machine can reach it."""
        pid = self.chain_pid()
        files = {str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()}
        for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]:
            address, state, inode = (line.split()[column] for column in (1, 3, 9))
            if state == LISTENING and f"socket:[{inode}]" in files:
                return Eth(JsonRpc(f"http://127.0.0.1:{int(address.partition(':')[2], 16)}"))
        raise AssertionError("the embedded chain listens nowhere")

    def block_hashes(self) -> list[bytes]:
        """Of the embedded chain, from genesis to head."""
        chain = self.chain()
        return [block.hash for block in chain.blocks(range(chain.head().number + 1))]
