"""The reader of a page, and what protects a session: the token's cookie, and requests from own pages only."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal
from urllib.parse import quote, urlsplit

from fastapi import APIRouter, Depends, Request
from msgspec import Struct
from starlette.responses import RedirectResponse, Response

from api.auth.reading import Reading
from api.auth.sessions import domain_of, require_key
from api.console.shared.refusals import RefusalWords
from api.console.shared.rendering import PATH, language, page
from api.dependencies import service_of
from api.middleware.problems import Refused, TokenRefused
from api.services.service import Service
from ledger.config.settings import Settings
from ledger.i18n import Labels
from ledger.timeline.sentences import EventWords, Names, names_by_id

_METHODS_THAT_READ = ("GET", "HEAD")
_READ_BY_POST = (f"{PATH}/find", f"{PATH}/cited")  # so that what is looked for stands in no address


class SessionCookie:
    """Carries an officer's token. Scripts cannot read it, and requests from other sites do not carry it.

    That of a phone has another ``name``, and is sent to the pages below ``path`` alone. One that is ``for_return`` is
    sent, too, where another site leads back to a page.
    """

    def __init__(self, settings: Settings, name: str = "tallystick", path: str = PATH, *, for_return: bool = False):
        self._same_site: Literal["lax", "strict"] = "lax" if for_return else "strict"
        self._secure = settings.url.startswith("https://")
        self.name = f"__Secure-{name}" if self._secure else name
        self._path = path

    def token(self, request: Request) -> str | None:
        """Return the token that the browser sent."""
        return request.cookies.get(self.name)

    def set_on(self, response: Response, token: str, lifetime_s: int) -> None:
        """Set the cookie in the browser."""
        response.set_cookie(
            self.name,
            token,
            max_age=lifetime_s,
            path=self._path,
            secure=self._secure,
            httponly=True,
            samesite=self._same_site,
        )

    def delete_from(self, response: Response) -> None:
        """Remove the cookie from the browser."""
        response.delete_cookie(self.name, path=self._path, secure=self._secure, httponly=True, samesite=self._same_site)


async def require_own_page(request: Request) -> None:
    """Let only pages of this console change anything (against cross-site request forgery).

    Raises Refused (403) for a request posted by another site, or by no page at all.
    """
    if request.method in _METHODS_THAT_READ:
        return
    url = service_of(request).parts.settings.url
    own_origin = f"{urlsplit(url).scheme}://{domain_of(url)}"
    origin, site = request.headers.get("origin"), request.headers.get("sec-fetch-site")
    if (origin is None and site is None) or origin not in (None, own_origin) or site not in (None, "same-origin"):
        raise Refused(403, "this was not asked by a page of this console", code="foreign_origin", field="Origin")


def page_router(*asks_first: Callable[..., object]) -> APIRouter:
    """Return a router for pages of the console, which all are for own pages alone to post to.

    ``asks_first`` are dependencies by which all of them refuse who may not use them, before a form is read.
    """
    return APIRouter(dependencies=[Depends(require_own_page), *map(Depends, asks_first)])


class SignInNeeded(Exception):
    """Nobody is signed in, or the session has ended."""


def reading(request: Request) -> Reading:
    """Return the reader. Raises SignInNeeded."""
    service = service_of(request)
    token = SessionCookie(service.parts.settings).token(request)
    if token is None:
        raise SignInNeeded
    authority = service.parts.authority()
    try:
        session = service.sign_in.session(token, authority)
    except TokenRefused as error:
        raise SignInNeeded from error
    require_key(session, "GET" if request.url.path in _READ_BY_POST else request.method)
    return Reading(service.parts, session, authority)


def visiting(request: Request) -> Reading | None:
    """Return the reader of a public page, or None if nobody is signed in."""
    try:
        return reading(request)
    except SignInNeeded:
        return None


def labels(request: Request) -> Labels:
    """Return the labels in the reader's language."""
    return Labels(language(request))


class Visit(Struct, frozen=True):
    """A signed-in reader's request for a page, with the labels in the reader's language."""

    request: Request
    service: Service
    reading: Reading
    labels: Labels

    @property
    def agency_names(self) -> Names:
        """Return the function that names agencies by the registry, in the reader's language."""
        return names_by_id(self.reading.authority.names, self.labels)

    @property
    def refusal_words(self) -> RefusalWords:
        """Return the words in which this request tells of a refusal."""
        own: RefusalWords | None = getattr(self.request.state, "refusal_words", None)
        return own or RefusalWords(self.labels, self.agency_names)

    def refuse_in(self, words: EventWords, things: Callable[[], Mapping[str, str]]) -> None:
        """Let this request tell of refusals in the words of its form: ``things`` gives what that calls things by id."""
        self.request.state.refusal_words = RefusalWords(self.labels, self.agency_names, words, things)

    def following(self, scope: str, rows: Sequence[Any], limit: int, place_of: Callable[[Any], object]) -> str | None:
        """Return the cursor behind a page of at most ``limit`` rows of a list, None if the page is not full."""
        return self.service.cursors.seal(scope, str(place_of(rows[-1]))) if len(rows) == limit else None

    def page(self, template: str, **values: Any) -> Response:
        """Return the page or fragment of this template, with a new token for a session in use."""
        response = page(
            self.request, self.service, template, self.reading, unsigned=self.reading.unsigned or {}, **values
        )
        if (token := self.service.sign_in.renewed(self.reading.session)) is not None:
            SessionCookie(self.service.parts.settings).set_on(response, token.access_token, token.expires_in)
        return response


class PublicVisit(Struct, frozen=True):
    """A request for a page that everybody may see; ``visitor`` is None if nobody is signed in."""

    request: Request
    service: Service
    visitor: Reading | None
    labels: Labels

    def page(self, template: str, **values: Any) -> Response:
        """Return the page or fragment of this template."""
        return page(self.request, self.service, template, self.visitor, **values)


def visit(request: Request) -> Visit:
    """Return the visit of a reader. Raises SignInNeeded."""
    own = Visit(request, service_of(request), reading(request), labels(request))
    own.reading.unsigned = {}
    return own


def public_visit(request: Request) -> PublicVisit:
    """Return the visit of anybody."""
    return PublicVisit(request, service_of(request), visiting(request), labels(request))


VisitOf = Annotated[Visit, Depends(visit)]


def refusing_unsigned(visit: VisitOf) -> None:
    """Let what is not as it was signed refuse the answer: a file that is kept has no notice beside it."""
    visit.reading.unsigned = None


PublicVisitOf = Annotated[PublicVisit, Depends(public_visit)]


def sign_in_first(request: Request, _error: Exception) -> Response:
    """Redirect to the sign-in page and back.

    A form that was submitted stays in its page, with a message beside it.
    """
    if "hx-request" in request.headers:
        return page(request, service_of(request), "shared/session_over.html", status=401)
    back = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return RedirectResponse(f"{PATH}/sign-in?next={quote(back)}", 303)
