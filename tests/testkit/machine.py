"""What tests need of the machine they run on: the checkout, its tools, free ports, servers, programs of others."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
    """Return the executable of a Foundry tool (``anvil``, ``forge``), not its Node launcher: signals must reach it."""
    binaries = sorted(NODE_MODULES.glob(f"@foundry-rs/{name}-*/bin/{name}"))
    if not binaries:
        raise FileNotFoundError(f"{name} is not in node_modules: run scripts/setup")
    return binaries[0]


def vectors_folder() -> Path | None:
    """Return the public test vectors: ``TALLYSTICK_VECTORS``, else the folder laid beside the checkout, else None."""
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


class Quiet:
    """A handler that answers without a word on the terminal."""

    def log_message(self, *_: object) -> None:
        """Nothing is printed."""


@contextmanager
def listening(handler: Callable[..., BaseHTTPRequestHandler], port: int = 0) -> Iterator[str]:
    """Yield the URL, without a path, at which the handler answers; on a free port unless one is named."""
    with ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
