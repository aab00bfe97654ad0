"""What protects a page's session: the token's cookie, requests from own pages only, and the content policy."""

from __future__ import annotations

from urllib.parse import urlsplit

from fastapi import Request
from starlette.responses import Response

from api.auth.sessions import domain_of
from api.middleware.problems import Refused
from ledger.config.settings import Settings

PATH = "/console"
# For worker scripts such as the verifier, which load scripts of this service and send no requests.
WORKER_POLICY = "default-src 'none'; script-src 'self'; connect-src 'none'; base-uri 'none'; frame-ancestors 'none'"
_METHODS_THAT_READ = ("GET", "HEAD")


class SessionCookie:
    """Carries an officer's token. Scripts cannot read it, and requests from other sites do not carry it."""

    def __init__(self, settings: Settings):
        self._secure = settings.url.startswith("https://")
        self.name = "__Secure-tallystick" if self._secure else "tallystick"

    def token(self, request: Request) -> str | None:
        """Return the token that the browser sent."""
        return request.cookies.get(self.name)

    def give(self, response: Response, token: str, lifetime_s: int) -> None:
        """Set the cookie in the browser."""
        response.set_cookie(
            self.name, token, max_age=lifetime_s, path=PATH, secure=self._secure, httponly=True, samesite="strict"
        )

    def take(self, response: Response) -> None:
        """Remove the cookie from the browser."""
        response.delete_cookie(self.name, path=PATH, secure=self._secure, httponly=True, samesite="strict")


class OwnPages:
    """Lets only pages of the console at ``url`` change anything (against cross-site request forgery)."""

    def __init__(self, url: str):
        self._origin = f"{urlsplit(url).scheme}://{domain_of(url)}"

    def require(self, request: Request) -> None:
        """Raise Refused (403) for a request posted by another site, or by no page at all."""
        if request.method in _METHODS_THAT_READ:
            return
        origin, site = request.headers.get("origin"), request.headers.get("sec-fetch-site")
        if (origin is None and site is None) or origin not in (None, self._origin) or site not in (None, "same-origin"):
            raise Refused(403, "this was not asked by a page of this console", code="foreign_origin", field="Origin")


def content_policy(signer_url: str | None) -> str:
    """Return the policy: scripts, styles and pictures of this service only.

    Fetches may go to this service and to the signer at ``signer_url``, or nowhere if there is none.
    """
    connect = f"'self' {signer_url}" if signer_url else "'none'"
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; object-src 'none'; "
        f"connect-src {connect}; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
