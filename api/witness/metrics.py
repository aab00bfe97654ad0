"""The metrics of a witness, gathered when they are asked for. docs/operations/metrics.md explains each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from importlib.metadata import version

from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from api.middleware.exposition import gauge, gauges, request_families, state
from api.middleware.measuring import RequestMeasures
from ledger.witness.alarms import HALTING, PASSING, Health, Status

OF_LOG = frozenset(("unreachable", "unreadable"))  # kinds of alarms that say that the log cannot be read
OF_NODE = frozenset(("chain_unreachable", "wrong_chain"))


class WitnessMetrics(Collector):
    """Gathers the metrics of a witness that runs. ``status`` reads its database, ``requests`` are those to it."""

    def __init__(self, status: Callable[[], Status], requests: RequestMeasures):
        self._status = status
        self._requests = requests

    def collect(self) -> Iterator[Metric]:
        """Yield every family of metrics."""
        status = self._status()
        alarms = Counter(alarm.kind for alarm in status.alarms)
        reads_log, reads_node = OF_LOG.isdisjoint(alarms), OF_NODE.isdisjoint(alarms)
        kinds = {(kind,): float(alarms[kind]) for kind in (*HALTING, *PASSING)}
        yield gauges("info", "The version of the program.", ["version"], {(version("tallystick"),): 1})
        yield state("witness_health", "The worst of the open alarms.", [*Health], status.health)
        yield gauges("witness_alarms", "Open alarms, by kind.", ["kind"], kinds)
        yield gauge("witness_log_reachable", "Whether the log can be read.", float(reads_log))
        yield gauge("witness_node_reachable", "Whether the node of the chain can be.", float(reads_node))
        yield gauge("witness_log_entries", "The size that the log has published.", status.published)
        yield gauge("witness_followed_entries", "Entries that were followed.", status.followed)
        yield gauge("witness_cosigned_entries", "The largest tree that was co-signed.", status.cosigned_size)
        yield gauge("witness_anchored_entries", "The largest tree that the chain has.", status.anchored_size)
        yield gauge("witness_cosigned_timestamp_seconds", "When it was co-signed.", status.cosigned_at)
        yield gauge("witness_looked_timestamp_seconds", "When the log was last read.", status.looked_at / 1000)
        yield from request_families(self._requests)
