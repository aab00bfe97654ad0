"""Query parameters that a route does not take are refused: who asks by one believes that it narrows the answer."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches

from fastapi.dependencies.models import Dependant
from starlette.requests import Request

from ledger.core.errors import MalformedInput


def require_known(request: Request) -> None:
    """Raises MalformedInput at a parameter that the route does not take, and names the nearest that it takes."""
    taken = sorted(set(_taken(request.scope["route"].dependant)))
    for name in request.query_params:
        if name not in taken:
            told = ", ".join(get_close_matches(name, taken, 1) or taken) or "none"
            raise MalformedInput(f"there is no parameter {name!r} here, expected {told}", field=name)


def _taken(dependant: Dependant) -> Iterator[str]:
    yield from (parameter.alias for parameter in dependant.query_params)
    for below in dependant.dependencies:
        yield from _taken(below)
