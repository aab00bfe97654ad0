"""What routes depend on: the parts of the service, the signed-in reader, and the types of ids, pages and languages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, NamedTuple, TypeVar, get_args

import msgspec
from fastapi import Depends, Path, Query, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.responses import Response, StreamingResponse

from api.auth.reading import Reading
from api.auth.sessions import require_key
from api.middleware.problems import TokenRefused
from api.middleware.request_limits import JSON, decode, read_body
from api.services.documents import LabelRequest
from api.services.governance import require_modelling
from api.services.service import LONGEST, PATTERN, Service
from ledger.core.encoding.canonical import MEANINGS
from ledger.core.encoding.decoding import decoder_of
from ledger.core.errors import NotFound
from ledger.core.events.terms import WORD, Date, Instant
from ledger.core.messages import Message
from ledger.core.signing.authority import Agency, AuthorityState
from ledger.i18n import Labels, in_readers_language, language_accepted
from ledger.interchange.papers.labels import MOST_LABELS, LabelSize
from ledger.store.cases import Page

T = TypeVar("T")


def _whole(text: Any) -> str:
    """Return the pattern of a text of events, without its ends."""
    pattern: str = get_args(text)[1].pattern
    return pattern.removeprefix("^").removesuffix(r"$(?!\n)")


# The document must call no time, size or index valid that would be refused for its form.
INSTANT_PATTERN = f"^{_whole(Instant)}$"
DATE_PATTERN = f"^{_whole(Date)}$"
DECIMAL_PATTERN = r"^(?:0|[1-9][0-9]{0,17})$"
_ON = rf"^(?:{_whole(Date)}|{_whole(Instant)})$"
# What a refusal has instead of a pattern that is none of a field of an event.
MEANINGS.update(
    {
        f"{DECIMAL_PATTERN}(?!\\n)": Message("a whole number, for example 17"),
        f"{_ON}(?!\\n)": Message("a day or a time, for example 2026-03-01"),
        f"{PATTERN}(?!\\n)": Message("`next` of the page before, as it is"),
    }
)
_SLUG = r"^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$"
_EVENT_ID = r"^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"

SlugPath = Annotated[str, Path(pattern=_SLUG)]
ScanNumberPath = Annotated[int, Path(ge=1, lt=1_000_000)]
SlugQuery = Annotated[str | None, Query(pattern=_SLUG)]
OfficerQuery = Annotated[
    str | None, Query(pattern=_SLUG, description="service number with which commands are filled in")
]
StreamIdQuery = Annotated[str, Query(alias="id", pattern=_SLUG, description="the stream's id, such as that of a case")]
WordQuery = Annotated[str | None, Query(pattern=f"^{WORD}$", description="word of the case's procedure")]
EventIdPath = Annotated[str, Path(pattern=_EVENT_ID)]
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


DigestPath = Annotated[
    str,
    Path(pattern=r"^(?:blake3|sha256|sm3):[0-9a-f]{64}$", description="digest of the file that the record has"),
]


def labels_wanted(
    size: Annotated[LabelSize, Query(description="24 on A4, 70 by 37 mm, or a roll of 60 by 40 mm")] = "a4-24",
    item_id: Annotated[list[str] | None, Query(max_length=MOST_LABELS, description="only this item; several")] = None,
    first: Annotated[int, Query(ge=1, le=1_000_000, description="number of an item in the case")] = 1,
    start: Annotated[int, Query(ge=1, le=24, description="the first free place of a sheet that is begun")] = 1,
) -> LabelRequest:
    """Return which labels are asked for."""
    return LabelRequest(size, tuple(item_id or ()), first, start)


LabelsWanted = Annotated[LabelRequest, Depends(labels_wanted)]


def service_of(request: Request) -> Service:
    """Return the service that this application serves."""
    service: Service = request.app.state.service
    return service


async def service_at_hand(request: Request) -> Service:
    """Return what ``service_of`` does, on the event loop: what is not async, FastAPI calls in a thread."""
    return service_of(request)


# For routes alone: other dependencies call ``service_of``, since FastAPI examines each anew for each route.
ServiceOf = Annotated[Service, Depends(service_at_hand)]


_bearer = HTTPBearer(auto_error=False, description="from /api/v1/sign-in/token")


def reading(request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]) -> Reading:
    """Return the reader of this request by its bearer token.

    Raises TokenRefused if there is no token, or one that is not valid now.
    """
    if credentials is None:
        raise TokenRefused("expected the header 'Authorization: Bearer <token>'", field="Authorization")
    service = service_of(request)
    authority = service.parts.authority()
    session = service.sign_in.session(credentials.credentials, authority)
    require_key(session, request.method)
    return Reading(service.parts, session, authority)


Reads = Annotated[Reading, Depends(reading)]


def holding(*roles: str) -> Callable[[Reading], Reading]:
    """Return the dependency on a reader who must hold one of the roles. It raises Unauthorized."""

    def holder(reading: Reads) -> Reading:
        reading.require_role(*roles)
        return reading

    return holder


def modelling(reading: Reads) -> Reading:
    """Return the reader, who must be a supervising agency's officer of a role that runs models. Raises Unauthorized."""
    require_modelling(reading)
    return reading


Models = Annotated[Reading, Depends(modelling)]


def labels(request: Request, lang: Lang = None) -> Labels:
    """Return the labels in the requested language."""
    return Labels(lang or language_accepted(request.headers.get("accept-language")))


LabelsOf = Annotated[Labels, Depends(labels)]


async def read_json(request: Request, service: Service, decoder: msgspec.json.Decoder[T], *, limit: int) -> T:
    """Return the decoded JSON body of at most ``limit`` bytes. Raises Refused, ClientGone or MalformedInput."""
    timeout_s = service.parts.settings.request_timeout_s
    return decode(await read_body(request.scope, request.receive, JSON, limit=limit, timeout_s=timeout_s), decoder)


def json_body(kind: type[T], *, limit: int) -> Any:
    """Return the dependency on a JSON body of this type, of at most ``limit`` bytes.

    It is read after what the dependencies before it check: who may not ask is refused whatever the body.
    """
    decoder = decoder_of(kind)

    async def body(request: Request) -> T:
        return await read_json(request, service_of(request), decoder, limit=limit)

    return Depends(body)


def shown_pdf(pdf: bytes, name: str) -> Response:
    """Return a PDF that the browser shows, under this name for a file of it."""
    headers = {"Content-Disposition": f'inline; filename="{name}.pdf"'}
    return Response(pdf, media_type="application/pdf", headers=headers)


def download(content: bytes | Iterator[bytes], name: str, media_type: str = "application/json") -> Response:
    """Return a file that the browser saves under this name."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    kind: type[Response] = Response if isinstance(content, bytes) else StreamingResponse
    return kind(content, media_type=media_type, headers=headers)


def json_response(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a JSON response."""
    body = msgspec.json.encode(value, enc_hook=in_readers_language)
    return Response(body, status, headers=headers, media_type="application/json")


def page_response(
    key: str, entries: Sequence[Any], following: str | int | None, *, resume: str | None = None
) -> Response:
    """Return a page of a list; ``following`` is where the next one begins, and ``resume`` where the list grows on."""
    cursors = {name: cursor for name, cursor in (("resume", resume), ("next", following)) if cursor is not None}
    return json_response({key: entries} | cursors)


class ListPage(NamedTuple):
    """The page of a list that a request asks for: at most ``limit`` entries behind the cursor ``after``."""

    service: Service
    limit: int
    after: str | None

    def position(self, scope: str) -> str | None:
        """Return the position behind which the list continues. Raises MalformedInput for a cursor of another list."""
        return self.service.cursors.position(scope, self.after)

    def window(self, scope: str) -> Page:
        """Return the same with the position of the cursor in the list ``scope``. Raises MalformedInput."""
        return Page(self.limit, self.position(scope))

    def response(
        self,
        key: str,
        entries: list[Any],
        place_of: Callable[[Any], str | int],
        *,
        scope: str | None = None,
        resumes: bool = False,
    ) -> Response:
        """Return the entries under ``key``, and under ``next`` the cursor behind them if the page is full.

        Cursors belong to the list ``scope``, by default ``key``. With ``resumes``, every page also has a cursor under
        ``resume``, from which a list that grows at its end continues later.
        """
        cursors, scope = self.service.cursors, scope or key
        resume = cursors.seal(scope, str(place_of(entries[-1]))) if resumes and entries else None
        return page_response(key, entries, cursors.following(scope, entries, self.limit, place_of), resume=resume)


async def list_page(request: Request, limit: Limit = 100, after: Following = None) -> ListPage:
    """Return the page that is asked for, of at most as many entries as the settings allow."""
    service = service_of(request)
    return ListPage(service, service.limit(limit), after)


PageOf = Annotated[ListPage, Depends(list_page)]


def known_agency(authority: AuthorityState, agency_id: str, *, field: str = "agency_id") -> Agency:
    """Return the agency. Raises NotFound if the registry does not have it."""
    agency = authority.agencies.get(agency_id)
    if agency is None:
        raise NotFound(
            "no agency {agency_id} is admitted to this ledger",
            agency_id=agency_id,
            field=field,
            hint="See: tally agency list",
        )
    return agency


def require_agencies(reading: Reading, **named: str | None) -> None:
    """Accept agencies by which a list is filtered, by their fields. Raises NotFound: it would merely be empty."""
    for field, agency_id in named.items():
        if agency_id is not None:
            known_agency(reading.authority, agency_id, field=field)


def require_stage(service: Service, stage: str | None) -> None:
    """Accept a stage by which a list is filtered. Raises NotFound if no procedure that was adopted has it."""
    books = [version.book for version in service.parts.validator.procedures().versions if version.book is not None]
    stages = dict.fromkeys(word for book in books for word in book.vocabularies["stage"])
    if stage is not None and stage not in stages:
        raise NotFound(
            "no procedure of this ledger has the stage {stage}, but: {stages}",
            stage=stage,
            stages=", ".join(stages),
            field="stage",
            hint="Name one of these, or none.",
        )


Day = Annotated[str, Query(pattern=f"^{_whole(Date)}$", description="day of the ledger's time zone")]


# What no calendar has is refused where it is read.
OnQuery = Annotated[
    str | None,
    Query(
        pattern=_ON,
        description="day of the ledger's time zone, or instant: answer who had custody then",
    ),
]


Tree = Annotated[
    str | None, Query(pattern=r"^[a-z0-9]{1,16}(?:/[a-z0-9]{1,16}){0,4}$", description="province/city/county")
]
