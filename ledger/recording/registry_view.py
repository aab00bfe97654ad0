"""The registry as the log mirrors it: who may sign for whom, and by which procedures acts are judged."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from threading import Lock
from typing import Protocol

from msgspec import Struct

from ledger.core.events.registry import ProcedureAdopted
from ledger.core.log.replay import MirroredChange, replay_registry
from ledger.core.procedure.adoption import Procedures
from ledger.core.signing import authority as authorities
from ledger.core.signing.authority import AuthorityState, ServiceKeys
from ledger.store import log
from ledger.store.database import Connection
from ledger.store.log import StoredEntry


class ReadAccess(Protocol):
    """Opens connections, each of which sees one snapshot of the log."""

    def read(self) -> AbstractContextManager[Connection]: ...


# Returns the kinds of agencies, among them those that are named.
KindsOf = Callable[[ReadAccess, Collection[str]], Mapping[str, str]]


class LogRegistry(Struct, frozen=True):
    """The registry after one of its changes, and the procedures that it has adopted, with their texts."""

    authority: AuthorityState
    procedures: Procedures


def initial_state(log_id: bytes, service: ServiceKeys | str, procedures: Procedures) -> LogRegistry:
    """Return the registry before its first change; ``procedures`` are in force before it adopts any."""
    return LogRegistry(authorities.initial(log_id, service, procedures.traits), procedures)


def replay(
    connection: Connection, state: LogRegistry, entries: Iterable[StoredEntry]
) -> Iterator[tuple[MirroredChange, LogRegistry]]:
    """Yield each mirrored change with the state after it, as ``replay_registry``; texts are read from the log."""
    for entry in entries:
        index = entry.log_index
        mirrored, authority = next(replay_registry(state.authority, [(index, entry.event_type, entry.payload)]))
        procedures = state.procedures
        if isinstance(mirrored.change, ProcedureAdopted):
            digest = mirrored.change.digest
            procedures = procedures.adopt(digest, index, log.published_text(connection, digest, index))
            # What a kind of agency may do is said by procedures, and may be new for agencies that were admitted before.
            authority = authorities.with_traits(authority, procedures.traits)
        state = LogRegistry(authority, procedures)
        yield mirrored, state


class Registry:
    """Replays the registry's changes, and reads on only when a newer state is asked for.

    ``procedures`` are in force before the log adopts any: none, in a ledger that is founded with its own. ``origin``
    has what another process makes a registry of the same log from.
    """

    def __init__(self, log_id: bytes, service: ServiceKeys | str, procedures: Procedures | None = None):
        self.origin = (log_id, service, procedures)
        self._state = initial_state(log_id, service, procedures or Procedures())
        self._index = -1
        self._lock = Lock()

    @property
    def authority(self) -> AuthorityState:
        return self._state.authority

    def procedures(self) -> Procedures:
        """Return the procedures that the log has adopted by now."""
        return self._state.procedures

    def at(self, connection: Connection, changes: int) -> AuthorityState:
        """Return the authority after all changes that ``connection`` sees. Requires that it sees ``changes``."""
        # Two threads must not replay the same change twice.
        with self._lock:
            if self.authority.changes != changes:
                entries = log.registry_entries(connection, after=self._index)
                for mirrored, state in replay(connection, self._state, entries):
                    self._state, self._index = state, mirrored.index
            return self.authority

    def kinds(self, database: ReadAccess, agencies: Collection[str]) -> Mapping[str, str]:
        """Return the kinds of agencies by their ids; read on if one of these ``agencies`` is not known here yet."""
        # Another process may have mirrored an admission since.
        if not self.authority.kinds.keys() >= set(agencies):
            with database.read() as connection:
                return self.at(connection, log.tree(connection).registry_changes).kinds
        return self.authority.kinds
