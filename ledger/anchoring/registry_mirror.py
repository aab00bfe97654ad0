"""The registry mirror: each final change of the chain's registry becomes one ``registry.*`` entry of the log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ledger.chain.contract_clients import ContractsAt
from ledger.chain.eth import BlockRef
from ledger.core.errors import Conflict
from ledger.recording.registry_view import Registry
from ledger.recording.system_stream import SystemStream
from ledger.store import log
from ledger.store.database import Database


@dataclass(eq=False, repr=False)
class RegistryMirror:
    """Keeps the log level with the registry, which ``contracts_at`` reads at a block.

    ``deployed_at`` is the block number of the contract's deployment.
    """

    database: Database
    registry: Registry
    system: SystemStream
    contracts_at: Callable[[BlockRef], ContractsAt]
    deployed_at: int

    def catch_up(self, final: BlockRef) -> int:
        """Append the changes up to ``final`` that the log does not have, and return how many.

        Each is durable before the next. Another process may mirror too: if it was first, the rest waits for the next
        call.
        Raises Unavailable, or ChainMismatch if the chain contradicts the log.
        """
        with self.database.read() as connection:
            authority = self.registry.at(connection, log.tree(connection).registry_changes)
        changes = self.contracts_at(final).changes(
            after=authority.changes,
            registry_hash=authority.registry_hash,
            first_block=max(self.deployed_at, authority.last_block),
        )
        for written, change in enumerate(changes):
            try:
                self.system.append(change)
            # Another process mirrored this change first; it will mirror the rest, or the next step does.
            except Conflict:
                return written
        return len(changes)
