"""Replicas: PostgreSQL's hot standbys, for reads of what is published and never changes.

Here it is decided which database answers such a read: a replica that has what is asked for, else the primary, which
answers also where the read fails on a replica. So who has just written is shown it, and a faulty replica makes readers
wait, but refuses nobody. A replica is used while it was looked at lately, lags less than the bound, and its tree is one
that the primary had.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from msgspec import Struct
from sqlalchemy import func, select

from ledger.core.errors import NotFound, TallystickError
from ledger.core.log.merkle import NodeReader, frontier_at
from ledger.core.log.tiles import TileNodes
from ledger.loggers import get_logger
from ledger.store import log
from ledger.store.connections import parsed_url
from ledger.store.database import Connection, Database, attach
from ledger.store.log import TreeState

CONNECT_TIMEOUT_S = 2
SILENCE_S = 3  # of the network, before a connection counts as lost
STATEMENT_TIMEOUT_S = 5
LOOK_EVERY = 2.0  # seconds
STALE_AFTER = 10.0  # seconds without a look: it may be one that does not answer

Answer = TypeVar("Answer")
logger = get_logger(__name__)


class ReplicaState(Struct, frozen=True):
    """A replica as it was last looked at: how far it is behind, None where it did not answer."""

    entries_behind: int | None
    lag_s: float | None
    used: bool


AWAY = ReplicaState(None, None, used=False)


@dataclass
class _Replica:
    """A replica, counted from 1 as in the setting, with size and root of its tree that the primary last confirmed."""

    number: int
    database: Database
    state: ReplicaState = AWAY
    confirmed: tuple[int, bytes] | None = None
    was_ahead: bool = False
    fault_is_told: bool = False

    def look(self) -> TreeState | None:
        """Return its tree, or None if it is away."""
        try:
            with self.database.read() as connection:
                # Whoever writes to a promoted one writes another log, of the same id.
                if not connection.execute(select(func.pg_is_in_recovery())).scalar_one():
                    raise RuntimeError("it is no standby")  # for the log, as below
                return log.tree(connection)
        except Exception as error:  # noqa: BLE001 - it is logged; one that lacks tables or rights harms no other
            self.leave(error)
            return None

    def compare(self, tree: TreeState, primary: TreeState, nodes: NodeReader, max_lag_s: float) -> None:
        """Decide by its tree and the primary's, looked at later, whether it is used."""
        is_ahead = tree.size > primary.size
        # A synchronous standby may show a commit a moment before its primary does.
        if is_ahead and not self.was_ahead:
            self.was_ahead = True
            return
        self.was_ahead = is_ahead
        # By the log's own times, so that a log at rest lags nowhere.
        lag_s = max(0, primary.recorded_at - tree.recorded_at) / 1000
        is_part = tree.log_id == primary.log_id and self._is_confirmed(tree, primary, nodes)
        self.state = ReplicaState(max(0, primary.size - tree.size), lag_s, used=is_part and lag_s <= max_lag_s)
        if is_part:
            self.fault_is_told = False
        else:
            self._tell("it holds another ledger, or another history of this one")

    def leave(self, error: Exception) -> None:
        """Read it no more until a look finds it well."""
        self.state = AWAY
        self._tell(error.for_operator if isinstance(error, TallystickError) else str(error).partition("\n")[0])

    def _is_confirmed(self, tree: TreeState, primary: TreeState, nodes: NodeReader) -> bool:
        """Return whether the primary's tree had this root at this size."""
        own = (tree.size, tree.root)
        if own in ((primary.size, primary.root), self.confirmed):
            return True
        if tree.size > primary.size or frontier_at(tree.size, nodes).root() != tree.root:
            return False
        self.confirmed = own
        return True

    def _tell(self, reason: str) -> None:
        """Log why it is not read, once until a look finds it well."""
        if not self.fault_is_told:
            logger.warning("a replica is not read", number=self.number, reason=reason)
        self.fault_is_told = True


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
        self._replicas = [_Replica(number, attach(_impatient(url))) for number, url in enumerate(urls, 1)]
        self._looked_at = float("-inf")
        self._max_lag_s = max_lag_s
        self._clock = clock
        self._turn = 0

    @property
    def states(self) -> tuple[ReplicaState, ...]:
        """Return the state of each replica, in their order."""
        if self._clock() - self._looked_at > STALE_AFTER:
            return (AWAY,) * len(self._replicas)
        return tuple(replica.state for replica in self._replicas)

    def look(self) -> None:
        """Compare each replica with the primary. Raises what prevents reading the primary."""
        if not self._replicas:
            return
        trees = [replica.look() for replica in self._replicas]
        # Read last, so that it has whatever they have of its log.
        with self._primary.read() as connection:
            primary = log.tree(connection)
            nodes = TileNodes(primary.size, log.tile_reader(connection))
            for replica, tree in zip(self._replicas, trees, strict=True):
                if tree is not None:
                    replica.compare(tree, primary, nodes, self._max_lag_s)
        self._looked_at = self._clock()

    def read(self, has_it: Callable[[Connection], bool], answer: Callable[[Connection], Answer]) -> Answer:
        """Return the answer from one snapshot of the log: of a replica that ``has_it``, or of the primary.

        ``answer`` may be called several times. Raises what it raises at the primary.
        """
        for replica in self._used():
            try:
                with replica.database.read() as connection:
                    if has_it(connection):
                        return answer(connection)
            except NotFound:  # nothing is published there yet
                continue
            except Exception as error:  # noqa: BLE001 - it is logged, and the primary answers
                replica.leave(error)
        with self._primary.read() as connection:
            return answer(connection)

    def _used(self) -> Iterator[_Replica]:
        """Yield the replicas that are used, beginning with another each time."""
        used = [replica for replica, state in zip(self._replicas, self.states, strict=True) if state.used]
        self._turn += 1
        for place in range(len(used)):
            yield used[(self._turn + place) % len(used)]

    def close(self) -> None:
        """Close the connections."""
        for replica in self._replicas:
            replica.database.close()


def _impatient(url: str) -> str:
    """Return the URL with bounds on every wait: a request that waits holds a thread."""
    patient = parsed_url(url, field="replica_urls")
    own = patient.query.get("options", ())
    statements = f"-c statement_timeout={STATEMENT_TIMEOUT_S * 1000}"
    bounds = {
        "connect_timeout": str(CONNECT_TIMEOUT_S),
        "tcp_user_timeout": str(SILENCE_S * 1000),  # for what was sent
        "keepalives_idle": "1",  # and while an answer is waited for
        "keepalives_interval": "1",
        "keepalives_count": str(SILENCE_S - 1),
        "options": " ".join([own] if isinstance(own, str) else own) + f" {statements}",
    }
    return patient.update_query_dict(bounds).render_as_string(hide_password=False)
