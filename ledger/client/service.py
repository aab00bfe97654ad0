"""Clients of the service over HTTP: one blocks, the other is awaited. Both carry out the same requests.

What passes is tried again, a token is renewed, and problem documents are raised as our errors.
"""

from __future__ import annotations

import ipaddress
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
from functools import wraps
from typing import Any, ClassVar, Concatenate, ParamSpec, Self, TypeVar

import httpx
import stamina

from ledger.client.exchange import (
    ATTEMPTS,
    Done,
    Exchange,
    NameField,
    Reply,
    Row,
    ServiceCall,
    advance,
    attempts,
    same_name,
    unreachable,
)
from ledger.client.requests import Credentials, Requests, path_of
from ledger.core.errors import MalformedInput, TallystickError
from ledger.tls import tls_context

__all__ = ["ATTEMPTS", "AsyncServiceClient", "NameField", "ServiceClient", "path_of", "same_name"]

P = ParamSpec("P")
T = TypeVar("T")

TIMEOUT_S = 45.0  # the service ends a model's query after 30 s, and its error should arrive


def blocking(described: Callable[Concatenate[Any, P], Exchange[T]]) -> Callable[Concatenate[Any, P], T]:
    """Return the method of a blocking client that carries out what a method of its ``requests`` describes."""

    @wraps(described)
    def ask(client: ServiceClient, /, *arguments: P.args, **options: P.kwargs) -> T:
        return client.run(described(client.requests, *arguments, **options))

    return ask


def awaiting(
    described: Callable[Concatenate[Any, P], Exchange[T]],
) -> Callable[Concatenate[Any, P], Coroutine[Any, Any, T]]:
    """Return the same method of a client that is awaited."""

    @wraps(described)
    async def ask(client: AsyncServiceClient, /, *arguments: P.args, **options: P.kwargs) -> T:
        return await client.run(described(client.requests, *arguments, **options))

    return ask


class Connected:
    """What both clients begin with: the requests of somebody, and a connection to the service at ``url``."""

    _transport: ClassVar[type[Any]]

    def __init__(
        self,
        url: str,
        credentials: Credentials | None = None,
        *,
        timeout_s: float = TIMEOUT_S,
        name_field: NameField = same_name,
        language: str = "en",
    ):
        self.requests = Requests(url, credentials, name_field=name_field, language=language)
        self.url = self.requests.url
        self._client: Any = self._transport(**_settings(self.url, timeout_s))


class ServiceClient(Connected):
    """A client that blocks until the answer is there. Methods are those of ``Requests``."""

    _transport = httpx.Client

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    get = blocking(Requests.get)
    fetch = blocking(Requests.fetch)
    download = blocking(Requests.download)
    news = blocking(Requests.news)
    post = blocking(Requests.post)
    upload = blocking(Requests.upload)
    delete = blocking(Requests.delete)

    def pages(self, path: str, key: str, *, after: Any = None, **query: Any) -> Iterator[Any]:
        """Yield the rows of all pages behind ``after``."""
        return self.rows(self.requests.pages(path, key, after=after, **query))

    def run(self, exchange: Exchange[T]) -> T:
        """Carry an exchange out, and return what comes of it. Raises what it raises."""
        step = advance(exchange, None)
        while not isinstance(step, Done):
            step = advance(exchange, self._outcome(step))
        result: T = step.value
        return result

    def rows(self, exchange: Exchange[Any]) -> Iterator[Any]:
        """Yield what an exchange gives out."""
        step = advance(exchange, None)
        while not isinstance(step, Done):
            if isinstance(step, Row):
                yield step.value
            step = advance(exchange, self._outcome(step))

    def _outcome(self, step: ServiceCall | Row) -> Reply | TallystickError | None:
        if isinstance(step, Row):
            return None
        try:
            for attempt in stamina.retry_context(**attempts(step)):
                with attempt:
                    return self._reply(step).require_final()
        except TallystickError as error:
            return error
        raise AssertionError("the attempts end with an answer or an error")

    def _reply(self, call: ServiceCall) -> Reply:
        try:
            content = call.content if call.source is None else iter(call.source())
            with self._client.stream(**_request(call, content)) as response:
                if call.target is None or not response.is_success:
                    return Reply.of(response, response.read())
                for piece in response.iter_bytes():
                    call.target.write(piece)
                return Reply(response.status_code, b"")
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise unreachable(self.url if call.url.startswith(self.url) else call.url, error) from error


class AsyncServiceClient(Connected):
    """A client that is awaited. Methods are those of ``Requests``."""

    _transport = httpx.AsyncClient

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    get = awaiting(Requests.get)
    fetch = awaiting(Requests.fetch)
    download = awaiting(Requests.download)
    news = awaiting(Requests.news)
    post = awaiting(Requests.post)
    upload = awaiting(Requests.upload)
    delete = awaiting(Requests.delete)

    def pages(self, path: str, key: str, *, after: Any = None, **query: Any) -> AsyncIterator[Any]:
        """Yield the rows of all pages behind ``after``."""
        return self.rows(self.requests.pages(path, key, after=after, **query))

    async def run(self, exchange: Exchange[T]) -> T:
        """Carry an exchange out, and return what comes of it. Raises what it raises."""
        step = advance(exchange, None)
        while not isinstance(step, Done):
            step = advance(exchange, await self._outcome(step))
        result: T = step.value
        return result

    async def rows(self, exchange: Exchange[Any]) -> AsyncIterator[Any]:
        """Yield what an exchange gives out."""
        step = advance(exchange, None)
        while not isinstance(step, Done):
            if isinstance(step, Row):
                yield step.value
            step = advance(exchange, await self._outcome(step))

    async def _outcome(self, step: ServiceCall | Row) -> Reply | TallystickError | None:
        if isinstance(step, Row):
            return None
        try:
            async for attempt in stamina.retry_context(**attempts(step)):
                with attempt:
                    return (await self._reply(step)).require_final()
        except TallystickError as error:
            return error
        raise AssertionError("the attempts end with an answer or an error")

    async def _reply(self, call: ServiceCall) -> Reply:
        try:
            content = call.content if call.source is None else _awaited(call.source())
            async with self._client.stream(**_request(call, content)) as response:
                if call.target is None or not response.is_success:
                    return Reply.of(response, await response.aread())
                async for piece in response.aiter_bytes():
                    call.target.write(piece)
                return Reply(response.status_code, b"")
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise unreachable(self.url if call.url.startswith(self.url) else call.url, error) from error


async def _awaited(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def _request(call: ServiceCall, content: Any) -> dict[str, Any]:
    """Return the arguments of ``httpx`` for a call."""
    parts = {"params": call.params, "headers": call.headers, "content": content}
    return {"method": call.method, "url": call.url} | {name: part for name, part in parts.items() if part}


def _settings(url: str, timeout_s: float) -> dict[str, Any]:
    """Return the settings of ``httpx`` for a service. Raises MalformedInput for what is no URL."""
    try:
        host = httpx.URL(url).host
    except httpx.InvalidURL as error:
        raise MalformedInput("not the URL of a service: {error}", error=error, field="url") from error
    return {"timeout": timeout_s, "trust_env": not _is_loopback(host), "verify": tls_context()}


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
