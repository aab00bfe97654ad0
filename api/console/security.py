"""What keeps a page's session safe: the cookie of the token, requests of its own pages alone, the content policy."""

from __future__ import annotations

from urllib.parse import urlsplit

from fastapi import Request
from starlette.responses import Response

from api.auth.sessions import domain_of
from api.middleware.problems import Refused
from ledger.config.settings import Settings

PATH = "/console"
# Of a script that runs beside a page, such as the verifier: it loads scripts of this service, and asks nobody.
WORKER_POLICY = "default-src 'none'; script-src 'self'; connect-src 'none'; base-uri 'none'; frame-ancestors 'none'"
_METHODS_THAT_READ = ("GET", "HEAD")


class SessionCookie:
    """Carries an officer's token: unreadable for scripts, never sent along from other sites."""

    def __init__(self, settings: Settings):
        self._secure = settings.url.startswith("https://")
        self.name = "__Secure-tallystick" if self._secure else "tallystick"

    def token(self, request: Request) -> str | None:
        """What the browser sent."""
        return request.cookies.get(self.name)

    def give(self, response: Response, token: str, lifetime_s: int) -> None:
        """Puts the token into the browser."""
        response.set_cookie(
            self.name, token, max_age=lifetime_s, path=PATH, secure=self._secure, httponly=True, samesite="strict"
        )

    def take(self, response: Response) -> None:
        """Takes it out again."""
        response.delete_cookie(self.name, path=PATH, secure=self._secure, httponly=True, samesite="strict")


class OwnPages:
    """Lets only pages of the console at ``url`` change anything (against cross-site request forgery)."""

    def __init__(self, url: str):
        self._origin = f"{urlsplit(url).scheme}://{domain_of(url)}"

    def require(self, request: Request) -> None:
        """Raises Refused (403) for what another site, or no page at all, posts."""
        if request.method in _METHODS_THAT_READ:
            return
        origin, site = request.headers.get("origin"), request.headers.get("sec-fetch-site")
        if (origin is None and site is None) or origin not in (None, self._origin) or site not in (None, "same-origin"):
            raise Refused(403, "this was not asked by a page of this console", code="foreign_origin", field="Origin")


def content_policy(signer_url: str | None) -> str:
    """No script, style or picture but this service's own; fetches go here and to the signer of the user's machine, or
    nowhere where there is no ``signer_url``."""
    connect = f"'self' {signer_url}" if signer_url else "'none'"
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; object-src 'none'; "
        f"connect-src {connect}; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
