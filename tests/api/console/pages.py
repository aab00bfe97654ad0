"""Pages and forms of the console as requests, each with the cookie of a reader."""

from __future__ import annotations

import io
from collections.abc import Mapping
from zipfile import ZipFile

import httpx

from tests.api.service import Served
from tests.testkit.builders import Officer

OWN = {"origin": "https://ledger.test", "sec-fetch-site": "same-origin"}  # what a browser says of the console's pages


def page_of(served: Served, officer: Officer | None, path: str, **headers: str) -> httpx.Response:
    """Return a page as the officer is shown it, or who is signed in as nobody."""
    return served.request("GET", f"/console{path}", headers=served.cookie(officer) | headers)


def text_of(answer: httpx.Response) -> str:
    """Return the text of a page, or of the sheet of a list that was asked for as a file."""
    if not answer.headers["content-type"].endswith("spreadsheetml.sheet"):
        return answer.text
    with ZipFile(io.BytesIO(answer.content)) as file:
        return file.read("xl/worksheets/sheet1.xml").decode()


def post(
    served: Served,
    officer: Officer | None,
    path: str,
    form: Mapping[str, str | list[str]],
    headers: Mapping[str, str] = OWN,
) -> httpx.Response:
    """Post a form as a page of the console would, or with the ``headers`` of another one."""
    return served.request("POST", f"/console{path}", data=form, headers={**served.cookie(officer), **headers})
