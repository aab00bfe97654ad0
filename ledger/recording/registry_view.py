"""The registry as the log mirrors it: who may sign for whom."""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock

from ledger.core.events.terms import Trait
from ledger.core.log.replay import replay_registry
from ledger.core.signing import authority as authorities
from ledger.core.signing.authority import AuthorityState, ServiceKeys
from ledger.store import log
from ledger.store.database import Connection


class Registry:
    """Replays the registry's changes, and reads on only when a newer state is asked for."""

    def __init__(self, log_id: bytes, service: ServiceKeys | str, traits: Mapping[str, frozenset[Trait]]):
        self._authority = authorities.initial(log_id, service, traits)
        self._index = -1
        self._lock = Lock()

    @property
    def authority(self) -> AuthorityState:
        return self._authority

    def at(self, connection: Connection, changes: int) -> AuthorityState:
        """Return the authority after all changes that ``connection`` sees. Requires that it sees ``changes``."""
        # Two threads must not replay the same change twice.
        with self._lock:
            if self._authority.changes != changes:
                entries = log.registry_entries(connection, after=self._index)
                payloads = ((entry.log_index, entry.payload) for entry in entries)
                for mirrored, authority in replay_registry(self._authority, payloads):
                    self._authority, self._index = authority, mirrored.index
            return self._authority
