"""What routes ask for: the parts of the service, who reads, ids and pages in their one spelling."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar, get_args

import msgspec
from fastapi import Depends, Path, Query, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.responses import Response

from api.auth.reading import Reading
from api.auth.sessions import SignIn
from api.middleware.bodies import JSON, decode, read_body
from api.middleware.problems import TokenRefused
from api.services.auditing import Audits
from api.services.cursors import LONGEST, PATTERN, Cursors
from api.services.parts import Parts
from api.services.submission import Desk
from ledger.core.events.terms import Instant
from ledger.core.signing.authority import Authority
from ledger.i18n import Labels, language_of
from ledger.proofs.bundles import Prover
from ledger.store.cases import Page
from ledger.timeline import Walks
from ledger.timeline.picture import Pictures

T = TypeVar("T")

# The document must call no time, size or index valid that would be refused for its form.
INSTANT_PATTERN = get_args(Instant)[1].pattern.replace(r"$(?!\n)", "$")
DECIMAL_PATTERN = r"^(?:0|[1-9][0-9]{0,17})$"
_SLUG = r"^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$"
_EVENT_ID = r"^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"

SlugPath = Annotated[str, Path(pattern=_SLUG)]
SlugQuery = Annotated[str | None, Query(pattern=_SLUG)]
EventIdPath = Annotated[str, Path(pattern=_EVENT_ID)]
AfterIndex = Annotated[int | None, Query(ge=0, lt=2**53)]
Limit = Annotated[int, Query(ge=1, le=1000, description="entries of a page")]
After = Annotated[int, Query(ge=-1, lt=2**53, description="the last number of the page before")]
Following = Annotated[
    str | None, Query(pattern=PATTERN, max_length=LONGEST, description="`next` of the page before, as it is")
]
Lang = Annotated[
    Literal["en", "zh-CN"] | None, Query(description="language of what is told in words; else by Accept-Language")
]
Ground = Annotated[
    str | None,
    Query(min_length=1, max_length=200, description="why confidential sections are read by who does not hold the case"),
]


@dataclass(frozen=True, slots=True)
class Service:
    """What the application carries: the parts, and what it made out of them."""

    parts: Parts
    sign_in: SignIn
    desk: Desk
    prover: Prover
    walks: Walks
    pictures: Pictures
    audits: Audits
    cursors: Cursors

    def authority(self) -> Authority:
        """The registry as the log has it now."""
        return self.parts.authority()

    def limit(self, asked: int) -> int:
        """How many entries a page has at most."""
        return min(asked, self.parts.settings.max_page_entries)


def service_of(request: Request) -> Service:
    """The service that this application serves."""
    service: Service = request.app.state.service
    return service


ServiceOf = Annotated[Service, Depends(service_of)]


_bearer = HTTPBearer(auto_error=False, description="from /api/v1/sign-in/token")


def reading(service: ServiceOf, given: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]) -> Reading:
    """Who reads, by a token that holds now. Raises TokenRefused."""
    if given is None:
        raise TokenRefused("expected the header 'Authorization: Bearer <token>'", field="Authorization")
    authority = service.authority()
    return Reading(service.parts, service.sign_in.session(given.credentials, authority), authority)


Reads = Annotated[Reading, Depends(reading)]


def labels(request: Request, lang: Lang = None) -> Labels:
    """The labels of the language that was asked for."""
    return Labels(lang or language_of(request.headers.get("accept-language")))


LabelsOf = Annotated[Labels, Depends(labels)]


def page(service: Service, scope: str, limit: int, after: str | None) -> Page:
    """The window that was asked for. Raises MalformedInput for a cursor of another list."""
    return Page(service.limit(limit), place(service, scope, after))


def place(service: Service, scope: str, after: str | None, *, field: str = "after") -> str | None:
    """The place behind which the list goes on. Raises MalformedInput for a cursor of another list."""
    return None if after is None else service.cursors.open(scope, after, field=field)


async def posted(request: Request, service: Service, decoder: msgspec.json.Decoder[T], *, limit: int) -> T:
    """What the JSON body says, of at most ``limit`` bytes. Raises Refused, ClientGone or MalformedInput."""
    timeout_s = service.parts.settings.request_timeout_s
    return decode(await read_body(request.scope, request.receive, JSON, limit=limit, timeout_s=timeout_s), decoder)


def answer(value: Any, status: int = 200) -> Response:
    """A JSON answer."""
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def listed(
    service: Service,
    key: str,
    entries: list[Any],
    limit: int,
    place_of: Callable[[Any], str | int],
    *,
    scope: str | None = None,
    resumes: bool = False,
) -> Response:
    """One page: the entries under ``key``; ``next`` is where the following page begins, absent on the last one.

    The cursors are of the list ``scope``, which is called as its entries are unless it says otherwise. One that
    ``resumes`` says on each page, under ``resume``, where to go on once there is more.
    """
    body: dict[str, Any] = {key: entries}
    if entries and (resumes or len(entries) == limit):
        cursor = service.cursors.seal(scope or key, str(place_of(entries[-1])))
        body |= {"resume": cursor} if resumes else {}
        body |= {"next": cursor} if len(entries) == limit else {}
    return answer(body)


def listed_publicly(key: str, entries: list[Any], limit: int, place_of: Callable[[Any], str | int]) -> Response:
    """One page of what everybody may see whole; ``next`` is the place of its last entry, absent on the last page."""
    body: dict[str, Any] = {key: entries}
    if len(entries) == limit:
        body["next"] = place_of(entries[-1])
    return answer(body)
