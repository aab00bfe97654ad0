"""The reader of a page: signed in by the token in the cookie, with the same rights as in the API."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import Depends, Request
from starlette.responses import RedirectResponse, Response

from api.auth.reading import Reading
from api.auth.sessions import ReaderSession
from api.console.rendering import language, page
from api.console.security import PATH, SessionCookie
from api.dependencies import ServiceOf, service_of
from api.middleware.problems import TokenRefused
from ledger.i18n import Labels


class SignInNeeded(Exception):
    """Nobody is signed in, or the session has ended."""


def reading(request: Request, service: ServiceOf) -> Reading:
    """Return the reader. Raises SignInNeeded."""
    token = SessionCookie(service.parts.settings).token(request)
    if token is None:
        raise SignInNeeded
    authority = service.authority()
    try:
        return Reading(service.parts, service.sign_in.session(token, authority), authority)
    except TokenRefused as error:
        raise SignInNeeded from error


Reads = Annotated[Reading, Depends(reading)]


def visiting(request: Request, service: ServiceOf) -> Reading | None:
    """Return the reader of a public page, or None if nobody is signed in."""
    try:
        return reading(request, service)
    except SignInNeeded:
        return None


def session_of(visitor: Reading | None) -> ReaderSession | None:
    """Return the visitor's session, or None if nobody is signed in."""
    return visitor.session if visitor else None


Visits = Annotated[Reading | None, Depends(visiting)]


def labels(request: Request) -> Labels:
    """Return the labels in the reader's language."""
    return Labels(language(request))


LabelsOf = Annotated[Labels, Depends(labels)]


def sign_in_first(request: Request, _error: Exception) -> Response:
    """Redirect to the sign-in page and back.

    A form that was submitted stays in its page, with a message beside it.
    """
    if "hx-request" in request.headers:
        return page(request, service_of(request), "session_over.html", status=401)
    back = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return RedirectResponse(f"{PATH}/sign-in?next={quote(back)}", 303)
