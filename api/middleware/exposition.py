"""Metrics in the forms of Prometheus, and the listener at which they are read: not the one of clients, since what they
say is the operator's.

Imported where metrics are switched on, since it loads ``prometheus_client``.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import accumulate
from threading import Thread
from typing import TypeVar

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from api.middleware.clients import Connections
from api.middleware.measuring import RequestMeasures
from api.middleware.server import make_server
from ledger.recording.measures import Histogram

PREFIX = "tallystick_"
DEFECT = 500  # the status of an answer to a request that ended in a fault which nobody foresaw
Labels = Sequence[str]
Key = TypeVar("Key", bound=tuple[str, ...])  # values of labels


def gauge(name: str, text: str, value: float | None) -> Metric:
    """Return a gauge; without a sample if there is no value now."""
    family = GaugeMetricFamily(PREFIX + name, text, labels=[])
    if value is not None:
        family.add_metric([], value)
    return family


def gauges(name: str, text: str, labels: Labels, values: Mapping[Key, float]) -> Metric:
    """Return a gauge with a sample for each tuple of values of its labels."""
    family = GaugeMetricFamily(PREFIX + name, text, labels=labels)
    for key, value in values.items():
        family.add_metric(key, value)
    return family


def state(name: str, text: str, words: Sequence[str], present: str) -> Metric:
    """Return a gauge with a sample for each state: 1 for the present one, 0 for the others."""
    return gauges(name, text, ["state"], {(word,): float(word == present) for word in words})


def counter(name: str, text: str, value: float) -> Metric:
    """Return a counter, to whose name its format adds ``_total``."""
    return counters(name, text, [], {(): value})


def counters(name: str, text: str, labels: Labels, values: Mapping[Key, float]) -> Metric:
    """Return a counter with a sample for each tuple of values of its labels."""
    family = CounterMetricFamily(PREFIX + name, text, labels=labels)
    for key, value in values.items():
        family.add_metric(key, value)
    return family


def histograms(name: str, text: str, labels: Labels, values: Mapping[Key, Histogram]) -> Metric:
    """Return a histogram for each tuple of values of its labels."""
    family = HistogramMetricFamily(PREFIX + name, text, labels=labels)
    for key, histogram in values.items():
        bounds = [*(f"{bound:g}" for bound in histogram.bounds), "+Inf"]
        family.add_metric(key, list(zip(bounds, accumulate(histogram.counts), strict=True)), histogram.total)
    return family


def request_families(requests: RequestMeasures) -> Iterator[Metric]:
    """Yield what is measured of requests."""
    answers = requests.answers.copy().items()
    by_status = {(method, route, str(status)): count for (method, route, status), count in answers}
    by_code = {(str(status), code): count for (status, code), count in requests.refusals.copy().items()}
    route = ["method", "route"]
    # A series of its own begins with its first fault, so that no rule could see it rise: this one begins at 0.
    defects = sum(count for (_, _, status), count in answers if status == DEFECT)
    yield counter("defects", "Requests that ended in a fault which nobody foresaw.", defects)
    yield counters("requests", "Requests that were answered.", [*route, "status"], by_status)
    yield histograms("request_seconds", "Seconds of a whole request.", route, requests.seconds.copy())
    yield counters("refusals", "Problems that were answered.", ["status", "code"], by_code)


HEADERS_S = 5.0  # seconds that whoever scrapes has for the headers of a request
MOST_SCRAPERS = 16  # connections at once; another one takes the place of the longest idle


@contextmanager
def exposing(collector: Collector, listener: socket.socket) -> Iterator[None]:
    """Serve what the collector gathers, and memory, processor time and files of the process, until the block is left.

    It is a server like that of clients, in a thread: who is slow is cut off, and there are at most ``MOST_SCRAPERS``.
    """
    registry = CollectorRegistry()
    registry.register(collector)
    ProcessCollector(registry=registry)

    def metrics(request: Request) -> Response:
        encode, media_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(registry), headers={"content-type": media_type})

    app = Starlette(routes=[Route("/metrics", metrics)], middleware=[Middleware(GZipMiddleware)])
    server = make_server(
        app,
        host=listener.getsockname()[0],
        port=listener.getsockname()[1],
        header_timeout_s=HEADERS_S,
        connections=Connections(MOST_SCRAPERS, MOST_SCRAPERS),
        is_beside=True,
    )
    thread = Thread(target=server.run, args=([listener],), name="exposition", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()
