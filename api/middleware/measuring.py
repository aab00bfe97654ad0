"""Counts and durations of requests, by the templates of routes: no id, no address and no name is in any of them.

The number of counters is bounded by what the service itself defines: methods, routes, statuses and codes of problems.
"""

from __future__ import annotations

from collections import Counter
from contextvars import ContextVar
from typing import Any, Final

from starlette.routing import Match, Route
from starlette.types import Scope

from ledger.recording.measures import Histogram

ROUTE: Final = "tallystick.route"  # key in a request's scope of its route's template, unless FastAPI leaves the route
METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
OTHER = "other"  # in place of a method that HTTP does not define, of a static file and of an address without anything
LATENCIES = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # seconds
MOST_CODES = 500  # different codes of problems; more would mean that one is made of what a client sends


class RequestMeasures:
    """What requests were answered, and how long that took. Written from the event loop only.

    ``seconds`` are by method and route, ``answers`` by status too, ``refusals`` by status and code of the problem.
    """

    def __init__(self) -> None:
        self.seconds: dict[tuple[str, str], Histogram] = {}
        self.answers: Counter[tuple[str, str, int]] = Counter()
        self.refusals: Counter[tuple[int, str]] = Counter()

    def note(self, scope: Scope, method: str, status: int, seconds: float) -> None:
        """Count a request that was answered."""
        key = (method if method in METHODS else OTHER, route_of(scope))
        histogram = self.seconds.get(key)
        if histogram is None:
            histogram = self.seconds[key] = Histogram(LATENCIES)
        histogram.note(seconds)
        self.answers[(*key, status)] += 1

    def note_refusal(self, status: int, code: str) -> None:
        """Count a problem that is answered."""
        is_new = (status, code) not in self.refusals
        self.refusals[status, OTHER if is_new and len(self.refusals) >= MOST_CODES else code] += 1


# Those of the application that answers: problems are made where nothing else is known of it.
MEASURES_IN_USE: ContextVar[RequestMeasures | None] = ContextVar("measures", default=None)


def route_of(scope: Scope) -> str:
    """Return the template of the route that a request was dispatched to, such as ``/api/v1/cases/{case_id}``."""
    template: str | None = scope.get(ROUTE)
    if template is not None:
        return template
    path: str | None = getattr(scope.get("route"), "path", None)
    return OTHER if path is None else f"{scope.get('root_path', '')}{path}"


class MeasuredRoute(Route):
    """A route of Starlette that leaves its template in the request's scope, as those of FastAPI do."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, child_scope = super().matches(scope)
        more: dict[str, Any] = {} if match is Match.NONE else {ROUTE: f"{scope.get('root_path', '')}{self.path}"}
        return match, {**child_scope, **more}
