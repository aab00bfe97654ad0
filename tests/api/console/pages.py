"""Pages and forms of the console as requests, each with the cookie of a reader."""

from __future__ import annotations

from collections.abc import Mapping

import httpx

from tests.api.service import Served
from tests.testkit.builders import Officer

OWN = {"origin": "https://ledger.test", "sec-fetch-site": "same-origin"}  # what a browser says of the console's pages


def page_of(served: Served, officer: Officer | None, path: str, **headers: str) -> httpx.Response:
    """Return a page as the officer is shown it; without one the cookie has no token of anybody."""
    return served.request("GET", f"/console{path}", headers=_cookie(served, officer) | headers)


def post(
    served: Served, officer: Officer | None, path: str, form: Mapping[str, str], headers: Mapping[str, str] = OWN
) -> httpx.Response:
    """Post a form as a page of the console would, or with the ``headers`` of another one."""
    return served.request("POST", f"/console{path}", data=form, headers={**_cookie(served, officer), **headers})


def _cookie(served: Served, officer: Officer | None) -> dict[str, str]:
    token = served.token(officer)["authorization"].removeprefix("Bearer ") if officer else "none"
    return {"cookie": f"__Secure-tallystick={token}"}
