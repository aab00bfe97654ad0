"""What the tests need to know of the machine they run on: the checkout, its tools, a free port."""

from __future__ import annotations

import os
import socket
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
NODE_MODULES = REPOSITORY / "node_modules"


def free_port() -> int:
    """A TCP port of the loopback interface that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def native_binary(name: str) -> Path:
    """The native executable of a Foundry tool (``anvil``, ``forge``), not its Node launcher: signals must reach it."""
    binaries = sorted(NODE_MODULES.glob(f"@foundry-rs/{name}-*/bin/{name}"))
    if not binaries:
        raise FileNotFoundError(f"{name} is not in node_modules: run scripts/setup")
    return binaries[0]


def vectors_folder() -> Path | None:
    """The shared public test vectors: ``TALLYSTICK_VECTORS``, else the folder laid beside the checkout, else None."""
    folder = Path(os.environ.get("TALLYSTICK_VECTORS") or REPOSITORY.parent / "shared" / "vectors")
    return folder if folder.is_dir() else None
