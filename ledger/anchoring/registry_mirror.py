"""The registry mirror: each final change of the chain's registry becomes one ``registry.*`` entry of the log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ledger.chain.eth import BlockRef
from ledger.chain.registry import OnChainChange
from ledger.core.errors import Conflict
from ledger.recording.registry_view import Registry
from ledger.recording.system_stream import SystemStream
from ledger.store import log
from ledger.store.database import Database


class RegistrySource(Protocol):
    """The registry contract as the mirror reads it."""

    def changes(
        self, *, after: int, registry_hash: bytes, first_block: int, final: BlockRef
    ) -> Sequence[OnChainChange]:
        """Return all changes above number ``after`` up to the final block, none left out."""


class RegistryMirror:
    """Keeps the log level with the registry. ``deployed_at`` is the block number of the contract's deployment."""

    def __init__(
        self, database: Database, registry: Registry, system: SystemStream, source: RegistrySource, deployed_at: int
    ):
        self._database = database
        self._registry = registry
        self._system = system
        self._source = source
        self._deployed_at = deployed_at

    def catch_up(self, final: BlockRef) -> int:
        """Append the changes up to ``final`` that the log does not have, and return how many.

        Each is durable before the next. Another process may mirror too: if it was first, the rest waits for the next
        call.
        Raises Unavailable, or ChainMismatch if the chain contradicts the log.
        """
        with self._database.read() as connection:
            authority = self._registry.at(connection, log.tree(connection).registry_changes)
        changes = self._source.changes(
            after=authority.changes,
            registry_hash=authority.registry_hash,
            first_block=max(self._deployed_at, authority.last_block),
            final=final,
        )
        for written, change in enumerate(changes):
            try:
                self._system.append(change.body())
            # Another process mirrored this change first; it will mirror the rest, or the next step does.
            except Conflict:
                return written
        return len(changes)
