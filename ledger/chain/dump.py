"""The dump of the embedded chain: a cache of the journal's replay, written whole or not at all."""

from __future__ import annotations

import os
import zlib
from pathlib import Path

from ledger.chain.errors import ChainUnavailable
from ledger.chain.eth import Eth
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
            self._replace(state)
        except OSError as error:
            raise Unavailable(f"the chain's dump cannot be written: {error}", code="dump_not_written") from error

    def _replace(self, state: bytes) -> None:
        temporary = self.path.with_suffix(".new")
        with temporary.open("wb") as file:
            file.write(state)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self.path)
        directory = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
