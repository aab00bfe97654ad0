"""What the embedded chain leaves on disk, each file written whole or not at all.

The dump is a cache of the journal's replay, written now and then. The mark names the last block, at every block: a
database that was rolled back is found by it even where the service was killed and the dump is old.
"""

from __future__ import annotations

import os
import zlib
from pathlib import Path

from ledger.chain.errors import ChainUnavailable
from ledger.chain.eth import BlockRef, Eth
from ledger.core.errors import Unavailable

DUMP_SECONDS = 120.0


class Dump:
    """The file that Anvil takes with ``--load-state``. What it holds is not to be believed before it is compared."""

    def __init__(self, path: Path):
        self.path = path

    def exists(self) -> bool:
        return self.path.is_file()

    def write(self, eth: Eth) -> None:
        """Replaces the file with the node's state, durably; the node must be idle.

        Raises ChainUnavailable, and Unavailable where the disk does not take it.
        """
        answer = eth.rpc.call("anvil_dumpState", timeout_seconds=DUMP_SECONDS)
        try:
            state = zlib.decompress(bytes.fromhex(answer[2:]), wbits=zlib.MAX_WBITS | 16)  # gzip
        except (TypeError, ValueError, zlib.error) as error:
            raise ChainUnavailable("the embedded chain node gives no dump", code="chain_garbled") from error
        try:
            _replace(self.path, state)
        except OSError as error:
            raise Unavailable(f"the chain's dump cannot be written: {error}", code="dump_not_written") from error


class Mark:
    """The file that names the last block that the journal had."""

    def __init__(self, path: Path):
        self.path = path

    def read(self) -> BlockRef | None:
        """None where there is none that can be read."""
        try:
            number, _, digest = self.path.read_text(encoding="ascii").strip().partition(" ")
            return BlockRef(int(number), bytes.fromhex(digest))
        except (OSError, ValueError):
            return None

    def write(self, block: BlockRef) -> None:
        """Replaces the file, durably. Raises OSError."""
        _replace(self.path, f"{block.number} {block.hash.hex()}\n".encode())


def _replace(path: Path, data: bytes) -> None:
    temporary = path.with_suffix(".new")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
