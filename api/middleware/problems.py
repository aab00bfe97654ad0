"""Problems: the only place where errors become HTTP statuses (RFC 9457, ``application/problem+json``).

Every problem has a stable ``code``, in ``detail`` what was expected, in ``hint`` what to do next, and the ``field`` if
one is at fault.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi.exceptions import RequestValidationError
from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match

from api.middleware.measuring import MEASURES_IN_USE
from ledger.core.encoding.canonical import MEANINGS, MISSING
from ledger.core.errors import (
    Conflict,
    IntegrityBroken,
    MalformedInput,
    NotFound,
    ProofRefused,
    RuleRefused,
    SignatureRefused,
    TallystickError,
    Unauthorized,
    Unavailable,
    UnknownYear,
)
from ledger.core.messages import Message
from ledger.i18n import READERS_LANGUAGE, in_readers_language
from ledger.loggers import get_logger

MEDIA_TYPE = "application/problem+json"

DISPATCHED = "tallystick.dispatched"  # key in a request's scope of the methods that no router of the application has

logger = get_logger(__name__)

STATUSES: dict[type[TallystickError], int] = {
    MalformedInput: 400,
    SignatureRefused: 403,
    Unauthorized: 403,
    NotFound: 404,
    Conflict: 409,
    RuleRefused: 422,
    ProofRefused: 422,
    UnknownYear: 422,
    IntegrityBroken: 500,
    Unavailable: 503,
}
HINTS: dict[int, str] = {
    400: Message("Correct the field named here; /api/v1/openapi.json describes every request."),
    401: Message("Sign in at /api/v1/sign-in/challenge and send the token as 'Authorization: Bearer <token>'."),
    403: Message("Act by a key that is granted for this (--profile); tally agency show AGENCY lists keys and roles."),
    404: Message("Check the ids; what you may not see looks as if it were not there."),
    405: Message("The Allow header lists the methods of this address."),
    408: Message("Send the whole request without a pause."),
    409: Message("Look at what stands in the log now, then sign again."),
    413: Message("Send less at once; many events go through /api/v1/events/batch in several requests."),
    415: Message("Say the content type that this address takes."),
    416: Message("Ask for a part that the file has, or for all of it."),
    422: Message("Nothing was recorded: mend what is named here, then do it again."),
    429: Message("Wait a little: retry_after says how many seconds."),
    500: Message("Tell the operator of this ledger the request id in the header X-Request-Id."),
    503: Message(
        "Try again a little later: retry_after says after how many seconds. The same submission is recorded once."
    ),
}


# Those of an application that has other addresses and options than the service.
HINTS_IN_USE: ContextVar[Mapping[int, str]] = ContextVar("hints", default=HINTS)


class Problem(Struct, frozen=True):
    """A problem document (RFC 9457). After a conflict, ``head`` and ``sequence`` are those of the stream now.

    ``line`` is that of a bulk request in which one refusal refuses all, counted from 1. ``retry_after`` is the number
    of seconds after which the same may be sent again.

    ``detail`` and ``hint`` are in the language that the request asks for (Accept-Language), the rest is for programs.
    """

    status: int
    title: str
    code: str
    detail: str
    hint: str
    type: str = "about:blank"
    field: str | UnsetType = UNSET
    head: str | UnsetType | None = UNSET
    sequence: int | UnsetType = UNSET
    index: int | UnsetType = UNSET
    line: int | UnsetType = UNSET
    retry_after: int | UnsetType = UNSET


class TokenRefused(TallystickError):
    """There is no token, or it is not valid."""

    code = "token_refused"


class Refused(TallystickError):
    """A request refused for its form before its content is looked at. Carries its HTTP status."""

    def __init__(self, status: int, text: str, /, *, retry_after: int = 0, **more: Any):
        super().__init__(text, **more)
        self.status = status
        self.retry_after = retry_after


def problem_of(error: TallystickError) -> Problem:
    """Return the problem document of an error."""
    status, hints = status_of(error), HINTS_IN_USE.get()
    return Problem(
        status=status,
        title=HTTPStatus(status).phrase,
        code=error.code,
        detail=error.text,
        hint=error.hint or hints.get(status, hints[400]),
        field=UNSET if error.field is None else error.field,
        head=error.head if isinstance(error, Conflict) and error.sequence is not None else UNSET,
        sequence=error.sequence if isinstance(error, Conflict) and error.sequence is not None else UNSET,
        index=error.index if isinstance(error, IntegrityBroken) and error.index is not None else UNSET,
        retry_after=getattr(error, "retry_after", 0) or 1 if status in (408, 429, 503) else UNSET,
    )


def status_of(error: TallystickError) -> int:
    """Return the HTTP status of the error's class, or of its nearest base class that has one."""
    if isinstance(error, Refused):
        return error.status
    if isinstance(error, TokenRefused):
        return 401
    return next((STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES), 400)


def response_of(error: TallystickError, *, line: int | UnsetType = UNSET) -> Response:
    """Return the response to an error, at this line of a bulk request."""
    problem = replace(problem_of(error), line=line)
    count_refusal(problem)
    headers = {"Content-Language": READERS_LANGUAGE.get(), "Vary": "Accept-Language"}
    if problem.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="tallystick", error="invalid_token"'
    if problem.retry_after is not UNSET:
        headers["Retry-After"] = str(problem.retry_after)
    return Response(msgspec.json.encode(problem, enc_hook=in_readers_language), problem.status, headers, MEDIA_TYPE)


def count_refusal(problem: Problem) -> None:
    """Count a problem that is answered, as a document or a page, among those of its application."""
    if (measures := MEASURES_IN_USE.get()) is not None:
        measures.note_refusal(problem.status, problem.code)


def answer_to(error: TallystickError, *, line: int | UnsetType = UNSET) -> Response:
    """Return the response to an error, and log what no client may see if it is a fault of the service."""
    if status_of(error) >= 500:
        logger.warning("refused", code=error.code, reason=error.for_operator)
    return response_of(error, line=line)


def unexpected() -> Response:
    """Return the response to an unforeseen failure, which reveals nothing about it."""
    return response_of(Refused(500, "the service failed at this request", code="internal_error"))


async def on_refusal(_request: Request, error: Exception) -> Response:
    """Handle TallystickError."""
    assert isinstance(error, TallystickError)
    return answer_to(error)


async def on_invalid_parameter(_request: Request, error: Exception) -> Response:
    """Handle FastAPI's refusal of a path or query parameter."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"][1:]) or str(first["loc"][0])
    if first["type"] == "missing":
        return response_of(MalformedInput(MISSING, name=field, field=field))
    value = str(first.get("input"))[:100]
    return response_of(MalformedInput("{expected}, not {given!r}", expected=_expected(first), given=value, field=field))


def _expected(error: Mapping[str, Any]) -> str:
    """Return what FastAPI expected of a parameter, in the words of the refusals of bodies; its own for a rare type."""
    match error["type"], error.get("ctx", {}):
        case "string_pattern_mismatch", {"pattern": pattern}:
            meaning = MEANINGS.get(f"{pattern}(?!\\n)") or Message("text like {pattern}", pattern=pattern)
            return Message("Expected {meaning}", meaning=meaning)
        case "string_too_short", {"min_length": least}:
            return Message("Expected at least {count} characters", count=least)
        case "string_too_long", {"max_length": most}:
            return Message("Expected at most {count} characters", count=most)
        case "literal_error" | "enum", {"expected": words}:
            return Message("Expected one of {words}", words=words.replace("'", "").replace(" or ", ", "))
        case "bool_parsing", _:
            return Message("Expected true or false")
        case (("int_parsing" | "int_parsing_size"), _):
            return Message("Expected a whole number")
        case ("greater_than_equal" | "greater_than" | "less_than_equal" | "less_than") as relation, {**bounds}:
            (bound,) = bounds.values()
            sign = {"greater_than_equal": ">=", "greater_than": ">", "less_than_equal": "<=", "less_than": "<"}[
                relation
            ]
            return Message("Expected a number {sign} {bound}", sign=sign, bound=bound)
    return str(error["msg"])


async def on_http_exception(request: Request, error: Exception) -> Response:
    """Handle what Starlette refuses itself: unknown addresses and methods that are not allowed."""
    assert isinstance(error, HTTPException)
    phrase = HTTPStatus(error.status_code).phrase
    code = phrase.lower().replace(" ", "_")
    nowhere = error.detail == phrase == HTTPStatus.NOT_FOUND.phrase
    message = (
        Message("there is nothing at {request.url.path}", request=request) if nowhere else f"{phrase}: {error.detail}"
    )
    response = response_of(Refused(error.status_code, message, code=code))
    for name, value in (error.headers or {}).items():
        response.headers[name] = value
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        response.headers["Allow"] = ", ".join(sorted(_methods_of(request)))
    return response


def _methods_of(request: Request) -> set[str]:
    """Return all methods of the address; Starlette names those of the first route that has it."""
    routes = [route for route in request.app.routes if route.matches(request.scope)[0] is not Match.NONE]
    methods = {method for route in routes for method in getattr(route, "methods", None) or ()}
    methods |= request.scope.get(DISPATCHED, set())
    return methods | {"HEAD"} if "GET" in methods else methods


async def on_unexpected(_request: Request, _error: Exception) -> Response:
    """Handle everything else. The edge logs it."""
    return unexpected()


HANDLERS: Mapping[Any, Any] = {
    Exception: on_unexpected,
    TallystickError: on_refusal,
    RequestValidationError: on_invalid_parameter,
    HTTPException: on_http_exception,
}
