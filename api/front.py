"""The front: submissions go straight to their endpoint, everything else through the framework.

What a web framework does for each request costs as much as judging an event. A submission needs none of it: one
address, bytes in, bytes out, and the edge tells its refusals.
"""

from __future__ import annotations

from collections.abc import Mapping

from starlette.types import ASGIApp, Receive, Scope, Send


class Front:
    """``endpoints`` by the path that is posted to; ``rest`` gets everything else, the lifespan included."""

    def __init__(self, endpoints: Mapping[str, ASGIApp], rest: ASGIApp):
        self._endpoints = endpoints
        self._rest = rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = self._rest
        if scope["type"] == "http" and scope["method"] == "POST":
            endpoint = self._endpoints.get(scope["path"], self._rest)
        await endpoint(scope, receive, send)
