"""Replicas: PostgreSQL's hot standbys, for reads of what is published and never changes.

Here it is decided which database such a read goes to: a replica that has what is asked for, else the primary. So nobody
is answered less because of a replica, and who has just written is shown it. A replica is used while it was looked at
lately and lags less than the bound.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from msgspec import Struct
from sqlalchemy.engine import make_url

from ledger.core.errors import TallystickError
from ledger.store import log
from ledger.store.database import Connection, Database, attach

CONNECT_TIMEOUT_S = 2
LOOK_EVERY = 2.0  # seconds
STALE_AFTER = 10.0  # seconds without a look: it may be one that does not answer


class ReplicaState(Struct, frozen=True):
    """A replica as it was last looked at: how far it is behind, None where it did not answer."""

    entries_behind: int | None
    lag_s: float | None
    used: bool


AWAY = ReplicaState(None, None, used=False)


class Replicas:
    """The replicas of a primary; none of SQLite. ``clock`` gives seconds that never run backwards."""

    def __init__(
        self,
        primary: Database,
        urls: Sequence[str] = (),
        max_lag_s: float = 10,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._primary = primary
        self._databases = [attach(_impatient(url)) for url in urls]
        self._states = [AWAY] * len(urls)
        self._looked_at = float("-inf")
        self._max_lag_s = max_lag_s
        self._clock = clock
        self._turn = 0

    @property
    def states(self) -> tuple[ReplicaState, ...]:
        """Return the state of each replica, in their order."""
        if self._clock() - self._looked_at > STALE_AFTER:
            return (AWAY,) * len(self._databases)
        return tuple(self._states)

    def look(self) -> None:
        """Compare each replica with the primary."""
        if not self._databases:
            return
        with self._primary.read() as connection:
            primary = log.tree(connection)
        for number, database in enumerate(self._databases):
            try:
                with database.read() as connection:
                    tree = log.tree(connection)
            except TallystickError:
                self._states[number] = AWAY
                continue
            # By the log's own times, so that a log at rest lags nowhere.
            lag_s = max(0, primary.recorded_at - tree.recorded_at) / 1000
            used = lag_s <= self._max_lag_s and tree.log_id == primary.log_id
            self._states[number] = ReplicaState(max(0, primary.size - tree.size), lag_s, used)
        self._looked_at = self._clock()

    @contextmanager
    def read(self, has_it: Callable[[Connection], bool]) -> Iterator[Connection]:
        """Open a connection that sees one snapshot of the log: of a replica that ``has_it``, or of the primary."""
        with ExitStack() as stack:
            yield self._on_replica(stack, has_it) or stack.enter_context(self._primary.read())

    def _on_replica(self, stack: ExitStack, has_it: Callable[[Connection], bool]) -> Connection | None:
        used = [number for number, state in enumerate(self.states) if state.used]
        self._turn += 1
        for place in range(len(used)):
            number = used[(self._turn + place) % len(used)]
            with ExitStack() as trial:
                try:
                    connection = trial.enter_context(self._databases[number].read())
                    if has_it(connection):
                        stack.push(trial.pop_all())
                        return connection
                except TallystickError:  # it went away, or has nothing published yet
                    self._states[number] = AWAY
        return None

    def close(self) -> None:
        """Close the connections."""
        for database in self._databases:
            database.close()


def _impatient(url: str) -> str:
    patient = make_url(url)
    return patient.update_query_dict({"connect_timeout": str(CONNECT_TIMEOUT_S)}).render_as_string(hide_password=False)
