"""Exchanges with a service, described once: a generator yields its calls and returns what came of them.

Whoever carries an exchange out, blocking or awaiting, sends the reply to each call back into it. A call that a passing
fault stops is made again: reads and challenges change nothing, and the service recognises a submission by its bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from typing import IO, Any, Final, TypeVar

import httpx
import stamina.instrumentation
from msgspec import DecodeError, Struct

from ledger.core.encoding.decoding import decode_json
from ledger.core.errors import (
    Conflict,
    IntegrityBroken,
    MalformedInput,
    NotFound,
    RuleRefused,
    TallystickError,
    Unauthorized,
    Unavailable,
)
from ledger.core.messages import Message

T = TypeVar("T")

ATTEMPTS: Final = 4
LONGEST_WAIT_S: Final = 20.0  # if the service asks to wait longer, the request fails

stamina.instrumentation.set_on_retry_hooks(())  # by default it logs to standard output, where results go


class ServiceCall(Struct, frozen=True):
    """A request. With a ``target`` the content of a successful answer is written there, a piece at a time; with a
    ``source`` what it yields is sent, a piece at a time."""

    method: str
    url: str
    params: Mapping[str, Any] = {}
    headers: Mapping[str, str] = {}
    content: bytes | None = None
    target: IO[bytes] | None = None
    source: Callable[[], Iterable[bytes]] | None = None


class ProblemDocument(Struct, frozen=True):
    """What the service says when it refuses (RFC 9457)."""

    status: int
    code: str
    detail: str
    hint: str | None = None
    field: str | None = None
    head: str | None = None
    sequence: int | None = None


class Reply(Struct, frozen=True):
    """The answer to a call; ``location`` is where it says that what was asked for is instead."""

    status: int
    content: bytes
    retry_after: str = ""
    location: str = ""

    @classmethod
    def of(cls, response: httpx.Response, content: bytes) -> Reply:
        """Return the reply that a response is, with its content."""
        after, location = response.headers.get("Retry-After", ""), response.headers.get("Location", "")
        return cls(response.status_code, content, after, location)

    @property
    def is_success(self) -> bool:
        """Return whether the service did what it was asked for."""
        return 200 <= self.status < 300

    @property
    def problem(self) -> ProblemDocument | None:
        """Return the problem document that the reply is, or None: a proxy may have answered for the service."""
        try:
            problem = decode_json(self.content, ProblemDocument)
        except DecodeError:
            return None
        return problem if problem.status == self.status else None

    def error(self) -> TallystickError:
        """Return the error that the reply stands for."""
        after = self.retry_after
        wait = int(after) if after.isascii() and after.isdecimal() and len(after) < 7 else 1
        return error_of(self.status, self.problem, retry_after=wait)

    def require_final(self) -> Reply:
        """Return the reply, unless it is a fault that may pass. Raises Unavailable for that."""
        if not self.is_success and retry_after_s(error := self.error()):
            raise error
        return self


class Row(Struct, frozen=True):
    """What an exchange gives out before it ends: a row of a list."""

    value: Any


class Done(Struct, frozen=True):
    """The end of an exchange, with what came of it."""

    value: Any


Exchange = Generator["ServiceCall | Row", Any, T]


def advance(exchange: Exchange[Any], outcome: Reply | TallystickError | None) -> ServiceCall | Row | Done:
    """Send the outcome of the last call into the exchange, and return what comes next. Raises what it raises."""
    try:
        return exchange.throw(outcome) if isinstance(outcome, TallystickError) else exchange.send(outcome)
    except StopIteration as end:
        return Done(end.value)


def unreachable(url: str, error: httpx.HTTPError) -> Unavailable:
    """Return the error for a service that did not answer, or not to the end."""
    if isinstance(error, httpx.TimeoutException):
        return Unavailable("{url} did not answer in time", url=url, code="service_timeout", hint="Try again later.")
    return Unavailable(
        "{url} is not reachable: {error}",
        url=url,
        error=error,
        code="service_unreachable",
        hint="Is it running (tally serve), and is the URL of the profile right? See: tally doctor",
    )


def retry_after_s(error: Exception) -> bool | float:
    """Return whether to try again, or after how many seconds if the service said so."""
    if not isinstance(error, Unavailable) or error.code == "service_garbled":
        return False
    if error.code == "service_busy":
        return float(error.retry_after) if error.retry_after <= LONGEST_WAIT_S else False
    return True


def attempts(call: ServiceCall) -> Mapping[str, Any]:
    """Return how ``stamina`` is to try a call again; what was cut off on its way into or from a file is not
    begun anew."""
    waits: dict[str, Any] = {"timeout": 60, "wait_initial": 0.2, "wait_max": 3, "wait_jitter": 0.2}
    return {
        "on": retry_after_s if call.target is None and call.source is None else lambda _error: False,
        "attempts": ATTEMPTS,
        **waits,
    }


OF_ANOTHER: Final = Message("Check the profile's URL; a proxy before the service may have answered.")
_BROKEN = (IntegrityBroken.code, "file_damaged", "file_missing", "file_unverifiable")


def error_of(status: int, problem: ProblemDocument | None, *, retry_after: int = 1) -> TallystickError:
    """Return the error that a problem document describes. Without one nothing is refused: the outcome is open."""
    message = problem.detail if problem else Message("the service answered {status}", status=status)
    parts: dict[str, Any] = {"field": problem.field, "hint": problem.hint, "code": problem.code} if problem else {}
    if status in (429, 503):
        return Unavailable(message, **parts | {"code": "service_busy"}, retry_after=retry_after)
    if problem and status == 500 and problem.code in _BROKEN:
        return IntegrityBroken(message, **parts)
    if status >= 500:
        return Unavailable(message, **parts | {"code": "service_fault"})
    if problem is None:
        return Unavailable(message, code="service_garbled", hint=OF_ANOTHER)
    if status == 409:
        return Conflict(message, **parts, head=problem.head, sequence=problem.sequence)
    kinds: dict[int, type[TallystickError]] = {401: Unauthorized, 403: Unauthorized, 404: NotFound, 422: RuleRefused}
    return kinds.get(status, MalformedInput)(message, **parts)


NameField = Callable[[str | None], str | None]  # from a field of a request to the name that the user knows it under


def same_name(field: str | None) -> str | None:
    """Return the field as it is."""
    return field
