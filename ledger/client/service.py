"""Call the service over HTTP: retry, sign in, and raise our errors.

Every request may be repeated: reads and challenges change nothing, and the service recognises a submission by its
bytes.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any, Protocol, Self, TypeVar
from urllib.parse import quote

import httpx
import stamina
import stamina.instrumentation
from msgspec import DecodeError, json

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

TIMEOUT_S = 45.0  # the service ends a model's query after 30 s, and its error should arrive
ATTEMPTS = 4
LONGEST_WAIT_S = 20.0  # if the service asks to wait longer, the request fails

stamina.instrumentation.set_on_retry_hooks(())  # by default it logs to standard output, where results go


NameField = Callable[[str | None], str | None]  # from a field of a request to the name that the user knows it under


def same_name(field: str | None) -> str | None:
    """Return the field as it is."""
    return field


class Credentials(Protocol):
    """What a request carries to show who asks."""

    def header(self) -> dict[str, str]:
        """Return the Authorization header of a token that may still be valid, or nothing."""

    def renew(self) -> None:
        """Get a new token."""


class ServiceClient:
    """The API at ``url``. A 401 signs in once and repeats the request."""

    def __init__(
        self,
        url: str,
        credentials: Credentials | None = None,
        *,
        timeout_s: float = TIMEOUT_S,
        name_field: NameField = same_name,
        language: str = "en",
    ):
        self.url = url.rstrip("/")
        self._credentials = credentials
        self._name_field = name_field
        self._headers = {"Accept-Language": language}
        try:
            self._client = httpx.Client(timeout=timeout_s, trust_env=not _is_loopback(httpx.URL(self.url).host))
        except httpx.InvalidURL as error:
            raise MalformedInput("not the URL of a service: {error}", error=error, field="url") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def get(self, path: str, **query: Any) -> Any:
        """Return the JSON at ``path``, asked with the query parameters that are not None. Raises as ``error_of``."""
        return _decoded(self.fetch(path, **query), Any)

    def fetch(self, path: str, **query: Any) -> bytes:
        """Return the bytes at ``path``."""
        params = {name: value for name, value in query.items() if value is not None}
        return self._answer("GET", path, params=params)

    def download(self, path: str, target: IO[bytes], **query: Any) -> None:
        """Write the bytes at ``path`` to an open file, a piece at a time. Raises Unavailable if they are cut off."""
        params = {name: value for name, value in query.items() if value is not None}
        for renewed in (False, True):
            signed_in = self._credentials.header() if self._credentials else {}
            with (
                self._reaching(),
                self._client.stream(
                    "GET", self.url + path, params=params, headers=self._headers | signed_in
                ) as response,
            ):
                if response.is_success:
                    for piece in response.iter_bytes():
                        target.write(piece)
                    return
                response.read()
            if response.status_code != 401 or renewed or not self._credentials:
                raise self.error(response.status_code, _problem(response))
            self._credentials.renew()

    def pages(self, path: str, key: str, *, after: Any = None, **query: Any) -> Iterator[Any]:
        """Yield the rows of all pages behind ``after``.

        Each answer lists its rows under ``key``; its ``next`` is the ``after`` of the next page.
        """
        while True:
            page = self.get(path, after=after, **query)
            yield from page[key]
            after = page.get("next")
            if after is None:
                return

    def news(self, path: str, key: str, behind: str | None, **query: Any) -> tuple[list[Any], str | None]:
        """Return the rows behind the cursor, of all pages, and the cursor for the next look."""
        rows: list[Any] = []
        page: dict[str, Any] = {"next": behind}
        while "next" in page:
            page = self.get(path, after=page["next"], **query)
            rows += page[key]
        return rows, page.get("resume", behind)

    def post(self, path: str, content: bytes, answer: type[T], *, content_type: str = "application/json") -> T:
        """Post a JSON text and return the answer. Raises Unavailable if the outcome is unknown."""
        headers = {"Content-Type": content_type}
        return _decoded(self._answer("POST", path, content=content, headers=headers), answer)

    def delete(self, path: str) -> Any:
        """Delete the resource at ``path`` and return the answer."""
        return _decoded(self._answer("DELETE", path), Any)

    def _answer(self, method: str, path: str, **parts: Any) -> bytes:
        for attempt in stamina.retry_context(
            on=_pause, attempts=ATTEMPTS, timeout=60, wait_initial=0.2, wait_max=3, wait_jitter=0.2
        ):
            with attempt:
                response = self._send(method, path, parts)
                if response.status_code == 401 and self._credentials:
                    self._credentials.renew()
                    response = self._send(method, path, parts)
                if not response.is_success:
                    after = response.headers.get("Retry-After", "")
                    wait = int(after) if after.isascii() and after.isdecimal() and len(after) < 7 else 1
                    raise self.error(response.status_code, _problem(response), retry_after=wait)
                return response.content
        raise AssertionError("the attempts end with an answer or an error")

    def error(self, status: int, problem: Mapping[str, Any], *, retry_after: int = 1) -> TallystickError:
        """Return the error that a problem document (RFC 9457) describes, its field named as the user knows it."""
        error = error_of(status, problem, retry_after=retry_after)
        return error.told_with(field=self._name_field(error.field))

    def _send(self, method: str, path: str, parts: dict[str, Any]) -> httpx.Response:
        signed_in = self._credentials.header() if self._credentials else {}
        headers = self._headers | parts.get("headers", {}) | signed_in
        with self._reaching():
            return self._client.request(method, self.url + path, **parts | {"headers": headers})

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        """Raise Unavailable where nobody answers, or not to the end."""
        try:
            yield
        except httpx.TimeoutException as error:
            raise Unavailable(
                "{url} did not answer in time", url=self.url, code="service_timeout", hint="Try again later."
            ) from error
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise Unavailable(
                "{url} is not reachable: {error}",
                url=self.url,
                error=error,
                code="service_unreachable",
                hint="Is it running (tally serve), and is the URL of the profile right? See: tally doctor",
            ) from error


def at(template: str, *parts: str) -> str:
    """Return a path with ids put in, quoted so that each is one segment."""
    return template.format(*(quote(part, safe="") for part in parts))


def _decoded(content: bytes, answer: type[T]) -> T:
    try:
        return decode_json(content, answer)
    except (DecodeError, RecursionError) as error:
        raise Unavailable(
            "no answer of the service: {error}", error=error, code="service_garbled", hint="Check the profile's URL."
        ) from error


def _pause(error: Exception) -> bool | float:
    """Return whether to try again, or after how many seconds if the service said so."""
    if not isinstance(error, Unavailable) or error.code == "service_garbled":
        return False
    if error.code == "service_busy":
        return float(error.retry_after) if error.retry_after <= LONGEST_WAIT_S else False
    return True


def error_of(status: int, problem: Mapping[str, Any], *, retry_after: int = 1) -> TallystickError:
    """Return the error that a problem document (RFC 9457) describes."""
    parts: dict[str, Any] = {
        "field": problem.get("field"),
        "hint": problem.get("hint"),
        "code": str(problem.get("code") or f"http_{status}"),
    }
    message = problem.get("detail") or problem.get("title") or Message("the service answered {status}", status=status)
    if status in (429, 503):
        return Unavailable(message, **parts | {"code": "service_busy"}, retry_after=retry_after)
    if status == 500 and parts["code"] == IntegrityBroken.code:
        return IntegrityBroken(message, field=parts["field"], hint=parts["hint"])
    if status >= 500:
        return Unavailable(message, **parts | {"code": "service_fault"})
    if status == 409:
        return Conflict(message, **parts, head=problem.get("head"), sequence=problem.get("sequence"))
    kinds: dict[int, type[TallystickError]] = {401: Unauthorized, 403: Unauthorized, 404: NotFound, 422: RuleRefused}
    return kinds.get(status, MalformedInput)(message, **parts)


def _problem(response: httpx.Response) -> dict[str, Any]:
    try:
        problem = json.decode(response.content)
    except DecodeError:
        return {}
    return problem if isinstance(problem, dict) else {}


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
