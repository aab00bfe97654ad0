"""The machine that tests run on: the checkout, its tools, programs of others, servers, commands of a page."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

REPOSITORY = Path(__file__).resolve().parents[2]
NODE_MODULES = REPOSITORY / "node_modules"


def free_port() -> int:
    """Return a TCP port of the loopback interface that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def native_binary(name: str) -> Path:
    """Find the executable of a Foundry tool (``anvil``, ``forge``), not its Node launcher: signals must reach it."""
    binaries = sorted(NODE_MODULES.glob(f"@foundry-rs/{name}-*/bin/{name}"))
    if not binaries:
        raise FileNotFoundError(f"{name} is not in node_modules: run scripts/setup")
    return binaries[0]


def promtool(*words: str | Path, stdin: str | None = None) -> str:
    """Run Debian's promtool and return what it prints, which must find no fault."""
    assert shutil.which("promtool") is not None, "promtool is not on this machine: run scripts/setup --promtool"
    done = subprocess.run(["promtool", *words], input=stdin, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def vectors_folder() -> Path | None:
    """Find the shared test vectors: ``TALLYSTICK_VECTORS``, else the folder laid beside the checkout, else None."""
    folder = Path(os.environ.get("TALLYSTICK_VECTORS") or REPOSITORY.parent / "shared" / "vectors")
    return folder if folder.is_dir() else None


def program(environment: str, name: str) -> Path:
    """Return the executable ``name`` of ``requirements/<environment>.txt``."""
    return _folder(environment) / name


@cache
def _folder(environment: str) -> Path:
    done = subprocess.run([REPOSITORY / "scripts" / "programs", environment], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


def environment(**more: str) -> dict[str, str]:
    """Return this machine's variables without those that ``tally`` reads, and ``more``."""
    return {name: value for name, value in os.environ.items() if not name.startswith("TALLYSTICK_")} | more


class Quiet:
    """A handler that answers without a word on the terminal."""

    def log_message(self, *_: object) -> None:
        """Nothing is printed."""


def wait_until(holds: Callable[[], object], *, within_s: float = 60.0) -> None:
    """Return once it holds."""
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, "what is waited for did not come to hold"
        time.sleep(0.02)


class _Server(ThreadingHTTPServer):
    request_queue_size = 128  # clients that connect at once


@contextmanager
def listening(handler: Callable[..., BaseHTTPRequestHandler], port: int = 0) -> Iterator[str]:
    """Serve by the handler, on a free port unless one is named; yield the URL without a path."""
    with _Server(("127.0.0.1", port), handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def blocks(page: str, language: str = "bash") -> list[str]:
    """Return the text of each block of this language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


def typed(commands: Iterable[str], folder: Path, environment: Mapping[str, str]) -> str:
    """Type the commands one after the other in the folder; return what they print. None of them fails.

    A reader at a terminal is asked before ``tally`` signs; here it is told to.
    """
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(['tally() { command tally --yes "$@"; }', *commands])],
        cwd=folder,
        env={**environment, "PATH": path},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def typed_at_home(commands: str, home: Path, *, within_s: float, **variables: str) -> str:
    """Type the commands into a shell whose home is the folder; return what they print. None of them fails.

    What they started and left running ends with the shell.
    """
    with (home / "printed").open("w+", encoding="utf-8") as output:
        shell = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", commands],
            cwd=home,
            env=environment(HOME=str(home), **variables),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            status = shell.wait(timeout=within_s)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGTERM)
    printed = (home / "printed").read_text(encoding="utf-8")
    assert status == 0, printed[-4000:]
    return printed
